"""Precision, and several devices that share a batch."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import TINY

from fakeface_utils.common.errors import StudyError
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.networks import device
from fakeface_utils.networks.device import check_device, distribute, precision
from fakeface_utils.networks.features import extract_features
from fakeface_utils.networks.models import custom_cnn
from fakeface_utils.networks.predict import load_model
from fakeface_utils.networks.training import train
from fakeface_utils.study.artefacts import read_features
from fakeface_utils.study.names import MODELS
from fakeface_utils.study.parameters import load_study

MIXED = load_study(run="tiny", overrides=TINY + " precision=mixed")


def test_a_mixed_model_computes_in_16_bit_and_keeps_weights_and_sigmoid_in_32():
    with precision(MIXED):
        network = custom_cnn(MIXED)
    assert keras.config.dtype_policy().name == "float32"
    convolution, output = network.get_layer("conv2"), network.get_layer("p_fake")
    assert convolution.compute_dtype == "bfloat16"
    assert {weight.dtype for weight in network.weights} == {"float32"}
    assert output.compute_dtype == "float32"
    assert network.output.dtype == "float32"


def test_the_precision_is_put_back_after_an_error():
    with pytest.raises(ZeroDivisionError), precision(MIXED):
        _ = 1 / 0
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("capabilities", "seen", "policy"),
    [
        ([], False, "mixed_bfloat16"),
        (["9.0", "8.0"], True, "mixed_bfloat16"),
        (["9.0", "7.5"], True, "mixed_float16"),
        (["7.5"], False, "mixed_bfloat16"),  # it isn't used
    ],
)
def test_the_device_chooses_among_16_bit_numbers(monkeypatch, capabilities, seen, policy):
    monkeypatch.setattr(device, "gpus", lambda field: capabilities)
    monkeypatch.setattr(device, "sees_gpu", lambda: seen)
    with precision(MIXED):
        assert keras.config.dtype_policy().name == policy


def test_float16_gets_a_scaled_loss(monkeypatch):
    monkeypatch.setattr(device, "gpus", lambda field: ["7.5"])
    monkeypatch.setattr(device, "sees_gpu", lambda: True)
    with precision(MIXED):
        network = custom_cnn(MIXED)
    network.compile("adam", "binary_crossentropy")
    assert type(network.optimizer).__name__ == "LossScaleOptimizer"


@pytest.mark.parametrize("model", ["custom_cnn", "vgg16"])
def test_a_model_trained_in_mixed_precision_is_saved_in_float32(places, model):
    prepare(MIXED)
    for split in ("train", "valid"):
        extract_features(MIXED, split)
    train(MIXED, model, 0)
    loaded = load_model("tiny", model, 0)
    layers = [layer for layer in loaded._flatten_layers() if layer.weights]
    assert {layer.dtype_policy.name for layer in layers} == {"float32"}
    images = np.random.default_rng(0).integers(0, 256, (3, 35, 35, 3), dtype=np.uint8)
    p_fake = loaded.predict_on_batch(images)
    assert p_fake.dtype == np.float32
    assert ((p_fake > 0) & (p_fake < 1)).all()


def test_mixed_features_stand_beside_the_others_and_are_close_to_them(places):
    exact = load_study(run="tiny", overrides=TINY)
    prepare(exact)
    for study in (exact, MIXED):
        extract_features(study, "valid")
    a, b = (np.asarray(read_features(study, "valid"), "float32") for study in (exact, MIXED))
    assert not np.array_equal(a, b)
    assert np.linalg.norm(a - b) < 0.02 * np.linalg.norm(a)  # bfloat16 has 8 binary digits


def test_a_gpu_that_keras_does_not_see_stops_the_training(monkeypatch):
    monkeypatch.setattr(device, "gpus", lambda: ["NVIDIA X"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(StudyError, match=r"shows NVIDIA X but Keras .* pip install"):
        check_device()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    check_device()


@pytest.fixture
def eight_gpus(monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: [f"gpu:{n}" for n in range(8)])
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")


@pytest.mark.parametrize(("batch_size", "near"), [(100, "take 96 or 104"), (5, "take 8,")])
def test_a_batch_that_does_not_divide_names_the_nearest_sizes(eight_gpus, batch_size, near):
    with pytest.raises(StudyError, match=near):
        distribute(MIXED.model_copy(update={"batch_size": batch_size}))


def test_a_split_that_does_not_divide_is_named(eight_gpus, monkeypatch):
    counts = {"train": {"real": 40, "fake": 40}, "valid": {"real": 30, "fake": 31}}
    monkeypatch.setattr(device, "read_dataset", lambda study: {"counts": counts})
    with pytest.raises(StudyError, match=r"valid has 61 images, .* take images_per_class=24, or"):
        distribute(MIXED.model_copy(update={"batch_size": 16}))


def test_tensorflow_uses_one_device(monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0", "gpu:1"])
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    assert distribute(MIXED) == 1


WORK = """
import json, sys
import numpy as np
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.networks.features import extract_features
from fakeface_utils.networks.predict import load_model, predict_test
from fakeface_utils.study.parameters import load_study
from fakeface_utils.networks.training import train
study = load_study(run=sys.argv[1], overrides=sys.argv[2])
prepare(study)
for split in ("train", "valid", "test"):
    extract_features(study, split)
for model in ("custom_cnn", "vgg16"):
    history = train(study, model, 0).drop(columns="seconds")
    p_fake = predict_test(study, model, 0)["p_fake"]
    weights = load_model(study.run, model, 0).get_weights()
    np.savez(f"{sys.argv[3]}-{model}.npz", history, p_fake, *weights)
import keras
print(len(keras.distribution.list_devices()))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("devices", "overrides", "models"),
    [
        (
            2,
            "images_per_class=24 epochs=2 batch_size=12 vgg16_weights=random",
            MODELS,
        ),  # the demo's
        (4, TINY + " batch_size=12", ["vgg16"]),
    ],
)
def test_several_devices_end_with_the_weights_of_one(places, devices, overrides, models):
    pytest.importorskip("jax")
    for count in (1, devices):
        flags = f"--xla_force_host_platform_device_count={count}"
        answer = subprocess.run(
            [sys.executable, "-c", WORK, f"on-{count}", overrides, str(places / str(count))],
            env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": flags},
            capture_output=True, text=True,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout.splitlines()[-1]) == count
    for model in models:
        one, several = (np.load(places / f"{count}-{model}.npz") for count in (1, devices))
        history, p_fake, *weights = one.files
        np.testing.assert_allclose(several[history], one[history], rtol=1e-3)
        np.testing.assert_allclose(several[p_fake], one[p_fake], atol=1e-4)
        # As a whole: Adam turns the rounding of a gradient near 0 into a step of its full size.
        a, b = (np.concatenate([f[name].ravel() for name in weights]) for f in (one, several))
        assert np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(a)
