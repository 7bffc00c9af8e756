"""What the networks look at: spectra, which need no network, and maps, each put to a test."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from fakeface_utils.extension import Extension, Option
from fakeface_utils.settings import Study


def _later(name: str) -> Callable[[Study], Any]:
    """A function of show.py, imported when it is called: a list of extensions needs no figures."""
    return lambda study: getattr(import_module(f"{__name__}.show"), name)(study)


EXTENSION = Extension(
    "insight",
    "What these networks look at",
    tasks=_later("tasks"),
    section=_later("section"),
    summary=_later("summary"),
    options={
        "beyond_images": Option(
            1000,
            "test images of each class that are damaged or mapped",
            {"demo": 100, "laptop": 300},
        )
    },
)
