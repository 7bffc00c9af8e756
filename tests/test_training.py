"""Training that is killed, interrupted, repeated or resumed; its schedule and its best epoch."""

import contextlib
import itertools
import multiprocessing
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from conftest import TINY, done
from fakeface_utils import training
from fakeface_utils.models import MODELS
from fakeface_utils.networks import build, head_of
from fakeface_utils.run import load_study
from fakeface_utils.settings import Study
from fakeface_utils.step import STEPS
from fakeface_utils.trained import predict, train
from fakeface_utils.training import drawn_rows, fit, schedule
from fakeface_utils.util import Interrupted, StudyError, ask_for_determinism

STUDY = load_study(run="tiny", overrides=TINY + " epochs=8")
SMALL = load_study(overrides="image_size=35 epochs=3 batch_size=8 learning_rate=0.01")

# A process for each life, forked from one that has made this file's slow imports.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "fakeface_utils.training", "fakeface_utils.run"])


def work(data: Path, results: Path, stalled: str) -> None:
    """Train and predict; the write of a file of the training stops half way, and says so."""
    os.environ |= {"FAKEFACE_DATA": str(data), "FAKEFACE_RESULTS": str(results)}
    save = keras.Model.save_weights

    def half(network, path, *args, **kwargs):
        save(network, path, *args, **kwargs)
        if stalled and stalled in str(path) and int(network.optimizer.iterations):
            os.truncate(path, os.path.getsize(path) // 2)
            print("stalled")
            time.sleep(600)

    keras.Model.save_weights = half
    with (
        open(results / "log", "a", buffering=1) as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        print("begun")
        train.of(STUDY, "custom_cnn", 0).do()
        predict.of(STUDY, "custom_cnn", 0).do()


class Life:
    """One seed's training in a folder of its own, in as many processes as it takes."""

    def __init__(self, data: Path, results: Path) -> None:
        self.data, self.results = data, results
        self.folder = results / "tiny" / "custom_cnn" / "seed-0"
        results.mkdir()

    def start(self, stalled: str = "") -> None:
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
        self.process.kill()
        self.process.join()

    def end(self) -> tuple[pd.DataFrame, bytes, list]:
        """Wait for the process to end by itself: history, predictions and weights it leaves."""
        self.process.join()
        assert self.process.exitcode == 0, self.log()
        left = sorted(p.name for p in self.folder.iterdir() if p.suffix not in (".lock", ".holder"))
        assert left == [
            ".predict-custom_cnn-0.json", ".train-custom_cnn-0.json", "architecture.csv",
            "history.csv", "model.keras", "predictions.csv", "validation.csv",
        ]  # fmt: skip
        network = keras.saving.load_model(self.folder / "model.keras", compile=False)
        predictions = (self.folder / "predictions.csv").read_bytes()
        return without_seconds(self.folder), predictions, network.get_weights()


def without_seconds(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "history.csv").drop(columns="seconds")


def assert_same(a: tuple, b: tuple) -> None:
    pd.testing.assert_frame_equal(a[0], b[0], check_exact=True)
    assert a[1] == b[1]
    for one, other in zip(a[2], b[2], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Prepared images that all trainings here share."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKEFACE_DATA", str(folder))
        done(*STEPS["prepare"].all(STUDY))
    return folder


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    life = Life(data, tmp_path_factory.mktemp("undisturbed") / "results")
    life.start()
    return life.end()


@pytest.mark.parametrize(
    ("kills", "stalled", "after"),
    [(2, "epoch-3", 2), pytest.param(20, "best", 1, marks=pytest.mark.slow)],
)
def test_a_training_killed_in_a_write_and_at_any_moment_ends_as_an_undisturbed_one(
    data, undisturbed, tmp_path, kills, stalled, after
):
    life, rng, done = Life(data, tmp_path / "killed"), np.random.default_rng(kills), 0
    life.start(stalled)
    life.hear("stalled")
    life.kill()
    while done < kills:
        life.start()
        life.hear(rng.choice(["begun", "val_loss"]))  # val_loss: a first epoch is finished
        life.process.join(timeout=rng.uniform(0, 1))
        life.kill()
        if life.process.exitcode == -signal.SIGKILL:
            done += 1
        else:  # the training was done before its time came: another one
            assert_same(life.end(), undisturbed)
            shutil.rmtree(life.folder)
    life.start()
    assert_same(life.end(), undisturbed)
    assert f"custom_cnn seed 0: resumes after epoch {after} of 8" in life.log()


def head_and_arrays():
    """A new head, and a validation set on which training makes it worse: labels swapped."""
    rng, labels = np.random.default_rng(0), np.arange(40) % 2
    features = rng.normal(size=(40, 1, 1, 512)).astype("float16")
    return head(STUDY), ((features, labels), (features, 1 - labels))


def head(study, seed=0):
    return head_of(build(study, "vgg16", seed))


@pytest.mark.parametrize(
    ("watched", "damage"), [("val_loss", (0, 10_000)), ("val_accuracy", (30, -1))]
)
def test_an_interrupted_training_resumes_to_the_digit_and_keeps_its_best_weights(
    tmp_path, monkeypatch, watched, damage
):
    study = STUDY.model_copy(update={"epochs": 5, "best_weights": watched})
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    whole.mkdir()
    parted.mkdir()
    undisturbed, arrays = head_and_arrays()
    fit(study, "vgg16", undisturbed, 0, arrays, whole)
    history = without_seconds(whole)
    best = history[watched].idxmin() if watched == "val_loss" else history[watched].idxmax()
    assert best < 2, "the best epoch comes after the interruption: the test shows nothing"

    def stop(network, seed, epoch, go_on=training.set_dropout):
        if epoch == 4:
            raise KeyboardInterrupt
        go_on(network, seed, epoch)

    with monkeypatch.context() as stopping:
        stopping.setattr(training, "set_dropout", stop)
        with pytest.raises(Interrupted) as caught:
            fit(study, "vgg16", head(study), 0, arrays, parted)
    assert caught.value._render_traceback_() == [
        "vgg16 seed 0: interrupted after epoch 3 of 5; the same cell or command resumes there"
    ]
    seconds = pd.read_csv(parted / "log.csv")["seconds"].tolist()
    again = head(study, seed=1)  # what a new process starts with doesn't matter
    (state,) = parted.glob("epoch-*.weights.h5")
    content = state.read_bytes()
    for end in damage:
        state.write_bytes(content[:end])
        with pytest.raises(StudyError, match=r"left in .*parted is damaged .*: delete that folder"):
            fit(study, "vgg16", again, 0, arrays, parted)
    state.write_bytes(content)
    fit(study, "vgg16", again, 0, arrays, parted)
    pd.testing.assert_frame_equal(without_seconds(parted), history, check_exact=True)
    assert pd.read_csv(parted / "history.csv")["seconds"][:3].tolist() == seconds
    for a, b in zip(undisturbed.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    features, swapped = arrays[1]
    loss, accuracy = again.evaluate(features, swapped[:, None].astype("float32"), verbose=0)
    assert loss == pytest.approx(history.loc[best, "val_loss"], rel=1e-4)
    assert accuracy == pytest.approx(history.loc[best, "val_accuracy"])


def test_seed_optimizer_and_augment_decide_a_history(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 35, 35, 3), dtype=np.uint8)
    labels = [np.random.default_rng(k).permutation(np.arange(n) % 2) for k, n in ((0, 20), (1, 12))]

    def trained(name, seed=0, **settings):
        study = SMALL.model_copy(update=settings)
        (out := tmp_path / name).mkdir()
        keras.utils.set_random_seed(0)  # a network that trains in no time, always the same one
        parts = [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dropout(0.4)]
        parts = [keras.Input((35, 35, 3)), *parts, layers.Dense(1, activation="sigmoid")]
        network = keras.Sequential(parts)
        data = (images, labels[0]), (images[:12], labels[1])
        fit(study, "custom_cnn", network, seed, data, out)
        assert type(network.optimizer).__name__.lower() == study.optimizer
        return network, without_seconds(out)

    network, history = trained("one")
    again, repeated = trained("two")
    assert history.equals(repeated)
    for a, b in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    others = [{"seed": 1}, {"optimizer": "sgd"}, {"augment": "flip"}]
    losses = [tuple(trained(f"{n}", **one)[1]["loss"]) for n, one in enumerate(others)]
    assert len({tuple(history["loss"]), *losses}) == 4
    columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
    assert history.columns.tolist() == columns
    assert history["epoch"].tolist() == [1, 2, 3]
    steps = np.array([3, 6, 9]) - 1  # an epoch's last one: 20 images in batches of 8
    rate = SMALL.learning_rate
    np.testing.assert_allclose(history["learning_rate"], rate / (1 + rate / 3 * steps), rtol=1e-6)


def test_an_epochs_order_is_that_of_seed_and_epoch_from_1(tmp_path, monkeypatch):
    """As the network gets it, whatever Keras reads ahead."""
    study = STUDY.model_copy(update={"epochs": 3, "training_share": 0.5, "batch_size": 4})
    labels = np.tile([0, 1], 20)
    inputs = np.tile(np.arange(40.0)[:, None, None, None], (1, 1, 1, 512)).astype("float32")
    seen: list[float] = []

    class Spy(layers.Layer):
        def call(self, x, training=False):
            if training and not isinstance(x, keras.KerasTensor):
                seen.extend(keras.ops.convert_to_numpy(x)[:, 0, 0, 0].tolist())
            return x

    network = keras.Sequential([keras.Input((1, 1, 512)), Spy(), *head(study).layers])
    compiled = network.compile
    monkeypatch.setattr(network, "compile", lambda *a, **k: compiled(*a, **k, run_eagerly=True))
    fit(study, "vgg16", network, 5, ((inputs, labels), (inputs, labels)), tmp_path)
    rows = drawn_rows(labels, 0.5, 5)
    assert len(rows) == 20
    orders = [np.random.default_rng((5, epoch)).permutation(rows) for epoch in (1, 2, 3)]
    batches = np.concatenate(orders).reshape(-1, 4)
    assert seen == np.sort(batches, axis=1).ravel().tolist()


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        # step 0, the first epoch's last step, the second epoch's first, the very last of 15 x 1000
        ("inverse_time_per_step", [0.01, 15 / 2499, 15 / 2500, 15 / 16499]),
        ("linear_per_epoch", [0.01, 0.01, 0.01 - 0.01 / 15, 0.01 / 15]),
        ("inverse_time_per_epoch", [0.01, 0.01, 0.01 / (1 + 1 / 1500), 0.01 / (1 + 14 / 1500)]),
        ("none", [0.01, 0.01, 0.01, 0.01]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", MODELS)
def test_the_readings_of_the_decay(model, decay, expected):
    rate = MODELS[model].rate
    found = schedule(Study(**{rate: 0.01, f"{rate}_decay": decay}), model, 1000)
    values = [float(found(step)) for step in (0, 999, 1000, 14999)]
    np.testing.assert_allclose(values, expected, rtol=1e-5)


LOW = {
    "dropout": 0, "batch_norm_momentum": 0, "padding": "same", "dense_batch_norm": False,
    "best_weights": "val_loss", "batch_size": 1, "custom_dense": 1, "vgg16_dense": 1,
    "learning_rate": 1e-9, "vgg16_learning_rate": 1e-9, "optimizer": "sgd", "augment": "none",
    "custom_filters": (2,),
}  # fmt: skip
HIGH = {
    "dropout": 0.9, "batch_norm_momentum": 0.99, "padding": "valid", "dense_batch_norm": True,
    "best_weights": "val_accuracy", "batch_size": 1000, "custom_dense": 64, "vgg16_dense": 64,
    "learning_rate": 10.0, "vgg16_learning_rate": 10.0, "optimizer": "adam", "augment": "all",
    "custom_filters": (2, 2, 2),
}  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("settings", [LOW, HIGH], ids=["low", "high"])
def test_both_ends_of_every_setting_train(tmp_path, model, settings):
    few = {"image_size": 32, "custom_filters": (2, 2, 2), "custom_dense": 4, "vgg16_dense": 4}
    study = Study(**few | {"epochs": 2, "vgg16_weights": "random"} | settings)
    rng, labels = np.random.default_rng(0), np.arange(6) % 2
    network = head_of(build(study, model, 0))
    inputs = rng.integers(0, 256, (6, *network.input_shape[1:])).astype(network.input.dtype)
    fit(study, model, network, 0, ((inputs, labels), (inputs, labels)), tmp_path)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert history["learning_rate"].gt(0).all()


def test_an_epoch_changes_images_as_a_pure_function_of_seed_epoch_and_image():
    images = np.random.default_rng(0).integers(0, 256, (40, 35, 35, 3), dtype=np.uint8)
    before, rows = images.copy(), np.arange(40) + 7

    def seen(kind, seed=1, epoch=2, some=slice(None)):
        return training.augmented(images[some], rows[some], kind, seed, epoch)

    np.testing.assert_array_equal(seen("none"), images)
    for kind in ("flip", "shift", "crop", "all"):
        changed = seen(kind)
        assert changed.shape == images.shape
        assert changed.dtype == np.uint8
        np.testing.assert_array_equal(changed[5:9], seen(kind, some=slice(5, 9)))
        for other in (seen(kind, seed=2), seen(kind, epoch=3)):
            assert (changed != other).any()
    np.testing.assert_array_equal(images, before)
    mirrored = (seen("flip") == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (seen("flip") == images).all(axis=(1, 2, 3))).all()
    assert 10 <= mirrored.sum() <= 30
    found = []
    for one, other in zip(images, seen("shift"), strict=True):
        for down, right in itertools.product(range(-4, 5), repeat=2):
            lines, columns = (np.arange(35) + by for by in (down, right))
            shifted = one[lines.clip(0, 34)][:, columns.clip(0, 34)]  # the edge is repeated
            found += [(down, right)] if (shifted == other).all() else []
    assert len(found) == 40
    for by in zip(*found, strict=True):
        assert {*range(-3, 4)} <= {*by} <= {*range(-4, 5)}
    ramp = np.zeros((40, 35, 35, 3), np.uint8) + 5 * np.arange(35, dtype=np.uint8)[:, None, None]
    ends = training.augmented(ramp, rows, "crop", 1, 2)[:, [0, -1], 0, 0] / 5
    spans = ends[:, 1] - ends[:, 0]  # 34 of the whole picture, 27 of the smallest part
    assert 26.5 < spans.min() < 29 < 32 < spans.max() <= 34


@pytest.mark.parametrize("watched", ["val_loss", "val_accuracy"])
def test_a_training_that_diverges_ends_there_and_keeps_the_weights_before(
    tmp_path, capsys, watched
):
    study = STUDY.model_copy(update={"vgg16_learning_rate": 1e30, "best_weights": watched})
    for _ in range(2):  # once more, as after a kill before the model was saved
        network, arrays = head_and_arrays()
        before = network.get_weights()
        fit(study, "vgg16", network, 0, arrays, tmp_path)
        assert "vgg16 seed 0: diverged in epoch 1" in capsys.readouterr().out
        assert len(pd.read_csv(tmp_path / "history.csv")) == 1
        for a, b in zip(network.get_weights(), before, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("rate", "warned"), [(1e-12, True), (0.01, False)])
def test_a_network_that_only_guesses_is_reported_after_two_epochs(rate, warned, capsys, tmp_path):
    settings = {"epochs": 3, "vgg16_learning_rate": rate, "dropout": 0, "batch_size": 10}
    study, labels = STUDY.model_copy(update=settings), np.tile([0, 1], 50)
    inputs = np.random.default_rng(0).normal(labels[:, None, None, None] * 3, 1, (100, 1, 1, 512))
    network = head(study)
    if warned:
        network.set_weights([0 * weights for weights in network.get_weights()])
    fit(study, "vgg16", network, 0, ((inputs, labels), (inputs, labels)), tmp_path)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning:")]
    assert len(lines) == warned
    for line in lines:
        assert "vgg16 seed 0 has not learned anything in 2 epochs (training accuracy 0.5" in line


def test_determinism_is_asked_of_both_backends_before_keras_is_there(monkeypatch):
    monkeypatch.setenv("TF_DETERMINISTIC_OPS", "")
    monkeypatch.setenv("XLA_FLAGS", "--xla_other=1")
    with pytest.raises(StudyError, match="restart the kernel"):
        ask_for_determinism()
    monkeypatch.delitem(sys.modules, "keras")
    for _ in range(2):
        ask_for_determinism()
        assert os.environ["TF_DETERMINISTIC_OPS"] == "1"
        assert os.environ["XLA_FLAGS"] == "--xla_other=1 --xla_gpu_deterministic_ops=true"
