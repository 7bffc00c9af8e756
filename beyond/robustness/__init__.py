"""Damaged images: what is left of the answers, and which band of frequencies decides."""

from fakeface_utils.extension import Extension, later

IMAGES = {"demo": 100, "laptop": 300}  # of each class of the test set, damaged or mapped
EXTENSION = Extension(
    "robustness",
    "How these networks do on damaged test images",
    tasks=later(__name__, "show.tasks"),
    section=later(__name__, "show.section"),
    summary=later(__name__, "show.summary"),
    options=lambda profile: {"beyond_images": (int, IMAGES.get(profile, 1000))},
)
