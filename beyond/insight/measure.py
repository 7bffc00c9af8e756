"""What the networks look at in numbers: how far a spectrum alone leads, and what a map is worth."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from fakeface_utils.data import manifest
from fakeface_utils.evaluate import predictions
from fakeface_utils.metrics import ANY, Z, known, share_of
from fakeface_utils.paper import SPLITS
from fakeface_utils.settings import Study
from fakeface_utils.step import step

from .maps import maps, rank_correlations, removed_cells
from .spectra import SIZES, side_of, spectra

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)  # C of the logistic regression, the smoothest first
LEAST = 2  # images of a class in each split, without which nothing can be compared

Floats = npt.NDArray[np.floating]
Set = tuple[Floats, npt.NDArray[np.int64]]  # spectra (N, bins), labels (N,)


@step(
    "insight",
    writes=["spectra.csv", "accuracy.csv", "maps.csv"],
    after=["prepare", "spectra", "predict", "maps"],
    folder=lambda study: study.results / "insight",
)
def insight(study: Study, out: Path) -> None:
    """Three tables: `compare` at each size, `compared`, and `controls` of each model."""
    found = {size: usable(study, size) for size in SIZES}
    curves = [
        compare(*sets["test"], side_of(study, size)).assign(size=size)
        for size, sets in found.items()
        if enough(sets)
    ]
    worth = [
        {"model": model, **controls([task.read() for task in maps.all(study, model=model)])}
        for model in study.models
    ]
    tables = {
        "spectra": pd.concat(curves) if curves else pd.DataFrame(columns=["size", "side"]),
        "accuracy": compared(study, found),
        "maps": pd.DataFrame(worth),
    }
    for name, table in tables.items():
        table.to_csv(out / f"{name}.csv", index=False, lineterminator="\n")


def usable(study: Study, size: str) -> dict[str, Set]:
    """The spectra and labels of each split, of the images that have a spectrum at this size."""
    sets = {}
    for split in SPLITS:
        found = spectra.of(study, size, split).read()
        whole = np.isfinite(found).all(axis=1)
        sets[split] = found[whole], manifest(study, split)["label"].to_numpy()[whole]
    return sets


def enough(sets: dict[str, Set]) -> bool:
    """Whether each split has enough images of each class."""
    return all(np.bincount(of, minlength=2).min() >= LEAST for _, of in sets.values())


def compare(found: Floats, labels: npt.NDArray, side: int) -> pd.DataFrame:
    """The mean spectrum of each class and the log ratio of fake to real, a row for each frequency.

    real, fake and ratio (log10) with their 95 % bands _low to _high; cycles, per pixel; beyond,
    'more' or 'less' where fakes have more or less power beyond chance, with all bins looked at.
    """
    by_class = [found[labels == label].astype(float) for label in (0, 1)]
    real, fake = (values.mean(axis=0) for values in by_class)
    of_real, of_fake = (values.var(axis=0, ddof=1) / len(values) for values in by_class)
    ratio, error = fake - real, np.sqrt(of_real + of_fake)
    table: dict[str, Any] = {"side": side, "cycles": np.arange(1, len(ratio) + 1) / side}
    curves = {"real": (real, np.sqrt(of_real)), "fake": (fake, np.sqrt(of_fake))}
    for name, (mean, of_mean) in (curves | {"ratio": (ratio, error)}).items():
        table |= {name: mean, f"{name}_low": mean - Z * of_mean, f"{name}_high": mean + Z * of_mean}
    sure = np.abs(ratio) > ndtri(1 - 0.025 / len(ratio)) * error
    return pd.DataFrame(table | {"beyond": np.where(sure, np.where(ratio > 0, "more", "less"), "")})


def compared(study: Study, found: dict[str, dict[str, Set]]) -> pd.DataFrame:
    """A model that sees the spectrum alone, at each size, and the networks: see `scored`.

    Of a spectrum also side, reals and fakes (in the test set) and strength, see `spectrum_model`.
    """
    rows: list[dict[str, Any]] = []
    for size, sets in found.items():
        reals, fakes = np.bincount(sets["test"][1], minlength=2)
        about = {"kind": "spectrum", "name": size, "side": side_of(study, size)}
        about |= {"reals": reals, "fakes": fakes}
        rows.append(about | (spectrum_model(sets) if enough(sets) else {}))
    for model, own in predictions(study).groupby("model", sort=False):
        rows.append({"kind": "network", "name": model, **scored(own)})
    return pd.DataFrame(rows)


def spectrum_model(sets: dict[str, Set]) -> dict[str, Any]:
    """A logistic regression on the spectrum: fitted on train, its C chosen on valid, tested once.

    Of equal accuracies on the validation images the smoothest; its C is the strength.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    solver = "newton-cholesky"  # of a few numbers of many images the quickest
    fitted = [
        make_pipeline(StandardScaler(), LogisticRegression(C=c, solver=solver)).fit(*sets["train"])
        for c in STRENGTHS
    ]
    best = int(np.argmax([model.score(*sets["valid"]) for model in fitted]))
    p_fake = fitted[best].predict_proba(sets["test"][0])[:, 1]
    table = pd.DataFrame({"seed": 0, "label": sets["test"][1], "p_fake": p_fake})
    return {"strength": STRENGTHS[best]} | scored(table)


def scored(table: pd.DataFrame) -> dict[str, float]:
    """Mean accuracy with its 95 % interval, and mean AUC, of one or more seeds' predictions."""
    from sklearn.metrics import roc_auc_score

    runs = [own for _, own in table.groupby("seed")]
    right = share_of(np.stack([own["label"] == (own["p_fake"] >= 0.5) for own in runs]))
    row = dict(zip(("accuracy", "accuracy_low", "accuracy_high"), right, strict=True))
    return row | {"auc": np.mean([roc_auc_score(own["label"], own["p_fake"]) for own in runs])}


def controls(networks: list[dict[str, npt.NDArray]]) -> dict[str, Any]:
    """What the controls say about the maps of one model, from each seed's file.

    rows and columns of a map; cells that the network reads, and removed_cells of these; of the rank
    correlations with the untrained network's maps the median, of those between two seeds the mean,
    with quartiles; the mean fall of the logit with the hottest and with random cells painted over;
    and the difference, with its 95 % interval over images and seeds.
    """
    read, shape = networks[0]["read"].tolist(), networks[0]["maps"].shape[1:]
    pairs = itertools.combinations([network["maps"] for network in networks], 2)
    between = [rank_correlations(one, other, read) for one, other in pairs]
    falls = np.stack([network["removed"] for network in networks])  # (seeds, N, 2)
    more = falls[..., 0] - falls[..., 1]
    difference = known(more.mean(axis=1), more.mean(axis=0).var(ddof=1) / more.shape[1], ANY)
    return {
        "rows": shape[0],
        "columns": shape[1],
        "cells": read[0] * read[1],
        "removed_cells": removed_cells(read),
        **spread("untrained", np.median, [network["untrained_rank"] for network in networks]),
        **spread("seeds", np.mean, between),
        "hottest": falls[..., 0].mean(),
        "random": falls[..., 1].mean(),
        **dict(zip(("difference", "difference_low", "difference_high"), difference, strict=True)),
    }


def spread(name: str, middle: Any, correlations: Iterable[Floats]) -> dict[str, Any]:
    """The middle of rank correlations, the quartiles, and how many maps are flat: without order."""
    values = np.concatenate([*correlations, np.empty(0)])
    sharp = values[np.isfinite(values)]
    low, high = np.quantile(sharp, [0.25, 0.75]) if len(sharp) else [np.nan] * 2
    ends = {f"{name}_low": low, f"{name}_high": high, f"{name}_flat": len(values) - len(sharp)}
    return {name: middle(sharp) if len(sharp) else np.nan, **ends}
