"""The report's pieces as HTML, each made from files alone, and its export to one offline page."""

import base64
import html
from pathlib import Path

import pandas as pd
from IPython.display import HTML

from .ablations import CAPTION, read_ablations, summary
from .claims import claims
from .dataset import audit
from .evaluation import (
    METRICS,
    TITLES,
    claim_better,
    metrics,
    read_predictions,
    seed_by_seed,
    table1,
)
from .figures import alternative_text
from .files import size, write_atomic
from .paper import paper_against_itself, paper_sizes
from .paths import MODELS, PACKAGE, figures_dir, results_dir
from .provenance import notices, record
from .questions import open_questions
from .study import Study


def _table(table: pd.DataFrame, caption: str = "") -> str:
    """A data frame as an HTML table that scrolls by itself on a narrow screen."""
    head = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in table.columns)
    body = ""
    for row in table.itertuples(index=False):
        cells = ""
        for value in row:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            text = f"{value:,}" if isinstance(value, int) else str(value)
            cells += f"<td{' class=number' if number else ''}>{html.escape(text)}</td>"
        body += f"<tr>{cells}</tr>"
    titled = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    parts = f"{titled}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table>{parts}</table></div>'


def _percent(value: float) -> str:
    return f"{value:.4f}"


def collapsed(study: Study) -> list[str]:
    """A sentence for each model of which seeds give one output, or none, for all test images."""
    said = []
    for model in MODELS:
        outputs = {seed: read_predictions(study, model, seed)["p_fake"] for seed in study.seeds}
        seeds = [str(s) for s, p_fake in outputs.items() if not p_fake.max() - p_fake.min() > 1e-6]
        if seeds:
            said.append(
                f"{TITLES[model]}: {len(seeds)} of {len(study.seeds)} seeds collapsed "
                f"({', '.join(seeds)}), with one output for all test images; they count in every "
                "mean."
            )
    return said


def opening(study: Study) -> HTML:
    """The first screen: notices, the verdict in a sentence, and what differs from the paper."""
    table, better = table1(study), claim_better(study)
    counts = table["verdict"].value_counts()
    cells = ", ".join(f"{count} {name}" for name, count in counts.items())
    accuracy = table[table["metric"] == "accuracy"].set_index("model")
    numbers = "; ".join(
        f"{TITLES[model]} {_percent(accuracy.loc[model, 'ours_mean'])} "
        f"(paper: {_percent(accuracy.loc[model, 'paper'])})"
        for model in MODELS
    )
    means = ", ".join(
        f"{TITLES[model]} {_percent(accuracy.loc[model, 'without_leaked'])}" for model in MODELS
    )
    unleaked = f" Without the leaked test images: {means}." if audit.leak(study) else ""
    differing = study.differences()
    changed = ", ".join(
        f"{row.setting} {row.here} (paper: {row.paper})" for row in differing.itertuples()
    )
    said = "".join(
        f'<p class="notice" role="note">{text}</p>' for text in notices(study) + collapsed(study)
    )
    seeds = "1 seed" if len(study.seeds) == 1 else f"{len(study.seeds)} seeds"
    return HTML(
        f"{said}<p class='verdict'><b>Was the paper reproduced?</b> Table 1's eight cells: "
        f"{html.escape(cells)}. The claim that the custom CNN is better: "
        f"{html.escape(str(better['verdict']))}.</p>"
        f"<p>Test accuracy here, {seeds}, data '{html.escape(study.data_name)}': {numbers}."
        f"{unleaked}</p>"
        f"<p><b>What differs from the paper:</b> {html.escape(changed) or 'nothing'}.</p>"
        "<!--contents-->"
    )


def verdicts(study: Study) -> HTML:
    """Table 1, ours beside the paper's with intervals, a verdict per cell, and the main claim."""
    table = table1(study)
    shown = pd.DataFrame(
        {
            "model": table["model"].map(TITLES),
            "metric": table["metric"],
            "ours": table["ours_mean"].map(_percent),
            "sd over seeds": table["ours_sd"].map(lambda v: "-" if pd.isna(v) else f"{v:.4f}"),
            "95 % interval": [
                f"{_percent(low)} to {_percent(high)}"
                for low, high in zip(table["ci_low"], table["ci_high"], strict=True)
            ],
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
    return HTML(_table(shown) + claim + _table(pd.DataFrame(rows), caption))


def text_claims(study: Study) -> HTML:
    """The claims of the paper's text, what is found, and the verdicts."""
    return HTML(_table(claims(study)))


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
    return HTML(_table(table.assign(p_value=small).rename(columns=titles)))


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
    return HTML(_table(shown, caption) + _table(sizes, by_size))


def figure(study: Study, name: str, caption: str) -> HTML:
    """A figure with its text alternative, inside the page."""
    data = base64.b64encode((figures_dir(study.run) / f"{name}.png").read_bytes()).decode()
    alternative = html.escape(alternative_text(study, name), quote=True)
    return HTML(
        f'<figure><img src="data:image/png;base64,{data}" alt="{alternative}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def sizes_and_times(study: Study) -> HTML:
    """Parameters, multiply-adds and seconds of both models, and the seconds of every step."""
    known = record(study)
    seconds = known["seconds"]
    rows = []
    for model in MODELS:
        table = pd.read_csv(results_dir(study.run) / model / "architecture.csv")
        own = [value for name, value in seconds.items() if name.startswith(f"train {model}")]
        shared = [value for name, value in seconds.items() if name.startswith("VGG16 features")]
        rows.append(
            {
                "model": TITLES[model],
                "parameters": int(table["parameters"].sum()),
                "of them trained": int(table["trainable"].sum()),
                "multiply-adds per image": int(table["multiply_adds"].sum()),
                "training, s per seed": round(sum(own) / len(own)) if own else "-",
                "features, s once": round(sum(shared)) if model == "vgg16" else "-",
            }
        )
    steps = pd.DataFrame(
        [
            {"step": name, "seconds": seconds[name], "largest memory": size(peak) if peak else "-"}
            for name, peak in known["peak_memory"].items()
        ]
    )
    caption = "Each step; memory without that of mapped files"
    return HTML(_table(pd.DataFrame(rows)) + _table(steps, caption))


def data(study: Study) -> HTML:
    """Name, fingerprint, audit, duplicates that cross splits and unreadable images."""
    dataset = record(study)["dataset"]
    pairs = audit.read_duplicates(study).query("kind != 'unlike' and split_a != split_b").head(20)
    names = {"kind": "kind", "path_a": "one", "path_b": "the other"}
    names |= {"distance": "bits apart", "difference": "grey levels apart"}
    crossing = _table(pairs[list(names)].rename(columns=names), "Duplicates that cross splits")
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
        f"<code>{dataset['fingerprint']}</code>.</p>{_table(audit.summary(study))}"
        f"{crossing if len(pairs) else ''}{left_out}"
    )


def register() -> HTML:
    """What the paper leaves open, with our reading, the reason and the alternatives."""
    return HTML(_table(open_questions()))


def ablation(study: Study) -> HTML:
    """How far the other readings move validation accuracy; the command where that isn't known."""
    table = read_ablations(study)
    if table is None:
        return HTML(
            "<p>How far each of these choices moves validation accuracy was not measured for this "
            "run: <code>make ablations</code> with its PROFILE, DATA, RUN and SET does it.</p>"
        )
    shown = figure(study, "open_questions", CAPTION).data
    return HTML(f"<p>{html.escape(summary(table))}</p>{shown}")


def settings(study: Study) -> HTML:
    """Every setting; those that differ from the paper's first."""
    table = study.table()
    same = table["here"] == table["paper"]
    differing = _table(table[~same], "Different from the paper")
    return HTML((differing if (~same).any() else "") + _table(table[same], "As in the paper"))


def provenance(study: Study) -> HTML:
    """Code, versions, machine and seeds."""
    known = record(study)
    machine = known["hardware"]
    rows = {
        "profile, run": f"{study.profile}, {study.run}",
        "seeds": ", ".join(map(str, study.seeds)),
        "code": known["git"] or "not a git checkout",
        "VGG16's frozen weights": known["weights_sha256"],
        "processor": f"{machine['processor']}, {machine['cores']} cores",
        "GPU": ", ".join(machine["gpus"]) or "none",
        **known["versions"],
    }
    return HTML(_table(pd.DataFrame(list(rows.items()), columns=["what", "value"])))


def export(executed: Path, study: Study) -> Path:
    """Turn the executed report notebook into report.html: one file, no request to any network."""
    from nbconvert import HTMLExporter  # half a second to import, here only

    exporter = HTMLExporter(
        template_name="report_template",
        extra_template_basedirs=[str(PACKAGE)],
        require_js_url="",
        mathjax_url="",
        exclude_input=True,
    )
    page, _ = exporter.from_filename(str(executed))
    path = results_dir(study.run) / "report.html"
    with write_atomic(path) as part:
        part.write_text(page, encoding="utf-8")
    return path
