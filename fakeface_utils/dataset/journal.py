"""An array file that only grows, with a journal beside it: killed at any moment, it goes on.

An image's pixels are on the disk before the journal has its line, so that whatever the journal's
whole lines speak of is there; the rest is cut off when the next run opens both.
"""

import io
import json
import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

AT_ONCE = 256  # images written together: what a kill loses


def _header(shape: tuple[int, ...]) -> bytes:
    """What NumPy puts before uint8 values; as long for any number of rows."""
    stream = io.BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue()


class JournaledArray:
    """`<path>.npy`, uint8 rows of one shape, and `<path>.jsonl`, a line for each image met.

    Args:
        path: of both files, without their suffixes.
        shape: of a row.

    Attributes:
        done: how many images an earlier run has left in the journal.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape = path, shape
        self._array = path.with_suffix(".npy").open("ab")
        self._journal = path.with_suffix(".jsonl").open("ab+")
        self._journal.seek(0)
        lines = [line for line in self._journal if line.endswith(b"\n")]
        start, written = len(_header((0, *shape))), self._array.tell()
        end = start + math.prod(shape) * sum(b'"reason": ""' in line for line in lines)
        if end > written:  # never seen: the disk has lost what was written
            lines, end = [], start
        self.done = len(lines)
        self._journal.truncate(sum(map(len, lines)))
        self._array.truncate(end if self.done else 0)
        if not self.done:
            self._array.write(_header((0, *shape)))
        self._pixels: list[Any] = []
        self._rows: list[bytes] = []

    def append(self, pixels: npt.NDArray[np.uint8] | None, row: dict[str, Any]) -> None:
        """Take one image: its pixels, None where its `reason` isn't empty, and its line."""
        if pixels is not None:
            self._pixels.append(pixels)
        self._rows.append(json.dumps(row).encode() + b"\n")
        if len(self._rows) == AT_ONCE:
            self.write()

    def write(self) -> None:
        """Write what was taken."""
        files: tuple[tuple[BinaryIO, list[Any]], ...]
        files = (self._array, self._pixels), (self._journal, self._rows)
        for file, parts in files:
            for part in parts:
                file.write(part)  # an array as it lies in memory, without a copy
            file.flush()
            os.fsync(file.fileno())
            parts.clear()

    def close(self) -> None:
        """Close both files."""
        self._array.close()
        self._journal.close()


def finish(path: Path, rows: int, shape: tuple[int, ...]) -> None:
    """Put the number of rows into the array file's header."""
    with path.with_suffix(".npy").open("r+b") as file:
        file.write(_header((rows, *shape)))
