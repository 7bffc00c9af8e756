"""The steps of notebook 09: a trained run on other images."""

from .settings import Study
from .step import Step

ELSEWHERE_NOTEBOOK = "09_elsewhere"


def elsewhere_steps(study: Study) -> list[Step]:
    """The steps of notebook 09, which isn't part of the chain."""
    return []
