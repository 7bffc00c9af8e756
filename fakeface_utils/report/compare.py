"""The page of two or more runs side by side, with both models' validation curves."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from ..common.files import write_atomic
from ..common.paths import results_dir
from ..evaluation.side_by_side import Comparison
from ..study.artefacts import read_histories
from ..study.names import MODELS, TITLES
from ..study.settings import Study
from .drawing import HALF, Drawn, as_svg
from .html_pieces import as_figure, as_table, templates

CAPTION = "Accuracy and loss on validation images by epoch: the mean over seeds, and their range."
DASHES = ("-", "--", "-.", ":")


def compare_html(runs: Sequence[str]) -> Path:
    """The page of some runs; a long list is cut to what a disk takes for a name."""
    return results_dir("compare") / f"{'--'.join(runs)[:200]}.html"


def write_comparison(studies: Sequence[Study], comparison: Comparison) -> Path:
    """Write the page: one file that opens offline.

    Returns:
        Its path.
    """
    figure, alternative = draw_curves(studies)
    curves = as_svg(figure, "curves", alternative)
    plt.close(figure)
    page = (
        templates()
        .get_template("compare.html.j2")
        .render(comparison=comparison, table=as_table, curves=as_figure(curves, CAPTION))
    )
    path = compare_html(comparison.runs)
    with write_atomic(path) as part:
        part.write_text(page, encoding="utf-8")
    return path


def draw_curves(studies: Sequence[Study]) -> Drawn:
    """Accuracy and loss on validation images by epoch: a row a model, a line a run."""
    figure, axes = plt.subplots(2, 2, figsize=(HALF, 5), sharex=True)
    colours = sns.color_palette("colorblind", len(studies))
    lowest = []
    for row, model in zip(axes, MODELS, strict=True):
        for place, study in enumerate(studies):
            history = read_histories(study, model)
            look = {"color": colours[place], "ls": DASHES[place % len(DASHES)]}
            for axis, quantity in zip(row, ("accuracy", "loss"), strict=True):
                by_epoch = history.groupby("epoch")[f"val_{quantity}"]
                mean: pd.Series = by_epoch.mean()
                axis.plot(mean, marker="o", ms=4, label=study.run, **look)
                axis.fill_between(
                    mean.index, by_epoch.min(), by_epoch.max(), color=look["color"], alpha=0.15
                )
            lowest.append(
                f"{TITLES[model]} of {study.run} {mean.min():.3f} at epoch {mean.idxmin()}"
            )
        for axis, quantity in zip(row, ("accuracy", "loss"), strict=True):
            axis.set_title(f"{TITLES[model]}, {quantity}")
            axis.yaxis.set_major_formatter("{x:.2f}")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axis in axes[1]:
        axis.set_xlabel("epoch")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return figure, (
        "Accuracy and loss on validation images by epoch, mean and range over seeds. Lowest mean "
        f"validation loss: {'; '.join(lowest)}."
    )
