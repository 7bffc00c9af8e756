"""Every network that is registered keeps the contract; the two of the paper are as it says."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from classroom.own import own_network
from conftest import TINY, done
from fakeface_utils import networks, training
from fakeface_utils.claims import SIZES
from fakeface_utils.models import MODELS
from fakeface_utils.networks import architecture, base_of, build, head_of
from fakeface_utils.run import load_study
from fakeface_utils.trained import features, file_of, own_file, predict
from fakeface_utils.training import Detectors, fit, load, precision, start
from fakeface_utils.util import Interrupted, StudyError

STUDY = load_study(run="tiny", overrides=TINY)
MIXED = STUDY.model_copy(update={"precision": "mixed"})
FROZEN = [model for model in MODELS if MODELS[model].frozen_base]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 35, 35, 3), dtype=np.uint8)


# The contract.


def chance(study):
    """A network of a run's own, with layers whose chance isn't dropout's."""
    inputs = keras.Input((study.image_size, study.image_size, 3), dtype="uint8")
    x = keras.layers.RandomFlip()(keras.layers.Rescaling(1 / 255)(inputs))
    x = keras.layers.GaussianNoise(0.1)(keras.layers.AveragePooling2D(5)(x))
    outputs = keras.layers.Dense(1, activation="sigmoid", dtype="float32")
    return keras.Model(inputs, outputs(keras.layers.Flatten()(x)))


@pytest.fixture
def own(places):
    own_network(STUDY, "own", chance)


@pytest.mark.parametrize("model", [*MODELS, "own"])
def test_a_network_takes_bytes_gives_probabilities_and_loads_in_safe_mode(
    model, own, images, tmp_path
):
    (file,) = [*file_of(STUDY, model), *own_file(STUDY, model).values()]
    assert file.is_file()
    assert STUDY.models[model].title
    network = build(STUDY, model, 0)
    p_fake = network.predict_on_batch(images)
    assert network.input.dtype == "uint8"
    assert p_fake.shape == (20, 1)
    assert p_fake.dtype == np.float32
    assert ((p_fake >= 0) & (p_fake <= 1)).all()
    assert architecture(network)["trainable"].sum() > 0
    network.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict_on_batch(images), p_fake)


@pytest.mark.parametrize(
    "precision", ["float32", pytest.param("mixed_float16", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("model", [*MODELS, "own"])
def test_a_network_trains_on_60_images_and_resumes_to_the_digit(
    model, own, precision, tmp_path, monkeypatch
):
    study = STUDY.model_copy(update={"augment": "all"})
    rng, labels = np.random.default_rng(0), np.arange(60) % 2
    inputs = rng.integers(0, 256, (60, 35, 35, 3), dtype=np.uint8)
    if study.models[model].frozen_base:
        inputs = base_of(build(STUDY, model, 0)).predict_on_batch(inputs)
    set_dropout = training.set_dropout

    def trained(name, stop_before=0):
        def stop(network, seed, epoch):
            if epoch == stop_before:
                raise KeyboardInterrupt
            set_dropout(network, seed, epoch)
            if epoch == 1 and precision == "mixed_float16":  # too large: steps are left out
                network.optimizer.dynamic_scale.assign(2.0**30)

        monkeypatch.setattr(training, "set_dropout", stop)
        (tmp_path / name).mkdir(exist_ok=True)
        network = head_of(build(STUDY, model, 3, precision))
        fit(study, model, network, 3, ((inputs, labels), (inputs, labels)), tmp_path / name)
        history = (tmp_path / name / "history.csv").read_text().splitlines()
        return network.get_weights(), [line.rpartition(",")[0] for line in history]

    whole, history = trained("whole")
    with pytest.raises(Interrupted, match="after epoch 1 of 2"):
        trained("parted", stop_before=2)
    parted, resumed = trained("parted")
    assert resumed == history
    for a, b in zip(whole, parted, strict=True):
        np.testing.assert_array_equal(a, b)
    initial = head_of(build(STUDY, model, 3)).get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(whole, initial, strict=True))


# The two of the paper.


def sizes_of(table):
    """What the claims say of a network, from its layers."""
    counts = table[["parameters", "trainable", "multiply_adds"]].sum().tolist()
    return [*counts, table.loc[table["kind"] == "Dense", "multiply_adds"].sum()]


def test_the_custom_cnn_is_the_papers():
    table = architecture(build(load_study("paper"), "custom_cnn", 0)).set_index("layer")
    assert SIZES.loc["custom_cnn"].tolist() == sizes_of(table)
    kinds = [kind for kind in table["kind"] if kind not in ("InputLayer", "Rescaling")]
    block = ["Conv2D", "BatchNormalization", "MaxPooling2D"]
    dense = ["Flatten", "Dense", "BatchNormalization", "Dropout", "Dense"]
    assert kinds == [*block, *block, *block, *dense]
    shapes = ["224x224x64", "112x112x128", "56x56x128", "28x28x128", "256", "1"]
    layers = ["conv1", "conv2", "conv3", "pool3", "dense", "p_fake"]
    assert table.loc[layers, "output_shape"].tolist() == shapes
    # by hand: 3x3 kernels and biases, four numbers per normalized value, 28*28*128 inputs
    convolutions = (27 + 1) * 64 + (576 + 1) * 128 + (1152 + 1) * 128
    normalized = 4 * (64 + 128 + 128 + 256)
    dense = (28 * 28 * 128 + 1) * 256 + 257
    assert table["parameters"].sum() == convolutions + normalized + dense == 25_916_161
    multiply_adds = 224**2 * 27 * 64 + 112**2 * 576 * 128 + 56**2 * 1152 * 128
    assert table["multiply_adds"].sum() == multiply_adds + 28 * 28 * 128 * 256 + 256
    other = build(load_study("paper", overrides="padding=valid"), "custom_cnn", 0)
    assert round(other.count_params() / 1e6, 1) == 22.4


def test_the_vgg16_model_is_the_papers():
    study = load_study("paper", overrides="vgg16_weights=random")
    table = architecture(build(study, "vgg16", 0)).set_index("layer")
    assert SIZES.loc["vgg16"].tolist() == sizes_of(table)
    assert table.loc["block5_pool", "output_shape"] == "7x7x512"
    assert table["trainable"].sum() == (7 * 7 * 512 + 1) * 512 + 513
    assert table["parameters"].sum() == 14_714_688 + (7 * 7 * 512 + 1) * 512 + 513
    assert round(table["multiply_adds"].sum() / 1e9, 2) == 15.36
    assert (table["kind"] == "InputLayer").sum() == 1
    base = table[~table["kind"].eq("Dense")]  # to which its authors' dense layers come
    weights = 7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 1000
    parameters = base["parameters"].sum() + weights + 4096 + 4096 + 1000
    published = [parameters, parameters, base["multiply_adds"].sum() + weights, weights]
    assert SIZES.loc["published"].tolist() == published
    assert parameters == 138_357_544  # as Keras counts; Simonyan and Zisserman say 138 million


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float16", 5e-3)])
@pytest.mark.parametrize("model", FROZEN)
def test_the_head_on_features_is_the_whole_network(model, images, dtype, tolerance):
    network = build(STUDY, model, 1)
    whole = network.predict_on_batch(images)
    found = base_of(network).predict_on_batch(images).astype(dtype)
    head = head_of(network)
    np.testing.assert_allclose(head.predict_on_batch(found), whole, atol=tolerance, rtol=0)


@pytest.mark.parametrize("model", FROZEN)
def test_every_seed_has_the_same_base_and_a_head_of_its_own(model, images):
    one, other = (build(STUDY, model, seed) for seed in (0, 1))
    a, b = (base_of(network).predict_on_batch(images) for network in (one, other))
    np.testing.assert_array_equal(a, b)
    kernels = [head_of(network).get_weights()[0] for network in (one, other)]
    assert not np.array_equal(*kernels)


def test_the_input_stage_is_numpys_preprocessing_on_float32(images):
    network = build(STUDY, "vgg16", 0)
    first = network.get_layer("block1_conv1").input
    scaled = keras.Model(network.input, first).predict_on_batch(images)
    expected = keras.applications.vgg16.preprocess_input(images.astype("float32"))
    np.testing.assert_allclose(scaled, expected, atol=1e-4)
    assert scaled.min() < -100


# Precision and devices.


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [([], "mixed_bfloat16"), (["9.0", "8.0"], "mixed_bfloat16"), (["9.0", "7.5"], "mixed_float16")],
)
def test_a_mixed_network_computes_in_16_bits_and_keeps_weights_and_sigmoid_in_32(
    monkeypatch, capabilities, policy
):
    monkeypatch.setattr(training, "gpus", lambda field: capabilities)
    assert precision(STUDY) == "float32"
    assert precision(MIXED) == policy
    network = build(MIXED, "custom_cnn", 0, precision(MIXED))
    assert network.get_layer("conv2").compute_dtype == policy.removeprefix("mixed_")
    assert {weight.dtype for weight in network.weights} == {"float32"}
    assert network.get_layer("p_fake").compute_dtype == network.output.dtype == "float32"
    network.compile("adam", "binary_crossentropy")
    scaled = type(network.optimizer).__name__ == "LossScaleOptimizer"
    assert scaled == (policy == "mixed_float16")
    with pytest.raises(ValueError, match="many"):
        build(MIXED.model_copy(update={"custom_dense": "many"}), "custom_cnn", 0, policy)
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_what_is_trained_in_mixed_precision_is_saved_in_float32(places, model, images):
    task = done(predict.of(MIXED, model, 0))
    loaded = load(MIXED, model, 0)
    layers = [layer for layer in loaded._flatten_layers() if layer.weights]
    assert {layer.dtype_policy.name for layer in layers} == {"float32"}
    detectors = Detectors(MIXED, [model])
    assert detectors.columns == [(model, 0)]
    asked = np.concatenate([images] * 4)  # more than a batch
    p_fake = detectors.p_fake(asked)
    assert p_fake.shape == (80, 1)
    np.testing.assert_allclose(p_fake[:20], loaded.predict_on_batch(images), atol=1e-6)
    np.testing.assert_array_equal(p_fake[:20], p_fake[60:])
    assert detectors.p_fake(images[:0]).shape == (0, 1)
    (task.folder / "model.keras").write_bytes(b"PK damaged")
    with pytest.raises(
        StudyError, match=r"model\.keras is missing, damaged or not ours \(.*delete"
    ):
        load(MIXED, model, 0)


@pytest.mark.slow
def test_mixed_features_stand_beside_the_others_and_are_close_to_them(places):
    found = []
    for study in (STUDY, MIXED):
        task = done(features.of(study, FROZEN[0], "valid"))
        found.append(np.asarray(task.read(), "float32"))
    a, b = found
    assert not np.array_equal(a, b)
    assert np.linalg.norm(a - b) < 0.02 * np.linalg.norm(a)  # bfloat16 has 8 binary digits


def test_features_that_overflow_are_refused(places, faces, monkeypatch):
    study = load_study(data=str(faces), overrides=TINY + " feature_dtype=float16")
    task = features.of(study, FROZEN[0], "valid")
    done(*task.before())
    network = build(study, FROZEN[0], 0)
    kernel, bias = network.layers[-3].get_weights()  # the last convolution
    network.layers[-3].set_weights([kernel, bias + 1e6])
    monkeypatch.setattr(networks, "build", lambda *_: network)
    with pytest.raises(StudyError, match="no finite numbers in float16: set feature_dtype"):
        task.do()


def test_a_gpu_that_keras_does_not_see_stops_the_training(monkeypatch):
    monkeypatch.setattr(training, "gpus", lambda: ["NVIDIA X"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(StudyError, match=r"shows NVIDIA X but Keras .* pip install"):
        start(STUDY)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    start(STUDY)


def test_all_gpus_share_only_what_divides_and_on_jax(monkeypatch):
    study = STUDY.model_copy(update={"gpus": "all", "batch_size": 16})
    with pytest.raises(StudyError, match="gpus=all needs JAX"):
        start(study)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: [f"gpu:{n}" for n in range(8)])
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(StudyError, match="8 devices can't share 100 images equally"):
        start(study.model_copy(update={"batch_size": 100}), 80)
    with pytest.raises(StudyError, match="8 devices can't share 61 images equally"):
        start(study, 80, 61)


WORK = """
import json, sys
import numpy as np
import keras
from fakeface_utils.models import MODELS
from fakeface_utils.run import load_study
from fakeface_utils.trained import predict
from fakeface_utils.training import load
study = load_study(run=sys.argv[1], overrides=sys.argv[2])
for model in MODELS:
    task = predict.of(study, model, 0)
    for one in (*task.before(), task):
        one.do()
    history = one.folder.joinpath("history.csv")
    history = np.loadtxt(history, delimiter=",", skiprows=1)[:, :-1]
    weights = load(study, model, 0).get_weights()
    np.savez(f"{sys.argv[3]}-{model}.npz", history, task.read()["p_fake"], *weights)
print(len(keras.distribution.list_devices()))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("devices", "overrides", "models"),
    [
        (2, "images_per_class=24 epochs=2 batch_size=12 vgg16_weights=random", MODELS),  # the demo
        (4, TINY + " batch_size=12", FROZEN),
    ],
)
def test_several_devices_end_with_the_weights_of_one(places, devices, overrides, models):
    pytest.importorskip("jax")
    for count in (1, devices):
        flags = f"--xla_force_host_platform_device_count={count}"
        answer = subprocess.run(
            [sys.executable, "-c", WORK, f"on-{count}", overrides + " gpus=all",
             str(places / str(count))],
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


def imported_again():
    """Run what the import of `networks` does, on Keras as it stands."""
    spec = importlib.util.spec_from_file_location(networks.__name__, networks.__file__)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_a_backend_that_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    with pytest.raises(StudyError, match="set KERAS_BACKEND to tensorflow, or jax"):
        imported_again()
    monkeypatch.setitem(sys.modules, "keras", None)  # as where Keras refuses by itself
    with pytest.raises(StudyError, match="set KERAS_BACKEND to tensorflow, or jax"):
        imported_again()


def test_a_persons_keras_json_changes_nothing():
    keras.config.set_floatx("float64")  # as Keras does by that file
    keras.config.set_epsilon(0.1)
    keras.config.set_image_data_format("channels_first")
    imported_again()
    found = keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format()
    assert found == ("float32", 1e-7, "channels_last")
