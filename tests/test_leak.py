"""The leak: what a few pairs say about the number of faces, and where that leads."""

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from fakeface_utils.dataset import audit as audit_module
from fakeface_utils.dataset import pairs
from fakeface_utils.dataset.alike import HASH_DISTANCE, SHIFTS, difference, reduced, shift
from fakeface_utils.dataset.audit import audit
from fakeface_utils.dataset.leak import (
    by_chance,
    by_twins,
    faces_estimate,
    leak,
    measured_share,
)
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.evaluation.memory import leaked_accuracy
from fakeface_utils.report.leak import leak_curve, leak_sentences
from fakeface_utils.report.tables import seen_in_training
from fakeface_utils.study.artefacts import read_audit, read_duplicates, seed_dir
from fakeface_utils.study.names import MODELS
from fakeface_utils.study.parameters import load_study


def drawn(faces, images, seed):
    """Faces drawn by chance, and a sixth of the images as the test set."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, faces, images), np.arange(images) % 6 == 0


def test_the_number_of_faces_is_found_again_in_95_of_100_draws():
    inside, estimates, triples, expected = 0, [], [], []
    for seed in range(200):
        found = leak(*drawn(20_000, 3_000, seed))
        inside += found["faces_low"] <= 20_000 <= found["faces_high"]
        estimates.append(1 / found["faces"])  # unbiased is its inverse
        triples.append(found["triples"])
        expected.append(found["expected_triples"])
    assert 182 <= inside <= 199  # 190 expected, standard deviation 3.1
    assert 1 / np.mean(estimates) == pytest.approx(20_000, rel=0.02)
    # C(3000, 3) / 20000^2 = 11.2; both means are known to about 0.3.
    assert np.mean(triples) == pytest.approx(3000 * 2999 * 2998 / 6 / 20_000**2, abs=0.9)
    assert np.mean(expected) == pytest.approx(np.mean(triples), abs=0.9)


def test_the_share_by_chance_is_what_draws_have():
    shares = []
    for seed in range(20):
        faces, test = drawn(5_000, 12_000, seed)
        shares.append(leak(faces, test)["measured"][-1]["share"])
    assert by_chance(10_000, 5_000) == pytest.approx(1 - (1 - 1 / 5_000) ** 10_000)
    assert np.mean(shares) == pytest.approx(by_chance(10_000, 5_000), abs=0.005)  # 0.865
    assert by_chance(60_000, 0.4) == 1  # the low end where every image shows one face


def test_the_share_of_twins_is_what_twins_have():
    """Of 20,000 images half have a partner: by a part of them the whole is foretold."""
    rng = np.random.default_rng(0)
    everything = np.r_[np.repeat(np.arange(5_000), 2), np.arange(5_000, 15_000)]
    part = rng.permutation(everything)[:8_000]
    found = leak(part, np.arange(8_000) < 2_000)
    assert found["triples"] == 0
    # A share q of images with a partner among M gives D = (M - 1) / q.
    assert found["faces_low"] < 19_999 / 0.5 < found["faces_high"]
    assert by_twins(19_999, found["faces"]) == pytest.approx(0.5, abs=0.05)
    assert by_twins(19_999, 39_998) == 0.5
    assert by_twins(60_000, 39_998) == 1
    curve = pd.DataFrame(found["measured"])
    line = by_twins(curve["n"], found["faces"])
    assert (curve["low"] < line).all()
    assert (line < curve["high"]).all()


def test_known_numbers_of_pairs():
    number, low, high = faces_estimate(7_901, 304)
    assert number == pytest.approx(7_901 * 7_900 / 2 / 304)
    # Poisson's exact limits for 304 are 270.8 and 340.2 (chi-squared tables).
    assert low == pytest.approx(7_901 * 7_900 / 2 / 340.2, rel=1e-3)
    assert high == pytest.approx(7_901 * 7_900 / 2 / 270.8, rel=1e-3)
    assert faces_estimate(950, 0) == (None, pytest.approx(950 * 949 / 2 / 3.6889, rel=1e-4), None)


def test_the_measured_share_is_the_mean_over_all_subsets():
    partners = np.array([0, 1, 2, 0])  # of four test images among five others
    shares = {n: measured_share(partners, 5, n)["share"] for n in range(1, 6)}
    # One partner is among n of 5 with n / 5; of two at least one with 1 - C(3, n) / C(5, n).
    one = {1: 0.2, 2: 0.4, 3: 0.6, 4: 0.8, 5: 1}
    two = {1: 1 - 3 / 5, 2: 1 - 3 / 10, 3: 1 - 1 / 10, 4: 1, 5: 1}
    assert shares == pytest.approx({n: (one[n] + two[n]) / 4 for n in shares})
    half = measured_share(partners, 5, 5)
    # Wilson's interval of 2 of 4: (1 +- z / sqrt(z^2 + 4)) / 2
    wide = 1.959964 / np.sqrt(1.959964**2 + 4)
    assert (half["low"], half["high"]) == pytest.approx(((1 - wide) / 2, (1 + wide) / 2), abs=1e-6)
    nobody = measured_share(np.zeros(600, int), 2_900, 1_450)
    assert (nobody["share"], nobody["low"]) == pytest.approx((0, 0), abs=1e-12)
    assert nobody["high"] == pytest.approx(1.959964**2 / (600 + 1.959964**2), abs=1e-6)


def test_only_pairs_with_test_images_are_leaks():
    faces = np.array([0, 1, 2, 2, 3, 3, 3])  # a pair in training, a triple across
    found = leak(faces, np.array([1, 0, 0, 0, 1, 0, 0], bool))
    assert (found["images"], found["pairs"], found["triples"]) == (7, 4, 1)
    assert found["measured"][-1]["n"] == 5
    assert found["measured"][-1]["share"] == 0.5


def portraits(count, seed=0):
    """Smooth random pictures of 64 px, (count, 64, 64, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    size, smooth = (64, 64), PIL.Image.Resampling.BICUBIC
    images = [np.asarray(PIL.Image.fromarray(one).resize(size, smooth)) for one in coarse]
    noise = rng.integers(-8, 9, (count, 64, 64, 3))
    return np.clip(np.stack(images) + noise, 0, 255).astype(np.uint8)


def near(images):
    found, _, complete = pairs.near_pairs(*pairs.fingerprints([images]), lambda a: images[a])
    assert complete
    return {(a, b) for a, b, *_ in found}


def test_the_search_finds_what_comparing_every_pair_finds():
    images = portraits(60)
    rng = np.random.default_rng(1)
    for a, b, strength in ((0, 30, 4), (1, 31, 12), (31, 59, 12), (5, 6, 25), (7, 8, 70)):
        changed = images[a] + rng.integers(-strength, strength + 1, images[a].shape)
        images[b] = np.clip(changed, 0, 255)
    small = [np.asarray(reduced(image)) for image in images]
    hashes = pairs.fingerprints([images])[0]
    brute = {
        (a, b)
        for a in range(60)
        for b in range(a + 1, 60)
        if difference(small[a], small[b]) < SHIFTS * min(shift(small[a]), shift(small[b]))
        and np.bitwise_count(hashes[a] ^ hashes[b]) <= HASH_DISTANCE
    }
    assert {(0, 30), (1, 31), (1, 59), (31, 59)} <= brute
    assert near(images) == brute


def test_a_shift_is_what_one_pixel_changes():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:, 2:] = 90  # of three steps to the right one changes by 90, of those down none
    assert shift(image) == pytest.approx(90 / 3 / 2)
    assert shift(np.full((4, 4, 3), 7, np.uint8)) == 1


def test_a_dark_picture_of_somebody_else_is_no_near_duplicate():
    """In grey levels two dark pictures are closer than a detailed one and its second rendering."""
    images = portraits(4)
    dark = (images[:2] * 0.1).astype(np.uint8)
    dark[1] = (0.6 * dark[0] + 0.4 * dark[1][::-1]).astype(np.uint8)
    rng = np.random.default_rng(2)
    checks = (np.indices((64, 64)).sum(0) % 4 < 2)[..., None] * 80
    detailed = [np.clip(images[2] * 0.6 + checks + rng.normal(0, 12, (64, 64, 3)), 0, 255)] * 2
    detailed[1] = np.clip(detailed[0] + rng.normal(0, 20, (64, 64, 3)), 0, 255)
    both = np.concatenate([dark, np.stack(detailed).astype(np.uint8)])
    assert difference(both[0], both[1]) < 6 < 12 < difference(both[2], both[3])
    assert near(both) == {(2, 3)}


def rendered_again(faces, split, name, path, seed):
    """A fake of `path` with other noise, in a split."""
    with PIL.Image.open(path) as image:
        pixels = np.asarray(image, float)
    noise = np.random.default_rng(seed).normal(0, 4, pixels.shape)
    image = PIL.Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))
    image.save(faces / "a" / "b" / split / "fake" / name, quality=95)


@pytest.fixture
def leaking(places, faces):
    """Five training fakes of which two show one face, and a test fake with it."""
    original = faces / "a" / "b" / "train" / "fake" / "0.jpg"
    for seed, (split, name) in enumerate((("train", "twin.jpg"), ("test", "leak.jpg"))):
        rendered_again(faces, split, name, original, seed)
    study = load_study(data=str(faces), run="x", overrides="image_size=64")
    prepare(study)
    return study


def test_the_audit_stores_what_the_report_reads(leaking):
    found = audit(leaking)["leak"]
    assert found["fake"]["images"] == 14
    assert (found["fake"]["pairs"], found["fake"]["triples"]) == (3, 1)
    assert found["fake"]["faces"] == pytest.approx(14 * 13 / 2 / 3)
    last = found["fake"]["measured"][-1]
    assert (last["n"], last["share"]) == (9, pytest.approx(1 / 5))
    assert found["real"]["pairs"] == 0
    assert found["real"]["faces_high"] is None
    fakes, reals = leak_sentences(leaking)
    assert fakes.startswith("Measured: 3 pairs of the 14 fake images show one face, and 20.0 %")
    assert "Triples with one face: 1;" in fakes
    assert reals.startswith("No two of the 12 real images show one face; up to 3.7 such pairs")
    assert leak_curve(leaking)[1] == f"{fakes} {reals}"


def test_without_any_pair_one_sentence_says_so(places, faces):
    study = load_study(data=str(faces), run="x", overrides="image_size=64")
    prepare(study)
    audit(study)
    (sentence,) = leak_sentences(study)
    assert sentence.startswith("No two of the 12 fake and no two of the 12 real images show one")
    assert leak_curve(study)[1] == sentence


def test_a_search_that_stops_still_counts_and_says_so(leaking, monkeypatch):
    monkeypatch.setattr(pairs, "MOST_PAIRS", 1)
    found = audit(leaking)
    assert not found["complete"]
    assert found["pairs"]["near"]["all"] == 2  # those of the first image
    assert len(read_duplicates(leaking)) == 2
    assert len(found["leaked"]) == 1
    said = dict(audit_module.summary(leaking).itertuples(index=False))
    assert said["near-duplicates"].startswith("pairs: at least 2;")
    assert "stopped at its limit" in leak_sentences(leaking)[-1]


def test_the_papers_images_have_fewer_pairs_than_the_search_allows():
    _, low, _ = faces_estimate(3_500, 66)  # as counted in docs/dataset_card.md
    assert 70_000**2 / 2 / low < pairs.MOST_PAIRS / 5


def test_accuracy_on_leaked_images_against_the_others(leaking):
    audit(leaking)
    assert read_audit(leaking)["leaked"] == ["a/b/test/fake/leak.jpg"]
    names = [f"a/b/test/fake/{name}.jpg" for name in ("0", "1", "2", "3", "leak")]
    names += [f"a/b/test/real/{n}.jpg" for n in range(4)]
    label = [1] * 5 + [0] * 4
    for model, p_fake in zip(MODELS, ([0.9, 0.9, 0.1, 0.1, 0.9], [0.9] * 4 + [0.1]), strict=True):
        folder = seed_dir("x", model, 0)
        folder.mkdir(parents=True)
        table = pd.DataFrame({"path": names, "label": label, "p_fake": p_fake + [0.9] * 4})
        table.to_csv(folder / "predictions.csv", index=False)
    table = leaked_accuracy(leaking).set_index("model")
    assert set(table["class"]) == {"fake"}  # no real one is leaked
    assert table[["leaked", "others"]].to_numpy().tolist() == [[1, 4], [1, 4]]
    assert table.loc[MODELS[0], "difference"] == pytest.approx(1 - 0.5)
    assert table.loc[MODELS[1], "difference"] == pytest.approx(0 - 1)
    # z^2 (v1 + v4), v = p (1 - p) / (N + z^2) with p = (N share + z^2 / 2) / (N + z^2)
    z2 = 1.959964**2
    parts = [((1 + z2 / 2) / (1 + z2), 1 + z2), ((2 + z2 / 2) / (4 + z2), 4 + z2)]
    half = np.sqrt(z2 * sum(p * (1 - p) / n for p, n in parts))
    assert table.loc[MODELS[0], "low"] == pytest.approx(0.5 - half, abs=1e-5)
    assert table.loc[MODELS[0], "high"] == pytest.approx(0.5 + half, abs=1e-5)
    page = seen_in_training(leaking).data
    assert "+0.500" in page
    assert "-1.000" in page
