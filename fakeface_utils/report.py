"""The report: the HTML of tables and folds, its first screen, and executed notebooks as pages.

The report itself is notebook 06; what it shows once stands in its cells.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import HTML
from markupsafe import Markup, escape

from .data import about, mark
from .evaluate import difference, failed_seeds, not_comparable, notices, table1
from .extension import extensions
from .figures import SHAPES, filled, picture
from .models import titled
from .paper import TABLE1
from .settings import Study
from .util import PACKAGE, StudyError, count, replacing, shown

WORDY = 60  # characters in a cell from which on a phone shows each row as a card
NUMBERS = re.compile(r"(?=.*\d)(?:[\d\s.,e+\-−–%()×]|to|below)*")
BESIDE = re.compile(r'<a href="(?:\.\./)+([^"]+\.(?:md|ipynb))">(.+?)</a>')  # beside no page
HEADING = re.compile(r'<h2 id="([^"]+)">(.+?)(?:<a class="anchor-link"|</h2>)')
PHOTOGRAPHS = "This page may show photographs from the dataset: it is not for publishing."


def paragraphs(parts: Iterable[Any]) -> HTML:
    """Each text as a paragraph; tables, figures and folds stay what they are."""
    whole = (part if hasattr(part, "__html__") else filled("<p>{}</p>", part) for part in parts)
    return HTML("".join(part.__html__() for part in whole))


def items(texts: Iterable[Any]) -> HTML:
    """A list."""
    return filled("<ul>{}</ul>", paragraphs(filled("<li>{}</li>", text) for text in texts))


def fold(summary: str, *parts: Any) -> HTML:
    """A line that opens to what it is about; open in print."""
    return filled("<details><summary>{}</summary>{}</details>", summary, paragraphs(parts))


def note(text: Any) -> HTML:
    """What a reader must not miss."""
    return filled('<p class="notice" role="note">{}</p>', text)


def as_table(frame: pd.DataFrame, caption: str = "", by: str = "") -> HTML:
    """A data frame as a table that scrolls on its own; numbers stand at the right.

    Models are shown by their titles. `by` is a column that comes first and says its value only
    where that changes.
    """
    texts, columns = frame.map(_as_text), []
    if by:
        texts.insert(0, by, texts.pop(by))
    for name, column in texts.items():
        side = "right" if NUMBERS.fullmatch(" ".join(column)) else "left"
        cells = [filled('<th scope="col" style="text-align: {}">{}</th>', side, name)]
        for before, text in pairwise([None, *column]):
            kind = "again" if name == by and text == before else ""
            td = '<td class="{}" style="text-align: {}" data-label="{}: ">{}</td>'
            cells.append(filled(td, kind, side, name, escape(text).replace("_", Markup("_<wbr>"))))
        columns.append(cells)
    rows = [filled("<tr>{}</tr>", paragraphs(cells)) for cells in zip(*columns, strict=True)]
    wordy = texts.map(len).gt(WORDY).any(axis=None)
    return filled(
        '<div class="wide {}" tabindex="0" role="region" aria-label="{}"><table>{}<thead>{}</thead>'
        "<tbody>{}</tbody></table></div>",
        ("pair" if len(columns) == 2 else "wordy") if wordy else "",
        caption or ", ".join(map(str, texts)),
        filled("<caption><span>{}</span></caption>", caption) if caption else "",
        paragraphs(rows[:1]),
        paragraphs(rows[1:]),
    )


def _as_text(value: Any) -> str:
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if 0 < abs(value) < 0.001 else f"{value:,.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return titled(str(value))


def opening(study: Study) -> HTML:
    """The answer, ours beside the paper's, one picture, and what to know before believing it."""
    accuracy = table1(study).query("metric == 'accuracy'").set_index("model")
    loud = " ".join([*notices(study), *failed_seeds(study)])
    differing = study.differences()
    words = f"{count(len(differing), 'setting')} differ from the paper's: "
    words += ", ".join(differing["setting"])
    return filled(
        '<div class="first"><div><p class="answer">{}</p><p>{}</p><div class="results">{}</div>'
        "</div>{}<div>{}{}</div></div>",
        answer(study),
        better(study, accuracy["ours_mean"]),
        paragraphs(_card(study, accuracy.loc[model]) for model in study.models),
        picture(study, "table1_forest", "Table 1 of the paper and here."),
        note(filled('{} <a href="#Limits">Limits</a>', loud)) if loud else "",
        fold(words, as_table(differing)) if len(differing) else "",
    )


def answer(study: Study) -> str:
    """Was the paper reproduced? One sentence."""
    if reason := not_comparable(study):
        drawn = "this run's images are drawn by a program" if about(study)["generated"] else ""
        return f"No verdict on the paper: {drawn or mark(study) or reason}."
    verdicts = table1(study).query("verdict != 'not in the paper'")["verdict"].value_counts()
    words = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items())
    return f"Of the {verdicts.sum()} numbers of the paper's Table 1: {words}."


def better(study: Study, accuracy: pd.Series) -> str:
    """Which network is better? One sentence; the accuracies are by model."""
    first, second = accuracy.sort_values(ascending=False, kind="stable").index[:2]
    gain = difference(study, first, second)
    interval = f"95 % interval {gain.low:+.3f} to {gain.high:+.3f}"
    interval += ", of these two networks alone" * (len(study.seeds) == 1)
    if gain.low <= 0:
        return f"Here it stays open which network is better ({interval})."
    return f"Better here: {titled(first)}, by {gain.mean:.3f} ({interval})."


def _card(study: Study, row: pd.Series) -> HTML:
    """Accuracy of one model, ours and the paper's, and how sure ours is."""
    run = "one training run"
    if len(study.seeds) > 1:
        run = f"one more run: {_range(row['predicted_low'], row['predicted_high'], 3)}"
    lines = [
        filled('<p class="name">Accuracy, {}</p>', titled(str(row.name))),
        filled('<p><b>{:.4f}</b> here</p><p class="soft">{}</p>', row["ours_mean"], run),
    ]
    if row.name in TABLE1:
        lines.append(filled('<p><b class="paper">{:.4f}</b> in the paper</p>', row["paper"]))
    if row["verdict"] in SHAPES:
        lines.append(filled('<p class="verdict">{}</p>', row["verdict"]))
    return filled('<div class="result">{}</div>', paragraphs(lines))


def verdicts(study: Study) -> HTML:
    """Table 1, ours beside the paper's with intervals, and verdicts where there are any."""
    table, reason = table1(study), not_comparable(study)
    apart, runs = table["ours_mean"] - table["paper"], "one more run (95 %)"
    table["apart"] = apart.map("{:+.4f}".format, na_action="ignore")
    table[runs] = list(map(_range, table["predicted_low"], table["predicted_high"]))
    table["interval of the mean (95 %)"] = list(map(_range, table["ci_low"], table["ci_high"]))
    shown = ["model", "metric", "ours", "paper", "apart", *["verdict"] * (not reason), runs]
    shown += ["interval of the mean (95 %)", "sd over seeds"]
    table = table.rename(columns={"ours_mean": "ours", "ours_sd": "sd over seeds"})[shown]
    caption = "Table 1: shares of test images, or of a class; ours is the mean over seeds"
    words = [f"No cell has a verdict: not comparable ({reason})."] if reason else []
    known = table.dropna(axis="columns", how="all")  # one seed has no sd, and says of no other run
    return paragraphs([as_table(known, caption, by="model"), *words])


def _range(low: float, high: float, digits: int = 4) -> str | None:
    """Both ends in words, cut at 0 and 1."""
    ends = [f"{min(max(end, 0), 1):.{digits}f}" for end in (low, high)]
    return " to ".join(ends) if low == low else None


def sections(study: Study) -> list[HTML]:
    """What was measured beyond the paper, and last a line on each thing that wasn't."""
    measured: list[HTML] = []
    left: list[Any] = []
    for one in extensions().values():
        again = filled("<code>make beyond ONLY={} RUN={}</code>", one.name, study.run)
        try:
            there = one.measured(study)  # perhaps for other seeds
            if not one.why_stale(there):
                if (section := one.section(there)) is not None:
                    heading = filled('<h2 id="{}">{}</h2>', one.name, one.title)
                    measured.append(paragraphs([heading, "Not in the paper.", section]))
            elif why := one.missing(study):
                left.append(f"{one.title}: {why}")
            else:
                state = "is out of date" if one.tasks(study)[-1].record() else "was not measured"
                left.append(filled("{} {}: {} measures it.", one.title, state, again))
        except Exception as error:  # whatever is wrong in an extension's file
            kind = "" if isinstance(error, StudyError) else f"{type(error).__name__}: "
            left.append(f"{one.title}: {kind}{error}")
    last = [HTML('<h2 id="not-measured">Not measured</h2>'), items(left)] if left else []
    return [*measured, paragraphs(last)]


def to_page(notebook: Path, page: Path, report: bool = False, notices: Sequence[str] = ()) -> None:
    """Write an executed notebook as one file that opens offline, without any script.

    Of the report cells with the tag `code` are left out, and all code.

    Raises:
        StudyError: the notebook can't be read, or the page can't be written.
    """
    import nbformat  # a second to import, with the next
    from nbconvert import HTMLExporter

    try:
        content = nbformat.read(notebook, as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise StudyError(
            f"{shown(notebook)} can't be read as a notebook: delete it and run again"
        ) from error
    removed = {"code", "parameters", "injected-parameters"} if report else set()
    content.cells = [c for c in content.cells if not removed & set(c.metadata.get("tags", []))]
    names = [path.stem for path in sorted(notebook.parent.glob("*.ipynb"))]
    exporter = HTMLExporter(
        template_name="template",
        template_file="index.html.j2" if report else "notebook.html.j2",
        extra_template_basedirs=[str(PACKAGE)],
        require_js_url="",
        mathjax_url="",
    )
    resources = {"name": notebook.stem, "names": names, "notices": notices}
    html, _ = exporter.from_notebook_node(content, resources={"about": resources})
    html = BESIDE.sub(r"\2 (<code>\1</code>)", html)
    contents = "".join(f'<li><a href="#{at}">{text}</a></li>' for at, text in HEADING.findall(html))
    with replacing(page) as part:
        part.write_text(html.replace("<li>headings</li>", contents), encoding="utf-8")
