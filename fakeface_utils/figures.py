"""The paper's four figures, Table 1 as a picture, confusion matrices and ROC; one look for all.

Each is saved as PNG and PDF, with what it shows in words inside. Only `samples` shows images.
"""

import base64
import io
import textwrap
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
import seaborn as sns
from IPython.display import HTML
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from .data import images, manifest, mark
from .evaluate import by_seed, histories, not_comparable, predictions, table1
from .models import MODELS
from .paper import CLASSES, METRICS
from .settings import Study
from .step import step
from .trained import train
from .util import count

HALF, FULL = 4.8, 9.9  # inches: the two widths; a page shows 100 CSS pixels an inch
PIXELS, DPI = 100, 200
NOTE = 9  # points: ticks, legends, notes; all else is 10
INK, SOFT, FAINT = "#1b1b1f", "#1b1b1fa0", "#1b1b1f30"
# On white each has a contrast of 3 or more; line, marker and colour each tell two apart alone.
LOOKS: dict[str, dict[str, Any]] = {
    **{name: model.look for name, model in MODELS.items()},
    "train": {"color": "#7d828b", "marker": "o", "ls": "-"},
    "valid": {"color": "#cc4455", "marker": "s", "ls": "--", "mfc": "none"},
    "real": {"color": "#02936c", "marker": "o", "ls": "-", "mfc": "none"},
    "fake": {"color": "#a8559a", "marker": "s", "ls": "--"},
}
STYLE: Any = {
    "figure.dpi": PIXELS,
    "savefig.dpi": DPI,
    "pdf.fonttype": 42,
    "figure.figsize": (HALF, 3.2),
    "figure.constrained_layout.use": True,
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    **{f"{name}size": NOTE for name in ("xtick.label", "ytick.label", "figure.title")},
    **{f"legend.{name}fontsize": NOTE for name in ("", "title_")},
    "legend.frameon": False,
    "lines.markersize": 5,
    "axes.facecolor": "none",
    "axes.edgecolor": SOFT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "image.interpolation": "none",  # a photograph keeps its own pixels
    **{f"{name}color": INK for name in ("text.", "axes.label", "axes.title", "xtick.", "ytick.")},
    # The grid's lines are enough.
    **dict.fromkeys(("xtick.bottom", "ytick.left", "axes.spines.right", "axes.spines.top"), False),
}
plt.rcParams.update(STYLE)  # in notebooks too

SHAPES = {"reproduced": "✓", "not reproduced": "✗", "undecided": "?"}  # never colour alone
COLUMNS = (6, 42, 78)  # points right of the forest plot: ours, the paper's, the verdict
Drawn = tuple[Figure, str]  # a figure, and what it shows in words


# How a figure is titled, saved and shown.


def title(figure: Figure, study: Study, *words: str) -> None:
    """Above a figure what its caption can't know: these words, and whose images they are."""
    parts, room = [*filter(None, (*words, mark(study)))], int(14 * figure.get_figwidth())
    lines = [*parts[:1]]
    for part in parts[1:]:  # broken between parts, where that is possible
        whole = f"{lines[-1]}; {part}"
        lines[-1:] = [whole] if len(whole) <= room else [lines[-1], part]
    figure.suptitle("\n".join(textwrap.fill(line, room) for line in lines), x=0.01, ha="left")


def save(out: Path, name: str, drawn: Drawn) -> None:
    """Write NAME.png and NAME.pdf into `out`, without date or version, and close the figure."""
    figure, alternative = drawn
    about = {"Description": alternative, "Software": None}
    figure.savefig(out / f"{name}.png", metadata=about, pil_kwargs={"optimize": True})
    figure.savefig(out / f"{name}.pdf", metadata={"Subject": alternative, "CreationDate": None})
    plt.close(figure)


def picture(study: Study, name: str, caption: str, about: str = "") -> HTML:
    """A saved figure for a page or a notebook; `about`, how to read it, is folded below."""
    return _element((study.figures / f"{name}.png").read_bytes(), caption, about)


def inline(drawn: Drawn) -> HTML:
    """A figure that only a notebook shows: what it shows in words is its caption too."""
    figure, alternative = drawn
    png = io.BytesIO()
    figure.savefig(png, metadata={"Description": alternative})
    plt.close(figure)
    return _element(png.getvalue(), alternative)


def filled(template: str, *values: Any) -> HTML:
    """HTML with values in its braces: a text is escaped, what is HTML stays."""
    safe = (Markup(v.__html__()) if hasattr(v, "__html__") else v for v in values)
    return HTML(str(Markup(template).format(*safe)))


def _element(png: bytes, caption: str, about: str = "") -> HTML:
    with PIL.Image.open(io.BytesIO(png)) as image:
        alternative, wide = image.info["Description"], round(image.width * PIXELS / DPI)
    kind, data = "half" if wide <= PIXELS * HALF else "full", base64.b64encode(png).decode()
    more = filled("<details><summary>How to read it</summary><p>{}</p></details>", about)
    return filled(
        '<figure class="{}"><img src="data:image/png;base64,{}" width="{}" alt="{}">'
        "<figcaption>{}</figcaption>{}</figure>",
        *(kind, data, wide, alternative, caption, more if about else ""),
    )


# The figures that show numbers.


def forest(study: Study) -> Drawn:
    """Table 1 as a picture: each training run, where one more would fall, and the paper's value."""
    table, runs = table1(study).set_index(["model", "metric"]), by_seed(study)
    told, many = not not_comparable(study), len(study.seeds) > 1
    rows = [(model, metric) for model in MODELS for metric in METRICS]
    figure, axis = plt.subplots(figsize=(HALF, 1 + 0.4 * len(rows)))
    beside: Any = {"xycoords": axis.get_yaxis_transform(), "textcoords": "offset points"}
    beside["va"] = "center"  # x is a share of the axis, y is the row
    places, spoken = [], []
    for number, (model, metric) in enumerate(rows):
        place = number + number // len(METRICS)  # a free row between models, for a name
        places.append(place)
        row, look = table.loc[(model, metric)], MODELS[model].look
        of_seeds = runs.loc[runs["model"] == model, metric]
        ends = [max(row["predicted_low"], 0), min(row["predicted_high"], 1)]
        axis.plot(ends, [place] * 2, color=look["color"], lw=11, alpha=0.35, solid_capstyle="butt")
        axis.plot(of_seeds, [place] * len(of_seeds), **(look | {"ls": ""}))
        words = [f"{row['ours_mean']:.3f}"]
        if row["paper"] == row["paper"]:  # NaN: not in the paper
            axis.plot(row["paper"], place, "|", color=INK, ms=13, mew=2)
            words.append(f"{row['paper']:.3f}")
            words += [f"{SHAPES[row['verdict']]} {row['verdict']}"] if told else []
        for left, text in zip(COLUMNS, words, strict=False):
            axis.annotate(text, (1, place), (left, 0), **beside)
        if metric == METRICS[0]:
            name = MODELS[model].title
            axis.annotate(name, (0, place - 0.75), (4, 0), weight="bold", **beside)
        said = [f"{MODELS[model].title} {metric} {', paper '.join(words[:2])}", *words[2:]]
        spoken.append(", ".join(said))
    for left, text in zip(COLUMNS, ("ours", "paper", "verdict")[: 2 + told], strict=False):
        axis.annotate(text, (1, -0.75), (left, 0), **beside)
    axis.set_yticks(places, [metric for _, metric in rows])
    axis.set(ylim=(places[-1] + 0.6, -1.2), xlabel="value of the metric")
    axis.margins(x=0.06)
    axis.grid(axis="y", visible=False)
    axis.plot([], [], "o", color=SOFT, label="a training run" if many else "our run")
    if many:
        axis.plot([], [], color=FAINT, lw=11, label="one more run, 95 %")
    axis.plot([], [], "|", color=INK, ms=13, mew=2, ls="", label="the paper")
    figure.legend(loc="outside lower left", ncols=3)
    title(figure, study)
    return figure, f"Table 1, ours beside the paper's. {'; '.join(spoken)}."


def network_diagram(study: Study) -> Drawn:
    """Figure 2: the paper's own network layer by layer, as it was trained."""
    own = next(name for name, model in MODELS.items() if not model.frozen_base)
    table = train.of(study, own, study.seeds[0]).read("architecture.csv")
    activations = table["activation"].fillna("").replace("relu", "ReLU")
    shapes, total = table["output_shape"].astype(str), int(table["parameters"].sum())
    figure, axis = plt.subplots(figsize=(HALF, 0.25 * len(table) + 0.9))
    colours = dict(zip(table["kind"].unique(), sns.color_palette("colorblind"), strict=False))
    for place, (layer, shape) in enumerate(zip(table.itertuples(), shapes, strict=True)):
        height = int(shape.split("x")[0]) if "x" in shape else 0
        width = 18 + 54 * height / study.image_size
        colour = (*colours[layer.kind], 0.4)
        axis.barh(place, width, left=134 - width / 2, color=colour, lw=0, height=0.8)
        for x, side, text in (
            (0, "left", ", ".join(filter(None, (layer.kind, activations[place])))),
            (134, "center", layer.layer),
            (178, "left", shape.replace("x", " × ")),
            (330, "right", f"{layer.parameters:,}" if layer.parameters else ""),
        ):
            axis.text(x, place, text, ha=side, va="center", size=NOTE)
    for x, side, name in ((0, "left", "layer"), (178, "left", "output"), (330, "right", "weights")):
        axis.text(x, -1, name, ha=side, va="center", color=SOFT, size=NOTE)
    axis.set(xlim=(0, 330), ylim=(len(table) - 0.4, -1.6))
    axis.set_axis_off()
    title(figure, study, f"{study.image_size} pixels, {total:,} parameters")
    layers = ", ".join(table["layer"] + " " + shapes.str.replace("x", " × "))
    words = f"The layers of the {MODELS[own].title} with what each passes on, in order: {layers}"
    return figure, f"{words}; {total:,} parameters."


def curves(study: Study, model: str) -> Drawn:
    """Figures 3 and 4: accuracy and loss in training and validation, mean and range over seeds."""
    history, about, many = histories(study, model), MODELS[model], len(study.seeds) > 1
    # A seed that diverged has no number there and doesn't count.
    best = history.groupby("epoch")["val_loss"].mean().fillna(np.inf).idxmin()
    figure, axes = plt.subplots(2, 1, figsize=(HALF, 5), sharex=True)
    for axis, (quantity, unit) in zip(axes, (("accuracy", "share"), ("loss", "nats")), strict=True):
        for column, label, look in (
            (quantity, "training", LOOKS["train"]),
            (f"val_{quantity}", "validation", LOOKS["valid"]),
        ):
            by_epoch = history.groupby("epoch")[column]
            axis.plot(by_epoch.mean(), label=label, **look)
            low, high = by_epoch.min(), by_epoch.max()
            axis.fill_between(low.index, low, high, color=look["color"], alpha=0.2, lw=0)
        if paper := about.best_epoch:  # a broad band: seen where both epochs are the same, too
            label = f"the paper's best epoch: {paper}"
            axis.axvline(paper, color=FAINT, lw=8, zorder=0, label=label)
        label = f"lowest {'mean ' * many}validation loss: {best}"
        axis.axvline(best, color=INK, lw=1, label=label)
        axis.set_ylabel(f"{quantity} ({unit})")
        axis.yaxis.set_major_formatter("{x:.2f}")
    axes[1].set_xlabel("epoch")
    axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    seeds = f"mean and range of {len(study.seeds)} seeds" if many else "one seed"
    title(figure, study, f"{about.title}, {seeds}")
    last = history[history["epoch"] == history["epoch"].max()]
    return figure, (
        f"Accuracy and loss of {about.title} over {history['epoch'].max()} epochs, {seeds}. "
        f"Validation loss is lowest at epoch {best} (paper: {about.best_epoch or '-'}). In the "
        f"last epoch accuracy is {last['accuracy'].mean():.3f} in training and "
        f"{last['val_accuracy'].mean():.3f} in validation."
    )


def confusion_matrices(study: Study) -> Drawn:
    """Confusion matrices on the test set, summed over seeds, fake first; shares of a true class."""
    runs = by_seed(study, "fake")
    size = (HALF * max(1, len(MODELS) / 2), 2.9)
    figure, axes = plt.subplots(1, len(MODELS), figsize=size, sharey=True, squeeze=False)
    counted = []
    for axis, (name, model) in zip(axes[0], MODELS.items(), strict=True):
        tp, fn, fp, tn = runs.loc[runs["model"] == name, ["tp", "fn", "fp", "tn"]].sum()
        matrix = np.array([[tp, fn], [fp, tn]])
        for (row, column), share in np.ndenumerate(matrix / matrix.sum(axis=1, keepdims=True)):
            tint = (model.look["color"], 0.5 * share)  # faint: ink on it is readable
            axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=tint, lw=0))
            text = f"{matrix[row, column]:,}\n{share:.1%}"
            axis.text(column, row, text, ha="center", va="center")
        axis.set(title=model.title, xlabel="predicted", aspect="equal")
        axis.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5), xticks=(0, 1), yticks=(0, 1))
        axis.set(xticklabels=CLASSES[::-1], yticklabels=CLASSES[::-1])
        axis.grid(False)
        found = f"{tp} fakes found, {fn} missed, {tn} reals kept, {fp} flagged as fake"
        counted.append(f"{model.title}: {found}")
    axes[0, 0].set_ylabel("true")
    added = " added up" if len(study.seeds) > 1 else ""
    title(figure, study, f"{count(len(study.seeds), 'seed')}{added}")
    return figure, f"Confusion matrices. {'; '.join(counted)}."


def roc(study: Study) -> Drawn:
    """ROC curves on the test set, one line per seed."""
    from sklearn.metrics import roc_auc_score, roc_curve

    figure, axis = plt.subplots(figsize=(HALF, 4.8))
    means, outputs = [], predictions(study)
    for name, model in MODELS.items():
        tables = [own for _, own in outputs[outputs["model"] == name].groupby("seed")]
        area = np.mean([roc_auc_score(table["label"], table["p_fake"]) for table in tables])
        means.append(f"{model.title} {area:.3f}")
        for number, table in enumerate(tables):
            label = "" if number else f"{model.title}, area {area:.3f}"
            rates = roc_curve(table["label"], table["p_fake"])[:2]
            axis.plot(*rates, label=label, **model.look | {"marker": ""})
    axis.plot([0, 1], [0, 1], ":", color=SOFT, label="chance")
    axis.set(xlabel="false positive rate (reals called fake)", aspect="equal")
    axis.set(ylabel="true positive rate (fakes found)", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axis.legend(loc="lower right")
    many = ", a line for each, mean areas" if len(study.seeds) > 1 else ""
    title(figure, study, f"{count(len(study.seeds), 'seed')}{many}")
    return figure, f"ROC curves on the test set; mean area under the curve: {', '.join(means)}."


def of_numbers() -> dict[str, Callable[[Study], Drawn]]:
    """The figures without images: their names, and what draws them."""
    numbered = {name: f"figure{m.figure}_" if m.figure else "curves_" for name, m in MODELS.items()}
    return {
        "table1_forest": forest,
        "figure2_architecture": network_diagram,
        **{f"{prefix}{name}": partial(curves, model=name) for name, prefix in numbered.items()},
        "confusion_matrices": confusion_matrices,
        "roc": roc,
    }


def _deciding(study: Study) -> dict[str, Any]:
    models = {name: asdict(model) for name, model in MODELS.items()}
    return study.deciding() | {"seeds": list(study.seeds), "models": models}


def pictures(*names: str) -> dict[str, Any]:
    """What a step that draws figures says of them: NAME.png and NAME.pdf, where, and for what."""
    return {
        "writes": [f"{name}.{kind}" for name in names for kind in ("png", "pdf")],
        "settings": _deciding,
        "folder": lambda study: study.figures,
    }


@step(
    "05_figures",
    writes=lambda study: [f"{name}.{kind}" for name in of_numbers() for kind in ("png", "pdf")],
    after=("dataset", "train", "predict", "table1"),
    settings=_deciding,
    folder=lambda study: study.figures,
)
def figures(study: Study, out: Path) -> None:
    """Draw every figure that shows no image."""
    for name, draw in of_numbers().items():
        save(out, name, draw(study))


# Of data whose licence forbids it this must not be published.


@step("05_figures", after=("dataset", "prepare"), **pictures("figure1_samples"))
def samples(study: Study, out: Path, columns: int = 4) -> None:
    """Figure 1: images of both classes from the training set, drawn with seed 0."""
    pixels, labels = images(study, "train"), manifest(study, "train")["label"].to_numpy()
    figure, axes = plt.subplots(2, columns, figsize=(HALF, 3))
    told = []
    for row, kind in zip(axes, reversed(CLASSES), strict=True):
        members = np.flatnonzero(labels == CLASSES.index(kind))
        drawn = np.random.default_rng(0).permutation(members)[:columns]
        for axis in row:
            axis.set_axis_off()
        for axis, index in zip(row, drawn, strict=False):
            axis.imshow(pixels[index])
        row[0].set_title(f"{kind} faces")
        told.append(f"{len(drawn)} of {len(members):,} {kind} faces")
    title(figure, study)
    shown = f"Training images drawn at random: {' above '.join(told)}."
    save(out, "figure1_samples", (figure, shown))
