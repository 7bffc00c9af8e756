"""What the networks look at: spectra, which need no network, and maps, each put to a test."""

from fakeface_utils.extension import Extension, later

EXTENSION = Extension(
    "insight",
    "What these networks look at",
    tasks=later(__name__, "show.tasks"),
    section=later(__name__, "show.section"),
    summary=later(__name__, "show.summary"),
    # Test images of each class that are damaged or mapped.
    options=lambda profile: {"beyond_images": {"demo": 100, "laptop": 300}.get(profile, 1000)},
)
