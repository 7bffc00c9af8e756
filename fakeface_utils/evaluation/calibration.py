"""Whether p_fake means what it says, and the thresholds that are fixed on validation images.

A network that says 0.9 of a hundred images should be right about ninety. A temperature T (Guo et
al. 2017, arXiv:1706.04599) divides the output's logit: it changes how sure the network says it is,
not which image it calls more likely fake. T and the thresholds come from validation images alone;
the best epoch was picked on the same images, so they may be a little too favourable.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, log_loss, roc_curve

from ..common.files import write_json
from ..study.artefacts import (
    calibration_json,
    read_calibration,
    read_predictions,
    read_validation,
)
from ..study.names import MODELS, TITLES
from ..study.plan import calibration_step
from ..study.settings import Study

BINS = 15  # of equal width, the number most of the literature takes
SIMULATED = 1000  # draws of a perfectly calibrated model
ERRORS = 0.05  # the share of reals accused, and of fakes missed, between which lies 'unsure'
SMALLEST = 1e-7  # p_fake is float32: nearer to 0 or 1 its logit says nothing
TEMPERATURES = (0.05, 20.0)
WHEN = ("before", "after")  # the temperature

Floats = npt.NDArray[np.float64]


def calibration(study: Study) -> dict[str, Any]:
    """Measure how far p_fake can be believed, and fix the thresholds, unless that is done.

    Returns:
        For each model, by seed: temperature; threshold (of the best balanced accuracy), accused and
        missed (see `limits`), all fitted on validation images; and before and after the
        temperature, on test images: brier, log_loss, ece, ece_expected and ece_high (see
        `expected_calibration_error` and `expected_of_perfect`).

    Raises:
        StudyError: predictions are missing.
    """
    step = calibration_step(study)
    step.do(lambda: write_json(calibration_json(study), _calibration(study)))
    return read_calibration(study)


def _calibration(study: Study) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for model in MODELS:
        results[model] = {}
        for seed in study.seeds:
            valid = read_validation(study, model, seed)
            test = read_predictions(study, model, seed)
            labels, p_fake = valid["label"].to_numpy(), valid["p_fake"].to_numpy()
            fitted = fit_temperature(labels, p_fake)
            accused, missed = limits(labels, p_fake)
            truth, outputs = test["label"].to_numpy(), test["p_fake"].to_numpy()
            results[model][str(seed)] = {
                "temperature": fitted,
                "threshold": best_threshold(labels, p_fake),
                "accused": accused,
                "missed": missed,
                "before": scores(truth, outputs),
                "after": scores(truth, tempered(outputs, fitted)),
            }
    return results


def tempered(p_fake: npt.ArrayLike, temperature: float) -> Any:
    """p_fake with its logit divided by a temperature: 1 leaves it, more makes it less sure."""
    return expit(logit(np.clip(p_fake, SMALLEST, 1 - SMALLEST)) / temperature)


def fit_temperature(labels: npt.NDArray, p_fake: npt.NDArray) -> float:
    """The temperature with the lowest log loss.

    Args:
        labels: (N,) 1 for fake.
        p_fake: (N,) 0 to 1.
    """
    best = minimize_scalar(
        lambda log_t: log_loss(labels, tempered(p_fake, float(np.exp(log_t))), labels=[0, 1]),
        bounds=tuple(np.log(TEMPERATURES)),
        method="bounded",
    )
    return float(np.exp(best.x))


def best_threshold(labels: npt.NDArray, p_fake: npt.NDArray) -> float:
    """The threshold with the best balanced accuracy; half-way to the next lower output.

    Args:
        labels: (N,) 1 for fake; both classes.
        p_fake: (N,) 0 to 1; from the threshold up an image is called fake.
    """
    false_rate, true_rate, thresholds = roc_curve(labels, p_fake, drop_intermediate=False)
    best = min(float(thresholds[np.argmax(true_rate - false_rate)]), 1.0)
    below = p_fake[p_fake < best]
    return (best + (float(below.max()) if len(below) else 0.0)) / 2


def limits(labels: npt.NDArray, p_fake: npt.NDArray) -> tuple[float, float]:
    """Above the first an image is called fake, below the second real, between them unsure.

    At most `ERRORS` of the reals lie above the first, and of the fakes below the second. Where a
    network is so good that both hold with one threshold, both are that one, the nearest to 0.5.

    Args:
        labels, p_fake: as in `best_threshold`.
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
    """Brier score, log loss and calibration error of some outputs, the lower the better.

    Args:
        labels, p_fake: as in `best_threshold`.
    """
    inside = np.clip(p_fake, SMALLEST, 1 - SMALLEST)
    expected, high = expected_of_perfect(p_fake)
    return {
        "brier": float(brier_score_loss(labels, p_fake)),
        "log_loss": float(log_loss(labels, inside, labels=[0, 1])),
        "ece": expected_calibration_error(labels, p_fake),
        "ece_expected": expected,
        "ece_high": high,
    }


def reliability(labels: npt.NDArray, p_fake: npt.NDArray, seeds: int = 1) -> pd.DataFrame:
    """What the reliability diagram shows: a row per bin of equal width with at least one output.

    Args:
        labels, p_fake: as in `best_threshold`; of several seeds one after the other.
        seeds: how many seeds they are of: they share the images, which widens the interval.

    Returns:
        count; p_fake (the mean); fakes (the share), low and high (its 95 % interval, Wilson's).
    """
    bins = np.clip((p_fake * BINS).astype(int), 0, BINS - 1)
    rows = []
    for place in np.unique(bins):
        members = bins == place
        share = float(labels[members].mean())
        images = max(round(members.sum() / seeds), 1)
        ends = binomtest(round(share * images), images).proportion_ci(method="wilson")
        rows.append(
            {
                "count": int(members.sum()),
                "p_fake": float(p_fake[members].mean()),
                "fakes": share,
                "low": ends.low,
                "high": ends.high,
            }
        )
    return pd.DataFrame(rows)


def expected_calibration_error(labels: npt.NDArray, p_fake: npt.NDArray) -> float:
    """ECE: the mean over images of |share of fakes - mean p_fake| in their bin of `BINS`.

    Of the positive class, as the diagram shows it; the literature often takes max(p, 1 - p).

    Args:
        labels, p_fake: as in `best_threshold`.
    """
    return float(_errors(np.asarray(labels, dtype=float)[None], p_fake)[0])


def expected_of_perfect(p_fake: npt.NDArray) -> tuple[float, float]:
    """The ECE of a perfectly calibrated model with these outputs: the mean, and 97.5 % of draws.

    It isn't 0: in a bin of few images the share of fakes misses the mean output by chance.

    Args:
        p_fake: (N,) 0 to 1.
    """
    drawn = np.random.default_rng(0).random((SIMULATED, len(p_fake))) < p_fake
    errors = _errors(drawn.astype(float), p_fake)
    return float(errors.mean()), float(np.quantile(errors, 0.975))


def _errors(labels: Floats, p_fake: npt.NDArray) -> Floats:
    """The ECE of each row of labels (M, N) with the same outputs (N,)."""
    bins = np.clip((p_fake * BINS).astype(int), 0, BINS - 1)
    member = np.eye(BINS)[bins]  # (N, BINS)
    return np.abs((labels - p_fake) @ member).sum(axis=1) / len(p_fake)


def calibration_table(study: Study) -> pd.DataFrame:
    """Means over seeds: model, temperature ('before' or its value), and the scores."""
    measured, rows = calibration(study), []
    for model in MODELS:
        seeds = list(measured[model].values())
        fitted = np.mean([seed["temperature"] for seed in seeds])
        for when, temperature in (("before", "none"), ("after", f"{fitted:.2f}")):
            means = pd.DataFrame([seed[when] for seed in seeds]).mean()
            rows.append({"model": model, "temperature": temperature, **means})
    return pd.DataFrame(rows)


def sentence(model: str, measured: dict[str, Any]) -> str:
    """Whether p_fake of one model can be believed, from its numbers by seed."""
    before, after = (pd.DataFrame([one[when] for one in measured.values()]).mean() for when in WHEN)
    fitted = float(np.mean([one["temperature"] for one in measured.values()]))
    believed = {True: "can be believed", False: "is not to be taken at its word"}
    how = "too sure" if fitted > 1 else "too cautious"
    text = (
        f"{TITLES[model]}: p(fake) as it comes {believed[before.ece <= before.ece_high]}: "
        f"calibration error {before.ece:.3f}, where a perfectly calibrated model would have "
        f"{before.ece_expected:.3f}, by chance up to {before.ece_high:.3f}"
    )
    if before.ece > before.ece_high:
        text += f"; it is {how}"
    verdict = "within" if after.ece <= after.ece_high else "still beyond"
    return (
        f"{text}. With the temperature {fitted:.2f}, fitted on validation images, the error is "
        f"{after.ece:.3f}, {verdict} what chance allows ({after.ece_high:.3f})."
    )
