"""Tables and figures as HTML."""

import html
import re
from collections.abc import Iterable

import pandas as pd
from IPython.display import HTML

from ..study.artefacts import figure_files
from ..study.settings import Study
from .drawing import HALF, PIXELS


def as_table(table: pd.DataFrame, caption: str = "") -> str:
    """A data frame as an HTML table that scrolls on its own on a narrow screen."""
    head = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in table.columns)
    body = ""
    for row in table.itertuples(index=False):
        cells = ""
        for value in row:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            text = f"{value:,}" if isinstance(value, int) else str(value)
            # Long names and digests may break, so that they don't widen the table.
            words = re.sub(r"(_|[^\W_]{24})", r"\1<wbr>", html.escape(text))
            cells += f"<td{' class=number' if number else ''}>{words}</td>"
        body += f"<tr>{cells}</tr>"
    titled = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    parts = f"{titled}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide" tabindex="0"><table>{parts}</table></div>'


def as_list(sentences: Iterable[str]) -> str:
    """Sentences as an HTML list, one to a point."""
    return f"<ul>{''.join(f'<li>{html.escape(text)}</li>' for text in sentences)}</ul>"


def figure(study: Study, name: str, caption: str) -> HTML:
    """A figure with its text alternative, embedded in the page."""
    return HTML(as_figure(figure_files(study, name)[2].read_text(encoding="utf-8"), caption))


def as_figure(svg: str, caption: str) -> str:
    """A drawing of `drawing.as_svg` with its caption, of half or full width."""
    width = "half" if f"max-width:{PIXELS * HALF:.0f}px" in svg else "full"
    return f'<figure class="{width}">{svg}<figcaption>{html.escape(caption)}</figcaption></figure>'
