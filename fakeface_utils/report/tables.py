"""The report's results as HTML: the opening, Table 1, claims, McNemar, the paper against itself."""

import html

import pandas as pd
from IPython.display import HTML

from ..evaluation.caveats import failed_seeds, leak, not_comparable, notices
from ..evaluation.claims import claims
from ..evaluation.memory import leaked_accuracy
from ..evaluation.metrics import metrics
from ..evaluation.paper_itself import paper_against_itself, paper_sizes
from ..evaluation.table1 import claim_better, seed_by_seed, table1
from ..evaluation.verdicts import RULE
from ..study.artefacts import read_audit, read_dataset, read_predictions
from ..study.names import METRICS, MODELS, TITLES
from ..study.paper import PAPER_COUNTS
from ..study.settings import Study
from .html_pieces import as_table
from .leak import leak_sentences

PAPER_SIZE = "256 x 256"  # of its images, as audit.json writes sizes


def _rounded(value: float) -> str:
    return f"{value:.4f}"


def _counted(table: pd.DataFrame) -> str:
    """How often each verdict was given."""
    counts = table["verdict"].value_counts()
    if len(counts) == 1:
        return html.escape(f"all {counts.index[0]}")
    return html.escape(", ".join(f"{count} {name}" for name, count in counts.items()))


def _other_images(study: Study) -> list[str]:
    """How the images differ from the paper's in number and size; empty where they don't."""
    counts = read_dataset(study)["counts"]
    here, paper = (
        ", ".join(f"{count:,} {split}" for split, count in numbers.items())
        for numbers in (
            {split: sum(classes.values()) for split, classes in counts.items()},
            {split: 2 * count for split, count in PAPER_COUNTS.items()},
        )
    )
    sizes = ", ".join(list(read_audit(study)["sizes"])[:3])
    number = [] if here == paper else [f"images {here} (paper: {paper})"]
    return number + ([] if sizes == PAPER_SIZE else [f"stored at {sizes} (paper: {PAPER_SIZE})"])


def opening(study: Study) -> HTML:
    """The first screen: notices, the verdict in a sentence, and what differs from the paper."""
    table = table1(study)
    accuracy = table[table["metric"] == "accuracy"].set_index("model")
    numbers = "; ".join(
        f"{TITLES[model]} {_rounded(accuracy.loc[model, 'ours_mean'])} "
        f"(paper: {_rounded(accuracy.loc[model, 'paper'])})"
        for model in MODELS
    )
    means = ", ".join(
        f"{TITLES[model]} {_rounded(accuracy.loc[model, 'without_leaked'])}" for model in MODELS
    )
    unleaked = f" Without the leaked test images: {means}." if leak(study) else ""
    says = {"the paper": "paper", "our reading": "our reading", "ours": "default"}
    changed = _other_images(study) + [
        f"{row.setting} {row.here} ({says[row.source]}: {row.paper})"
        for row in study.differences().itertuples()
    ]
    in_words = claims(study)
    arithmetic = in_words["basis"] == "arithmetic"
    reason = html.escape(not_comparable(study))
    answer = (
        f"This run can't tell ({reason}): none of its networks' numbers is compared."
        if reason
        else f"The eight numbers of Table 1: {_counted(table)}. The {(~arithmetic).sum()} claims "
        f"in words that depend on this run: {_counted(in_words[~arithmetic])}."
    )
    by_verdict = " ".join(
        html.escape(f"{verdict.capitalize()}: {'; '.join(group['claim'])}.")
        for verdict, group in in_words[arithmetic].groupby("verdict", sort=False)
    )
    alerts = "".join(
        f'<p class="notice" role="note">{html.escape(text)}</p>'
        for text in notices(study) + failed_seeds(study)
    )
    seeds = "1 seed" if len(study.seeds) == 1 else f"{len(study.seeds)} seeds"
    return HTML(
        f"{alerts}<p class='verdict'><b>Was the paper reproduced?</b> {answer} "
        f"{arithmetic.sum()} claims about size and cost need only arithmetic. {by_verdict}</p>"
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
        "variance from the choice of test images (Agresti and Coull's for accuracy, "
        "resampled for the others). With one seed the first part is missing: it then covers the "
        "choice of images, not run-to-run variation. <i>Prediction interval</i>, where one more "
        "training run falls: m ± t s √(1 + 1/n). Both are shown cut at 0 and 1.</p></details>"
    )


def _range(lows: pd.Series, highs: pd.Series) -> list[str]:
    """Both ends in words, cut at 0 and 1; a dash where there is none."""
    return [
        "-" if pd.isna(low) else f"{_rounded(max(low, 0))} to {_rounded(min(high, 1))}"
        for low, high in zip(lows, highs, strict=True)
    ]


def verdicts(study: Study) -> HTML:
    """Table 1, ours beside the paper's with intervals, a verdict per cell, and the main claim."""
    table = table1(study)
    shown = pd.DataFrame(
        {
            "model": table["model"].map(TITLES),
            "metric": table["metric"],
            "ours": table["ours_mean"].map(_rounded),
            "sd over seeds": table["ours_sd"].map(lambda v: "-" if pd.isna(v) else f"{v:.4f}"),
            "95 % interval of the mean": _range(table["ci_low"], table["ci_high"]),
            "95 % prediction interval": _range(table["predicted_low"], table["predicted_high"]),
            "paper": table["paper"].map(_rounded),
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
        values = [
            metrics(t["label"], t["p_fake"], other)
            for t in (read_predictions(study, model, seed) for seed in study.seeds)
        ]
        means = {name: _rounded(pd.DataFrame(values)[name].mean()) for name in METRICS}
        rows.append({"model": TITLES[model], **means})
    caption = f"The same predictions with {other} as the positive class"
    return HTML(as_table(shown) + claim + as_table(pd.DataFrame(rows), caption))


def text_claims(study: Study) -> HTML:
    """The claims of the paper's text, what this run finds, and the verdicts."""
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


def seen_in_training(study: Study) -> HTML:
    """The leak in words, and accuracy on leaked test images against the others."""
    text = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in leak_sentences(study))
    table = leaked_accuracy(study)
    if table.empty:
        return HTML(text)
    shown = pd.DataFrame(
        {
            "class": table["class"],
            "model": table["model"].map(TITLES),
            "leaked test images": table["leaked"],
            "others": table["others"],
            "accuracy on leaked": table["leaked_mean"].map("{:.3f}".format),
            "on others": table["others_mean"].map("{:.3f}".format),
            "difference, 95 % interval": [
                f"{row.difference:+.3f} ({row.low:+.3f} to {row.high:+.3f})"
                for row in table.itertuples()
            ],
        }
    )
    caption = "Accuracy on leaked test images against the others of their class, mean over seeds"
    return HTML(text + as_table(shown, caption))


def paper_itself() -> HTML:
    """The confusion matrices behind the paper's Table 1, and the sizes of its networks."""
    table = paper_against_itself()
    shown = pd.DataFrame({"model": table["model"].map(TITLES)})
    shown = shown.assign(**{cell.upper(): table[cell] for cell in ("tp", "fn", "fp", "tn")})
    shown = shown.assign(**{name: table[name].map("{:.5f}".format) for name in METRICS})
    shown["differs from print"] = table["differs"].replace("", "none")
    caption = "Confusion matrices that agree with three or four of the printed numbers, best first"
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
