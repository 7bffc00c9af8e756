"""Can people tell? A page that asks them about the test images, and what a class answers."""

from pathlib import Path
from typing import Annotated

import typer

from fakeface_utils.extension import Extension, later
from fakeface_utils.settings import Study


def missing(study: Study) -> str:
    """Why there is nothing to show; '' where a class was asked about this run's images."""
    if not (study.results / "quiz" / "answers.csv").is_file():
        return f"nobody was asked (make quiz RUN={study.run})"
    stale = later(__name__, "show.tasks")(study)[-1].why_stale()
    return stale and f"{stale}: fakeface quiz --run {study.run} --answers FOLDER pools them again"


def quiz(
    run: Annotated[str, typer.Option(help="the run whose test images are asked about")] = "demo",
    seed: Annotated[int, typer.Option(help="draws the images")] = 0,
    answers: Annotated[
        Path | None, typer.Option(help="a folder of saved answers: put them together")
    ] = None,
) -> None:
    """Can people tell? Write a page that asks them; or put a class's answers together."""
    later(__name__, "show.command")(run, seed, answers)


EXTENSION = Extension(
    "quiz",
    "Can people tell?",
    tasks=later(__name__, "show.tasks"),
    missing=missing,
    section=later(__name__, "show.section"),
    claims=later(__name__, "show.claims"),
    commands={"quiz": quiz},
)
