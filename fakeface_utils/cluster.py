"""Trainings on other machines: a Dask scheduler hands them to its workers.

A worker does what the notebooks would do here and writes the same files, which all machines share;
so nothing comes back but the word that it is done. One that dies loses nothing: Dask hands its
task to another, where `train` goes on from the checkpoint.
"""

import io
import os
import pickle
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

from .dataset.prepare import prepare
from .errors import StudyError
from .files import digest
from .paths import MODELS, PACKAGE, ROOT, shown
from .progress import progress
from .provenance import ask_for_determinism, study_json, versions
from .questions import reading_step, trainings
from .step import Step
from .steps import features_step, prepare_step, train_step
from .study import Study

PATIENCE = 10  # seconds for a scheduler to answer
LATE = 90  # seconds after which a network's file system shows what another machine wrote


def connect(address: str) -> Any:
    """A Dask client, which closes with its `with` block.

    Args:
        address: the scheduler's, as tcp://host:8786.

    Raises:
        StudyError: Dask isn't installed, or nobody answers at the address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise StudyError("a scheduler needs Dask: run pip install -e '.[cluster]'") from error
    try:
        return Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise StudyError(
            f"no Dask scheduler answers at {address}: start one with `dask scheduler` and give the "
            "address that it prints, as tcp://host:8786"
        ) from error


def _plan(study: Study, ablations: bool) -> Iterator[tuple[Step, str, tuple[Any, ...]]]:
    """Every step before the test set, what it needs first: the step, its function, arguments."""
    others = trainings(study) if ablations else []
    trained = [(study, model) for model in MODELS]
    for each, model in trained + [(reading.study, model) for reading, model, _ in others]:
        yield prepare_step(each), "prepare", (each,)
        for split in ("train", "valid") if model == "vgg16" else ():
            yield features_step(each, split), "extract_features", (each, split)
    for model in MODELS:
        for seed in study.seeds:
            yield train_step(study, model, seed), "train", (study, model, seed)
    for one in others:
        yield reading_step(*one), "train_reading", one


def _shared(study: Study) -> dict[str, str]:
    """What must be the same wherever the study is trained: versions, code, images, results/."""
    files = [*sorted(PACKAGE.rglob("*.py")), *prepare_step(study).outputs]
    record = study_json(study.run)
    known = {shown(path): digest(path) for path in files}
    return versions() | known | {shown(record): str(record.exists())}


def _in_process(study: Study, function: str, arguments: tuple[Any, ...]) -> None:
    """Do one piece of the plan in a process of its own, as a notebook would.

    In a worker's own Dask draws from Python's random state, twice a second, which decides Keras'
    initial weights; and a GPU's memory would stay taken.

    Raises:
        StudyError: the work's own, or how the process ended.
    """
    command = [sys.executable, "-c", f"from {__name__} import _child; _child()"]
    with subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stderr=PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        pickle.dump((study, function, arguments), process.stdin)
        process.stdin.flush()  # it stays open: at its end the child knows that the worker is dead
        last = ""
        for line in io.TextIOWrapper(process.stderr, errors="replace"):
            sys.stderr.write(line)  # to the worker's log
            last = line.strip() or last
    if process.returncode < 0:
        signal = -process.returncode
        last = f"its process was killed (signal {signal}), most often for lack of memory"
    if process.returncode:
        raise StudyError(last)


def _child() -> None:
    """What `_in_process` starts: the last line of a failure is its sentence."""
    study, function, arguments = pickle.load(sys.stdin.buffer)

    def follow_worker() -> None:
        os.read(sys.stdin.fileno(), 1)  # returns at the end of the worker's process
        os._exit(1)  # another worker has the work now

    threading.Thread(target=follow_worker, daemon=True).start()
    if study.deterministic:
        ask_for_determinism()
    from .ablations import train_reading
    from .features import extract_features
    from .training import train

    works: Any = (prepare, extract_features, train, train_reading)
    try:
        {work.__name__: work for work in works}[function](*arguments)
    except StudyError as error:
        sys.exit(str(error))


def _do(
    study: Study,
    sent: dict[str, str],
    step: Step,
    function: str,
    arguments: tuple[Any, ...],
    needs: list[None],
) -> str:
    """A worker's task: one piece of the plan; its address. `needs` only makes Dask wait for them.

    Raises:
        StudyError: the work's own, or the worker sees something else; both name the step.
    """
    from distributed import Semaphore, get_worker

    address = str(get_worker().address)
    here = _shared(study)
    differ = [name for name, value in sent.items() if here.get(name) != value]
    if differ:
        raise StudyError(
            f"{step.name}: {differ[0]} is another on {address} than where the command runs: both "
            "need the same code, packages, data/ and results/, see docs/scaling.md"
        )
    # A worker that was given up, or whose task was cancelled, may still be at it.
    with Semaphore(name=shown(step.marker)):
        try:
            _in_process(study, function, arguments)
        except StudyError as error:
            raise StudyError(f"{step.name}: {error}") from error
    return address


def _outcome(future: Any, step: Step) -> str:
    """Who did a piece of work, once its files are seen from here.

    Raises:
        StudyError: it failed.
    """
    try:
        worker = future.result()
    except StudyError:
        raise
    except Exception as error:  # Dask's own, or a defect: the worker's log has the traceback
        said = f"{step.name}: {type(error).__name__}: {error}"
        raise StudyError(said.splitlines()[0]) from error
    end = time.monotonic() + LATE
    while not step.is_done():
        if time.monotonic() > end:
            raise StudyError(f"{step.name}: its files by {worker} can't be seen from here")
        time.sleep(1)
    return f"{step.name}: done by {worker}"


def train_all(client: Any, study: Study, ablations: bool = False) -> None:
    """Have the cluster do what isn't done before the test set; a line for each piece that ends.

    Args:
        client: from `connect`.
        study: the settings and seeds; its images are prepared.
        ablations: the other readings' trainings too.

    Raises:
        StudyError: some work failed; the sentences name it, and what the others finished stays.
    """
    from distributed import as_completed

    sent = _shared(study)
    futures: dict[Path, Any] = {}
    steps: dict[str, Step] = {}
    for step, function, arguments in _plan(study, ablations):
        if step.marker in futures or step.is_done():
            continue
        needs = [futures[before.marker] for before in step.after if before.marker in futures]
        key = f"{step.name}-{uuid.uuid4()}"
        futures[step.marker] = client.submit(
            _do, study, sent, step, function, arguments, needs, key=key, priority=-len(futures)
        )
        steps[key] = step
    print(f"{len(futures)} pieces of work for {len(client.nthreads())} workers; more may join")
    failed: dict[str, None] = {}  # once each: what needed a failed piece fails with its sentence
    with progress(len(futures), "cluster", "piece") as bar:
        try:
            for future in as_completed(futures.values()):
                try:
                    said = _outcome(future, steps[future.key])
                except StudyError as error:
                    said = str(error)
                    failed[said] = None
                bar.write(said)
                bar.update()
        except KeyboardInterrupt:
            client.cancel(list(futures.values()))
            bar.write("interrupted: what is waiting is cancelled; the same command goes on")
            raise
    if failed:
        raise StudyError(f"{'; '.join(failed)}; what the others finished stays")
