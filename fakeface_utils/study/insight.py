"""The steps of notebook 11: what the networks look at."""

from .settings import Study
from .step import Step

INSIGHT_NOTEBOOK = "11_insight"


def insight_steps(study: Study) -> list[Step]:
    """The steps of notebook 11, which isn't part of the chain."""
    return []
