"""An array file that only grows, with a journal beside it: killed at any moment, it goes on.

An image's pixels are on the disk before the journal has its line, so that whatever the journal's
whole lines speak of is there; the rest is cut off when the next run opens both.
"""

import io
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


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

    def write(self, pixels: npt.NDArray[np.uint8], rows: list[dict[str, Any]]) -> None:
        """Take some images.

        Args:
            pixels: (N, ...) of those that could be read.
            rows: a line for each; its `reason` says why one couldn't, and is empty for the N.
        """
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        for file, content in ((self._array, pixels.data), (self._journal, lines)):
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Close both files."""
        self._array.close()
        self._journal.close()


def finish(path: Path, rows: int, shape: tuple[int, ...]) -> None:
    """Put the number of rows into the array file's header."""
    with path.with_suffix(".npy").open("r+b") as file:
        file.write(_header((rows, *shape)))
