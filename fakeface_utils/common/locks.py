"""One writer for each thing that is written: a step's outputs, a run's name, a chain."""

import contextlib
import datetime
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import StudyError
from .files import cannot_write
from .paths import shown


def _holder(path: Path) -> str:
    """Who holds a lock, in words."""
    try:
        return path.with_suffix(".holder").read_text(encoding="utf-8")
    except OSError:
        return "another process"


@contextlib.contextmanager
def lock(path: Path, what: str, wait: bool = True) -> Iterator[None]:
    """Hold a lock file while the block runs; it goes with the process, however that ends.

    Network file systems are fine where they support `flock`, as NFS does since version 4; on others
    the lock is refused rather than pretended.

    Args:
        path: the lock file; beside it another says who holds it.
        what: what is being done under it, for the sentence.
        wait: wait for another holder, after a sentence; or else refuse.

    Raises:
        StudyError: another process holds it and `wait` is false; or its folder can't be written,
            or has no locks.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(path, fallback_to_soft=False)  # a soft lock outlives a killed process
        try:
            held.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise StudyError(
                    f"{what} is the work of {_holder(path)}: wait for it to end, or stop it"
                ) from None
            print(f"{what}: waiting for {_holder(path)}", flush=True)
            held.acquire(poll_interval=0.5)
    except NotImplementedError as error:  # filelock's, of a file system without flock
        raise StudyError(
            f"the disk of {shown(path.parent)} has no file locks, so two processes could write at "
            "once: name another with FAKEFACE_DATA and FAKEFACE_RESULTS"
        ) from error
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        since = datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        words = f"process {os.getpid()} on {platform.node()} since {since}"
        with contextlib.suppress(OSError):  # it only informs; the disk may be full
            path.with_suffix(".holder").write_text(words, encoding="utf-8")
        yield
    finally:
        path.with_suffix(".holder").unlink(missing_ok=True)
        held.release()
