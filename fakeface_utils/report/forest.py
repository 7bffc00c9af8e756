"""Table 1 as a picture: a row per number with our seeds, the paper's value and the verdict."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from ..evaluation.caveats import not_comparable
from ..evaluation.metrics import metrics
from ..evaluation.table1 import table1
from ..study.artefacts import read_predictions
from ..study.names import METRICS, MODELS, TITLES
from ..study.settings import Study
from .drawing import FAINT, HALF, INK, LOOKS, SOFT, Drawn, title

SHAPES = {"reproduced": "✓", "not reproduced": "✗", "undecided": "?"}  # never colour alone
COLUMNS = (6, 42, 78)  # points right of the axis: ours, the paper's, the verdict


def forest(study: Study) -> Drawn:
    """The forest plot of Table 1; a verdict stands in a row only if there is one."""
    table = table1(study).set_index(["model", "metric"])
    seeds = _by_seed(study)
    told = not not_comparable(study)
    figure, axis = plt.subplots(figsize=(HALF, 4.2))
    across: Any = axis.get_yaxis_transform()  # x as a share of the axis, y as the row
    rows, spoken = [], []
    for place, (model, metric) in enumerate((m, k) for m in MODELS for k in METRICS):
        place += MODELS.index(model)  # a free row between the models for the second's name
        rows.append((place, metric))
        row, look = table.loc[(model, metric)], LOOKS[model]
        ends = [max(row["predicted_low"], 0), min(row["predicted_high"], 1)]
        bar: Any = {"color": look["color"], "alpha": 0.35, "solid_capstyle": "butt"}
        axis.plot(ends, [place, place], lw=11, **bar)
        own = seeds.loc[seeds["model"] == model, metric]
        axis.plot(own, [place] * len(own), **(look | {"ls": ""}))
        axis.plot(row["paper"], place, "|", color=INK, ms=13, mew=2)
        words = [f"{row['ours_mean']:.3f}", f"{row['paper']:.3f}"]
        if told:
            words.append(f"{SHAPES[row['verdict']]} {row['verdict']}")
        for left, text in zip(COLUMNS, words, strict=False):
            axis.annotate(text, (1, place), (left, 0), across, "offset points", va="center")
        spoken.append(f"{TITLES[model]} {metric} {', paper '.join(words[:2])}{words[2:] or ''}")
    for number, model in enumerate(MODELS):
        top, name = number * (len(METRICS) + 1) - 0.75, TITLES[model]
        axis.annotate(name, (0, top), (4, 0), across, "offset points", va="center", weight="bold")
    for left, text in zip(COLUMNS, ("ours", "paper", "verdict")[: 2 + told], strict=False):
        axis.annotate(text, (1, -0.75), (left, 0), across, "offset points", va="center")
    axis.set_yticks(*zip(*rows, strict=True))
    axis.set(ylim=(len(rows) + 0.6, -1.2), xlabel="value of the metric")
    axis.margins(x=0.06)
    axis.grid(axis="y", visible=False)
    several = len(study.seeds) > 1
    axis.plot([], [], "o", color=SOFT, label="a training run" if several else "our run")
    if several:
        axis.plot([], [], color=FAINT, lw=11, label="one more run, 95 %")
    axis.plot([], [], "|", color=INK, ms=13, mew=2, ls="", label="the paper")
    figure.legend(loc="outside lower left", ncols=3)
    title(figure, study)
    return figure, f"Table 1, ours beside the paper's. {'; '.join(spoken)}."


def _by_seed(study: Study) -> pd.DataFrame:
    """Model and the four metrics of each training run."""
    rows = []
    for model in MODELS:
        for seed in study.seeds:
            outputs = read_predictions(study, model, seed)
            values = metrics(outputs["label"], outputs["p_fake"], study.positive_class)
            rows.append({"model": model, **values})
    return pd.DataFrame(rows)
