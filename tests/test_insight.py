"""What the networks look at: spectra, maps and controls with known answers."""

import os
import subprocess
import sys

import keras
import numpy as np
import PIL.Image
import pytest
from sklearn.metrics import roc_auc_score

from fakeface_utils.common.files import write_csv, write_json
from fakeface_utils.dataset import spectra
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.evaluation import insight
from fakeface_utils.evaluation.agreement import rank_correlations
from fakeface_utils.evaluation.spectra import STRENGTHS, compare, spectrum_findings, spectrum_model
from fakeface_utils.networks import maps
from fakeface_utils.networks.imagenet import frozen_base
from fakeface_utils.networks.models import assemble_vgg16, custom_cnn, vgg16_head
from fakeface_utils.report import insight as report
from fakeface_utils.report.drawing import alternative_text, save
from fakeface_utils.report.pictures import first_filters, montage, single_maps
from fakeface_utils.study.artefacts import PICTURES, model_file, predictions_csv, read_manifest
from fakeface_utils.study.beyond_artefacts import (
    INSIGHT_FIGURES,
    INSIGHT_PICTURES,
    insight_json,
    read_insight_json,
    read_maps,
    read_spectra,
    spectrum_side,
)
from fakeface_utils.study.insight import insight_steps, spectra_step
from fakeface_utils.study.parameters import load_study

SIDE = 16


# Spectra.


def grey(plane):
    """(side, side) grey levels as an RGB image."""
    return np.repeat(np.rint(plane).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("side", [64, 63])
@pytest.mark.parametrize("waves", [1, 10, 31])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_sine_has_its_power_in_its_own_ring(side, waves, axis):
    wave = 128 + 100 * np.sin(2 * np.pi * waves * np.arange(side) / side)
    plane = np.broadcast_to(wave, (side, side))
    spectrum = spectra.log_spectrum(grey(plane if axis else plane.T))
    assert spectrum.shape == (side // 2,)
    assert spectrum.argmax() + 1 == waves
    others = np.delete(spectrum, waves - 1)
    assert spectrum.max() - others.max() > 2  # a hundred times the power of any other ring


def test_an_oblique_wave_lies_at_its_length_and_the_corners_in_no_ring():
    down, across = np.mgrid[:64, :64]
    oblique = 128 + 100 * np.sin(2 * np.pi * (6 * down + 8 * across) / 64)
    assert spectra.log_spectrum(grey(oblique)).argmax() + 1 == 10
    corner = 128 + 100 * np.cos(2 * np.pi * (30 * down + 30 * across) / 64)  # radius 42 of 32
    assert spectra.log_spectrum(grey(corner)).max() < -5


def test_the_finest_wave_counts_once():
    """Nyquist's column has no mirror image: its share of the power is known."""
    plane = np.broadcast_to(128 + 100 * np.cos(np.pi * np.arange(64)), (64, 64))
    times = spectra._rings(64)[1][-1]
    assert 10 ** spectra.log_spectrum(grey(plane))[-1] == pytest.approx(1 / times, rel=1e-3)


@pytest.mark.parametrize("side", [64, 63])
def test_white_noise_is_flat_at_its_known_level(side):
    noise = np.random.default_rng(0).integers(0, 256, (40, side, side))
    mean = np.mean([10 ** spectra.log_spectrum(grey(plane)) for plane in noise], axis=0)
    assert mean * (side**2 - 1) == pytest.approx(np.ones(side // 2), abs=0.2)
    assert np.mean(mean[5:]) * (side**2 - 1) == pytest.approx(1, abs=0.02)


def test_brightness_and_contrast_do_not_count_and_one_colour_has_no_spectrum():
    plane = np.random.default_rng(0).integers(0, 60, (32, 32))
    one = spectra.log_spectrum(grey(plane))
    assert spectra.log_spectrum(grey(plane + 150)) == pytest.approx(one, abs=1e-3)
    assert spectra.log_spectrum(grey(plane * 4)) == pytest.approx(one, abs=1e-3)
    assert np.isnan(spectra.log_spectrum(np.full((32, 32, 3), 77, dtype=np.uint8))).all()
    assert np.isnan(spectra.log_spectrum(np.full((31, 31, 3), (200, 3, 9), dtype=np.uint8))).all()


@pytest.fixture
def odd_faces(faces, places):
    """A study of 24 noise images of 40 pixels, of which two in test have another size."""
    for name, size in (("fake/0", (40, 30)), ("real/2", (32, 32))):
        file = next(faces.rglob(f"test/{name}.jpg"))
        with PIL.Image.open(file) as image:
            image.resize(size).save(file)
    study = load_study(data=str(faces), run="x", overrides="image_size=35")
    prepare(study)
    return study


def test_spectra_lie_in_the_manifests_order_without_images_of_another_size(odd_faces, capsys):
    spectra.measure_spectra(odd_faces)
    assert [spectrum_side(odd_faces, size) for size in ("stored", "input")] == [40, 35]
    stored, seen = (read_spectra(odd_faces, size, "test") for size in ("stored", "input"))
    assert (stored.shape, stored.dtype, seen.shape) == ((8, 20), np.float32, (8, 17))
    assert np.flatnonzero(np.isnan(stored).all(axis=1)).tolist() == [0, 6]  # fake first, by path
    assert np.isfinite(seen).all()
    findings = spectrum_findings(odd_faces, "stored")
    assert findings["left_out"] == {"train": 0, "valid": 0, "test": 2}
    assert findings["images"] == {"real": 3, "fake": 3}
    spectra.measure_spectra(odd_faces)
    assert capsys.readouterr().out.count("up to date") == 6
    assert spectra_step(odd_faces.model_copy(update={"run": "y"}), "input", "test").is_done()


def test_a_class_of_another_size_is_not_compared(faces, places):
    for file in faces.rglob("fake/*.jpg"):
        with PIL.Image.open(file) as image:
            image.resize((64, 64)).save(file)
    study = load_study(data=str(faces), run="x", overrides="image_size=35")
    prepare(study)
    spectra.measure_spectra(study)
    findings = spectrum_findings(study, "stored")
    assert findings["why_not"] == "only 0 real and 4 fake images in train have the usual size"
    assert insight.power_sentence("stored", findings) == ""


# The model that sees only the spectrum.


def made_up(count, shift, seed, bins=20):
    """Spectra of so many images of each class; fakes have 10^shift times the power in bins 5-9."""
    random = np.random.default_rng(seed)
    values = random.normal(0, 0.2, (2 * count, bins))
    values[count:, 5:10] += shift
    return values.astype(np.float32), np.repeat([0, 1], count)


def sets(shift, count=300):
    names = ("train", "valid", "test")
    return {name: made_up(count, shift, seed) for seed, name in enumerate(names)}


def test_two_kinds_of_spectra_are_told_apart_and_equal_ones_are_not():
    apart, equal = (spectrum_model(sets(shift))["metrics"] for shift in (0.5, 0))
    assert apart["accuracy"]["mean"] > 0.98
    assert apart["auc"] > 0.99
    assert equal["accuracy"]["low"] < 0.5 < equal["accuracy"]["high"]
    assert equal["auc"] == pytest.approx(0.5, abs=0.06)
    assert set(apart) == {"accuracy", "precision", "recall", "f1", "auc"}


def test_the_strength_is_chosen_on_validation_images_and_never_on_test_images():
    noisy = sets(0.1, count=15)
    fresh, learned = (spectrum_model(noisy | {"valid": noisy[name]}) for name in ("valid", "train"))
    assert fresh["strength"] < learned["strength"] == STRENGTHS[-1]  # it overfits, unseen there
    for test in (noisy["train"], noisy["valid"]):
        assert spectrum_model(noisy | {"test": test})["strength"] == fresh["strength"]


def test_the_ratio_of_known_spectra_is_where_it_was_put():
    found = compare(*made_up(400, np.log10(2), 0))
    assert (found["more"], found["less"]) == (5, 0)
    ratio = {name: np.array(values) for name, values in found["ratio"].items()}
    assert ratio["mean"][5:10] == pytest.approx(np.full(5, np.log10(2)), abs=0.05)
    assert np.all((ratio["low"] < ratio["mean"]) & (ratio["mean"] < ratio["high"]))
    same = compare(*made_up(400, 0, 1))
    assert same["more"] == same["less"] == 0
    text = insight.power_sentence("input", {"why_not": "", "side": 40, **found})
    assert "more power than reals at 5 of 20 frequencies and less at 0" in text
    assert "cycles per pixel, with 2.0" in text or "cycles per pixel, with 1.9" in text
    nowhere = insight.power_sentence("input", {"why_not": "", "side": 40, **same})
    assert "differ beyond chance at no frequency of 20" in nowhere


# Maps.


def looks_at(weights, last=1.0, bias=0.0):
    """A network of one convolution that copies the grey image, and a Dense layer of these weights.

    Args:
        weights: (8, 8), one for each cell after the pooling.
        last, bias: of the last layer.
    """
    layers = keras.layers
    inputs = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(1, 1, activation="relu", name="conv1")(x)
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    dense = layers.Dense(1, activation="relu", name="dense")
    x = layers.Dropout(0.5)(layers.BatchNormalization()(dense(x)))
    end = layers.Dense(1, activation="sigmoid", name="p_fake")
    network = keras.Model(inputs, end(x))
    network.get_layer("conv1").set_weights([np.full((1, 1, 3, 1), 1 / 3), np.zeros(1)])
    dense.set_weights([np.asarray(weights, dtype=float).reshape(-1, 1), np.zeros(1)])
    end.set_weights([np.full((1, 1), last), np.full(1, bias)])
    return network


@pytest.fixture
def corner():
    """Weights that see the top left quarter alone."""
    weights = np.zeros((8, 8))
    weights[:4, :4] = 1
    return weights


@pytest.fixture
def images():
    """Noise with a bright top left quarter."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 100, (12, SIDE, SIDE, 3))
    noise[:, :8, :8] += 150
    return noise.astype(np.uint8)


def made(network, images):
    parts = maps.cut(network)
    return parts, *maps.maps_and_logits(parts, parts.features(images))


def test_a_network_that_looks_at_a_corner_has_its_map_there(corner, images):
    parts, found, logits = made(looks_at(corner), images)
    assert parts.grid == found.shape[1:] == (SIDE, SIDE)
    assert np.all(found.sum(axis=(1, 2)) > 0)
    outside = np.ones((SIDE, SIDE), dtype=bool)
    outside[:8, :8] = False
    assert np.all(found[:, outside] == 0)
    # Without a bias the evidence adds up to the logit, and batch norm and dropout are as in use.
    assert found.sum(axis=(1, 2)) == pytest.approx(logits, rel=1e-3)
    p_fake = looks_at(corner).predict_on_batch(images)[:, 0]
    assert 1 / (1 + np.exp(-logits)) == pytest.approx(p_fake, abs=1e-6)


def test_painting_over_what_it_looks_at_moves_the_logit_and_other_places_less(corner, images):
    for last, bias in ((1, -8.0), (-1, 8.0)):  # the same evidence, for fake and for real
        parts, found, logits = made(looks_at(corner, last, bias), images)
        assert np.all(np.sign(logits) == last)
        falls = maps.removal(parts, images, found, logits, range(len(images)))
        assert falls.shape == (len(images), 2)
        assert np.all(falls[:, 0] > 0)
        assert (falls[:, 0] - falls[:, 1]).min() > 1
        again = maps.removal(parts, images, found, logits, range(len(images)))
        assert np.array_equal(falls, again)


def test_a_network_that_looks_nowhere_has_no_map_and_the_sentence_says_so(images):
    parts, found, logits = made(looks_at(np.zeros((8, 8))), images)
    assert np.all(found == 0)
    falls = maps.removal(parts, images, found, logits, range(len(images)))
    assert np.all(falls == 0)
    ranks = rank_correlations(found, found)
    assert np.isnan(ranks).all()
    findings = insight.map_findings([{"maps": found, "untrained_rank": ranks, "removed": falls}])
    assert findings["untrained"]["flat"] == len(images)
    assert (findings["removal"]["low"], findings["removal"]["high"]) == (0, 0)
    assert insight.maps_sentence("vgg16", findings).startswith("The VGG16's maps are all flat")


def test_equal_weights_on_one_colour_favour_no_place():
    images = np.full((3, SIDE, SIDE, 3), 200, dtype=np.uint8)
    parts, found, logits = made(looks_at(np.ones((8, 8))), images)
    pooled = found.reshape(3, 8, 2, 8, 2).sum(axis=(2, 4))
    assert pooled == pytest.approx(np.full_like(pooled, pooled[0, 0, 0]), rel=1e-5)
    falls = maps.removal(parts, images, found, logits, range(3))
    assert falls == pytest.approx(np.zeros((3, 2)), abs=1e-5)


def test_a_network_that_is_sure_still_has_a_map(corner, images):
    sure = looks_at(corner, last=1000)
    assert np.all(sure.predict_on_batch(images) == 1)  # the sigmoid's gradient is 0 here
    _, found, logits = made(sure, images)
    _, calm, _ = made(looks_at(corner), images)
    assert logits.min() > 1000
    assert found == pytest.approx(1000 * calm, rel=1e-4)


def test_the_same_holds_on_jax():
    pytest.importorskip("jax")
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", __file__, "-k", "a_network_that or painting_over"],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout
    assert "4 passed" in answer.stdout


def test_only_what_was_trained_is_set_back():
    network = looks_at(np.ones((8, 8)))
    network.get_layer("conv1").trainable = False
    fresh, again = maps.untrained(network, 3), maps.untrained(network, 3)
    for name, same in (("conv1", True), ("dense", False), ("p_fake", False)):
        old, new, twice = (n.get_layer(name).get_weights()[0] for n in (network, fresh, again))
        assert np.array_equal(old, new) == same
        assert np.array_equal(new, twice)
    assert np.all(network.get_layer("dense").get_weights()[0] == 1)  # the trained one is untouched


def test_hottest_and_painted_cells():
    evidence = np.arange(36.0).reshape(6, 6)
    assert np.flatnonzero(maps.hottest(evidence)).tolist() == list(range(29, 36))  # a fifth
    odd = np.arange(25.0).reshape(5, 5)  # the pooling drops the last row and column
    assert np.argwhere(maps.hottest(odd)).tolist() == [[3, 1], [3, 2], [3, 3]]
    assert np.argwhere(maps.hottest(np.arange(9.0).reshape(3, 3))).tolist() == [[1, 1]]
    image = np.zeros((7, 7, 3), dtype=np.uint8)
    image[0, 0] = 49  # the mean is 1
    cells = np.zeros((3, 3), dtype=bool)
    cells[2, 2] = True
    changed = maps.painted(image, cells)
    assert np.argwhere(changed[..., 0] != image[..., 0]).tolist() == [
        [5, 5], [5, 6], [6, 5], [6, 6],
    ]  # fmt: skip
    assert set(changed[5:, 5:].ravel()) == {1}


# What the controls say.


def test_rank_correlations_of_known_maps():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 200, 8, 8))
    assert rank_correlations(a, np.exp(a)) == pytest.approx(np.ones(200))
    assert rank_correlations(a, -a) == pytest.approx(-np.ones(200))
    unrelated = rank_correlations(a, b)
    assert np.median(unrelated) == pytest.approx(0, abs=0.03)
    assert unrelated.std() == pytest.approx(1 / np.sqrt(63), rel=0.15)
    assert np.isnan(rank_correlations(a[:1], np.ones((1, 8, 8)))).all()
    odd = a[:, :7, :7].copy()
    odd[:, 6] = odd[:, :, 6] = 0  # cells that are never read don't make maps alike
    assert rank_correlations(odd, odd + (odd == 0)) == pytest.approx(np.ones(200))


def network(seed, alike=0.0, more=1.0, untrained=0.0, images=100):
    """Made-up files: `alike` is how much of a map all seeds share."""
    shared = np.random.default_rng(99).normal(size=(images, 7, 7))
    random = np.random.default_rng(seed)
    own = random.normal(size=shared.shape)
    removed = random.normal([more, 0], 0.5, (images, 2))
    ranks = np.clip(random.normal(untrained, 0.1, images), -1, 1)
    mixed = alike * shared + (1 - alike) * own
    return {"maps": mixed, "untrained_rank": ranks, "removed": removed}


def test_good_controls_and_bad_ones_are_told_in_words():
    good = insight.map_findings([network(seed, alike=0.8) for seed in (0, 1, 2)])
    assert (good["grid"], good["cells"], good["removed_cells"]) == ([7, 7], 36, 7)
    assert good["seeds"]["mean"] > 0.8
    assert good["removal"]["low"] < 1 < good["removal"]["high"]
    assert "So the map shows something that was learned" in insight.maps_sentence("vgg16", good)
    bad = insight.map_findings([network(seed, more=0, untrained=0.9) for seed in (0, 1, 2)])
    assert bad["untrained"]["median"] == pytest.approx(0.9, abs=0.05)
    assert bad["seeds"]["mean"] == pytest.approx(0, abs=0.05)
    assert bad["removal"]["low"] < 0 < bad["removal"]["high"]
    text = insight.maps_sentence("custom_cnn", bad)
    assert "custom CNN's maps (7 x 7 cells, of which the pooling behind them reads 36)" in text
    assert "So such a map means little: much of it is there without any training; what" in text
    assert "hottest matters no more than other places" in text
    assert text.endswith("as far as seen; another training run looks elsewhere.")
    alone = insight.map_findings([network(seed) for seed in (0, 1, 2)])
    text = insight.maps_sentence("vgg16", alone | {"seeds": {"mean": 0.2}})
    assert "So it shows what this one network rests on, and no more: another training run" in text
    few = insight.maps_sentence("vgg16", good | {"grid": [3, 3], "cells": 4, "removed_cells": 1})
    assert "means little: it has too few cells to say where." in few
    one = insight.map_findings([network(0)])
    assert one["seeds"] is None
    text = insight.maps_sentence("vgg16", one)
    assert "between two training runs" not in text
    assert "takes a second seed" in text


def test_pictures_are_kept_apart_from_the_figures_that_may_be_published():
    study = load_study("laptop", seeds=2)
    *_, drawing, pictures = insight_steps(study)
    assert {path.stem for path in drawing.outputs} == set(INSIGHT_FIGURES)
    assert {path.stem for path in pictures.outputs} == set(INSIGHT_PICTURES)
    assert not {*INSIGHT_FIGURES} & {*INSIGHT_PICTURES, *PICTURES}
    assert pictures.module == "report/pictures.py"
    assert all(step.notebook == "11_insight" for step in insight_steps(study))
    assert len(insight_steps(study)) == 6 + 4 + 3


def test_from_trained_networks_to_the_figures(places, faces):
    """Small networks of both kinds with two seeds, from files to files."""
    tiny = "image_size=35 custom_filters=2,2,9 custom_dense=9 vgg16_dense=99 vgg16_weights=random"
    study = load_study(data=str(faces), run="x", seeds=2, overrides=f"{tiny} beyond_images=3")
    prepare(study)
    spectra.measure_spectra(study)
    base = frozen_base(study)
    labels = read_manifest(study, "test")["label"].to_numpy()
    p_fake = np.linspace(0.1, 0.9, len(labels))
    for seed in study.seeds:
        keras.utils.set_random_seed(seed)
        head = vgg16_head(study, base.output.shape[1:])
        for model, net in (
            ("custom_cnn", custom_cnn(study)),
            ("vgg16", assemble_vgg16(base, head)),
        ):
            model_file("x", model, seed).parent.mkdir(parents=True, exist_ok=True)
            net.save(model_file("x", model, seed))
            table = read_manifest(study, "test")[["path", "label"]].assign(p_fake=p_fake)
            write_csv(predictions_csv("x", model, seed), table)
            maps._make(study, model, seed)
    made = read_maps(study, "custom_cnn", 1)
    assert (made["maps"].shape, made["maps"].dtype) == ((6, 8, 8), np.float16)
    assert made["rows"].tolist() == maps.mapped_rows(labels, 3).tolist()
    assert np.abs(made["maps"]).max(axis=(1, 2)) == pytest.approx(np.ones(6), abs=1e-3)
    assert made["responses"].shape == (2, 35, 35, 2)
    assert labels[made["faces"]].tolist() == [0, 1]
    by_class = [made["maps"][labels[made["rows"]] == label].astype(float) for label in (0, 1)]
    assert made["trained"].shape == (2, 8, 8)
    assert np.corrcoef(made["trained"][1].ravel(), by_class[1].mean(axis=0).ravel())[0, 1] > 0.7
    assert read_maps(study, "vgg16", 0)["maps"].shape == (6, 2, 2)
    write_json(insight_json(study), insight._insight(study))
    numbers = read_insight_json(study)
    assert numbers["images"] == {"real": 3, "fake": 3}
    assert numbers["spectra"]["input"]["side"] == 35
    assert numbers["networks"]["vgg16"]["auc"] == pytest.approx(roc_auc_score(labels, p_fake))
    assert -1 <= numbers["maps"]["vgg16"]["seeds"]["mean"] <= 1
    assert numbers["maps"]["custom_cnn"]["removed_cells"] == 13
    text = insight.summary(study)
    assert "(40 pixels)" in text
    assert "VGG16's maps (2 x 2 cells)" in text
    for name, make in (
        *zip(INSIGHT_FIGURES, (report.spectra, report.mean_maps), strict=True),
        *zip(INSIGHT_PICTURES, (single_maps, first_filters), strict=True),
    ):
        save(study, name, make(study))
        assert len(alternative_text(study, name)) > 40
    assert "spectrum, as stored (40 pixels)" in report.spectrum_table(study).data
    assert "2 × 2, 4 read on" in report.control_table(study).data
    assert report.section(study) == ""  # the steps left no marker: it may be out of date


def test_filters_are_laid_out_in_rows_with_lines_between():
    sheet = montage(np.stack([np.full((3, 4), n, dtype=np.uint8) for n in range(5)], axis=-1))
    assert sheet.shape == (2 * 5, 3 * 6)
    assert [sheet[0, 0], sheet[0, 6], sheet[0, 12], sheet[5, 0], sheet[5, 6]] == [0, 1, 2, 3, 4]
    assert set(sheet[3:5].ravel()) == set(sheet[5:, 12:].ravel()) == {255}


def accuracy(mean):
    return {"accuracy": {"mean": mean, "low": mean - 0.03, "high": mean + 0.03}}


@pytest.mark.parametrize(
    ("spectrum", "network", "words"),
    [
        (0.52, 0.9, "no more than chance"),
        (0.7, 0.9, "but the better network knows more"),
        (0.87, 0.9, "isn't decided"),
        (0.93, 0.9, "no look at the face is needed"),
    ],
)
def test_the_verdict_on_the_spectrum_follows_from_the_numbers(spectrum, network, words):
    of_size = {"side": 64, "why_not": "", "images": {"real": 50, "fake": 50}}
    none = {"side": 0, "why_not": "only 0 real images", "metrics": {}}
    numbers = {
        "spectra": {"stored": none, "input": of_size | {"metrics": accuracy(spectrum)}},
        "networks": {"custom_cnn": accuracy(network), "vgg16": accuracy(0.6)},
    }
    text = insight.spectrum_sentence(numbers)
    assert words in text
    assert "as stored it could not be tried (only 0 real images)" in text
    assert f"{spectrum:.3f} (95 % interval {spectrum - 0.03:.3f} to {spectrum + 0.03:.3f})" in text
