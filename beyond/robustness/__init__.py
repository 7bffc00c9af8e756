"""Damaged images: what is left of the answers, and which band of frequencies decides."""

from fakeface_utils.extension import Extension, later

EXTENSION = Extension(
    "robustness",
    "How these networks do on damaged test images",
    tasks=later(__name__, "show.tasks"),
    section=later(__name__, "show.section"),
    summary=later(__name__, "show.summary"),
    # Test images of each class that are damaged or mapped.
    options=lambda profile: {"beyond_images": {"demo": 100, "laptop": 300}.get(profile, 1000)},
)
