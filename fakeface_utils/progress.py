"""One progress bar for all long work."""

import sys
from typing import Any

from tqdm import tqdm


def progress(total: int, what: str, unit: str) -> Any:
    """A bar with rate and time left, on one line.

    Where the output isn't a terminal (a notebook, a log) it moves every ten seconds only, so that
    an executed notebook isn't filled with it.
    """
    interval = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(total=total, desc=what, unit=unit, mininterval=interval, maxinterval=interval)
