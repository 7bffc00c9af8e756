"""The same steps on other machines: a Dask scheduler hands each to one of its workers.

A task runs `fakeface step NAME` in a process of its own, as a job of a SLURM array does, and writes
the same files, which all machines share. Where a worker dies, another goes on from where it was.
"""

import os
import subprocess
import sys
import time
from typing import Any

from .data import dataset
from .extension import FOLDER
from .run import parameters_of
from .settings import Study
from .step import Task
from .util import ENDS_WITH_PARENT, PACKAGE, ROOT, StudyError, progress, sha256, versions

PATIENCE = 10  # seconds for a scheduler to answer
LATE = 90  # seconds after which a network's file system shows what another machine wrote
COMMAND = f"{ENDS_WITH_PARENT}\nfrom fakeface_utils.cli import main\nmain()"


def connect(address: str) -> Any:
    """A Dask client, which closes with its `with` block."""
    try:
        from distributed import Client

        return Client(address, timeout=PATIENCE)
    except ImportError as error:
        raise StudyError("a scheduler needs Dask: run pip install -e '.[cluster]'") from error
    except (OSError, ValueError) as error:
        raise StudyError(
            f"no Dask scheduler answers at {address}: start one with `dask scheduler` and give the "
            "address that it prints, as tcp://host:8786"
        ) from error


def seen(files: list[str]) -> dict[str, str]:
    """What must be the same on all machines: versions, and files by their paths from `ROOT`."""
    found = versions() | {"KERAS_BACKEND": os.environ.get("KERAS_BACKEND") or "tensorflow"}
    found.pop("keras backend", None)  # known only where Keras happens to be loaded
    there = [name for name in files if (ROOT / name).is_file()]
    return found | {name: sha256((ROOT / name).read_bytes()) for name in there}


def on_worker(words: list[str], files: list[str], sent: dict[str, str], after: list[str]) -> str:
    """Do one step and return this worker's address; `after` makes Dask wait for other steps.

    In the worker's own process Dask draws from Python's random state, twice a second, which decides
    Keras' initial weights; and a GPU's memory would stay taken. So the step has its own.
    """
    from distributed import get_worker

    address, here = str(get_worker().address), seen(files)
    if differ := [name for name, value in sent.items() if here.get(name) != value]:
        raise StudyError(
            f"{words[1]}: {differ[0]} is another on {address} than where the command runs: both "
            "need the same code, packages, data/ and results/, see docs/scaling.md"
        )
    pipes: Any = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "errors": "replace"}
    with subprocess.Popen([sys.executable, "-c", COMMAND, *words], cwd=ROOT, **pipes) as process:
        told = process.stderr.read() if process.stderr else ""
        code = process.wait()  # before the pipe to its input closes, which would end it
    sys.stderr.write(told)  # to the worker's log
    if code:
        why = ["", *told.strip().splitlines()][-1].removeprefix("error: ")
        killed = f"its process was killed (signal {-code}), most often for lack of memory"
        raise StudyError(f"{words[1]}: {killed if code < 0 else why}")
    return address


def do_all(client: Any, study: Study, tasks: list[Task]) -> None:
    """Have the cluster do the tasks that aren't done; print a line for each one's end.

    Raises:
        StudyError: some failed; the sentences name them, and what the others finished stays.
    """
    from distributed import as_completed

    given = parameters_of(study) | {"seeds": ",".join(map(str, study.seeds)) + ","}
    options = [f"--{key.replace('overrides', 'set')}={value}" for key, value in given.items()]
    files = [str(p.relative_to(ROOT)) for folder in (PACKAGE, FOLDER) for p in folder.rglob("*.py")]
    files += [str(dataset.of(study).path()), str(study.results / ".parameters.json")]
    sent, futures, asked = seen(files), dict[Any, Any](), dict[Any, Task]()
    for number, task in enumerate(task for task in tasks if task.why_not_done()):
        after = [futures[one.marker] for one in task.before() if one.marker in futures]
        work = (["step", task.name, *options], files, sent, after)
        future = client.submit(on_worker, *work, pure=False, priority=-number)
        futures[task.marker], asked[future] = future, task
    print(f"{len(asked)} steps for {len(client.nthreads())} workers; more may join")
    failed: dict[str, None] = {}  # once each: what needed a failed step fails with its sentence
    with progress(len(asked), "cluster", "step") as bar:
        try:
            for future in as_completed(list(asked)):
                task, end = asked[future], time.monotonic() + LATE
                try:
                    outcome = f"{task.name}: done by {future.result()}"
                    while task.why_not_done() and time.monotonic() < end:
                        time.sleep(1)
                except StudyError as error:
                    failed[outcome := str(error)] = None
                except Exception as error:  # Dask's own, or a defect: see the worker's log
                    outcome = f"{task.name}: {type(error).__name__}: {error}".splitlines()[0]
                    failed[outcome] = None
                bar.write(outcome)
                bar.update()
        except KeyboardInterrupt:
            client.cancel(list(asked))
            bar.write("interrupted: what is waiting is cancelled; the same command resumes")
            raise
    if failed:
        raise StudyError(f"{'; '.join(failed)}; what the others finished stays")
