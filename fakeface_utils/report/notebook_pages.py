"""The notebooks as they ran, each as a page beside the report: code, outputs, no request."""

import re
from pathlib import Path
from typing import Any

from ..common.errors import StudyError
from ..common.files import write_atomic
from ..common.paths import shown
from ..evaluation.caveats import notices
from ..study.artefacts import executed_notebook, read_dataset
from ..study.beyond import BEYOND
from ..study.plan import chain_steps
from ..study.settings import Study

BESIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)]*)\)")  # a link to a file that isn't beside the page
PHOTOGRAPHS = "This page may show photographs from the dataset: it is not for publishing."


def executed(study: Study) -> list[str]:
    """The notebooks whose executed copy lies in the run's folder, in order."""
    names = (*chain_steps(study), *BEYOND)
    return [name for name in names if executed_notebook(study, name).exists()]


def write_pages(study: Study) -> None:
    """Write results/<run>/notebooks/NN_name.html for every executed copy that is newer.

    Raises:
        StudyError: an executed copy can't be read, or a page can't be written.
    """
    names = executed(study)
    copies = {name: executed_notebook(study, name) for name in names}
    pages = {name: copy.with_suffix(".html") for name, copy in copies.items()}
    all_there = all(page.exists() for page in pages.values())  # a new one has neighbours to link it
    for name, copy in copies.items():
        if not all_there or pages[name].stat().st_mtime < copy.stat().st_mtime:
            with write_atomic(pages[name]) as part:
                part.write_text(_page(study, name, names), encoding="utf-8")


def _page(study: Study, name: str, names: list[str]) -> str:
    """One executed copy as HTML, with links to the notebooks before and after it."""
    import nbformat  # a second to import, with the next: not for a chain that is up to date
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    copy = executed_notebook(study, name)
    try:
        notebook = nbformat.read(copy, as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise StudyError(
            f"{shown(copy)} can't be read as a notebook: delete it, and the page of {name} is left "
            "out until that runs again"
        ) from error
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = BESIDE.sub(r"\1 (`\2`)", cell.source)
    place = names.index(name)
    about: dict[str, Any] = {
        "title": name,
        "run": study.run,
        "ended": str(notebook.metadata.get("papermill", {}).get("end_time") or "")[:16],
        "notices": notices(study) + ([] if read_dataset(study)["generated"] else [PHOTOGRAPHS]),
        "before": names[place - 1] if place else "",
        "after": names[place + 1] if place + 1 < len(names) else "",
    }
    exporter = HTMLExporter(
        config=Config({"CoalesceStreamsPreprocessor": {"enabled": True}}),  # a bar is one line
        template_name="template",
        template_file="notebook.html.j2",
        extra_template_basedirs=[str(Path(__file__).parent)],
        require_js_url="",
        mathjax_url="",
        exclude_anchor_links=True,
    )
    return str(exporter.from_notebook_node(notebook, resources={"about": about})[0])
