"""Where a training run stands after its last finished epoch, in one file.

The file is replaced at once after every epoch: a kill at any point, also in the middle of writing,
leaves one epoch's state whole, and no two files can disagree. It holds arrays and JSON only.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.files import write_atomic
from ..common.paths import shown
from ..study.step import Step

Weights = list[npt.NDArray]

ARRAYS = ("best", "weights", "optimizer")


@dataclass
class Checkpoint:
    """A training's state between two epochs.

    Attributes:
        path: its file; None keeps the state in memory alone.
        key: settings, and digests of code and inputs, that the state came from.
        rows: the history, one row per finished epoch.
        best_value: the lowest value of what decides the best epoch.
        best: the network's weights after the best epoch.
        weights: those after the last epoch, with batch normalization's moving statistics.
        optimizer: its variables: the count of steps, on which the schedule hangs, and the moments.
    """

    path: Path | None = None
    key: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)
    best_value: float = math.inf
    best: Weights = field(default_factory=list)
    weights: Weights = field(default_factory=list)
    optimizer: Weights = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long the finished epochs took."""
        return sum(row["seconds"] for row in self.rows)

    def write(self) -> None:
        """Replace the file by this state.

        Raises:
            StudyError: the folder can't be written or the disk is full; the file is as it was.
        """
        if self.path is None:
            return
        arrays = {
            f"{name}-{number}": array
            for name in ARRAYS
            for number, array in enumerate(getattr(self, name))
        }
        about = {
            "key": self.key,
            "rows": self.rows,
            "best_value": self.best_value,
            "arrays": list(arrays),  # so that one whose name was damaged is missed
        }
        with write_atomic(self.path) as part:
            np.savez(part, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)


def open_checkpoint(step: Step) -> Checkpoint:
    """The state that an interrupted training left, or a new one.

    A file of other settings, inputs or code, or a damaged one, isn't used; a sentence says so.
    """
    path, key = step.checkpoint, step.dependencies()
    new = Checkpoint(path, key)
    if not path.exists():
        return new
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            if about["key"] != key:
                print(f"{step.name}: starts again, since settings, inputs or code have changed")
                return new
            arrays = {
                name: [file[array] for array in about["arrays"] if array.startswith(f"{name}-")]
                for name in ARRAYS
            }
            return Checkpoint(path, key, about["rows"], about["best_value"], **arrays)
    except Exception as error:  # damage shows in many ways, and each means the same
        print(f"{step.name}: starts again, since {shown(path)} is damaged ({error})")
        return new
