"""What the networks look at: the figures that show no image, and the report's section."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from markupsafe import Markup
from matplotlib.axes import Axes

from ..evaluation.insight import insight, maps_sentence, power_sentence, spectra_findings
from ..study.beyond import as_measured
from ..study.beyond_artefacts import (
    INSIGHT_FIGURES,
    SPECTRUM_SIZES,
    read_insight_json,
    read_maps,
)
from ..study.insight import insight_drawing_step, insight_pictures_step, insight_step
from ..study.names import CLASSES, METRICS, MODELS, TITLES
from ..study.settings import Study
from .drawing import HALF, INK, LOOKS, Drawn, save, title
from .html_pieces import as_table, figure, piece

HOW_TO_READ = (
    "A map says which places raise (red) or lower (blue) the network's score for fake, not what is "
    "fake about them. It is as coarse as its grid: a cell stands for all that the network sees "
    "around it, which is more than the cell. A map can look convincing and mean nothing, so read "
    "the controls first."
)
CAPTIONS = {
    "spectra": "Above, the mean spectrum of the test images of each class, below the log ratio of "
    "both; bands are 95 % of the mean at each frequency. 0.5 cycles per pixel is the finest detail "
    "an image can hold.",
    "mean_maps": "The mean map of the test images of each class: trained, and with what was "
    "trained set back to random weights (all of the custom CNN, VGG16's head). Each pair has its "
    "own scale, on which the strongest hundredth of the cells is cut. A blank row and column at "
    "the edge are cells that the pooling behind them doesn't read.",
    "single_maps": "The test images of which the custom CNN is surest, right and wrong, and their "
    "maps. A few images prove nothing.",
    "first_filters": "What the filters of the custom CNN's first convolution answer to the surest "
    "real and fake image; each filter is scaled to its largest answer.",
}
CLIPPED = 0.99  # where a colour scale ends, so that a single cell doesn't pale the others
SIZES = {"stored": "as stored", "input": "the networks' input"}


def draw_insight(study: Study) -> None:
    """Draw and save the figures that show no image, unless that is done.

    Raises:
        StudyError: spectra, predictions or maps are missing.
    """
    insight(study)
    makers = dict(zip(INSIGHT_FIGURES, (spectra, mean_maps), strict=True))

    def draw() -> None:
        for name, make in makers.items():
            save(study, name, make(study))

    if not insight_drawing_step(study).do(draw):
        print("figures of spectra and maps: up to date")


def spectra(study: Study) -> Drawn:
    """Power by frequency of both classes and their log ratio, at both sizes."""
    numbers = read_insight_json(study)["spectra"]
    figure, axes = plt.subplots(2, 2, figsize=(HALF, 4.6), sharex=True, sharey="row")
    for column, size in zip(axes.T, SPECTRUM_SIZES, strict=True):
        power, ratio = column
        of_size = numbers[size]
        power.set_title(f"{size}, {of_size['side']} pixels")
        ratio.set_xlabel("cycles per pixel")
        if of_size["why_not"]:
            power.text(0.25, 0, "not measured", ha="center")
            continue
        for kind in CLASSES:
            look = {name: LOOKS[kind][name] for name in ("color", "ls")}
            _curve(power, of_size["side"], of_size[kind], label=kind, **look)
        _curve(ratio, of_size["side"], of_size["ratio"], color=INK)
        ratio.axhline(0, color=INK, ls=":", lw=1)
        power.legend()
    axes[0, 0].set(ylabel="share of power (log10)", xlim=(0, 0.5))
    axes[1, 0].set_ylabel("fake / real (log10)")
    title(figure, study)
    return figure, "Spectra. " + " ".join(
        power_sentence(size, numbers[size]) for size in SPECTRUM_SIZES
    )


def _curve(axis: Axes, side: int, curve: dict[str, list[float]], **look: Any) -> None:
    frequency = np.arange(1, len(curve["mean"]) + 1) / side
    axis.plot(frequency, curve["mean"], **look)
    ends = curve["low"], curve["high"]
    axis.fill_between(frequency, *ends, color=look["color"], alpha=0.25, lw=0)


def mean_maps(study: Study) -> Drawn:
    """The mean map of each class, trained and untrained, of both models' first seed."""
    numbers, seed = read_insight_json(study), study.seeds[0]
    figure, axes = plt.subplots(len(MODELS), 4, figsize=(HALF, 4))
    for row, model in zip(axes, MODELS, strict=True):
        maps = read_maps(study, model, seed)
        rows, columns = numbers["maps"][model]["grid"]
        for first, state in ((0, "trained"), (2, "untrained")):
            limit = np.quantile(np.abs(maps[state]), CLIPPED) or 1.0
            for place, label in enumerate((1, 0)):
                axis = row[first + place]
                axis.imshow(maps[state][label], cmap="RdBu_r", vmin=-limit, vmax=limit)
                axis.set(xticks=[], yticks=[])
                axis.set_xlabel(f"{state},\n{CLASSES[label]}")
        row[0].set_title(f"{TITLES[model]}, {rows} × {columns} cells")
    images = ", ".join(f"{count} {kind}" for kind, count in numbers["images"].items())
    title(figure, study, f"{images} images, seed {seed}", "red speaks for fake, blue for real")
    return figure, "Mean maps of both classes. " + " ".join(
        maps_sentence(model, numbers["maps"][model]) for model in MODELS
    )


def spectrum_table(study: Study) -> HTML:
    """The model that sees only the spectrum, at both sizes, beside the two networks."""
    numbers = read_insight_json(study)
    scores = {
        f"spectrum, {SIZES[size]} ({of_size['side']} pixels)": of_size["metrics"]
        for size, of_size in numbers["spectra"].items()
        if not of_size["why_not"]
    }
    scores |= {TITLES[model]: numbers["networks"][model] for model in MODELS}
    rows = [
        {"model": name, **{metric: _ends(of_model[metric]) for metric in METRICS}}
        | {"AUC": f"{of_model['auc']:.3f}"}
        for name, of_model in scores.items()
    ]
    chosen = ", ".join(
        f"{of_size['strength']:g} ({SIZES[size]})"
        for size, of_size in numbers["spectra"].items()
        if not of_size["why_not"]
    )
    left_out = sum(numbers["spectra"]["stored"]["left_out"].values())
    about = (
        "Spectrum: a logistic regression fitted on the training images, its C chosen on the "
        f"validation images: {chosen or 'none'}. Images left out as stored, since of one colour, "
        f"not square or of another size: {left_out}."
    )
    table = as_table(pd.DataFrame(rows), "Test set, 95 % intervals in brackets", csv="spectrum.csv")
    return HTML(table + piece("paragraphs", [about]))


def _ends(value: dict[str, float]) -> str:
    return f"{value['mean']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def control_table(study: Study) -> HTML:
    """What the controls say about the maps of both models."""
    rows = []
    for model, findings in read_insight_json(study)["maps"].items():
        removal, (down, across) = findings["removal"], findings["grid"]
        rows.append(
            {
                "maps of": TITLES[model],
                "cells": f"{down} × {across}, {findings['cells']} read on",
                "a fifth": findings["removed_cells"],
                "alike the untrained network's": _spread(findings["untrained"], "median"),
                "alike another seed's": _spread(findings["seeds"], "mean"),
                "fall of the logit: hottest fifth": f"{removal['hottest']:.2f}",
                "random fifth": f"{removal['random']:.2f}",
                "difference": f"{removal['difference']:.2f} ({removal['low']:.2f} to "
                f"{removal['high']:.2f})",
            }
        )
    about = (
        "Alike: Spearman's rank correlation of two maps of an image (1: the same, 0: unrelated), "
        "median against the untrained and mean between seeds, quartiles in brackets. Fall: towards "
        "the other class; difference with 95 % interval over images and seeds."
    )
    table = as_table(pd.DataFrame(rows), "Controls of the maps", csv="maps.csv")
    return HTML(table + piece("paragraphs", [about]))


def _spread(spread: dict[str, Any] | None, middle: str) -> str:
    if spread is None:
        return "one seed"
    if spread[middle] is None:
        return "flat maps"
    flat = f", {spread['flat']} flat" if spread["flat"] else ""
    return f"{spread[middle]:.2f} ({spread['low']:.2f} to {spread['high']:.2f}{flat})"


def maps_caption(study: Study) -> str:
    """How to read a map, and what the controls say of these."""
    maps = read_insight_json(study)["maps"]
    return " ".join(
        [HOW_TO_READ, CAPTIONS["mean_maps"], *(maps_sentence(m, maps[m]) for m in MODELS)]
    )


def section(study: Study) -> Markup:
    """The report's section as HTML; '' where it wasn't measured."""
    then = as_measured(study, insight_drawing_step)
    if then is None or not insight_step(then).is_done():
        return Markup()
    numbers = read_insight_json(then)
    captions = CAPTIONS | {"mean_maps": f"{HOW_TO_READ} {CAPTIONS['mean_maps']}"}
    shown = {name: Markup(figure(then, name, captions[name])) for name in INSIGHT_FIGURES}
    maps = piece("items", [maps_sentence(model, numbers["maps"][model]) for model in MODELS])
    parts = piece("items", spectra_findings(numbers)) + shown["spectra"]
    parts += Markup(spectrum_table(then)) + shown["mean_maps"] + maps
    parts += Markup(control_table(then))
    if not insight_pictures_step(then).is_done():
        return parts
    pictures = [
        Markup(figure(then, name, captions[name])) for name in ("first_filters", "single_maps")
    ]
    return parts + piece("fold", "First filters and single maps", Markup().join(pictures))
