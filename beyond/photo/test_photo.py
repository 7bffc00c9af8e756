"""The photo page: the network's answers in a browser, what it says, and that it asks nobody."""

import io

import keras
import numpy as np
import PIL.Image
import pytest
from keras import layers
from scipy.special import logit

from beyond.photo import page as module
from beyond.photo import photo as command
from beyond.photo.network import operations
from beyond.photo.page import of_hundred, page
from conftest import watched
from fakeface_utils import training
from fakeface_utils.demo.camera import to_jpeg
from fakeface_utils.image_files import as_input, decode
from fakeface_utils.networks import build
from fakeface_utils.run import load_study
from fakeface_utils.util import StudyError

STUDY = load_study(run="x", overrides="image_size=32 custom_filters=6,9,8 custom_dense=16")
KNOWN = {
    "run": "x", "title": "custom CNN", "seed": 0, "images": 10, "what": "images of <b>",
    "generated": False, "size": 32, "filter": "bilinear", "limits": {}, "why": "none was fixed",
    "found": (9, 10), "wrong": (1, 10), "of_hundred": ["0.9", "0.2", "5.0"], "mark": "drawn",
}  # fmt: skip


@pytest.fixture
def opened(browser, tmp_path):
    """A tab that shows a page."""
    tabs = []

    def show(text):
        (tmp_path / "photo.html").write_text(text)
        tabs.append(browser.new_page())
        tabs[0].goto((tmp_path / "photo.html").as_uri())
        return tabs[0]

    yield show
    tabs[0].close()


def custom(**changed):
    return build(STUDY.model_copy(update=changed), "custom_cnn", 0)


def own():
    """What a student may write: strides, normalisation before and without an activation."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(5, (5, 3), strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.AveragePooling2D(2),
            layers.BatchNormalization(scale=False),
            layers.Conv2D(7, 2, activation="relu"),
            layers.MaxPooling2D(3, strides=2),
            layers.Flatten(),
            layers.Dense(4),
            layers.Activation("relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def shaken(network):
    """The network with normalisation as after training, of either sign; answers that differ."""
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            for weight in layer.weights:
                spread = rng.uniform(0.3, 2, weight.shape)
                even = np.arange(len(spread)) % 2 == 0 if "gamma" in weight.path else False
                weight.assign(np.where(even, -spread, spread))
    return network


@pytest.mark.parametrize(
    "make",
    [
        custom,
        lambda: custom(padding="valid", custom_filters=(3, 5)),
        lambda: custom(dense_batch_norm=False, custom_filters=(4,)),
        own,
    ],
    ids=["custom", "valid", "plain", "own"],
)
def test_the_page_answers_as_keras_does(opened, make):
    network = shaken(make())
    rng = np.random.default_rng(1)
    images = rng.integers(0, 200, (50, 1, 1, 3)) + rng.integers(0, 56, (50, 32, 32, 3))
    images, (kernel, bias) = images.astype("uint8"), network.layers[-1].weights
    logits = logit(network.predict_on_batch(images).astype(float))
    spread = max(logits.std(), 0.2)  # far from 0 and 1, and apart
    kernel.assign(kernel / spread)
    bias.assign([-logits.mean() / spread])
    expected = network.predict_on_batch(images)[:, 0]
    assert np.ptp(expected) > 0.05
    tab = opened(page(KNOWN, [], operations(network, "it")))
    code = "all => Promise.all(all.map(one => answer(Uint8Array.from(one))))"
    np.testing.assert_allclose(
        tab.evaluate(code, images.reshape(50, -1).tolist()), expected, atol=1e-3
    )


@pytest.mark.parametrize("name", ["bilinear", "nearest"])
def test_the_page_resizes_as_pillow_does(opened, name):
    tab = opened(page(KNOWN | {"filter": name}, [], operations(custom(), "it")))
    for side in (1, 20, 32, 45, 200):
        pixels = np.random.default_rng(side).integers(0, 256, (side, side, 4), dtype=np.uint8)
        code = "([data, width]) => [...resized({data, width})]"
        found = np.reshape(tab.evaluate(code, [pixels.ravel().tolist(), side]), (32, 32, 3))
        image = PIL.Image.fromarray(pixels[..., :3].copy())
        np.testing.assert_array_equal(found, as_input(image, 32, name))


def test_a_network_that_is_no_plain_chain_is_refused():
    start = keras.Input((32, 32, 3))
    one = layers.Conv2D(3, 3, padding="same", name="one")(start)
    end = layers.Dense(1, activation="sigmoid")
    for inside in (layers.Add()([one, start]), layers.Conv2D(3, 1, activation="tanh")(one)):
        with pytest.raises(StudyError, match=r"it can't go into the page, where layer"):
            operations(keras.Model(start, end(layers.Flatten()(inside))), "it")
    with pytest.raises(StudyError, match="must end in one sigmoid"):
        operations(
            keras.Sequential([keras.Input((32, 32, 3)), layers.Flatten(), layers.Dense(1)]), "it"
        )


def test_of_a_hundred_flagged_by_bayes_rule():
    middle, low, high = map(float, of_hundred((9_000, 10_000), (1_000, 10_000)))
    assert middle == pytest.approx(100 * 0.9 / (0.9 + 0.1 * 999), abs=0.05)
    assert low <= middle <= high < low + 0.3
    assert float(of_hundred((300, 300), (0, 300))[1]) < 30  # 0 of 300 isn't never


@pytest.fixture
def run(finished, monkeypatch):
    """A finished run with a network, whose page is written."""
    monkeypatch.setattr(training, "load", lambda study, model, seed: shaken(custom()))

    def make(**more):
        study = finished(**more)
        command(study.run)
        return study, (study.results / "photo.html").read_text()

    return make


def test_words_need_thresholds_that_are_up_to_date(run, calibration, monkeypatch):
    study, text = run()
    assert "Only p(fake) is shown" in text
    assert "calibration.json is missing (fakeface report --run made-up" in text
    calibration(study)
    command("made-up")
    assert "Only p(fake)" not in (study.results / "photo.html").read_text()
    calibration.of(study).path().write_text("{}")
    assert "calibration.json has changed" in module.calibrated(study, "custom_cnn", 0)[1]
    monkeypatch.setattr(module, "extensions", dict)
    assert "is not there" in module.calibrated(study, "custom_cnn", 0)[1]
    page, before = study.results / "photo.html", (study.results / "photo.html").read_text()
    (study.results / "custom_cnn" / "seed-0" / "predictions.csv").write_text("")
    with pytest.raises(StudyError, match=r"predictions.csv has changed: run make report RUN=made"):
        command("made-up")
    assert page.read_text() == before
    assert 'id="samples">[]<' in before  # no image but a drawn one goes inside


@pytest.fixture
def calibration():
    """The step that fixes thresholds; none where that folder was taken away."""
    return pytest.importorskip("beyond.confidence.measure").calibration


def file(image, kind, **more):
    stream = io.BytesIO()
    image.save(stream, kind, **more)
    return stream.getvalue()


def turned():
    image = PIL.Image.fromarray(
        np.kron(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10, np.ones((16, 16), np.uint8))
    )
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    return file(image.convert("RGB"), "JPEG", quality=95, exif=exif)


def clear():
    shade = np.random.default_rng(0).integers(0, 256, (64, 64, 4), dtype=np.uint8)
    shade[..., 3] = np.where(np.arange(64) < 40, 255, 0)
    return file(PIL.Image.fromarray(shade, "RGBA"), "PNG")


def test_a_person_tries_pictures(browser, run, calibration, faces):
    for number, path in enumerate(sorted(faces.rglob("*.jpg"))):
        path.write_bytes(
            to_jpeg(np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8))
        )
    study, _ = run()
    calibration(study)
    command("made-up")
    phone = {"width": 390, "height": 800}
    tab = browser.new_context(viewport=phone, has_touch=True).new_page()
    requests, errors = watched(tab)
    tab.goto((study.results / "photo.html").as_uri())
    done = tab.locator("#spread:not(:empty)")
    done.wait_for()
    assert tab.inner_text("#said").split()[0] in ("fake", "real", "unsure")
    assert tab.locator("#rows tr").count() == 17
    assert "of 16 small changes" in tab.inner_text("#spread")
    tab.tap("[data-sample='1']")

    def give(name, content):
        tab.set_input_files("#file", {"name": name, "mimeType": "", "buffer": content})

    for name, content in (("turned.jpg", turned()), ("clear.png", clear())):
        give(name, content)
        tab.locator(f"#photo[aria-label$='{name}']").wait_for()
        done.wait_for()
        assert "no answer" in tab.inner_text("#said")  # a network of drawings
        image = decode(content).image
        side = min(image.size)
        place = [(length - side) // 2 for length in image.size]
        expected = as_input(image.crop((*place, place[0] + side, place[1] + side)), 32, "bilinear")
        found = tab.evaluate("[...pixels(cut(picture, square.x, square.y, square.side))]")
        assert np.abs(np.reshape(found, (32, 32, 3)) - expected.astype(int)).max() <= 2
    before = tab.evaluate("square")
    tab.focus("#square")
    tab.keyboard.press("-")
    tab.keyboard.press("ArrowRight")
    after = tab.evaluate("square")
    assert after["side"] < before["side"]
    assert after["x"] > before["x"]
    box = tab.locator("#square").bounding_box()
    tab.mouse.move(box["x"] + 20, box["y"] + 20)
    tab.mouse.down()
    tab.mouse.move(box["x"] - 500, box["y"] - 500)
    tab.mouse.up()
    assert tab.evaluate("[square.x, square.y]") == [0, 0]  # it stays inside
    give("text.jpg", b"no picture")
    trouble = tab.locator("#trouble")
    trouble.wait_for()
    assert trouble.inner_text().startswith("text.jpg can't be read as a picture")
    assert tab.evaluate("picture.width") == 64  # the last one is still there
    tab.tap("#film")
    tab.locator("#trouble:has-text('camera')").wait_for()
    assert "choose a picture" in trouble.inner_text()
    assert errors == []
    outside = [url for url in requests if not url.startswith(("data:", "blob:"))]
    assert outside == [(study.results / "photo.html").as_uri()]
    asked = tab.evaluate("fetch('https://example.org').catch(() => 'refused')")
    assert asked == "refused"  # by the page's own policy
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for width, scheme in ((390, "light"), (1280, "dark")):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.emulate_media(color_scheme=scheme)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert [rule["id"] for rule in axe.run(tab).response["violations"]] == []
    tab.context.close()


@pytest.mark.slow
def test_a_huge_picture_is_looked_at_in_a_square_that_a_phone_can_hold(opened, tmp_path):
    tab = opened(page(KNOWN, [], operations(custom(), "it")))
    huge = tmp_path / "huge.jpg"
    PIL.Image.effect_noise((8000, 6000), 50).convert("RGB").save(huge)
    tab.set_input_files("#file", huge)
    tab.locator("#said:has-text('p(fake)')").wait_for(timeout=120_000)
    assert tab.evaluate("square") == {"x": 1952, "y": 952, "side": 4096}
    assert "at most 4,096 pixels wide" in tab.inner_text("#trouble")
