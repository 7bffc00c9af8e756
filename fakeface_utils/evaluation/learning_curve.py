"""How test accuracy grows with the number of training images, and where that leads.

The curve is a power law with a floor, err(n) = a + b n^-c, which many networks follow over a wide
range of sizes (Hestness et al. 2017, arXiv:1712.00409). It has no room for the plateau near chance
that comes before, so sizes at which a network still guesses are left out.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import least_squares

from ..common.files import write_csv, write_json
from ..study.artefacts import read_dataset, read_predictions
from ..study.beyond import as_measured
from ..study.beyond_artefacts import (
    learning_curve_csv,
    learning_curve_json,
    read_learning_curve_csv,
    read_learning_curve_json,
)
from ..study.learning_curve import curve_step, smaller_studies
from ..study.names import MODELS, TITLES
from ..study.paper import PAPER_COUNTS, PAPER_TABLE1
from ..study.settings import Study

RESAMPLES = 500
LEAST_SIZES = 3  # a, b and c can't be told from fewer
FLOOR, EXPONENT = (0.0, 0.5), (0.05, 2.0)  # where a and c may lie
AT_BOUND = 0.1  # share of resampled fits with c at an end of EXPONENT beyond which it says nothing
PAPER_SIZE = PAPER_COUNTS["train"]

Floats = npt.NDArray[np.float64]


def learning_curve(study: Study) -> pd.DataFrame:
    """Score every network of the learning curve and fit the curves, unless that is done.

    Returns:
        model, seed, images_per_class (training images, the mean of both classes), accuracy (0 to
        1, on the test set); smallest sizes first.

    Raises:
        StudyError: a network isn't trained.
    """
    curve_step(study).do(lambda: _write(study))
    return read_learning_curve_csv(study)


def fitted_curves(study: Study) -> dict[str, Any] | None:
    """The curves by model, as `fit_curve` makes them; None where they aren't there or out of date.

    Raises:
        StudyError: the file is damaged.
    """
    return read_learning_curve_json(study) if as_measured(study, curve_step) else None


def _write(study: Study) -> None:
    trained = sum(read_dataset(study)["counts"]["train"].values()) / 2
    rows, curves = [], {}
    for model in MODELS:
        wrong = {}
        for one in (*smaller_studies(study), study):
            tables = [read_predictions(one, model, seed) for seed in study.seeds]
            right = np.array([t["label"] == (t["p_fake"] >= 0.5) for t in tables])
            size = one.training_share * trained
            wrong[size] = ~right
            rows += [
                {"model": model, "seed": seed, "images_per_class": size, "accuracy": accuracy}
                for seed, accuracy in zip(study.seeds, right.mean(axis=1), strict=True)
            ]
        curves[model] = fit_curve(np.array(list(wrong)), np.array(list(wrong.values())))
    write_csv(learning_curve_csv(study), pd.DataFrame(rows))
    write_json(learning_curve_json(study), curves)


def power_law(size: npt.ArrayLike, a: float, b: float, c: float) -> Any:
    """The error a + b size^-c."""
    return a + b * np.asarray(size, dtype=float) ** -c


def fit_power_law(sizes: Floats, errors: Floats) -> tuple[float, float, float]:
    """a, b and c by least squares on the errors themselves, every size alike.

    Args:
        sizes: (K,) at least three different ones; b is the part above a at size 1, so give them as
            shares of the largest.
        errors: (K,) 0 to 1.
    """
    low, high = (FLOOR[0], 0.0, EXPONENT[0]), (FLOOR[1], 1.0, EXPONENT[1])
    start = (0.0, float(np.clip(errors[-1], 1e-3, 0.5)), 0.5)
    fit = least_squares(lambda law: power_law(sizes, *law) - errors, start, bounds=(low, high))
    a, b, c = map(float, fit.x)
    return a, b, c


def fit_curve(sizes: Floats, wrong: npt.NDArray[np.bool_], target: int = PAPER_SIZE) -> dict:
    """Fit the law to the mean error of each size, and find how far it is determined.

    The band comes from `RESAMPLES` fits: of each size the seeds are drawn again, and of all sizes
    together the test images, since all networks see the same ones. Drawn seeds vary too little by
    a factor (n - 1) / n, which is made good.

    Args:
        sizes: (K,) training images of each class, the largest last.
        wrong: (K, seeds, N) whether a network errs on a test image.
        target: the size to which the curve is carried on.

    Returns:
        why_not: why there is no curve, '' where there is one; then a, b, c (b with sizes as shares
        of the largest), grid (sizes from the smallest fitted to the target), error, low and high
        there (95 %), target, and sizes_fitted.
    """
    errors, seeds, images = wrong.mean(axis=(1, 2)), wrong.shape[1], wrong.shape[2]
    learned = errors < 0.5 - 3 * 0.5 / math.sqrt(images)
    sizes, wrong, errors = sizes[learned], wrong[learned], errors[learned]
    if len(sizes) < LEAST_SIZES:
        few = f"only {len(sizes)} sizes at which the network does better than chance"
        return {"why_not": f"{few}; a curve with a floor needs {LEAST_SIZES}"}
    shares, random = sizes / sizes[-1], np.random.default_rng(0)
    law = fit_power_law(shares, errors)
    grid = np.geomspace(sizes[0], target, 60)
    widen = math.sqrt(seeds / (seeds - 1)) if seeds > 1 else 0.0
    drawn = []
    for _ in range(RESAMPLES):
        weights = random.multinomial(images, np.full(images, 1 / images)) / images
        by_seed = wrong @ weights
        means = by_seed.mean(axis=1)
        picked = random.integers(seeds, size=by_seed.shape)
        apart = np.take_along_axis(by_seed, picked, axis=1).mean(axis=1) - means
        drawn.append(fit_power_law(shares, np.clip(means + widen * apart, 0, 1)))
    at_bound = np.isclose([c for *_, c in drawn], EXPONENT[0], atol=1e-3) | np.isclose(
        [c for *_, c in drawn], EXPONENT[1], atol=1e-3
    )
    if at_bound.mean() > AT_BOUND:
        return {
            "why_not": f"in {at_bound.mean():.0%} of the resampled fits the exponent ends at a "
            f"bound ({EXPONENT[0]} or {EXPONENT[1]}), so these points don't determine it"
        }
    low, high = np.percentile(
        [power_law(grid / sizes[-1], *one) for one in drawn], [2.5, 97.5], axis=0
    )
    return {
        "why_not": "",
        **dict(zip("abc", law, strict=True)),
        "sizes_fitted": sizes.tolist(),
        "target": target,
        "grid": grid.tolist(),
        "error": power_law(grid / sizes[-1], *law).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }


def sentence(model: str, curve: dict[str, Any]) -> str:
    """Where the curve of one model leads, or why it leads nowhere."""
    title, paper = TITLES[model], PAPER_TABLE1[model]["accuracy"]
    if curve["why_not"]:
        return f"{title}: no curve: {curve['why_not']}."
    at, low, high = (1 - curve[name][-1] for name in ("error", "high", "low"))
    share = f"(n / {curve['sizes_fitted'][-1]:,.0f})"
    law = f"{curve['a']:.3f} + {curve['b']:.3f} {share}^-{curve['c']:.2f}"
    return (
        f"{title}: at {curve['target']:,} images of each class the curve gives an accuracy of "
        f"{at:.3f} (95 % band {low:.3f} to {high:.3f}); the paper says {paper}. Error = {law}."
    )


def summary(study: Study) -> str:
    """Where the fitted curves lead, or why there are none, and what they stand on."""
    curves = read_learning_curve_json(study)
    sentences = [sentence(model, curves[model]) for model in MODELS]
    return " ".join(filter(None, [*sentences, _caveat(study, curves)]))


def _caveat(study: Study, curves: dict[str, Any]) -> str:
    """What the curves stand on; '' where there is none."""
    fitted = [curve for curve in curves.values() if not curve["why_not"]]
    if not fitted:
        return ""
    count = read_learning_curve_csv(study)["seed"].nunique()
    beyond = fitted[0]["target"] / fitted[0]["sizes_fitted"][-1]
    seeds = "one seed" if count == 1 else f"{count} seeds"
    reach = f"It reaches {beyond:.0f} times beyond what was seen" if beyond > 1 else "It is a fit"
    return (
        f"{reach}, at {study.image_size} pixels and with {seeds}, by one law with one recipe "
        "(epochs, batch size, rate) at every size. The band covers training runs and test images, "
        "not whether the law holds: an outlook, no result."
    )
