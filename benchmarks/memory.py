"""The peak memory of a piece of work."""

import threading
from pathlib import Path

STATUS = Path("/proc/self/status")  # Linux; elsewhere nothing is measured

EVERY = 0.2  # seconds


def anonymous_memory() -> int | None:
    """This process's anonymous memory now, in bytes; None where the system doesn't tell.

    Resident memory would include the pages of memory-mapped arrays, which the system takes back
    whenever it likes.
    """
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), None)


class PeakMemory:
    """Measures `anonymous_memory` five times a second while its block runs.

    Attributes:
        peak: the largest value, in bytes; None where nothing is measured.
    """

    def __enter__(self) -> "PeakMemory":
        self.peak = anonymous_memory()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while self.peak is not None and not self._over.wait(EVERY):
            self.peak = max(self.peak, anonymous_memory() or 0)

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
