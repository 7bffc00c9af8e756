"""Errors, thresholds, whether p(fake) means what it says; answers about one's own files."""

from pathlib import Path
from typing import Annotated

import typer

from fakeface_utils.extension import Extension, later
from fakeface_utils.models import MODELS


def predict(
    images: Annotated[list[str], typer.Argument(help="files, folders, patterns as '*.jpg'")],
    run: Annotated[str, typer.Option(help="the run whose network is used")] = "demo",
    model: Annotated[str, typer.Option(help=" or ".join(MODELS))] = next(iter(MODELS)),
    seed: Annotated[
        int | None, typer.Option(help="the seed whose network is used; else the run's first")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="write the answers as CSV")] = None,
    json: Annotated[Path | None, typer.Option(help="write the answers as JSON")] = None,
    stability: Annotated[
        bool, typer.Option("--stability", help="ask about eight re-savings of each image too")
    ] = False,
    model_folder: Annotated[
        Path | None, typer.Option(help="a folder of fakeface export, in place of a run")
    ] = None,
) -> None:
    """What a trained network says of your own images: p(fake), and fake, real or unsure."""
    ask = later(__name__, "ask.predict")
    ask(images, run, model, seed, csv, json, stability, model_folder)


def export(
    to: Annotated[Path, typer.Argument(help="a new folder")],
    run: Annotated[str, typer.Option(help="the run whose network is handed on")] = "demo",
    model: Annotated[str, typer.Option(help=" or ".join(MODELS))] = next(iter(MODELS)),
    seed: Annotated[int | None, typer.Option(help="one of the run's; else its first")] = None,
) -> None:
    """A trained network as a folder to hand on: Keras, ONNX, its card, and each file's digest."""
    later(__name__, "export.export")(to, run, model, seed)


EXTENSION = Extension(
    "confidence",
    "Errors, and is 0.9 right nine times in ten?",
    tasks=later(__name__, "show.tasks"),
    section=later(__name__, "show.section"),
    summary=later(__name__, "show.summary"),
    commands={"predict": predict, "export": export},
    always=True,
)
