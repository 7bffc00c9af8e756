"""Digests of files and code, by which a step is out of date; `NOT_HASHED` makes none so."""

import ast
import functools
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .util import ROOT, StudyError, sha256, shown

# Modules whose edits make no step run again: they hold settings, titles, places and this engine.
# What of theirs decides an output is among the settings of the step that writes it.
NOT_HASHED = {
    "fakeface_utils/extension.py",  # finds the extensions
    "fakeface_utils/models.py",  # a new network must not make the others out of date
    "fakeface_utils/settings.py",  # a new setting, the same
    "fakeface_utils/step.py",  # compares digests
    "fakeface_utils/util.py",  # places, sentences, locks
}
# What other programs leave, beside all that is hidden: their folders and files, in lower case.
FOREIGN = (
    "__macosx", "@eadir", "#recycle", "@recycle", "$recycle.bin", "#snapshot", "@tmp",
    "lost+found", "system volume information", "thumbs.db", "desktop.ini", "icon\r",
)  # fmt: skip
UNSURE = 2.0  # seconds within which a file may change again and keep its time stamp
LOADED = {  # digests of the code that this process runs
    path.relative_to(ROOT).as_posix(): sha256(path.read_bytes())
    for folder in ("fakeface_utils", "beyond")
    for path in (ROOT / folder).rglob("*.py")
}
Look = dict[Any, Any]  # what one look at many steps has seen: signatures, why tasks aren't done


def foreign(path: str) -> str:
    """The part of a path that another program left; '' for none."""
    parts = path.split("/")
    return next((p for p in parts if p.startswith((".", "~$")) or p.lower() in FOREIGN), "")


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """All that a folder holds but folders, by the path below it; links to folders are files.

    Raises:
        StudyError: a folder can't be listed, unless another program left it.
    """

    def fail(error: OSError) -> None:
        place = Path(error.filename)
        if place == folder or not foreign(place.relative_to(folder).as_posix()):
            raise StudyError(f"cannot list {shown(place)}: make it readable") from error

    for place, folders, names in os.walk(folder, onerror=fail):
        for path in (Path(place, name) for name in folders + names):
            if path.is_symlink() or not path.is_dir():
                yield path.relative_to(folder).as_posix(), path


def signature(path: Path, known: list[str] | None = None, look: Look | None = None) -> list[str]:
    """Two digests of a file or folder: of its sizes, times and inodes, and of its contents.

    Contents are read only where the first isn't as `known`. What changed a moment ago may change
    again unseen: its first digest is empty, and never trusted. What is `foreign` doesn't count.

    Raises:
        StudyError: a file can't be read.
    """
    if look is not None and path in look:
        return look[path]
    if not os.path.exists(path):  # Path's own raises for a name that is too long
        return ["", "missing"]
    files = [path]
    if path.is_dir():
        files = sorted(p for name, p in files_below(path) if p.is_file() and not foreign(name))
    stats = [file.stat() for file in files]
    quick = sha256(
        *(
            f"{file.relative_to(path)} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_ino} "
            f"{s.st_dev}".encode("utf-8", "surrogateescape")
            for file, s in zip(files, stats, strict=True)
        )
    )
    newest = max((s.st_ctime_ns for s in stats), default=0)
    if known and quick == known[0]:
        found = known
    elif time.time_ns() - newest < UNSURE * 1e9:
        found = ["", _contents(path, files)]
    else:
        found = [quick, _remembered(path, tuple(files), quick)]
    if look is not None:
        look[path] = found
    return found


@functools.lru_cache(4096)
def _remembered(path: Path, files: tuple[Path, ...], quick: str) -> str:
    return _contents(path, files)


def _contents(path: Path, files: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for file in files:
        try:
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except PermissionError as error:
            if file == path:
                raise StudyError(f"{shown(file)} can't be read: let your user read it") from error
            digest = "unreadable"  # one of a folder's: who reads it names it
        name = str(file.relative_to(path))
        whole.update(f"{name}\0{digest}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


@functools.cache
def _imports(file: Path, changed: int) -> tuple[Path, ...]:
    """Our modules that a module imports, at its top or inside a function, and their packages'.

    `changed` is its modification time, so that an edited file is read again.
    """
    names: list[Path] = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            base = file.parents[node.level - 1] if node.level else ROOT
            base = base.joinpath(*(node.module or "").split("."))
            names += [base, *(base / alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [ROOT.joinpath(*alias.name.split(".")) for alias in node.names]
    names += [path for path in file.parents if path.is_relative_to(ROOT) and path != ROOT]
    files = (one for path in names for one in (path.with_suffix(".py"), path / "__init__.py"))
    return tuple(path for path in files if path.is_file() and path.is_relative_to(ROOT))


def code_of(*files: Path) -> dict[str, str]:
    """Digests of modules and of every module of ours that they stand on, by path."""
    found: dict[str, str] = {}
    waiting = list(files)
    while waiting:
        here = waiting.pop()
        name = here.relative_to(ROOT).as_posix()
        if name not in found and name not in NOT_HASHED:
            found[name] = sha256(here.read_bytes())
            waiting += _imports(here, here.stat().st_mtime_ns)
    return dict(sorted(found.items()))


def edited(code: dict[str, str]) -> str:
    """The first of these modules that was edited after this process had read it; '' for none."""
    return next((name for name, now in code.items() if LOADED.setdefault(name, now) != now), "")
