"""The rule by which the paper's claims get their verdicts, written down before any result.

Our seeds are a sample of runs; the paper is one more. A seed whose network collapsed counts as any
other. `RULE` is the rule in words, as the report shows it; the functions below are the rule.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from .intervals import prediction_half_width

WIDEST = 0.02  # half width of a prediction interval beyond which a verdict means nothing
NEAR = 1  # epochs by which a moment may differ from the paper's
SIMILAR = 2  # epochs between two similar moments
TOLERANCE = 0.1  # two sizes or costs within 10 % count as equal
RULE = (
    (
        "Not comparable",
        "With generated images, other image counts, other settings or one seed: no verdict.",
    ),
    (
        "A printed value",
        f"Undecided if our prediction interval reaches further than {WIDEST} to either side. "
        "Otherwise reproduced if the paper's value lies in it, not reproduced if it doesn't.",
    ),
    (
        "A difference",
        "Reproduced if its interval lies on the side that the paper says, not reproduced if it "
        "lies on the other, undecided if it holds zero. A claim of several differences needs all "
        "of them, and falls with one. Two curves are compared by the best value each reaches.",
    ),
    (
        "An epoch",
        f"Each seed votes: reproduced within {NEAR} epoch of the paper's, not reached if it is the "
        "last that was trained, after which the loss may fall further. Two moments are similar if "
        f"at most {SIMILAR} epochs apart. The claim gets what more than half of the seeds say, and "
        "is undecided where no such half agrees.",
    ),
    (
        "Sizes and costs",
        "Arithmetic on the paper's networks, which needs no data: reproduced if all are more than "
        f"{TOLERANCE:.0%} below the other's, not reproduced if one is more than {TOLERANCE:.0%} "
        "above it, otherwise undecided.",
    ),
)


def verdict(values: Sequence[float], paper: float, reason: str = "") -> str:
    """The verdict on one value that the paper prints.

    Args:
        values: our metric, one value per seed.
        paper: the value the paper prints.
        reason: why the two can't be compared at all; '' where they can.

    Returns:
        'reproduced', 'not reproduced', 'undecided' or 'not comparable (reason)'.
    """
    if reason:
        return f"not comparable ({reason})"
    half = prediction_half_width(values)
    if not half <= WIDEST:  # also where it is not a number
        return "undecided"
    return "reproduced" if abs(paper - np.mean(values)) <= half else "not reproduced"


def verdict_on_differences(intervals: Iterable[tuple[float, float]], reason: str = "") -> str:
    """The verdict on differences that are all above zero by the paper.

    Args:
        intervals: low and high end of each difference's 95 % interval.
        reason: why there can be no verdict; '' where there can.
    """
    if reason:
        return f"not comparable ({reason})"
    ends = list(intervals)
    if any(high < 0 for _, high in ends):
        return "not reproduced"
    return "reproduced" if ends and all(low > 0 for low, _ in ends) else "undecided"


def verdict_on_epochs(
    gaps: Sequence[int], last: Sequence[bool], near: int = NEAR, reason: str = ""
) -> str:
    """The verdict on an epoch, or on the distance of two, by the majority of the seeds.

    Args:
        gaps: for each seed, how far its epoch is from the paper's, or how far its two are apart.
        last: for each seed, whether such an epoch is the last trained, and may come later still.
        near: the largest distance that counts as none.
        reason: why there can be no verdict; '' where there can.

    Returns:
        What `verdict` says, or 'not reached'.
    """
    if reason:
        return f"not comparable ({reason})"
    votes = Counter(
        "not reached" if late else "reproduced" if abs(gap) <= near else "not reproduced"
        for gap, late in zip(gaps, last, strict=True)
    )
    word, count = votes.most_common(1)[0]
    return word if 2 * count > len(gaps) else "undecided"


def verdict_on_ratios(ratios: Iterable[float]) -> str:
    """The verdict on quantities that are all smaller by the paper, as shares of the other's."""
    shares = list(ratios)
    if any(share > 1 + TOLERANCE for share in shares):
        return "not reproduced"
    return "reproduced" if all(share < 1 - TOLERANCE for share in shares) else "undecided"
