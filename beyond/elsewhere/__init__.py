"""A trained run on other images: other sources, other generators, other codecs."""

import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import AfterValidator

from fakeface_utils.extension import Extension, later
from fakeface_utils.settings import Study
from fakeface_utils.util import StudyError


def absolute(path: str) -> str:
    """A path as it is found from a notebook's folder too; '' stays."""
    return os.path.abspath(os.path.expanduser(path)) if path else ""


Place = Annotated[str, AfterValidator(absolute)]


def missing(study: Study) -> str:
    """Why there are no other images; '' where a person gave some or the demo draws them."""
    from .sets import list_sets

    if given := study.options["other"]:
        try:
            list_sets(Path(given))
        except StudyError as error:
            return str(error)
    how = "a folder or zip with real and fake inside, as make beyond ONLY=elsewhere OTHER=FOLDER"
    return "" if given or study.data == "demo" else f"elsewhere needs other images: give {how}"


def evaluate(
    folder: Annotated[Path, typer.Argument(help="a folder or zip with real and fake inside")],
    run: Annotated[str, typer.Option(help="the run whose networks are used")] = "demo",
    model: Annotated[str, typer.Option(help="one network's name; else all")] = "",
    csv: Annotated[Path | None, typer.Option(help="write each image's answers here")] = None,
) -> None:
    """How a trained run does on other images: a row for each pair of real and fake."""
    later(__name__, "command.evaluate")(folder, run, model, csv)


EXTENSION = Extension(
    "elsewhere",
    "How these networks do on other images",
    tasks=later(__name__, "show.tasks"),
    missing=missing,
    section=later(__name__, "show.section"),
    summary=later(__name__, "show.summary"),
    answers=later(__name__, "command.answers"),
    options=lambda profile: {"other": (Place, "")},
    commands={"evaluate": evaluate},
)
