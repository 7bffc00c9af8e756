"""What a file or folder holds, by content; hashed again only where it may have changed."""

import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from .paths import cache_dir
from .progress import progress

SMALL = 2**20  # bytes; a single file below this is hashed each time

# Seconds. A file that changed so shortly before it was hashed may change again within one tick of
# its disk's clock, which nobody would see: its digest isn't remembered.
SETTLING = 2.0

TABLE = """CREATE TABLE IF NOT EXISTS digests (
    path BLOB PRIMARY KEY, size INTEGER, mtime INTEGER, ctime INTEGER, inode INTEGER, sha256 TEXT
)"""

Signature = tuple[int, int, int, int]  # size in bytes, mtime and ctime in ns, inode


def digest(path: Path, suffixes: tuple[str, ...] = ()) -> str:
    """What a file or folder holds, in 16 characters; 'missing' where there is neither.

    A file is known by the SHA-256 of its content, a folder by the names and contents of the files
    in it, at any depth. Digests of large files and of folders' files are remembered with size,
    mtime, ctime and inode: where one of these differs, or the file was just written, it is hashed
    again. Links are followed to files; pipes, devices and what can't be read are passed over.

    Args:
        path: the file or folder.
        suffixes: of the files that count in a folder, in lower case; all where it is empty.
    """
    if path.is_dir():
        names = sorted(_files(path, suffixes))
        content = hashlib.sha256()
        for name, value in zip(names, _remembered(path, names), strict=True):
            if value != "missing":
                content.update(os.fsencode(name) + b"\0" + value.encode() + b"\n")
        return content.hexdigest()[:16]
    if not path.is_file():
        return "missing"
    if path.stat().st_size < SMALL:
        return _hash(path)[:16]
    return _remembered(path.parent, [path.name])[0][:16]


def _files(folder: Path, suffixes: tuple[str, ...]) -> Iterable[str]:
    """Every file below a folder, relative to it, with forward slashes."""
    for place, _, names in os.walk(folder):
        base = os.path.relpath(place, folder)
        for name in names:
            if not suffixes or name.lower().endswith(suffixes):
                yield name if base == "." else f"{base}/{name}".replace(os.sep, "/")


def _hash(path: Path) -> str:
    """The SHA-256 of a file's content; 'missing' where it can't be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:  # what reads it will say why
        return "missing"


def _signature(path: Path) -> Signature | None:
    """What changes when a file does; None where there is no regular file."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _remembered(folder: Path, names: list[str]) -> list[str]:
    """The SHA-256 of files in a folder, hashed where it isn't known; 'missing' for what is none."""
    folder = folder.resolve()
    known = _recall(folder, names)
    paths = [folder / name for name in names]
    signatures = [_signature(path) for path in paths]
    values = ["missing" if signature is None else "" for signature in signatures]
    for number, (path, signature) in enumerate(zip(paths, signatures, strict=True)):
        before = known.get(os.fsencode(path))
        if signature and before and before[:4] == signature:
            values[number] = before[4]
    new = [number for number, value in enumerate(values) if not value]
    start = time.time_ns()
    bar = progress(len(new), f"hashing {folder.name}", "file", delay=2)
    with bar, ThreadPoolExecutor() as pool:
        for number, value in zip(new, pool.map(_hash, [paths[n] for n in new]), strict=True):
            values[number] = value
            bar.update()
    settled = [
        (os.fsencode(paths[number]), *signature, values[number])
        for number in new
        if (signature := signatures[number])
        and signature[2] < start - SETTLING * 1e9
        and signature == _signature(paths[number])
    ]
    _remember(settled)
    return values


def _open() -> sqlite3.Connection:
    """The memory of digests. Where it can't be had, everything is hashed each time."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    memory = sqlite3.connect(cache_dir() / "digests.sqlite", timeout=5)
    memory.execute(TABLE)
    return memory


def _recall(folder: Path, names: list[str]) -> dict[bytes, tuple[int, int, int, int, str]]:
    """Remembered size, mtime, ctime, inode and SHA-256 of a folder's files, by path."""
    base = os.fsencode(folder).rstrip(b"/")
    try:
        with closing(_open()) as memory:
            # All below the folder (0 follows /), or the one file.
            ends = (base + b"/", base + b"0")
            if len(names) == 1:
                ends = (base + b"/" + os.fsencode(names[0]),) * 2
            rows = memory.execute("SELECT * FROM digests WHERE path BETWEEN ? AND ?", ends)
            return {bytes(row[0]): row[1:] for row in rows}
    except (OSError, sqlite3.Error):
        return {}


def _remember(rows: list[tuple]) -> None:
    """Keep digests with the signatures they belong to."""
    if not rows:
        return
    try:
        with closing(_open()) as memory, memory:
            memory.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?)", rows)
    except (OSError, sqlite3.Error):
        pass
