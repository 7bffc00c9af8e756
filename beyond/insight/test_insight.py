"""What the networks look at: spectra, maps and controls with known answers."""

import os
import subprocess
import sys

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import PIL.Image
import pytest

from beyond.insight import EXTENSION, maps, measure, show
from beyond.insight.measure import STRENGTHS, compare, controls, insight, spectrum_model
from beyond.insight.spectra import SIZES, _rings, log_spectrum, side_of, spectra
from conftest import done
from fakeface_utils import figures, trained
from fakeface_utils.data import manifest, prepare
from fakeface_utils.models import MODELS
from fakeface_utils.networks import build
from fakeface_utils.run import load_study
from fakeface_utils.settings import Study
from fakeface_utils.step import read_file
from fakeface_utils.util import ROOT

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
    spectrum = log_spectrum(grey(plane if axis else plane.T))
    assert spectrum.shape == (side // 2,)
    assert spectrum.argmax() + 1 == waves
    others = np.delete(spectrum, waves - 1)
    assert spectrum.max() - others.max() > 2  # a hundred times the power of any other ring


def test_waves_lie_at_their_length_the_corners_in_no_ring_and_the_finest_counts_once():
    down, across = np.mgrid[:64, :64]
    oblique = 128 + 100 * np.sin(2 * np.pi * (6 * down + 8 * across) / 64)
    assert log_spectrum(grey(oblique)).argmax() + 1 == 10
    corner = 128 + 100 * np.cos(2 * np.pi * (30 * down + 30 * across) / 64)  # radius 42 of 32
    assert log_spectrum(grey(corner)).max() < -5
    finest = 128 + 100 * np.cos(np.pi * across)  # Nyquist's column has no mirror image
    assert 10 ** log_spectrum(grey(finest))[-1] == pytest.approx(1 / _rings(64)[1][-1], rel=1e-3)


@pytest.mark.parametrize("side", [64, 63])
def test_white_noise_is_flat_at_its_known_level(side):
    noise = np.random.default_rng(0).integers(0, 256, (40, side, side))
    mean = np.mean([10 ** log_spectrum(grey(plane)) for plane in noise], axis=0)
    assert mean * (side**2 - 1) == pytest.approx(np.ones(side // 2), abs=0.2)
    assert np.mean(mean[5:]) * (side**2 - 1) == pytest.approx(1, abs=0.02)


def test_brightness_and_contrast_do_not_count_and_one_colour_has_no_spectrum():
    plane = np.random.default_rng(0).integers(0, 60, (32, 32))
    one = log_spectrum(grey(plane))
    assert log_spectrum(grey(plane + 150)) == pytest.approx(one, abs=1e-3)
    assert log_spectrum(grey(plane * 4)) == pytest.approx(one, abs=1e-3)
    assert np.isnan(log_spectrum(np.full((31, 31, 3), (200, 3, 9), dtype=np.uint8))).all()


def measured(faces):
    """A study of noise images whose spectra are measured."""
    study = load_study(data=str(faces), run="x", overrides="image_size=35")
    done(*prepare.all(study), *spectra.all(study))
    return study


def resize(files, size):
    for file in files:
        with PIL.Image.open(file) as image:
            image.resize(size).save(file)


def test_spectra_lie_in_the_manifests_order_without_images_of_another_size(places, faces):
    resize(faces.rglob("test/fake/0.jpg"), (40, 30))
    resize(faces.rglob("test/real/2.jpg"), (32, 32))
    study = measured(faces)
    assert [side_of(study, size) for size in SIZES] == [40, 35]
    stored, seen = (spectra(study, size, "test") for size in SIZES)
    assert (stored.shape, stored.dtype, seen.shape) == ((8, 20), np.float32, (8, 17))
    assert np.flatnonzero(np.isnan(stored).all(axis=1)).tolist() == [0, 6]  # fake first, by path
    assert np.isfinite(seen).all()
    sets = measure.usable(study, "stored")
    assert [len(labels) for _, labels in sets.values()] == [8, 8, 6]
    assert measure.enough(sets)
    assert not any(t.why_stale() for t in spectra.all(study.model_copy(update={"run": "y"})))


def test_a_class_of_another_size_is_not_compared(places, faces):
    resize(faces.rglob("fake/*.jpg"), (64, 64))
    sets = measure.usable(measured(faces), "stored")
    assert not measure.enough(sets)
    assert {len(np.unique(labels)) for _, labels in sets.values()} == {1}


# The model that sees only the spectrum.


def made_up(count, shift, seed, bins=20):
    """Spectra of so many images of each class; fakes have 10^shift times the power in bins 5-9."""
    values = np.random.default_rng(seed).normal(0, 0.2, (2 * count, bins))
    values[count:, 5:10] += shift
    return values.astype(np.float32), np.repeat([0, 1], count)


def sets(shift, count=300):
    names = ("train", "valid", "test")
    return {name: made_up(count, shift, seed) for seed, name in enumerate(names)}


def test_two_kinds_of_spectra_are_told_apart_and_equal_ones_are_not():
    apart, equal = (spectrum_model(sets(shift)) for shift in (0.5, 0))
    assert (apart["accuracy"] > 0.98, apart["auc"] > 0.99) == (True, True)
    assert equal["accuracy_low"] < 0.5 < equal["accuracy_high"]
    assert equal["auc"] == pytest.approx(0.5, abs=0.06)


def test_the_strength_is_chosen_on_validation_images_and_never_on_test_images():
    noisy = sets(0.1, count=15)
    fresh, learned = (spectrum_model(noisy | {"valid": noisy[name]}) for name in ("valid", "train"))
    assert fresh["strength"] < learned["strength"] == STRENGTHS[-1]  # it overfits, unseen there
    for test in (noisy["train"], noisy["valid"]):
        assert spectrum_model(noisy | {"test": test})["strength"] == fresh["strength"]


def test_the_ratio_of_known_spectra_is_where_it_was_put():
    found = compare(*made_up(400, np.log10(2), 0), 40)
    assert found["beyond"].tolist() == [""] * 5 + ["more"] * 5 + [""] * 10
    assert found["ratio"][5:10].to_numpy() == pytest.approx(np.full(5, np.log10(2)), abs=0.05)
    assert found["ratio"].between(found["ratio_low"], found["ratio_high"]).all()
    assert found["cycles"].tolist()[::19] == [1 / 40, 0.5]
    assert set(compare(*made_up(400, 0, 1), 40)["beyond"]) == {""}


# Maps.


def looks_at(weights, last=1.0, bias=0.0):
    """A network of one convolution that copies the grey image, and a Dense layer of (8, 8) weights.

    Each weighs a cell after the pooling; `last` and `bias` are of the last layer.
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


CORNER = np.zeros((8, 8))  # weights that see the top left quarter alone
CORNER[:4, :4] = 1
IMAGES = np.random.default_rng(0).integers(0, 100, (12, SIDE, SIDE, 3)).astype(np.uint8)
IMAGES[:, :8, :8] += 150


def made(network, images=IMAGES):
    parts = maps.cut(network)
    return parts, *maps.maps_and_logits(parts, parts.base(images))


def test_a_network_that_looks_at_a_corner_has_its_map_there():
    parts, found, logits = made(looks_at(CORNER))
    assert parts.read == found.shape[1:] == (SIDE, SIDE)
    assert np.all(found.sum(axis=(1, 2)) > 0)
    outside = np.ones((SIDE, SIDE), dtype=bool)
    outside[:8, :8] = False
    assert np.all(found[:, outside] == 0)
    # Without a bias the evidence adds up to the logit, and batch norm and dropout are as in use.
    assert found.sum(axis=(1, 2)) == pytest.approx(logits, rel=1e-3)
    p_fake = looks_at(CORNER).predict_on_batch(IMAGES)[:, 0]
    assert 1 / (1 + np.exp(-logits)) == pytest.approx(p_fake, abs=1e-6)


def test_painting_over_what_it_looks_at_moves_the_logit_and_other_places_less():
    for last, bias in ((1, -8.0), (-1, 8.0)):  # the same evidence, for fake and for real
        parts, found, logits = made(looks_at(CORNER, last, bias))
        assert np.all(np.sign(logits) == last)
        falls = maps.removal(parts, IMAGES, found, logits, range(len(IMAGES)))
        assert falls.shape == (len(IMAGES), 2)
        assert np.all(falls[:, 0] > 0)
        assert (falls[:, 0] - falls[:, 1]).min() > 1
        again = maps.removal(parts, IMAGES, found, logits, range(len(IMAGES)))
        assert np.array_equal(falls, again)


def test_a_network_that_looks_nowhere_has_no_map_and_the_verdict_says_so():
    parts, found, logits = made(looks_at(np.zeros((8, 8))))
    assert np.all(found == 0)
    falls = maps.removal(parts, IMAGES, found, logits, range(len(IMAGES)))
    assert np.all(falls == 0)
    ranks = maps.rank_correlations(found, found, parts.read)
    assert np.isnan(ranks).all()
    file = {"maps": found, "untrained_rank": ranks, "removed": falls, "read": np.array(parts.read)}
    row = controls([file])
    assert (row["untrained_flat"], row["difference_low"], row["difference_high"]) == (12, 0, 0)
    assert told(row).startswith("all flat")


def test_a_network_that_is_sure_still_has_a_map():
    sure = looks_at(CORNER, last=1000)
    assert np.all(sure.predict_on_batch(IMAGES) == 1)  # the sigmoid's gradient is 0 here
    _, found, logits = made(sure)
    _, calm, _ = made(looks_at(CORNER))
    assert logits.min() > 1000
    assert found == pytest.approx(1000 * calm, rel=1e-4)


def test_a_network_without_a_convolution_has_the_images_own_grid():
    inputs = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    network = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    assert maps.cut(network).read == (SIDE, SIDE)


@pytest.mark.slow
def test_the_same_holds_on_jax():
    pytest.importorskip("jax")
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", __file__, "-k", "a_network_that or painting_over"],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        cwd=ROOT,
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
    assert np.flatnonzero(maps.hottest(evidence, (6, 6))).tolist() == list(range(29, 36))  # a fifth
    odd = np.arange(25.0).reshape(5, 5)  # the pooling drops the last row and column
    assert np.argwhere(maps.hottest(odd, (4, 4))).tolist() == [[3, 1], [3, 2], [3, 3]]
    image = np.zeros((7, 7, 3), dtype=np.uint8)
    image[0, 0] = 49  # the mean is 1
    cells = np.zeros((3, 3), dtype=bool)
    cells[2, 2] = True
    changed = maps.painted(image, cells)
    hidden = np.argwhere(changed[..., 0] != image[..., 0])
    assert hidden.tolist() == [[5, 5], [5, 6], [6, 5], [6, 6]]
    assert set(changed[5:, 5:].ravel()) == {1}


# What the controls say.


def test_rank_correlations_of_known_maps():
    a, b = np.random.default_rng(0).normal(size=(2, 200, 8, 8))
    whole = (8, 8)
    assert maps.rank_correlations(a, np.exp(a), whole) == pytest.approx(np.ones(200))
    assert maps.rank_correlations(a, -a, whole) == pytest.approx(-np.ones(200))
    unrelated = maps.rank_correlations(a, b, whole)
    assert np.median(unrelated) == pytest.approx(0, abs=0.03)
    assert unrelated.std() == pytest.approx(1 / np.sqrt(63), rel=0.15)
    odd = a[:, :7, :7].copy()
    odd[:, 6] = odd[:, :, 6] = 0  # cells that are never read don't make maps alike
    other = odd + (odd == 0)
    assert maps.rank_correlations(odd, other, (6, 6)) == pytest.approx(np.ones(200))


def file(seed, alike=0.0, more=1.0, untrained=0.0, images=100):
    """A made-up file of a seed: `alike` is how much of a map all seeds share."""
    shared = np.random.default_rng(99).normal(size=(images, 7, 7))
    random = np.random.default_rng(seed)
    own = random.normal(size=shared.shape)
    removed = random.normal([more, 0], 0.5, (images, 2))
    ranks = np.clip(random.normal(untrained, 0.1, images), -1, 1)
    mixed = alike * shared + (1 - alike) * own
    return {"maps": mixed, "untrained_rank": ranks, "removed": removed, "read": np.array([6, 6])}


def told(row):
    return show.verdict(next(pd.DataFrame([row]).itertuples()))


def test_good_controls_and_bad_ones_are_told_in_words():
    good = controls([file(seed, alike=0.8) for seed in (0, 1, 2)])
    assert [good[name] for name in ("rows", "columns", "cells", "removed_cells")] == [7, 7, 36, 7]
    assert good["seeds"] > 0.8
    assert good["difference_low"] < 1 < good["difference_high"]
    assert told(good) == "learned, and the answer rests on it"
    bad = controls([file(seed, more=0, untrained=0.9) for seed in (0, 1, 2)])
    assert bad["untrained"] == pytest.approx(0.9, abs=0.05)
    assert bad["seeds"] == pytest.approx(0, abs=0.05)
    assert bad["difference_low"] < 0 < bad["difference_high"]
    doubts = told(bad).split("; ")
    assert [words.split()[0] for words in doubts] == ["much", "the", "another"]
    assert told(good | {"cells": 4}) == "too few cells to say where"
    one = controls([file(0)])
    assert np.isnan(one["seeds"])
    assert told(one) == "learned, and the answer rests on it"


@pytest.mark.parametrize(
    ("spectrum", "words"),
    [
        (0.52, "no more than chance"),
        (0.7, "more than chance, less than the better network"),
        (0.87, "not told from the better network"),
        (0.93, "as good as the networks, or better"),
        (np.nan, "too few images of one size"),
    ],
)
def test_the_verdict_on_the_spectrum_follows_from_the_numbers(spectrum, words):
    rows = [("spectrum", "input", spectrum), *(("network", model, 0.9) for model in MODELS)]
    table = pd.DataFrame(rows, columns=["kind", "name", "accuracy"])
    ends = {"accuracy_low": table["accuracy"] - 0.03, "accuracy_high": table["accuracy"] + 0.03}
    table = table.assign(**ends, side=64, reals=50, fakes=50, auc=0.5)
    verdicts = show.accuracies(table)["verdict"].tolist()
    assert verdicts == [words, *[""] * len(MODELS)]


@pytest.mark.parametrize("run", ["demo", "laptop"])
def test_the_examples_can_be_shown(run, monkeypatch):
    monkeypatch.setattr(figures, "mark", lambda study: "")
    folder = ROOT / "results" / "examples" / run / "insight"
    curves, table, found = (
        read_file(folder / f"{name}.csv") for name in ("spectra", "accuracy", "maps")
    )
    figure, words = show.of_spectra(Study(), curves)
    plt.close(figure)
    assert "more at 0, less at" in words
    assert len(show.accuracies(table)) == 2 + len(MODELS)
    assert len(show.controls(found)) == len(MODELS)


def test_from_networks_to_the_figures(finished, monkeypatch):
    """Small networks of every kind, from their files to the section."""

    def fit(study, model, seed, out, made_up=trained.fit_network):
        made_up(study, model, seed, out)
        build(study, model, seed).save(out / "model.keras")

    monkeypatch.setattr(trained, "fit_network", fit)
    study = finished(
        overrides="image_size=35 custom_filters=2,2,9 custom_dense=9 vgg16_dense=9 "
        "vgg16_weights=random beyond_images=3"
    )
    done(*EXTENSION.tasks(study))
    assert EXTENSION.why_stale(study) == ""
    network, labels = maps.maps(study, "custom_cnn", 0), manifest(study, "test")["label"].to_numpy()
    assert (network["maps"].shape, network["maps"].dtype) == ((6, 8, 8), np.float16)
    assert np.bincount(labels[network["rows"]]).tolist() == [3, 3]
    assert np.abs(network["maps"]).max(axis=(1, 2)) == pytest.approx(np.ones(6), abs=1e-3)
    by_class = network["maps"][labels[network["rows"]] == 1].astype(float).mean(axis=0)
    assert np.corrcoef(network["trained"][1].ravel(), by_class.ravel())[0, 1] > 0.7
    found = insight.of(study).read("maps.csv").set_index("model")
    assert found.loc["vgg16", ["rows", "cells"]].tolist() == [2, 4]
    assert found.loc["custom_cnn", "removed_cells"] == 13
    section = EXTENSION.section(study).data
    assert section.count("<img") == section.count('alt="') == 2
    assert "spectrum, stored, 40 pixels" in section
    assert "2 × 2, 4 read" in section
    assert "VGG16" in EXTENSION.summary(study)
