"""Damaged images: each damage by a known answer, the loss in pairs, and a made-up detector."""

import dataclasses
import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import PIL.Image
import pytest
import scipy.ndimage

from beyond.robustness import EXTENSION, ask, attack, damages, measure, show
from beyond.robustness.damages import DAMAGES, as_bytes, low_band, swap
from conftest import write_set
from fakeface_utils import figures, training
from fakeface_utils.digests import code_of
from fakeface_utils.image_files import decode
from fakeface_utils.metrics import gain
from fakeface_utils.models import MODELS
from fakeface_utils.networks import build
from fakeface_utils.paper import SPLITS
from fakeface_utils.settings import Study
from fakeface_utils.step import read_file
from fakeface_utils.util import ROOT

LUMINANCE = {95: 2, 90: 3, 75: 8, 65: 11, 50: 16, 30: 27}  # 16 in the standard's table, scaled
STUDY = Study(image_size=56)


def opened(pixels, kind="PNG", **options):
    """An image file of these pixels, opened."""
    file = io.BytesIO()
    PIL.Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(file, kind, **options)
    return decode(file.getvalue())


def after(name, image, level=0):
    """The pixels of an opened image after a damage, at its own size."""
    return np.asarray(DAMAGES[name].change(image, level))


def noise(side=64, seed=0, smooth=0.0):
    """Coloured noise around 128; smoothed where asked."""
    drawn = np.random.default_rng(seed).normal(0, 1, (side, side, 3))
    drawn = scipy.ndimage.gaussian_filter(drawn, (smooth, smooth, 0)) if smooth else drawn
    return np.clip(np.rint(128 + 40 * drawn / drawn.std()), 0, 255).astype(np.uint8)


def wave(share, amplitude=40.0, side=64):
    """A wave from left to right at a share of Nyquist, (side, side, 3), around 0."""
    across = amplitude * np.cos(np.pi * share * np.arange(side))
    return np.broadcast_to(across[None, :, None], (side, side, 3))


@pytest.fixture
def saved(monkeypatch):
    """The bytes of every JPEG that is saved on the way."""
    files, save = [], damages.as_jpeg

    def spy(image, **options):
        files.append(save(image, **options))
        return files[-1]

    monkeypatch.setattr(damages, "as_jpeg", spy)
    return files


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_keeps_the_size_and_its_weakest_level_is_nearest(name):
    image, damage = opened(noise(256, smooth=1), "JPEG", quality=97), DAMAGES[name]
    images = (image, opened(noise(256, 1), "JPEG"))[: 1 + (damage.kind == "mix")]
    before = DAMAGES["clean"].input(STUDY, 0, image).astype(float)
    apart = []
    for level in damage.levels:
        pixels = damage.input(STUDY, level, *images)
        if damage.kind == "attack":
            pixels = damage.change(pixels, np.ones(pixels.shape), level)
        assert (pixels.shape, pixels.dtype) == ((56, 56, 3), np.uint8)
        apart.append(np.abs(pixels - before).mean())
    assert damage.kind in ("damage", "control", "filter", "mix", "attack")
    assert (min(apart) > 0) == (name != "clean")
    assert damage.kind == "mix" or apart[0] == min(apart)
    assert damage.title in damage.words(damage.levels[0])


def test_a_low_pass_keeps_the_slow_wave_a_high_pass_the_fast_one_and_both_the_channels():
    slow, fast = wave(1 / 8), wave(3 / 4)
    image = as_bytes(100 + slow + fast)
    low, high = after("low_pass", image, 3 / 8), after("high_pass", image, 3 / 8)
    assert np.abs(low - (100 + slow)).max() < 1.5
    assert np.abs(high - (100 + fast)).max() < 1.5
    assert np.abs(low.astype(float) + high - 100 - image).max() <= 1
    image = np.full((64, 64, 3), 90, np.uint8)
    image[..., 1] = as_bytes(120 + fast[..., 0]).T  # from top to bottom
    assert np.abs(after("low_pass", image, 1 / 4) - np.array([90, 120, 90])).max() <= 1
    high = after("high_pass", image, 1 / 4)
    assert high.mean(axis=(0, 1)) == pytest.approx(image.mean(axis=(0, 1)), abs=0.5)
    assert (np.ptp(high[..., 1].astype(int)) > 75, np.ptp(high[..., 0])) == (True, 0)


@pytest.mark.parametrize(
    ("share", "passed"),
    [(1 / 2, 1 / 2), (1 / 4, 1 / (1 + 0.5**8)), (3 / 4, 1 / (1 + 1.5**8))],
)
def test_the_cut_off_passes_half_and_the_order_is_four(share, passed):
    image = as_bytes(128 + wave(share, 100)).astype(float)
    assert np.ptp(low_band(image, 1 / 2)) == pytest.approx(passed * np.ptp(image), abs=1)


def test_a_swap_puts_each_band_where_it_belongs():
    one = as_bytes(100 + wave(1 / 8) + wave(3 / 4, 20))
    other = as_bytes(150 + wave(1 / 16) + wave(7 / 8, 30))
    mixed = swap(one, other, 3 / 8)
    assert np.abs(mixed - (100 + wave(1 / 8) + wave(7 / 8, 30))).max() < 2
    assert np.array_equal(swap(one, one, 3 / 8), one)


@pytest.mark.parametrize(("quality", "first"), LUMINANCE.items())
@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_jpeg_has_the_levels_tables_and_the_files_own_subsampling(
    saved, quality, first, subsampling
):
    before = opened(noise(), "JPEG", quality=97, subsampling=subsampling)
    DAMAGES["jpeg"].input(STUDY, quality, before)
    found = decode(saved[0])
    assert (found.tables[0][0], found.subsampling) == (first, subsampling)
    assert (found.image.size, len(saved)) == ((64, 64), 1)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_saving_again_has_the_files_own_tables_and_changes_little(saved, subsampling):
    light, colour = noise(smooth=1)[..., :1], noise(seed=1, smooth=8) - 128.0  # as in photographs
    image = opened(as_bytes(light + 0.5 * colour), "JPEG", quality=83, subsampling=subsampling)
    again, pixels = after("resave", image), np.asarray(image.image, dtype=float)
    file = decode(saved[0])
    assert (file.tables, file.subsampling) == (image.tables, subsampling)
    assert np.abs(again - pixels).mean() < 0.2 * np.abs(after("jpeg", image, 30) - pixels).mean()
    png = opened(pixels)
    assert DAMAGES["resave"].input(STUDY, 0, png) is None
    after("jpeg", png, 90)
    assert decode(saved[-1]).subsampling == 2


@pytest.mark.parametrize("side", [64, 128, 256])
def test_the_blur_scales_with_the_side_and_leaves_other_channels(side):
    edge = np.zeros((side, side, 3), np.uint8)
    edge[:, side // 2 :, 0] = 255
    blurred = after("blur", opened(edge), 4)
    steps, places = np.diff(blurred[0, :, 0].astype(float)), np.arange(side - 1)
    centre = np.average(places, weights=steps)
    sigma = np.sqrt(np.average((places - centre) ** 2, weights=steps))
    assert sigma == pytest.approx(4 * side / 256, rel=0.05)
    assert not blurred[..., 1:].any()


def test_noise_is_an_images_own_has_its_deviation_and_is_the_same_again():
    image = opened(np.full((128, 128, 3), 128))
    for deviation in (5, 10, 20):
        noisy = after("noise", image, deviation)
        assert (noisy.astype(float) - 128).std() == pytest.approx(deviation, rel=0.02)
        assert np.array_equal(noisy, after("noise", image, deviation))
    other = dataclasses.replace(image, sha256="ab" * 32)
    assert not np.array_equal(noisy, after("noise", other, 20))


def test_flipping_scaling_and_cropping_do_what_they_are_called():
    image = opened(noise())
    pixels = np.asarray(image.image)
    assert np.array_equal(after("flip", image), pixels[:, ::-1])
    assert np.array_equal(after("crop", image, 0.5), pixels[16:48, 16:48])
    fast, slow = (opened(128 + wave(share)) for share in (7 / 8, 1 / 8))
    assert after("scale", fast, 1 / 2).std() < 0.2 * np.asarray(fast.image).std()
    assert after("scale", slow, 1 / 2).std() > 0.9 * np.asarray(slow.image).std()
    assert after("scale", fast, 7 / 16).shape == (64, 64, 3)


def test_a_shift_moves_the_whole_image_one_way_and_mirrors_what_is_uncovered():
    pixels = noise(256)
    ways = {"up": (0, 8), "down": (0, -8), "left": (8, 0), "right": (-8, 0)}
    wide = np.pad(pixels, [(8, 8), (8, 8), (0, 0)], "symmetric")
    seen = set()
    for number in range(40):
        image = dataclasses.replace(opened(pixels), sha256=f"{number:064x}")
        moved = after("shift", image, 8)
        (way,) = [
            name
            for name, (x, y) in ways.items()
            if np.array_equal(moved, wide[8 + y : 264 + y, 8 + x : 264 + x])
        ]
        nearer = after("shift", image, 1)  # by less, the same way
        assert np.abs(nearer - moved.astype(float)).mean() > 0
        seen.add(way)
    assert seen == {*ways}
    small = opened(noise(64))
    assert [DAMAGES["shift"].change(small, n) is None for n in (1, 2, 4, 8)] == [1, 1, 0, 0]


def test_zooming_out_keeps_the_image_in_the_middle():
    pixels = noise(64)
    out = after("zoom_out", opened(pixels), 0.8)
    assert out.shape == (80, 80, 3)
    assert np.array_equal(out[8:72, 8:72], pixels)
    assert np.array_equal(out[:8, 8:72], pixels[7::-1])


def spot(down, right, sigma, side=256):
    """A bright spot on noise, which is as smooth as it is said."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    bright = 120 * np.exp(-((x - right) ** 2 + (y - down) ** 2) / (2 * 20**2))
    return as_bytes(60 + bright[..., None] + (noise(side, int(right), sigma) - 128.0) / 4)


def in_place(pixels):
    """Whether the spot lies where a fake's does, of 56."""
    light = scipy.ndimage.gaussian_filter(pixels.mean(axis=2), 4)
    down, right = np.unravel_index(light.argmax(), light.shape)
    return max(abs(down - 27.5), abs(right - 27.5 - 60 * 56 / 256)) < 1.2


def test_moving_an_image_defeats_a_detector_of_position_and_not_one_of_texture():
    """Fakes are rough and lie 60 pixels to the right; photographs lie elsewhere, and are smooth."""
    rng, rows = np.random.default_rng(0), []
    asked = ("clean", 0), ("shift", 1), ("shift", 8), ("crop", 0.8), ("zoom_out", 0.8)
    for number in range(40):
        fake = number % 2
        down, right = (0, 0) if fake else rng.choice([-1, 1], 2) * rng.uniform(12, 20, 2)
        image = opened(spot(down, 60 + right, 2 if fake else 8))
        image = dataclasses.replace(image, sha256=f"{number:064x}")
        for name, level in asked:
            pixels = DAMAGES[name].input(STUDY, level, image)
            rough = np.abs(np.diff(pixels.astype(float), axis=1)).mean() > 4.8
            row = {"path": f"{number}", "label": fake, "damage": name + f"{level:g}", "seed": 0}
            rows += [row | {"by": "place", "p_fake": float(in_place(pixels))}]
            rows += [row | {"by": "texture", "p_fake": float(rough)}]
    found = {}
    for by, table in pd.DataFrame(rows).groupby("by"):
        of = dict(iter(table.groupby("damage")))
        found[by] = {name: measure.cost(own, of["clean0"]) for name, own in of.items()}
    assert {row["accuracy"] for row in found["texture"].values()} == {1.0}
    assert found["place"]["clean0"]["accuracy"] == found["place"]["shift1"]["accuracy"] == 1.0
    for name in ("shift8", "crop0.8", "zoom_out0.8"):
        assert found["place"][name]["fake_accuracy"] == 0.0
        assert found["place"][name]["loss_low"] > 0.2


def test_the_chain_is_drawn_once_for_each_image(saved):
    wide = opened(noise(256)[:, :250])
    many = [dataclasses.replace(wide, sha256=f"{n:064x}") for n in range(40)]
    assert {after("chain", one).shape for one in many} == {(195, 195, 3)}  # 200 of 256
    assert np.array_equal(after("chain", many[0]), after("chain", many[0]))
    assert not np.array_equal(after("chain", many[0]), after("chain", many[1]))
    coarsest = [decode(raw).tables[0][0] for raw in saved[:40]]
    assert (min(coarsest), max(coarsest)) == (LUMINANCE[95], LUMINANCE[65])


def test_an_edit_makes_only_its_own_answers_out_of_date():
    text = Path(damages.__file__).read_text()
    damages._digests.cache_clear()  # of another test's damages

    def changed(old, new):
        assert old in text
        digests = damages._digests(text.replace(old, new).encode())
        return {name for name, digest in digests.items() if digest != damages.digest_of(name)}

    assert changed("own = sigma *", "own = 2 * sigma *") == {"blur"}
    assert changed("(95, 90,", "(95, 93, 90,") == set()  # another level is another question
    assert changed("np.rint(values)", "values") == set(DAMAGES)  # what all share
    assert not [name for name in code_of(Path(ask.__file__)) if name.endswith("damages.py")]


def test_the_loss_is_compared_image_by_image():
    before, damaged = np.ones((1, 100), bool), np.arange(100)[None] >= 20
    # (20.5 + 0.5) / 102 - (20 / 102)^2, over 102, is 0.0016415
    assert gain(before, damaged) == pytest.approx((0.2, 0.12059, 0.27941), abs=1e-5)
    labels = np.array([0] * 50 + [1] * 50)
    rows = {"path": [f"{n}" for n in range(100)], "label": labels}
    clean = pd.concat(pd.DataFrame(rows | {"seed": k, "p_fake": labels}) for k in (0, 1))
    outputs = (0.2 + 0.1 * labels, np.where(np.arange(100) < 75, 0.1, 0.9))
    table = pd.concat(
        pd.DataFrame(rows | {"seed": seed, "p_fake": p}) for seed, p in enumerate(outputs)
    )
    row = measure.cost(table, clean)
    assert row["accuracy"] == pytest.approx(0.625)
    assert (row["real_accuracy"], row["fake_accuracy"]) == (1.0, 0.25)
    assert (row["called_fake"], row["loss"]) == (0.125, pytest.approx(0.375))
    assert row["auc"] == pytest.approx((1 + 0.75) / 2)  # seed 0 still ranks them
    assert row["loss_low"] < 0.25 < 0.5 < row["loss_high"]  # two seeds far apart
    fewer = measure.cost(table[table["path"] != "0"], clean)  # a damage that one image hasn't
    assert (fewer["images"], fewer["real_accuracy"]) == (99, 1.0)


@pytest.mark.parametrize(
    ("high", "low", "control", "decides"),
    [
        (0.9, 0.1, 0.1, "high"),
        (0.1, 0.9, 0.1, "low"),
        (0.5, 0.5, 0.1, "neither"),
        (0.9, 0.1, 0.9, "neither"),  # mixing alone makes a real be called fake
        (0.12, 0.08, 0.1, "neither"),
    ],
)
def test_a_band_decides_where_a_fakes_is_called_fake_and_mixing_alone_is_not(
    high, low, control, decides
):
    kinds = {(0, 1): high, (1, 0): low, (0, 0): control}
    called = {kind: 1.0 * (np.arange(100) < 100 * share) for kind, share in kinds.items()}
    table = pd.concat(
        pd.DataFrame({"seed": 0, "label": a, "high_label": b, "p_fake": p})
        for (a, b), p in called.items()
    )
    row = measure.bands(table)
    assert (row["fake_high"], row["fake_low"], row["control"]) == (high, low, control)
    assert row["control_from"] < control < row["control_to"]
    assert (row["decides"], row["pairs"]) == (decides, 100)


# A run whose networks call an image fake if it is sharp.


class Sharp:
    """In the place of the trained networks."""

    asked, limit = 0, 10**9

    def __init__(self, study):
        self.columns = [(model, seed) for model in MODELS for seed in study.seeds]

    def p_fake(self, images):
        if Sharp.asked >= Sharp.limit:
            raise KeyboardInterrupt
        Sharp.asked += len(images)
        detail = np.abs(np.diff(images.astype(float), axis=2)).mean(axis=(1, 2, 3))
        return np.repeat((1 / (1 + np.exp((8 - detail) / 2)))[:, None], len(self.columns), axis=1)


@pytest.fixture
def study(places, finished, monkeypatch):
    """12 smooth reals and 12 sharp fakes in each split, and a few damages: 7 that apply."""

    def draw(split, kind, number):
        smooth = 4 * (kind == "real")
        seed = 100 * SPLITS.index(split) + 50 * bool(smooth) + number
        return PIL.Image.fromarray(noise(64, seed, smooth))

    write_set(places / "set", 12, draw)
    some = {"clean": (0,), "blur": (0.5, 4), "resave": (0,), "low_pass": (3 / 4, 1 / 8)}
    some |= {"high_pass": (1 / 8, 3 / 4), "swap": (1 / 4, 1 / 2)}
    kept = {name: dataclasses.replace(DAMAGES[name], levels=some[name]) for name in some}
    monkeypatch.setattr(damages, "DAMAGES", kept)
    for module in (measure, show):
        monkeypatch.setattr(module, "DAMAGES", kept)
    monkeypatch.setattr(training, "Detectors", Sharp)
    monkeypatch.setattr(Sharp, "asked", 0)
    ask._networks.cache_clear()
    return finished(data=places / "set", overrides="image_size=56 beyond_images=8")


EVERYTHING = 7 * 16 + 2 * 24  # a swap has three kinds of 8 pairs


def test_a_detector_of_sharpness_fails_with_blur_and_to_the_side_real(study, capsys):
    ask.ask(study)
    assert Sharp.asked == EVERYTHING
    table = measure.robustness(study).set_index(["family", "model"])
    clean, blurred = (table.loc[(family, "vgg16")] for family in ("clean", "blur"))
    assert clean["accuracy"] == 1.0
    assert blurred["accuracy"].iloc[-1] == 0.5
    assert blurred["fake_accuracy"].iloc[-1] == blurred["called_fake"].iloc[-1] == 0.0
    assert blurred["real_accuracy"].tolist() == [1.0] * 2
    assert blurred["images"].tolist() == [16] * 2
    assert "resave" not in table.index.get_level_values(0)  # no file is a JPEG
    cuts = measure.robustness.of(study).read("frequency_bands.csv")
    assert cuts["decides"].tolist() == ["high"] * 2 * len(MODELS)
    show.robustness_figures(study)
    assert EXTENSION.why_stale(study) == ""
    assert "right on 1.000 of these images undamaged; 1 of 2" in EXTENSION.summary(study)
    section = EXTENSION.section(study).data
    assert section.count("<img") == section.count('alt="') == 2
    assert "loses, calls more real" in section
    # What is done isn't done again; another level is asked about alone.
    more = dataclasses.replace(DAMAGES["blur"], levels=(0.5, 2, 4))
    damages.DAMAGES["blur"] = more
    assert EXTENSION.why_stale(study) != ""
    ask.ask(study)
    assert Sharp.asked == EVERYTHING + 16
    fewer = study.model_copy(update={"options": study.options | {"beyond_images": 4}})
    assert all(task.why_not_done() for task in ask.damaged.all(fewer))


def test_an_interruption_resumes_at_the_damage_it_was_in(study, monkeypatch, capsys):
    monkeypatch.setattr(Sharp, "limit", 3 * 16)
    with pytest.raises(KeyboardInterrupt):
        ask.ask(study)
    monkeypatch.setattr(Sharp, "limit", 10**9)
    ask.ask(study)
    assert Sharp.asked == EVERYTHING
    assert ask._networks.cache_info().misses == 1
    long = ask.damaged.of(study, "clean").read()
    assert list(long.columns) == ["path", "label", "model", "seed", "p_fake"]
    assert long.groupby("model", sort=False).size().to_dict() == dict.fromkeys(MODELS, 16)


def test_the_images_are_a_drawn_part_of_each_class_and_pairs_are_of_two(study):
    few = ask.asked_about(study)
    assert few["label"].value_counts().to_dict() == {0: 8, 1: 8}
    rest = ask.manifest(study, "test").iloc[5:]  # seven fakes are left: as many reals, so that
    with pytest.MonkeyPatch.context() as patch:  # guessing is right half of the time
        patch.setattr(ask, "manifest", lambda study, split: rest)
        assert ask.asked_about(study)["label"].value_counts().to_dict() == {0: 7, 1: 7}
    assert few.index.is_monotonic_increasing
    mixed = ask.pairs(few)
    kinds = mixed.groupby(["label", "high_label"])["path"].agg(["size", "nunique"])
    assert kinds.to_numpy().tolist() == [[8, 8]] * 3
    assert kinds.index.tolist() == [(0, 0), (0, 1), (1, 0)]
    assert (mixed["path"] != mixed["high_path"]).all()


# Attacks.


def striped(scale=1.0, side=56):
    """A network that calls an image fake if its even columns are brighter than its odd ones."""
    layers = training.keras.layers
    network = training.keras.Sequential(
        [
            training.keras.Input((side, side, 3), dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    weights = np.broadcast_to(np.where(np.arange(side) % 2, -1, 1)[:, None], (side, side, 3))
    network.set_weights([scale * weights.reshape(-1, 1), np.zeros(1)])
    return network


@pytest.mark.parametrize("scale", [1.0, 1000.0])  # so sure that its sigmoid is flat
def test_a_slope_is_where_the_answer_changes_most(scale):
    images = np.full((3, 56, 56, 3), 100, np.uint8)
    images[1, :, ::2] += 50
    slopes = attack.slope_of(striped(scale))(images)
    weights = np.where(np.arange(56) % 2, -1, 1)[None, None, :, None] * scale / 255
    assert np.allclose(slopes, np.broadcast_to(weights, images.shape), rtol=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_every_network_has_a_slope_that_leads_upwards(model):
    small = {"custom_filters": (4, 4, 4), "custom_dense": 8, "vgg16_dense": 8}
    network = build(Study(image_size=35, vgg16_weights="random", **small), model, 0)
    images = np.random.default_rng(0).integers(5, 250, (4, 35, 35, 3), dtype=np.uint8)
    step = 2 * np.sign(attack.slope_of(network)(images))
    p_fake = [network.predict_on_batch(as_bytes(images + k * step))[:, 0] for k in (-1, 0, 1)]
    assert (np.diff(p_fake, axis=0) > 0).all()


def test_an_attack_turns_what_a_network_hardly_knew_and_each_network_has_its_own(
    places, finished, monkeypatch
):
    """Fakes have columns 6 levels brighter than those beside them, photographs as much darker."""
    stripes = np.where(np.arange(56) % 2, 0, 6)[None, :, None]

    def draw(split, kind, number):
        pixels = np.full((56, 56, 3), 90 + number) + (stripes if kind == "fake" else -stripes)
        return PIL.Image.fromarray(pixels.astype(np.uint8))

    write_set(places / "set", 4, draw)
    study = finished(data=places / "set", overrides="image_size=56 beyond_images=4")
    networks = {"custom_cnn": striped(), "vgg16": striped(-1.0)}  # which is wrong to begin with
    monkeypatch.setattr(attack, "load", lambda study, model, seed: networks[model])
    ask._networks.cache_clear()
    damages._digests.cache_clear()  # of another test's damages
    right = {}
    for name in ("fgsm-1", "fgsm-2", "fgsm-4"):
        table = ask.damaged(study, name)
        table["right"] = (table["p_fake"] >= 0.5) == (table["label"] == 1)
        right[name] = table.groupby("model")["right"].mean().to_dict()
    assert right["fgsm-1"] == right["fgsm-2"] == {"custom_cnn": 1.0, "vgg16": 0.0}  # 6 becomes 2
    assert right["fgsm-4"] == dict.fromkeys(networks, 0.0)  # -2 of the one, 14 of the other


# What is shown.


def made_up(clean=0.9, low=0.8):
    """A table of one network: no loss, a loss, a gain and a filter."""
    losses = {
        ("clean", np.nan): (0.0, -0.01, 0.01),
        ("jpeg", 90): (0.01, -0.02, 0.04),
        ("blur", 4): (0.39, 0.3, 0.48),
        ("flip", np.nan): (-0.04, -0.06, -0.02),
    }
    table = pd.DataFrame(losses.values(), columns=["loss", "loss_low", "loss_high"])
    table[["family", "level"]] = list(losses)
    table["called_fake"], table["accuracy"] = 0.5 + table["loss"], clean - table["loss"]
    about = {"images": 200, "seeds": 1, "auc": 0.9, "low": low, "high": 1.0, "model": "vgg16"}
    return table.assign(**about, real_accuracy=0.02, fake_accuracy=0.99)


def test_the_verdicts_say_what_the_intervals_say():
    told = show.costs(made_up()).set_index("damage")["verdict"]
    assert told.to_dict() == {
        "Undamaged": "",
        "JPEG 90 (quality)": "no change seen",
        "Blur 4 (sigma, of 256 pixels)": "loses, calls more fake",
        "Flipped": "gains",
    }
    (sentence,) = show.sentences(made_up())
    assert "1 of 2 damages cost accuracy" in sentence
    assert "Blur 4 (sigma, of 256 pixels), costs 0.390 (0.300 to 0.480)" in sentence
    guessing = made_up(clean=0.52, low=0.45)
    assert set(show.costs(guessing)["verdict"]) == {"", "guesses undamaged"}
    assert "can't be told" in show.sentences(guessing)[0]


@pytest.mark.parametrize("run", ["demo", "laptop"])
def test_the_examples_can_be_shown(run, monkeypatch):
    monkeypatch.setattr(figures, "mark", lambda study: "")
    folder = ROOT / "results" / "examples" / run / "robustness"
    table, cuts = (read_file(folder / f"{name}.csv") for name in show.CAPTIONS)
    for figure, words in (show.of_damages(STUDY, table), show.of_bands(STUDY, table, cuts)):
        assert all(model.title in words for model in MODELS.values())
        plt.close(figure)
    assert len(show.costs(table)) == len(table) == 35 * len(MODELS)
    assert set(show.shares(cuts)["decides"]) <= {"high", "low", "neither"}
