"""One line on the terminal for each notebook."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def on_interrupt(note: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Raise KeyboardInterrupt for Ctrl-C, a terminal that closes (HUP) and a request to end (TERM).

    Args:
        note: called before it is raised.
    """

    def interrupt(number: int, frame: Any) -> None:
        note()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no HUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Status:
    """One line for each notebook; what the notebook prints shows on it while it runs."""

    def __init__(self, title: str) -> None:
        self.title, self.part = title, ""
        self.interrupted = False
        self.start = self.shown_at = time.perf_counter()
        self.live = sys.stdout.isatty()
        if self.live:
            self._show("running")

    def _show(self, text: str, end: str = "") -> None:
        clear = "\r\x1b[K" if self.live else ""
        width = os.get_terminal_size().columns - 1 if self.live else None
        print(clear + f"{self.title}{self.part}: {text}"[:width], end=end, flush=True)

    def write(self, text: str) -> None:
        """Take what the notebook prints: at once on a terminal, once a minute in a log.

        A line as '[3/26] padding=valid' names a part; it stays in front of what follows. A warning
        keeps a line of its own.
        """
        self.check_interrupt()
        lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
        for warning in (line for line in lines if line.startswith("warning:")):
            self._show(warning, end="\n")
        parts = [line for line in lines if line.startswith("[")]
        self.part = f" {parts[-1]}" if parts else self.part
        now = time.perf_counter()
        if lines and (self.live or now - self.shown_at > 60):
            self.shown_at = now
            self._show(lines[-1], end="" if self.live else "\n")

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Remember an interrupt: Python raises it wherever the code stands, and it may be dropped.

        It is raised again at the notebook's next output, or else when the block ends.
        """

        def note() -> None:
            self.interrupted = True

        with on_interrupt(note):
            yield
            self.check_interrupt()

    def check_interrupt(self) -> None:
        """Raise KeyboardInterrupt where there was one."""
        if self.interrupted:
            raise KeyboardInterrupt

    def flush(self) -> None:
        """Part of what papermill asks of a file."""

    def close(self, text: str) -> None:
        """The line's last words."""
        self.part = ""
        self._show(text, end="\n")
