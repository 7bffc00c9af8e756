"""The figure and the section of the open questions."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML

from fakeface_utils.figures import HALF, INK, NOTE, looks_of, picture, pictures, save, title
from fakeface_utils.models import MODELS, titled
from fakeface_utils.report import paragraphs
from fakeface_utils.settings import Study
from fakeface_utils.step import Task, step

from .measure import (
    accuracies,
    by_size,
    in_points,
    open_questions,
    readings_tasks,
    seeds_in_words,
    summary,
)

CAPTION = (
    "Each other reading against this run, on the validation set. best_weights=val_accuracy can't "
    "lose here: it picks the epoch by this very number."
)


@step("open_questions", after=["open_questions"], **pictures("open_questions"))
def figure_open_questions(study: Study, out: Path) -> None:
    """Every reading's mean difference with its interval and its seeds, the largest on top.

    The axis includes every seed's value; an interval that reaches further ends in an arrow, and its
    ends are printed above it.
    """
    table = by_size(open_questions.of(study).read())
    baseline = {model: accuracies(study, model) for model in MODELS}
    each = [
        100 * np.subtract(accuracies(study, row.model, _name(row)), baseline[row.model])
        for row in table.itertuples()
    ]
    values = np.concatenate([*each, [0.0]])
    half = 50 * float((table["ci_high"] - table["ci_low"]).median())
    margin = max(1.1 * half, 0.15 * float(np.ptp(values)))
    left, right = values.min() - margin, values.max() + margin
    figure, axis = plt.subplots(figsize=(HALF, 0.42 * len(table) + 1.6))
    across = axis.get_yaxis_transform()  # x as a share of the axis, y as the row
    told, looks = [], looks_of(study)
    for place, (row, seeds) in enumerate(zip(table.itertuples(), each, strict=True)):
        name, look = _name(row), looks[row.model] | {"ls": ""}
        low, high = 100 * row.ci_low, 100 * row.ci_high
        line = {"color": look["color"], "clip_on": False}
        axis.plot([max(low, left), min(high, right)], [place] * 2, lw=1.5, **line)
        for end, cut, arrow in ((left, low < left, "<"), (right, high > right, ">")):
            if cut:
                axis.plot(end, place, arrow, **line)
        axis.plot(seeds, [place] * len(seeds), "|", color=INK, ms=8)
        axis.plot(100 * row.difference, place, **look)
        for x, side, text in ((0, "left", name), (1, "right", in_points(row))):
            axis.text(x, place - 0.45, text, transform=across, ha=side, va="center", size=NOTE)
        told.append(f"{name} ({titled(row.model)}) {in_points(row)}")
    axis.axvline(0, color=INK, ls=":", lw=1, zorder=1)
    axis.set(xlim=(left, right), ylim=(len(table) - 0.6, -0.8), yticks=())
    axis.set(xlabel="change of validation accuracy (percentage points)")
    for model, about in MODELS.items():
        label = f"{about.title} (this run: {np.mean(baseline[model]):.3f})"
        axis.plot([], [], label=label, **looks[model] | {"ls": "-"})
    axis.plot([], [], "|", color=INK, ms=8, label="a seed")
    caveat = f"95 % intervals, {seeds_in_words(len(study.seeds))}"
    figure.legend(loc="outside lower left", ncols=2)
    title(figure, study, caveat)
    alternative = (
        "How far each other reading of an open question moves validation accuracy, in percentage "
        f"points with {caveat}: {'; '.join(told)}."
    )
    save(out, "open_questions", (figure, alternative))


def _name(row: Any) -> str:
    return f"{row.setting}={row.value}"


def tasks(study: Study) -> list[Task]:
    """What its notebook does."""
    return [*readings_tasks(study), open_questions.of(study), figure_open_questions.of(study)]


def section(study: Study) -> HTML:
    """Its part of the report."""
    return paragraphs([summary(study), picture(study, "open_questions", CAPTION)])
