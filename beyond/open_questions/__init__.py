"""What the paper leaves open: how far does each other reading move validation accuracy?"""

from fakeface_utils.extension import Extension
from fakeface_utils.settings import Study
from fakeface_utils.step import Task


def _tasks(study: Study) -> list[Task]:
    from .measure import open_questions, readings_tasks
    from .show import figure_open_questions

    return [*readings_tasks(study), open_questions.of(study), figure_open_questions.of(study)]


def _section(study: Study) -> object:
    from .show import section

    return section(study)


def _summary(study: Study) -> str:
    from .measure import summary

    return summary(study)


EXTENSION = Extension(
    name="open_questions",
    title="How far each of these choices moves validation accuracy",
    tasks=_tasks,
    section=_section,
    summary=_summary,
)
