"""The audit finds what was planted, names it, and finds nothing where there is nothing."""

import shutil

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import scipy.ndimage

from beyond.audit import EXTENSION, cues, pairs, show
from beyond.audit.cues import Cue, cue_accuracies
from beyond.audit.leak import by_chance, by_twins, faces_estimate, leak, measured_share
from beyond.audit.measure import audit, notices, to_leave_out
from beyond.audit.memory import leaked_accuracy
from beyond.audit.pairs import HASH_DISTANCE, SHIFTS, difference, reduced, shift
from beyond.audit.position import positions, sharpness
from conftest import done, html
from fakeface_utils.data import about, dataset, images, manifest
from fakeface_utils.models import MODELS
from fakeface_utils.run import load_study
from fakeface_utils.step import read_file
from fakeface_utils.util import ROOT

Z2 = 1.959964**2


def prepared(faces):
    study = load_study(data=str(faces), run="x", overrides="image_size=64")
    done(dataset.of(study))
    return study


def audited(faces):
    study = prepared(faces)
    return study, audit(study)


def duplicates(study):
    return audit.of(study).read("duplicates.csv")


def place(root, split, kind, name):
    return root / "a" / "b" / split / kind / name


def test_nothing_is_found_where_nothing_is(places, faces):
    study, found = audited(faces)
    nothing = {"all": 0, "across splits": 0, "across classes": 0}
    assert found["pairs"] == {"exact": nothing, "near": nothing}
    assert found["leaked"] == []
    assert found["sizes"] == {"40 x 40": 24}
    assert found["modes"] == {"RGB": 24}
    assert notices(study) == []
    assert duplicates(study).empty
    said = EXTENSION.summary(study)
    assert "sizes: 40 x 40: 24" in said
    assert said.count("class predicted from") == 5
    assert "how sharp the mean face is (its gradient's mean square): real" in said
    assert "test images with a duplicate in training or validation: 0 of 8" in said


def test_a_test_image_copied_into_train_is_named(places, faces):
    original = place(faces, "test", "fake", "2.jpg")
    shutil.copy(original, place(faces, "train", "fake", "holiday.jpg"))
    study, found = audited(faces)
    assert found["pairs"]["exact"] == {"all": 1, "across splits": 1, "across classes": 0}
    assert found["leaked"] == ["a/b/test/fake/2.jpg"]
    row = duplicates(study).iloc[0]
    assert (row["kind"], row["split_a"], row["split_b"]) == ("exact", "train", "test")
    assert (row["path_a"], row["path_b"]) == ("a/b/train/fake/holiday.jpg", "a/b/test/fake/2.jpg")
    (notice,) = EXTENSION.notices(study)
    assert notice.startswith("Possible leak: 1 of 8 test images have a duplicate")
    said = EXTENSION.summary(study)
    assert "exact: a/b/train/fake/holiday.jpg and a/b/test/fake/2.jpg" in said
    assert "images in train: fake: 5, real: 4" in said or "real: 4, fake: 5" in said


def altered(path, change):
    with PIL.Image.open(path) as image:
        pixels = np.asarray(image, dtype="float64")
    return PIL.Image.fromarray(np.clip(change(pixels), 0, 255).astype(np.uint8))


def test_a_near_duplicate_across_classes_is_found_and_a_like_hash_alone_is_not(places, faces):
    original = place(faces, "valid", "real", "1.jpg")
    brighter = altered(original, lambda pixels: pixels + 4)
    brighter.save(place(faces, "test", "fake", "near.jpg"), quality=95)
    flat = altered(original, lambda pixels: 128 + (pixels - 128) * 0.2)
    flat.save(place(faces, "test", "real", "flat.jpg"), quality=95)  # the hash's signs are the same
    study, found = audited(faces)
    near = duplicates(study)
    assert near[["path_a", "path_b"]].to_numpy().tolist() == [
        ["a/b/valid/real/1.jpg", "a/b/test/fake/near.jpg"]
    ]
    assert near["difference"].item() < 10
    assert found["pairs"]["near"] == {"all": 1, "across splits": 1, "across classes": 1}
    assert found["leaked"] == ["a/b/test/fake/near.jpg"]
    unlike = found["unlike"][0]
    assert unlike["path_b"] == "a/b/test/real/flat.jpg"
    assert unlike["difference"] > 15


def test_a_copy_of_a_near_duplicate_leaks_too_and_pairs_within_the_test_set_do_not(places, faces):
    original = place(faces, "train", "real", "1.jpg")
    brighter = altered(original, lambda pixels: pixels + 4)
    brighter.save(place(faces, "test", "fake", "near.jpg"), quality=95)
    shutil.copy(place(faces, "test", "fake", "near.jpg"), place(faces, "test", "fake", "copy.jpg"))
    shutil.copy(place(faces, "test", "fake", "2.jpg"), place(faces, "test", "real", "9.jpg"))
    _, found = audited(faces)
    assert found["leaked"] == ["a/b/test/fake/copy.jpg", "a/b/test/fake/near.jpg"]
    assert found["pairs"]["exact"] == {"all": 2, "across splits": 0, "across classes": 1}


def test_what_is_left_out_is_every_training_image_whose_face_is_tested():
    """Test image t is linked to a and, through others, to d and e; f and g are a pair apart."""
    sides = ["ab", "bd", "at", "fg", "de", "ae"]  # a chain, and a ring
    rows = [("near", a, b, "train", "test" if b == "t" else "valid") for a, b in sides]
    table = pd.DataFrame(rows, columns=["kind", "path_a", "path_b", "split_a", "split_b"])
    found = to_leave_out(table)
    assert sorted(found) == ["", "", "a", "b", "d", "e"]
    assert all(name in (*pair, "") for name, pair in zip(found, sides, strict=True))
    assert to_leave_out(table.query("path_b != 't'")) == [""] * 5
    assert to_leave_out(table[:0]) == []


def test_trained_without_them_nothing_leaks(leaking):
    audit(leaking)
    table = audit.of(leaking).path("duplicates.csv")
    clean = leaking.model_copy(update={"leave_out": str(table)})
    done(dataset.of(clean))
    assert audit(clean)["leaked"] == []
    assert len(images(clean, "train")) == len(images(leaking, "train")) - 2
    assert manifest(clean, "test").equals(manifest(leaking, "test"))


def test_the_audit_is_redone_when_the_images_change(places, faces):
    study, _ = audited(faces)
    assert not audit.of(study).why_stale()
    shutil.copy(place(faces, "test", "fake", "2.jpg"), place(faces, "train", "fake", "2b.jpg"))
    assert notices(study) == []  # of an audit that is out of date nothing is said
    assert audited(faces)[1]["leaked"] == ["a/b/test/fake/2.jpg"]
    assert len(images(study, "train")) == 9


def cues_of(bytes_fake=0.0, tables_fake="a", shift=0.0, count=400, every=2):
    """Cue accuracies of random thumbnails whose fakes, each so-manieth image, differ as said."""
    rng = np.random.default_rng(0)
    labels = (np.arange(count) % every == 1).astype(int)
    manifest = pd.DataFrame(
        {
            "label": labels,
            "bytes": rng.normal(1000, 100, count) + labels * bytes_fake,
            "jpeg_tables": np.where(labels == 1, tables_fake, "a"),
            **dict.fromkeys(cues.PLACE, 0.0),
        }
    )
    thumbnails = rng.normal(128, 20, (count, 8, 8, 3)) + labels[:, None, None, None] * shift
    return cue_accuracies(manifest, np.clip(thumbnails, 0, 255).astype(np.uint8))


def test_cues_that_are_planted_are_found_and_no_others():
    none = cues_of()
    assert none["chance"] == 0.5
    assert all(one["ci_low"] <= 0.5 <= one["ci_high"] for one in none["cues"].values()), none
    assert cues_of(bytes_fake=500)["cues"]["file size"]["accuracy"] > 0.95
    of_tables = cues_of(tables_fake="b", count=100)["cues"]["JPEG tables"]
    assert of_tables["accuracy"] == of_tables["ci_high"] == 1
    # Wilson's: (p + z^2/2n - z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with p = 1, n = 100
    assert of_tables["ci_low"] == pytest.approx(100 / (100 + Z2), abs=1e-6)
    brighter = cues_of(shift=15)["cues"]
    assert brighter["mean colour"]["accuracy"] > 0.95
    assert brighter["thumbnail"]["accuracy"] > 0.95
    assert brighter["file size"]["accuracy"] < 0.6


def test_chance_is_the_larger_classs_share():
    """With nine photographs to a fake a cue that says nothing is right nine times in ten."""
    found = cues_of(every=10)
    assert found["chance"] == 0.9
    assert found["cues"]["file size"]["accuracy"] == pytest.approx(0.9, abs=0.01)
    assert cues_of(count=2)["cues"] == {}  # one image of a class
    assert set(show.cue_table(found)["chance"]) == {0.9}
    assert show.cue_table(cues_of(count=2)).empty


def test_another_cue_is_one_record(monkeypatch):
    perfect = Cue("the label itself", lambda manifest, pixels: manifest[["label"]].to_numpy(float))
    monkeypatch.setattr(cues, "CUES", [*cues.CUES, perfect])
    assert cues_of()["cues"]["the label itself"]["accuracy"] == 1


def test_balanced_accuracy_is_the_mean_of_both_classes():
    found = cues_of(every=10)["cues"]["file size"]  # nearly every fake is called a photograph
    assert found["balanced"] == pytest.approx(0.5, abs=0.02)
    assert found["balanced_low"] < 0.5 < found["balanced_high"]
    assert cues_of(bytes_fake=500)["cues"]["file size"]["balanced"] > 0.95


def placed(down, right, zoom, seed=0):
    """One grey face in many places, (N, 64, 64), each with a background and noise of its own."""
    rng, across = np.random.default_rng(seed), np.arange(64) - 31.5
    found = []
    for move in zip(down, right, np.exp(zoom), strict=True):
        y, x = np.meshgrid(
            (across - move[0]) / move[2], (across - move[1]) / move[2], indexing="ij"
        )
        face = 90.0 * (np.hypot(x / 18, y / 24) < 1)
        for eye in (-8, 8):
            face -= 70 * np.exp(-((x - eye) ** 2 + (y + 6) ** 2) / 12)
        face -= 60 * np.exp(-((x / 7) ** 2 + ((y - 12) / 2) ** 2))
        around = scipy.ndimage.gaussian_filter(rng.normal(0, 1, (64, 64)), 4)
        found.append(100 + face + around * 15 / around.std() + rng.normal(0, 5, (64, 64)))
    return np.clip(found, 0, 255).astype(np.uint8)


def jittered(fakes, reals, seed=0, count=300):
    """Faces that lie off by chance, each class by a deviation; their labels are every second."""
    rng, labels = np.random.default_rng(seed), np.arange(count) % 2
    deviation = np.where(labels == 1, fakes, reals)
    moves = [rng.normal(0, 1, count) * deviation * each for each in (1, 1, 0.02)]
    return moves, placed(*moves, seed), labels


def test_a_planted_place_is_found_again():
    moves, faces, _ = jittered(1.5, 1.5)
    for found, planted, close in zip(
        positions(faces).values(), moves, (0.2, 0.2, 0.02), strict=True
    ):
        assert np.median(np.abs(found - planted - np.median(found - planted))) < close
        assert np.corrcoef(found, planted)[0, 1] > 0.9


@pytest.mark.parametrize(("fakes", "told"), [(0.3, True), (1.5, False)])
def test_a_class_that_lies_more_regularly_is_told_and_is_sharper(fakes, told):
    _, faces, labels = jittered(fakes, reals=1.5)
    about = {"label": labels, "bytes": 1.0, "jpeg_tables": "a"}
    manifest = pd.DataFrame(about | positions(faces))
    found = cue_accuracies(manifest, np.zeros((300, 8, 8, 3), np.uint8))["cues"]["position"]
    sharp = sharpness(faces, labels)
    if told:
        assert found["balanced_low"] > 0.6
        assert sharp["fake minus real"][1] > 0
    else:
        assert found["balanced_low"] < 0.5 < found["balanced_high"]
        assert sharp["fake minus real"][1] < 0 < sharp["fake minus real"][2]
    assert sharp["images of each"] == 150


def test_a_mean_of_few_images_is_not_sharp_by_chance():
    noise = np.random.default_rng(0).integers(0, 256, (60, 64, 64), dtype=np.uint8)
    middle, low, high = sharpness(noise, np.arange(60) % 2)["real"]
    # By chance 2 x 5461 (its variance) / 30 images on each axis, 728 in all.
    assert low < 0 < high
    assert abs(middle) < 30


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
    found = [leak(*drawn(5_000, 12_000, seed)) for seed in range(20)]
    shares = [one["measured"][-1]["share"] for one in found]
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
    low = faces_estimate(3_500, 66)[1]  # the paper's images, as counted in docs/dataset_card.md
    assert 70_000**2 / 2 / low < pairs.MOST_PAIRS / 5


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
    return prepared(faces)


def test_the_audit_stores_what_the_report_reads(leaking):
    found = audit(leaking)
    fakes, reals = found["leak"]["fake"], found["leak"]["real"]
    assert (fakes["images"], fakes["pairs"], fakes["triples"]) == (14, 3, 1)
    assert fakes["faces"] == pytest.approx(14 * 13 / 2 / 3)
    assert (fakes["measured"][-1]["n"], fakes["measured"][-1]["share"]) == (9, pytest.approx(1 / 5))
    assert (reals["pairs"], reals["faces_high"]) == (0, None)
    counts, seen = show.leak_tables(found)
    assert counts.set_index("class").loc["fake", "pairs"] == 3
    measured, chance, twins = seen[seen["class"] == "fake"].to_dict("records")
    assert (measured["among others"], measured["test faces seen"]) == (9, pytest.approx(1 / 5))
    assert chance["low"] <= chance["test faces seen"] <= chance["high"] <= 1
    assert twins["test faces seen"] == 1
    nothing = seen[(seen["class"] == "real") & (seen["among others"] == 60_000)]
    assert nothing["test faces seen"].isna().all()
    assert nothing["high"].tolist() == [by_chance(60_000, reals["faces_low"]), 1]
    alternative = show.leak_curve(leaking, found["leak"])[1]
    assert "fake 20.0% among 9" in alternative
    assert "real 0.0% among 8" in alternative


@pytest.mark.parametrize(("generated", "panels"), [(False, 2), (True, 1)])
def test_drawn_portraits_are_not_carried_on_to_the_papers_60_000(
    leaking, monkeypatch, generated, panels
):
    known = about(leaking) | {"generated": generated}
    monkeypatch.setattr(show, "about", lambda study: known)
    figure, _ = show.leak_curve(leaking, audit(leaking)["leak"])
    assert len(figure.axes) == panels
    words = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert any("60,000" in word for word in words) == (not generated)


def test_a_search_that_stops_still_counts_and_says_so(leaking, monkeypatch):
    monkeypatch.setattr(pairs, "MOST_PAIRS", 1)
    found = audit(leaking)
    assert not found["complete"]
    assert found["pairs"]["near"]["all"] == 2  # those of the first image
    assert len(duplicates(leaking)) == 2
    assert len(found["leaked"]) == 1
    assert "near-duplicates, at least: all: 2" in EXTENSION.summary(leaking)


def test_accuracy_on_leaked_images_against_the_others(leaking, monkeypatch):
    assert audit(leaking)["leaked"] == ["a/b/test/fake/leak.jpg"]
    names = [f"a/b/test/fake/{name}.jpg" for name in ("0", "1", "2", "3", "leak")]
    names += [f"a/b/test/real/{n}.jpg" for n in range(4)]
    of_all = pd.DataFrame({"seed": 0, "path": names, "label": [1] * 5 + [0] * 4})
    answers = [[0.9, 0.9, 0.1, 0.1, 0.9], [0.9] * 4 + [0.1]]
    table = pd.concat(
        of_all.assign(model=model, p_fake=p_fake + [0.9] * 4)
        for model, p_fake in zip(MODELS, answers, strict=False)
    )
    monkeypatch.setattr("beyond.audit.memory.predictions", lambda study: table.copy())
    found = leaked_accuracy(leaking, ["a/b/test/fake/leak.jpg"])
    assert found["class"].tolist() == ["all", "fake"] * 2  # no real one is leaked
    everything, of_fakes, _, other = found.to_dict("records")
    assert (everything["accuracy"], everything["without leaked"]) == (3 / 9, 2 / 8)
    assert np.isnan(everything["difference"])  # the classes differ in more than the leak
    assert (of_fakes["leaked"], of_fakes["others"]) == (1, 4)
    assert of_fakes["difference"] == pytest.approx(1 - 0.5)
    assert other["difference"] == pytest.approx(0 - 1)
    # z^2 (v1 + v4), v = p (1 - p) / (N + z^2) with p = (N share + z^2 / 2) / (N + z^2)
    parts = [((1 + Z2 / 2) / (1 + Z2), 1 + Z2), ((2 + Z2 / 2) / (4 + Z2), 4 + Z2)]
    half = np.sqrt(Z2 * sum(p * (1 - p) / n for p, n in parts))
    assert of_fakes["low"] == pytest.approx(0.5 - half, abs=1e-5)
    assert of_fakes["high"] == pytest.approx(0.5 + half, abs=1e-5)
    every = leaked_accuracy(leaking, list(table["path"]))  # all of training in the test set
    assert every["without leaked"].isna().all()


def test_where_every_test_image_leaks_the_rest_is_a_dash(finished, faces):
    for path in (faces / "a/b/train").rglob("*.jpg"):
        shutil.copy(path, faces / "a/b/test" / path.parent.name)
    study = finished()
    done(*EXTENSION.tasks(study))
    assert len(audit.of(study).read()["leaked"]) == 8
    page = html(EXTENSION.section(study))
    head, *rows = page.find_all("table")[-1].find_all("tr")
    names = [cell.text for cell in head.find_all("th")]
    first = dict(zip(names, [cell.text for cell in rows[0].find_all("td")], strict=True))
    assert (first["leaked"], first["others"], first["without leaked"]) == ("8", "0", "-")
    assert float(first["accuracy"]) == float(first["on leaked"])


def test_the_section_and_its_figures(leaking):
    done(*EXTENSION.tasks(leaking))
    assert not EXTENSION.why_stale(leaking)
    page = EXTENSION.section(leaking).data
    assert page.count("<img ") == page.count('alt="') == 3
    assert 'alt=""' not in page
    assert "Duplicates that cross splits: 2" in page
    assert "chance" in page
    assert "Accuracy on leaked" not in page  # no network was tested


def test_the_example_is_still_shown():
    found = read_file(ROOT / "results" / "examples" / "laptop" / "audit" / "audit.json")
    of_fakes = show.leak_tables(found)[1].query("`class` == 'fake'")
    assert of_fakes["test faces seen"].round(3).tolist() == [0.028, 0.476, 0.647]
    assert show.cue_table(found)["accuracy"].round(3).tolist() == [0.544, 0.5, 0.505, 0.692]


def test_the_published_pairs_are_the_audits_and_the_page_has_their_counts():
    folder = ROOT / "docs" / "leaks"
    table, found = read_file(folder / "kaggle_15811.csv"), read_file(folder / "kaggle_15811.json")
    assert found["pairs"]["near"]["all"] == len(table) == 344
    assert table["path"].tolist() == to_leave_out(table)
    gone = table["path"][table["path"] != ""]
    assert gone.nunique() == len(gone) == 72
    assert not gone.str.contains("/test/").any()
    fakes = found["leak"]["fake"]
    assert (fakes["pairs"], fakes["triples"]) == (341, 14)
    counts = show.leak_tables(found)[1]["test faces seen"].round(3).tolist()
    assert counts[:4] == [0.065, 0.481, 0.656, 0.002]
    position = found["cues"]["position"]
    assert (round(position["accuracy"], 3), round(position["balanced"], 3)) == (0.619, 0.62)
    assert round(found["sharpness"]["fake minus real"][1], 1) == 19.1
