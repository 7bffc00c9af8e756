"""The paper's Figures 2 to 4, confusion matrices, ROC curves and the audit, from numbers alone.

Every figure is saved as PNG and PDF; the PNG carries its text alternative, which the report reads.
"""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
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
from .drawing import TRAIN, VALID, Drawn, mark, save
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
    figure, axis = plt.subplots(figsize=(9, 0.34 * len(table) + 1), layout="constrained")
    colours = sns.color_palette("colorblind")
    kinds = list(dict.fromkeys(table["kind"]))
    for place, layer in enumerate(table.itertuples()):
        height = int(str(layer.output_shape).split("x")[0]) if "x" in str(layer.output_shape) else 0
        width = 0.25 + 0.75 * height / study.image_size if height else 0.25
        colour = (*colours[kinds.index(layer.kind) % len(colours)], 0.45)
        axis.barh(place, width, left=-width / 2, color=colour, edgecolor="0.3", height=0.8)
        axis.text(0, place, layer.layer, ha="center", va="center", fontsize=9)
        kind = ", ".join(filter(None, (layer.kind, layer.activation)))
        axis.text(-0.56, place, kind, ha="right", va="center", fontsize=9)
        shape = str(layer.output_shape).replace("x", " × ")
        weights = f"{layer.parameters:,} parameters" if layer.parameters else ""
        axis.text(0.56, place, shape, ha="left", va="center", fontsize=9)
        axis.text(1.05, place, weights, ha="left", va="center", fontsize=9)
    axis.set(xlim=(-1.05, 1.6), ylim=(len(table) - 0.4, -0.6))
    axis.set_axis_off()
    other = "" if total == paper else f"; the paper's network at 224: {paper:,}"
    axis.set_title(
        f"The custom CNN at {study.image_size} pixels: {total:,} parameters{other}\n"
        "(larger feature maps have wider bars, not to scale)",
        fontsize=10,
    )
    layers = ", ".join(table["layer"])
    return figure, f"The custom CNN's layers from input to output: {layers}; {total:,} parameters."


def best_epoch(study: Study, model: str) -> int:
    """The epoch with the lowest mean validation loss: after it overfitting starts."""
    return int(read_histories(study, model).groupby("epoch")["val_loss"].mean().idxmin())


def curves(study: Study, model: str) -> Drawn:
    """Figures 3 and 4: accuracy and loss in training and validation, mean and range over seeds."""
    history = read_histories(study, model)
    best, paper = best_epoch(study, model), PAPER_BEST_EPOCH[model]
    many = len(study.seeds) > 1
    lowest = f"lowest {'mean ' if many else ''}validation loss"
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.9), layout="constrained")
    for axis, quantity in zip(axes, ("accuracy", "loss"), strict=True):
        for column, label, colour, dash in (
            (quantity, "training", TRAIN, "-"),
            (f"val_{quantity}", "validation", VALID, "--"),
        ):
            by_epoch = history.groupby("epoch")[column]
            mean = by_epoch.mean()
            axis.plot(mean.index, mean, dash, color=colour, marker="o", ms=4, label=label)
            axis.fill_between(mean.index, by_epoch.min(), by_epoch.max(), color=colour, alpha=0.15)
        # The paper's epoch is a broad band, which stays visible where both epochs are the same.
        axis.axvline(paper, color="0.85", lw=7, zorder=0, label=f"in the paper: epoch {paper}")
        axis.axvline(best, color="0.2", lw=1, label=f"{lowest}: epoch {best}")
        unit = "share of images" if quantity == "accuracy" else "binary cross-entropy, nats"
        axis.set(xlabel="epoch", ylabel=f"{quantity} ({unit})")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=4, fontsize=8)
    seeds = f"mean and range of {len(study.seeds)} seeds" if many else "one seed"
    figure.suptitle(f"{TITLES[model]}, {seeds}{mark(study)}", fontsize=11)
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
    figure, axes = plt.subplots(1, 2, figsize=(7.5, 3.6), layout="constrained")
    counted = []
    for axis, model in zip(axes, MODELS, strict=True):
        tables = [read_predictions(study, model, seed) for seed in study.seeds]
        matrix = sum(confusion(table["label"], table["p_fake"]) for table in tables)
        names = ["fake", "real"]
        share = np.asarray(matrix) / np.sum(matrix, axis=1, keepdims=True)
        text = [
            [f"{count:,}\n{part:.1%}" for count, part in zip(*row, strict=True)]
            for row in zip(np.asarray(matrix), share, strict=True)
        ]
        options = {"annot": text, "fmt": "", "cmap": "Blues", "cbar": False, "square": True}
        options |= {"vmin": 0, "vmax": 1, "xticklabels": names, "yticklabels": names}
        sns.heatmap(share, ax=axis, **options)
        axis.set(title=TITLES[model], xlabel="predicted", ylabel="true")
        (tp, fn), (fp, tn) = np.asarray(matrix)
        counted.append(
            f"{TITLES[model]}: {tp} fakes found, {fn} missed, {tn} reals kept, {fp} flagged as fake"
        )
    seeds = f"{len(study.seeds)} seeds added up" if len(study.seeds) > 1 else "one seed"
    figure.suptitle(f"Test images, {seeds}{mark(study)}", fontsize=11)
    return figure, "Confusion matrices. " + "; ".join(counted) + "."


def roc(study: Study) -> Drawn:
    """ROC curves of both models on the test set, one line per seed."""
    figure, axis = plt.subplots(figsize=(4.8, 4.4), layout="constrained")
    means = []
    for model, colour, dash in zip(MODELS, (TRAIN, VALID), ("-", "--"), strict=True):
        areas = []
        for seed in study.seeds:
            table = read_predictions(study, model, seed)
            false_rate, true_rate, _ = roc_curve(table["label"], table["p_fake"])
            areas.append(roc_auc_score(table["label"], table["p_fake"]))
            label = None if len(areas) > 1 else TITLES[model]
            axis.plot(false_rate, true_rate, dash, color=colour, lw=1.5, label=label)
        means.append(f"{TITLES[model]} {np.mean(areas):.3f}")
    axis.plot([0, 1], [0, 1], ":", color="0.5", label="chance")
    axis.set(xlabel="false positive rate (reals called fake)", aspect="equal")
    axis.set(ylabel="true positive rate (fakes found)", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axis.legend(
        loc="lower right", title="mean area: " + ", ".join(means), fontsize=8, title_fontsize=7
    )
    seeds = "one line per seed" if len(study.seeds) > 1 else "one seed"
    axis.set_title(f"ROC, test set, {seeds}{mark(study)}", fontsize=9)
    return figure, f"ROC curves on the test set; mean area under the curve: {', '.join(means)}."


def audit_cues(study: Study) -> Drawn:
    """How well cues that aren't about the face predict the class, with intervals."""
    cues = read_audit(study)["cues"]
    figure, axis = plt.subplots(figsize=(6.4, 3.0), layout="constrained")
    for place, cue in enumerate(cues):
        measured = cues[cue]
        span = [measured["ci_low"], measured["ci_high"]]
        axis.plot(span, [place, place], color=TRAIN, lw=2, solid_capstyle="butt")
        axis.plot(measured["accuracy"], place, "o", color=TRAIN, ms=6)
    axis.axvline(0.5, color="0.2", ls=":", lw=1)
    axis.set(xlim=(0.38, 1.0), ylim=(len(cues) - 0.5, -0.5), yticks=range(len(cues)))
    axis.set_yticklabels(cues)
    axis.set_xlabel("accuracy (share of training images, 95 % interval; dotted: chance)")
    axis.set_title(f"Does a cheap cue give the class away?{mark(study)}", fontsize=10)
    reached = ", ".join(f"{cue} {cues[cue]['accuracy']:.3f}" for cue in cues)
    return figure, f"Accuracy of predicting the class from one cheap cue (chance: 0.5): {reached}."
