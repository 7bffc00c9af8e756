"""Training that is killed, repeated, or finds a checkpoint that isn't its own."""

import contextlib
import dataclasses
import io
import multiprocessing
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import get_args

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import TINY

from fakeface_utils.common.errors import Interrupted, StudyError
from fakeface_utils.common.files import write_json
from fakeface_utils.common.paths import PACKAGE
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.networks import training
from fakeface_utils.networks.checkpoint import ARRAYS, Checkpoint, open_checkpoint
from fakeface_utils.networks.models import custom_cnn, vgg16_head
from fakeface_utils.networks.predict import predict_test
from fakeface_utils.networks.training import fit, train
from fakeface_utils.notebook import open_study
from fakeface_utils.study import step as step_module
from fakeface_utils.study.artefacts import prepared_dir, seed_dir, study_json
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import train_step
from fakeface_utils.study.record import claim_run
from fakeface_utils.study.settings import Decay, Study

STUDY = load_study(run="tiny", overrides=TINY + " epochs=10")
SHORT = STUDY.model_copy(update={"epochs": 2})
KILLS = 5

# A process for each kill, forked from one that has made this file's slow imports: ten seconds.
PROCESSES = multiprocessing.get_context("forkserver")
SLOW = [
    f"fakeface_utils.{name}" for name in ("networks.predict", "report.tables", "networks.training")
]
PROCESSES.set_forkserver_preload(["pytest", *SLOW])


def work(data: Path, results: Path, stalled: int) -> None:
    """Train and predict; the write of checkpoint number `stalled` stops half way and says so."""
    os.setsid()
    os.environ |= {"FAKEFACE_DATA": str(data), "FAKEFACE_RESULTS": str(results)}
    results.mkdir(exist_ok=True)
    save, write = np.savez, Checkpoint.write

    def half(path, **arrays):
        whole = io.BytesIO()
        save(whole, **arrays)
        with open(path, "wb") as file:
            file.write(whole.getvalue()[: whole.tell() // 2])
        print("writing")
        time.sleep(600)

    def stalling(checkpoint):
        if len(checkpoint.rows) == stalled:
            np.savez = half
        write(checkpoint)

    Checkpoint.write = stalling
    with (
        open(results / "log", "a", buffering=1) as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        print("begun")
        train(STUDY, "custom_cnn", 0)
        predict_test(STUDY, "custom_cnn", 0)


class Life:
    """One seed's training in a folder of its own, in as many processes as it takes."""

    def __init__(self, data: Path, results: Path) -> None:
        self.data, self.results = data, results
        self.folder = results / "tiny" / "custom_cnn" / "seed-0"

    def start(self, stalled: int = 0) -> None:
        self.heard = len(self.log())
        arguments = (self.data, self.results, stalled)
        self.process = PROCESSES.Process(target=work, args=arguments, daemon=True)
        self.process.start()

    def log(self) -> str:
        path = self.results / "log"
        return path.read_text() if path.exists() else ""

    def hear(self, words: str) -> None:
        """Wait until the process says this, or ends."""
        while words not in self.log()[self.heard :] and self.process.is_alive():
            time.sleep(0.01)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()
        assert self.process.exitcode == -signal.SIGKILL

    def end(self) -> tuple[pd.DataFrame, bytes]:
        """Wait for the process to end by itself: the history and the predictions it leaves."""
        self.process.join()
        assert self.process.exitcode == 0, self.log()
        files = sorted(path for path in self.folder.iterdir() if path.suffix != ".lock")
        left = [path.name for path in files]
        assert left == [
            ".predict.step.json", ".train.step.json",
            "history.csv", "model.keras", "predictions.csv", "validation.csv",
        ]  # fmt: skip
        history = pd.read_csv(self.folder / "history.csv").drop(columns="seconds")
        return history, (self.folder / "predictions.csv").read_bytes()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Prepared images that all trainings here share."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKEFACE_DATA", str(folder))
        prepare(STUDY)
    return folder


@pytest.fixture
def prepared(data, places, monkeypatch):
    """Places of a test's own, but for the prepared images."""
    monkeypatch.setenv("FAKEFACE_DATA", str(data))
    return places


def test_a_training_killed_at_any_time_ends_as_an_undisturbed_one(data, tmp_path):
    killed, undisturbed = Life(data, tmp_path / "killed"), Life(data, tmp_path / "undisturbed")
    undisturbed.start()
    killed.start(stalled=3)
    killed.hear("writing")
    part, whole = killed.folder / ".part-.train.step.npz", killed.folder / ".train.step.npz"
    half, second = part.stat().st_size, whole.read_bytes()
    killed.kill()
    assert part.stat().st_size == half > 1000, "the kill didn't come during the write"
    assert whole.read_bytes() == second

    rng, kills, ends = np.random.default_rng(6), 0, []
    while kills < KILLS:
        killed.start()
        killed.hear(rng.choice(["begun", "val_loss"]))  # val_loss: a first epoch is finished
        killed.process.join(timeout=rng.uniform(0, 1))
        if killed.process.is_alive():
            killed.kill()
            kills += 1
        else:  # the training was done before its time came: another one
            ends.append(killed.end())
            shutil.rmtree(killed.results / "tiny")
    killed.start()
    ends.append(killed.end())
    history, predictions = undisturbed.end()

    assert "custom_cnn seed 0: resumes after epoch 2 of 10" in killed.log()
    assert "starts again" not in killed.log()
    assert history["epoch"].tolist() == list(range(1, 11))
    for resumed, repeated in ends:
        pd.testing.assert_frame_equal(resumed, history, check_exact=True)
        assert resumed["val_loss"].idxmin() == history["val_loss"].idxmin()
        assert repeated == predictions


def head_and_arrays():
    """A new head, and a validation set on which training makes it worse: labels swapped."""
    rng, labels = np.random.default_rng(0), np.arange(40) % 2
    features = rng.normal(size=(40, 1, 1, 64)).astype("float16")
    return vgg16_head(STUDY, (1, 1, 64)), (features, labels), (features, 1 - labels)


def test_a_best_epoch_before_the_kill_stays_the_best(places, monkeypatch):
    study = STUDY.model_copy(update={"epochs": 5})
    step, kept = train_step(study, "vgg16", 0), places / "kept.npz"
    write = Checkpoint.write

    def keep(checkpoint):
        write(checkpoint)
        if len(checkpoint.rows) == 3:
            shutil.copy(checkpoint.path, kept)

    monkeypatch.setattr(Checkpoint, "write", keep)
    keras.utils.set_random_seed(0)
    head, learned, swapped = head_and_arrays()
    whole = fit(study, "vgg16", head, 0, learned, swapped, open_checkpoint(step))
    best = whole["val_loss"].idxmin()
    assert best < 2, "the best epoch comes after the kill: the test shows nothing"

    shutil.copy(kept, step.checkpoint)
    keras.utils.set_random_seed(1)  # what a new process starts with doesn't matter
    again, *_ = head_and_arrays()
    checkpoint = open_checkpoint(step)
    assert len(checkpoint.rows) == 3
    resumed = fit(study, "vgg16", again, 0, learned, swapped, checkpoint)
    assert resumed["val_loss"].idxmin() == best
    compared = [name for name in whole.columns if name != "seconds"]
    pd.testing.assert_frame_equal(resumed[compared], whole[compared], check_exact=True)
    assert resumed["seconds"][:3].tolist() == whole["seconds"][:3].tolist()
    for a, b in zip(head.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    loss, _ = again.evaluate(swapped[0], swapped[1][:, None].astype("float32"), verbose=0)
    assert loss == pytest.approx(whole["val_loss"].min(), rel=1e-4)


def test_the_same_seed_twice_is_the_same_also_where_a_damaged_checkpoint_lies(prepared, capsys):
    found = []
    step, folder = train_step(SHORT, "custom_cnn", 0), seed_dir("tiny", "custom_cnn", 0)
    for attempt in range(2):
        history = train(SHORT, "custom_cnn", 0).drop(columns="seconds")
        assert not step.checkpoint.exists()
        predict_test(SHORT, "custom_cnn", 0)
        found.append((history, (folder / "predictions.csv").read_bytes()))
        step.forget()
        if attempt == 0:
            assert "starts again" not in capsys.readouterr().out
            step.checkpoint.write_bytes(b"PK\3\4 not a checkpoint")
    assert "starts again, " in capsys.readouterr().out
    pd.testing.assert_frame_equal(found[0][0], found[1][0], check_exact=True)
    assert found[0][1] == found[1][1]


def left_behind(step):
    """Write a checkpoint of a step after two epochs."""
    arrays = {name: [np.arange(50.0) + n, np.array(n)] for n, name in enumerate(ARRAYS)}
    rows = [{"epoch": n, "val_loss": 1 / n, "seconds": 1.5} for n in (1, 2)]
    checkpoint = Checkpoint(step.checkpoint, step.dependencies(), rows, 0.5, **arrays)
    checkpoint.write()
    return checkpoint


def same(a, b):
    """Whether two checkpoints hold the same state."""
    return (a.rows, a.best_value) == (b.rows, b.best_value) and all(
        len(getattr(a, name)) == len(getattr(b, name))
        and all(map(np.array_equal, getattr(a, name), getattr(b, name)))
        for name in ARRAYS
    )


@pytest.mark.parametrize("changed", ["nothing", "settings", "code", "inputs"])
def test_a_checkpoint_of_other_settings_code_or_inputs_is_not_taken_up(
    places, monkeypatch, capsys, changed
):
    copy = shutil.copytree(PACKAGE, places / "package")
    monkeypatch.setattr(step_module, "PACKAGE", copy)
    step = train_step(STUDY, "custom_cnn", 0)
    left = left_behind(step)
    if changed == "settings":
        step = train_step(STUDY.model_copy(update={"dropout": 0.1}), "custom_cnn", 0)
    elif changed == "code":
        with (copy / "networks" / "models.py").open("a") as file:
            file.write("# edited\n")
    elif changed == "inputs":
        write_json(prepared_dir(STUDY) / "dataset.json", {})
    found = open_checkpoint(step)
    assert found.path == left.path
    if changed == "nothing":
        assert same(found, left)
        assert found.seconds == 3
        assert capsys.readouterr().out == ""
    else:
        assert same(found, Checkpoint())
        assert "have changed" in capsys.readouterr().out


def test_force_starts_a_training_anew(prepared):
    step = train_step(STUDY, "custom_cnn", 0)
    left_behind(step)
    overrides = TINY + " epochs=10"
    open_study("02_custom_cnn", "", "", "tiny", "", overrides)
    assert step.checkpoint.exists()
    open_study("02_custom_cnn", "", "", "tiny", force=True)
    assert not step.checkpoint.exists()


def test_a_step_keeps_its_checkpoint_until_it_is_done_and_counts_the_time_before(places):
    step = dataclasses.replace(train_step(STUDY, "custom_cnn", 0), after=())
    left_behind(step)

    def interrupt():
        raise KeyboardInterrupt

    def finish():
        for path in step.outputs:
            path.write_text("")
        return open_checkpoint(step).seconds

    with pytest.raises(KeyboardInterrupt):
        step.do(interrupt)
    assert step.checkpoint.exists()
    assert step.do(finish)
    assert step.cost()["seconds"] >= 3
    assert step.is_done()
    assert not step.checkpoint.exists()


def test_a_damaged_checkpoint_never_gives_a_wrong_state(places, capsys):
    step = train_step(STUDY, "custom_cnn", 0)
    left = left_behind(step)
    content = step.checkpoint.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [content[:length] for length in (0, 1, 30, len(content) // 2, len(content) - 1)]
    for _ in range(300):
        flipped = bytearray(content)
        flipped[rng.integers(len(content))] ^= 1 << rng.integers(8)
        damaged.append(bytes(flipped))
    refused = 0
    for number, content in enumerate(damaged):
        step.checkpoint.write_bytes(content)
        found = open_checkpoint(step)
        said = capsys.readouterr().out
        if same(found, left):  # a time in the archive, say, was hit
            assert number >= 5
            continue
        assert same(found, Checkpoint())
        assert said.count("\n") == 1
        assert said.startswith("train custom_cnn seed 0: starts again, ")
        refused += 1
    assert refused > 150


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setenv("TF_DETERMINISTIC_OPS", "")
    monkeypatch.setenv("XLA_FLAGS", "--xla_other=1")


def test_determinism_is_asked_of_both_backends_before_keras_is_there(
    places, monkeypatch, environment
):
    monkeypatch.delitem(sys.modules, "keras")
    open_study("01_dataset", "", "", "tiny")
    assert os.environ["TF_DETERMINISTIC_OPS"] == ""
    for _ in range(2):
        open_study("01_dataset", "", "", "tiny", "", "deterministic=true")
        assert os.environ["TF_DETERMINISTIC_OPS"] == "1"
        assert os.environ["XLA_FLAGS"] == "--xla_other=1 --xla_gpu_deterministic_ops=true"


def test_determinism_that_comes_too_late_is_an_error(places, environment):
    with pytest.raises(StudyError, match="restart the kernel"):
        open_study("01_dataset", "", "", "tiny", "", "deterministic=true")


def test_a_run_from_before_a_setting_had_its_default(places):
    settings = STUDY.settings()
    del settings["deterministic"]
    record = {"settings": settings, "dataset": {"generated": True}}
    write_json(study_json("tiny"), record)
    claim_run(STUDY)
    with pytest.raises(StudyError, match="deterministic is false there and true here"):
        claim_run(STUDY.model_copy(update={"deterministic": True}))


def test_an_interrupt_is_one_line_and_the_run_resumes_to_the_same_end(prepared, monkeypatch):
    whole = train(SHORT.model_copy(update={"run": "whole"}), "custom_cnn", 0)
    write = Checkpoint.write

    def stop(checkpoint):
        write(checkpoint)
        if len(checkpoint.rows) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as stopping:
        stopping.setattr(Checkpoint, "write", stop)
        with pytest.raises(Interrupted) as caught:
            train(SHORT, "custom_cnn", 0)
    lines = caught.value._render_traceback_()
    assert lines == [
        "custom_cnn seed 0: interrupted after epoch 1 of 2; the same cell or command resumes there"
    ]
    resumed = train(SHORT, "custom_cnn", 0)
    compared = [name for name in whole.columns if name != "seconds"]
    pd.testing.assert_frame_equal(resumed[compared], whole[compared], check_exact=True)


LOW = {
    "dropout": 0,
    "batch_norm_momentum": 0,
    "padding": "same",
    "dense_batch_norm": False,
    "best_weights": "val_loss",
    "batch_size": 1,
    "custom_dense": 1,
    "vgg16_dense": 1,
    "learning_rate": 1e-9,
    "vgg16_learning_rate": 1e-9,
}
HIGH = {
    "dropout": 0.9,
    "batch_norm_momentum": 0.99,
    "padding": "valid",
    "dense_batch_norm": True,
    "best_weights": "val_accuracy",
    "batch_size": 1000,
    "custom_dense": 64,
    "vgg16_dense": 64,
    "learning_rate": 10.0,
    "vgg16_learning_rate": 10.0,
}
DECAYS = [
    {"learning_rate_decay": decay, "vgg16_learning_rate_decay": decay} for decay in get_args(Decay)
]


@pytest.mark.parametrize(("rate", "warned"), [(1e-12, True), (0.01, False)])
def test_a_network_that_only_guesses_is_reported_after_two_epochs(rate, warned, capsys):
    settings = {"epochs": 3, "vgg16_learning_rate": rate, "dropout": 0, "batch_size": 10}
    study = STUDY.model_copy(update=settings)
    labels = np.tile([0, 1], 50)
    inputs = np.random.default_rng(0).normal(labels[:, None, None, None] * 3, 1, (100, 1, 1, 8))
    keras.utils.set_random_seed(0)
    head = vgg16_head(study, (1, 1, 8))
    head.set_weights(
        [0 * weights for weights in head.get_weights()] if warned else head.get_weights()
    )
    fit(study, "vgg16", head, 0, (inputs, labels), (inputs, labels))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning:")]
    assert len(lines) == warned
    for line in lines:
        assert "vgg16 seed 0 has not learned anything in 2 epochs (training accuracy 0.5" in line


def test_a_share_trains_on_its_images_alone(monkeypatch):
    study = STUDY.model_copy(update={"epochs": 2, "training_share": 0.25, "batch_size": 4})
    labels = np.tile([0, 1], 20)
    inputs = np.arange(40, dtype="float32").reshape(40, 1, 1, 1)
    seen: list[list[int]] = []
    batches = training.Batches

    def watched(images, labels, size, order=None):
        if order is not None:
            seen.append(sorted(order.tolist()))
        return batches(images, labels, size, order)

    monkeypatch.setattr(training, "Batches", watched)
    fit(study, "vgg16", vgg16_head(study, (1, 1, 1)), 5, (inputs, labels), (inputs, labels))
    assert seen == [training.drawn_rows(labels, 0.25, 5).tolist()] * 2
    assert len(seen[0]) == 10


@pytest.mark.parametrize("model", ["custom_cnn", "vgg16"])
@pytest.mark.parametrize("settings", [LOW, HIGH, *DECAYS], ids=["low", "high", *get_args(Decay)])
def test_both_ends_of_every_setting_train(model, settings):
    study = Study(image_size=32, custom_filters=(2, 2, 2), custom_dense=4, vgg16_dense=4, epochs=2)
    study = Study(**{**study.model_dump(), **settings})
    rng, labels = np.random.default_rng(0), np.arange(6) % 2
    images = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    features = rng.normal(size=(6, 1, 1, 8)).astype("float32")
    network = custom_cnn(study) if model == "custom_cnn" else vgg16_head(study, (1, 1, 8))
    inputs = images if model == "custom_cnn" else features
    history = fit(study, model, network, 0, (inputs, labels), (inputs, labels))
    assert history["epoch"].tolist() == [1, 2]
    assert history["learning_rate"].gt(0).all()
