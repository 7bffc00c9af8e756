"""What a study can measure beyond the paper: the notebooks that aren't part of the chain."""

import json
from collections.abc import Callable

from ..common.errors import StudyError
from .elsewhere import ELSEWHERE_NOTEBOOK, elsewhere_steps, has_others
from .insight import INSIGHT_NOTEBOOK, insight_steps
from .learning_curve import CURVE_NOTEBOOK, curve_steps
from .parameters import nearest
from .readings import ABLATION_NOTEBOOK, ablation_steps
from .robustness import ROBUSTNESS_NOTEBOOK, robustness_steps
from .settings import Study
from .step import Step

# By notebook, the steps that each does for a study. A person names one without its number.
BEYOND: dict[str, Callable[[Study], list[Step]]] = {
    ABLATION_NOTEBOOK: ablation_steps,
    CURVE_NOTEBOOK: curve_steps,
    ELSEWHERE_NOTEBOOK: elsewhere_steps,
    ROBUSTNESS_NOTEBOOK: robustness_steps,
    INSIGHT_NOTEBOOK: insight_steps,
}


def beyond_steps(study: Study, only: str = "") -> dict[str, list[Step]]:
    """The steps of the notebooks beyond the paper, in order.

    Args:
        study: the settings and seeds.
        only: names with blanks or commas between, as 'elsewhere robustness'; '' for all that can be
            measured: without other images notebook 09 is left out.

    Raises:
        StudyError: there is no such name, or other images are missing for notebook 09.
    """
    by_name = {notebook.partition("_")[2]: notebook for notebook in BEYOND}
    possible = [n for n in by_name if by_name[n] != ELSEWHERE_NOTEBOOK or has_others(study)]
    names = only.replace(",", " ").split() or possible
    for name in names:
        if name not in by_name:
            raise StudyError(f"there is no '{name}' to measure: {nearest(name, by_name)}")
    return {
        notebook: BEYOND[notebook](study) for name, notebook in by_name.items() if name in names
    }


def as_measured(study: Study, step_of: Callable[[Study], Step]) -> Study | None:
    """The study as something beyond the paper was measured for it.

    Seeds and `beyond_images` may differ from the study's own: a report with five seeds shows what
    two were measured for.

    Args:
        study: the settings.
        step_of: the step that measures, for a study.

    Returns:
        None where it wasn't measured or is out of date.
    """
    try:
        held = json.loads(step_of(study).marker.read_text(encoding="utf-8"))["settings"]
        images = held.get("beyond_images", study.beyond_images)
        update = {"seeds": tuple(held["seeds"]), "beyond_images": images}
        measured = study.model_copy(update=update)
    except (StudyError, OSError, ValueError, KeyError, TypeError):
        return None
    return measured if step_of(measured).is_done() else None
