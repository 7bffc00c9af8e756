"""The progress bar of all long work, and a place for the messages of other libraries."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm


class _Bar(tqdm):
    """A bar that updates twice a second at first and then less and less often.

    So it moves at once when somebody looks, and hours of work don't fill a notebook or a log: the
    interval is 1 % of the time that has passed.
    """

    def update(self, n: float | None = 1) -> bool | None:
        if not self.disable:
            self.mininterval = max(0.5, (time.time() - self.start_t) / 100)
        return super().update(n)


def progress(total: int, what: str, unit: str, done: int = 0, delay: float = 0) -> Any:
    """A bar with rate and time left, on one line of the standard output.

    Args:
        total: how many units there will be; none show no bar.
        what: what is being done.
        unit: of what; bytes ('B') are shown as MB and GB.
        done: how many units an earlier, interrupted run has done.
        delay: seconds before the bar appears: work that is over by then shows none.
    """
    return _Bar(
        total=total,
        initial=done,
        desc=what,
        unit=unit,
        unit_scale=unit == "B",
        file=sys.stdout,  # a notebook shows standard error in red
        miniters=1,
        delay=delay,
        leave=delay == 0,
        disable=total == 0,
    )


@contextmanager
def stderr_to(path: str | Path) -> Iterator[None]:
    """Redirect stderr of this process and its children (C++ code included) to a file."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(path, "w") as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
