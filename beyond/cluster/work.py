"""`fakeface cluster`: each step in a process of its own on a worker, with files that all share."""

import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from fakeface_utils.chain import notebooks
from fakeface_utils.data import dataset
from fakeface_utils.extension import FOLDER, chosen
from fakeface_utils.notebook import tasks_of
from fakeface_utils.run import load_study
from fakeface_utils.step import Task
from fakeface_utils.util import ENDS_WITH_PARENT, PACKAGE, ROOT, StudyError, sha256, versions

PATIENCE = 10  # seconds for a scheduler to answer
COMMAND = f"{ENDS_WITH_PARENT}\nfrom fakeface_utils.cli import main\nmain()"


def cluster(address: str, run: str, beyond: bool) -> None:
    """Do the steps of every notebook between the first and the report.

    Raises:
        StudyError: the images aren't prepared, no scheduler answers, or some steps failed.
    """
    study = load_study(run=run)
    if why := dataset.of(study).why_stale():
        raise StudyError(f"{why}: run fakeface data --run {run}")
    names = [*notebooks(study, chosen("", study) if beyond else [])][1:-1]
    with connect(address) as client:
        do_all(client, [task for name in names for task in tasks_of(study, name)])
    print(f"all steps are done; the notebooks: make report RUN={run}")


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


def seen(files: Iterable[str]) -> dict[str, str]:
    """What must be the same on all machines: versions, and files by their paths from `ROOT`."""
    found = versions() | {"keras backend": os.environ.get("KERAS_BACKEND") or "tensorflow"}
    there = [name for name in files if (ROOT / name).is_file()]
    return found | {name: sha256((ROOT / name).read_bytes()) for name in there}


def on_worker(name: str, run: str, sent: dict[str, str], after: list[str]) -> str:
    """Do one step and return this worker's address; `after` makes Dask wait for other steps.

    In the worker's own process Dask draws from Python's random state, twice a second, which decides
    Keras' initial weights; and a GPU's memory would stay taken. So the step has its own.
    """
    from distributed import get_worker

    address, here = str(get_worker().address), seen(sent)
    if differ := [key for key, value in sent.items() if here.get(key) != value]:
        raise StudyError(
            f"{name}: {differ[0]} is another on {address} than where the command runs: both need "
            "the same code, packages, data/ and results/, see docs/scaling.md"
        )
    command = [sys.executable, "-c", COMMAND, "step", name, "--run", run]
    pipes: Any = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "errors": "replace"}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        told = process.stderr.read() if process.stderr else ""
        code = process.wait()  # before the pipe to its input closes, which would end it
    sys.stderr.write(told)  # to the worker's log
    if code:
        why = ["", *told.strip().splitlines()][-1].removeprefix("error: ")
        killed = f"its process was killed (signal {-code}), most often for lack of memory"
        raise StudyError(f"{name}: {killed if code < 0 else why}")
    return address


def do_all(client: Any, tasks: list[Task]) -> None:
    """Have the cluster do the tasks that aren't done; print a line for each one's end.

    Raises:
        StudyError: some failed; the sentences name them, and what the others finished stays.
    """
    from distributed import as_completed

    study = tasks[0].study
    files = [path for folder in (PACKAGE, FOLDER) for path in folder.rglob("*.py")]
    files += [dataset.of(study).path(), study.results / ".parameters.json"]
    sent = seen(os.path.relpath(path, ROOT) for path in files)
    futures: dict[Any, Any] = {}
    for task in (task for task in tasks if task.why_not_done()):
        after = [futures[one.marker] for one in task.before() if one.marker in futures]
        work, key = (on_worker, task.name, study.run, sent, after), f"{study.run}: {task.name}"
        futures[task.marker] = client.submit(*work, key=key, priority=-len(futures))
    print(f"{len(futures)} steps for {len(client.nthreads())} workers; more may join")
    failed: dict[str, None] = {}  # once each: what needed a failed step fails with its sentence
    for future in as_completed(list(futures.values())):
        try:
            print(f"{future.key}: done by {future.result()}", flush=True)
        except Exception as error:  # a sentence, or Dask's own of a worker that died
            print(f"{future.key}: failed", flush=True)
            failed[str(error).splitlines()[0]] = None
    if failed:
        raise StudyError(f"{'; '.join(failed)}; what the others finished stays")
