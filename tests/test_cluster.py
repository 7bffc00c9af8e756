"""Trainings on a Dask cluster, whose workers die, and files that several machines write at once."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from conftest import TINY

from fakeface_utils.cli import app
from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.files import write_csv, write_json
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.run import cluster
from fakeface_utils.run import work as work_module
from fakeface_utils.run.cluster import connect, run_on_worker, step_command, train_all
from fakeface_utils.run.work import steps_to_train
from fakeface_utils.study import questions, readings
from fakeface_utils.study.artefacts import prepared_dir, seed_dir
from fakeface_utils.study.beyond import beyond_steps
from fakeface_utils.study.names import MODELS
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import chain_steps, train_step
from fakeface_utils.study.record import record

STUDY = load_study(run="tiny", seeds=4, overrides=TINY + " epochs=12")
SEQUENTIAL = """
import sys
from fakeface_utils.networks.features import extract_features
from fakeface_utils.networks.training import train
from fakeface_utils.study.parameters import load_study

study = load_study(run="tiny", seeds=4, overrides=sys.argv[1])
for split in ("train", "valid"):
    extract_features(study, split)
for model in ("custom_cnn", "vgg16"):
    for seed in study.seeds:
        train(study, model, seed)
"""


def write_often(path):
    """One writer of several: 25 times the same content, as the seeds' trainings write theirs."""
    for _ in range(25):
        write_csv(path, pd.DataFrame({"layer": range(2000)}), shared=True)
        write_json(path.with_suffix(".json"), list(range(2000)), shared=True)
    return True


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_files_that_several_write_at_once_are_always_whole(tmp_path, kind):
    path = tmp_path / "shared" / "architecture.csv"
    pool = (
        ThreadPoolExecutor(4)
        if kind == "threads"
        else ProcessPoolExecutor(2, get_context("forkserver"))
    )
    with pool:
        writers = [pool.submit(write_often, path) for _ in range(4)]
        while not all(writer.done() for writer in writers):
            if path.with_suffix(".json").exists():
                assert len(pd.read_csv(path)) == 2000
                assert len(json.loads(path.with_suffix(".json").read_text())) == 2000
        assert all(writer.result() for writer in writers)
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, "architecture.json"]


def test_without_dask_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(StudyError, match=r"pip install -e '\.\[cluster\]'"):
        connect("tcp://127.0.0.1:8786")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "no such host", "carrier://pigeon"])
def test_where_nobody_answers_a_sentence_says_so(monkeypatch, address):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    with pytest.raises(StudyError, match=f"no Dask scheduler answers at {address}"):
        connect(address)


@pytest.fixture
def client(places):
    """A cluster in this process: one worker with one thread, and prepared images."""
    distributed = pytest.importorskip("distributed")
    prepare(STUDY)
    record(STUDY)
    one = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(processes=False, **one) as local,
        distributed.Client(local) as client,
    ):
        yield client


class Work(NamedTuple):
    done: list[str]
    fails: dict[str, Exception]


@pytest.fixture
def work(monkeypatch):
    """Stands for the work itself: what was to be done, in order, and what fails."""
    work = Work([], {})

    def do(step):
        def write():
            for path in step.outputs:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("")

        if step.name in work.fails:
            raise work.fails[step.name]
        if step.kind == "prepare":
            prepare(step.study)
        else:
            step.do(write)
        work.done.append(step.name)

    monkeypatch.setattr(work_module, "do", do)
    # The command that a process of its own would run, here.
    monkeypatch.setattr(cluster, "_in_process", lambda words: app(words, standalone_mode=False))
    return work


def test_everything_is_done_once_and_what_it_needs_first(client, work, capsys, monkeypatch):
    register = questions.register()
    few = {name: register[name] for name in ("resize_filter", "vgg16_scaling", "padding")}
    monkeypatch.setattr(readings, "register", lambda: few)
    study = STUDY.model_copy(update={"seeds": (0, 1)})
    notebooks = chain_steps(study) | beyond_steps(study, "open_questions")
    train_all(client, study, notebooks)
    # The study's own images are there; those of the other filter are made.
    assert [name for name in work.done if name.startswith("prepare images")] == [
        "prepare images with resize_filter=nearest"
    ]
    of_train = "VGG16 features of train"
    assert sorted(name for name in work.done if name.startswith(of_train)) == [
        of_train, f"{of_train} with resize_filter=nearest", f"{of_train} with vgg16_scaling=unit",
    ]  # fmt: skip
    assert len(work.done) == 1 + 3 * 2 + len(MODELS) * 2 + 2 * (2 + 1 + 1)
    assert capsys.readouterr().out.count(": done by ") == len(work.done)
    assert all(step.is_done() for step in steps_to_train(notebooks))
    work.done.clear()
    train_all(client, study, notebooks)
    assert work.done == []


def test_the_learning_curve_is_trained_after_what_it_needs(client, work):
    study = STUDY.model_copy(update={"seeds": (0,)})
    train_all(client, study, chain_steps(study) | beyond_steps(study, "learning_curve"))
    points = [name for name in work.done if name.endswith(" of the images")]
    assert len(points) == 3 * len(MODELS)
    assert "train vgg16 seed 0 on 0.125 of the images" in points
    first = min(work.done.index(name) for name in points if "vgg16" in name)
    assert "VGG16 features of test" in work.done[:first]


def test_a_failure_is_a_sentence_and_the_others_go_on(client, work):
    work.fails["train custom_cnn seed 2"] = StudyError("the disk is full")
    work.fails["VGG16 features of train"] = ValueError("a defect\nwith details")
    with pytest.raises(StudyError) as error:
        train_all(client, STUDY, chain_steps(STUDY))
    sentence = str(error.value)
    assert "train custom_cnn seed 2: the disk is full" in sentence
    assert "VGG16 features of train: ValueError: a defect" in sentence
    assert "\n" not in sentence
    trained = [f"train custom_cnn seed {seed}" for seed in (0, 1, 3)]
    assert sorted(work.done) == ["VGG16 features of valid", *trained]


def test_a_worker_that_sees_something_else_does_nothing(client, work):
    step = train_step(STUDY, "custom_cnn", 0)
    sent = cluster._shared(STUDY) | {"keras": "2.0"}
    task = client.submit(run_on_worker, STUDY, sent, step, [])
    with pytest.raises(StudyError, match=r"^train custom_cnn seed 0: keras is another on inproc"):
        task.result()
    assert work.done == []


@pytest.mark.usefixtures("work")
def test_the_backend_is_compared_whether_keras_is_loaded_or_not(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    without = cluster._shared(STUDY)
    loaded = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "tensorflow"))
    monkeypatch.setitem(sys.modules, "keras", loaded)
    assert cluster._shared(STUDY) == without
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert cluster._shared(STUDY)["KERAS_BACKEND"] != without["KERAS_BACKEND"]


def test_the_sentence_of_a_failed_process_comes_back(places, monkeypatch):
    words = step_command(STUDY, "train custom_cnn seed 0")
    with pytest.raises(StudyError, match=r"^\S+ is missing: run notebooks/01_dataset"):
        cluster._in_process(words)
    monkeypatch.setattr(cluster, "COMMAND", "import os; os.abort()")
    with pytest.raises(StudyError, match=r"killed \(signal 6\)"):
        cluster._in_process(words)


def test_a_step_that_does_not_exist_is_a_sentence_that_names_those_there_are(places):
    with pytest.raises(StudyError, match="no step 'train vgg16': there is train vgg16 seed "):
        app(step_command(STUDY, "train vgg16"), standalone_mode=False)


def histories():
    """Every training's history without its seconds, and its best epoch."""
    found = {}
    for model in MODELS:
        for seed in STUDY.seeds:
            history = pd.read_csv(seed_dir("tiny", model, seed) / "history.csv")
            found[model, seed] = history.drop(columns="seconds")
    return found


@pytest.mark.slow
def test_trainings_whose_worker_was_killed_equal_a_sequential_run(places, monkeypatch):
    distributed = pytest.importorskip("distributed")
    # The same digits need the same number of threads.
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")
    prepare(STUDY)
    record(STUDY)
    sequential = subprocess.Popen(
        [sys.executable, "-c", SEQUENTIAL, TINY + " epochs=12"],
        env={**os.environ, "FAKEFACE_RESULTS": str(places / "sequential")},
    )
    assert sequential.wait() == 0
    shutil.rmtree(prepared_dir(STUDY) / "features")  # the workers make them again

    steps = [train_step(STUDY, model, seed) for model in MODELS for seed in STUDY.seeds]
    failed = []

    def work(client):
        try:
            train_all(client, STUDY, chain_steps(STUDY))
        except StudyError as error:
            failed.append(error)

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=None
        ) as local,
        distributed.Client(local) as client,
    ):
        training = threading.Thread(target=work, args=(client,))
        training.start()
        pids = list(client.run(os.getpid).values())
        while sum(step.checkpoint.exists() for step in steps) < 2:
            assert training.is_alive()
            time.sleep(0.01)
        # Both workers are in the middle of a training now.
        os.kill(pids[0], signal.SIGKILL)
        training.join()
        assert set(client.run(os.getpid).values()) != set(pids)
    assert failed == []

    found = histories()
    monkeypatch.setenv("FAKEFACE_RESULTS", str(places / "sequential"))
    expected = histories()
    assert len(found) == len(expected) == 8
    for key, history in found.items():
        assert history["epoch"].tolist() == list(range(1, 13))
        pd.testing.assert_frame_equal(history, expected[key], check_exact=True)
        assert np.argmin(history["val_loss"]) == np.argmin(expected[key]["val_loss"])
