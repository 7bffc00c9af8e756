"""Damaged images: what is left of the answers, and which band of frequencies decides."""

from fakeface_utils.extension import Extension, Option, later

IMAGES = "test images of each class that are damaged or mapped"
EXTENSION = Extension(
    "robustness",
    "How these networks do on damaged test images",
    tasks=later(__name__, "show.tasks"),
    section=later(__name__, "show.section"),
    summary=later(__name__, "show.summary"),
    options={"beyond_images": Option(1000, IMAGES, {"demo": 100, "laptop": 300})},
)
