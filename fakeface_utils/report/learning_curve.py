"""The figure of the learning curve: error against training images, with the fitted curves."""

import matplotlib.pyplot as plt
from matplotlib.ticker import NullFormatter, PercentFormatter, StrMethodFormatter

from ..evaluation.learning_curve import PAPER_SIZE, fitted_curves, learning_curve, sentence
from ..study.beyond_artefacts import CURVE_FIGURE
from ..study.learning_curve import curve_drawing_step
from ..study.names import MODELS, TITLES
from ..study.paper import PAPER_TABLE1
from ..study.settings import Study
from .drawing import HALF, LOOKS, SOFT, Drawn, save, seeds_of, title

CAPTION = (
    "Test error against the number of training images; both axes logarithmic. Small marks are "
    "single training runs, lines the fitted curves with their 95 % bands, stars the paper's values."
)


def draw_learning_curve(study: Study) -> None:
    """Draw and save the figure of the learning curve, unless that is done.

    Raises:
        StudyError: a network of the curve isn't trained.
    """
    learning_curve(study)
    curve_drawing_step(study).do(lambda: save(study, CURVE_FIGURE, draw(study)))


def draw(study: Study) -> Drawn:
    """Every run's error, the fitted curves and bands to the paper's size, and its two values."""
    points, curves = learning_curve(study), fitted_curves(study) or {}
    figure, axis = plt.subplots(figsize=(HALF, 3.9))
    for model in MODELS:
        look = LOOKS[model]
        colour, dash = look["color"], look["ls"]
        own, curve = points[points["model"] == model], curves[model]
        errors = 1 - own["accuracy"]
        axis.plot(own["images_per_class"], errors, **look | {"ls": ""})
        axis.plot([], [], label=TITLES[model], **look)
        if not curve["why_not"]:
            axis.plot(curve["grid"], curve["error"], dash, color=colour, lw=1.5)
            axis.fill_between(
                curve["grid"], curve["low"], curve["high"], color=colour, alpha=0.15, lw=0
            )
        paper = 1 - PAPER_TABLE1[model]["accuracy"]
        axis.plot(PAPER_SIZE, paper, **look | {"marker": "*", "ls": "", "ms": 12}, zorder=3)
    axis.plot([], [], "*", color=SOFT, ms=12, label="the paper")
    axis.set(xscale="log", yscale="log")
    axis.set(xlabel="training images of each class", ylabel="test error (% of images)")
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5])
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.legend(loc="lower left")
    title(figure, study, seeds_of(points["seed"].nunique()))
    means = points.groupby(["model", "images_per_class"], sort=False)["accuracy"].mean()
    measured = "; ".join(
        f"{TITLES[model]} "
        + ", ".join(f"{value:.3f} at {size:,.0f}" for size, value in means[model].items())
        for model in MODELS
    )
    leads = " ".join(sentence(model, curves[model]) for model in MODELS)
    return figure, f"Test accuracy by training images of each class: {measured}. {leads}"
