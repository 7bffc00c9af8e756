"""One unit of work with files as its only inputs and outputs, and whether it must run again.

A finished step leaves a marker with its settings and with digests of its inputs, of the package
modules that it uses and of its outputs; it is skipped only while all of them are as they were. One
that was interrupted may leave a checkpoint, from which it resumes under the same condition.
"""

import ast
import functools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..common.errors import StudyError
from ..common.files import digest, write_json
from ..common.memory import PeakMemory
from ..common.paths import PACKAGE, shown
from .settings import Study

# Modules of common/ and study/ carry what a step gets as its settings and inputs, so that an edit
# there makes no step run again; but for these three, whose contents end up in its outputs.
CARRIERS = ("common/", "study/")
CONTENTS = ("study/names.py", "study/paper.py", "study/questions.py")


@functools.cache
def _imports(path: Path, changed: int) -> tuple[str, ...]:
    """The package's own modules that a module imports, at its top or inside a function.

    Args:
        path: below `PACKAGE`.
        changed: its modification time, so that an edited file is read again.
    """
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            names += [base, *(base / alias.name for alias in node.names)]
    package = next(parent for parent in path.parents if parent.name == PACKAGE.name)
    files = (name.with_suffix(".py") for name in names)
    return tuple(file.relative_to(package).as_posix() for file in files if file.is_file())


def used_modules(entry: str, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The modules whose code can change what a step writes: its own, and all that it imports.

    Args:
        entry: the step's module, as 'networks/training.py'.
        without: modules or rooms that this step imports and doesn't use.

    Raises:
        FileNotFoundError: there is no such module, which is a defect of the plan.
    """
    found: list[str] = []
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        carries = name.startswith(CARRIERS) and name not in CONTENTS
        if name not in found and not carries and not name.startswith(without or ("\0",)):
            found.append(name)
            path = PACKAGE / name
            waiting += _imports(path, path.stat().st_mtime_ns)
    return tuple(sorted(found))


@dataclass(frozen=True)
class Step:
    """One unit of work.

    Attributes:
        name: what a person calls it.
        kind: prepare, audit, features, train, predict, table, figures, report, reading, compare
            or drawing.
        notebook: the one that does it, without the suffix.
        module: the package's module that does it.
        study: the settings it works with.
        settings: those of them that decide its outputs.
        inputs: files it reads that no other step writes.
        outputs: files it leaves.
        marker: what it leaves when it is done.
        after: the steps whose outputs it reads.
        without: modules that `module` imports and this step doesn't use.
        model, seed, split: what it is about, where it is about one.
    """

    name: str
    kind: str
    notebook: str
    module: str
    study: Study
    settings: dict[str, Any]
    outputs: tuple[Path, ...]
    marker: Path
    inputs: tuple[Path, ...] = ()
    after: tuple["Step", ...] = field(default=())
    without: tuple[str, ...] = ()
    model: str = ""
    seed: int | None = None
    split: str = ""

    @property
    def code(self) -> tuple[str, ...]:
        """The package's modules whose code decides the outputs, found by their imports."""
        return used_modules(self.module, self.without)

    @property
    def checkpoint(self) -> Path:
        """Where a step that may be interrupted keeps its state until it is done."""
        return self.marker.with_suffix(".npz")

    def dependencies(self) -> dict[str, Any]:
        """What decides the outputs: settings, and digests of code and inputs."""
        read = [*self.inputs, *(path for step in self.after for path in step.outputs)]
        found = {
            "settings": self.settings,
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
        left = self._marker()
        return bool(left) and all(left.get(key) == part for key, part in self._state().items())

    def _marker(self) -> dict[str, Any]:
        """What the marker holds; empty where there is none."""
        try:
            return json.loads(self.marker.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def cost(self) -> dict[str, float] | None:
        """Seconds, before an interruption too, and the largest anonymous memory in bytes."""
        left = self._marker()
        return {name: left[name] for name in ("seconds", "peak_memory")} if left else None

    def check_inputs(self) -> None:
        """Check that what other notebooks make for the step is there, the first one first.

        Raises:
            StudyError: a file is missing; the sentence names the notebook that makes it.
        """
        for step in self.after:
            step.check_inputs()
            if step.notebook != self.notebook:
                step.check_outputs()

    def check_outputs(self) -> None:
        """Check that the step has left its files.

        Raises:
            StudyError: one is missing; the sentence names the notebook that makes it.
        """
        for path in self.outputs:
            if not path.exists():
                raise StudyError(
                    f"{shown(path)} is missing: run notebooks/{self.notebook}.ipynb first, "
                    "with the same run"
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
