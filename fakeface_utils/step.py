"""One piece of work with files as its only inputs and outputs, and whether it must run again.

A finished step leaves a marker with its settings and with digests of its inputs, of the package
modules that it uses and of its outputs; it is skipped only while all of them are as they were. One
that was interrupted may leave a checkpoint, from which it goes on under the same condition.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import StudyError
from .files import digest, write_json
from .memory import PeakMemory
from .paths import PACKAGE, shown


@dataclass(frozen=True)
class Step:
    """What it is called, what it depends on, what it leaves."""

    name: str
    notebook: str
    settings: dict[str, Any]
    code: tuple[str, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    marker: Path
    after: tuple["Step", ...] = field(default=())

    @property
    def checkpoint(self) -> Path:
        """Where a step that may be interrupted keeps its state until it is done."""
        return self.marker.with_suffix(".npz")

    def dependencies(self, without: tuple[str, ...] = ()) -> dict[str, Any]:
        """What decides the outputs: settings (but those named), and digests of code and inputs."""
        read = [*self.inputs, *(path for step in self.after for path in step.outputs)]
        found = {
            "settings": {key: v for key, v in self.settings.items() if key not in without},
            "code": {name: digest(PACKAGE / name) for name in self.code},
            "inputs": {shown(path): digest(path) for path in read},
        }
        return json.loads(json.dumps(found))

    def _state(self) -> dict[str, Any]:
        """What must not have changed for the step to be skipped."""
        outputs = {shown(path): digest(path) for path in self.outputs}
        return {**self.dependencies(), "outputs": outputs}

    def is_done(self) -> bool:
        """Whether it has run with these settings, inputs and code, and its files are whole."""
        try:
            left = json.loads(self.marker.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        state = self._state()
        return {key: left.get(key) for key in state} == state

    def cost(self) -> dict[str, float] | None:
        """Seconds, before an interruption too, and the largest anonymous memory in bytes."""
        try:
            left = json.loads(self.marker.read_text(encoding="utf-8"))
            return {name: left[name] for name in ("seconds", "peak_memory")}
        except (OSError, ValueError, KeyError):
            return None

    def check_outputs(self) -> None:
        """Check that the step has left its files.

        Raises:
            StudyError: one is missing; the sentence names the notebook that makes it.
        """
        for path in self.outputs:
            if not path.exists():
                raise StudyError(
                    f"{shown(path)} is missing: run notebooks/{self.notebook}.ipynb first, "
                    "with the same parameters"
                )

    @contextmanager
    def running(self, spent: float = 0.0) -> Iterator[None]:
        """Check the inputs, do the block, check its outputs, leave the marker.

        The checkpoint goes last: whenever a kill comes, the marker or the checkpoint is there.

        Args:
            spent: seconds that went into the step before it was interrupted.
        """
        for step in self.after:
            step.check_outputs()
        self.marker.unlink(missing_ok=True)
        start = time.perf_counter()
        with PeakMemory() as memory:
            yield
        seconds = time.perf_counter() - start + spent
        missing = [shown(path) for path in self.outputs if not path.exists()]
        if missing:
            raise StudyError(f"{self.name} ended without writing {', '.join(missing)}")
        cost = {"seconds": round(seconds, 3), "peak_memory": memory.peak}
        write_json(self.marker, {**self._state(), **cost})
        self.checkpoint.unlink(missing_ok=True)

    def forget(self) -> None:
        """Make the step run again, from its beginning."""
        self.marker.unlink(missing_ok=True)
        self.checkpoint.unlink(missing_ok=True)
