"""How alike two maps of the same image are."""

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata


def rank_correlations(a: npt.NDArray, b: npt.NDArray) -> npt.NDArray[np.float64]:
    """Spearman's correlation of two maps of each image, (N,); not a number where one is flat.

    Args:
        a, b: (N, h, w).
    """
    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (a, b)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    with np.errstate(invalid="ignore"):
        return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
