"""Images in any form become the same prepared arrays, or a sentence that names the file."""

import contextlib
import io
import os
import random
import shutil
import socket
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from conftest import done
from fakeface_utils import data
from fakeface_utils.data import (
    about,
    drawn,
    images,
    manifest,
    mark,
    source,
    source_digest,
)
from fakeface_utils.demo.camera import MARK
from fakeface_utils.digests import signature
from fakeface_utils.image_files import (
    UNREADABLE,
    as_input,
    decode,
    find_images,
    left_out,
    list_images,
    open_images,
    original,
    reason,
    to_rgb,
)
from fakeface_utils.paper import SPLITS
from fakeface_utils.run import load_study
from fakeface_utils.util import StudyError, escaped

SMALL = "image_size=35"


def prepared(study):
    """What dataset.json holds, once all is done that it stands on."""
    return done(data.dataset.of(study)).read()


def encoded(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def decoded(raw, size, resize_filter):
    return as_input(decode(raw).image, size, resize_filter)


def zipped(root, *extra, prefix="", **options):
    """The faces as a zip, with entries more."""
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", **options) as archive:
        for file in sorted(root.rglob("*.jpg")):
            archive.writestr(f"{prefix}{file.relative_to(root).as_posix()}", file.read_bytes())
        for entry, content in extra:
            archive.writestr(entry, content)
    return path


def not_read(root):
    return left_out(find_images(open_images(root))[1])


def first(root):
    return root / "a" / "b" / "train" / "fake"


# Prepared arrays.


def test_prepared_arrays_are_the_images_in_the_manifests_order(places, faces):
    study = load_study(data=str(faces), overrides=SMALL)
    found = prepared(study)
    assert found == about(study)
    assert found["counts"]["valid"] == {"real": 4, "fake": 4}
    assert not found["generated"]
    assert not found["split_by_us"]
    for split in SPLITS:
        table, arrays = manifest(study, split), images(study, split)
        assert (arrays.shape, arrays.dtype) == ((8, 35, 35, 3), np.uint8)
        for row, path, label in zip(arrays, table["path"], table["label"], strict=True):
            with PIL.Image.open(faces / path) as image:
                expected = image.resize((35, 35), PIL.Image.Resampling.BILINEAR)
            np.testing.assert_array_equal(row, expected)
            assert label == ("/fake/" in path)
    assert mark(study) == "8 training images at 35 pixels (the paper: 100,000 at 224)"


def test_a_zip_gives_the_same_arrays_as_its_folder_and_a_subset_is_the_same_each_time(
    places, faces
):
    overrides = f"{SMALL} images_per_class=2"
    names = (faces, zipped(faces, compression=zipfile.ZIP_DEFLATED))
    studies = [load_study(data=str(path), overrides=overrides) for path in names]
    assert len({prepared(study)["fingerprint"] for study in studies}) == 1
    np.testing.assert_array_equal(*(images(study, "test") for study in studies))
    assert manifest(studies[0], "train")["label"].tolist().count(1) == 2
    assert not [path for path in (places / "data").rglob("*.jpg")]  # it is never unpacked


def test_a_draw_keeps_the_order_and_needs_its_seed_alone():
    table = pd.DataFrame({"label": [0, 1] * 50, "path": range(100)}, index=range(100, 200))
    ten = drawn(table, "label", 10)
    assert ten["path"].is_monotonic_increasing
    assert ten["label"].value_counts().to_dict() == {0: 10, 1: 10}
    assert ten.equals(drawn(table, ["label"], 10))
    assert drawn(table, "label", None).equals(table)


def test_images_that_a_table_names_are_left_out_and_others_stay(places, faces):
    table = places / "leaks.csv"
    # Named as in a zip with another folder around them; an empty name is a pair without one.
    table.write_text("kind,path\nnear,x/train/fake/0.jpg\nnear,\nnear,x/valid/real/1.jpg\n")
    whole, clean = (
        load_study(data=str(faces)),
        load_study(data=str(faces), overrides=f"leave_out={table}"),
    )
    assert clean.prepared != whole.prepared
    assert {prepared(whole)["fingerprint"]} != {prepared(clean)["fingerprint"]}
    for split, gone in (("train", "fake/0.jpg"), ("valid", "real/1.jpg"), ("test", None)):
        before, after = manifest(whole, split), manifest(clean, split)
        expected = [path for path in before["path"] if path != f"a/b/{split}/{gone}"]
        assert after["path"].tolist() == expected
        assert len(expected) == 8 - (gone is not None)
    few = load_study(data=str(faces), overrides=f"leave_out={table} images_per_class=3")
    drawn_before = drawn(manifest(whole, "train"), "label", 3)["path"].tolist()
    assert prepared(few)["counts"]["test"] == {"real": 3, "fake": 3}
    left = [path for path in drawn_before if path != "a/b/train/fake/0.jpg"]
    assert manifest(few, "train")["path"].tolist() == left  # of the same draw


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path\nx/train/fake/nobody.jpg\n", "leaks.csv names none of the images: check leave_out"),
        ("name\n0.jpg\n", "leaks.csv has no column path: give a CSV"),
    ],
)
def test_a_table_that_fits_nothing_is_refused(places, faces, text, words):
    (places / "leaks.csv").write_text(text)
    study = load_study(data=str(faces), overrides=f"leave_out={places / 'leaks.csv'}")
    with pytest.raises(StudyError, match=words):
        prepared(study)
    with pytest.raises(StudyError, match="there is no such file: give a CSV"):
        load_study(data=str(faces), overrides="leave_out=nowhere.csv")


def flat(root, count):
    """Only real and fake inside, so many of each."""
    for number, kind in enumerate(["fake", "real"] * count):
        (root / "x" / kind).mkdir(parents=True, exist_ok=True)
        colour = PIL.Image.new("RGB", (40, 40), (number, 0, 0))
        colour.save(root / "x" / kind / f"{number}.png")
    return root


def test_only_fake_and_real_are_split_by_a_seed_and_that_is_said(places):
    root = flat(places / "flat", 20)
    study = load_study(data=str(root), overrides=SMALL)
    found = prepared(study)
    assert found["split_by_us"].startswith("The images came without splits: 70 %")
    assert [found["counts"][split]["fake"] for split in SPLITS] == [14, 3, 3]
    paths = [path for split in SPLITS for path in manifest(study, split)["path"]]
    assert len(set(paths)) == 40
    archive = load_study(data=shutil.make_archive(str(root), "zip", root), overrides=SMALL)
    assert prepared(archive)["fingerprint"] == found["fingerprint"]


def test_without_a_test_split_half_of_validation_is_it_and_that_is_said(places, faces):
    shutil.rmtree(faces / "a" / "b" / "test")
    study = load_study(data=str(faces), overrides=SMALL)
    found = prepared(study)
    assert "half of each class of validation" in found["split_by_us"]
    assert [found["counts"][split]["real"] for split in SPLITS] == [4, 2, 2]
    tables = [manifest(study, split)["path"] for split in SPLITS[1:]]
    assert len({*pd.concat(tables)}) == 8
    assert all("/valid/" in path for path in pd.concat(tables))


def test_drawn_data_are_known_by_their_mark_wherever_they_lie(places):
    study = load_study(overrides=f"{SMALL} images_per_class=2")
    assert prepared(study)["generated"]
    assert mark(study) == "drawn demo images"
    source(study).rename(places / "holiday-photos")
    moved = load_study(data=str(places / "holiday-photos"), overrides=SMALL)
    assert prepared(moved)["generated"]


def test_an_image_that_changed_is_seen_by_the_run_and_by_its_reader(places, faces):
    study = load_study(data=str(faces), overrides=SMALL)
    prepared(study)
    row = manifest(study, "train").iloc[0]
    assert original(open_images(faces), row["path"], row["sha256"]).image.size == (40, 40)
    before, path = source_digest(study), faces / row["path"]
    path.write_bytes(encoded(PIL.Image.new("RGB", (40, 40)), "JPEG"))
    assert source_digest(study) != before
    with pytest.raises(StudyError, match="has changed since it was prepared"):
        original(open_images(faces), row["path"], row["sha256"])
    path.unlink()
    with pytest.raises(StudyError, match="can't be read any more"):
        original(open_images(faces), row["path"], row["sha256"])
    assert data.prepare.of(study, "train").why_not_done()


def break_images(root):
    """Cut one JPEG of the training split short and put a text in the place of another."""
    start, *_, last = sorted((root / "a" / "b" / "train").rglob("*.jpg"))
    start.write_bytes(start.read_bytes()[:400])
    last.write_text("not an image")
    return start.relative_to(root).as_posix(), last.relative_to(root).as_posix()


def test_unreadable_images_are_named_or_left_out_by_name(places, faces, monkeypatch):
    broken, locked, read = break_images(faces), "a/b/train/fake/1.jpg", Path.open

    def refuse(path, *args, **options):
        if str(path).endswith(locked):
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    study = load_study(data=str(faces), overrides=SMALL)
    for _ in range(2):
        with pytest.raises(StudyError) as caught:
            prepared(study)
        assert str(caught.value).startswith("3 of 8 images in train of faces can't be read: ")
        named = (*broken, f"{locked} (Permission denied)", "skip_unreadable")
        assert all(name in str(caught.value) for name in named)
    assert not [path for path in study.prepared.glob("*.*") if not path.name.startswith(".")]
    study = load_study(data=str(faces), overrides=f"{SMALL} skip_unreadable=true")
    assert set(prepared(study)["unreadable"]) == {*broken, locked}
    table, pixels = manifest(study, "train"), images(study, "train")
    assert pixels.shape == (len(table), 35, 35, 3) == (5, 35, 35, 3)
    for row, path in zip(pixels, table["path"], strict=True):
        np.testing.assert_array_equal(row, decoded((faces / path).read_bytes(), 35, "bilinear"))
    assert table["bytes"].dtype == "int64"  # also beside unreadable ones


@pytest.mark.parametrize("where", ["a/b", "a/b/train/fake"])
def test_without_one_readable_image_of_a_class_a_dataset_is_refused_even_so(places, faces, where):
    for path in (faces / where).rglob("*.jpg"):
        path.write_text("not an image")
    study = load_study(data=str(faces), overrides=f"{SMALL} skip_unreadable=true")
    with pytest.raises(StudyError, match="a class of faces has no readable image in train"):
        prepared(study)


def test_a_disk_that_is_too_small_or_read_only_is_noticed_before_work(places, faces, monkeypatch):
    study = load_study(data=str(faces), overrides=SMALL)
    with monkeypatch.context() as patch:
        usage = shutil.disk_usage(places)._replace(free=1000)
        patch.setattr(shutil, "disk_usage", lambda path: usage)
        with pytest.raises(StudyError, match="FAKEFACE_DATA"):
            prepared(study)
    (places / "file").write_text("")
    monkeypatch.setenv("FAKEFACE_DATA", str(places / "file"))
    with pytest.raises(StudyError, match="cannot write"):
        prepared(study)


def test_other_than_the_papers_counts_are_refused_of_kaggle(places, faces, monkeypatch):
    monkeypatch.setattr(data, "MOUNTS", (faces,))  # as on Kaggle's own machines
    monkeypatch.setattr(data, "COUNTS", {"train": 4, "valid": 4, "test": 4})
    study = load_study(data="kaggle", overrides=SMALL)
    assert source(study) == faces
    prepared(study)
    next(first(faces).iterdir()).unlink()
    with pytest.raises(StudyError, match="has 3 images in train/fake, not the paper's 4"):
        prepared(study)


# Folders and zips.


def nest(root):
    shutil.rmtree(first(root))
    (root / "archive.zip").touch()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: shutil.rmtree(first(root)), ["no images in train/fake; not read: nothing"]),
        (lambda root: [p.unlink() for p in (root / "a/b/valid").rglob("*.jpg")], ["valid/real"]),
        (lambda root: (root / "a/b/test/real").rename(root / "a/b/test/other"), ["test/other/0"]),
        (lambda root: shutil.copytree(root / "a", root / "c"), ["2 datasets", "a/b", "c/b"]),
        (lambda root: (root / "stray.jpg").write_bytes(b""), ["stray.jpg lies outside"]),
        (lambda root: shutil.copytree(first(root), root / "a/b/fake"), ["a/b/fake/0.jpg lies"]),
        (lambda root: (shutil.rmtree(root), flat(root, 4)), ["no images in valid/real"]),
        (nest, ["not read: 1 .zip; unpack the zip inside"]),
        (shutil.rmtree, ["does not exist"]),
    ],
)
def test_another_layout_is_refused_in_one_sentence(faces, spoil, words):
    spoil(faces)
    with pytest.raises(StudyError) as caught:
        list_images(open_images(faces))
    assert all(word in str(caught.value) for word in [*words, str(faces)])


@pytest.mark.parametrize("outer", ["test", "fake", "train/real"])
def test_outer_folders_may_have_any_name(faces, outer):
    expected = list_images(open_images(faces))
    shutil.move(faces, faces.with_name("x"))
    (faces / outer).parent.mkdir(parents=True)
    shutil.move(faces.with_name("x"), faces / outer)
    found = list_images(open_images(faces))
    assert found["path"].tolist() == [f"{outer}/{path}" for path in expected["path"]]
    assert found[["split", "label"]].equals(expected[["split", "label"]])


FOREIGN = [".ipynb_checkpoints", ".Trash-1000", "__MACOSX", "@eaDir", "#recycle", "lost+found"]


def test_what_other_programs_leave_at_any_depth_is_no_image_and_is_counted(faces):
    image, before = (first(faces) / "0.jpg").read_bytes(), signature(faces)[1]
    for place in (faces, first(faces)):
        for name in FOREIGN:
            (place / name / "real").mkdir(parents=True)
            (place / name / "real" / "0.jpg").write_bytes(image)
        for name in ("._0.jpg", "~$0.jpg", "Thumbs.db", "Icon\r"):
            (place / name).write_bytes(image)
    images, others = find_images(open_images(faces))
    assert len(images) == len(list_images(open_images(faces))) == 24
    kinds = [*(f"in {name}" for name in FOREIGN), "._*", "~$0.jpg", "Thumbs.db", "Icon\r"]
    assert sorted(others.values()) == sorted(2 * kinds)
    assert not_read(faces).endswith("; and 5 more")
    assert signature(faces)[1] == before  # the run's images are the same
    assert find_images(open_images(zipped(faces, (".x/a.jpg", b""))))[1][".x/a.jpg"] == "in .x"


def test_pipes_sockets_and_links_are_passed_over_with_a_word(faces, monkeypatch):
    os.mkfifo(first(faces) / "p.jpg")  # opened, it would wait for ever
    (first(faces) / "x.jpg").symlink_to("nobody")
    (first(faces) / "folder").symlink_to(faces)
    monkeypatch.chdir(first(faces))  # a socket's path may be no longer than 108 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.jpg")
    assert len(list_images(open_images(faces))) == 24
    assert not_read(faces) == "4 unfollowed link or pipe"
    (first(faces) / "9.jpg").symlink_to(first(faces) / "0.jpg")  # a link to a file is read
    assert len(list_images(open_images(faces))) == 25


def test_images_by_other_suffixes_are_read_and_other_files_are_counted(faces):
    for name in ("1.heic", "2.HEIC", "3.gif", "x.\x1b[2J", "LICENSE"):
        (first(faces) / name).touch()
    (faces / "train.csv").touch()
    said = r"2 .heic; 1 .\x1b[2j; 1 .csv; 1 .gif; 1 without suffix"
    assert not_read(faces) == said
    for path, suffix in zip(first(faces).glob("*.jpg"), (".jfif", ".JPE", "", ".PNG"), strict=True):
        path.rename(path.with_suffix(suffix))
    assert len(list_images(open_images(faces))) == 24
    assert not_read(faces) == said
    assert not_read(zipped(faces, ("a/real/1.gif", b""))) == "1 .gif"


def test_a_folder_that_cannot_be_listed_is_named(faces, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("valid/real"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    for look in (lambda: list_images(open_images(faces)), lambda: signature(faces)):
        with pytest.raises(StudyError, match=r"cannot list .*valid/real"):
            look()
    with pytest.raises(StudyError, match="does not exist: check DATA"):
        open_images(faces / ("x" * 5000))


BAD_NAMES = [b"f\r0.jpg", b"f\n.jpg", b"\x1b[2J.jpg", b"caf\xe9.jpg", b"\x7f.jpg", b"\xc2\x85.jpg"]


@pytest.mark.parametrize("name", [os.fsdecode(name) for name in BAD_NAMES], ids=range(6))
def test_a_name_that_cannot_be_printed_is_refused_escaped(faces, name):
    for good in ("gesicht 1.jpg", "Gesicht-ä.jpg", "脸.jpg", "10.00\u202fAM.jpg"):
        shutil.copy(first(faces) / "0.jpg", first(faces) / good)
    assert len(list_images(open_images(faces))) == 28
    (first(faces) / name).touch()
    with pytest.raises(StudyError) as caught:
        list_images(open_images(faces))
    assert str(caught.value).isprintable()
    assert f"the name of a/b/train/fake/{escaped(name)} can't be printed" in str(caught.value)


@pytest.mark.parametrize("windows", [True, False])
def test_a_zip_is_read_whatever_its_names_look_like(faces, windows):
    expected, one = list_images(open_images(faces)), "a/b/train/fake/0.jpg"
    path = zipped(faces, prefix="./")
    if windows:
        path.write_bytes(path.read_bytes().replace(b"./a/b/", b".\\a\\b\\"))
    reader = open_images(path)
    assert list_images(reader).equals(expected)
    assert reader.read(one) == (faces / one).read_bytes()


@pytest.mark.parametrize("kind", ["checksum", "large"])
def test_an_entry_that_cannot_be_read_is_named(places, faces, kind):
    extra = [("a/b/test/fake/0.bmp", bytes(2**26 + 1))] if kind == "large" else []
    path = zipped(faces, *extra, compression=zipfile.ZIP_DEFLATED)
    raw = bytearray(path.read_bytes())
    raw[200] ^= 0xFF * (kind == "checksum")
    path.write_bytes(bytes(raw))
    with pytest.raises(StudyError, match=r"1 of [89] images in test .*: a/b/test/fake/0\.\w+ \("):
        prepared(load_study(data=str(path), overrides=SMALL))


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [(6, 1, "password required"), (8, 9, "compression method"), (8, 14, "LZMA")],
)
def test_a_zip_with_a_password_or_an_unknown_method_is_refused_with_the_way_out(
    faces, place, value, words
):
    path = zipped(faces)
    raw = bytearray(path.read_bytes())
    for start in (0, raw.index(b"PK\1\2") + 2):  # the first image's two headers
        raw[start + place] = value
    path.write_bytes(bytes(raw))
    with pytest.raises(StudyError, match=f"cannot read the zip .*{words}.*unpack it and give the"):
        open_images(path)


def test_a_zip_writes_nothing_outside_and_its_links_are_only_bytes(places, faces):
    link = zipfile.ZipInfo("a/b/test/fake/link.jpg")
    link.external_attr = 0o120777 << 16
    path = zipped(faces, (link, b"/etc/passwd"), ("../train.csv", b""), ("/x.csv", b""))
    before = set(places.rglob("*"))
    with pytest.raises(StudyError, match=r"link\.jpg \(not an image\)"):
        prepared(load_study(data=str(path), overrides=SMALL))
    assert all((places / "data") in (p, *p.parents) for p in set(places.rglob("*")) - before)


def test_an_entry_larger_than_it_says_is_cut_before_it_fills_the_memory(faces):
    path, name = zipped(faces), "a/b/test/fake/9.jpg"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(2**28))
        archive.filelist[-1].file_size = 1000
    reader = open_images(path)
    tracemalloc.start()
    with pytest.raises(zipfile.BadZipFile):
        reader.read(name)
    assert tracemalloc.get_traced_memory()[1] < 2**28
    tracemalloc.stop()


def test_what_is_no_zip_is_refused_in_a_sentence(faces):
    path = zipped(faces, ("ä.csv", b""))
    path.write_bytes(path.read_bytes().replace("ä.csv".encode(), b"\xff\xff.csv"))
    (faces / "text.zip").write_text("no")
    for one in (path, faces / "text.zip"):
        with pytest.raises(StudyError, match="cannot read the zip"):
            open_images(one)


def test_a_file_too_large_for_an_image_is_not_read(faces):
    with (first(faces) / "0.jpg").open("r+b") as file:
        file.truncate(2**40)  # sparse: it takes no room
    with pytest.raises(ValueError, match=r"more than 67\.1 MB are too many"):
        open_images(faces).read("a/b/train/fake/0.jpg")


# One image.


def test_greyscale_cmyk_and_transparent_images_become_rgb():
    grey = decode(encoded(PIL.Image.new("L", (40, 40), 100), "JPEG"))
    assert grey.about["mode"] == "L"
    np.testing.assert_array_equal(grey.image, np.full((40, 40, 3), 100))
    full = PIL.Image.new("CMYK", (40, 40), (0, 255, 255, 0))
    cmyk = np.asarray(decode(encoded(full, "JPEG")).image)
    assert cmyk[..., 0].min() > 200
    assert cmyk[..., 1:].max() < 60
    clear = PIL.Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 0, 20, 40))
    pixels = decoded(encoded(clear), 40, "bilinear")
    np.testing.assert_array_equal(pixels[0, 30], (255, 255, 255))
    np.testing.assert_array_equal(pixels[0, 10], (0, 0, 255))


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_16_bit_grey_keeps_its_upper_8_bits_and_what_has_no_white_is_refused(order):
    ramp = np.arange(2**16).reshape(256, 256).astype(order)
    found = decode(encoded(PIL.Image.fromarray(ramp)))
    assert found.about["mode"] == "I;16"
    np.testing.assert_array_equal(found.image, np.stack([ramp >> 8] * 3, axis=-1))
    big_endian = PIL.Image.frombytes("I;16B", (2, 1), b"\x12\x34\xff\xff")
    assert np.asarray(to_rgb(big_endian)).tolist() == [[[0x12] * 3, [0xFF] * 3]]
    for mode, dtype in (("I", np.int32), ("F", np.float32)):
        with pytest.raises(ValueError, match=f"mode {mode} have no defined black and white"):
            to_rgb(PIL.Image.fromarray(np.full((4, 4), 1000, dtype)))


def test_nearest_and_bilinear_differ():
    stripes = np.zeros((40, 40, 3), np.uint8)
    stripes[:, ::2] = 255
    raw = encoded(PIL.Image.fromarray(stripes))
    assert set(np.unique(decoded(raw, 35, "nearest"))) == {0, 255}
    assert len(np.unique(decoded(raw, 35, "bilinear"))) > 5


@pytest.mark.parametrize("side", [20_000, 10_000, 6_000])
def test_a_bomb_is_unreadable_in_words(side):
    with pytest.raises(UNREADABLE) as caught:
        decode(encoded(PIL.Image.new("1", (side, side))))
    assert "pixels" in reason(caught.value)


def exif(orientation, *tags):
    """EXIF data of an orientation and, as they are, tags of 12 bytes."""
    tags = [struct.pack(">HHIHxx", 0x0112, 3, 1, orientation), *tags]
    return b"Exif\0\0MM\0*" + struct.pack(">IH", 8, len(tags)) + b"".join(tags) + bytes(4)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_photograph_is_turned_upright(form):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8] = 255  # one corner is white
    turned = upright.transpose(1, 0, 2)
    views = [upright, upright[:, ::-1], upright[::-1, ::-1], upright[::-1]]
    views += [turned, np.rot90(upright, 1), turned[::-1, ::-1], np.rot90(upright, -1)]
    options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    text = struct.pack(">HHI4s", 0x011A, 2, 4, b"abc")  # a resolution, as some cameras leave it
    for orientation, stored in enumerate(views, 1):
        for more in ([], [text]):
            image = PIL.Image.fromarray(np.ascontiguousarray(stored))
            found = decode(encoded(image, form, exif=exif(orientation, *more), **options))
            assert (found.about["width"], found.about["height"]) == (32, 16), orientation
            pixels = as_input(found.image, 16, "nearest")
            corners = pixels[2, 1, 0], pixels[2, -2, 0], pixels[-2, 1, 0], pixels[-2, -2, 0]
            assert [bool(corner > 128) for corner in corners] == [True, False, False, False]


def test_an_ordinary_jpeg_is_what_pillow_makes_of_it():
    noise = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    raw = encoded(PIL.Image.fromarray(noise), "JPEG", comment=MARK, subsampling=1)
    with PIL.Image.open(io.BytesIO(raw)) as image:
        expected = image.convert("RGB").resize((35, 35), PIL.Image.Resampling.BILINEAR)
        tables = image.quantization
    np.testing.assert_array_equal(decoded(raw, 35, "bilinear"), expected)
    digest = f"{zlib.crc32(str(tables).encode()):08x}"
    size = {"width": 60, "height": 50, "mode": "RGB"}
    assert decode(raw).about == size | {"generated": True, "jpeg_tables": digest}
    assert (decode(raw).tables, decode(raw).subsampling) == (tables, 1)


@pytest.mark.parametrize("number", [400, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore")
def test_of_many_damaged_files_none_ends_in_another_error(number):
    rng, files, read = random.Random(0), [], 0
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 4), dtype=np.uint8)
    noise = PIL.Image.fromarray(noise)
    kinds = {"PNG": "1 L LA P RGB RGBA", "JPEG": "L RGB CMYK", "BMP": "1 L P", "WEBP": "RGB RGBA"}
    for form, modes in kinds.items():
        options = {} if form == "BMP" else {"exif": exif(6)}
        files += [encoded(noise.convert(mode), form, **options) for mode in modes.split()]
    files.append(encoded(noise.convert("L").convert("I;16"), exif=exif(6)))
    for place in range(number):
        raw = bytearray(files[place % len(files)])
        for _ in range(rng.randint(1, 4)):
            place = rng.choice((rng.randrange(len(raw) + 1), rng.randrange(64)))
            new = rng.randbytes(rng.choice((0, 1, 1, 1, 10)))
            raw[place : place + rng.choice((0, 1, 1, 1, 10))] = new
        try:
            pixels = decoded(checksummed(raw), 8, "bilinear")
        except UNREADABLE:
            continue
        assert (pixels.shape, pixels.dtype) == ((8, 8, 3), np.uint8)
        read += 1
    assert 0.1 < read / number < 0.9


@pytest.mark.filterwarnings("ignore")
def test_of_300_damaged_zips_none_ends_in_another_error(faces):
    rng, listed, path = random.Random(0), 0, zipped(faces)
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    wholes = [zipped(faces, compression=method).read_bytes() for method in methods]
    wholes.append(wholes[0].replace(b"a/b/train/fake/0", b"\0/b/train/fake/0"))  # a name that ends
    for _ in range(300):
        raw = bytearray(rng.choice(wholes))
        for _ in range(rng.randint(1, 4)):
            place = rng.choice((rng.randrange(len(raw)), -rng.randint(1, 1500)))  # its directory
            raw[place] = rng.randrange(256)
        path.write_bytes(raw)
        with contextlib.suppress(StudyError):
            reader = open_images(path)
            for name in find_images(reader)[0]:
                with contextlib.suppress(*UNREADABLE):
                    decode(reader.read(name))
            listed += 1
            list_images(reader)
    assert 30 < listed < 270


def checksummed(raw):
    """A PNG's chunks with right checksums, as far as there are any."""
    place = 8
    while raw.startswith(b"\x89PNG") and place + 12 <= len(raw):
        end = place + 8 + int.from_bytes(raw[place : place + 4])
        raw[end : end + 4] = zlib.crc32(raw[place + 4 : end]).to_bytes(4)
        place = end + 4
    return bytes(raw)
