"""The generated set: repeatable, resumable, marked, and told apart by its trace alone."""

import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from fakeface_utils.dataset.alike import SHIFTS
from fakeface_utils.dataset.cues import CUES, cue_accuracies
from fakeface_utils.dataset.demo import generate as demo
from fakeface_utils.dataset.demo.traces import make_image
from fakeface_utils.dataset.pairs import UNLIKE, fingerprints, near_pairs

KINDS = ("fake", "real")

SIZE = 64
NUMBERS = {"train": 300, "valid": 50, "test": 50}


def files(folder: Path) -> dict[str, bytes]:
    """Every file under the folder, by its path there."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.*") if p.is_file()}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """800 images: sorted by name, their labels (fake = 1) and their pixels."""
    folder = tmp_path_factory.mktemp("demo")
    demo.generate(folder, NUMBERS, SIZE)
    paths = sorted(folder.rglob("*.jpg"), key=lambda p: p.name)
    labels = np.array([p.parent.name == "fake" for p in paths], dtype=int)
    pixels = np.stack([np.asarray(Image.open(p), dtype=np.float64) for p in paths])
    return paths, labels, pixels


def test_layout(images):
    paths, _, pixels = images
    root = paths[0].parents[4]
    for split, number in NUMBERS.items():
        for kind in ("fake", "real"):
            folder = root / "real_vs_fake" / "real-vs-fake" / split / kind
            assert len(list(folder.iterdir())) == number
    assert pixels.shape == (800, SIZE, SIZE, 3)


@pytest.mark.parametrize("size", [40, 56, 64, 256])
def test_same_key_same_image(size):
    for kind in KINDS:
        image = make_image(kind, size, (3, 1, 4))
        assert image.shape == (size, size, 3)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, make_image(kind, size, (3, 1, 4)))
        assert (image != make_image(kind, size, (3, 1, 5))).mean() > 0.5


def test_both_kinds_of_a_key_show_the_same_portrait():
    fake, real = (make_image(kind, SIZE, (7,)).astype(float) for kind in KINDS)
    assert 0 < np.abs(fake - real).mean() < 8
    assert np.abs(fake.mean((0, 1)) - real.mean((0, 1))).max() < 1


@pytest.mark.parametrize("arguments", [("fake", 60, (0,)), ("fake", 264, (0,)), ("toy", 64, (0,))])
def test_make_image_refuses(arguments):
    with pytest.raises(ValueError, match="must be"):
        make_image(*arguments)


@pytest.mark.parametrize("numbers", [{"training": 1}, {"train": -1}])
def test_generate_refuses(tmp_path, numbers):
    with pytest.raises(ValueError, match="splits"):
        demo.generate(tmp_path, numbers, 40)


def test_the_same_arguments_give_the_same_set(tmp_path):
    for name in ("one", "two"):
        demo.generate(tmp_path / name, {"train": 4, "test": 2}, 40)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_no_two_images_are_near_duplicates_by_the_audits_rule(images):
    pixels = np.clip(images[2], 0, 255).astype(np.uint8)
    near, unlike, complete = near_pairs(*fingerprints([pixels]), lambda place: pixels[place])
    assert near == []
    assert complete
    assert len(unlike) == UNLIKE  # the hash does propose some
    assert min(pair[-1] for pair in unlike) >= SHIFTS


def test_portraits_that_are_alike_are_drawn_again(monkeypatch):
    monkeypatch.setattr(demo, "_look", lambda key, size: looks[key])
    levels = (90, 100, 200)
    grey = [np.full((32, 32, 3), level, np.uint8) for level in levels]
    looks = {
        (0, 0): (np.uint64(0), grey[0]),
        (1, 0): (np.uint64(1), grey[1]),  # one bit and ten grey levels from the first
        (1, 1): (np.uint64(3), grey[0]),  # still too close
        (1, 2): (np.uint64(3), grey[2]),
        (2, 0): (np.uint64(2**64 - 1), grey[0]),  # the same colours, another face
    }
    keys = demo._unlike_each_other([(0,), (1,), (2,)], 40, joblib.Parallel(return_as="generator"))
    assert keys == [(0, 0), (1, 2), (2, 0)]


def test_interrupted_set_is_completed(tmp_path):
    demo.generate(tmp_path, {"train": 4}, 40)
    before = files(tmp_path)
    first, second, third, *_ = sorted(tmp_path.rglob("*.jpg"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:500])
    third.rename(third.with_suffix(".part"))
    demo.generate(tmp_path, {"train": 4}, 40)
    assert files(tmp_path) == before


def test_whole_files_are_kept(tmp_path, monkeypatch):
    demo.generate(tmp_path, {"train": 1}, 40)
    monkeypatch.setattr(demo, "make_image", None)
    demo.generate(tmp_path, {"train": 1}, 40)


def test_sets_are_not_mixed(tmp_path):
    demo.generate(tmp_path, {"train": 1}, 40, seed=0)
    first = files(tmp_path)
    demo.generate(tmp_path, {"train": 1}, 40, seed=1)
    assert len(files(tmp_path)) == 2
    assert not first.keys() & files(tmp_path).keys()
    photo = next(tmp_path.rglob("fake")) / "holiday.jpg"
    Image.new("RGB", (40, 40)).save(photo)
    with pytest.raises(FileExistsError, match=r"holiday\.jpg is not a generated image"):
        demo.generate(tmp_path, {"train": 1}, 40, seed=1)
    assert photo.exists()


def test_workers_do_not_run_the_callers_script(tmp_path):
    script = tmp_path / "unguarded.py"
    numbers = {"train": 64}  # enough for several processes where there are several cores
    script.write_text(
        "from pathlib import Path\n"
        "from fakeface_utils.dataset.demo import generate as demo\n"
        "print('started')\n"
        f"demo.generate(Path({str(tmp_path / 'set')!r}), {numbers}, 40)\n"
    )
    run = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.count("started") == 1
    assert len(files(tmp_path / "set")) == 128


def test_marked_and_encoded_alike(images):
    paths, labels, _ = images
    tables = {0: set(), 1: set()}
    for path, label in zip(paths, labels, strict=True):
        with Image.open(path) as image:
            assert image.info["comment"] == demo.MARK.encode()
            tables[label].add((repr(image.quantization), repr(image.layer), image.mode))
    assert len(tables[0]) == 1
    assert tables[0] == tables[1]


def test_cheap_cues_do_not_tell_the_class(images):
    paths, labels, pixels = images
    thumbnails = pixels.reshape(-1, 8, SIZE // 8, 8, SIZE // 8, 3).mean((2, 4)).astype(np.uint8)
    manifest = pd.DataFrame({"label": labels, "bytes": [p.stat().st_size for p in paths]})
    cues, count = cue_accuracies(manifest.assign(jpeg_tables="the same"), thumbnails)
    assert count == 800
    assert set(cues) == set(CUES)
    for cue, value in cues.items():
        assert value["accuracy"] <= 0.60, cue


def test_name_order_does_not_tell_the_class(images):
    labels = images[1]  # in the order of the names
    assert abs(roc_auc_score(labels, np.arange(len(labels))) - 0.5) < 0.07
    assert abs((labels[1:] == labels[:-1]).mean() - 0.5) < 0.07


def test_fakes_carry_the_trace(images):
    _, labels, pixels = images
    colour = pixels[..., 0] - pixels[..., 1]  # the gains of red and green differ
    rows, columns = colour.mean(2), colour.mean(1)
    spectrum = np.log(np.abs(np.fft.rfft(rows)) + np.abs(np.fft.rfft(columns)))
    quarter = SIZE // 4  # cycles per image of a period of 4 pixels
    around = np.r_[quarter - 4 : quarter - 1, quarter + 2 : quarter + 5]
    peak = spectrum[:, quarter] - spectrum[:, around].mean(1)
    assert roc_auc_score(labels, peak) > 0.9
    assert roc_auc_score(labels, spectrum[:, quarter + 2] - spectrum[:, around].mean(1)) < 0.65
