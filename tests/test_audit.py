"""The audit finds what was planted, names it, and finds nothing where there is nothing."""

import shutil

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from fakeface_utils.cli import data as data_command
from fakeface_utils.dataset.audit import audit, summary
from fakeface_utils.dataset.cues import cue_accuracies
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.evaluation.caveats import leak, notices
from fakeface_utils.evaluation.table1 import _table1
from fakeface_utils.study.artefacts import read_duplicates, read_images, seed_dir
from fakeface_utils.study.names import MODELS
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import audit_step


def audited(faces):
    study = load_study(data=str(faces), run="x", overrides="image_size=64")
    prepare(study)
    return study, audit(study)


def place(root, split, kind, name):
    return root / "a" / "b" / split / kind / name


def test_nothing_is_found_where_nothing_is(places, faces):
    study, found = audited(faces)
    assert found["pairs"]["exact"] == {"all": 0, "across splits": 0, "across classes": 0}
    assert found["pairs"]["near"]["all"] == 0
    assert found["leaked"] == []
    assert found["sizes"] == {"40 x 40": 24}
    assert found["modes"] == {"RGB": 24}
    assert leak(study) == ""
    assert set(read_duplicates(study)["kind"]) <= {"unlike"}


def test_a_test_image_copied_into_train_is_named(places, faces, capsys):
    original = place(faces, "test", "fake", "2.jpg")
    shutil.copy(original, place(faces, "train", "fake", "holiday.jpg"))
    study, found = audited(faces)
    assert found["pairs"]["exact"] == {"all": 1, "across splits": 1, "across classes": 0}
    assert found["leaked"] == ["a/b/test/fake/2.jpg"]
    row = read_duplicates(study).iloc[0]
    assert (row["kind"], row["split_a"], row["split_b"]) == ("exact", "train", "test")
    assert (row["path_a"], row["path_b"]) == ("a/b/train/fake/holiday.jpg", "a/b/test/fake/2.jpg")
    assert leak(study).startswith("Possible leak: 1 of 8 test images have a duplicate")
    assert leak(study) in notices(study)
    data_command(data=str(faces), overrides="image_size=64")
    printed = capsys.readouterr().out
    assert "exact: a/b/train/fake/holiday.jpg and a/b/test/fake/2.jpg" in printed
    assert "images in train: 4 real, 5 fake (the paper: 50,000 of each)" in printed


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
    pairs = read_duplicates(study)
    near = pairs[pairs["kind"] == "near"]
    assert near[["path_a", "path_b"]].to_numpy().tolist() == [
        ["a/b/valid/real/1.jpg", "a/b/test/fake/near.jpg"]
    ]
    assert near["difference"].item() < 10
    assert found["pairs"]["near"] == {"all": 1, "across splits": 1, "across classes": 1}
    assert found["leaked"] == ["a/b/test/fake/near.jpg"]
    unlike = pairs[pairs["kind"] == "unlike"].iloc[0]
    assert unlike["path_b"] == "a/b/test/real/flat.jpg"
    assert unlike["difference"] > 15


def test_a_copy_of_a_near_duplicate_leaks_too(places, faces):
    original = place(faces, "train", "real", "1.jpg")
    brighter = altered(original, lambda pixels: pixels + 4)
    brighter.save(place(faces, "test", "fake", "near.jpg"), quality=95)
    shutil.copy(place(faces, "test", "fake", "near.jpg"), place(faces, "test", "fake", "copy.jpg"))
    _, found = audited(faces)
    assert found["leaked"] == ["a/b/test/fake/copy.jpg", "a/b/test/fake/near.jpg"]


def test_pairs_within_the_test_set_are_no_leak(places, faces):
    shutil.copy(place(faces, "test", "fake", "2.jpg"), place(faces, "test", "real", "9.jpg"))
    _, found = audited(faces)
    assert found["pairs"]["exact"] == {"all": 1, "across splits": 0, "across classes": 1}
    assert found["leaked"] == []


def cues_of(bytes_fake, tables_fake, shift, count=400):
    """Cue accuracies of random thumbnails whose fakes differ as said."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    manifest = pd.DataFrame(
        {
            "label": labels,
            "bytes": rng.normal(1000, 100, count) + labels * bytes_fake,
            "jpeg_tables": np.where(labels == 1, tables_fake, "a"),
        }
    )
    thumbnails = rng.normal(128, 20, (count, 8, 8, 3)) + labels[:, None, None, None] * shift
    return cue_accuracies(manifest, np.clip(thumbnails, 0, 255).astype(np.uint8))[0]


def test_cues_that_are_planted_are_found_and_no_others():
    none = cues_of(0, "a", 0)
    assert all(found["ci_low"] <= 0.5 <= found["ci_high"] for found in none.values()), none
    assert cues_of(500, "a", 0)["file size"]["accuracy"] > 0.95
    assert cues_of(0, "b", 0)["JPEG tables"]["accuracy"] == 1
    brighter = cues_of(0, "a", 15)
    assert brighter["mean colour"]["accuracy"] > 0.95
    assert brighter["thumbnail"]["accuracy"] > 0.95
    assert brighter["file size"]["accuracy"] < 0.6


def test_a_cues_interval_is_wilsons():
    found = cues_of(0, "b", 0, count=100)["JPEG tables"]
    assert found["ci_high"] == 1
    # (p + z^2/2n - z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with p = 1, n = 100, z = 1.95996
    assert found["ci_low"] == pytest.approx(100 / (100 + 1.959964**2), abs=1e-6)


def test_table1_without_the_leaked_images_follows_from_the_others(places, faces):
    shutil.copy(place(faces, "test", "fake", "2.jpg"), place(faces, "train", "fake", "2b.jpg"))
    study, _ = audited(faces)
    table = pd.DataFrame(
        {
            "path": [f"a/b/test/{kind}/{n}.jpg" for kind in ("fake", "real") for n in range(4)],
            "label": [1] * 4 + [0] * 4,
            "p_fake": [0.9, 0.1, 0.9, 0.9, 0.2, 0.2, 0.2, 0.8],
        }
    )
    for model in MODELS:
        folder = seed_dir("x", model, 0)
        folder.mkdir(parents=True)
        table.to_csv(folder / "predictions.csv", index=False)
    rows = _table1(study).set_index(["model", "metric"])
    for model in MODELS:
        assert rows.loc[(model, "accuracy"), "ours_mean"] == pytest.approx(6 / 8)
        # Without one fake that was found: 2 of 3 fakes found, 1 of 4 reals flagged.
        expected = {"accuracy": 5 / 7, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3}
        found = rows.loc[model]["without_leaked"]
        assert found.to_dict() == pytest.approx(expected)


def test_the_audit_is_redone_when_the_images_change(places, faces):
    study, _ = audited(faces)
    assert audit_step(study).is_done()
    shutil.copy(place(faces, "test", "fake", "2.jpg"), place(faces, "train", "fake", "2b.jpg"))
    prepare(study)
    assert not audit_step(study).is_done()
    assert audit(study)["leaked"] == ["a/b/test/fake/2.jpg"]
    assert len(read_images(study, "train")) == 9


def test_the_audit_says_what_it_looked_at(places, faces):
    study, _ = audited(faces)
    said = dict(summary(study).itertuples(index=False))
    assert said["exact duplicates"].startswith("pairs: 0;")
    assert said["sizes"] == "40 x 40: 24"
    assert "chance: 0.5" in said["class predicted from file size alone"]
