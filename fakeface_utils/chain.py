"""Run the notebooks in order with papermill, skip what is done, and export the report."""

import itertools
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .cluster import connect, train_all
from .dataset.prepare import source_counts
from .errors import StudyError
from .files import stderr_to
from .hardware import Speeds, gpus, speeds
from .paths import NOTEBOOKS, results_dir, shown
from .provenance import claim_run
from .questions import NOTEBOOK as ABLATIONS
from .questions import ablation_steps, other_readings
from .step import Step
from .steps import features_path, features_step, report_step, steps_of
from .study import Study, load_study

OVERHEAD = 60  # seconds for kernels, imports, figures and the report


def estimate_seconds(
    study: Study, counts: dict[str, int], speeds: Speeds, trainings: int, images: int
) -> float:
    """A rough time for the whole work.

    Args:
        study: the settings.
        counts: images in each split.
        speeds: what the machine does, see `hardware.speeds`; the nearest image size counts.
        trainings: how many of the custom CNN; those of VGG16's new layers are short beside them.
        images: how many VGG16's frozen base sees.
    """

    def speed(work: str) -> float:
        size = min(speeds[work], key=lambda found: abs(math.log(found / study.image_size)))
        return speeds[work][size] * (size / study.image_size) ** 2

    passes = counts["train"] + counts["valid"] / 3  # backward costs about two forward passes
    training = study.epochs * passes * trainings / speed("training")
    return OVERHEAD + training + images / speed("forward")


def _say_estimate(
    what: str, study: Study, counts: dict[str, int], trainings: int, images: int
) -> None:
    """Say how long the work will take, before it starts."""
    found, measured = speeds()
    if not found:
        print("no estimate of the time: fakeface bench --gpu measures this GPU")
        return
    length = _length(estimate_seconds(study, counts, found, trainings, images))
    by = "by its benchmark" if measured else "a guess: fakeface bench measures this machine"
    machine = (gpus() or [f"no GPU, {os.cpu_count()} cores"])[0]
    print(f"{machine}: {what} takes about {length} ({by})")


def _length(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} hours"


class _Status:
    """One line for each notebook; what the notebook prints shows on it while it runs."""

    def __init__(self, title: str) -> None:
        self.title, self.part = title, ""
        self.interrupted = False
        self.start = self.said = time.perf_counter()
        self.live = sys.stdout.isatty()
        if self.live:
            self._show("running")

    def _show(self, text: str, end: str = "") -> None:
        clear = "\r\x1b[K" if self.live else ""
        width = os.get_terminal_size().columns - 1 if self.live else None
        print(clear + f"{self.title}{self.part}: {text}"[:width], end=end, flush=True)

    def write(self, text: str) -> None:
        """Take what the notebook prints: at once on a terminal, once a minute in a log.

        A line as '[3/26] padding=valid' names a part; it stays in front of what follows.
        """
        self.check_interrupt()
        lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
        parts = [line for line in lines if line.startswith("[")]
        self.part = f" {parts[-1]}" if parts else self.part
        now = time.perf_counter()
        if lines and (self.live or now - self.said > 60):
            self.said = now
            self._show(lines[-1], end="" if self.live else "\n")

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Remember Ctrl-C: Python raises it wherever the code stands, and a callback may drop it.

        It is raised again at the notebook's next output, or else when the block ends.
        """

        def remember(number: int, frame: Any) -> None:
            self.interrupted = True
            raise KeyboardInterrupt

        if threading.current_thread() is not threading.main_thread():
            yield  # signals are the main thread's
            return
        before = signal.signal(signal.SIGINT, remember)
        try:
            yield
            self.check_interrupt()
        finally:
            signal.signal(signal.SIGINT, before)

    def check_interrupt(self) -> None:
        """Raise KeyboardInterrupt where there was one."""
        if self.interrupted:
            raise KeyboardInterrupt

    def flush(self) -> None:
        """Part of what papermill asks of a file."""

    def close(self, text: str) -> None:
        """The line's last words."""
        self.part = ""
        self._show(text, end="\n")


def run(
    profile: str = "demo",
    data: str = "",
    run: str = "",
    seeds: Any = 1,
    overrides: str = "",
    force: bool = False,
    scheduler: str = "",
) -> Study:
    """Run the whole study: every notebook whose steps aren't done, then the report.

    Args:
        profile, data, run, seeds, overrides: see `load_study`.
        force: do all again, and let the run's name change what it holds.
        scheduler: the address of a Dask scheduler, whose workers then train.

    Raises:
        StudyError: a parameter or the data is wrong, or a notebook or a worker failed.
    """
    study = load_study(profile, data, run, seeds, overrides)
    client = connect(scheduler) if scheduler else None
    claim_run(study, force)
    counts = source_counts(study)
    notebooks = steps_of(study)
    if client:
        _train_on_cluster(client, study, notebooks, overrides, force)
    else:
        _say_estimate("from nothing, this", study, counts, len(study.seeds), sum(counts.values()))
    _run_notebooks(study, notebooks, overrides, force and not client)
    return study


def ablate(
    profile: str = "demo",
    data: str = "",
    run: str = "",
    seeds: Any = 2,
    overrides: str = "",
    force: bool = False,
    scheduler: str = "",
) -> Study:
    """Measure the open questions; first the run's own networks, where they aren't trained yet.

    Args:
        profile, data, run, seeds, overrides, force, scheduler: see `run`.

    Raises:
        StudyError: as `run`.
    """
    study = load_study(profile, data, run, seeds, overrides)
    client = connect(scheduler) if scheduler else None
    claim_run(study, force)
    own = steps_of(study)
    notebooks = {name: own[name] for name in ("01_dataset", "02_custom_cnn", "03_vgg16_transfer")}
    notebooks |= ablation_steps(study)
    left = [step for steps in notebooks.values() for step in steps if force or not step.is_done()]
    trainings = sum(step.name.startswith("train custom_cnn") for step in left)
    studies = [study, *(one.study for one in other_readings(study) if "vgg16" in one.models)]
    passes = {features_path(each, s): (each, s) for each in studies for s in ("train", "valid")}
    counts = source_counts(study)
    images = sum(counts[s] for each, s in passes.values() if not features_step(each, s).is_done())
    what = f"what is left (custom CNN trainings: {trainings})"
    if client:
        _train_on_cluster(client, study, notebooks, overrides, force)
    else:
        _say_estimate(what, study, counts, trainings, images)
    _run_notebooks(study, notebooks, overrides, force and not client)
    return study


def _train_on_cluster(
    client: Any, study: Study, notebooks: dict[str, list[Step]], overrides: str, force: bool
) -> None:
    """Prepare the images here and have the cluster train, so that the notebooks find it done."""
    for step in itertools.chain(*notebooks.values()) if force else ():
        step.forget()  # now, since a notebook that is forced would train again
    with client:
        _run_notebooks(study, {"01_dataset": notebooks["01_dataset"]}, overrides, force=False)
        train_all(client, study, ablations=ABLATIONS in notebooks)


def _run_notebooks(
    study: Study, notebooks: dict[str, list[Step]], overrides: str, force: bool
) -> None:
    """Execute every notebook whose steps aren't done, with a line of progress for each."""
    start = time.perf_counter()
    parameters = {
        "profile": study.profile,
        "data": study.data,
        "run": study.run,
        "seeds": list(study.seeds),
        "overrides": overrides,
        "force": force,
    }
    for number, (name, steps) in enumerate(notebooks.items(), start=1):
        status = _Status(f"[{number}/{len(notebooks)}] {name}")
        if not force and all(step.is_done() for step in steps):
            status.close("up to date, skipped")
            continue
        try:
            _execute(name, parameters, study, status)
        except KeyboardInterrupt:
            status.close("interrupted; the same command goes on from here")
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # the kernel's own interrupt
            raise
        if name == "06_report":
            from .page import export  # figures and statistics with it: not for a skipped chain

            with report_step(study).running():
                export(executed_copy(study, name), study)
        left = [step.name for step in steps if not step.is_done()]
        if left:
            raise StudyError(
                f"notebook {name} ended without finishing: {', '.join(left)}; see "
                f"{shown(executed_copy(study, name))}"
            )
        status.close(f"{time.perf_counter() - status.start:.0f} s")
    print(f"took {(time.perf_counter() - start) / 60:.1f} min")


def executed_copy(study: Study, name: str) -> Path:
    """Where a notebook is kept as it was executed."""
    return results_dir(study.run) / "notebooks" / f"{name}.ipynb"


def _execute(name: str, parameters: dict[str, Any], study: Study, status: _Status) -> None:
    """Run one notebook; a failure becomes one sentence."""
    import papermill  # three seconds to import: not for a skipped chain
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    copy = executed_copy(study, name)
    copy.parent.mkdir(parents=True, exist_ok=True)
    log = copy.with_suffix(".log")
    try:
        with stderr_to(log), status.interruptible():
            papermill.execute_notebook(
                NOTEBOOKS / f"{name}.ipynb",
                copy,
                parameters,
                kernel_name="python3",
                progress_bar=False,
                stdout_file=status,
                stderr_file=status,
            )
    except PapermillExecutionError as error:
        status.close("failed")
        kind = "" if error.ename == "StudyError" else f"{error.ename}: "
        raise StudyError(
            f"{kind}{str(error.evalue).strip().splitlines()[-1]} [notebook {name}, cell "
            f"{error.cell_index + 1}; executed copy: {shown(copy)}]"
        ) from error
    except DeadKernelError as error:
        status.close("failed")
        raise StudyError(
            f"the kernel of notebook {name} died, most often for lack of memory: take fewer images "
            f"(images_per_class) or a smaller batch_size [its log: {shown(log)}]"
        ) from error
