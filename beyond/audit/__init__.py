"""What the images contain besides their labels: duplicates, leaks between splits, cheap cues."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from fakeface_utils.extension import Extension
from fakeface_utils.settings import Study


def _later(module: str, name: str) -> Callable[[Study], Any]:
    """A function, imported when it is called: a list of extensions needs no matplotlib."""
    return lambda study: getattr(import_module(f"{__name__}.{module}"), name)(study)


EXTENSION = Extension(
    "audit",
    "Data and leaks",
    tasks=_later("show", "tasks"),
    section=_later("show", "section"),
    summary=_later("show", "summary"),
    notices=_later("measure", "notices"),
    always=True,
)
