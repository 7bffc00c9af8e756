"""What the images contain besides their labels: duplicates, leaks between splits, cheap cues."""

from fakeface_utils.extension import Extension, later

EXTENSION = Extension(
    "audit",
    "Data and leaks",
    tasks=later(__name__, "show.tasks"),
    section=later(__name__, "show.section"),
    summary=later(__name__, "show.summary"),
    notices=later(__name__, "measure.notices"),
    always=True,
)
