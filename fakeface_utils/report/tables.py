"""The report's pieces as HTML, each made from files alone."""

import html
from collections.abc import Iterable

import pandas as pd
from IPython.display import HTML

from ..common.files import human_size
from ..dataset import audit
from ..evaluation.ablations import read_ablations, summary
from ..evaluation.caveats import failed_seeds, leak, notices
from ..evaluation.claims import claims
from ..evaluation.metrics import metrics
from ..evaluation.paper_itself import paper_against_itself, paper_sizes
from ..evaluation.table1 import claim_better, seed_by_seed, table1
from ..evaluation.verdicts import RULE
from ..study.artefacts import (
    read_architecture,
    read_audit,
    read_dataset,
    read_duplicates,
    read_predictions,
)
from ..study.names import METRICS, MODELS, TITLES
from ..study.paper import PAPER_COUNTS
from ..study.plan import chain_steps
from ..study.questions import open_questions
from ..study.record import command, record
from ..study.settings import Study
from ..study.step import Step
from .html_pieces import as_table, figure
from .open_questions import CAPTION

STORED = "256 x 256"  # the paper's images, as audit.json writes sizes


def _percent(value: float) -> str:
    return f"{value:.4f}"


def _counted(table: pd.DataFrame) -> str:
    """How often each verdict was given."""
    counts = table["verdict"].value_counts()
    return html.escape(", ".join(f"{count} {name}" for name, count in counts.items()))


def _other_images(study: Study) -> list[str]:
    """How the images differ from the paper's in number and size; empty where they don't."""
    counts = read_dataset(study)["counts"]
    here, paper = (
        ", ".join(f"{number:,} {split}" for split, number in numbers.items())
        for numbers in (
            {split: sum(found.values()) for split, found in counts.items()},
            {split: 2 * count for split, count in PAPER_COUNTS.items()},
        )
    )
    sizes = ", ".join(list(read_audit(study)["sizes"])[:3])
    said = [] if here == paper else [f"images {here} (paper: {paper})"]
    return said + ([] if sizes == STORED else [f"stored at {sizes} (paper: {STORED})"])


def opening(study: Study) -> HTML:
    """The first screen: notices, the verdict in a sentence, and what differs from the paper."""
    table, better = table1(study), claim_better(study)
    accuracy = table[table["metric"] == "accuracy"].set_index("model")
    numbers = "; ".join(
        f"{TITLES[model]} {_percent(accuracy.loc[model, 'ours_mean'])} "
        f"(paper: {_percent(accuracy.loc[model, 'paper'])})"
        for model in MODELS
    )
    means = ", ".join(
        f"{TITLES[model]} {_percent(accuracy.loc[model, 'without_leaked'])}" for model in MODELS
    )
    unleaked = f" Without the leaked test images: {means}." if leak(study) else ""
    says = {"the paper": "paper", "our reading": "our reading", "ours": "default"}
    changed = _other_images(study) + [
        f"{row.setting} {row.here} ({says[row.source]}: {row.paper})"
        for row in study.differences().itertuples()
    ]
    in_words = claims(study)
    arithmetic = in_words["basis"] == "arithmetic"
    alerts = "".join(
        f'<p class="notice" role="note">{text}</p>' for text in notices(study) + failed_seeds(study)
    )
    seeds = "1 seed" if len(study.seeds) == 1 else f"{len(study.seeds)} seeds"
    return HTML(
        f"{alerts}<p class='verdict'><b>Was the paper reproduced?</b> Table 1's eight numbers: "
        f"{_counted(table)}. The claim that the custom CNN is better: "
        f"{html.escape(str(better['verdict']))}. Of the paper's {len(in_words)} claims in words, "
        f"{arithmetic.sum()} follow from arithmetic on the networks, which needs no data: "
        f"{_counted(in_words[arithmetic])}; the other {(~arithmetic).sum()}, by what ran here: "
        f"{_counted(in_words[~arithmetic])}.</p>"
        f"<p>Test accuracy here, {seeds}, data '{html.escape(study.data_name)}': {numbers}."
        f"{unleaked}</p>"
        f"<p><b>What differs:</b> {html.escape('; '.join(changed)) or 'nothing'}.</p>"
        "<!--contents-->"
    )


def rule() -> HTML:
    """The rule of the verdicts and the two intervals, as the report shows them."""
    rows = "".join(f"<dt>{html.escape(a)}</dt><dd>{html.escape(b)}</dd>" for a, b in RULE)
    return HTML(
        f"<details><summary>The rule of the verdicts, fixed before any result</summary><dl>{rows}"
        "</dl></details><details><summary>The two intervals</summary><p>For the mean m of n seeds "
        "with standard deviation s. <i>Interval of the mean</i>, or of a mean difference: "
        "m ± √(t² s² / n + z² v), with t of n − 1 degrees of freedom, z = 1.96, and v the "
        "variance that comes from having so many test images (Agresti and Coull's for accuracy, "
        "resampled for the others). With one seed the first part is missing: it then covers the "
        "choice of images, not run-to-run variation. <i>Prediction interval</i>, where one more "
        "training run falls: m ± t s √(1 + 1/n). Both are shown cut at 0 and 1.</p></details>"
    )


def _range(lows: pd.Series, highs: pd.Series) -> list[str]:
    """Both ends in words, cut at 0 and 1; a dash where there is none."""
    return [
        "-" if pd.isna(low) else f"{_percent(max(low, 0))} to {_percent(min(high, 1))}"
        for low, high in zip(lows, highs, strict=True)
    ]


def verdicts(study: Study) -> HTML:
    """Table 1, ours beside the paper's with intervals, a verdict per cell, and the main claim."""
    table = table1(study)
    shown = pd.DataFrame(
        {
            "model": table["model"].map(TITLES),
            "metric": table["metric"],
            "ours": table["ours_mean"].map(_percent),
            "sd over seeds": table["ours_sd"].map(lambda v: "-" if pd.isna(v) else f"{v:.4f}"),
            "95 % interval of the mean": _range(table["ci_low"], table["ci_high"]),
            "95 % prediction interval": _range(table["predicted_low"], table["predicted_high"]),
            "paper": table["paper"].map(_percent),
            "verdict": table["verdict"],
        }
    )
    better = claim_better(study)
    claim = (
        f"<p><b>The custom CNN is better</b> (mean accuracy, custom CNN minus VGG16): "
        f"{better['difference']:+.4f}, 95 % interval {better['low']:+.4f} to "
        f"{better['high']:+.4f}: {html.escape(str(better['verdict']))}.</p>"
    )
    other = "real" if study.positive_class == "fake" else "fake"
    rows = []
    for model in MODELS:
        found = [
            metrics(t["label"], t["p_fake"], other)
            for t in (read_predictions(study, model, seed) for seed in study.seeds)
        ]
        means = {name: _percent(pd.DataFrame(found)[name].mean()) for name in METRICS}
        rows.append({"model": TITLES[model], **means})
    caption = f"The same predictions with {other} as the positive class"
    return HTML(as_table(shown) + claim + as_table(pd.DataFrame(rows), caption))


def text_claims(study: Study) -> HTML:
    """The claims of the paper's text, what is found, and the verdicts."""
    return HTML(as_table(claims(study)))


def mcnemar_table(study: Study) -> HTML:
    """Both models on the same test images, seed by seed."""
    table = seed_by_seed(study)
    small = table["p_value"].map(lambda p: "below 0.0001" if p < 0.0001 else f"{p:.4f}")
    titles = {
        "both": "both right",
        "only_custom_cnn": "only custom CNN right",
        "only_vgg16": "only VGG16 right",
        "neither": "both wrong",
        "p_value": "McNemar's p",
    }
    return HTML(as_table(table.assign(p_value=small).rename(columns=titles)))


def paper_itself() -> HTML:
    """The confusion matrices behind the paper's Table 1, and the sizes of its networks."""
    table = paper_against_itself()
    shown = pd.DataFrame({"model": table["model"].map(TITLES)})
    shown = shown.assign(**{cell.upper(): table[cell] for cell in ("tp", "fn", "fp", "tn")})
    shown = shown.assign(**{name: table[name].map("{:.5f}".format) for name in METRICS})
    shown["differs from print"] = table["differs"].replace("", "none")
    caption = "Confusion matrices that agree with three or four of the printed figures, best first"
    sizes = paper_sizes()[["parameters", "multiply_adds", "trained"]].reset_index(names="network")
    titles = {
        "custom_cnn": "custom CNN",
        "vgg16": "VGG16 of Table 1: frozen base, new head",
        "published": "VGG16 as published",
    }
    sizes["network"] = sizes["network"].map(titles)
    sizes = sizes.rename(
        columns={"multiply_adds": "multiply-adds per image", "trained": "trained parameters"}
    )
    by_size = "Smaller and lighter: the three comparisons, at the paper's settings"
    return HTML(as_table(shown, caption) + as_table(sizes, by_size))


def sizes_and_times(study: Study) -> HTML:
    """Parameters, multiply-adds and seconds of both models."""
    steps = [step for group in chain_steps(study).values() for step in group]
    rows = []
    for model in MODELS:
        table = read_architecture(study, model)
        trained = _seconds(step for step in steps if step.kind == "train" and step.model == model)
        base = _seconds(step for step in steps if step.kind == "features")
        rows.append(
            {
                "model": TITLES[model],
                "parameters": int(table["parameters"].sum()),
                "trained parameters": int(table["trainable"].sum()),
                "multiply-adds per image": int(table["multiply_adds"].sum()),
                "training, seconds a seed": round(sum(trained) / len(trained)) if trained else "-",
                "frozen base, seconds once": round(sum(base)) if model == "vgg16" else "-",
            }
        )
    return HTML(as_table(pd.DataFrame(rows)))


def _seconds(steps: Iterable[Step]) -> list[float]:
    return [cost["seconds"] for step in steps if (cost := step.cost())]


def _costs(study: Study) -> pd.DataFrame:
    """Seconds and memory of the steps, those of all seeds together."""
    rows = []
    for step in (step for group in chain_steps(study).values() for step in group):
        kind = step.name if step.seed is None else f"{step.kind} {step.model}, each seed"
        if cost := step.cost():
            rows.append({"step": kind, **cost})
    costs = pd.DataFrame(rows)
    return pd.DataFrame(
        {
            "step": kind,
            "times": len(group),
            "seconds (mean)": f"{group['seconds'].mean():.1f}",
            "largest memory": human_size(int(most))
            if pd.notna(most := group["peak_memory"].max())
            else "-",
        }
        for kind, group in costs.groupby("step", sort=False)
    )


def data(study: Study) -> HTML:
    """Name, fingerprint, audit, duplicates that cross splits and unreadable images."""
    dataset = record(study)["dataset"]
    pairs = read_duplicates(study).query("kind != 'unlike' and split_a != split_b").head(20)
    names = {"kind": "kind", "path_a": "one", "path_b": "the other"}
    names |= {"distance": "hash bits apart", "difference": "mean grey levels apart"}
    crossing = as_table(pairs[list(names)].rename(columns=names), "Duplicates that cross splits")
    lost = "".join(
        f"<li>{html.escape(path)}: {html.escape(reason)}</li>"
        for path, reason in dataset["unreadable"].items()
    )
    left_out = f"<p>Left out since unreadable:</p><ul>{lost}</ul>" if lost else ""
    origin = (
        "generated by this project" if dataset["generated"] else "as given, no generator's mark"
    )
    return HTML(
        f"<p>'{html.escape(dataset['name'])}', {origin}; fingerprint "
        f"<code>{dataset['fingerprint']}</code>.</p>{as_table(audit.summary(study))}"
        f"{crossing if len(pairs) else ''}{left_out}"
    )


def register(study: Study) -> HTML:
    """What the paper leaves open, with our reading, the reason and the alternatives."""
    return HTML(as_table(open_questions(study)))


def ablation(study: Study) -> HTML:
    """How far the other readings move validation accuracy; the command where that isn't known."""
    table = read_ablations(study)
    if table is None:
        return HTML(
            "<p>How far each of these choices moves validation accuracy was not measured for this "
            f"run: <code>make ablations RUN={study.run}</code> does it.</p>"
        )
    shown = figure(study, "open_questions", CAPTION).data
    return HTML(f"<p>{html.escape(summary(table))}</p>{shown}")


def settings(study: Study) -> HTML:
    """Every setting; those that differ from the paper profile's first."""
    table = study.table().rename(columns={"paper": "paper profile"})
    same = table["here"] == table["paper profile"]
    differing = as_table(table[~same], "Different from the paper profile")
    alike = as_table(table[same], "As in the paper profile")
    return HTML((differing if (~same).any() else "") + alike)


def provenance(study: Study) -> HTML:
    """The command, code, versions, machine and seeds, and what each step cost."""
    known = record(study)
    machine = known["hardware"]
    rows = {
        "to run it again": command(study),
        "code (git commit)": known["git"] or "not a git checkout",
        "images (fingerprint)": known["dataset"]["fingerprint"],
        "VGG16's frozen weights (SHA-256)": known["weights_sha256"],
        "processor": f"{machine['processor']}, {machine['cores']} cores",
        "GPU": ", ".join(machine["gpus"]) or "none",
        **known["versions"],
    }
    rows["all steps together"] = f"{sum(known['seconds'].values()) / 60:.1f} minutes"
    caption = "What each step cost; memory doesn't count files that are read in place"
    about = as_table(pd.DataFrame(list(rows.items()), columns=["what", "value"]))
    return HTML(about + as_table(_costs(study), caption))


def limits(study: Study) -> HTML:
    """What this run can't say."""
    dataset = read_dataset(study)
    tests, seeds = sum(dataset["counts"]["test"].values()), len(study.seeds)
    said = [f"{seeds} training{'s' if seeds > 1 else ''} of each model and {tests:,} test images."]
    if dataset["generated"]:
        said.append(
            "The images are portraits drawn by a program. The 'fakes' among them carry the traces "
            "that a generator's upsampling leaves; no photograph and no StyleGAN image was seen. "
            "The settings that differ were chosen so that so few images suffice to learn from."
        )
    return HTML("".join(f"<p>{text}</p>" for text in said))
