"""The report's page: tables and figures as HTML, and the export of the notebook to one file."""

import base64
import html
import re
from pathlib import Path

import pandas as pd
from IPython.display import HTML

from .figures import alternative_text
from .files import write_atomic
from .paths import PACKAGE, figures_dir, results_dir
from .study import Study


def as_table(table: pd.DataFrame, caption: str = "") -> str:
    """A data frame as an HTML table that scrolls by itself on a narrow screen."""
    head = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in table.columns)
    body = ""
    for row in table.itertuples(index=False):
        cells = ""
        for value in row:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            text = f"{value:,}" if isinstance(value, int) else str(value)
            # Long names and digests may break, so that the table needs no more width than words do.
            words = re.sub(r"(_|[^\W_]{24})", r"\1<wbr>", html.escape(text))
            cells += f"<td{' class=number' if number else ''}>{words}</td>"
        body += f"<tr>{cells}</tr>"
    titled = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    parts = f"{titled}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table>{parts}</table></div>'


def figure(study: Study, name: str, caption: str) -> HTML:
    """A figure with its text alternative, inside the page."""
    data = base64.b64encode((figures_dir(study.run) / f"{name}.png").read_bytes()).decode()
    alternative = html.escape(alternative_text(study, name), quote=True)
    return HTML(
        f'<figure><img src="data:image/png;base64,{data}" alt="{alternative}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


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
