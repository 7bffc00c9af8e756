"""How many test images would have been seen in training: what was measured, and two models.

Images that duplicates link show one face. Of a class with m images, P pairs of them with one face:

The model of *chance*: every image shows one of D faces, drawn with equal chances and rendered
again each time. Then m (m - 1) / (2 D) pairs are expected, so that D is about m (m - 1) / (2 P),
and a test image's face is among n others with a chance of 1 - (1 - 1 / D)^n. With unequal chances D
is an effective number, a lower bound of the number of faces, and the share stays below this curve.

The model of *twins*: every face was rendered at most twice. The share is then n / D with the same
D, since among the n others each partner is as likely as any: a straight line, at most 1. While n is
small both models agree. Triples tell them apart: of m images, chance expects about
m (m - 1) (m - 2) / (6 D^2) triples with one face, and twins none.

Random subsets of the same images don't test the models: on average they give the same D.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv, gammaln, ndtri

from ..study.paper import PAPER_COUNTS

PAPER_LEARNED = PAPER_COUNTS["train"] + PAPER_COUNTS["valid"]  # images of a class, 60,000
PARTS = (1 / 8, 1 / 4, 1 / 2, 1)  # of the images in training and validation

Faces = npt.NDArray[np.int64]


def leak(faces: Faces, test: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """What audit.json holds of one class.

    Args:
        faces: (m,), a number for every image, the same for those that duplicates link.
        test: (m,), which of them are test images; the others are in training or validation.

    Returns:
        images (m), pairs (P) and triples with one face, expected_triples (by chance, see
        `faces_estimate`), faces, faces_low, faces_high (D and its 95 % interval; None where it has
        no upper end), and measured: for each of `PARTS` n, share, low and high (of test images
        whose face is among n others of this class, see `measured_share`).
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
    """D, the number of faces that so many pairs mean, and the ends of its 95 % interval.

    With equal chances any two pairs are uncorrelated, even those that share an image, so that their
    number varies as Poisson's, whose exact interval this is. With unequal chances it varies more.
    Percentage of 4,000 simulated sets (2,000 where chances differ) whose interval contains
    1 / sum(p^2), for m images of so many faces with the chances p: equal, or lognormal with a
    standard deviation of the logarithm of 0.5 or 1.

                 10,000 faces          100,000             1,000,000
            m   equal  0.5    1     equal  0.5    1     equal  0.5    1
        1,000    95.3 94.7 87.2      97.7 97.1 94.8      98.3 99.5 98.3
        3,500    95.5 93.2 67.2      95.8 95.5 92.0      96.2 97.5 96.6
        8,000    95.2 87.2 49.9      95.8 94.8 88.2      97.0 94.3 95.4

    Returns:
        None for the estimate and the upper end without any pair.
    """
    among = images * (images - 1) / 2
    fewest = gammaincinv(pairs, 0.025) if pairs else 0.0
    most = float(gammaincinv(pairs + 1, 0.975))  # 3.7 for none
    if not pairs:
        return None, among / most, None
    return among / pairs, among / most, float(among / fewest)


def by_chance(n: npt.ArrayLike, faces: float) -> Any:
    """The share of test images whose face is among n others, faces drawn with equal chances."""
    return 1 - (1 - 1 / max(faces, 1.0)) ** np.asarray(n)


def by_twins(n: npt.ArrayLike, faces: float) -> Any:
    """The share of test images whose face is among n others, no face rendered more than twice."""
    return np.minimum(np.asarray(n) / faces, 1)


def measured_share(partners: npt.NDArray[np.int64], learned: int, n: int) -> dict[str, Any]:
    """The share of test images whose face is among n of the others, with Wilson's 95 % interval.

    The mean over all subsets of n, by counting: a test image with k partners among N has none of
    them among n with a chance of C(N - k, n) / C(N, n). The interval is for the choice of test
    images; those of different n are of the same images, so they move together.

    Args:
        partners: (T,), how many of the others show a test image's face.
        learned: N, the number of others.
        n: from 1 to N.

    Returns:
        n, share, low and high (the interval's ends).
    """
    left = learned - n
    # ln of C(N - k, n) / C(N, n) = (N - k)! (N - n)! / ((N - k - n)! N!)
    without = gammaln(learned - partners + 1) + gammaln(left + 1) - gammaln(learned + 1)
    without -= gammaln(np.maximum(left - partners, 0) + 1)
    seen = np.where(partners > left, 1.0, -np.expm1(without)) * (partners > 0)
    share, count, z = float(seen.mean()), len(partners), ndtri(0.975)
    middle = (share + z**2 / count / 2) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + (z / count / 2) ** 2) / (1 + z**2 / count)
    low, high = float(middle - half), float(middle + half)
    return {"n": n, "share": share, "low": max(low, 0.0), "high": min(high, 1.0)}
