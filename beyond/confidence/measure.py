"""Whether p_fake means what it says, and the thresholds that are fixed on validation images.

A temperature (Guo et al. 2017, arXiv:1706.04599) divides the output's logit: it changes how sure a
network says it is, not which image it calls more likely fake. It and the thresholds come from
validation images alone; the best epoch was picked on the same ones, so they may be a little too
favourable. Labels are (N,) with 1 for fake, p_fake (N,) from 0 to 1.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, log_loss, roc_curve

from fakeface_utils.evaluate import predictions, right
from fakeface_utils.settings import Study
from fakeface_utils.step import step

BINS = 15  # of equal width, the number most of the literature takes
SIMULATED = 1000  # draws of a perfectly calibrated model
ERRORS = 0.05  # the share of reals accused, and of fakes missed, between which lies 'unsure'
SMALLEST = 1e-7  # p_fake is float32: nearer to 0 or 1 its logit says nothing
TEMPERATURES = (0.05, 20.0)

Floats = npt.NDArray[np.float64]


@step(
    "confidence",
    writes=["calibration.json"],
    after=["predict"],
    settings=lambda study: {"seeds": list(study.seeds)},
    folder=lambda study: study.results / "confidence",
)
def calibration(study: Study, out: Path) -> None:
    """By model and seed: temperature and thresholds, fitted on validation images; `scores`."""
    found: dict[str, dict[str, Any]] = {}
    tested = dict(iter(predictions(study).groupby(["model", "seed"], sort=False)))
    for (model, seed), valid in predictions(study, "valid").groupby(["model", "seed"], sort=False):
        labels, p_fake = valid["label"].to_numpy(), valid["p_fake"].to_numpy()
        truth, outputs = (tested[model, seed][name].to_numpy() for name in ("label", "p_fake"))
        temperature = fit_temperature(labels, p_fake)
        accused, missed = limits(labels, p_fake)
        found.setdefault(model, {})[str(seed)] = {
            "temperature": temperature,
            "threshold": best_threshold(labels, p_fake),
            "accused": accused,
            "missed": missed,
            "before": scores(truth, outputs),
            "after": scores(truth, tempered(outputs, temperature)),
        }
    (out / "calibration.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def tempered(p_fake: npt.ArrayLike, temperature: float) -> Any:
    """p_fake with its logit divided by a temperature: 1 leaves it, more makes it less sure."""
    return expit(logit(np.clip(p_fake, SMALLEST, 1 - SMALLEST)) / temperature)


def fit_temperature(labels: npt.NDArray, p_fake: npt.NDArray) -> float:
    """The temperature with the lowest log loss."""
    best = minimize_scalar(
        lambda log_t: log_loss(labels, tempered(p_fake, float(np.exp(log_t))), labels=[0, 1]),
        bounds=tuple(np.log(TEMPERATURES)),
        method="bounded",
    )
    return float(np.exp(best.x))


def best_threshold(labels: npt.NDArray, p_fake: npt.NDArray) -> float:
    """From it up an image is called fake: that of the best balanced accuracy."""
    false_rate, true_rate, thresholds = roc_curve(labels, p_fake, drop_intermediate=False)
    best = min(float(thresholds[np.argmax(true_rate - false_rate)]), 1.0)
    below = p_fake[p_fake < best]
    return (best + (float(below.max()) if len(below) else 0.0)) / 2


def limits(labels: npt.NDArray, p_fake: npt.NDArray) -> tuple[float, float]:
    """Above the first an image is called fake, below the second real, between them unsure.

    At most `ERRORS` of the reals lie above the first, and of the fakes below the second. Where a
    network is so good that both hold with one threshold, both are that one, the nearest to 0.5.
    """
    accused = float(np.quantile(p_fake[labels == 0], 1 - ERRORS, method="higher"))
    missed = float(np.quantile(p_fake[labels == 1], ERRORS, method="lower"))
    if missed >= accused:
        accused = missed = min(max(0.5, accused), missed)
    return accused, missed


def word(p_fake: float, accused: float, missed: float) -> str:
    """'fake', 'real' or 'unsure', see `limits`."""
    if p_fake > accused:
        return "fake"
    return "real" if p_fake < missed else "unsure"


def scores(labels: npt.NDArray, p_fake: Floats) -> dict[str, float]:
    """Brier score, log loss in nats and calibration error, the lower the better."""
    expected, high = expected_of_perfect(p_fake)
    inside = np.clip(p_fake, SMALLEST, 1 - SMALLEST)
    return {
        "brier": float(brier_score_loss(labels, p_fake)),
        "log_loss": float(log_loss(labels, inside, labels=[0, 1])),
        "ece": float(calibration_errors(np.asarray(labels, dtype=float)[None], p_fake)[0]),
        "ece_expected": expected,
        "ece_high": high,
    }


def _bins(p_fake: npt.NDArray) -> npt.NDArray[np.int64]:
    return np.clip((p_fake * BINS).astype(int), 0, BINS - 1)


def calibration_errors(labels: Floats, p_fake: npt.NDArray) -> Floats:
    """The ECE of each row of labels (M, N): the mean of |share of fakes - mean p_fake| in a bin.

    Of the positive class, as the diagram shows it; the literature often takes max(p, 1 - p).
    """
    member = np.eye(BINS)[_bins(p_fake)]
    return np.abs((labels - p_fake) @ member).sum(axis=1) / len(p_fake)


def expected_of_perfect(p_fake: npt.NDArray) -> tuple[float, float]:
    """The ECE of a perfectly calibrated model with these outputs: the mean, and 97.5 % of draws.

    It isn't 0: in a bin of few images the share of fakes misses the mean output by chance.
    """
    drawn = np.random.default_rng(0).random((SIMULATED, len(p_fake))) < p_fake
    errors = calibration_errors(drawn.astype(float), p_fake)
    return float(errors.mean()), float(np.quantile(errors, 0.975))


def reliability(labels: npt.NDArray, p_fake: npt.NDArray, seeds: int = 1) -> pd.DataFrame:
    """count, p_fake (the mean), fakes (the share), low and high (its interval, Wilson's) by bin.

    Outputs of several seeds follow one another: they share the images, which widens it.
    """
    rows, bins = [], _bins(p_fake)
    for place in np.unique(bins):
        members = bins == place
        share = float(labels[members].mean())
        images = max(round(members.sum() / seeds), 1)
        ends = binomtest(round(share * images), images).proportion_ci(method="wilson")
        mean = float(p_fake[members].mean())
        rows.append((int(members.sum()), mean, share, ends.low, ends.high))
    return pd.DataFrame(rows, columns=["count", "p_fake", "fakes", "low", "high"])


def pairs(study: Study) -> pd.DataFrame:
    """Any two networks of a seed on the same test images: how many each got right; McNemar's p.

    The exact test compares two trained networks, not two methods: p_value says whether these two
    err equally often, and nothing about the next training run. So every seed is listed.
    """
    rows = []
    for (one, a), (other, b) in itertools.combinations(right(study).items(), 2):
        for seed, x, y in zip(study.seeds, a, b, strict=True):
            both, only_one, only_other, neither = (
                int(kind.sum()) for kind in (x & y, x & ~y, ~x & y, ~x & ~y)
            )
            apart = only_one + only_other
            p_value = binomtest(only_one, apart).pvalue if apart else 1.0
            rows.append((one, other, seed, both, only_one, only_other, neither, p_value))
    names = "one other seed both only_one only_other neither p_value"
    return pd.DataFrame(rows, columns=names.split())
