"""What was measured beyond the paper, as sections of the report."""

from collections.abc import Callable

from IPython.display import HTML
from markupsafe import Markup

from ..evaluation import ablations
from ..evaluation import learning_curve as curve
from ..study.beyond_artefacts import ABLATION_FIGURE, CURVE_FIGURE
from ..study.settings import Study
from . import elsewhere, insight, robustness
from .html_pieces import figure, piece
from .learning_curve import CAPTION as CURVE_CAPTION
from .open_questions import CAPTION


def open_questions(study: Study) -> Markup:
    """How far each other reading moves validation accuracy; '' where it wasn't measured."""
    table = ablations.read_ablations(study)
    if table is None:
        return Markup()
    shown = Markup(figure(study, ABLATION_FIGURE, CAPTION))
    return piece("paragraphs", [ablations.summary(table)]) + shown


def learning_curve(study: Study) -> Markup:
    """How accuracy grows with the training images; '' where it wasn't measured."""
    if curve.fitted_curves(study) is None:
        return Markup()
    shown = Markup(figure(study, CURVE_FIGURE, CURVE_CAPTION))
    return piece("paragraphs", [curve.summary(study)]) + shown


# By the name that a person gives: what it is about, and the section.
SECTIONS: dict[str, tuple[str, Callable[[Study], Markup]]] = {
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
    command = f"make beyond ONLY={name} RUN={study.run}"
    try:
        shown = show(study)
    except FileNotFoundError:  # an earlier version drew it, without an SVG
        shown = Markup()
    return HTML(shown or piece("unmeasured", about, command))
