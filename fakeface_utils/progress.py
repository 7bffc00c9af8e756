"""One progress bar for all long work."""

import sys
from typing import Any

from tqdm import tqdm


def progress(total: int, what: str, unit: str, done: int = 0) -> Any:
    """A bar with rate and time left, on one line.

    Where the output isn't a terminal (a notebook, a log) it moves every ten seconds only, so that
    an executed notebook isn't filled with it.

    Args:
        total: how many units there will be.
        what: what is being done.
        unit: of what; bytes ('B') are shown as MB and GB.
        done: how many units an earlier, interrupted run has done.
    """
    interval = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(
        total=total,
        initial=done,
        desc=what,
        unit=unit,
        unit_scale=unit == "B",
        mininterval=interval,
        maxinterval=interval,
    )
