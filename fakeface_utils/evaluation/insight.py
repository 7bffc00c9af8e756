"""What the networks look at, in numbers."""

from ..study.settings import Study


def summary(study: Study) -> str:
    """What was found, in a few sentences."""
    return ""
