"""The figure and the section of the learning curve."""

from pathlib import Path

import matplotlib.pyplot as plt
from IPython.display import HTML
from matplotlib.ticker import NullFormatter, PercentFormatter, StrMethodFormatter

from fakeface_utils.figures import HALF, SOFT, looks_of, picture, pictures, save, title
from fakeface_utils.paper import COUNTS, TABLE1
from fakeface_utils.report import paragraphs
from fakeface_utils.settings import Study
from fakeface_utils.step import Task, step
from fakeface_utils.util import count

from .measure import learning_curve, point, sentence, summary

CAPTION = (
    "Test error against the number of training images; both axes logarithmic. Small marks are "
    "single training runs, lines the fitted curves with their 95 % bands, stars the paper's values."
)


@step("learning_curve", after=["learning_curve"], **pictures("learning_curve"))
def figure_learning_curve(study: Study, out: Path) -> None:
    """Every run's error, the fitted curves and bands to the paper's size, and its own values."""
    task = learning_curve.of(study)
    points, curves = task.read(), task.read("learning_curve.json")
    looks = looks_of(study)
    figure, axis = plt.subplots(figsize=(HALF, 3.9))
    for model, about in study.models.items():
        look, own, curve = looks[model], points[points["model"] == model], curves[model]
        axis.plot(own["images_per_class"], 1 - own["accuracy"], **look | {"ls": ""})
        axis.plot([], [], label=about.title, **look)
        if not curve["why_not"]:
            grid, colour = curve["grid"], look["color"]
            axis.plot(grid, curve["error"], color=colour, ls=look["ls"], lw=1.5)
            axis.fill_between(grid, curve["low"], curve["high"], color=colour, alpha=0.15, lw=0)
        if model in TABLE1:
            star = look | {"marker": "*", "ls": "", "ms": 12}
            axis.plot(COUNTS["train"], 1 - TABLE1[model]["accuracy"], **star, zorder=3)
    axis.plot([], [], "*", color=SOFT, ms=12, label="the paper")
    axis.set(xscale="log", yscale="log")
    axis.set(xlabel="training images of each class", ylabel="test error (% of images)")
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5])
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.legend(loc="lower left")
    title(figure, study, count(points["seed"].nunique(), "seed"))
    means = points.groupby(["model", "images_per_class"], sort=False)["accuracy"].mean()
    measured = "; ".join(
        f"{about.title} "
        + ", ".join(f"{value:.3f} at {size:,.0f}" for size, value in means[model].items())
        for model, about in study.models.items()
    )
    leads = " ".join(sentence(model, curve) for model, curve in curves.items())
    words = f"Test accuracy by training images of each class: {measured}. {leads}"
    save(out, "learning_curve", (figure, words))


def tasks(study: Study) -> list[Task]:
    """What its notebook does."""
    return [*point.all(study), learning_curve.of(study), figure_learning_curve.of(study)]


def section(study: Study) -> HTML:
    """Its part of the report."""
    return paragraphs([summary(study), picture(study, "learning_curve", CAPTION)])
