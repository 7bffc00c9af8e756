"""The paper's four figures and Table 1 as a picture; one look for all.

Each is saved as PNG and PDF, with what it shows in words inside. Only `samples` shows images.
"""

import base64
import io
import itertools
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
import seaborn as sns
from IPython import get_ipython
from IPython.display import HTML
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .data import images, manifest, mark
from .evaluate import by_seed, histories, table1
from .models import titled
from .paper import BEST_EPOCHS, CLASSES, FIGURES, METRICS, TABLE1
from .settings import Study
from .step import step
from .trained import train

HALF, FULL = 4.8, 9.9  # inches: the two widths; a page shows 100 CSS pixels an inch
PIXELS, DPI = 100, 200
NOTE = 9  # points: ticks, legends, notes; all else is 10
INK, SOFT, FAINT = "#1b1b1f", "#1b1b1fa0", "#1b1b1f30"
# On white each has a contrast of 3 or more; line, marker and colour each tell two apart alone.
PAPERS: tuple[dict[str, Any], ...] = (  # the paper's networks, in the order of its `TABLE1`
    {"color": "#0173b2", "marker": "o", "ls": "-"},  # the custom CNN
    {"color": "#c97b00", "marker": "s", "ls": "--", "mfc": "none"},  # VGG16
)
OTHERS: tuple[dict[str, Any], ...] = (  # all other networks, in their order
    {"color": "#02936c", "marker": "^", "ls": "-."},
    {"color": "#a8559a", "marker": "D", "ls": ":"},
    {"color": "#cc4455", "marker": "v", "ls": (0, (8, 2, 1, 2, 1, 2))},
)
LOOKS: dict[str, dict[str, Any]] = {
    "train": {"color": "#7d828b", "marker": "o", "ls": "-"},
    "valid": {"color": "#cc4455", "marker": "s", "ls": "--", "mfc": "none"},
    "real": {"color": "#02936c", "marker": "o", "ls": "-", "mfc": "none"},
    "fake": {"color": "#a8559a", "marker": "s", "ls": "--"},
}
STYLE: Any = {
    "savefig.dpi": DPI,
    "pdf.fonttype": 42,
    "figure.figsize": (HALF, 3.2),
    "figure.constrained_layout.use": True,
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
plt.style.use(["default", STYLE])  # in notebooks too; nothing of a person's own matplotlibrc
if get_ipython() is None:
    matplotlib.use("agg")

PAPER: Any = {"marker": "|", "color": INK, "ms": 13, "mew": 2, "ls": ""}
SHAPES = {"reproduced": "✓", "not reproduced": "✗", "undecided": "?"}  # never colour alone
COLUMNS = (6, 42, 78)  # points right of the forest plot: ours, the paper's, the verdict
Drawn = tuple[Figure, str]  # a figure, and what it shows in words


def looks_of(study: Study) -> dict[str, dict[str, Any]]:
    """How each network is drawn, in every figure; one more changes no look of the paper's."""
    others = (model for model in study.models if model not in TABLE1)
    theirs = dict(zip(TABLE1, PAPERS, strict=True))
    return theirs | dict(zip(others, itertools.cycle(OTHERS), strict=False))


def title(figure: Figure, study: Study, *words: str) -> None:
    """Above a figure what its caption can't know: these words, and whose images they are."""
    parts, room = [*filter(None, (*words, mark(study)))], int(14 * figure.get_figwidth())
    lines = parts if len("; ".join(parts)) > room else ["; ".join(parts)]
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
    return _element(io.BytesIO((study.figures / f"{name}.png").read_bytes()), caption, about)


def inline(drawn: Drawn) -> HTML:
    """A figure that only a notebook shows: what it shows in words is its caption too."""
    (figure, alternative), png = drawn, io.BytesIO()
    figure.savefig(png, metadata={"Description": alternative})
    plt.close(figure)
    return _element(png, alternative)


def filled(template: str, *values: Any) -> HTML:
    """HTML with values in its braces: a text is escaped, what is HTML stays."""
    safe = (Markup(v.__html__()) if hasattr(v, "__html__") else v for v in values)
    return HTML(str(Markup(template).format(*safe)))


def _element(png: io.BytesIO, caption: str, about: str = "") -> HTML:
    with PIL.Image.open(png) as image:
        alternative, wide = image.info["Description"], round(image.width * PIXELS / DPI)
    more = filled("<details><summary>How to read it</summary><p>{}</p></details>", about)
    return filled(
        '<figure class="{}"><img src="data:image/png;base64,{}" width="{}" alt="{}">'
        "<figcaption>{}</figcaption>{}</figure>",
        "half" if wide <= PIXELS * HALF else "full",
        base64.b64encode(png.getvalue()).decode(),
        *(wide, alternative, caption, more if about else ""),
    )


def forest(study: Study) -> Drawn:
    """Table 1 as a picture: each training run, where one more would fall, and the paper's value."""
    table, runs, looks = table1(study), by_seed(study).set_index("model"), looks_of(study)
    told, many = bool({*table["verdict"]} & {*SHAPES}), len(study.seeds) > 1
    beside: dict[float, list[str]] = {-0.75: ["ours", "paper", *["verdict"] * told]}  # by row
    places = [row + row // len(METRICS) for row in range(len(table))]  # a free one for each name
    figure, axis = plt.subplots(figsize=(HALF, 1 + 0.4 * len(table)))
    spoken: list[str] = []
    look: Any = {"textcoords": "offset points", "va": "center"}
    look["xycoords"] = axis.get_yaxis_transform()  # x is a share of the axis, y is the row
    for place, row in zip(places, table.itertuples(), strict=True):
        name, own, of_seeds = titled(row.model), looks[row.model], runs.loc[[row.model], row.metric]
        ends = np.clip([row.predicted_low, row.predicted_high], 0, 1)
        axis.plot(ends, [place] * 2, color=own["color"], lw=11, alpha=0.35, solid_capstyle="butt")
        axis.plot(of_seeds, [place] * len(of_seeds), **(own | {"ls": ""}))
        words = beside[place] = [f"{row.ours_mean:.3f}"]
        if row.metric in TABLE1.get(row.model, {}):
            axis.plot(row.paper, place, **PAPER)
            words.append(f"{row.paper:.3f}")
        if row.verdict in SHAPES:
            words.append(f"{SHAPES[row.verdict]} {row.verdict}")
        if row.metric == METRICS[0]:
            axis.annotate(name, (0, place - 0.75), (4, 0), weight="bold", **look)
        said = [f"{name} {row.metric} {', paper '.join(words[:2])}", *words[2:]]
        spoken.append(", ".join(said))
    for height, words in beside.items():
        for left, text in zip(COLUMNS, words, strict=False):
            axis.annotate(text, (1, height), (left, 0), **look)
    axis.set_yticks(places, table["metric"])
    axis.set(ylim=(places[-1] + 0.6, -1.2), xlabel="value of the metric")
    axis.margins(x=0.06)
    axis.grid(axis="y", visible=False)
    axis.plot([], [], "o", color=SOFT, label="a training run" if many else "our run")
    if many:
        axis.plot([], [], color=FAINT, lw=11, label="one more run, 95 %")
    axis.plot([], [], label="the paper", **PAPER)
    figure.legend(loc="outside lower left", ncols=3)
    title(figure, study)
    return figure, f"Table 1, ours beside the paper's. {'; '.join(spoken)}."


def network_diagram(study: Study) -> Drawn:
    """Figure 2: the paper's own network layer by layer, as it was trained."""
    own = next(name for name, model in study.models.items() if not model.frozen_base)
    table = train.of(study, own, study.seeds[0]).read("architecture.csv")
    table["activation"] = table["activation"].replace("relu", "ReLU")
    table["output_shape"] = table["output_shape"].str.replace("x", " × ")
    total = f"{table['parameters'].sum():,} parameters"
    figure, axis = plt.subplots(figsize=(HALF, 0.25 * len(table) + 0.9))
    colours = dict(zip(table["kind"].unique(), sns.color_palette("colorblind"), strict=False))
    write = partial(axis.text, va="center", size=NOTE)
    for row in table.itertuples():
        height, *more = row.output_shape.split(" × ")
        width = 18 + (54 * int(height) / study.image_size if more else 0)
        colour = (*colours[row.kind], 0.4)
        axis.barh(row.Index, width, left=134 - width / 2, color=colour, lw=0, height=0.8)
        write(0, row.Index, ", ".join(filter(None, (row.kind, row.activation))))
        write(134, row.Index, row.layer, ha="center")
        write(178, row.Index, row.output_shape)
        write(330, row.Index, f"{row.parameters:,}" if row.parameters else "", ha="right")
    for x, side, name in ((0, "left", "layer"), (178, "left", "output"), (330, "right", "weights")):
        write(x, -1, name, ha=side, color=SOFT)
    axis.set(xlim=(0, 330), ylim=(len(table) - 0.4, -1.6))
    axis.set_axis_off()
    title(figure, study, f"{study.image_size} pixels, {total}")
    layers = ", ".join(table["layer"] + " " + table["output_shape"])
    words = f"The layers of the {titled(own)} with what each passes on, in order: {layers}"
    return figure, f"{words}; {total}."


def curves(study: Study, model: str) -> Drawn:
    """Figures 3 and 4: accuracy and loss in training and validation, mean and range over seeds."""
    history, name, many = histories(study, model), titled(model), len(study.seeds) > 1
    by_epoch, paper = history.groupby("epoch"), BEST_EPOCHS.get(model)
    best = by_epoch["val_loss"].mean().fillna(np.inf).idxmin()  # of seeds that haven't diverged
    figure, axes = plt.subplots(2, 1, figsize=(HALF, 5), sharex=True)
    for axis, quantity, unit in zip(axes, ("accuracy", "loss"), ("share", "nats"), strict=True):
        for prefix, words, look in (("", "training", "train"), ("val_", "validation", "valid")):
            found, colour = by_epoch[prefix + quantity], LOOKS[look]["color"]
            axis.plot(found.mean(), label=words, **LOOKS[look])
            low, high = found.min(), found.max()
            axis.fill_between(low.index, low, high, color=colour, alpha=0.2, lw=0)
        if paper:  # a broad band: seen where both epochs are the same, too
            words = f"the paper's best epoch: {paper}"
            axis.axvline(paper, color=FAINT, lw=8, zorder=0, label=words)
        words = f"lowest {'mean ' * many}validation loss: {best}"
        axis.axvline(best, color=INK, lw=1, label=words)
        axis.set_ylabel(f"{quantity} ({unit})")
        axis.yaxis.set_major_formatter("{x:.2f}")
    axes[1].set_xlabel("epoch")
    axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    seeds = f"mean and range of {len(study.seeds)} seeds" if many else "one seed"
    title(figure, study, f"{name}, {seeds}")
    last = history[history["epoch"] == history["epoch"].max()]
    return figure, (
        f"Accuracy and loss of {name} over {history['epoch'].max()} epochs, {seeds}. "
        f"Validation loss is lowest at epoch {best} (paper: {paper or '-'}). In the "
        f"last epoch accuracy is {last['accuracy'].mean():.3f} in training and "
        f"{last['val_accuracy'].mean():.3f} in validation."
    )


def of_numbers(study: Study) -> dict[str, Callable[[Study], Drawn]]:
    """The figures without images: their names, and what draws them."""
    numbered = {m: f"figure{FIGURES[m]}_" if m in FIGURES else "curves_" for m in study.models}
    return {
        "table1_forest": forest,
        "figure2_architecture": network_diagram,
        **{f"{prefix}{name}": partial(curves, model=name) for name, prefix in numbered.items()},
    }


def _deciding(study: Study) -> dict[str, Any]:
    models = [(name, m.title, m.frozen_base) for name, m in study.models.items()]  # by their order
    return study.deciding() | {"seeds": study.seeds, "models": models}


def pictures(*names: str) -> dict[str, Any]:
    """What a step that draws figures says of them: NAME.png and NAME.pdf, where, and for what."""
    return {
        "writes": [f"{name}.{kind}" for name in names for kind in ("png", "pdf")],
        "settings": _deciding,
        "folder": lambda study: study.figures,
    }


@step(
    "05_figures",
    writes=lambda study: [
        f"{name}.{kind}" for name in of_numbers(study) for kind in ("png", "pdf")
    ],
    after=("dataset", "train", "predict", "table1"),
    settings=_deciding,
    folder=lambda study: study.figures,
)
def figures(study: Study, out: Path) -> None:
    """Draw every figure that shows no image."""
    for name, draw in of_numbers(study).items():
        save(out, name, draw(study))


@step("05_figures", after=("dataset", "prepare"), **pictures("figure1_samples"))
def samples(study: Study, out: Path) -> None:
    """Figure 1: images of both classes from the training set, drawn with seed 0.

    Of data whose licence forbids it this must not be published.
    """
    pixels, labels = images(study, "train"), manifest(study, "train")["label"].to_numpy()
    figure, axes = plt.subplots(2, 4, figsize=(HALF, 3))
    told = []
    for row, kind in zip(axes, reversed(CLASSES), strict=True):
        members = np.flatnonzero(labels == CLASSES.index(kind))
        drawn = np.random.default_rng(0).permutation(members)[: len(row)]
        for axis, index in zip(row, drawn, strict=False):
            axis.imshow(pixels[index])
        for axis in row:
            axis.set_axis_off()
        row[0].set_title(f"{kind} faces")
        told.append(f"{len(drawn)} of {len(members):,} {kind} faces")
    title(figure, study)
    shown = f"Training images drawn at random: {' above '.join(told)}."
    save(out, "figure1_samples", (figure, shown))
