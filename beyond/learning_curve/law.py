"""The law of a learning curve: how an error falls as training images are added.

A power law with a floor, err(n) = a + b n^-c, which many networks follow over a wide range of sizes
(Hestness et al. 2017, arXiv:1712.00409). It has no room for the plateau near chance that comes
before, so sizes at which a network still guesses are left out.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from fakeface_utils.paper import COUNTS

PAPERS = COUNTS["train"]  # images of each class
RESAMPLES = 500
LEAST_SIZES = 3  # a, b and c can't be told from fewer
FLOOR, EXPONENT = (0.0, 0.5), (0.05, 2.0)  # where a and c may lie
AT_BOUND = 0.1  # share of resampled fits with c at an end of EXPONENT beyond which it says nothing

Floats = npt.NDArray[np.float64]


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


def fit_curve(
    sizes: Floats, wrong: npt.NDArray[np.bool_], guessing: float = 0.5, target: int = PAPERS
) -> dict[str, Any]:
    """Fit the law to the mean error of each size, and find how far it is determined.

    The band comes from `RESAMPLES` fits: of each size the seeds are drawn again, and of all sizes
    together the test images, since all networks see the same ones. Drawn seeds vary too little by
    a factor (n - 1) / n, which is made good.

    Args:
        sizes: (K,) training images of each class, the largest last.
        wrong: (K, seeds, N) whether a network errs on a test image.
        guessing: the error of always naming the larger class of the test images.
        target: the size to which the curve is carried on.

    Returns:
        why_not: why there is no curve, '' where there is one; then a, b, c (b with sizes as shares
        of the largest), grid (sizes from the smallest fitted to the target), error, low and high
        there (95 %), target, and sizes_fitted.
    """
    errors, seeds, images = wrong.mean(axis=(1, 2)), wrong.shape[1], wrong.shape[2]
    learned = errors < guessing - 3 * math.sqrt(guessing * (1 - guessing) / images)
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
    ends = [np.isclose([c for *_, c in drawn], end, atol=1e-3) for end in EXPONENT]
    if (at_bound := np.logical_or(*ends).mean()) > AT_BOUND:
        return {
            "why_not": f"in {at_bound:.0%} of the resampled fits the exponent ends at a bound "
            f"({EXPONENT[0]} or {EXPONENT[1]}), so these points don't determine it"
        }
    curves = [power_law(grid / sizes[-1], *one) for one in drawn]
    low, high = np.percentile(curves, [2.5, 97.5], axis=0)
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
