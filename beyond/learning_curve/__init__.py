"""Fewer images: how does accuracy grow with the number of training images?"""

from fakeface_utils.extension import Extension
from fakeface_utils.settings import Study
from fakeface_utils.step import Task


def _tasks(study: Study) -> list[Task]:
    from .measure import learning_curve, points
    from .show import figure_learning_curve

    return [*points(study), learning_curve.of(study), figure_learning_curve.of(study)]


def _section(study: Study) -> object:
    from .show import section

    return section(study)


def _summary(study: Study) -> str:
    from .measure import summary

    return summary(study)


EXTENSION = Extension(
    name="learning_curve",
    title="How accuracy grows with the number of training images",
    tasks=_tasks,
    section=_section,
    summary=_summary,
)
