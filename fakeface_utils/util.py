"""Errors for people, the places the study writes to, locks, progress, and what the machine is."""

import contextlib
import datetime
import difflib
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fakeface_utils"
NOTEBOOKS = ROOT / "notebooks"
HOMES = {"data": "data", "cache": ".cache", "results": "results", "figures": "figures"}
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # surrogates: bytes not UTF-8
PACKAGES = (
    "tensorflow", "tensorflow-cpu", "keras", "jax", "numpy", "pillow", "pandas", "scikit-learn",
    "scipy",
)  # fmt: skip

# Put before the code of a child process whose standard input is a pipe: the child ends when we do,
# however we end. Two processes must never write the same files.
ENDS_WITH_PARENT = """
import os, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
"""


class StudyError(Exception):
    """A mistake in a setting, a file or the machine: one sentence that names it and the next step.

    Anything else that is raised is a defect of this package and keeps its traceback.
    """

    def __str__(self) -> str:
        return escaped(super().__str__())  # names may come from anywhere

    def _render_traceback_(self) -> list[str]:
        words = f"{type(self).__name__}: {self}"  # what IPython shows, not forty lines of frames
        return [textwrap.fill(words, 100, break_long_words=False, break_on_hyphens=False)]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or a notebook's stop button: one sentence on what is kept and how to resume."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def home(what: str) -> Path:
    """The folder of data, cache, results or figures, wherever FAKEFACE_DATA and so on move it."""
    given = os.environ.get(f"FAKEFACE_{what.upper()}")
    return Path(given or ROOT / HOMES[what]).expanduser().resolve()


def escaped(text: str) -> str:
    """Text that is safe to print: control characters and broken UTF-8 become backslash escapes."""
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def shown(path: Path) -> str:
    """A path as a person would type it: relative to the repository where it lies inside."""
    return escaped(str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path))


def count(number: int, what: str) -> str:
    """'one seed', '5 seeds'."""
    return f"one {what}" if number == 1 else f"{number:,} {what}s"


def first(items: Iterable[str]) -> str:
    """The first few, and how many more there are."""
    items = list(items)
    more = f"; and {len(items) - 5} more" if len(items) > 5 else ""
    return "; ".join(items[:5]) + more


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name."""
    names = sorted(names)
    close = difflib.get_close_matches(name, names, n=1)
    close += [n for n in names if name == "".join(word[:1] for word in n.split("_"))]  # lr
    return f"did you mean '{close[0]}'?" if close else "there are: " + ", ".join(names)


def human_size(size: int) -> str:
    """A number of bytes, as '3.8 GB'."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def sha256(*parts: bytes) -> str:
    """The digest of some bytes, one after the other."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def cannot_write(path: Path, error: OSError) -> StudyError:
    """The sentence for a folder that takes no files or a disk that is full."""
    ours = [f" with FAKEFACE_{what.upper()}" for what in HOMES if path.is_relative_to(home(what))]
    return StudyError(
        f"cannot write {shown(path)}: {error.strerror or error}; free the disk or the folder, or "
        f"name another{''.join(ours[:1])}"
    )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`, which takes its place if the block succeeds, or else nothing.

    Raises:
        StudyError: the folder can't be written or the disk is full; `path` is as it was.
    """
    part = path.with_name(f".part-{uuid.uuid4().hex}-{path.name}")  # Pillow looks at its suffix
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # its folder may be none
            part.unlink()


def check_writable(*folders: Path) -> None:
    """Refuse, before work starts, a folder that takes no files; it is made where it isn't there."""
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise cannot_write(folder, error) from error


def check_target(path: Path, suffix: str, beginning: str) -> None:
    """Refuse, before work starts, a place that is neither free nor an earlier file of this kind.

    `beginning` is how such a file begins.
    """
    ours = not os.path.lexists(path) and len(os.fsencode(path.name)) <= 200  # `replacing` adds 39
    if os.path.isfile(path) and not os.path.islink(path):
        with path.open("rb") as file:
            ours = file.read(len(beginning)) == beginning.encode()
    if path.suffix.lower() != suffix or not ours:
        raise StudyError(
            f"{shown(path)} is no place for a table: name a new {suffix} file, or one that this "
            "command wrote"
        )
    check_writable(path.parent)


def require_free_space(folder: Path, needed: int, what: str) -> None:
    """Refuse, before work starts, a disk without room for so many bytes of what is named."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise StudyError(
            f"{what} need {human_size(needed)} and the disk of {shown(folder)} has "
            f"{human_size(free)} free: make room, name another disk with FAKEFACE_DATA, or take "
            "fewer images with the setting images_per_class"
        )


@contextlib.contextmanager
def lock(path: Path, what: str, wait: bool = True) -> Iterator[None]:
    """Hold a lock file while the block runs; it goes with the process, however that ends.

    A file beside it says who holds it, for the others' sentence: they wait, or are refused.
    """
    holder = path.with_suffix(".holder")
    held = FileLock(path, fallback_to_soft=False)  # a soft lock outlives a killed process
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            held.acquire(timeout=0)
        except Timeout:
            who = "another process"
            with contextlib.suppress(OSError):
                who = holder.read_text("utf-8")
            if not wait:
                words = f"{what} is the work of {who}: wait for it to end, or stop it"
                raise StudyError(words) from None
            print(f"{what}: waiting for {who}", flush=True)
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
        with contextlib.suppress(OSError):  # it only informs; the disk may be full
            holder.write_text(f"process {os.getpid()} on {platform.node()} since {since}", "utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        held.release()


def in_threads(work: Callable[[Any], Any], items: Any, at_once: int = 256) -> Iterator[list]:
    """What `work` makes of each item, in order; so many at a time, which bounds the memory."""
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(items), at_once):
            yield list(pool.map(work, items[start : start + at_once]))


class _Bar(tqdm):
    """A bar that moves twice a second at first, then every hundredth of the time that passed."""

    def update(self, n: float | None = 1) -> bool | None:
        if not self.disable:
            self.mininterval = max(0.5, (time.time() - self.start_t) / 100)
        return super().update(n)


def progress(total: int, what: str, unit: str, done: int = 0) -> Any:
    """A bar with rate and time left on standard output."""
    return _Bar(
        total=total,
        initial=done,
        desc=what,
        unit=unit,
        unit_scale=unit == "B",
        file=sys.stdout,  # a notebook shows standard error in red
        miniters=1,
        disable=total == 0,
    )


@contextlib.contextmanager
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


def gpus(field: str = "name") -> list[str]:
    """One field of every GPU, by nvidia-smi; [] without a driver."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"]
    answer = subprocess.run(command, capture_output=True, text=True)
    return answer.stdout.strip().splitlines() if answer.returncode == 0 else []


def hardware() -> dict[str, Any]:
    """The CPU's name, the number of cores and the GPUs."""
    processor, info = platform.processor(), Path("/proc/cpuinfo")
    if info.exists():
        names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        processor = names[0] if names else processor
    return {"processor": processor, "cores": os.cpu_count(), "gpus": gpus()}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results; Keras' backend where it runs."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            name = package.removesuffix("-cpu")  # the same TensorFlow without its GPU parts
            installed[name] = importlib.metadata.version(package)
    if keras := sys.modules.get("keras"):
        installed["keras backend"] = keras.backend.backend()
    return installed


def git_revision() -> str:
    """The commit of the code, with '-modified' if the code has changed since; '' without git."""
    code = ["fakeface_utils", "beyond", "notebooks", "requirements.lock"]
    words = ["git", "-C", str(ROOT), "status", "--porcelain=2", "--branch", "--", *code]
    try:
        english = os.environ | {"LC_ALL": "C"}
        answer = subprocess.run(words, capture_output=True, text=True, env=english)
    except OSError:
        return ""
    if answer.returncode:
        return "unknown (git: dubious ownership)" if "dubious" in answer.stderr else ""
    commit, *rest = answer.stdout.splitlines()
    changed = any(not line.startswith("#") for line in rest)
    return commit.removeprefix("# branch.oid ")[:12] + "-modified" * changed


def ask_for_determinism() -> None:
    """Set the variables that make the backends deterministic, which they read when they start.

    Raises:
        StudyError: Keras was imported without them, and may have computed something.
    """
    flag, flags = "--xla_gpu_deterministic_ops=true", os.environ.get("XLA_FLAGS", "")
    if os.environ.get("TF_DETERMINISTIC_OPS") == "1" and flag in flags:
        return
    if "keras" in sys.modules:
        raise StudyError(
            "deterministic must be set before Keras is imported: restart the kernel and run the "
            "notebook again"
        )
    os.environ["TF_DETERMINISTIC_OPS"] = "1"
    os.environ["XLA_FLAGS"] = f"{flags} {flag}".strip()
