"""Files that are never half written, and room for them on the disk."""

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import StudyError
from .paths import shown


def cannot_write(path: Path, error: OSError) -> StudyError:
    """The sentence for a folder that takes no files or a disk that is full."""
    return StudyError(
        f"cannot write {shown(path)}: {error.strerror or error}; free the disk or the folder, or "
        "name another with FAKEFACE_DATA, FAKEFACE_CACHE, FAKEFACE_RESULTS or FAKEFACE_FIGURES"
    )


@contextmanager
def write_atomic(path: Path, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes the place of `path` when the block succeeds.

    Args:
        path: the file to write.
        shared: others may write it at the same moment, each under a temporary name of its own; a
            writer that is killed then leaves its part, which otherwise the next one overwrites.

    Raises:
        StudyError: the folder can't be written or the disk is full; `path` is as it was before.
    """
    own = f"{uuid.uuid4().hex}-" if shared else ""
    part = path.with_name(f".part-{own}{path.name}")  # its suffix stays: Keras and Pillow look
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if part.is_file():
            part.unlink()


def write_json(path: Path, value: Any, shared: bool = False) -> None:
    """Write a value as indented JSON; `path` and `shared` as in `write_atomic`."""
    with write_atomic(path, shared) as part:
        part.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_csv(path: Path, table: Any, shared: bool = False) -> None:
    """Write a data frame without its index, all digits of its floats; see `write_atomic`."""
    with write_atomic(path, shared) as part:
        table.to_csv(part, index=False, lineterminator="\n")


def check_writable(*folders: Path) -> None:
    """Check, before work starts, that folders take files; they are made where they don't exist.

    Raises:
        StudyError: one doesn't.
    """
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise cannot_write(folder, error) from error


def human_size(count: int) -> str:
    """Format a byte count, e.g. '3.8 GB'."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def require_free_space(folder: Path, needed: int, what: str) -> None:
    """Check, before work starts, that a disk has room.

    Args:
        folder: where the files will go; it need not exist yet.
        needed: bytes.
        what: what they are, for the message.

    Raises:
        StudyError: there is too little room.
    """
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise StudyError(
            f"{what} need {human_size(needed)} and the disk of {shown(folder)} has "
            f"{human_size(free)} free: make room, name another disk with FAKEFACE_DATA, or take "
            "fewer images with the setting images_per_class"
        )
