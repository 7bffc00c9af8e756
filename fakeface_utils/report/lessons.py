"""Figures and tables that only the notebooks show: what one number or one layer means."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.ticker import MaxNLocator

from ..evaluation.metrics import confusion, metrics
from ..study.artefacts import read_histories, read_predictions
from ..study.names import TITLES
from ..study.settings import Study
from .drawing import FAINT, HALF, INK, LOOKS, Drawn, title
from .html_pieces import as_table

DRAWN_AGAIN = 2000  # test sets that the bootstrap makes
DASHES = ("-", "--", "-.", ":")


def learning_rates(study: Study, rates: Mapping[str, Mapping[str, npt.NDArray]]) -> Drawn:
    """The learning rate over a training run, for each reading of the decay.

    Args:
        study: the settings; its own reading is drawn thicker.
        rates: by panel and reading the rates of a training run, evenly spread over its steps.
    """
    figure, axes = plt.subplots(1, len(rates), figsize=(HALF, 3))
    colours, ends = sns.color_palette("colorblind"), []
    for axis, (panel, readings) in zip(axes, rates.items(), strict=True):
        for number, (reading, values) in enumerate(readings.items()):
            own = reading == study.learning_rate_decay
            label = reading.replace("_", " ") + (" (chosen)" if own else "")
            share = np.linspace(0, 1, len(values))
            dash, width = DASHES[number % len(DASHES)], 2.8 if own else 1.4
            axis.plot(share, values, dash, color=colours[number], lw=width, label=label)
            ends.append(f"{panel}, {label}: {values[-1]:.3g}")
        axis.set(title=panel, xlabel="part of the training run", ylim=(0, None))
    axes[0].set_ylabel("learning rate")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return figure, f"Learning rate at the last step. {'; '.join(ends)}."


def normalized(study: Study, before: npt.NDArray, after: npt.NDArray) -> Drawn:
    """What batch normalization does to one channel: its values before and after.

    Args:
        study: for the title.
        before, after: (N, h, w) one channel's values of the same images.
    """
    figure, axes = plt.subplots(1, 2, figsize=(HALF, 2.8), sharey=True)
    words = []
    for axis, values, name in zip(axes, (before, after), ("before", "after"), strict=True):
        axis.hist(values.ravel(), 50, color=LOOKS["custom_cnn"]["color"])
        mean, spread = float(values.mean()), float(values.std())
        axis.axvline(mean, color=INK, lw=1)
        axis.set(title=f"{name}: {mean:.2f} ± {spread:.2f}", xlabel="value")
        words.append(f"{name} mean {mean:.2f} and standard deviation {spread:.2f}")
    axes[0].set_ylabel("pixels of the maps")
    title(figure, study, "mean ± standard deviation")
    return figure, f"One channel of the first batch normalization: {'; '.join(words)}."


def formulas(study: Study, model: str) -> HTML:
    """The four metrics of one network written out with its own counts, equations 3 to 6."""
    seed = study.seeds[0]
    table = read_predictions(study, model, seed)
    (tp, fn), (fp, tn) = confusion(table["label"], table["p_fake"]).tolist()
    values = metrics(table["label"], table["p_fake"])
    everything = tp + fn + fp + tn
    rows = [
        (
            "accuracy",
            "all that was right / all",
            f"({tp:,} + {tn:,}) / {everything:,}",
        ),
        ("precision", "fakes among what was called fake", f"{tp:,} / ({tp:,} + {fp:,})"),
        ("recall", "fakes that were found", f"{tp:,} / ({tp:,} + {fn:,})"),
        (
            "f1",
            "one number for precision and recall",
            f"2 × {tp:,} / (2 × {tp:,} + {fp:,} + {fn:,})",
        ),
    ]
    counts = pd.DataFrame(
        {
            "truth": ["fake", "real"],
            "called fake": [f"{tp:,} (TP)", f"{fp:,} (FP)"],
            "called real": [f"{fn:,} (FN)", f"{tn:,} (TN)"],
        }
    )
    filled = pd.DataFrame(
        [(name, words, formula, f"{values[name]:.4f}") for name, words, formula in rows],
        columns=["metric", "in words", "with these counts", "is"],
    )
    caption = f"{TITLES[model]}, seed {seed}: how many test images were called what"
    return HTML(as_table(counts, caption) + as_table(filled))


def bootstrap(study: Study, model: str) -> Drawn:
    """The accuracies of test sets drawn again from the test set, with the 95 % they span."""
    seed = study.seeds[0]
    table = read_predictions(study, model, seed)
    right = (table["label"] == (table["p_fake"] >= 0.5)).to_numpy()
    count = len(right)
    drawn = np.random.default_rng(0).binomial(count, right.mean(), DRAWN_AGAIN) / count
    low, high = np.percentile(drawn, [2.5, 97.5])
    figure, axis = plt.subplots(figsize=(HALF, 2.8))
    edges = np.arange(drawn.min() - 0.5 / count, drawn.max() + 1 / count, 2 / count)
    axis.hist(drawn, edges.tolist(), color=LOOKS[model]["color"])
    axis.axvspan(low, high, color=FAINT, lw=0)
    axis.axvline(right.mean(), color=INK, lw=1)
    axis.set(xlabel="accuracy of a test set drawn again", ylabel=f"of {DRAWN_AGAIN:,} draws")
    title(figure, study, f"{TITLES[model]}, seed {seed}", "grey: 95 %")
    return figure, (
        f"Accuracy {right.mean():.4f} on {count:,} test images. Drawn again with replacement, 95 % "
        f"of {DRAWN_AGAIN:,} test sets lie between {low:.4f} and {high:.4f}."
    )


def seeds_apart(study: Study, model: str) -> Drawn:
    """Validation accuracy by epoch, a line per seed: the same recipe, other chance."""
    history = read_histories(study, model)
    figure, axis = plt.subplots(figsize=(HALF, 3.2))
    for number, (seed, rows) in enumerate(history.groupby("seed")):
        dash = DASHES[number % len(DASHES)]
        axis.plot(rows["epoch"], rows["val_accuracy"], dash, marker="o", ms=3, label=f"seed {seed}")
    axis.set(xlabel="epoch", ylabel="validation accuracy (share)")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower left", ncols=4)
    title(figure, study, TITLES[model])
    last = history[history["epoch"] == history["epoch"].max()]["val_accuracy"]
    seeds = len(study.seeds)
    spread = (
        f"from {last.min():.3f} to {last.max():.3f} over {seeds} seeds"
        if seeds > 1
        else f"{last.iloc[0]:.3f} with one seed; give seeds = 3 to see what chance does"
    )
    return figure, f"Validation accuracy of {TITLES[model]} in the last epoch: {spread}."
