"""A page to try a picture: the network is inside, and the picture stays on its device."""

from typing import Annotated

import typer

from fakeface_utils.extension import Extension, later
from fakeface_utils.models import MODELS


def photo(
    run: Annotated[str, typer.Option(help="the run whose network goes into the page")] = "demo",
    model: Annotated[str, typer.Option(help="a network of the run's own")] = next(iter(MODELS)),
) -> None:
    """Write a page with a trained network inside, to try a picture that never leaves its device."""
    later(__name__, "page.command")(run, model)


EXTENSION = Extension("photo", "A page to try a picture", commands={"photo": photo})
