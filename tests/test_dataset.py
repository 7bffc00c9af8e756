"""Images in any form become the same prepared arrays, or a sentence that names the file."""

import io
import shutil
import subprocess
import sys
import time
import zipfile

import numpy as np
import PIL.Image
import pytest

from fakeface_utils.common import locks
from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.paths import ROOT
from fakeface_utils.dataset import kaggle
from fakeface_utils.dataset.audit import audit
from fakeface_utils.dataset.decode import decode
from fakeface_utils.dataset.folder import list_images, open_images
from fakeface_utils.dataset.prepare import prepare, source_counts
from fakeface_utils.networks.batches import Batches
from fakeface_utils.study import artefacts
from fakeface_utils.study.artefacts import (
    dataset_json,
    kaggle_location,
    parameters_json,
    prepared_dir,
    read_images,
    read_manifest,
)
from fakeface_utils.study.names import SPLITS
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import decode_step, prepare_step
from fakeface_utils.study.record import claim_run, record

SMALL = "image_size=35"


def encoded(image, form="JPEG"):
    stream = io.BytesIO()
    image.save(stream, form)
    return stream.getvalue()


def test_prepared_arrays_are_the_images_in_the_manifests_order(places, faces):
    study = load_study(data=str(faces), overrides=SMALL)
    dataset = prepare(study)
    assert dataset["counts"]["valid"] == {"real": 4, "fake": 4}
    assert not dataset["generated"]
    for split in ("train", "valid", "test"):
        images, manifest = read_images(study, split), read_manifest(study, split)
        assert images.shape == (8, 35, 35, 3)
        assert images.dtype == np.uint8
        for row, path, label in zip(images, manifest["path"], manifest["label"], strict=True):
            with PIL.Image.open(faces / path) as image:
                expected = image.resize((35, 35), PIL.Image.Resampling.BILINEAR)
            np.testing.assert_array_equal(row, expected)
            assert label == ("/fake/" in path)


def test_a_zip_gives_the_same_arrays_as_its_folder(places, faces):
    shutil.make_archive(str(faces), "zip", faces)
    folder = load_study(data=str(faces), overrides=SMALL)
    archive = load_study(data=f"{faces}.zip", overrides=SMALL)
    assert prepare(folder)["fingerprint"] == prepare(archive)["fingerprint"]
    np.testing.assert_array_equal(read_images(folder, "test"), read_images(archive, "test"))


def test_a_subset_is_the_same_each_time_and_balanced(places, faces):
    study = load_study(data=str(faces), overrides=f"{SMALL} images_per_class=2")
    first = prepare(study)
    prepare_step(study).forget()
    assert prepare(study) == first
    assert read_manifest(study, "train")["label"].tolist().count(1) == 2
    assert source_counts(study) == {"train": 4, "valid": 4, "test": 4}


def test_greyscale_cmyk_and_transparent_images_become_rgb():
    grey, seen = decode(encoded(PIL.Image.new("L", (40, 40), 100)), 35, "bilinear")
    assert seen["mode"] == "L"
    np.testing.assert_array_equal(grey, np.full((35, 35, 3), 100))
    cmyk, seen = decode(encoded(PIL.Image.new("CMYK", (40, 40), (0, 255, 255, 0))), 35, "bilinear")
    assert seen["mode"] == "CMYK"
    assert cmyk[..., 0].min() > 200
    assert cmyk[..., 1:].max() < 60
    clear = PIL.Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 0, 20, 40))
    pixels, _ = decode(encoded(clear, "PNG"), 40, "bilinear")
    np.testing.assert_array_equal(pixels[0, 30], (255, 255, 255))
    np.testing.assert_array_equal(pixels[0, 10], (0, 0, 255))


def test_nearest_and_bilinear_differ():
    stripes = np.zeros((40, 40, 3), np.uint8)
    stripes[:, ::2] = 255
    raw = encoded(PIL.Image.fromarray(stripes), "PNG")
    nearest, _ = decode(raw, 35, "nearest")
    assert set(np.unique(nearest)) == {0, 255}
    bilinear, _ = decode(raw, 35, "bilinear")
    assert len(np.unique(bilinear)) > 5


def break_images(root):
    """Cut one JPEG of the training split short and put a text in the place of another."""
    first, *_, last = sorted((root / "a" / "b" / "train").rglob("*.jpg"))
    first.write_bytes(first.read_bytes()[:400])
    last.write_text("not an image")
    return first.relative_to(root).as_posix(), last.relative_to(root).as_posix()


def arrays(study):
    return sorted(path.name for path in prepared_dir(study).glob("*.npy"))


def test_unreadable_images_are_named_and_nothing_counts_as_prepared(places, faces):
    broken = break_images(faces)
    study = load_study(data=str(faces), overrides=SMALL)
    for _ in range(2):
        with pytest.raises(StudyError) as caught:
            prepare(study)
        assert str(caught.value).startswith("2 of 8 images in train of faces can't be read: ")
        assert all(name in str(caught.value) for name in broken)
        assert "skip_unreadable" in str(caught.value)
    assert not decode_step(study, "train").is_done()
    assert not dataset_json(study).exists()


def test_unreadable_images_can_be_left_out_by_name(places, faces):
    broken = break_images(faces)
    study = load_study(data=str(faces), overrides=f"{SMALL} skip_unreadable=true")
    dataset = prepare(study)
    assert set(dataset["unreadable"]) == set(broken)
    manifest, images = read_manifest(study, "train"), read_images(study, "train")
    assert len(manifest) == len(images) == 6
    assert not set(manifest["path"]) & set(broken)
    for row, path in zip(images, manifest["path"], strict=True):
        np.testing.assert_array_equal(row, decode((faces / path).read_bytes(), 35, "bilinear")[0])
    assert manifest["bytes"].dtype == "int64"  # also beside unreadable ones
    assert len(read_images(study, "test")) == 8


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("", "8 of 8 images in train of faces can't be read"),
        ("a/b/test", "8 of 8 images in test of faces can't be read"),
        ("a/b/test/fake", "a class of faces has no readable image"),
    ],
)
def test_without_one_readable_image_of_a_kind_a_dataset_is_refused_even_so(
    places, faces, where, sentence
):
    for path in (faces / where).rglob("*.jpg"):
        path.write_text("not an image")
    study = load_study(data=str(faces), overrides=f"{SMALL} skip_unreadable=true")
    with pytest.raises(StudyError, match=sentence):
        prepare(study)
    assert not dataset_json(study).exists()


def rename(root, old, new):
    (root / "a" / "b" / old).rename(root / "a" / "b" / new)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: shutil.rmtree(root / "a/b/train/fake"), ["train/fake"]),
        (lambda root: [p.unlink() for p in (root / "a/b/valid").rglob("*.jpg")], ["valid"]),
        (lambda root: rename(root, "test/real", "test/other"), ["'other'", "test"]),
        (lambda root: shutil.copytree(root / "a", root / "c"), ["2 datasets", "a/b", "c/b"]),
        (lambda root: (root / "stray.jpg").write_bytes(b""), ["stray.jpg"]),
        (shutil.rmtree, ["does not exist"]),
    ],
)
def test_another_layout_is_refused_in_one_sentence(faces, spoil, words):
    spoil(faces)
    with pytest.raises(StudyError) as caught:
        list_images(open_images(faces))
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in [*words, str(faces)])


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    (tmp_path / "x.zip").write_text("no")
    with pytest.raises(StudyError, match="not a whole zip"):
        open_images(tmp_path / "x.zip")


def test_a_bad_checksum_in_a_zip_names_the_image(places, faces):
    path = zipped(faces)
    raw = bytearray(path.read_bytes())
    raw[200] ^= 0xFF  # inside the first image's bytes
    path.write_bytes(bytes(raw))
    with pytest.raises(StudyError, match=r"a/b/test/fake/0\.jpg"):
        prepare(load_study(data=str(path), overrides=SMALL))


def zipped(faces, *extra):
    """The faces as a zip, with entries more."""
    path = faces.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(faces.rglob("*.jpg")):
            archive.write(file, file.relative_to(faces).as_posix())
        for entry, content in extra:
            archive.writestr(entry, content)
    return path


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("a/b/test/fake/big.jpg", bytes(2**26 + 1)), ["big.jpg", "67.1 MB"]),
        (("stray.jpg", b"x"), ["stray.jpg", "train, valid or test"]),
    ],
)
def test_an_unsafe_zip_is_refused_by_the_entrys_name(places, faces, extra, words):
    path = zipped(faces, extra)
    before = {path for path in places.rglob("*") if places / "data" not in path.parents}
    with pytest.raises(StudyError) as caught:
        prepare(load_study(data=str(path), overrides=SMALL))
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), caught.value
    after = {path for path in places.rglob("*") if places / "data" not in path.parents}
    assert after - before <= {places / "data"}


def test_a_bomb_of_many_entries_is_refused(faces):
    path = zipped(faces, *((f"a/b/test/fake/{n}.bmp", bytes(2**25)) for n in range(9)))
    with pytest.raises(StudyError, match="MB when unpacked, too much for its size"):
        open_images(path)


def test_an_image_of_too_many_pixels_is_unreadable():
    with pytest.raises(ValueError, match="6000 x 6000 pixels are too many"):
        decode(encoded(PIL.Image.new("1", (6000, 6000)), "PNG"), 35, "bilinear")


def test_the_papers_archive_with_one_image_less_is_refused(places, faces, monkeypatch):
    monkeypatch.setattr(kaggle, "PAPER_COUNTS", {"train": 4, "valid": 4, "test": 4})
    monkeypatch.setattr(artefacts, "MOUNTS", ())
    next(faces.glob("a/b/train/fake/*")).unlink()
    path = zipped(faces)
    kaggle_location().parent.mkdir(parents=True)
    path.rename(kaggle_location())
    study = load_study(data="kaggle", overrides=SMALL)
    with pytest.raises(StudyError, match="has 3 images in train/fake, not the paper's 4"):
        prepare(study)
    assert arrays(study) == []


# `fakeface data` on a folder, 0.1 s for an image, so that there are moments to kill it at.
SLOW = """
import sys, time
from fakeface_utils.dataset import prepare
decode = prepare.decode
prepare.decode = lambda *words: (time.sleep(0.1), decode(*words))[1]
from fakeface_utils.cli import main
sys.argv = ["fakeface", "data", "--data", sys.argv[1], "--set", "image_size=35"]
main()
"""


def test_a_kill_costs_at_most_the_split_it_was_in(places, faces):
    study = load_study(data=str(faces), overrides=SMALL)
    folder, written = prepared_dir(study), {}
    for split in SPLITS:
        process = subprocess.Popen([sys.executable, "-c", SLOW, str(faces)], cwd=ROOT)
        while not (folder / f".part-{split}.npy").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert not decode_step(study, split).is_done()
        written |= {path: path.stat().st_mtime_ns for path in folder.glob("[a-z]*.npy")}
    assert {path.stem for path in written} == {"train", "valid"}
    dataset = prepare(study)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    shutil.copytree(faces, places / "undisturbed" / faces.name)
    whole = load_study(data=str(places / "undisturbed" / faces.name), overrides=SMALL)
    assert prepare(whole) == dataset
    for split in SPLITS:
        np.testing.assert_array_equal(read_images(study, split), read_images(whole, split))
        assert read_manifest(study, split).equals(read_manifest(whole, split))


def test_a_disk_that_is_too_small_is_noticed_before_work(places, faces, monkeypatch):
    usage = shutil.disk_usage(places)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    study = load_study(data=str(faces), overrides=SMALL)
    with pytest.raises(StudyError, match="FAKEFACE_DATA"):
        prepare(study)
    assert arrays(study) == []


def test_a_data_folder_that_cannot_be_written(places, faces, monkeypatch):
    (places / "file").write_text("")
    monkeypatch.setenv("FAKEFACE_DATA", str(places / "file"))
    with pytest.raises(StudyError, match="cannot write"):
        prepare(load_study(data=str(faces), overrides=SMALL))


def test_generated_images_need_a_size_that_divides(places):
    with pytest.raises(StudyError, match="multiple of 7"):
        prepare(load_study(overrides="image_size=36 images_per_class=2"))


def test_generated_data_is_known_by_its_mark_wherever_it_lies(places):
    study = load_study(overrides=f"{SMALL} images_per_class=2")
    assert prepare(study)["generated"]
    moved = places / "holiday-photos"
    next((places / "data").glob("demo-*")).rename(moved)
    assert prepare(load_study(data=str(moved), overrides=SMALL))["generated"]


def test_a_run_refuses_other_data_of_the_same_name(places, faces):
    study = load_study(data=str(faces), run="x", overrides=SMALL)
    prepare(study)
    record(study)
    claim_run(study)
    one = next(faces.rglob("train/fake/*.jpg"))
    one.write_bytes(encoded(PIL.Image.new("RGB", (40, 40))))
    prepare(study)
    with pytest.raises(StudyError, match="images of 'faces' have changed"):
        claim_run(study)
    with pytest.raises(StudyError, match="epochs"):
        claim_run(load_study(data=str(faces), run="x", overrides=f"{SMALL} epochs=3"))
    claim_run(study, force=True)  # nothing of the old study is left
    assert list((places / "results" / "x").iterdir()) == [parameters_json("x")]


def test_other_than_the_papers_counts_are_refused(places, faces):
    with pytest.raises(StudyError, match="4 images in train/real, not the paper's 50,000"):
        kaggle.check_counts(list_images(open_images(faces)), faces)


def test_batches_follow_the_order_and_miss_nothing():
    inputs, labels = np.arange(7)[:, None], np.arange(7) % 2
    order = np.array([6, 0, 3, 1, 5, 2, 4])
    batches = Batches(inputs, labels, 3, order)
    assert len(batches) == 3
    taken = [batches[i] for i in range(3)]
    assert [sorted(x[:, 0].tolist()) for x, _ in taken] == [[0, 3, 6], [1, 2, 5], [4]]
    for x, y in taken:
        np.testing.assert_array_equal(y[:, 0], x[:, 0] % 2)
        assert y.dtype == np.float32


def test_prepared_images_serve_where_the_data_folder_is_read_only(places, monkeypatch):
    """As on a shared disk: a step that is done takes no lock and writes nothing beside the data."""
    study = load_study(overrides="images_per_class=2 image_size=35")
    dataset = prepare(study)
    audited = audit(study)
    monkeypatch.setattr(locks, "FileLock", lambda *_, **__: pytest.fail("locked"))
    assert prepare(study) == dataset
    assert audit(study) == audited
