"""Whatever lies in a folder or a zip is read right or refused by name."""

import io
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
import zlib
from collections import Counter

import numpy as np
import PIL.Image
import pytest

from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.paths import escaped
from fakeface_utils.common.progress import progress
from fakeface_utils.dataset import decode as decode_module
from fakeface_utils.dataset import kaggle
from fakeface_utils.dataset.decode import UNREADABLE, decode, reason, to_rgb
from fakeface_utils.dataset.folder import left_out, list_images, open_images


def encoded(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def png(bits, colours, row, *chunks):
    """A PNG of one row, made by hand: Pillow doesn't write all that it reads."""

    def chunk(name, content):
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", 4, 1, bits, colours, 0, 0, 0)
    image = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*parts) for parts in image)


# Files of one image.


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_16_bit_grey_keeps_its_upper_8_bits(order):
    ramp = np.arange(2**16).reshape(256, 256).astype(order)
    pixels, about = decode(encoded(PIL.Image.fromarray(ramp)), 256, "bilinear")
    assert about["mode"] == "I;16"
    np.testing.assert_array_equal(pixels, np.stack([ramp >> 8] * 3, axis=-1))


def test_big_endian_16_bit_grey_too():
    image = PIL.Image.frombytes("I;16B", (2, 1), b"\x12\x34\xff\xff")
    assert np.asarray(to_rgb(image)).tolist() == [[[0x12] * 3, [0xFF] * 3]]


@pytest.mark.parametrize(("mode", "dtype"), [("I", np.int32), ("F", np.float32)])
def test_numbers_without_a_defined_white_are_refused(mode, dtype):
    image = PIL.Image.fromarray(np.full((4, 4), 1000, dtype))
    assert image.mode == mode
    with pytest.raises(ValueError, match=f"mode {mode} have no defined black and white"):
        to_rgb(image)


@pytest.mark.parametrize(
    ("bits", "colours", "row", "clear"),
    [
        (2, 0, bytes([0b00011011]), (3,)),
        (4, 0, bytes([0x01, 0x5F]), (15,)),
        (16, 0, struct.pack(">4H", 0, 0x1234, 0x8034, 0xFFFF), (0x1234,)),
        (16, 2, struct.pack(">12H", *range(0, 48000, 4000)), (0, 4000, 8000)),
    ],
)
def test_a_transparent_colour_that_pillow_misses_is_refused(bits, colours, row, clear):
    raw = png(bits, colours, row, (b"tRNS", struct.pack(f">{len(clear)}H", *clear)))
    with pytest.raises(ValueError, match=f"transparent colour of {bits} bits"):
        decode(raw, 4, "nearest")


def test_a_transparent_colour_of_8_bits_is_white():
    raw = png(8, 0, bytes([0, 10, 128, 10]), (b"tRNS", struct.pack(">H", 10)))
    pixels, _ = decode(encoded(PIL.Image.open(io.BytesIO(raw)).resize((4, 4), 0)), 4, "nearest")
    assert pixels[0, :, 0].tolist() == [0, 255, 128, 255]


@pytest.mark.parametrize(
    ("side", "action", "words"),
    [
        (20_000, "default", "more than 33,554,432 pixels are too many"),  # Pillow's error
        (10_000, "error", "more than 33,554,432 pixels are too many"),  # its warning, as an error
        (10_000, "ignore", "10000 x 10000 pixels are too many"),
        (6_000, "error", "6000 x 6000 pixels are too many"),
    ],
)
def test_a_bomb_is_unreadable_in_words_whatever_pillow_calls_it(side, action, words):
    raw = encoded(PIL.Image.new("1", (side, side)))
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        with pytest.raises(UNREADABLE) as caught:
            decode(raw, 35, "bilinear")
    assert reason(caught.value) == words


def test_what_pillow_warns_of_is_not_printed():
    command = (
        "import io, PIL.Image; from fakeface_utils.dataset.decode import decode\n"
        "raw = io.BytesIO(); PIL.Image.new('1', (10_000, 10_000)).save(raw, 'PNG')\n"
        "try: decode(raw.getvalue(), 35, 'bilinear')\n"
        "except ValueError as error: print(error)"
    )
    answer = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert answer.stdout == "10000 x 10000 pixels are too many\n"
    assert answer.stderr == ""


def exif(orientation, *tags):
    """EXIF data of an orientation and, as they are, tags of 12 bytes."""
    tags = [struct.pack(">HHIHxx", 0x0112, 3, 1, orientation), *tags]
    return b"Exif\0\0MM\0*" + struct.pack(">IH", 8, len(tags)) + b"".join(tags) + bytes(4)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_photograph_is_turned_upright(form):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8] = 255  # one corner is white
    views = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    for orientation, stored in views.items():
        image = PIL.Image.fromarray(np.ascontiguousarray(stored))
        raw = encoded(image, form, exif=exif(orientation), **options)
        pixels, about = decode(raw, 16, "nearest")
        assert (about["width"], about["height"]) == (32, 16), orientation
        corners = pixels[2, 1, 0], pixels[2, -2, 0], pixels[-2, 1, 0], pixels[-2, -2, 0]
        assert [bool(corner > 128) for corner in corners] == [True, False, False, False]


def test_odd_exif_data_are_no_obstacle():
    """Pillow's own exif_transpose writes them again, and fails on a resolution that is text."""
    resolution = struct.pack(">HHI4s", 0x011A, 2, 4, b"abc")
    raw = encoded(PIL.Image.new("RGB", (32, 16)), "JPEG", exif=exif(6, resolution))
    _, about = decode(raw, 16, "nearest")
    assert (about["width"], about["height"]) == (16, 32)


def test_an_ordinary_jpeg_is_what_pillow_makes_of_it():
    noise = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    raw = encoded(PIL.Image.fromarray(noise), "JPEG", comment=decode_module.MARK)
    pixels, about = decode(raw, 35, "bilinear")
    with PIL.Image.open(io.BytesIO(raw)) as image:
        expected = image.convert("RGB").resize((35, 35), PIL.Image.Resampling.BILINEAR)
        tables = f"{zlib.crc32(str(image.quantization).encode()):08x}"
    np.testing.assert_array_equal(pixels, expected)
    assert about == {
        "width": 60,
        "height": 50,
        "mode": "RGB",
        "generated": True,
        "jpeg_tables": tables,
    }


# Folders and zips.


def first(root):
    return root / "a" / "b" / "train" / "fake"


def test_pipes_sockets_and_broken_links_are_passed_over_with_a_word(faces, monkeypatch):
    os.mkfifo(first(faces) / "p.jpg")  # opened, it would wait for ever
    (first(faces) / ".#x.jpg").symlink_to("nobody")
    monkeypatch.chdir(first(faces))  # a socket's path may be no longer than 108 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.jpg")
    source = open_images(faces)
    assert len(list_images(source)) == 24
    assert set(left_out(source).split(", ")) == {
        "1 pipe (a/b/train/fake/p.jpg)",
        "1 broken link (a/b/train/fake/.#x.jpg)",
        "1 device or socket (a/b/train/fake/s.jpg)",
    }


def test_a_link_to_an_image_is_read(faces):
    (first(faces) / "9.jpg").symlink_to(first(faces) / "0.jpg")
    source = open_images(faces)
    assert source.read("a/b/train/fake/9.jpg") == (first(faces) / "0.jpg").read_bytes()
    assert len(list_images(source)) == 25
    assert left_out(source) == ""


def test_files_of_other_kinds_beside_images_are_counted(faces):
    for name in ("1.heic", "2.HEIC", "3.gif", ".DS_Store"):
        (first(faces) / name).touch()
    (faces / "train.csv").touch()
    note = "3 files that are no JPEG, PNG, BMP or WebP (.heic 2, .gif 1)"
    assert left_out(open_images(faces)) == note
    shutil.make_archive(str(faces), "zip", faces)
    assert left_out(open_images(faces.with_suffix(".zip"))) == note


def test_a_class_of_other_files_says_so(faces):
    for path in first(faces).glob("*.jpg"):
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(StudyError, match=r"no images in train/fake: .*; not read: 4 .*\.heic 4"):
        list_images(open_images(faces))


def test_a_linked_class_folder_is_not_followed_and_that_is_said(faces):
    first(faces).rename(faces.parent / "elsewhere")
    first(faces).symlink_to(faces.parent / "elsewhere")
    words = r"no images in train/fake: .* 1 unfollowed folder link \(a/b/train/fake\)$"
    with pytest.raises(StudyError, match=words):
        list_images(open_images(faces))


def test_a_folder_that_cannot_be_listed_is_named(faces, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("valid/real"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(StudyError, match=r"cannot list .*valid/real: Permission denied"):
        list_images(open_images(faces))


BAD_NAMES = [b"f\r0.jpg", b"f\n.jpg", b"\x1b[2J.jpg", b"caf\xe9.jpg", b"\x7f.jpg", b"\xc2\x85.jpg"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_cannot_be_printed_is_refused_escaped(faces, name):
    (first(faces) / os.fsdecode(name)).write_bytes((first(faces) / "0.jpg").read_bytes())
    with pytest.raises(StudyError) as caught:
        list_images(open_images(faces))
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.encode().isascii()
    assert f"the name of a/b/train/fake/{escaped(os.fsdecode(name))} in" in sentence


@pytest.mark.parametrize("name", ["gesicht 1.jpg", "Gesicht-ä.jpg", "脸.jpg", "10.00\u202fAM.jpg"])
def test_a_name_that_can_be_printed_is_taken(faces, name):
    (first(faces) / "0.jpg").rename(first(faces) / name)
    assert f"a/b/train/fake/{name}" in {image.path for image in list_images(open_images(faces))}


def zipped(root, *extra, **options):
    """The faces as a zip, with entries more."""
    path = root.with_suffix(".zip")
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", **options) as archive:
        warnings.simplefilter("ignore")  # of a name that is there twice
        for file in sorted(root.rglob("*.jpg")):
            archive.write(file, file.relative_to(root).as_posix())
        for name, content in extra:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["train/fake/\x1b[2J.jpg", "a/b/train/fake/f\r0.jpg"])
def test_no_escape_sequence_of_a_zip_reaches_the_terminal(faces, name):
    with pytest.raises(StudyError) as caught:
        list_images(open_images(zipped(faces, (name, b"x"))))
    assert str(caught.value).isprintable()
    assert escaped(name) in str(caught.value)


def test_messages_on_a_zip_are_escaped_before_it_is_listed_too(faces):
    path = zipped(faces, ("\x1b[2J.jpg", bytes(2**26 + 1)), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(StudyError, match=r"\\x1b\[2J\.jpg \(67\.1 MB when unpacked\)"):
        open_images(path)


def test_other_files_are_counted_escaped(faces):
    path = zipped(faces, ("train/fake/x.\x1b[2J", b""))
    assert left_out(open_images(path)).endswith(r"(.\x1b[2j 1)")


def test_paths_and_links_in_a_zip_are_only_names(faces):
    link = zipfile.ZipInfo("a/b/test/fake/link.jpg")
    link.external_attr = 0o120777 << 16
    source = open_images(zipped(faces, (link, b"/etc/passwd"), ("../train.csv", b"")))
    assert "a/b/test/fake/link.jpg" in {image.path for image in list_images(source)}
    assert source.read("a/b/test/fake/link.jpg") == b"/etc/passwd"
    assert not (faces.parent.parent / "train.csv").exists()


def test_a_name_that_is_twice_in_a_zip_is_refused(faces):
    with pytest.raises(StudyError, match=r"a/b/test/fake/0\.jpg \(there 2 times\)"):
        open_images(zipped(faces, ("a/b/test/fake/0.jpg", b"another")))


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_entry_is_unreadable_whatever_its_codec(faces, compression):
    path = zipped(faces, compression=compression)
    raw = bytearray(path.read_bytes())
    start = 30 + len("a/b/test/fake/0.jpg")  # of the first entry's bytes
    rng = random.Random(0)
    for _ in range(200):
        damaged = bytearray(raw)
        for _ in range(3):
            damaged[start + rng.randrange(800)] = rng.randrange(256)
        path.write_bytes(bytes(damaged))
        with pytest.raises(UNREADABLE):
            open_images(path).read("a/b/test/fake/0.jpg")


def test_an_entry_larger_than_it_says_is_cut_before_it_fills_the_memory(faces):
    path = zipped(faces, ("a/b/test/fake/9.jpg", bytes(2**28)), compression=zipfile.ZIP_DEFLATED)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack("<I", 2**28), struct.pack("<I", 1000)))
    source = open_images(path)
    tracemalloc.start()
    with pytest.raises(zipfile.BadZipFile):
        source.read("a/b/test/fake/9.jpg")
    assert tracemalloc.get_traced_memory()[1] < 2**28
    tracemalloc.stop()


def test_a_zip_whose_directory_is_damaged_is_refused_in_a_sentence(faces):
    path = zipped(faces, ("ä.csv", b""))
    raw = path.read_bytes()
    path.write_bytes(raw.replace("ä.csv".encode(), b"\xff\xff.csv"))
    with pytest.raises(StudyError, match="is not a whole zip"):
        open_images(path)


def test_an_entry_without_a_name_is_no_image(faces):
    path = zipped(faces, ("q.csv", b""))
    path.write_bytes(path.read_bytes().replace(b"q.csv", b"\0.csv"))  # a name ends at a zero
    source = open_images(path)
    assert len(list_images(source)) == 24
    assert left_out(source) == ""


def test_a_file_too_large_for_an_image_is_not_read(faces):
    with (first(faces) / "0.jpg").open("r+b") as file:
        file.truncate(2**40)  # sparse: it takes no room
    with pytest.raises(ValueError, match=r"1099\.5 GB are too many"):
        open_images(faces).read("a/b/train/fake/0.jpg")


def test_what_the_kaggle_client_prints_is_escaped(tmp_path):
    sentence = str(StudyError(kaggle._reason("trouble\n\x1b[31mred", tmp_path / "x.zip")))
    assert r"failed (\x1b[31mred)" in sentence
    assert sentence.isprintable()


# Many files.


def small_files():
    """One file of each format and mode."""
    rng = np.random.default_rng(0)
    colours = PIL.Image.fromarray(rng.integers(0, 256, (12, 16, 4), dtype=np.uint8))
    deep = PIL.Image.fromarray(rng.integers(0, 2**16, (12, 16), dtype=np.uint16))
    files = [encoded(deep), encoded(colours.convert("P"), transparency=bytes(range(256)))]
    for form, modes in (
        ("JPEG", ("L", "RGB", "CMYK")),
        ("PNG", ("1", "L", "LA", "P", "RGB", "RGBA")),
        ("BMP", ("1", "L", "P", "RGB", "RGBA")),
        ("WEBP", ("RGB", "RGBA")),
    ):
        options = {} if form == "BMP" else {"exif": exif(6)}
        files += [encoded(colours.convert(mode), form, **options) for mode in modes]
    files.append(encoded(colours, "WEBP", lossless=True))
    files.append(encoded(colours.convert("RGB"), "JPEG", progressive=True))
    return files


def mutated(raw, rng):
    """A file with some bytes changed, cut, or put in; of a PNG often with right checksums."""
    changed = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(changed) + 1)
        kind = rng.choice(("flip", "flip", "header", "cut", "insert", "repeat"))
        if kind == "flip":
            changed[place : place + 1] = bytes([rng.randrange(256)])
        elif kind == "header":
            changed[place % 64 : place % 64 + 1] = bytes([rng.choice((0, 1, 127, 128, 255))])
        elif kind == "cut":
            del changed[place : place + rng.choice((1, 10, len(changed)))]
        elif kind == "insert":
            changed[place:place] = rng.randbytes(rng.randint(1, 40))
        else:
            changed[place:place] = changed[place : place + rng.randint(1, 200)]
        if not changed:
            return bytes(changed)
    return checksummed(changed) if rng.random() < 0.7 else bytes(changed)


def checksummed(raw):
    """A PNG's chunks with right checksums, as far as there are any."""
    place = 8
    while raw.startswith(b"\x89PNG") and place + 12 <= len(raw):
        end = place + 8 + int.from_bytes(raw[place : place + 4])
        if end + 4 > len(raw):
            break
        raw[end : end + 4] = zlib.crc32(raw[place + 4 : end]).to_bytes(4)
        place = end + 4
    return bytes(raw)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_of_100_000_damaged_files_none_ends_in_another_error(capsys):
    files, rng, seen = small_files(), random.Random(0), Counter()
    with capsys.disabled(), progress(100_000, "damaged files", "file") as bar:
        for number in range(100_000):
            raw = mutated(files[number % len(files)], rng)
            try:
                pixels, _ = decode(raw, 8, "bilinear")
            except UNREADABLE as error:
                seen[type(error).__name__] += 1
            else:
                assert pixels.shape == (8, 8, 3)
                assert pixels.dtype == np.uint8
                seen["read"] += 1
            bar.update()
        print(dict(seen))
    assert seen["read"] > 10_000
    assert seen.total() - seen["read"] > 10_000
