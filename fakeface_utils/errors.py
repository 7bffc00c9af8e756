"""The one exception for what a person can put right."""


class StudyError(Exception):
    """A mistake in a setting, a file or the machine: one sentence that names it and the next step.

    Anything else that is raised is a defect of this package and keeps its traceback.
    """

    def _render_traceback_(self) -> list[str]:
        # IPython calls this: a notebook then shows the sentence instead of forty lines of frames.
        return [f"{type(self).__name__}: {self}"]
