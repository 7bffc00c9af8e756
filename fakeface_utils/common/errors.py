"""The two exceptions whose text is for the person who runs this."""

from .paths import escaped


class StudyError(Exception):
    """A mistake in a setting, a file or the machine: one sentence that names it and the next step.

    Anything else that is raised is a defect of this package and keeps its traceback. Names in the
    sentence may come from anywhere, so what a terminal would obey is escaped.
    """

    def __str__(self) -> str:
        return escaped(super().__str__())

    def _render_traceback_(self) -> list[str]:
        # IPython calls this: a notebook then shows the sentence instead of forty lines of frames.
        return [f"{type(self).__name__}: {self}"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or a notebook's stop button: one sentence on what is kept and how to resume."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]
