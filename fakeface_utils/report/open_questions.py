"""The figure of the open questions: how far each other reading moves validation accuracy."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ..evaluation.ablations import (
    accuracies,
    by_size,
    compare_readings,
    comparisons,
    count_of_seeds,
    in_points,
)
from ..study.beyond_artefacts import ABLATION_FIGURE
from ..study.names import MODELS, TITLES
from ..study.readings import drawing_step
from ..study.settings import Study
from .drawing import HALF, INK, LOOKS, NOTE, Drawn, save, title

CAPTION = (
    "Each other reading against this run, on the validation set. best_weights=val_accuracy can't "
    "lose here: it picks the epoch by this very number."
)


def draw_open_questions(study: Study) -> None:
    """Draw and save the figure of the open questions, unless that is done.

    Raises:
        StudyError: the readings weren't compared.
    """
    table = compare_readings(study)
    drawing_step(study).do(lambda: save(study, ABLATION_FIGURE, draw(study, table)))


def draw(study: Study, table: pd.DataFrame) -> Drawn:
    """Every reading's mean difference with its interval and its seeds, the largest on top.

    The axis includes every seed's value; an interval that reaches further ends in an arrow, and its
    ends are printed above it.
    """
    ordered = by_size(table)
    baseline = {model: accuracies(study, model) for model in MODELS}
    each = {
        (reading.name, model): 100 * np.subtract(accuracies(reading.study, model), baseline[model])
        for reading, model in comparisons(study)
    }
    values = np.concatenate([*each.values(), [0.0]])
    half = 50 * float((table["ci_high"] - table["ci_low"]).median())
    margin = max(1.1 * half, 0.15 * float(np.ptp(values)))
    left, right = values.min() - margin, values.max() + margin
    figure, axis = plt.subplots(figsize=(HALF, 0.42 * len(table) + 1.6))
    across = axis.get_yaxis_transform()  # x as a share of the axis, y as the row
    differences = []
    for place, row in enumerate(ordered.itertuples()):
        name, look = f"{row.setting}={row.value}", LOOKS[str(row.model)] | {"ls": ""}
        colour = look["color"]
        low, high = 100 * row.ci_low, 100 * row.ci_high
        axis.plot([max(low, left), min(high, right)], [place] * 2, color=colour, lw=1.5)
        for end, cut, arrow in ((left, low < left, "<"), (right, high > right, ">")):
            if cut:
                axis.plot(end, place, arrow, color=colour, clip_on=False)
        seeds = each[name, row.model]
        axis.plot(seeds, [place] * len(seeds), "|", color=INK, ms=8)
        axis.plot(100 * row.difference, place, **look)
        for x, side, text in ((0, "left", name), (1, "right", in_points(row))):
            axis.text(x, place - 0.45, text, transform=across, ha=side, va="center", size=NOTE)
        differences.append(f"{name} ({TITLES[row.model]}) {in_points(row)}")
    axis.axvline(0, color=INK, ls=":", lw=1, zorder=1)
    axis.set(xlim=(left, right), ylim=(len(table) - 0.6, -0.8), yticks=())
    axis.set(xlabel="change of validation accuracy (percentage points)")
    for model in MODELS:
        label = f"{TITLES[model]} (this run: {np.mean(baseline[model]):.3f})"
        axis.plot([], [], label=label, **LOOKS[model] | {"ls": "-"})
    axis.plot([], [], "|", color=INK, ms=8, label="a seed")
    caveat = f"95 % intervals, {count_of_seeds(len(study.seeds))}"
    figure.legend(loc="outside lower left", ncols=2)
    title(figure, study, caveat)
    return figure, (
        "How far each other reading of an open question moves validation accuracy, in percentage "
        f"points with {caveat}: {'; '.join(differences)}."
    )
