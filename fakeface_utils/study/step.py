"""One unit of work with files as its only inputs and outputs, and whether it must run again.

A finished step leaves a marker with its settings, with digests of its inputs, of the package
modules that it uses and of its outputs, and with what it was computed by. It is up to date only
while all digests are as they were, and so are the steps before it. One that was interrupted may
leave a checkpoint, from which it resumes under the same condition.
"""

import ast
import datetime
import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..common.digests import digest
from ..common.errors import StudyError
from ..common.files import write_json
from ..common.locks import lock
from ..common.machine import git_revision, hardware, versions
from ..common.paths import PACKAGE, shown
from .names import SUFFIXES
from .settings import Study

# Modules of common/ and study/ carry what a step gets as its settings and inputs, so that an edit
# there makes no step run again; but for these three, whose contents end up in its outputs.
CARRIERS = ("common/", "study/")
CONTENTS = ("study/names.py", "study/paper.py", "study/questions.py")

# The code that this process runs: what is edited later runs in the next one.
LOADED = {path.relative_to(PACKAGE).as_posix(): digest(path) for path in PACKAGE.rglob("*.py")}


class Digests(dict[Path, str]):
    """Digests of files and folders, each computed once: for one look at many steps."""

    def __missing__(self, path: Path) -> str:
        self[path] = digest(path, SUFFIXES)
        return self[path]


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
        kind: source, decode, prepare, audit, features, train, predict, table, figures, report,
            reading, compare, point, curve, drawing or quiz.
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

    def dependencies(self, known: Digests | None = None) -> dict[str, Any]:
        """What decides the outputs: settings, and digests of code and inputs."""
        known = Digests() if known is None else known
        read = [*self.inputs, *(path for step in self.after for path in step.outputs)]
        parts = {
            "settings": self.settings,
            "code": {name: known[PACKAGE / name] for name in self.code},
            "inputs": {shown(path): known[path] for path in read},
        }
        return json.loads(json.dumps(parts))

    def why_not_done(self, known: Digests | None = None) -> str:
        """What speaks against skipping the step, in words; '' where it is done.

        It is done if it has run with these settings, inputs and code, and its files are as it left
        them. Whether the steps before it are done is for `check_inputs`.
        """
        known = Digests() if known is None else known
        marker = self._marker()
        missing = [shown(path) for path in self.outputs if not path.exists()]
        if missing:
            return f"{missing[0]} is missing"
        if not marker:
            return f"{self.name} did not end"
        outputs = {shown(path): known[path] for path in self.outputs}
        return _first_difference(marker, {**self.dependencies(known), "outputs": outputs})

    def is_done(self, known: Digests | None = None) -> bool:
        """Whether the step can be skipped, see `why_not_done`."""
        return not self.why_not_done(known)

    def _marker(self) -> dict[str, Any]:
        """What the marker holds; empty where there is none, or none that we wrote."""
        try:
            marker = json.loads(self.marker.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        whole = isinstance(marker, dict) and isinstance(marker.get("seconds"), (int, float))
        return marker if whole and isinstance(marker.get("computed"), dict) else {}

    def cost(self) -> dict[str, Any] | None:
        """How the step came about; None where it isn't there.

        seconds (before an interruption too), computed (when, versions, git, hardware).
        """
        marker = self._marker()
        return {name: marker[name] for name in ("seconds", "computed")} if marker else None

    def disowns(self, path: Path) -> bool:
        """Whether its marker tells that it left a file of this name with another content."""
        outputs = self._marker().get("outputs", {})
        left = {Path(name).name: value for name, value in outputs.items()}
        return left.get(path.name) not in (None, digest(path))

    def before(self) -> list["Step"]:
        """All steps that this one stands on, in order, each once."""
        steps: dict[Path, Step] = {}
        for step in self.after:
            for one in (*step.before(), step):
                steps.setdefault(one.marker, one)
        return list(steps.values())

    def check_inputs(self, own_notebook: bool = True, known: Digests | None = None) -> None:
        """Check that all steps before this one are up to date, the first one first.

        Args:
            own_notebook: those of the same notebook too.
            known: digests that are known already.

        Raises:
            StudyError: one isn't; the sentence says why and names the notebook that does it.
        """
        known = Digests() if known is None else known
        for step in self.before():
            if (own_notebook or step.notebook != self.notebook) and (
                why := step.why_not_done(known)
            ):
                again = "first" if not step.marker.exists() else "again"
                raise StudyError(
                    f"{why}: run notebooks/{step.notebook}.ipynb {again}, with the same run"
                )

    def do(self, work: Callable[[], float | None]) -> bool:
        """Do the step, unless it is done; the marker is left last.

        One process at a time does it: a second waits, and then finds it done. What the step depends
        on is compared before and after: what changed while it ran never counts as what ran. The
        checkpoint goes after the marker: whenever a kill comes, one of both is there.

        Args:
            work: writes the outputs; returns the seconds that went into them before an
                interruption, if any.

        Returns:
            Whether it was done now.

        Raises:
            StudyError: a step before it isn't up to date, code was edited since this process
                started, something changed while the step ran, or an output is missing.
        """
        if self.is_done():
            return False
        with lock(self.marker.with_suffix(".lock"), self.name):
            if self.is_done():
                return False
            self.check_inputs()
            before = self.dependencies()
            for name, loaded in before["code"].items():
                if LOADED.get(name) != loaded:
                    raise StudyError(
                        f"{self.name}: {PACKAGE.name}/{name} was edited after this process had "
                        "read it: restart the kernel, or give the command again"
                    )
            self.marker.unlink(missing_ok=True)
            start = time.perf_counter()
            spent = work() or 0.0
            seconds = time.perf_counter() - start + spent
            missing = [shown(path) for path in self.outputs if not path.exists()]
            if missing:
                raise StudyError(f"{self.name} ended without writing {', '.join(missing)}")
            if change := _first_difference(before, self.dependencies()):
                raise StudyError(
                    f"{self.name}: {change} while it ran, so its results don't count: run again"
                )
            known = Digests()
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            about = {"when": now, "versions": versions(), "git": git_revision()}
            write_json(
                self.marker,
                {
                    **before,
                    "outputs": {shown(path): known[path] for path in self.outputs},
                    "seconds": round(seconds, 3),
                    "computed": {**about, "hardware": hardware()},
                },
            )
            self.checkpoint.unlink(missing_ok=True)
        return True

    def forget(self) -> None:
        """Make the step run again, from its beginning."""
        self.marker.unlink(missing_ok=True)
        self.checkpoint.unlink(missing_ok=True)


def _first_difference(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs first of settings, code, inputs and outputs, in words; '' where nothing does."""
    for part, values in now.items():
        old = then.get(part)
        if not isinstance(old, dict):
            return f"the record of its {part} is damaged"
        names = [name for name in (*values, *old) if old.get(name) != values.get(name)]
        if names:
            place = f"{PACKAGE.name}/" if part == "code" else ""
            return f"{place}{names[0]} has changed"
    return ""
