"""Damaged images: each damage by a known answer, the loss in pairs, and a made-up detector."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import PIL.Image
import pytest
import scipy.ndimage

from fakeface_utils.common.errors import StudyError
from fakeface_utils.dataset import perturb
from fakeface_utils.dataset.folder import Folder
from fakeface_utils.dataset.perturb import Original, chosen, open_original
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.evaluation import robustness as numbers
from fakeface_utils.networks import robustness as asking
from fakeface_utils.report import robustness as report
from fakeface_utils.report.drawing import alternative_text
from fakeface_utils.run import estimate
from fakeface_utils.study.artefacts import read_manifest
from fakeface_utils.study.beyond_artefacts import (
    chain_csv,
    column,
    damage_csv,
    read_damage_csv,
    robustness_csv,
)
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.robustness import (
    CUTOFFS,
    DAMAGES,
    Damage,
    damage_step,
    robustness_steps,
)

SHA = "5e" * 32
LUMINANCE = {95: 2, 90: 3, 75: 8, 65: 11, 50: 16, 30: 27}  # 16 in the standard's table, scaled


def original(pixels, kind="PNG", **options):
    """An image file of these pixels, opened."""
    file = io.BytesIO()
    PIL.Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(file, kind, **options)
    return open_original(file.getvalue(), SHA)


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
    files, save = [], perturb.as_jpeg

    def spy(image, **options):
        files.append(save(image, **options))
        return files[-1]

    monkeypatch.setattr(perturb, "as_jpeg", spy)
    return files


def test_a_low_pass_keeps_the_slow_wave_and_a_high_pass_the_fast_one():
    slow, fast = wave(1 / 8), wave(3 / 4)
    image = perturb.as_bytes(100 + slow + fast)
    low, high = perturb.low_pass(image, 3 / 8), perturb.high_pass(image, 3 / 8)
    assert np.abs(low - (100 + slow)).max() < 1.5
    assert np.abs(high - (100 + fast)).max() < 1.5
    assert np.abs(low.astype(float) + high - 100 - image).max() <= 1


def test_the_cut_off_passes_half_and_the_order_is_four():
    for share, passed in ((1 / 2, 1 / 2), (1 / 4, 1 / (1 + 0.5**8)), (3 / 4, 1 / (1 + 1.5**8))):
        image = perturb.as_bytes(128 + wave(share, 100))
        low = perturb.low_band(image, 1 / 2)
        assert np.ptp(low) == pytest.approx(passed * np.ptp(image.astype(float)), abs=1)


def test_filters_go_round_and_keep_the_channels_apart():
    image = np.full((64, 64, 3), 90, np.uint8)
    image[..., 1] = perturb.as_bytes(120 + wave(3 / 4)[..., 0]).T  # from top to bottom
    low = perturb.low_pass(image, 1 / 4)
    assert np.abs(low - np.array([90, 120, 90])).max() <= 1
    high = perturb.high_pass(image, 1 / 4)
    assert high.mean(axis=(0, 1)) == pytest.approx(image.mean(axis=(0, 1)), abs=0.5)
    assert np.ptp(high[..., 1].astype(int)) > 75
    assert np.ptp(high[..., 0]) == 0


def test_a_swap_puts_each_band_where_it_belongs():
    one = perturb.as_bytes(100 + wave(1 / 8) + wave(3 / 4, 20))
    other = perturb.as_bytes(150 + wave(1 / 16) + wave(7 / 8, 30))
    mixed = perturb.swap(one, other, 3 / 8)
    assert np.abs(mixed - (100 + wave(1 / 8) + wave(7 / 8, 30))).max() < 2
    assert np.array_equal(perturb.swap(one, one, 3 / 8), one)


@pytest.mark.parametrize(("quality", "first"), LUMINANCE.items())
@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_jpeg_has_the_levels_tables_and_the_files_own_subsampling(
    saved, quality, first, subsampling
):
    before = original(noise(), "JPEG", quality=97, subsampling=subsampling)
    perturb.damaged(before, Damage("jpeg", quality), 56, "bilinear")
    after = open_original(saved[0], SHA)
    assert after.tables[0][0] == first
    assert after.subsampling == subsampling
    assert (after.image.size, len(saved)) == ((64, 64), 1)


def test_of_a_png_the_jpeg_halves_the_colours_and_saving_again_says_nothing(saved):
    image = original(noise())
    assert perturb.resave(image, 0) is None
    assert perturb.damaged(image, Damage("resave"), 56, "bilinear") is None
    perturb.jpeg(image, 90)
    assert open_original(saved[0], SHA).subsampling == 2


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_saving_again_has_the_files_own_tables_and_changes_little(saved, subsampling):
    light, colour = noise(smooth=1)[..., :1], noise(seed=1, smooth=8) - 128.0  # as in photographs
    pixels = perturb.as_bytes(light + 0.5 * colour)
    image = original(pixels, "JPEG", quality=83, subsampling=subsampling)
    again = perturb.resave(image, 0)
    file = open_original(saved[0], SHA)
    assert (file.tables, file.subsampling) == (image.tables, subsampling)
    pixels = np.asarray(image.image, dtype=float)
    changed = np.abs(np.asarray(again) - pixels).mean()
    assert changed < 0.2 * np.abs(np.asarray(perturb.jpeg(image, 30)) - pixels).mean()


@pytest.mark.parametrize("side", [64, 128, 256])
def test_the_blur_scales_with_the_side_and_leaves_other_channels(side):
    edge = np.zeros((side, side, 3), np.uint8)
    edge[:, side // 2 :, 0] = 255
    blurred = np.asarray(perturb.blur(original(edge), 4))
    steps, places = np.diff(blurred[0, :, 0].astype(float)), np.arange(side - 1)
    centre = np.average(places, weights=steps)
    sigma = np.sqrt(np.average((places - centre) ** 2, weights=steps))
    assert sigma == pytest.approx(4 * side / 256, rel=0.05)
    assert not blurred[..., 1:].any()


def test_noise_is_an_images_own_has_its_deviation_and_is_the_same_again():
    grey = np.full((128, 128, 3), 128, np.uint8)
    image = original(grey)
    for deviation in (5, 10, 20):
        noisy = np.asarray(perturb.noise(image, deviation))
        assert (noisy.astype(float) - 128).std() == pytest.approx(deviation, rel=0.02)
        assert np.array_equal(noisy, perturb.noise(image, deviation))
    other = Original(image.image, "ab" * 32, {}, -1)
    assert not np.array_equal(noisy, perturb.noise(other, 20))


def test_flipping_scaling_and_cropping_do_what_they_are_called():
    image = original(noise())
    pixels = np.asarray(image.image)
    flipped = original(np.asarray(perturb.flip(image, 0)))
    assert np.array_equal(np.asarray(flipped.image), pixels[:, ::-1])
    assert np.array_equal(np.asarray(perturb.flip(flipped, 0)), pixels)
    assert np.array_equal(np.asarray(perturb.crop(image, 0.5)), pixels[16:48, 16:48])
    fast, slow = (original(128 + wave(share)) for share in (7 / 8, 1 / 8))
    assert np.asarray(perturb.scale(fast, 1 / 2)).std() < 0.2 * np.asarray(fast.image).std()
    assert np.asarray(perturb.scale(slow, 1 / 2)).std() > 0.9 * np.asarray(slow.image).std()
    assert perturb.scale(fast, 7 / 16).size == (64, 64)


def test_the_chain_is_drawn_once_for_each_image(saved):
    drawn = perturb.chain_parameters(SHA, 256, 256)
    assert drawn == perturb.chain_parameters(SHA, 256, 256)
    many = pd.DataFrame([perturb.chain_parameters(f"{n:064x}", 300, 256) for n in range(500)])
    assert (many["side"].min(), many["side"].max()) == (205, 256)
    assert (many["quality"].min(), many["quality"].max()) == (65, 95)
    assert (many["left"] + many["side"]).max() == 300
    assert (many[["left", "top"]].min() == 0).all()
    image = original(noise(256))
    assert perturb.chain(image, 0).size == (200, 200)
    quality = drawn["quality"]
    expected = open_original(perturb.as_jpeg(image.image, quality=quality), SHA)
    assert open_original(saved[0], SHA).tables == expected.tables


def test_every_damage_gives_an_input_of_the_networks_size():
    image = original(noise(256), "JPEG")
    clean = perturb.damaged(image, Damage("clean"), 56, "bilinear")
    for damage in DAMAGES:
        if damage.family not in ("clean", "swap"):
            pixels = perturb.damaged(image, damage, 56, "bilinear")
            assert (pixels.shape, pixels.dtype) == ((56, 56, 3), np.uint8)
            assert not np.array_equal(pixels, clean), damage.name
    assert len({damage.name for damage in DAMAGES}) == len(DAMAGES) == 40


def test_the_loss_is_compared_image_by_image():
    before, after = np.ones((1, 100), bool), np.arange(100)[None] >= 20
    # (20.5 + 0.5) / 102 - (20 / 102)^2, over 102, is 0.0016415
    assert numbers.difference(before, after) == pytest.approx((0.2, 0.12059, 0.27941), abs=1e-5)
    half = np.arange(100)[None] < 50
    unpaired = numbers.difference(half, np.roll(half, 50, axis=1))
    same = numbers.difference(half, half)
    assert same[0] == unpaired[0] == 0
    assert same[2] < 0.15 * unpaired[2]


def test_scores_and_bands_of_a_known_table():
    labels = np.array([0] * 50 + [1] * 50)
    clean = pd.DataFrame({"label": labels, "a": labels.astype(float), "b": labels.astype(float)})
    damaged = clean.assign(a=0.2 + 0.1 * labels, b=np.where(np.arange(100) < 75, 0.1, 0.9))
    row = numbers.scores(damaged, clean, ["a", "b"])
    assert row["accuracy"] == pytest.approx(0.625)
    assert (row["real_accuracy"], row["fake_accuracy"]) == (1.0, 0.25)
    assert (row["called_fake"], row["loss"]) == (0.125, pytest.approx(0.375))
    assert row["auc"] == pytest.approx((1 + 0.75) / 2)  # 'a' still ranks them
    assert row["loss_low"] < 0.25 < 0.5 < row["loss_high"]  # two seeds far apart


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
    shares = [np.arange(100)[None] < 100 * share for share in (high, low, control)]
    assert numbers.which_decides(*shares) == decides
    kinds = [(0, 1), (1, 0), (0, 0)]
    table = pd.concat(
        pd.DataFrame({"label": a, "high_label": b, "x": called[0].astype(float)})
        for (a, b), called in zip(kinds, shares, strict=True)
    )
    row = numbers.bands(table, ["x"])
    assert (row["fake_high"], row["fake_low"], row["control"]) == (high, low, control)
    assert row["control_from"] < control < row["control_to"]
    assert (row["decides"], row["pairs"]) == (decides, 100)


class Sharp:
    """A detector that calls an image fake if it is sharp, in the place of the trained networks."""

    asked = 0

    def __init__(self, study, at_once):
        self.columns = [column(m, s) for m in ("custom_cnn", "vgg16") for s in study.seeds]
        self.at_once = at_once

    def p_fake(self, images):
        Sharp.asked += len(images)
        detail = np.abs(np.diff(images.astype(float), axis=2)).mean(axis=(1, 2, 3))
        return np.repeat((1 / (1 + np.exp((8 - detail) / 2)))[:, None], len(self.columns), axis=1)


@pytest.fixture
def study(places, monkeypatch):
    """A run on 12 smooth reals and 12 sharp fakes, whose networks are `Sharp`."""
    for number, split in enumerate(("train", "valid", "test")):
        for kind, smooth in (("real", 4), ("fake", 0)):
            folder = places / "set" / split / kind
            folder.mkdir(parents=True)
            for index in range(12):
                pixels = noise(64, 100 * number + 50 * bool(smooth) + index, smooth)
                PIL.Image.fromarray(pixels).save(folder / f"{index}.png")
    study = load_study("demo", data=str(places / "set"), run="x", overrides="beyond_images=8")
    prepare(study)
    for step in damage_step(study, DAMAGES[0]).before():

        def make_up(step=step):
            for path in step.outputs:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("made up")

        if step.kind in ("features", "train"):
            step.do(make_up)
    monkeypatch.setattr(asking, "Trained", Sharp)
    monkeypatch.setattr(asking, "distribute", lambda study: None)
    Sharp.asked = 0
    return study


def test_a_detector_of_sharpness_fails_with_blur_and_to_the_side_real(study, capsys):
    asking.ask_damaged(study)
    table = numbers.robustness(study).set_index(["family", "model"])
    clean, blurred = (table.loc[(family, "vgg16")] for family in ("clean", "blur"))
    assert clean["accuracy"] == 1.0
    assert blurred["accuracy"].iloc[-1] == 0.5
    assert blurred["fake_accuracy"].iloc[-1] == blurred["called_fake"].iloc[-1] == 0.0
    assert blurred["real_accuracy"].tolist() == [1.0] * 5
    assert blurred["loss"].is_monotonic_increasing
    assert blurred["images"].tolist() == [16] * 5
    assert "resave" not in table.index.get_level_values(0)  # no file is a JPEG
    mixed = numbers.frequency_bands(study)
    assert mixed.loc[mixed["cutoff"] <= 1 / 2, "decides"].tolist() == ["high"] * 8
    text = numbers.summary(study)
    assert "right on 1.000 of these images undamaged." in text
    assert "saved again as it was: no image of a class is a JPEG" in text
    assert "the high band decides if cut at 0.125, 0.25, 0.375, 0.5" in text
    drawn = chain_csv(study).read_text().splitlines()
    assert (drawn[0], len(drawn)) == ("path,left,top,side,quality", 17)
    report.draw_robustness(study)
    drawn, _ = report.draw_damage(study, numbers.robustness(study))
    assert drawn.get_suptitle() == (
        "16 images, one seed; blur and chain for images stored at 64 pixels\n"
        "24 training images at 56 pixels (the paper: 100,000 at 224)"
    )
    plt.close(drawn)
    assert "blur of sigma 4 (of 256 pixels) 0.50" in alternative_text(study, "robustness")
    assert "Mixed images called fake" in alternative_text(study, "frequency_bands")
    more_seeds = study.model_copy(update={"seeds": (0, 1), "beyond_images": 100})
    assert "All damages in numbers" in report.section(more_seeds)
    robustness_csv(study).write_text("edited")
    assert report.section(study) == ""
    capsys.readouterr()


def test_what_is_done_is_not_done_again_and_other_images_are(study, capsys):
    asking.ask_damaged(study)
    everything = 34 * 16 + 5 * 24  # no 'resave' of a PNG; a swap has three kinds of 8 pairs
    assert Sharp.asked == everything
    assert f"{everything + 16}/{everything + 16}" in capsys.readouterr().out  # one bar for all
    asking.ask_damaged(study)
    assert Sharp.asked == everything
    assert "up to date" in capsys.readouterr().out
    damage_csv(study, "blur-2").unlink()
    asking.ask_damaged(study)
    assert Sharp.asked == everything + 16
    other = study.model_copy(update={"beyond_images": 4})
    assert not any(step.is_done() for step in robustness_steps(other))
    asking.ask_damaged(other)
    assert Sharp.asked == everything + 16 + everything // 2


def test_an_interruption_resumes_at_the_damage_it_was_in(study, monkeypatch, capsys):
    def interrupted(self, images):
        if Sharp.asked >= 3 * 16:
            raise KeyboardInterrupt
        return Sharp.answers(self, images)

    Sharp.answers = Sharp.p_fake
    monkeypatch.setattr(Sharp, "p_fake", interrupted)
    with pytest.raises(KeyboardInterrupt):
        asking.ask_damaged(study)
    monkeypatch.setattr(Sharp, "p_fake", Sharp.answers)
    asking.ask_damaged(study)
    assert Sharp.asked == 34 * 16 + 5 * 24
    first = [damage.name for damage in DAMAGES[:3]]
    assert all(len(read_damage_csv(study, name)) == 16 for name in first)
    capsys.readouterr()


def test_an_image_that_is_gone_is_named(study, places, capsys):
    row = chosen(study).iloc[0]
    with pytest.raises(StudyError, match=r"real/gone\.png can't be read any more"):
        perturb.read_original(Folder(places / "set"), "test/real/gone.png", row["sha256"])
    (places / "set" / row["path"]).unlink()
    with pytest.raises(StudyError, match=r"run notebooks/01_dataset\.ipynb again"):
        asking.ask_damaged(study)
    capsys.readouterr()


def test_the_images_are_a_drawn_part_of_each_class_and_pairs_are_of_two(study):
    manifest, few = read_manifest(study, "test"), chosen(study)
    assert few["label"].value_counts().to_dict() == {0: 8, 1: 8}
    assert few.index.is_monotonic_increasing
    fewer = chosen(study.model_copy(update={"beyond_images": 3}))
    assert set(fewer["path"]) < set(few["path"]) < set(manifest["path"])
    every = chosen(study.model_copy(update={"beyond_images": 100}))
    assert every["path"].tolist() == manifest["path"].tolist()
    mixed = asking.pairs(few)
    kinds = mixed.groupby(["label", "high_label"]).size().to_dict()
    assert kinds == {(0, 1): 8, (1, 0): 8, (0, 0): 8}
    assert (mixed["path"] != mixed["high_path"]).all()
    assert mixed.groupby(["label", "high_label"])["path"].nunique().tolist() == [8, 8, 8]


ROW = {"images": 200, "seeds": 1, "auc": 0.9, "low": 0.8, "high": 1.0}


def made_up(jpeg, clean=0.9, low=0.8, flip=(0.0, -0.01, 0.01)):
    """A table of `robustness` with these losses by JPEG quality, and a blur that hurts more."""
    losses = {
        ("clean", None): (0.0, 0.0, 0.0),
        **{("jpeg", level): loss for level, loss in jpeg.items()},
        ("blur", 4): (0.39, 0.3, 0.48),
        ("flip", None): flip,
        ("resave", None): (0.0, -0.01, 0.01),
        ("low_pass", 1 / 8): (0.4, 0.3, 0.5),
    }
    rows = []
    for (family, level), (loss, loss_low, loss_high) in losses.items():
        ends = {"loss": loss, "loss_low": loss_low, "loss_high": loss_high, "low": low}
        sides = {"accuracy": clean - loss, "real_accuracy": 0.02, "fake_accuracy": 0.99}
        about = {"family": family, "level": level, "called_fake": 0.97}
        rows += [{**ROW, **about, **ends, **sides, "model": m} for m in ("custom_cnn", "vgg16")]
    return pd.DataFrame(rows)


def say(monkeypatch, table, decides=("high", "high", "neither", "low", "low")):
    mixed = pd.DataFrame({"cutoff": CUTOFFS, "model": "custom_cnn", "decides": decides})
    both = pd.concat([mixed, mixed.assign(model="vgg16", decides="neither")])
    monkeypatch.setattr(numbers, "read_robustness_csv", lambda study: table)
    monkeypatch.setattr(numbers, "read_frequency_bands_csv", lambda study: both)
    return numbers.summary(load_study("demo"))


def test_the_summary_says_what_the_numbers_say(monkeypatch):
    lost = {90: (0.01, -0.02, 0.04), 75: (0.05, 0.02, 0.08), 50: (0.21, 0.15, 0.27)}
    text = say(monkeypatch, made_up(lost))
    assert (
        "custom CNN: right on 0.900 of these images undamaged. 3 of 4 damages cost it accuracy: in "
        "0 of them it calls more images real than undamaged, in 0 more fake. Most harmful of "
        "these: blur of sigma 4 (of 256 pixels) (0.390 lost, 0.300 to 0.480). It then calls 0.97 "
        "of all images fake, of the undamaged 0.97: it is right on 0.02 of the reals and 0.99 of "
        "the fakes. JPEG costs it accuracy first at quality 75 (0.050 lost, 0.020 to 0.080); half "
        "of what it had above 0.5 is gone at quality 50. The controls change nothing" in text
    )
    assert (
        "Of images mixed from a real and a fake, the high band decides if cut at 0.125, 0.25 and "
        "the low band decides if cut at 0.5, 0.75 of Nyquist; at 1 other cut-off it can't be told. "
        "So what it goes by lies mostly above 0.25 and below 0.5 of the input's Nyquist "
        "frequency." in text
    )
    assert "Mixed images can't tell which band decides" in text  # VGG16's
    assert "Measured on 200 test images, one seed, so not how training runs differ." in text


def test_the_summary_says_where_nothing_is_lost_and_where_nothing_can_be(monkeypatch):
    text = say(monkeypatch, made_up({90: (0.0, -0.02, 0.02), 30: (0.01, -0.01, 0.03)}))
    assert "No JPEG quality down to 30 costs it measurable accuracy (at 30: 0.010 lost" in text
    text = say(monkeypatch, made_up({30: (0.1, 0.05, 0.15)}, flip=(-0.04, -0.06, -0.02)))
    assert "half of what it had above 0.5 is left at every quality down to 30" in text
    assert "but accuracy differs on images that are flipped (flipped: -0.040 lost" in text
    text = say(monkeypatch, made_up({30: (0.0, -0.1, 0.1)}, clean=0.52, low=0.45))
    assert "no better than guessing here: what damage costs can't be told" in text
    assert "JPEG" not in text
    across = made_up({30: (0.0, -0.1, 0.1)})
    assert "don't agree" in say(monkeypatch, across, ("low", "low", "high", "high", "high"))
    assert "lies mostly above 0.75 of the input's Nyquist" in say(monkeypatch, across, ["high"] * 5)


def test_the_estimate_counts_the_damaged_images(places, monkeypatch, capsys):
    speeds = {"training": {56: 10.0}, "forward": {56: 20.0}}
    monkeypatch.setattr(estimate, "speeds", lambda: (speeds, True))
    study = load_study("demo", seeds=2)  # 100 of each class
    counts = dict.fromkeys(("train", "valid", "test"), 600)
    estimate.print_estimate("this", study, counts, robustness_steps(study))
    seconds = 60 + 40 * 200 * (2 / 30 + 1 / 20)
    assert f"takes about {seconds / 60:.0f} min" in capsys.readouterr().out
