"""The same steps on a Dask cluster, whose workers die."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pandas as pd
import pytest

from beyond.cluster import work
from beyond.cluster.work import connect, do_all, on_worker, seen
from conftest import TINY
from fakeface_utils.models import MODELS
from fakeface_utils.run import claim_run, load_study
from fakeface_utils.step import step
from fakeface_utils.util import StudyError

OVERRIDES = TINY.replace("epochs=2", "epochs=12")


def test_without_dask_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(StudyError, match=r"pip install -e '\.\[cluster\]'"):
        connect("tcp://127.0.0.1:8786")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "no such host", "carrier://pigeon"])
def test_where_nobody_answers_a_sentence_says_so(monkeypatch, address):
    pytest.importorskip("distributed")
    monkeypatch.setattr(work, "PATIENCE", 1)
    with pytest.raises(StudyError, match=f"no Dask scheduler answers at {address}"):
        connect(address)


@pytest.mark.usefixtures("places")
def test_images_are_prepared_before_a_scheduler_is_asked():
    with pytest.raises(StudyError, match=r"is missing: run fakeface data --run x$"):
        work.cluster("tcp://127.0.0.1:1", "x", False)


def test_the_backend_is_compared_whether_keras_is_loaded_or_not(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    without = seen([])
    loaded = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "tensorflow"))
    monkeypatch.setitem(sys.modules, "keras", loaded)
    assert seen([]) == without
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert seen([]) != without


@pytest.fixture
def client(places):
    """A cluster in this process: one worker with one thread."""
    distributed = pytest.importorskip("distributed")
    one = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(processes=False, **one) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.fixture
def steps(places, monkeypatch):
    """Two bases, and for each seed a step that stands on both; what was done, and what fails."""
    done, fails = [], {}

    def do(name, out):
        if name in fails:
            raise fails[name]
        done.append(name)
        (out / "file.txt").write_text(name)

    @step("x", ["file.txt"], each=("split",), folder=lambda s, split: s.results / split)
    def base(study, split, out):
        do(f"base {split}", out)

    @step("x", ["file.txt"], each=("seed",), folder=lambda s, k: s.results / str(k),
          after=lambda study, seed: [base.of(study, "train"), base.of(study, "valid")])  # fmt: skip
    def fit(study, seed, out):
        do(f"fit {seed}", out)

    study = load_study(run="x", seeds=3)
    tasks = [*base.all(study), *fit.all(study)]
    by_name = {task.name: task for task in tasks}

    class Process(contextlib.nullcontext):
        """Stands for the process of a worker, which would run `fakeface step NAME`."""

        def __init__(self, command, **_):
            super().__init__(self)
            (what, name, *given), self.code, told = command[3:], 0, ""
            assert [what, *given] == ["step", "--run", "x"]
            try:
                by_name[name].ensure()
            except Exception as error:
                told, self.code = f"noise\nerror: {error}\n", 1
            self.stderr = io.StringIO(told)

        def wait(self):
            return self.code

    monkeypatch.setattr(work, "subprocess", SimpleNamespace(PIPE=None, Popen=Process))
    return tasks, done, fails


def test_everything_is_done_once_and_what_it_needs_first(client, steps, capsys):
    tasks, done, _ = steps
    do_all(client, tasks)
    assert sorted(done) == sorted(task.name for task in tasks)
    assert max(map(done.index, ["base train", "base valid"])) < done.index("fit 0")
    assert capsys.readouterr().out.count(": done by inproc://") == len(tasks)
    done.clear()
    do_all(client, tasks)
    assert done == []


def test_a_failure_is_a_sentence_and_the_others_go_on(client, steps):
    tasks, done, fails = steps
    fails["fit 2"], fails["base test"] = StudyError("the disk is full"), StudyError("no room")
    with pytest.raises(StudyError) as error:
        do_all(client, tasks)
    assert "fit 2: the disk is full" in str(error.value)
    assert "base test: no room" in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(done) == ["base train", "base valid", "fit 0", "fit 1"]


def test_a_worker_that_sees_something_else_does_nothing(client, monkeypatch):
    monkeypatch.setattr(work, "COMMAND", "raise SystemExit('was started')")
    sent = seen([]) | {"keras": "2.0"}
    task = client.submit(on_worker, "train custom_cnn 0", "x", sent, [])
    with pytest.raises(StudyError, match=r"^train custom_cnn 0: keras is another on inproc"):
        task.result()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("import os; os.abort()", r"^name: its process was killed \(signal 6\)"),
        ("import sys; print('progress'); sys.exit('noise\\nerror: what to do')", "^name: what to"),
    ],
)
def test_the_sentence_of_a_failed_process_comes_back(client, monkeypatch, command, sentence):
    monkeypatch.setattr(work, "COMMAND", command)
    with pytest.raises(StudyError, match=sentence):
        client.submit(on_worker, "name", "x", seen([]), []).result()


def histories():
    """Every training's history without its seconds."""
    from fakeface_utils.trained import train

    tables = {task.name: task.read("history.csv") for task in train.all(load_study(run="tiny"))}
    return {name: table.drop(columns="seconds") for name, table in tables.items()}


@pytest.mark.slow
def test_trainings_whose_worker_was_killed_equal_a_sequential_run(places, monkeypatch):
    distributed = pytest.importorskip("distributed")
    from fakeface_utils.notebook import tasks_of
    from fakeface_utils.trained import train

    # The same digits need the same number of threads.
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")
    study = load_study(run="tiny", seeds=2, overrides=OVERRIDES)
    claim_run(study)
    for task in tasks_of(study, "01_dataset"):
        task.ensure()
    tasks, failed = train.all(study), []
    notebooks = {task.notebook: None for task in tasks}

    def command(client):
        try:
            do_all(client, [task for name in notebooks for task in tasks_of(study, name)])
        except StudyError as error:
            failed.append(error)

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=None
        ) as local,
        distributed.Client(local) as client,
    ):
        thread = threading.Thread(target=command, args=(client,))
        thread.start()
        pids = list(client.run(os.getpid).values())
        started = [task.marker.with_suffix(".part") / "best.weights.h5" for task in tasks]
        while not any(path.exists() for path in started):
            assert thread.is_alive()
            time.sleep(0.01)
        for pid in pids[:1]:
            os.kill(pid, signal.SIGKILL)
        thread.join()
        assert set(client.run(os.getpid).values()) != set(pids)
    assert failed == []
    found = histories()

    monkeypatch.setenv("FAKEFACE_RESULTS", str(places / "sequential"))
    words = ["--run", "tiny", "--seeds", "2", "--set", OVERRIDES]
    for task in train.all(study):
        command = [sys.executable, "-m", "fakeface_utils.cli", "step", task.name, *words]
        subprocess.run(command, check=True)
    expected = histories()
    assert found.keys() == expected.keys()
    assert len(found) == 2 * len(MODELS)
    for name, history in found.items():
        assert history["epoch"].tolist() == list(range(1, 13))
        pd.testing.assert_frame_equal(history, expected[name], check_exact=True)
