"""The paper's Figures 2 to 4, confusion matrices, ROC curves and the audit, from numbers alone.

Every figure is saved as PNG, PDF and SVG, with its text alternative inside.
"""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import roc_auc_score, roc_curve

from ..evaluation.metrics import confusion
from ..evaluation.paper_itself import paper_sizes
from ..study.artefacts import (
    FIGURES,
    read_architecture,
    read_audit,
    read_histories,
    read_predictions,
)
from ..study.names import MODELS, TITLES
from ..study.paper import PAPER_BEST_EPOCH
from ..study.plan import figures_step
from ..study.settings import Study
from .calibration import reliability_diagram
from .drawing import FAINT, HALF, INK, LOOKS, NOTE, SOFT, Drawn, save, seeds_of, title
from .forest import forest
from .leak import leak_curve


def make_figures(study: Study) -> None:
    """Draw and save every figure that shows no image, unless that is done.

    Raises:
        StudyError: a history, the predictions or the audit are missing.
    """
    makers: dict[str, Callable[[Study], Drawn]] = {
        "table1_forest": forest,
        "figure2_architecture": network_diagram,
        "figure3_vgg16": lambda study: curves(study, "vgg16"),
        "figure4_custom_cnn": lambda study: curves(study, "custom_cnn"),
        "confusion_matrices": confusion_matrices,
        "roc": roc,
        "reliability": reliability_diagram,
        "audit_cues": audit_cues,
        "leak_curve": leak_curve,
    }

    def draw() -> None:
        for name in FIGURES:
            save(study, name, makers[name](study))

    if not figures_step(study).do(draw):
        print("figures: up to date")


def network_diagram(study: Study) -> Drawn:
    """Figure 2: the custom CNN layer by layer, from architecture.csv."""
    table = read_architecture(study, "custom_cnn")
    table["activation"] = table["activation"].fillna("").replace("relu", "ReLU")
    total, paper = (
        int(table["parameters"].sum()),
        int(paper_sizes().loc["custom_cnn", "parameters"]),
    )
    figure, axis = plt.subplots(figsize=(HALF, 0.25 * len(table) + 0.9))
    colours = sns.color_palette("colorblind")
    kinds = list(dict.fromkeys(table["kind"]))
    for place, layer in enumerate(table.itertuples()):
        height = int(str(layer.output_shape).split("x")[0]) if "x" in str(layer.output_shape) else 0
        width = 18 + 54 * height / study.image_size if height else 18
        colour = (*colours[kinds.index(layer.kind) % len(colours)], 0.4)
        axis.barh(place, width, left=134 - width / 2, color=colour, lw=0, height=0.8)
        for x, side, text in (
            (0, "left", ", ".join(filter(None, (layer.kind, layer.activation)))),
            (134, "center", layer.layer),
            (178, "left", str(layer.output_shape).replace("x", " × ")),
            (330, "right", f"{layer.parameters:,}" if layer.parameters else ""),
        ):
            axis.text(x, place, str(text), ha=side, va="center", size=NOTE)
    for x, side, text in ((0, "left", "layer"), (178, "left", "output"), (330, "right", "weights")):
        axis.text(x, -1, text, ha=side, va="center", color=SOFT, size=NOTE)
    axis.set(xlim=(0, 330), ylim=(len(table) - 0.4, -1.6))
    axis.set_axis_off()
    other = "" if total == paper else f" (the paper's at 224: {paper:,})"
    title(figure, study, f"{study.image_size} pixels, {total:,} parameters{other}")
    layers = ", ".join(
        f"{layer.layer} {str(layer.output_shape).replace('x', ' × ')}"
        for layer in table.itertuples()
    )
    return figure, (
        f"The custom CNN's layers with what each passes on, from input to output: {layers}; "
        f"{total:,} parameters."
    )


def best_epoch(study: Study, model: str) -> int:
    """The epoch with the lowest mean validation loss: after it overfitting starts.

    A seed that diverged has no number there and doesn't count; if all did at once, it is the first.
    """
    by_epoch = read_histories(study, model).groupby("epoch")["val_loss"].mean()
    return int(by_epoch.fillna(np.inf).idxmin())


def curves(study: Study, model: str) -> Drawn:
    """Figures 3 and 4: accuracy and loss in training and validation, mean and range over seeds."""
    history = read_histories(study, model)
    best, paper = best_epoch(study, model), PAPER_BEST_EPOCH[model]
    many = len(study.seeds) > 1
    figure, axes = plt.subplots(2, 1, figsize=(HALF, 5), sharex=True)
    for axis, quantity in zip(axes, ("accuracy", "loss"), strict=True):
        for column, label, look in (
            (quantity, "training", LOOKS["train"]),
            (f"val_{quantity}", "validation", LOOKS["valid"]),
        ):
            by_epoch = history.groupby("epoch")[column]
            axis.plot(by_epoch.mean(), label=label, **look)
            low, high = by_epoch.min(), by_epoch.max()
            axis.fill_between(low.index, low, high, color=look["color"], alpha=0.2, lw=0)
        # The paper's epoch is a broad band, which stays visible where both epochs are the same.
        axis.axvline(paper, color=FAINT, lw=8, zorder=0, label=f"the paper's best epoch: {paper}")
        lowest = f"lowest {'mean ' if many else ''}validation loss: {best}"
        axis.axvline(best, color=INK, lw=1, label=lowest)
        unit = "share" if quantity == "accuracy" else "nats"
        axis.set_ylabel(f"{quantity} ({unit})")
        axis.yaxis.set_major_formatter("{x:.2f}")
    axes[1].set_xlabel("epoch")
    axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    seeds = f"mean and range of {len(study.seeds)} seeds" if many else "one seed"
    title(figure, study, f"{TITLES[model]}, {seeds}")
    last = history[history["epoch"] == history["epoch"].max()]
    return figure, (
        f"Accuracy and loss of {TITLES[model]} over {history['epoch'].max()} epochs, {seeds}. "
        f"Validation loss is lowest at epoch {best} (paper: {paper}). In the last epoch accuracy "
        f"is {last['accuracy'].mean():.3f} in training and {last['val_accuracy'].mean():.3f} in "
        "validation."
    )


def confusion_matrices(study: Study) -> Drawn:
    """Confusion matrices of both models on the test set, summed over seeds, fake first.

    Both share one colour scale; shares are those of a true class.
    """
    figure, axes = plt.subplots(1, 2, figsize=(HALF, 2.9), sharey=True)
    counted = []
    for axis, model in zip(axes, MODELS, strict=True):
        tables = [read_predictions(study, model, seed) for seed in study.seeds]
        matrix = np.asarray(sum(confusion(table["label"], table["p_fake"]) for table in tables))
        for (row, column), share in np.ndenumerate(matrix / matrix.sum(axis=1, keepdims=True)):
            tint = (LOOKS[model]["color"], 0.5 * share)  # faint: ink on it is readable on any page
            axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=tint, lw=0))
            text = f"{matrix[row, column]:,}\n{share:.1%}"
            axis.text(column, row, text, ha="center", va="center")
        axis.set(title=TITLES[model], xlabel="predicted", aspect="equal")
        axis.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5), xticks=(0, 1), yticks=(0, 1))
        axis.set(xticklabels=("fake", "real"), yticklabels=("fake", "real"))
        axis.grid(False)
        (tp, fn), (fp, tn) = matrix
        counted.append(
            f"{TITLES[model]}: {tp} fakes found, {fn} missed, {tn} reals kept, {fp} flagged as fake"
        )
    axes[0].set_ylabel("true")
    title(
        figure, study, f"{seeds_of(len(study.seeds))}{' added up' if len(study.seeds) > 1 else ''}"
    )
    return figure, "Confusion matrices. " + "; ".join(counted) + "."


def roc(study: Study) -> Drawn:
    """ROC curves of both models on the test set, one line per seed."""
    figure, axis = plt.subplots(figsize=(HALF, 4.8))
    means = []
    for model in MODELS:
        tables = [read_predictions(study, model, seed) for seed in study.seeds]
        area = np.mean([roc_auc_score(table["label"], table["p_fake"]) for table in tables])
        means.append(f"{TITLES[model]} {area:.3f}")
        label: str | None = f"{TITLES[model]}, area {area:.3f}"
        for table in tables:
            rates = roc_curve(table["label"], table["p_fake"])[:2]
            axis.plot(*rates, label=label, **LOOKS[model] | {"marker": ""})
            label = None
    axis.plot([0, 1], [0, 1], ":", color=SOFT, label="chance")
    axis.set(xlabel="false positive rate (reals called fake)", aspect="equal")
    axis.set(ylabel="true positive rate (fakes found)", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axis.legend(loc="lower right")
    many = "a line for each, mean areas" if len(study.seeds) > 1 else ""
    title(figure, study, ", ".join(filter(None, (seeds_of(len(study.seeds)), many))))
    return figure, f"ROC curves on the test set; mean area under the curve: {', '.join(means)}."


def audit_cues(study: Study) -> Drawn:
    """How well cues that aren't about the face predict the class, with intervals."""
    cues = read_audit(study)["cues"]
    figure, axis = plt.subplots(figsize=(HALF, 0.3 * len(cues) + 1.1))
    for place, cue in enumerate(cues):
        measured = cues[cue]
        axis.plot([measured["ci_low"], measured["ci_high"]], [place, place], color=SOFT, lw=2)
        axis.plot(measured["accuracy"], place, "o", color=INK)
    axis.axvline(0.5, color=INK, ls=":", lw=1)
    axis.set(xlim=(0.38, 1.0), ylim=(len(cues) - 0.5, -0.5))
    axis.set_yticks(range(len(cues)), cues)
    axis.set_xlabel("accuracy, 95 % interval (dotted: chance)")
    title(figure, study)
    reached = ", ".join(f"{cue} {cues[cue]['accuracy']:.3f}" for cue in cues)
    return figure, f"Accuracy of predicting the class from one cheap cue (chance: 0.5): {reached}."
