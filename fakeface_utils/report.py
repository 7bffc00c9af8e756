"""The report's pieces as HTML, each made from files alone, and its export to one offline page."""

import base64
import html
from pathlib import Path

import pandas as pd
from IPython.display import HTML

from .evaluation import METRICS, TITLES, claim_better, metrics, read_predictions, table1
from .figures import PAPER_BEST_EPOCH, alternative_text, best_epoch, read_histories
from .files import write_atomic
from .paths import MODELS, PACKAGE, figures_dir, results_dir
from .provenance import notices, record
from .study import Study, open_questions


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
        f"<p>Test accuracy here, {seeds}, data '{html.escape(study.data_name)}': {numbers}.</p>"
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


def figure(study: Study, name: str, caption: str) -> HTML:
    """A figure with its text alternative, inside the page."""
    data = base64.b64encode((figures_dir(study.run) / f"{name}.png").read_bytes()).decode()
    alternative = html.escape(alternative_text(study, name), quote=True)
    return HTML(
        f'<figure><img src="data:image/png;base64,{data}" alt="{alternative}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def overfitting(study: Study) -> HTML:
    """Where validation loss is lowest, beside the paper's epochs."""
    rows = [
        {
            "model": TITLES[model],
            "lowest validation loss here (epoch)": best_epoch(study, model),
            "in the paper (epoch)": PAPER_BEST_EPOCH[model],
            "epochs trained": int(read_histories(study, model)["epoch"].max()),
        }
        for model in MODELS
    ]
    return HTML(_table(pd.DataFrame(rows)))


def sizes_and_times(study: Study) -> HTML:
    """Parameters, multiply-adds and seconds of both models, and the seconds of every step."""
    seconds = record(study)["seconds"]
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
    steps = pd.DataFrame(list(seconds.items()), columns=["step", "seconds"])
    return HTML(_table(pd.DataFrame(rows)) + _table(steps, "Seconds per step"))


def data(study: Study) -> HTML:
    """Name, fingerprint, counts and unreadable images of the data."""
    dataset = record(study)["dataset"]
    rows = [{"split": split, **counts} for split, counts in dataset["counts"].items()]
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
        f"<code>{dataset['fingerprint']}</code>.</p>{_table(pd.DataFrame(rows))}{left_out}"
    )


def register() -> HTML:
    """What the paper leaves open, with our reading, the reason and the alternatives."""
    return HTML(_table(open_questions()))


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
