"""Damaged images: what is left of the answers, and which band of frequencies decides."""

from typing import Annotated

from pydantic import Field

from fakeface_utils.extension import Extension, later

IMAGES = {"demo": 100, "laptop": 300}  # of each class of the test set, damaged or mapped
MOST = Annotated[int, Field(ge=2, le=100_000)]
EXTENSION = Extension(
    "robustness",
    "How these networks do on damaged test images",
    tasks=later(__name__, "show.tasks"),
    section=later(__name__, "show.section"),
    summary=later(__name__, "show.summary"),
    answers=later(__name__, "measure.answers"),
    options=lambda profile: {"beyond_images": (MOST, IMAGES.get(profile, 1000))},
)
