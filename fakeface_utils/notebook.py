"""The first call of every notebook: check its parameters, open its run; and what each one does."""

import contextlib
import re
from pathlib import Path
from typing import Any

from .data import dataset
from .digests import Look
from .extension import FOLDER, extensions
from .run import check_run, claim_run, load_study
from .settings import PARAMETERS, Study
from .step import Task, step
from .util import NOTEBOOKS, PACKAGE, StudyError, nearest

NAMES = (*PARAMETERS, "overrides")  # a notebook's parameters


def _drawn(study: Study) -> list[Task]:
    from . import figures, trained  # noqa: F401  (so that every step of a study is known)

    return [figures.figures.of(study), figures.samples.of(study)]


def _shown(study: Study) -> dict[str, Path]:
    """The report's notebook and templates, and the markers of what extensions have measured."""
    files = [NOTEBOOKS / "06_report.ipynb", *sorted((PACKAGE / "template").iterdir())]
    found = {path.name: path for path in files}
    for one in extensions().values():
        with contextlib.suppress(Exception):  # a broken one stops no report
            found |= {task.name: task.marker for task in one.tasks(study)}
    return found


@step(
    "06_report",
    writes=["report.html"],
    after=_drawn,
    settings=lambda study: {"profile": study.profile, "seeds": study.seeds},
    inputs=_shown,
    code=lambda study: [p for p in sorted(FOLDER.rglob("*.py")) if p.name[:5] != "test_"],
)
def report(study: Study, out: Path) -> None:
    """The executed notebook 06 as a page."""
    from .report import to_page

    to_page(study.results / "notebooks" / "06_report.ipynb", out / "report.html", report=True)


def tasks_of(study: Study, notebook: str) -> list[Task]:
    """What a notebook of the paper's study, or an extension's, does, in order.

    Raises:
        StudyError: there is none of this name.
    """
    last = report.of(study)
    whole = [*last.before(), last]  # after which every step is known, also to an extension
    if notebook in extensions():
        return extensions()[notebook].tasks(study)
    if not (found := [task for task in whole if task.notebook == notebook]):
        names = {*extensions(), *(task.notebook for task in whole)}
        raise StudyError(f"there is no notebook '{notebook}': {nearest(notebook, names)}")
    return found


def open_study(notebook: str, *parameters: Any) -> Study:
    """Check profile, data, run, seeds and overrides for a notebook, and open its run.

    An input that is missing or out of date is refused by the name of the notebook that makes it.
    """
    _check_names()
    study = load_study(*parameters)
    check_run(study)
    tasks, look = tasks_of(study, notebook), Look()
    own = {task.marker for task in tasks}
    for task in tasks:
        task.check_before(own, look)
    claim_run(study)
    if notebook in {model.notebook for model in study.models.values()}:
        from . import networks  # noqa: F401  (Keras without TensorFlow's start-up messages)
    if not dataset.of(study).why_not_done(look):
        from IPython.display import Markdown, display

        from .evaluate import notices

        display(Markdown("\n\n".join(notices(study))))  # a printed line breaks inside words
    return study


def settings(study: Study, folded: bool = True) -> Any:
    """What differs from the paper's settings: a line that opens to it, or a table above all."""
    from .report import as_table, fold, paragraphs

    names = {"paper": "paper profile", "source": "whose choice"}
    differing, table = (rows.rename(columns=names) for rows in (study.differences(), study.table()))
    words = f"{len(differing)} of {len(table)} settings differ from the paper's"
    if folded:
        return fold(words, as_table(differing))
    return paragraphs([as_table(differing, words), fold("All settings", as_table(table))])


def _check_names() -> None:
    """Refuse a mistyped parameter, of which papermill only warns."""
    from IPython import get_ipython

    shell = get_ipython()
    cells = shell.history_manager.input_hist_raw if shell else []
    # The last cell of parameters is perhaps papermill's own.
    ours = [cell for cell in cells if re.search(r"\A# Parameters|^overrides *=", cell, re.M)]
    for name, value in re.findall(r"^(\w+) *= *(.*)", "".join(ours[-1:]), re.M):
        setting = name.lower()
        if setting in Study.model_fields and setting not in NAMES:
            words = f"{setting}={value}".replace("'", "").replace('"', "")
            raise StudyError(f"'{name}' is no parameter: give overrides = '{words}'")
        if name not in NAMES:
            raise StudyError(f"unknown parameter '{name}': {nearest(setting, NAMES)}")
