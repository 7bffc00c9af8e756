"""Can people tell? A page that asks them about the test images, and what a class answers."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from fakeface_utils.extension import Extension
from fakeface_utils.settings import Study


def _show(name: str, *given: Any) -> Any:  # imported when called: listing extensions is quick
    return getattr(import_module(f"{__name__}.show"), name)(*given)


def missing(study: Study) -> str:
    """Why there is nothing to show; '' where a class was asked."""
    asked = (study.results / "quiz" / "answers.csv").is_file()
    return "" if asked else f"nobody was asked (make quiz RUN={study.run})"


def quiz(
    run: Annotated[str, typer.Option(help="the run whose test images are asked about")] = "demo",
    seed: Annotated[int, typer.Option(help="draws the images")] = 0,
    answers: Annotated[
        Path | None, typer.Option(help="a folder of saved answers: put them together")
    ] = None,
) -> None:
    """Can people tell? Write a page that asks them; or put a class's answers together."""
    _show("command", run, seed, answers)


EXTENSION = Extension(
    "quiz",
    "Can people tell?",
    tasks=lambda study: [import_module(f"{__name__}.measure").people.of(study)],
    missing=missing,
    section=lambda study: _show("section", study),
    claims=lambda study: _show("claims", study),
    commands={"quiz": quiz},
)
