"""The figure and the section of the learning curve."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML
from matplotlib.ticker import NullFormatter, PercentFormatter, StrMethodFormatter

from fakeface_utils.figures import HALF, SOFT, Drawn, looks_of, picture, pictures, save, title
from fakeface_utils.paper import COUNTS, TABLE1
from fakeface_utils.report import paragraphs
from fakeface_utils.settings import Study
from fakeface_utils.step import Task, step
from fakeface_utils.util import count

from .measure import in_words, learning_curve, point, summary

CAPTION = (
    "Test error against the number of training images; both axes logarithmic. Small marks are "
    "single training runs, lines join their means, stars are the paper's values."
)


def draw(study: Study, points: pd.DataFrame) -> Drawn:
    """Every run's error, lines through the means of each size, and the paper's values."""
    looks, figure = looks_of(study), plt.figure(figsize=(HALF, 3.9))
    axis = figure.subplots()
    for model, about in study.models.items():
        look, own = looks[model], points[points["model"] == model].set_index("images_per_class")
        axis.plot(1 - own["accuracy"], **look | {"ls": ""})
        axis.plot(1 - own.groupby(level=0)["accuracy"].mean(), **look | {"marker": ""})
        axis.plot([], [], label=about.title, **look)
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
    return figure, in_words(points)


@step("learning_curve", after=["learning_curve"], **pictures("learning_curve"))
def figure_learning_curve(study: Study, out: Path) -> None:
    """Error against training images."""
    points = learning_curve(study)
    drawn = draw(study, points)
    title(drawn[0], study, count(points["seed"].nunique(), "seed"))
    save(out, "learning_curve", drawn)


def tasks(study: Study) -> list[Task]:
    """What its notebook does."""
    return [*point.all(study), learning_curve.of(study), figure_learning_curve.of(study)]


def section(study: Study) -> HTML:
    """Its part of the report."""
    return paragraphs([summary(study), picture(study, "learning_curve", CAPTION)])
