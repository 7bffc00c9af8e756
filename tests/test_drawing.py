"""The look that all figures share, and their files."""

import base64
import io
import re
import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from matplotlib.colors import to_rgb

from fakeface_utils.report import drawing, html_pieces
from fakeface_utils.report.drawing import FULL, HALF, INK, LOOKS, alternative_text, save
from fakeface_utils.study.artefacts import figure_files
from fakeface_utils.study.parameters import load_study

PHOTOGRAPH = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def drawn(width=HALF):
    shape, (line, photograph) = plt.subplots(1, 2, figsize=(width, 2))
    line.plot([0.1, 0.9], label="0.123456 <b> & more", **LOOKS["vgg16"])
    line.set_xlabel("epoch")
    line.legend()
    photograph.imshow(PHOTOGRAPH)
    photograph.set_axis_off()
    return shape, 'what "it" shows'


@pytest.fixture
def svg(places):
    def write(name="roc", width=HALF):
        save(load_study("demo"), name, drawn(width))
        return figure_files(load_study("demo"), name)[2].read_text()

    return write


def test_a_drawing_is_kept_small_with_its_words_and_photographs_keep_their_colours(places):
    study = load_study("demo")
    sizes = {}
    for name, pixels in (("roc", np.zeros((300, 300, 3))), ("figure1_samples", None)):
        shape, axis = plt.subplots()
        noise = np.random.default_rng(0).random((300, 300, 3))
        axis.imshow(noise if pixels is None else pixels)
        save(study, name, (shape, f"what {name} shows"))
        path = figure_files(study, name)[0]
        assert alternative_text(study, name) == f"what {name} shows"
        with PIL.Image.open(path) as image:
            sizes[image.mode] = image.size
    assert list(sizes) == ["P", "RGBA"]  # a palette, and as Matplotlib wrote it
    assert len(set(sizes.values())) == 1


def test_the_same_data_gives_the_same_files(svg):
    files = figure_files(load_study("demo"), "roc")
    once, first = svg(), [path.read_bytes() for path in files]
    assert svg() == once
    assert [path.read_bytes() for path in files] == first
    assert [path.suffix for path in files] == [".png", ".pdf", ".svg"]
    assert not re.search(r"<\?xml|DOCTYPE|metadata|dc:|[Mm]atplotlib|20\d\d-", once)


def test_a_page_sizes_the_drawing_and_gives_it_its_ink(svg):
    root = ET.fromstring(svg())
    assert root.attrib["viewBox"] == f"0 0 {72 * HALF:g} 144"
    assert not {"width", "height"} & set(root.attrib)
    assert root.attrib["style"].startswith("max-width:480px;width:100%;height:auto")
    assert (root.attrib["role"], root.attrib["aria-label"]) == ("img", 'what "it" shows')
    assert ">0.123456 &lt;b&gt; &amp; more</text>" in svg()  # words stay words, digits digits
    assert svg().count("stroke: currentColor") > 5
    assert INK not in svg()
    assert "#ffffff" not in svg()  # no ground
    assert set(re.findall(r"font-size: (\S+)px", svg())) == {"9", "10"}
    assert "sans-serif" in root.attrib["style"]


def test_a_photograph_keeps_its_own_pixels(svg):
    (data,) = re.findall(r'"data:image/png;base64,([^"]+)', svg())
    with PIL.Image.open(io.BytesIO(base64.b64decode(data))) as image:
        pixels = np.asarray(image.convert("RGB"))
    # Matplotlib may write it upside down, and turn it back.
    assert any(np.array_equal(pixels, ours) for ours in (PHOTOGRAPH, PHOTOGRAPH[::-1]))


def test_two_drawings_in_a_page_share_no_id_and_miss_none(svg):
    ids, used = [], set()
    for name in ("roc", "reliability"):
        text = svg(name)
        ids += re.findall(r'\bid="([^"]+)"', text)
        used |= set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    assert len(ids) == len(set(ids))
    assert set(ids) == used
    assert any("clip-path" in text for text in (svg("roc"), svg("reliability")))


def test_a_figure_says_how_wide_it_is_and_carries_its_numbers(svg, monkeypatch):
    study = load_study("demo")
    monkeypatch.setattr(html_pieces, "behind", lambda study, name: None)
    for width, name in ((HALF, "half"), (FULL, "full")):
        text = svg(width=width)
        caption = "<figcaption>a &lt; b</figcaption>"
        shown = html_pieces.figure(study, "roc", "a < b").data
        assert shown == f'<figure class="{name}">{text}{caption}</figure>'
    numbers = pd.DataFrame({"seed": [0, 1], "area": [0.5, 0.75]})
    monkeypatch.setattr(html_pieces, "behind", lambda study, name: numbers)
    link = re.search(r'download="roc.csv" href="data:text/csv;base64,([^"]+)"',
                     html_pieces.figure(study, "roc", "").data)  # fmt: skip
    assert base64.b64decode(link[1]).decode() == "seed,area\n0,0.5\n1,0.75\n"


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("ground", ["#ffffff", "#16181d"])
def test_every_colour_is_seen_on_a_light_and_on_a_dark_page(ground):
    for look in LOOKS.values():
        low, high = sorted((luminance(ground), luminance(look["color"])))
        assert (high + 0.05) / (low + 0.05) >= 3, look


@pytest.mark.parametrize("pair", [("custom_cnn", "vgg16"), ("train", "valid"), ("real", "fake")])
def test_two_that_stand_together_differ_without_colour(pair):
    one, other = (LOOKS[name] for name in pair)
    assert one["marker"] != other["marker"]
    assert one["ls"] != other["ls"]
    assert ("mfc" in one) != ("mfc" in other)  # one is hollow


def test_the_words_above_are_broken_between_parts(monkeypatch):
    monkeypatch.setattr(drawing, "mark", lambda study: "n" * 40)
    shape = plt.figure(figsize=(HALF, 1))
    for words, expected in (
        ((), "n" * 40),
        (("one seed", ""), f"one seed; {'n' * 40}"),
        (("w" * 30,), f"{'w' * 30}\n{'n' * 40}"),
        (("w " * 50,), f"{('w ' * 34)[:-1]}\n{('w ' * 16)[:-1]}\n{'n' * 40}"),
    ):
        drawing.title(shape, None, *words)
        assert shape.get_suptitle() == expected
    plt.close(shape)
