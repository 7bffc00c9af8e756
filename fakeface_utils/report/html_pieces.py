"""Tables, lists, folds and figures as HTML; every tag stands in template/pieces.html.j2."""

import base64
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from IPython.display import HTML
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from ..study.artefacts import figure_files
from ..study.settings import Study
from .behind import behind
from .drawing import HALF, PIXELS

TEMPLATE = Path(__file__).parent / "template"
WORDY = 60  # characters in a cell from which on a phone shows each row as a card
NUMBERS = re.compile(r"(?:[\d\s.,+\-−–%()×]|to|below)*")


class Download(NamedTuple):
    """A file inside the page.

    Attributes:
        name: what it is saved as.
        address: the data: address with its contents.
    """

    name: str
    address: str


@cache
def templates() -> Environment:
    """The project's templates; every text that they are given is escaped."""
    environment = Environment(loader=FileSystemLoader(TEMPLATE), autoescape=True)
    environment.filters["breakable"] = _breakable
    return environment


def piece(name: str, *values: Any) -> Markup:
    """One macro of template/pieces.html.j2, filled in: items, paragraphs, loud, fold, terms, ..."""
    return Markup(getattr(templates().get_template("pieces.html.j2").module, name)(*values))


def _breakable(text: str) -> Markup:
    """Long names and digests may break, so that they don't widen a table."""
    return Markup(re.sub(r"(_|[^\W_]{24})", r"\1<wbr>", str(escape(text))))


def as_table(table: pd.DataFrame, caption: str = "", by: str = "", csv: str = "") -> Markup:
    """A data frame as an HTML table that scrolls on its own on a narrow screen.

    Columns of numbers are aligned at the right.

    Args:
        table: a row per row; integers get thousands separators, all else is shown as it is.
        caption: what the table shows.
        by: a column that becomes a heading over the rows that share its value.
        csv: the name of the file that a reader can save the table as; '' for none. It needs a
            caption, beside which it stands.
    """
    shown = table.drop(columns=by) if by else table
    rows = [[_as_text(value) for value in row] for row in shown.itertuples(index=False)]
    numbers = {
        place
        for place, column in enumerate(zip(*rows, strict=True))
        if all(map(NUMBERS.fullmatch, column)) and re.search(r"\d", "".join(column))
    }
    groups: dict[str, list[list[str]]] = {}
    for title, row in zip(table[by] if by else [""] * len(rows), rows, strict=True):
        groups.setdefault(str(title), []).append(row)
    wordy = any(len(text) > WORDY for row in rows for text in row)
    download = as_download(csv, table.to_csv(index=False), "text/csv") if csv else None
    columns = list(map(str, shown.columns))
    return piece("table", columns, groups.items(), caption, numbers, wordy, download)


def _as_text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def as_download(name: str, content: str, kind: str) -> Download:
    """A text of some media type as a file that the page carries."""
    data = base64.b64encode(content.encode()).decode()
    return Download(name, f"data:{kind};base64,{data}")


def figure(study: Study, name: str, caption: str) -> HTML:
    """A figure with its text alternative and the numbers behind it, embedded in the page.

    Raises:
        FileNotFoundError: it wasn't drawn.
    """
    svg = figure_files(study, name)[2].read_text(encoding="utf-8")
    return HTML(as_figure(svg, caption, name, behind(study, name)))


def as_figure(
    svg: str, caption: str, name: str = "", numbers: pd.DataFrame | None = None
) -> Markup:
    """A drawing of `drawing.as_svg` with its caption, of half or full width.

    Args:
        svg: the drawing.
        caption: what it shows.
        name: of the file that the numbers can be saved as, without the suffix.
        numbers: what is drawn; None to offer no file.
    """
    width = "half" if f"max-width:{PIXELS * HALF:.0f}px" in svg else "full"
    csv = None if numbers is None else numbers.to_csv(index=False)
    download = as_download(f"{name}.csv", csv, "text/csv") if csv else None
    return piece("figure", Markup(svg), caption, width, download)
