"""The report's page: notebook 06 as one file, made from files alone."""

from pathlib import Path

import nbformat

from ..common.files import write_atomic
from ..common.paths import NOTEBOOKS
from ..study.artefacts import report_html
from ..study.plan import report_step
from ..study.settings import Study
from . import background, beyond, calibration, opening, tables
from .html_pieces import figure
from .notebook_pages import executed

PAGE = "page"  # the tag of the notebook's cells that are part of the report


def write_page(study: Study) -> Path:
    """Write report.html, unless that is done: one file, no request to any network.

    The page consists of notebook 06's cells with the tag `page`: texts, and the outputs of cells
    that are a single expression of `study`, `figure` and this room's modules. A cell's metadata
    says by which cell its content was made; a text with the tag `method` is folded.

    Returns:
        Its path.

    Raises:
        StudyError: Table 1 or the figures are missing.
    """
    report_step(study).do(lambda: _write(study))
    return report_html(study)


def place(made_by: str) -> str:
    """Where the cell that made a table or figure stands: 'notebook.html#cell'.

    Args:
        made_by: 'notebook: code' as a cell of notebook 06 names it; the first cell of that notebook
            with this code is meant.
    """
    name, code = made_by.split(": ", 1)
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    made = next(cell for cell in cells if cell.cell_type == "code" and code in cell.source)
    return f"{name}.html#{made.id}"


def _write(study: Study) -> None:
    from nbconvert import HTMLExporter  # half a second to import, here only

    names = {"study": study, "figure": figure, "tables": tables, "background": background}
    names |= {"beyond": beyond, "calibration": calibration, "opening": opening}
    notebook = nbformat.read(NOTEBOOKS / "06_report.ipynb", as_version=4)
    tagged = [cell for cell in notebook.cells if PAGE in cell.metadata.get("tags", [])]
    for cell in tagged:
        if cell.cell_type == "code":
            html = {"text/html": eval(cell.source.strip(), names).data}
            cell.outputs = [nbformat.v4.new_output("display_data", html)]
        if "made_by" in cell.metadata:
            cell.metadata["made_by"] = place(cell.metadata["made_by"])
    notebook.cells = tagged
    exporter = HTMLExporter(
        template_name="template",
        extra_template_basedirs=[str(Path(__file__).parent)],
        require_js_url="",
        mathjax_url="",
        exclude_input=True,
    )
    # Of those that the chain has executed it writes the pages at its end.
    resources = {"notebooks": executed(study)}
    page, _ = exporter.from_notebook_node(notebook, resources=resources)
    with write_atomic(report_html(study)) as part:
        part.write_text(page, encoding="utf-8")
