"""How alike two maps of the same image are, and which of their cells count."""

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata


def read_cells(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of a map that its network reads on.

    In both networks 2 x 2 cells are pooled behind the map: of an odd number the last is dropped,
    and evidence there would always be 0.

    Args:
        shape: (..., h, w).
    """
    return slice(shape[-2] // 2 * 2), slice(shape[-1] // 2 * 2)


def removed_cells(shape: tuple[int, ...]) -> int:
    """How many cells are painted over: a fifth of those that are read, at least one."""
    rows, columns = read_cells(shape)
    return max(round(rows.stop * columns.stop / 5), 1)


def rank_correlations(a: npt.NDArray, b: npt.NDArray) -> npt.NDArray[np.float64]:
    """Spearman's correlation of two maps of each image, (N,); not a number where one is flat.

    Of the cells of `read_cells` alone.

    Args:
        a, b: (N, h, w).
    """
    cells = read_cells(a.shape)
    ranks = [rankdata(maps[:, *cells].reshape(len(maps), -1), axis=1) for maps in (a, b)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    with np.errstate(invalid="ignore"):
        return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
