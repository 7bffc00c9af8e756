"""Run the notebooks in order with papermill and skip what is done."""

import itertools
import logging
import time
from typing import Any

from ..common.errors import StudyError
from ..common.files import cannot_write, check_writable
from ..common.locks import lock
from ..common.paths import NOTEBOOKS, figures_dir, results_dir, shown
from ..common.progress import stderr_to
from ..dataset.prepare import source_counts
from ..report.notebook_pages import write_pages
from ..study.artefacts import executed_notebook
from ..study.beyond import beyond_steps
from ..study.parameters import parameters_of
from ..study.plan import chain_steps
from ..study.record import claim_run, record
from ..study.settings import Study
from ..study.step import Digests, Step
from .cluster import connect, train_all
from .estimate import print_estimate
from .status import Status, on_interrupt

Notebooks = dict[str, list[Step]]  # by name, in order, with the steps that each does


def run(study: Study, force: bool = False, scheduler: str = "") -> None:
    """Run the whole study: every notebook whose steps aren't done; the last writes the report.

    Args:
        study: the settings and seeds.
        force: do all again, and let the run's name change what it holds.
        scheduler: the address of a Dask scheduler, whose workers then train.

    Raises:
        StudyError: the data is wrong, or a notebook or a worker failed.
    """
    _run(study, chain_steps(study), "from nothing, this", force, scheduler)


def run_beyond(study: Study, only: str = "", force: bool = False, scheduler: str = "") -> None:
    """Measure what is beyond the paper, and write the report with it; first the run's own study.

    Args:
        study, force, scheduler: see `run`.
        only: what to measure, see `beyond_steps`.

    Raises:
        StudyError: there is no such thing to measure; or as `run`.
    """
    notebooks = chain_steps(study)
    report = {"06_report": notebooks.pop("06_report")}
    _run(study, notebooks | beyond_steps(study, only) | report, "what is left", force, scheduler)


def _run(study: Study, notebooks: Notebooks, what: str, force: bool, scheduler: str) -> None:
    client = connect(scheduler) if scheduler else None
    check_writable(results_dir(""), figures_dir(""))
    running = lock(results_dir(f".{study.run}.chain.lock"), f"run '{study.run}'", wait=False)
    with on_interrupt(), running:
        claim_run(study, force)
        counts = source_counts(study)
        if client:
            _train_on_cluster(client, study, notebooks, force)
        else:
            known = Digests()
            steps = {step.marker: step for step in itertools.chain(*notebooks.values())}
            left = [step for step in steps.values() if force or not step.is_done(known)]
            print_estimate(what, study, counts, left)
        _run_notebooks(study, notebooks, force and not client)
        record(study)  # also where all was up to date: the file may have been deleted
        write_pages(study)


def _train_on_cluster(client: Any, study: Study, notebooks: Notebooks, force: bool) -> None:
    """Prepare the images here and have the cluster train, so that the notebooks find it done."""
    for step in itertools.chain(*notebooks.values()) if force else ():
        step.forget()  # now, since a notebook that is forced would train again
    with client:
        _run_notebooks(study, {"01_dataset": notebooks["01_dataset"]}, force=False)
        train_all(client, study, notebooks)


def _run_notebooks(study: Study, notebooks: Notebooks, force: bool) -> None:
    """Execute every notebook whose steps aren't done, with a line of progress for each."""
    start = time.perf_counter()
    parameters = parameters_of(study) | {"force": force}
    for number, (name, steps) in enumerate(notebooks.items(), start=1):
        status = Status(f"[{number}/{len(notebooks)}] {name}")
        known = Digests()
        if not force and all(step.is_done(known) for step in steps):
            status.close("up to date, skipped")
            continue
        try:
            _execute(name, parameters, study, status)
        except KeyboardInterrupt:
            status.close("interrupted; the same command resumes from here")
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # the kernel's own interrupt
            raise
        left = [step.name for step in steps if not step.is_done()]
        if left:
            raise StudyError(
                f"notebook {name} ended without finishing: {', '.join(left)}; see "
                f"{shown(executed_notebook(study, name))}"
            )
        status.close(f"{time.perf_counter() - status.start:.0f} s")
    print(f"took {(time.perf_counter() - start) / 60:.1f} min")


def _execute(name: str, parameters: dict[str, Any], study: Study, status: Status) -> None:
    """Run one notebook; a failure becomes one sentence."""
    import papermill  # three seconds to import: not for a skipped chain
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    copy = executed_notebook(study, name)
    check_writable(copy.parent)
    log = copy.with_suffix(".log")
    try:
        with stderr_to(log), status.interruptible():
            papermill.execute_notebook(
                NOTEBOOKS / f"{name}.ipynb",
                str(copy).replace("{", "{{").replace("}", "}}"),  # papermill fills in braces
                parameters,
                kernel_name="python3",
                progress_bar=False,
                stdout_file=status,
                stderr_file=status,
                coalesce_streams=True,  # a progress bar is kept as its last line
            )
    except PapermillExecutionError as error:
        status.close("failed")
        kind = "" if error.ename == "StudyError" else f"{error.ename}: "
        raise StudyError(
            f"{kind}{str(error.evalue).strip().splitlines()[-1]} [notebook {name}, cell "
            f"{error.cell_index + 1}; executed copy: {shown(copy)}]"
        ) from error
    except OSError as error:
        status.close("failed")
        raise cannot_write(copy, error) from error
    except RuntimeError as error:  # a kernel that dies while it works, or while it starts
        if not isinstance(error, DeadKernelError) and "Kernel died" not in str(error):
            raise
        status.close("failed")
        raise StudyError(
            f"the kernel of notebook {name} died, most often for lack of memory: take fewer images "
            f"(images_per_class) or a smaller batch_size [its log: {shown(log)}]"
        ) from error
