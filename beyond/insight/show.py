"""What the networks look at: figures, tables, and the report's section."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML

from fakeface_utils.figures import HALF, INK, LOOKS, Drawn, picture, pictures, save, title
from fakeface_utils.metrics import Known
from fakeface_utils.models import titled
from fakeface_utils.paper import CLASSES
from fakeface_utils.report import as_table, paragraphs
from fakeface_utils.settings import Study
from fakeface_utils.step import Task, step

from .maps import maps
from .measure import insight
from .spectra import SIZES, spectra

CLIPPED = 0.99  # where a colour scale ends, so that a single cell doesn't pale the others
SAME = 0.5  # a rank correlation from which two maps of an image are called alike
APART = 0.3  # and up to which they are called different
FEW = 10  # cells, fewer than which are hardly a map
HOW_TO_READ = (
    "A map says which places raise (red) or lower (blue) the network's score for fake, not what is "
    "fake about them. It is as coarse as its grid: a cell stands for all that the network sees "
    "around it, which is more than the cell. A map can look convincing and mean nothing, so read "
    "the controls first."
)
CAPTIONS = {
    "spectra": "Above, the mean spectrum of the test images of each class, below the log ratio of "
    "both, and at how many frequencies fakes have more or less power beyond chance, for so many; "
    "bands are 95 % of the mean. 0.5 cycles per pixel is the finest detail an image can hold.",
    "mean_maps": "The mean map of the test images of each class: trained, and with what was "
    "trained set back to random weights (of a network with a frozen base, its head). Each pair has "
    "its own scale, on which the strongest hundredth of the cells is cut. A blank row and column "
    "at the edge are cells that the pooling behind them doesn't read.",
    "controls": "Alike: Spearman's rank correlation of two maps of an image, median against the "
    "untrained and mean between seeds, quartiles in brackets. Fall of the logit towards the other "
    "class, with 95 % interval: a fifth of the cells is painted over, the hottest or random ones",
}


def tasks(study: Study) -> list[Task]:
    """All that is measured and drawn, in order."""
    measured = [*spectra.all(study), *maps.all(study), insight.of(study)]
    return [*measured, insight_figures.of(study)]


@step("insight", after=["dataset", "insight", "maps"], **pictures("spectra", "mean_maps"))
def insight_figures(study: Study, out: Path) -> None:
    """Draw both figures; they show no image."""
    save(out, "spectra", of_spectra(study, insight.of(study).read()))
    save(out, "mean_maps", mean_maps(study))


def of_spectra(study: Study, curves: pd.DataFrame) -> Drawn:
    """Power by frequency of both classes and their log ratio, at both sizes."""
    figure, axes = plt.subplots(2, 2, figsize=(HALF, 4.6), sharex=True, sharey="row")
    told = []
    for (power, ratio), size in zip(axes.T, SIZES, strict=True):
        own = curves[curves["size"] == size]
        ratio.set_xlabel("cycles per pixel")
        power.set_title(f"{size}, {own['side'].max()} pixels" if len(own) else f"{size}: too few")
        for axis, name in ((power, "real"), (power, "fake"), (ratio, "ratio")):
            look = LOOKS.get(name, {"color": INK, "ls": "-"})
            axis.plot(own["cycles"], own[name], label=name, color=look["color"], ls=look["ls"])
            ends = own[f"{name}_low"], own[f"{name}_high"]
            axis.fill_between(own["cycles"], *ends, color=look["color"], alpha=0.25, lw=0)
        more, less = ((own["beyond"] == word).sum() for word in ("more", "less"))
        told.append(f"more at {more}, less at {less} of {len(own)}")
        ratio.set_title(told[-1])
        ratio.axhline(0, color=INK, ls=":", lw=1)
    axes[0, 0].legend()
    axes[0, 0].set(ylabel="share of power (log10)", xlim=(0, 0.5))
    axes[1, 0].set_ylabel("fake / real (log10)")
    title(figure, study)
    words = "; ".join(told)
    return figure, f"Mean spectra of both classes. Fakes have, stored and as input, {words}."


def mean_maps(study: Study) -> Drawn:
    """The mean map of each class, trained and untrained, of each model's first seed."""
    seed, kinds = study.seeds[0], len(study.models)
    figure, axes = plt.subplots(kinds, 4, figsize=(HALF, 2 * kinds), squeeze=False)
    for row, (name, model) in zip(axes, study.models.items(), strict=True):
        network = maps.of(study, name, seed).read()
        for place, state in ((0, "trained"), (2, "untrained")):
            limit = np.quantile(np.abs(network[state]), CLIPPED) or 1.0
            for axis, label in zip(row[place:], (1, 0), strict=False):
                axis.imshow(network[state][label], cmap="RdBu_r", vmin=-limit, vmax=limit)
                axis.set(xticks=[], yticks=[], xlabel=f"{state},\n{CLASSES[label]}")
        rows, columns = network["trained"].shape[1:]
        row[0].set_title(f"{model.title}, {rows} × {columns} cells")
    about = f"{len(network['rows'])} images, seed {seed}"
    title(figure, study, about, "red speaks for fake, blue for real")
    found = insight.of(study).read("maps.csv").itertuples()
    worth = "; ".join(f"{titled(row.model)}: {verdict(row)}" for row in found)
    return figure, f"Mean maps of both classes, trained and untrained. {worth}."


def _known(row: Any, name: str) -> Known:
    return Known(row[name], row[f"{name}_low"], row[f"{name}_high"])


def accuracies(table: pd.DataFrame) -> pd.DataFrame:
    """The model that sees the spectrum alone, at both sizes, beside the networks."""
    networks, rows = table[table["kind"] == "network"], []
    best = _known(networks.loc[networks["accuracy"].idxmax()], "accuracy")
    for row in table.to_dict("records"):
        own, spectrum = _known(row, "accuracy"), row["kind"] == "spectrum"
        verdicts = {
            "": not spectrum,
            "too few images of one size": np.isnan(own.mean),
            "no more than chance": spectrum and own.low <= chance(row),
            "as good as the networks, or better": own.mean >= best.mean,
            "more than chance, less than the better network": own.high < best.low,
            "not told from the better network": True,
        }
        name = f"spectrum, {row['name']}, {row['side']:.0f} pixels"
        told = {
            "model": name if spectrum else titled(row["name"]),
            "accuracy": f"{own:.3f}",
            "AUC": f"{row['auc']:.3f}",
            "verdict": next(words for words, holds in verdicts.items() if holds),
        }
        rows.append(told)
    return pd.DataFrame(rows).replace({"nan (nan to nan)": "", "nan": ""})


def chance(row: Any) -> float:
    """What always naming the larger class of the test images gets right."""
    return max(row["reals"], row["fakes"]) / max(row["reals"] + row["fakes"], 1)


def verdict(row: Any) -> str:
    """What the controls say of the maps of one model."""
    if np.isnan(row.untrained):
        return "all flat: there is nothing to read"
    doubts = {
        "too few cells to say where": row.cells < FEW,
        "much of it is there untrained": abs(row.untrained) >= SAME,
        "the hottest places matter no more than others": row.difference_low <= 0,
        "another seed looks elsewhere": row.seeds <= APART,
    }
    found = "; ".join(words for words, holds in doubts.items() if holds)
    return found or "learned, and the answer rests on it"


def controls(found: pd.DataFrame) -> pd.DataFrame:
    """What the controls say about the maps of each model."""
    rows = found.to_dict("records")
    columns = {
        "maps of": [titled(row["model"]) for row in rows],
        "cells": [f"{row['rows']} × {row['columns']}, {row['cells']} read" for row in rows],
        "alike untrained": [f"{_known(row, 'untrained'):.2f}" for row in rows],
        "alike another seed": [f"{_known(row, 'seeds'):.2f}" for row in rows],
        "hottest": found["hottest"].map("{:.2f}".format),
        "random": found["random"].map("{:.2f}".format),
        "difference": [f"{_known(row, 'difference'):.2f}" for row in rows],
        "verdict": [verdict(row) for row in found.itertuples()],
    }
    return pd.DataFrame(columns).replace("nan (nan to nan)", "")


def summary(study: Study) -> str:
    """What the command prints at its end."""
    told = accuracies(insight.of(study).read("accuracy.csv")).drop(columns="AUC")
    worth = controls(insight.of(study).read("maps.csv"))[["maps of", "verdict"]]
    return f"{told.to_string(index=False)}\n\n{worth.to_string(index=False)}"


def section(study: Study) -> HTML:
    """The report's section."""
    done = insight.of(study)
    spectrum = "Test set, 95 % intervals in brackets; the spectrum's model sees nothing else"
    return paragraphs(
        [
            picture(study, "spectra", CAPTIONS["spectra"]),
            as_table(accuracies(done.read("accuracy.csv")), spectrum),
            picture(study, "mean_maps", CAPTIONS["mean_maps"], HOW_TO_READ),
            as_table(controls(done.read("maps.csv")), CAPTIONS["controls"]),
        ]
    )
