"""Runs side by side: what differs between them, and whether one does better."""

from typing import Annotated

import typer

from fakeface_utils.extension import Extension, later


def compare(
    runs: Annotated[list[str], typer.Argument(help="two or more runs; differences to the first")],
) -> None:
    """Show runs side by side: settings, data, Table 1 with differences, validation curves."""
    later(__name__, "show.compare")(runs)


EXTENSION = Extension("compare", "Runs side by side", commands={"compare": compare})
