"""The rule by which the paper's claims get their verdicts, written before any result.

Our seeds are a sample of runs; the paper's run is one more. A seed whose network collapsed counts
like any other. `RULE` states the rule as the report shows it; the functions below apply it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from .intervals import prediction_half_width

WIDEST = 0.02  # half width of a prediction interval beyond which a verdict would mean nothing
NEAR = 1  # epochs by which ours may differ from the paper's
SIMILAR = 2  # epochs at most between two similar moments
HARDLY = 0.65  # right answers of people who see it in 3 of 10 faces and guess the others
FEWEST = 5  # people for a verdict on what people can
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
        "Reproduced if its interval lies on the paper's side of zero, not reproduced if it lies on "
        "the other side, undecided if it contains zero. A claim about several differences needs "
        "all of them; one on the other side refutes it. Two curves are compared by the best value "
        "each reaches.",
    ),
    (
        "An epoch",
        f"Each seed votes: reproduced if within {NEAR} epoch of the paper's, not reached if it is "
        "the last epoch trained, since the loss might have fallen further. Two moments are similar "
        f"if they are at most {SIMILAR} epochs apart. The majority of the seeds decides; without a "
        "majority the claim is undecided.",
    ),
    (
        "People",
        "That people can hardly tell is reproduced if the interval of their accuracy lies below "
        f"{HARDLY}, not reproduced if it lies above, undecided if it contains {HARDLY}: someone "
        "who really sees it in three faces of ten and guesses the others is right so often. What "
        "counts is the round at the stored size, since the paper speaks of its images. It needs "
        f"the paper's images, if only a part of them, and {FEWEST} people, since the intervals of "
        "fewer are too short; the settings and seeds of the networks don't matter.",
    ),
    (
        "Sizes and costs",
        "Arithmetic on the paper's networks, which needs no data: reproduced if all are more than "
        f"{TOLERANCE * 100:.0f} % below the other network's, not reproduced if one is more than "
        f"{TOLERANCE * 100:.0f} % above, otherwise undecided.",
    ),
)


def verdict(values: Sequence[float], paper: float, reason: str = "") -> str:
    """The verdict on one printed value of the paper.

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
    if not half <= WIDEST:  # NaN too
        return "undecided"
    return "reproduced" if abs(paper - np.mean(values)) <= half else "not reproduced"


def verdict_on_differences(intervals: Iterable[tuple[float, float]], reason: str = "") -> str:
    """The verdict on differences that the paper claims to be above zero.

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
    """The verdict on an epoch, or on the gap between two epochs, by the majority of the seeds.

    Args:
        gaps: for each seed, how far its epoch is from the paper's, or its two epochs are apart.
        last: for each seed, whether an epoch is the last one trained, so that it might come later.
        near: the largest gap that counts as none.
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
    """The verdict on quantities the paper calls smaller, each as a share of the other network's."""
    shares = list(ratios)
    if any(share > 1 + TOLERANCE for share in shares):
        return "not reproduced"
    return "reproduced" if all(share < 1 - TOLERANCE for share in shares) else "undecided"
