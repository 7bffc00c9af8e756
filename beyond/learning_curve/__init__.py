"""Fewer images: how does accuracy grow with the number of training images?"""

from fakeface_utils.extension import Extension, later

EXTENSION = Extension(
    "learning_curve",
    "How accuracy grows with the number of training images",
    tasks=later(__name__, "show.tasks"),
    section=later(__name__, "show.section"),
    summary=later(__name__, "measure.summary"),
)
