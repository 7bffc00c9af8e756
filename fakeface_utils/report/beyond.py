"""What was measured beyond the paper, as sections of the report."""

import html
from collections.abc import Callable

from IPython.display import HTML

from ..evaluation import ablations
from ..evaluation import learning_curve as curve
from ..study.beyond_artefacts import ABLATION_FIGURE, CURVE_FIGURE
from ..study.settings import Study
from . import elsewhere, insight, robustness
from .html_pieces import figure
from .learning_curve import CAPTION as CURVE_CAPTION
from .open_questions import CAPTION


def open_questions(study: Study) -> str:
    """How far each other reading moves validation accuracy; '' where it wasn't measured."""
    table = ablations.read_ablations(study)
    if table is None:
        return ""
    shown = figure(study, ABLATION_FIGURE, CAPTION).data
    return f"<p>{html.escape(ablations.summary(table))}</p>{shown}"


def learning_curve(study: Study) -> str:
    """How accuracy grows with the training images; '' where it wasn't measured."""
    if curve.fitted_curves(study) is None:
        return ""
    shown = figure(study, CURVE_FIGURE, CURVE_CAPTION).data
    return f"<p>{html.escape(curve.summary(study))}</p>{shown}"


# By the name that a person gives: what it is about, and the section.
SECTIONS: dict[str, tuple[str, Callable[[Study], str]]] = {
    "open_questions": (
        "How far each of these choices moves validation accuracy",
        open_questions,
    ),
    "learning_curve": ("How accuracy grows with the number of training images", learning_curve),
    "elsewhere": ("How these networks do on other images", elsewhere.section),
    "robustness": ("How these networks do on damaged test images", robustness.section),
    "insight": ("What these networks look at", insight.section),
}


def section(study: Study, name: str) -> HTML:
    """One section, or the command that measures it."""
    about, show = SECTIONS[name]
    try:
        shown = show(study)
    except FileNotFoundError:  # an earlier version drew it, without an SVG
        shown = ""
    return HTML(
        shown
        or f"<p>{about} was not measured for this run: "
        f"<code>make beyond ONLY={name} RUN={study.run}</code> measures it.</p>"
    )
