"""What the paper leaves open: how far does each other reading move validation accuracy?"""

from fakeface_utils.extension import Extension, later

EXTENSION = Extension(
    "open_questions",
    "How far each of these choices moves validation accuracy",
    tasks=later(__name__, "show.tasks"),
    section=later(__name__, "show.section"),
    summary=later(__name__, "measure.summary"),
)
