"""Steps: functions that leave files, and when a step is out of date and done again.

    @step("04_evaluate", writes=["table1.csv"], after=["predict"], settings=Study.deciding)
    def table1(study, out): ...               # writes out / "table1.csv"

`table1(study)` does the step unless it is done, and returns what its first file holds. A finished
step leaves a marker, `.table1.json`, beside its files: its settings, and digests of the code, the
inputs and the outputs. Where one of these has changed, it is out of date. Steps know one another by
name only: the code of one that is read counts by what it wrote.
"""

import datetime
import errno
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .digests import UNSURE, Look, code_of, edited, signature
from .paper import SPLITS
from .settings import Study
from .util import (
    StudyError,
    cannot_write,
    git_revision,
    hardware,
    lock,
    replacing,
    sha256,
    shown,
    versions,
)

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)
STEPS: dict[str, "Step"] = {}
AXES: dict[str, Callable[[Study], Iterable[Any]]] = {
    "model": lambda study: study.models,
    "seed": lambda study: study.seeds,
    "split": lambda study: SPLITS,
}
# Columns of names: a file called NA or 001 is one.
TEXT = {
    "path", "set", "name", "file", "model", "metric", "verdict", "setting", "value", "kind",
    "family", "jpeg_tables", "sha256", "mode", "layer", "output_shape", "activation", "class_a",
    "class_b", "split_a", "split_b", "path_a", "path_b",
}  # fmt: skip


def read_file(path: Path) -> Any:
    """What a file of ours holds: a table, a dictionary, an array; of other files the path.

    Raises:
        StudyError: it is missing, or isn't what was written.
    """
    if not path.exists():
        raise StudyError(f"{shown(path)} is missing: run the command that makes it again")
    try:
        match path.suffix:
            case ".csv":
                words = dict.fromkeys(TEXT, str)
                table = pd.read_csv(path, dtype=words, na_values="", keep_default_na=False)
                return table.fillna(dict.fromkeys(TEXT, ""))
            case ".json":
                return dict(**json.loads(path.read_text(encoding="utf-8")))
            case ".npy":
                return np.load(path, mmap_mode="r")
            case ".npz":
                return dict(np.load(path))
        return path
    except Exception as error:  # damage shows in many ways, and each means the same
        raise StudyError(
            f"{shown(path)} is damaged ({type(error).__name__}): delete it and run again"
        ) from error


@dataclass(frozen=True, eq=False)
class Step:
    """A function `work(study, *args, out)` that writes its files into the folder `out`.

    Of an interrupted one `out` is kept: under the same settings, inputs and code it finds what it
    left there, and may resume; or it begins again. What may be a function is one of study and
    arguments.
    """

    work: Callable[..., Any]
    notebook: str | Callable[..., str]  # that does it, without its suffix; or an extension's name
    writes: Iterable[str] | Callable[..., Iterable[str]]  # names of files or folders
    # Names of the steps whose files it reads, those with the same arguments or, where they have an
    # axis that this one hasn't, all of them; or the tasks themselves.
    after: Iterable[str] | Callable[..., Iterable["Task"]] = ()
    each: tuple[str, ...] = ()  # its axes, of `AXES`: a task for each value
    settings: Callable[..., dict[str, Any]] = lambda *_: {}  # what decides the outputs, as JSON
    folder: Callable[..., Path] = lambda study, *_: study.results  # where its files lie
    # Files that no step writes, by a name that stays when they are moved.
    inputs: Callable[..., dict[str, Path]] = lambda *_: {}
    code: Callable[..., Iterable[Path]] = lambda *_: ()  # further modules, imported by name

    def __call__(self, study: Study, *args: Any) -> Any:
        """Do it unless it is done, and return what its first file holds."""
        task = self.of(study, *args)
        task.ensure()
        return task.read()

    def of(self, study: Study, *args: Any) -> "Task":
        """The step for one study and, say, one model and seed."""
        return Task(self, study, args)

    def all(self, study: Study, **fixed: Any) -> list["Task"]:
        """The step for every value of its axes but those that are fixed."""
        values = [[fixed[name]] if name in fixed else AXES[name](study) for name in self.each]
        return [self.of(study, *args) for args in itertools.product(*values)]


def step(*about: Any, **named: Any) -> Callable[[Callable[..., Any]], Step]:
    """Make a function a step, of which the attributes of `Step` after `work` are said."""

    def decorate(work: Callable[..., Any]) -> Step:
        edited(code_of(_file(work)))  # this is what runs
        STEPS[work.__name__] = made = Step(work, *about, **named)
        return made

    return decorate


def _file(work: Callable[..., Any]) -> Path:
    return Path(work.__code__.co_filename)


@dataclass(frozen=True, eq=False)
class Task:
    """One step of one study, with its files."""

    step: Step
    study: Study
    args: tuple[Any, ...]

    @property
    def name(self) -> str:
        """As a person calls it: 'train custom_cnn 0'."""
        return " ".join([self.step.work.__name__, *map(str, self.args)])

    @property
    def notebook(self) -> str:
        """The notebook, or the extension, that does it."""
        here = self.step.notebook
        return here(self.study, *self.args) if callable(here) else here

    @property
    def command(self) -> str:
        """What a person runs to have it done."""
        if self.notebook[:1].isdigit():
            return f"run notebooks/{self.notebook}.ipynb, with the same run"
        return f"run make beyond ONLY={self.notebook} RUN={self.study.run}"

    @property
    def writes(self) -> tuple[str, ...]:
        """Names of its files."""
        names = self.step.writes
        return tuple(names(self.study, *self.args) if callable(names) else names)

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self.step.folder(self.study, *self.args)

    @property
    def marker(self) -> Path:
        """What it leaves when it is done."""
        safe = re.sub(r"[^\w.-]+", "-", self.name)
        unlike = "" if safe == self.name.replace(" ", "-") else "-" + sha256(self.name.encode())[:6]
        return self.folder / f".{safe}{unlike}.json"

    def path(self, name: str = "") -> Path:
        """A file of the task: the first, or the one of this name."""
        return self.folder / (name or self.writes[0])

    def read(self, name: str = "") -> Any:
        """What a file of the task holds, see `read_file`."""
        return read_file(self.path(name))

    def after(self) -> list["Task"]:
        """The tasks whose files it reads."""
        if callable(self.step.after):
            return list(self.step.after(self.study, *self.args))
        own = dict(zip(self.step.each, self.args, strict=True))
        return [task for name in self.step.after for task in STEPS[name].all(self.study, **own)]

    def before(self) -> list["Task"]:
        """Every task that this one stands on, in order, each once."""
        found: dict[Path, Task] = {}

        def collect(task: Task) -> None:
            for one in task.after():
                if one.marker not in found:
                    collect(one)
                    found[one.marker] = one

        collect(self)
        return list(found.values())

    def record(self) -> dict[str, Any]:
        """What the marker holds; empty where there is none, or a damaged one."""
        found = _json(self.marker)
        parts = ("settings", "code", "inputs", "outputs", "computed")
        whole = all(isinstance(found.get(part), dict) for part in parts)
        return found if whole and isinstance(found.get("seconds"), int | float) else {}

    def depends_on(self, look: Look | None = None) -> dict[str, Any]:
        """What decides the outputs: settings, digests of code, signatures of inputs."""
        files = dict(self.step.inputs(self.study, *self.args))
        for task in self.after():
            files |= {f"{task.name}/{name}": task.path(name) for name in task.writes}
        known = self.record().get("inputs", {})
        return {
            "settings": json.loads(json.dumps(self.step.settings(self.study, *self.args))),
            "code": code_of(_file(self.step.work), *self.step.code(self.study, *self.args)),
            "inputs": {n: signature(path, known.get(n), look) for n, path in files.items()},
        }

    def why_not_done(self, look: Look | None = None, code: bool = True) -> str:
        """What speaks against skipping the task, in words; '' where it is done.

        Whether those before it are done is not asked, see `why_stale`; without `code` edited code
        isn't either.
        """
        look = {} if look is None else look
        if (key := (self.marker, code)) not in look:
            missing = [path for path in map(self.path, self.writes) if not path.exists()]
            if missing:
                look[key] = f"{shown(missing[0])} is missing"
            elif record := self.record():
                known = record["outputs"]
                found = {n: signature(self.path(n), known.get(n), look) for n in self.writes}
                kept = {} if code else {"code": record["code"]}
                look[key] = _difference(record, self.depends_on(look) | {"outputs": found} | kept)
            else:
                look[key] = f"{self.name} did not end"
        return look[key]

    def why_stale(self, look: Look | None = None, code: bool = True) -> str:
        """Why its files can't be shown: it, or a task before it, isn't done; '' where all are."""
        look = {} if look is None else look
        return next((w for t in (*self.before(), self) if (w := t.why_not_done(look, code))), "")

    def check_before(self, own: Container[Path] = (), look: Look | None = None) -> None:
        """Refuse to stand on files that are missing or out of date, but for `own`, by markers."""
        look = {} if look is None else look
        for task in self.before():
            if task.marker not in own and (why := task.why_not_done(look)):
                raise StudyError(f"{why}: {task.command}")

    def do(self) -> "Task":
        """Do the task unless it is done, and say so where it is."""
        if not self.ensure():
            print(f"{self.name}: up to date")
        return self

    def ensure(self) -> bool:
        """Do the task unless it is done; whether it was done now.

        One process at a time does it: a second waits, and then finds it done.

        Raises:
            StudyError: a task before it isn't up to date, code was edited since this process
                started, something changed while it ran, or an output is missing.
        """
        look: Look = {}
        self.check_before(look=look)
        if not self.why_not_done(look):
            return False
        with lock(self.marker.with_suffix(".lock"), self.name):
            if not self.why_not_done():
                return False
            self.check_before()
            try:
                self._do()
            except OSError as error:
                if error.errno not in FULL:
                    raise
                raise cannot_write(self.folder, error) from error
        return True

    def _do(self) -> None:
        before, out, seconds = self.depends_on(), self.marker.with_suffix(".part"), 0.0
        if name := edited(before["code"]):
            raise StudyError(
                f"{self.name}: {name} was edited after this process had read it: restart the "
                "kernel, or give the command again"
            )
        held = _json(key := out / ".key.json")
        if held and not _difference(held, before):
            # What an earlier process left here took it until its last file.
            last = max(path.stat().st_mtime for path in out.rglob("*"))
            seconds = held.get("seconds", 0.0) + last - key.stat().st_mtime
        else:
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
        with replacing(key) as part:
            part.write_text(json.dumps(before | {"seconds": seconds}))
        self.marker.unlink(missing_ok=True)
        start = time.perf_counter()
        self.step.work(self.study, *self.args, out=out)
        seconds += time.perf_counter() - start
        if missing := [name for name in self.writes if not (out / name).exists()]:
            raise StudyError(f"{self.name} ended without writing {', '.join(missing)}")
        if change := _difference(before, self.depends_on()):
            raise StudyError(
                f"{self.name}: {change} while it ran, so its results don't count: run it again"
            )
        for name in self.writes:
            target = self.path(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(out / name, target)
        if seconds > 20:
            time.sleep(UNSURE)  # so that what is large is hashed once, and not at every look
        record = before | {
            "outputs": {name: signature(self.path(name)) for name in self.writes},
            "seconds": round(seconds, 3),
            "computed": {
                "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "versions": versions(),
                "git": git_revision(),
                "hardware": hardware(),
            },
        }
        with replacing(self.marker) as part:
            part.write_text(json.dumps(record, indent=1))
        shutil.rmtree(out)


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _difference(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs first, in words; of files only the contents count."""
    for part, values in now.items():
        old = then.get(part, {})
        for name in (*values, *old):
            a, b = old.get(name), values.get(name)
            if part in ("inputs", "outputs") and a and b:
                a, b = a[-1], b[-1]
            if a != b:
                return f"{name} has changed"
    return ""
