"""What a folder of beyond/ declares. Nothing here knows one by its name: `rm -r` takes it away."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from .digests import Look
from .settings import Study
from .step import Task
from .util import ROOT, StudyError, nearest

FOLDER = ROOT / "beyond"


def later(package: str, name: str) -> Callable[..., Any]:
    """A function such as 'show.section' of a package, imported when called: Keras takes seconds."""
    module, _, function = f"{package}.{name}".rpartition(".")
    return lambda *given: getattr(import_module(module), function)(*given)


@dataclass(frozen=True)
class Extension:
    """A question that the paper doesn't ask."""

    name: str  # the folder's, by which a person asks for it: `make beyond ONLY=robustness`
    title: str  # the heading of its section in the report
    # What its notebook does, in order; the last one has `seeds` and its options among its settings,
    # by which the report knows for what it was measured.
    tasks: Callable[[Study], list[Task]] = lambda study: []
    missing: Callable[[Study], str] = lambda study: ""  # why it can't be measured for this study
    section: Callable[[Study], Any] = lambda study: None  # of the report: what Jupyter can show
    summary: Callable[[Study], str] = lambda study: ""  # what the command prints at its end
    # Its settings in a profile by name, each a type and a default for pydantic; one that two
    # extensions declare is the same for both, and no step of the paper's study has it.
    options: Callable[[str], dict[str, Any]] = lambda profile: {}
    notices: Callable[[Study], list[str]] = lambda study: []  # to read before Table 1, as a leak
    # Claims of the paper that it can judge: claim, here, verdict, basis.
    claims: Callable[[Study], list[dict[str, Any]]] = lambda study: []
    # What the networks said of further images, by what these are: tables of path, label, model,
    # seed and p_fake, by which runs are compared.
    answers: Callable[[Study], dict[str, Any]] = lambda study: {}
    # `fakeface NAME ...`, functions for typer.
    commands: Mapping[str, Callable[..., None]] = field(default_factory=dict)
    always: bool = False  # measured with every report

    @property
    def notebook(self) -> Path:
        """What measures it."""
        return FOLDER / self.name / "notebook.ipynb"

    def why_stale(self, study: Study, look: Look | None = None) -> str:
        """Why its results can't be shown; '' where they are up to date."""
        if why := self.missing(study):
            return why
        look, tasks = {} if look is None else look, self.tasks(study)
        return next((w for task in tasks if (w := task.why_stale(look))), "")

    def measured(self, study: Study) -> Study:
        """The study as it was last measured for it: its seeds and options may be others."""
        tasks = [] if self.missing(study) else self.tasks(study)
        held = tasks[-1].record().get("settings", {}) if tasks else {}
        options = {name: held.get(name, value) for name, value in study.options.items()}
        seeds = tuple(held.get("seeds", study.seeds))
        return study.model_copy(update={"options": options, "seeds": seeds})


@cache
def extensions() -> dict[str, Extension]:
    """Every folder of beyond/ that declares an EXTENSION, by name.

    One that can't be imported is left out, and said so: it doesn't stop the others.
    """
    found = {}
    for folder in sorted(path.parent for path in FOLDER.glob("*/__init__.py")):
        try:
            found[folder.name] = import_module(f"beyond.{folder.name}").EXTENSION
        except Exception as error:  # whatever is wrong in a newcomer's file
            print(f"beyond/{folder.name} can't be loaded ({type(error).__name__}: {error})")
    return found


def options(profile: str) -> dict[str, Any]:
    """Type and default in a profile of every setting that an extension declares."""
    found = [one.options(profile) for one in extensions().values()]
    return {name: field for each in found for name, field in each.items()}


def chosen(only: str, study: Study) -> list[Extension]:
    """The extensions a person asks for, as 'elsewhere robustness'; '' for all that can be.

    Raises:
        StudyError: there is no such name, or what it measures is missing.
    """
    measured = {name: one for name, one in extensions().items() if one.notebook.exists()}
    if not (names := only.replace(",", " ").split()):
        return [one for one in measured.values() if not one.missing(study)]
    for name in names:
        if name not in measured:
            raise StudyError(f"there is no '{name}' to measure: {nearest(name, measured)}")
        if why := measured[name].missing(study):
            raise StudyError(why)
    return [measured[name] for name in dict.fromkeys(names)]
