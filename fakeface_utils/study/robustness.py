"""The steps of notebook 10: a trained run on damaged test images."""

from .settings import Study
from .step import Step

ROBUSTNESS_NOTEBOOK = "10_robustness"


def robustness_steps(study: Study) -> list[Step]:
    """The steps of notebook 10, which isn't part of the chain."""
    return []
