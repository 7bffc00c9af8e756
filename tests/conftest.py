"""Places of the tests' own: nothing is written into the checkout."""

import numpy as np
import PIL.Image
import pytest

TINY = (
    "images_per_class=24 image_size=35 epochs=2 custom_filters=8,8,8 custom_dense=16 "
    "vgg16_dense=16 batch_size=10 vgg16_weights=random"
)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Data, cache, results and figures under a temporary folder."""
    for name in ("data", "cache", "results", "figures"):
        monkeypatch.setenv(f"FAKEFACE_{name.upper()}", str(tmp_path / name))
    return tmp_path


@pytest.fixture
def faces(tmp_path):
    """A dataset of noise in the Kaggle archive's layout: 4 images of each class in each split."""
    root = tmp_path / "faces"
    rng = np.random.default_rng(0)
    for split in ("train", "valid", "test"):
        for kind in ("fake", "real"):
            folder = root / "a" / "b" / split / kind
            folder.mkdir(parents=True)
            for number in range(4):
                pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
                PIL.Image.fromarray(pixels).save(folder / f"{number}.jpg")
    return root


@pytest.fixture
def notebook(places, monkeypatch):
    """Write a cell as notebook n, which the chain then takes for one of its own."""
    from fakeface_utils.run import chain

    monkeypatch.setattr(chain, "NOTEBOOKS", places)
