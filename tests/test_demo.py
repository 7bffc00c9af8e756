"""The drawn images: repeatable, marked, and told apart by their trace alone."""

from collections import Counter

import imagehash
import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fakeface_utils.demo import generate as demo
from fakeface_utils.demo.camera import MARK, make_image
from fakeface_utils.run import load_study
from fakeface_utils.util import StudyError

KINDS = ("fake", "real")
SIZE = 64
NUMBERS = {"train": 150, "valid": 25, "test": 25}


def files(folder):
    """Every file under the folder, by its path there."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.*") if p.is_file()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """400 images: sorted by name, their labels (fake = 1) and their pixels."""
    folder = tmp_path_factory.mktemp("demo")
    demo.generate(folder, NUMBERS, SIZE)
    paths = sorted(folder.rglob("*.jpg"), key=lambda p: p.name)
    labels = np.array([p.parent.name == "fake" for p in paths], dtype=int)
    pixels = np.stack([np.asarray(Image.open(p), dtype=np.float64) for p in paths])
    return paths, labels, pixels


@pytest.mark.parametrize(
    ("size", "sums"),  # of all pixels of the fake and the real
    [(40, (712425, 712855)), (56, (1429767, 1431446)), (256, (27829031, 27846816))],
)
def test_a_key_decides_every_pixel(size, sums):
    for kind, expected in zip(KINDS, sums, strict=True):
        image = make_image(kind, size, (3, 1, 4))
        assert (image.shape, image.dtype) == ((size, size, 3), np.uint8)
        assert image.sum() == pytest.approx(expected, rel=1e-4)
        assert (image != make_image(kind, size, (3, 1, 5))).mean() > 0.5


def test_both_kinds_of_a_key_show_the_same_portrait():
    fake, real = (make_image(kind, SIZE, (7,)).astype(float) for kind in KINDS)
    assert 0 < np.abs(fake - real).mean() < 8
    assert np.abs(fake.mean((0, 1)) - real.mean((0, 1))).max() < 1


def test_no_two_images_are_near_duplicates(drawn):
    """By the rule of the audit: at most 16 bits of pHash apart, and less than 1.75 shifts."""
    small = [Image.fromarray(one.astype(np.uint8)).resize((64, 64)) for one in drawn[2]]
    bits = np.array(
        [np.packbits(imagehash.phash(image).hash).view(np.uint64)[0] for image in small]
    )
    pixels = np.stack([np.asarray(image, float) for image in small])
    a, b = np.nonzero(np.triu(np.bitwise_count(bits[:, None] ^ bits) <= 16, k=1))
    assert len(a)  # the hash does propose some
    down = np.abs(np.diff(pixels, axis=1)).mean((1, 2, 3))
    shift = (down + np.abs(np.diff(pixels, axis=2)).mean((1, 2, 3))) / 2
    apart = np.abs(pixels[a] - pixels[b]).mean((1, 2, 3)) / np.minimum(shift[a], shift[b])
    assert apart.min() >= 1.75


def test_a_set_that_was_left_unfinished_ends_as_a_whole_one(tmp_path):
    demo.generate(tmp_path, {"train": 4, "test": 2}, 40)
    whole = files(tmp_path)
    first, second, *_ = sorted(tmp_path.rglob("*.jpg"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:500])
    demo.generate(tmp_path, {"train": 4, "test": 2}, 40)
    assert files(tmp_path) == whole


def test_a_photograph_in_the_demos_folder_is_kept(places):
    study = load_study(overrides="images_per_class=2 image_size=35")
    task = demo.draw_demo.of(study).do()
    photo = next(task.path().rglob("fake")) / "holiday.jpg"
    Image.new("RGB", (40, 40)).save(photo)
    with pytest.raises(StudyError, match=r"holiday\.jpg is not a drawn image"):
        demo.draw_demo.of(study).do()
    assert photo.exists()
    photo.unlink()
    next(task.path().rglob("*.jpg")).unlink()
    assert len(files(demo.draw_demo.of(study).do().path())) == 12


def test_drawn_images_need_a_size_that_divides(places):
    with pytest.raises(StudyError, match="multiple of 7"):
        demo.draw_demo.of(load_study(overrides="image_size=36")).do()


def test_laid_out_as_kaggles_archive_marked_and_encoded_alike(drawn):
    paths, labels, pixels = drawn
    counts = Counter(path.parent.relative_to(path.parents[4]).as_posix() for path in paths)
    layout = "real_vs_fake/real-vs-fake"
    assert counts == {f"{layout}/{split}/{k}": n for split, n in NUMBERS.items() for k in KINDS}
    assert pixels.shape == (400, SIZE, SIZE, 3)
    tables = {0: set(), 1: set()}
    for path, label in zip(paths, labels, strict=True):
        with Image.open(path) as image:
            assert image.info["comment"] == MARK.encode()
            tables[label].add((repr(image.quantization), repr(image.layer), image.mode))
    assert len(tables[0]) == 1
    assert tables[0] == tables[1]


def test_cheap_cues_do_not_tell_the_class(drawn):
    paths, labels, pixels = drawn
    thumbnails = pixels.reshape(-1, 8, SIZE // 8, 8, SIZE // 8, 3).mean((2, 4))
    cues = {
        "file size": np.array([[path.stat().st_size] for path in paths]),
        "mean colour": pixels.mean((1, 2)),
        "thumbnail": thumbnails.reshape(400, -1),
    }
    for cue, values in cues.items():
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        assert cross_val_score(model, values, labels, cv=5).mean() <= 0.60, cue


def test_name_order_does_not_tell_the_class(drawn):
    labels = drawn[1]  # in the order of the names
    assert abs(roc_auc_score(labels, np.arange(len(labels))) - 0.5) < 0.07
    assert abs((labels[1:] == labels[:-1]).mean() - 0.5) < 0.07


def test_fakes_carry_the_trace(drawn):
    _, labels, pixels = drawn
    colour = pixels[..., 0] - pixels[..., 1]  # the gains of red and green differ
    rows, columns = colour.mean(2), colour.mean(1)
    spectrum = np.log(np.abs(np.fft.rfft(rows)) + np.abs(np.fft.rfft(columns)))
    quarter = SIZE // 4  # cycles per image of a period of 4 pixels
    around = np.r_[quarter - 4 : quarter - 1, quarter + 2 : quarter + 5]
    peak = spectrum[:, quarter] - spectrum[:, around].mean(1)
    assert roc_auc_score(labels, peak) > 0.9
    assert roc_auc_score(labels, spectrum[:, quarter + 2] - spectrum[:, around].mean(1)) < 0.65
