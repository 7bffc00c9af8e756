"""Training runs on other machines: a Dask scheduler hands steps to its workers.

A task runs `fakeface step NAME` in a process of its own, as a job of a SLURM array does, and writes
the same files, which all machines share; so only its end comes back. A worker that dies loses
nothing: Dask hands its task to another, where the training run resumes from the checkpoint.
"""

import io
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from ..common.digests import digest
from ..common.errors import StudyError
from ..common.machine import ENDS_WITH_PARENT, versions
from ..common.paths import PACKAGE, ROOT, shown
from ..common.progress import progress
from ..study.artefacts import study_json
from ..study.parameters import parameters_of
from ..study.plan import prepare_step
from ..study.settings import Study
from ..study.step import Step
from .work import steps_to_train

PATIENCE = 10  # seconds for a scheduler to answer
LATE = 90  # seconds after which a network's file system shows what another machine wrote
COMMAND = f"{ENDS_WITH_PARENT}\nfrom fakeface_utils.cli import main\nmain()"


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


def _shared(study: Study) -> dict[str, str]:
    """What must be the same wherever the study is trained: versions, code, images, results/."""
    installed = versions()
    # `versions` knows the backend only where Keras is loaded, which neither side need have done.
    installed.pop("keras backend", None)
    installed["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "tensorflow"
    files = [*sorted(PACKAGE.rglob("*.py")), *prepare_step(study).outputs]
    record = study_json(study.run)
    known = {shown(path): digest(path) for path in files}
    return installed | known | {shown(record): str(record.exists())}


def step_command(study: Study, name: str) -> list[str]:
    """The words of `fakeface step` for one step of a study."""
    given = parameters_of(study)
    options = {"set": given.pop("overrides"), "seeds": ",".join(map(str, given.pop("seeds"))) + ","}
    words = [f"--{key}={value}" for key, value in (given | options).items()]
    return ["step", name, *words]


def _in_process(words: list[str]) -> None:
    """Run `fakeface` with these words in a process that ends with this one.

    In a worker's own process Dask draws from Python's random state, twice a second, which decides
    Keras' initial weights; and a GPU's memory would stay taken.

    Raises:
        StudyError: the command's own sentence, or how the process ended.
    """
    command = [sys.executable, "-c", COMMAND, *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stderr=pipe) as process:
        assert process.stderr is not None
        last = ""
        for line in io.TextIOWrapper(process.stderr, errors="replace"):
            sys.stderr.write(line)  # to the worker's log
            last = line.strip() or last
        process.wait()  # before the pipe to its input closes, which would end it
    if process.returncode < 0:
        signal = -process.returncode
        last = f"its process was killed (signal {signal}), most often for lack of memory"
    if process.returncode:
        raise StudyError(last.removeprefix("error: "))


def run_on_worker(study: Study, sent: dict[str, str], step: Step, after: list[str]) -> str:
    """Do one step on this worker and return its address; `after` makes Dask wait for others.

    Raises:
        StudyError: the step's own, or the worker sees something else; both name the step.
    """
    from distributed import get_worker

    address = str(get_worker().address)
    here = _shared(study)
    differ = [name for name, value in sent.items() if here.get(name) != value]
    if differ:
        raise StudyError(
            f"{step.name}: {differ[0]} is another on {address} than where the command runs: both "
            "need the same code, packages, data/ and results/, see docs/scaling.md"
        )
    try:
        _in_process(step_command(study, step.name))
    except StudyError as error:
        raise StudyError(f"{step.name}: {error}") from error
    return address


def _outcome(future: Any, step: Step) -> str:
    """Which worker did a step, once its files are seen from here.

    Raises:
        StudyError: it failed.
    """
    try:
        worker = future.result()
    except StudyError:
        raise
    except Exception as error:  # Dask's own, or a defect: the worker's log has the traceback
        sentence = f"{step.name}: {type(error).__name__}: {error}"
        raise StudyError(sentence.splitlines()[0]) from error
    end = time.monotonic() + LATE
    while not step.is_done():
        if time.monotonic() > end:
            raise StudyError(f"{step.name}: its files by {worker} can't be seen from here")
        time.sleep(1)
    return f"{step.name}: done by {worker}"


def train_all(client: Any, study: Study, notebooks: dict[str, list[Step]]) -> None:
    """Have the cluster do the training runs that aren't done; print a line for each step's end.

    Args:
        client: from `connect`.
        study: the settings and seeds; its images are prepared.
        notebooks: whose training runs, by their names.

    Raises:
        StudyError: some steps failed; the sentences name them, and what the others finished stays.
    """
    from distributed import as_completed

    sent = _shared(study)
    futures: dict[Path, Any] = {}
    steps: dict[str, Step] = {}
    for step in steps_to_train(notebooks):
        if step.is_done():
            continue
        after = [futures[before.marker] for before in step.after if before.marker in futures]
        key = f"{step.name}-{uuid.uuid4()}"
        words = (study, sent, step, after)
        futures[step.marker] = client.submit(run_on_worker, *words, key=key, priority=-len(futures))
        steps[key] = step
    print(f"{len(futures)} steps for {len(client.nthreads())} workers; more may join")
    failed: dict[str, None] = {}  # once each: what needed a failed step fails with its sentence
    with progress(len(futures), "cluster", "step") as bar:
        try:
            for future in as_completed(futures.values()):
                try:
                    outcome = _outcome(future, steps[future.key])
                except StudyError as error:
                    outcome = str(error)
                    failed[outcome] = None
                bar.write(outcome)
                bar.update()
        except KeyboardInterrupt:
            client.cancel(list(futures.values()))
            bar.write("interrupted: what is waiting is cancelled; the same command resumes")
            raise
    if failed:
        raise StudyError(f"{'; '.join(failed)}; what the others finished stays")
