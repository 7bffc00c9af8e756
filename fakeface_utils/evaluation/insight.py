"""What the networks look at, in numbers: the spectrum alone, and what their maps are worth."""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.files import write_json
from ..study.artefacts import read_manifest, read_predictions
from ..study.beyond_artefacts import (
    SPECTRUM_SIZES,
    insight_json,
    read_insight_json,
    read_maps,
    spectrum_side,
)
from ..study.insight import insight_step
from ..study.names import CLASSES, MODELS, TITLES
from ..study.settings import Study
from .agreement import rank_correlations, read_cells, removed_cells
from .intervals import interval
from .spectra import scored, spectrum_findings

NAMES = {"stored": "as stored", "input": "as the networks see them"}
SAME = 0.5  # a rank correlation from which two maps of an image are called alike
APART = 0.3  # and up to which they are called different
FEW = 10  # cells, fewer than which are hardly a map


def insight(study: Study) -> dict[str, Any]:
    """Put all numbers together, unless that is done.

    Returns:
        images, how many of each class were mapped; spectra, by size, side in pixels and what
        `spectrum_findings` gives; networks, by model, see `scored`; maps, by model, see
        `map_findings`.

    Raises:
        StudyError: spectra, predictions or maps are missing.
    """
    insight_step(study).do(lambda: write_json(insight_json(study), _insight(study)))
    return read_insight_json(study)


def _insight(study: Study) -> dict[str, Any]:
    labels = read_manifest(study, "test")["label"].to_numpy()
    rows = read_maps(study, MODELS[0], study.seeds[0])["rows"]
    counts = np.bincount(labels[rows], minlength=2)
    networks = {
        model: [read_predictions(study, model, seed)["p_fake"].to_numpy() for seed in study.seeds]
        for model in MODELS
    }
    return {
        "images": {kind: int(counts[label]) for label, kind in enumerate(CLASSES)},
        "spectra": {
            size: {"side": spectrum_side(study, size), **spectrum_findings(study, size)}
            for size in SPECTRUM_SIZES
        },
        "networks": {
            model: scored(labels, outputs, study.positive_class)
            for model, outputs in networks.items()
        },
        "maps": {
            model: map_findings([read_maps(study, model, seed) for seed in study.seeds])
            for model in MODELS
        },
    }


def map_findings(networks: list[dict[str, npt.NDArray]]) -> dict[str, Any]:
    """What the controls say about the maps of one model.

    Args:
        networks: what each seed's file has, see `networks.maps.make_maps`.

    Returns:
        grid, rows and columns of a map; cells, how many of them the network reads on, and
        removed_cells of these; untrained, the rank correlation with the maps of the
        untrained network, see `_spread`; seeds, the same between the maps of any two training runs,
        None for one seed; and removal: hottest and random, the mean fall of the logit, and
        difference, low and high (95 %, over images and seeds).
    """
    grid = networks[0]["maps"].shape[1:]
    rows, columns = read_cells(grid)
    pairs = list(itertools.combinations(networks, 2))
    between = [rank_correlations(one["maps"], other["maps"]) for one, other in pairs]
    falls = np.stack([network["removed"] for network in networks])  # (seeds, N, 2)
    more = falls[..., 0] - falls[..., 1]
    variance = more.mean(axis=0).var(ddof=1) / more.shape[1]
    low, high = interval(more.mean(axis=1), variance)
    return {
        "grid": list(grid),
        "cells": rows.stop * columns.stop,
        "removed_cells": removed_cells(grid),
        "untrained": _spread(np.concatenate([network["untrained_rank"] for network in networks])),
        "seeds": _spread(np.concatenate(between)) if between else None,
        "removal": {
            "hottest": float(falls[..., 0].mean()),
            "random": float(falls[..., 1].mean()),
            "difference": float(more.mean()),
            "low": float(low),
            "high": float(high),
        },
    }


def _spread(correlations: npt.NDArray) -> dict[str, Any]:
    """Mean, median, low and high quartile of rank correlations, and how many maps are flat.

    Flat maps have no order and are left out; None where all are.
    """
    known = correlations[np.isfinite(correlations)]
    flat = len(correlations) - len(known)
    if not len(known):
        return {"mean": None, "median": None, "low": None, "high": None, "flat": flat}
    low, median, high = np.quantile(known, [0.25, 0.5, 0.75]).tolist()
    return {"mean": float(known.mean()), "median": median, "low": low, "high": high, "flat": flat}


def spectrum_sentence(numbers: dict[str, Any]) -> str:
    """Whether the spectrum alone tells the classes apart, beside the networks."""
    parts, tried = [], []
    for size in SPECTRUM_SIZES:
        of_size = numbers["spectra"][size]
        if of_size["why_not"]:
            parts.append(f"{NAMES[size]} it could not be tried ({of_size['why_not']})")
            continue
        images, accuracy = of_size["images"].values(), of_size["metrics"]["accuracy"]
        tried.append({**accuracy, "chance": max(images) / sum(images)})
        parts.append(f"{in_words(accuracy)} {NAMES[size]} ({of_size['side']} pixels)")
    networks = [(TITLES[model], numbers["networks"][model]["accuracy"]) for model in MODELS]
    return (
        "A logistic regression that sees nothing but an image's spectrum has a test accuracy of "
        f"{'; '.join(parts)}. The networks reach: "
        f"{' and '.join(f'{title} {in_words(value)}' for title, value in networks)}. "
        f"{_verdict(tried, [value for _, value in networks])}"
    ).strip()


def _verdict(tried: list[dict[str, float]], networks: list[dict[str, float]]) -> str:
    """What the better accuracy of the spectrum means beside that of the better network."""
    if not tried:
        return ""
    best, network = (max(values, key=lambda one: one["mean"]) for values in (tried, networks))
    if best["low"] <= best["chance"]:
        return "So the spectrum alone says no more than chance."
    if best["mean"] >= network["mean"]:
        return "So no look at the face is needed: the spectrum alone does as well or better."
    less = best["high"] < network["low"]
    return "So the spectrum alone says more than chance, " + (
        "but the better network knows more than that."
        if less
        else "and whether the better network knows more isn't decided by these intervals."
    )


def in_words(value: dict[str, float]) -> str:
    """A mean with its interval."""
    return f"{value['mean']:.3f} (95 % interval {value['low']:.3f} to {value['high']:.3f})"


def power_sentence(size: str, of_size: dict[str, Any]) -> str:
    """Where fakes have more or less power than reals, at one size; '' where it wasn't measured."""
    if of_size["why_not"]:
        return ""
    ratio = {name: np.array(values) for name, values in of_size["ratio"].items()}
    bins, more, less = len(ratio["mean"]), of_size["more"], of_size["less"]
    if not more + less:
        return (
            f"{NAMES[size].capitalize()}, fakes and reals differ beyond chance at no frequency "
            f"of {bins}."
        )
    furthest = int(np.argmax(np.abs(ratio["mean"])))
    times, low, high = (10 ** ratio[name][furthest] for name in ("mean", "low", "high"))
    return (
        f"{NAMES[size].capitalize()}, fakes have more power than reals at {more} of {bins} "
        f"frequencies and less at {less}, beyond chance for so many; furthest apart at "
        f"{(furthest + 1) / of_size['side']:.2f} cycles per pixel, with {times:.2f} times the "
        f"reals' power (95 % band {low:.2f} to {high:.2f})."
    )


def maps_sentence(model: str, findings: dict[str, Any]) -> str:
    """What the controls say about the maps of one model, and whether a map means much."""
    untrained, seeds, removal = (findings[name] for name in ("untrained", "seeds", "removal"))
    if untrained["median"] is None:
        return f"The {TITLES[model]}'s maps are all flat: there is nothing to read."
    rows, columns = findings["grid"]
    few = findings["cells"] < rows * columns
    unread = f", of which the pooling behind them reads {findings['cells']}" if few else ""
    doubts, elsewhere = [], ""
    text = (
        f"The {TITLES[model]}'s maps ({rows} x {columns} cells{unread}): the rank correlation with "
        f"those of the untrained network has a median of {untrained['median']:.2f}"
    )
    if findings["cells"] < FEW:
        doubts.append("it has too few cells to say where")
    if abs(untrained["median"]) >= SAME:
        doubts.append("much of it is there without any training")
    if seeds and seeds["mean"] is not None:
        text += f", between two training runs a mean of {seeds['mean']:.2f}"
        if seeds["mean"] <= APART:
            elsewhere = "another training run looks elsewhere"
    elif seeds is None:
        text += "; how far another training run's maps differ takes a second seed"
    text += (
        f". Painting over the hottest fifth ({findings['removed_cells']} of {findings['cells']}) "
        f"moves the logit towards the other class by {removal['hottest']:.2f}, over a random "
        f"fifth by {removal['random']:.2f}: difference {removal['difference']:.2f} (95 % interval "
        f"{removal['low']:.2f} to {removal['high']:.2f})"
    )
    if removal["low"] <= 0:
        doubts.append("what it calls hottest matters no more than other places, as far as seen")
    verdict = "So the map shows something that was learned and that the answer rests on"
    if doubts:
        reasons = [*doubts, elsewhere] if elsewhere else doubts
        verdict = f"So such a map means little: {'; '.join(reasons)}"
    elif elsewhere:
        verdict = f"So it shows what this one network rests on, and no more: {elsewhere}"
    elif seeds is None:
        verdict += ", in this training run"
    return f"{text}. {verdict}."


def summary(study: Study) -> str:
    """What the networks look at, in a few sentences from the numbers.

    Raises:
        StudyError: the file is missing or damaged.
    """
    numbers = read_insight_json(study)
    maps = (maps_sentence(model, numbers["maps"][model]) for model in MODELS)
    return " ".join([*spectra_findings(numbers), *maps])


def spectra_findings(numbers: dict[str, Any]) -> list[str]:
    """What the spectra say: how far they alone lead, and where fakes and reals differ."""
    where = (power_sentence(size, numbers["spectra"][size]) for size in SPECTRUM_SIZES)
    return [text for text in (spectrum_sentence(numbers), *where) if text]
