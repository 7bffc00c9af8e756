"""What the networks look at: spectra, which need no network, and maps, each put to a test."""

from fakeface_utils.extension import Extension, Option, later

IMAGES = "test images of each class that are damaged or mapped"
EXTENSION = Extension(
    "insight",
    "What these networks look at",
    tasks=later(__name__, "show.tasks"),
    section=later(__name__, "show.section"),
    summary=later(__name__, "show.summary"),
    options={"beyond_images": Option(1000, IMAGES, {"demo": 100, "laptop": 300})},
)
