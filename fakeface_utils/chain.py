"""Run the notebooks in order with papermill, skip what is done, and export the report."""

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from .dataset.prepare import source_counts
from .errors import StudyError
from .files import stderr_to
from .paths import NOTEBOOKS, results_dir, shown
from .provenance import claim_run, gpus
from .steps import report_step, steps_of
from .study import Study, load_study

# Multiply-adds a second on two cores, measured: training the custom CNN, VGG16 forward.
TRAINING_SPEED, FORWARD_SPEED = 15e9, 40e9
OVERHEAD = 60  # seconds for kernels, imports, figures and the report


def estimate_seconds(study: Study, counts: dict[str, int], cores: int) -> float:
    """A rough time for the whole chain without a GPU.

    Args:
        study: the settings.
        counts: images in each split.
        cores: processor cores.
    """
    share = (study.image_size / 224) ** 2
    custom, vgg16 = 1.50e9 * share, 15.35e9 * share  # multiply-adds for one image
    passes = 3 * counts["train"] + counts["valid"]  # backward costs about two forward passes
    training = study.epochs * passes * custom * len(study.seeds) / TRAINING_SPEED
    features = sum(counts.values()) * vgg16 / FORWARD_SPEED
    return OVERHEAD + (training + features) * 2 / cores


class _Status:
    """One line for each notebook; what the notebook prints shows on it while it runs."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.start = self.said = time.perf_counter()
        self.live = sys.stdout.isatty()
        if self.live:
            self._show("running")

    def _show(self, text: str, end: str = "") -> None:
        clear = "\r\x1b[K" if self.live else ""
        width = os.get_terminal_size().columns - 1 if self.live else None
        print(clear + f"{self.title}: {text}"[:width], end=end, flush=True)

    def write(self, text: str) -> None:
        """Take what the notebook prints: at once on a terminal, once a minute in a log."""
        lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
        now = time.perf_counter()
        if lines and (self.live or now - self.said > 60):
            self.said = now
            self._show(lines[-1], end="" if self.live else "\n")

    def flush(self) -> None:
        """Part of what papermill asks of a file."""

    def close(self, text: str) -> None:
        """The line's last words."""
        self._show(text, end="\n")


def run(
    profile: str = "demo",
    data: str = "",
    run: str = "",
    seeds: Any = 1,
    overrides: str = "",
    force: bool = False,
) -> Study:
    """Run the whole study: every notebook whose steps aren't done, then the report.

    Args:
        profile, data, run, seeds, overrides: see `load_study`.
        force: do all again, and let the run's name change what it holds.

    Raises:
        StudyError: a parameter or the data is wrong, or a notebook failed.
    """
    study = load_study(profile, data, run, seeds, overrides)
    claim_run(study, force)
    counts = source_counts(study)
    if not gpus():
        minutes = estimate_seconds(study, counts, os.cpu_count() or 1) / 60
        length = f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} hours"
        print(f"no GPU: from nothing, this takes about {length} on {os.cpu_count()} cores")
    parameters = {
        "profile": profile,
        "data": study.data,
        "run": study.run,
        "seeds": list(study.seeds),
        "overrides": overrides,
        "force": force,
    }
    notebooks = steps_of(study)
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
            from .report import export  # figures and statistics with it: not for a skipped chain

            with report_step(study).running():
                export(executed_copy(study, name), study)
        left = [step.name for step in steps_of(study)[name] if not step.is_done()]
        if left:
            raise StudyError(
                f"notebook {name} ended without finishing: {', '.join(left)}; see "
                f"{shown(executed_copy(study, name))}"
            )
        status.close(f"{time.perf_counter() - status.start:.0f} s")
    return study


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
        with stderr_to(log):
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
