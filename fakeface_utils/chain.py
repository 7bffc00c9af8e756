"""Run the notebooks in order with papermill and skip what is done."""

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .data import about
from .digests import Look
from .evaluate import notices
from .extension import Extension, extensions
from .notebook import report, tasks_of
from .run import claim_run, parameters_of
from .settings import Study
from .step import Task
from .util import NOTEBOOKS, StudyError, cannot_write, lock, shown, stderr_to


def notebooks(study: Study, asked: Iterable[Extension] = ()) -> dict[str, Path]:
    """The paper's notebooks by name; before the last, the report, those of extensions: `run`."""
    beyond = [one for one in extensions().values() if one in asked or one.always]
    extra = {one.name: one.notebook for one in beyond if not one.missing(study)}
    *core, last = sorted(NOTEBOOKS.glob("0[1-9]_*.ipynb"))
    return {path.stem: path for path in core} | extra | {last.stem: last}


def run(study: Study, asked: Iterable[Extension] = ()) -> list[str]:
    """Run every notebook whose tasks aren't done; the last one's page is the report.

    `asked` are extensions besides those that come with every report. One that fails stops nothing
    else: a sentence for each comes back.

    Raises:
        StudyError: the run holds another study, or a notebook failed.
    """
    start, failed = time.perf_counter(), []
    running = lock(study.results.with_name(f".{study.run}.chain.lock"), f"run '{study.run}'", False)
    with on_interrupt() as signals, running:
        claim_run(study)
        paths = notebooks(study, asked)
        for number, (name, path) in enumerate(paths.items(), start=1):
            status = Status(f"[{number}/{len(paths)}] {name}", signals)
            try:
                tasks = tasks_of(study, name)
                if not left(tasks):
                    status.say("up to date, skipped")
                    continue
                execute(study, name, path, status)
                if report.of(study).marker in [task.marker for task in tasks]:
                    report.of(study).ensure()  # of the executed copy
                if names := left(tasks):
                    where = shown(executed(study, name))
                    words = f"notebook {name} ended without finishing: {', '.join(names)}; see"
                    raise StudyError(f"{words} {where}")
                status.say(f"{time.perf_counter() - status.start:.0f} s")
            except KeyboardInterrupt:
                status.say("interrupted; the same command resumes from here")
                logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # the kernel's interrupt
                raise
            except Exception as error:  # whatever is wrong in an extension's file
                status.say("failed")
                if name not in extensions():
                    raise
                kind = "" if isinstance(error, StudyError) else f"{name}: {type(error).__name__}: "
                failed.append(f"{kind}{error}")
        write_pages(study)
    print(f"took {(time.perf_counter() - start) / 60:.1f} min")
    return failed


@contextlib.contextmanager
def on_interrupt() -> Iterator[list[int]]:
    """Raise KeyboardInterrupt for Ctrl-C, a terminal that closes (HUP) and a request to end (TERM).

    Yields:
        The signals so far: Python raises wherever the code stands, and a library may drop it.
    """
    seen: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = {getattr(signal, name, signal.SIGINT) for name in names}  # Windows has no HUP
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def left(tasks: list[Task]) -> list[str]:
    """The names of those that aren't done."""
    look = Look()
    return [task.name for task in tasks if task.why_not_done(look)]


def executed(study: Study, name: str) -> Path:
    """Where a notebook is kept as it was executed."""
    return study.results / "notebooks" / f"{name}.ipynb"


def execute(study: Study, name: str, path: Path, status: "Status") -> None:
    """Run one notebook; a failure becomes one sentence."""
    import papermill  # three seconds to import: not for a skipped chain
    from papermill.exceptions import PapermillExecutionError

    copy = executed(study, name)
    log = copy.with_suffix(".log")
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with stderr_to(log):
            papermill.execute_notebook(
                path,
                str(copy).replace("{", "{{").replace("}", "}}"),  # papermill fills in braces
                parameters_of(study),
                kernel_name="python3",
                progress_bar=False,
                stdout_file=status,
                stderr_file=status,
                coalesce_streams=True,  # a progress bar is kept as its last line
            )
        status.flush()
    except PapermillExecutionError as error:
        kind = "" if error.ename == "StudyError" else f"{error.ename}: "
        raise StudyError(
            f"{kind}{str(error.evalue).strip().splitlines()[-1]} [notebook {name}, cell "
            f"{error.cell_index + 1}; executed copy: {shown(copy)}]"
        ) from error
    except OSError as error:
        raise cannot_write(copy, error) from error
    except RuntimeError as error:  # a kernel that dies while it works, or while it starts
        if "Kernel died" not in str(error):
            raise
        raise StudyError(
            f"the kernel of notebook {name} died, most often for lack of memory: take fewer images "
            f"(images_per_class) or a smaller batch_size [its log: {shown(log)}]"
        ) from error


def write_pages(study: Study) -> None:
    """Every executed notebook as a page, where one is missing or older; they link one another."""
    from .report import PHOTOGRAPHS, to_page

    said = notices(study) + [PHOTOGRAPHS] * (not about(study)["generated"])
    copies = sorted((study.results / "notebooks").glob("*.ipynb"))
    pages = {copy: copy.with_suffix(".html") for copy in copies}
    if not all(p.exists() and p.stat().st_mtime >= c.stat().st_mtime for c, p in pages.items()):
        for copy, page in pages.items():
            to_page(copy, page, notices=said)


class Status:
    """One line for each notebook; what the notebook prints shows on it while it runs."""

    def __init__(self, title: str, signals: list[int]) -> None:
        self.title, self.signals, self.live = title, signals, sys.stdout.isatty()
        self.start = self.shown_at = time.perf_counter()
        if self.live:
            self.say("running", end="")

    def say(self, text: str, end: str = "\n") -> None:
        """Show a text on the line, or in a log as one."""
        width = os.get_terminal_size().columns - 1 if self.live else None
        clear = "\r\x1b[K" if self.live else ""
        print(clear + f"{self.title}: {text}"[:width], end=end, flush=True)

    def write(self, text: str) -> None:
        """Take what the notebook prints: at once on a terminal, once a minute in a log."""
        self.flush()
        lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
        for warning in (line for line in lines if line.startswith("warning:")):
            self.say(warning)
        now = time.perf_counter()
        if lines and (self.live or now - self.shown_at > 60):
            self.shown_at = now
            self.say(lines[-1], end="" if self.live else "\n")

    def flush(self) -> None:
        """Raise an interrupt that a library dropped."""
        if self.signals:
            raise KeyboardInterrupt
