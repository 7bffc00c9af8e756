"""How many test images would have been seen in training: what was measured, and two models.

Images that duplicates link show one face. By the model of *chance* every image shows one of D
faces, drawn with equal chances: of m images P = m (m - 1) / (2 D) pairs are expected, and a test
image's face is among n others with a chance of 1 - (1 - 1 / D)^n. With unequal chances D is a lower
bound of the number of faces, and the share stays below this curve. By the model of *twins* every
face was rendered at most twice: the share is n / D. Triples tell the two apart: chance expects
about m (m - 1) (m - 2) / (6 D^2), twins none.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv, gammaln, ndtri

from fakeface_utils.paper import COUNTS

PAPER_LEARNED = COUNTS["train"] + COUNTS["valid"]  # images of a class, 60,000
PARTS = (1 / 8, 1 / 4, 1 / 2, 1)  # of the images in training and validation


def leak(faces: npt.NDArray[np.int64], test: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Of one class: (m,) a number for the face of every image, and whether it is a test image.

    `measured` has, for each of `PARTS`, the share of test images whose face is among n others.
    """
    _, sizes = np.unique(faces, return_counts=True)
    m, pairs = len(faces), int((sizes * (sizes - 1) // 2).sum())
    number, low, high = faces_estimate(m, pairs)
    learned = faces[~test]
    partners = np.array([(learned == face).sum() for face in faces[test]])
    counts = sorted({max(round(part * len(learned)), 1) for part in PARTS})
    return {
        "images": m,
        "pairs": pairs,
        "triples": int((sizes * (sizes - 1) * (sizes - 2) // 6).sum()),
        "expected_triples": m * (m - 1) * (m - 2) / 6 / number**2 if number else 0.0,
        "faces": number,
        "faces_low": low,
        "faces_high": high,
        "measured": [measured_share(partners, len(learned), n) for n in counts],
    }


def faces_estimate(images: int, pairs: int) -> tuple[float | None, float, float | None]:
    """D and its 95 % interval; without any pair neither an estimate nor an upper end.

    With equal chances any two pairs are uncorrelated, even those that share an image, so that their
    number varies as Poisson's, whose exact interval this is. Coverage: docs/intervals.md.
    """
    among = images * (images - 1) / 2
    most = float(gammaincinv(pairs + 1, 0.975))  # 3.7 for none
    if not pairs:
        return None, among / most, None
    return among / pairs, among / most, float(among / gammaincinv(pairs, 0.025))


def by_chance(n: npt.ArrayLike, faces: float) -> Any:
    """The share of test images whose face is among n others, drawn with equal chances."""
    return 1 - (1 - 1 / max(faces, 1.0)) ** np.asarray(n)


def by_twins(n: npt.ArrayLike, faces: float) -> Any:
    """The share of test images whose face is among n others, no face rendered more than twice."""
    return np.minimum(np.asarray(n) / faces, 1)


def measured_share(partners: npt.NDArray[np.int64], learned: int, n: int) -> dict[str, Any]:
    """The share of test images whose face is among n of the others, with Wilson's 95 % interval.

    The mean over all subsets of n, by counting: a test image with k partners among N has none of
    them among n with a chance of C(N - k, n) / C(N, n). `partners` is (T,), k of each test image;
    `learned` is N. The interval is for the choice of test images.
    """
    left = learned - n
    # ln of C(N - k, n) / C(N, n) = (N - k)! (N - n)! / ((N - k - n)! N!)
    without = gammaln(learned - partners + 1) + gammaln(left + 1) - gammaln(learned + 1)
    without -= gammaln(np.maximum(left - partners, 0) + 1)
    seen = np.where(partners > left, 1.0, -np.expm1(without)) * (partners > 0)
    share, count, z = float(seen.mean()), len(partners), ndtri(0.975)
    middle = (share + z**2 / count / 2) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + (z / count / 2) ** 2) / (1 + z**2 / count)
    return {"n": n, "share": share, "low": max(middle - half, 0.0), "high": min(middle + half, 1.0)}
