"""The registry: what is committed is sound, what was changed by hand shows, and `submit`."""

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TINY

from fakeface_utils.cli import submit
from fakeface_utils.common.errors import StudyError
from fakeface_utils.dataset.audit import audit
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.evaluation import registry
from fakeface_utils.evaluation.registry import MOST_BYTES, REGISTRY, Entry, read_entry
from fakeface_utils.evaluation.submission import _machine, collect, keep
from fakeface_utils.evaluation.table1 import RIGHT, from_counts, table1
from fakeface_utils.report import registry as tables
from fakeface_utils.study.artefacts import predictions_csv, read_manifest
from fakeface_utils.study.names import METRICS, MODELS
from fakeface_utils.study.paper import PAPER_COUNTS
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import calibration_step, chain_steps, table_step
from fakeface_utils.study.record import claim_run, record
from fakeface_utils.study.settings import Study

FILES = sorted(REGISTRY.glob("*"))
LAPTOP = next(path for path in FILES if path.name.startswith("laptop-"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_that_was_handed_in_is_sound(path):
    assert path.suffix == ".json"
    entry = read_entry(path)
    assert path.read_text() == entry.model_dump_json(indent=1) + "\n"  # as submit writes it


def test_the_committed_tables_are_those_of_the_registry():
    entries = registry.registry()
    assert len(entries) == len(FILES) >= 2
    assert tables.RUNS.read_text() == tables.runs_page(entries)
    assert tables.README.read_text() == tables.readme_with_runs(entries)


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("networks.1.f1", 0.99, "networks.1.f1: its confusion counts give 0.84"),
        ("networks.0.accuracy", 1.2, "networks.0.accuracy: Input should be less than or equal"),
        ("networks.0.tp", 601, "networks.0: tp"),
        ("networks.0.seed", 7, "networks: there must be one of each model"),
        ("networks.0.best_epoch", 11, "networks.0.best_epoch: the run had 10 epochs"),
        ("networks.0.seconds", 1.0, "its content asks for the name laptop-f2f83613-"),
        ("counts.test.real", 599, "networks.0: tp"),
        ("counts.train.real", 2501, "counts.train: more than images_per_class allows"),
        ("counts.valid", {"real": 400}, "counts.valid: needs real and fake"),
        ("pairs.0.both", 0, "pairs.0: doesn't agree with the confusion counts"),
        ("table1.0.ours_mean", 0.95, "table1.0.ours_mean: is 0.95, and must be 0.850"),
        ("table1.0.ci_low", 0.84, "table1.0.ci_low: is 0.84, and must be 0.829"),
        ("table1.1.ci_low", 0.85, "table1.1.ci_low: is 0.85, and must be 0.819"),
        ("table1.4.paper", 0.72, "table1.4.paper: is 0.72, and must be 0.8998"),
        ("table1.0.verdict", "reproduced", "must be not comparable (other image counts)"),
        ("table1.0.ours_sd", None, "table1.0.ours_sd: is None"),
        ("table1.2.without_leaked", None, "table1.2.without_leaked: is there only where"),
        ("leaked", 0, "table1.0.without_leaked: is there only where"),
        ("settings.epochs", 15, "different: doesn't name the settings"),
        ("settings.epochs", "10", "settings.epochs: '10' is not how this package writes it"),
        ("settings.epochs", 0, "settings.epochs: Input should be greater than or equal to 1"),
        ("settings.data", "kaggle", "settings.data: must be given, as data is"),
        ("settings.data", "/of/somebody", "settings.data: '/of/somebody' is not how"),
        ("settings.profile", "paper", "settings.profile: 'paper' is not how"),
        ("settings.other", "/of/somebody", "settings.other: '/of/somebody' is not how"),
        ("settings.colour", "red", "settings.colour: Extra inputs are not permitted"),
        ("networks.0.tp", 10**30, "networks.0.tp: Input should be less than or equal"),
        ("settings.vgg16_weights", "random", "settings.vgg16_weights: with random weights"),
        ("different", [], "different: doesn't name the settings"),
        ("machines.0.processor", "[click](https://x.y)", "machines.0.processor: String should"),
        ("revisions", ["newest"], "revisions.0: String should match"),
        ("fingerprint", "f2", "fingerprint: String should match"),
        ("seconds", "1.5", "seconds: Input should be a valid number"),
        ("person", "somebody", "person: Extra inputs are not permitted"),
    ],
)
def test_what_was_changed_by_hand_is_named_with_its_file(tmp_path, place, value, says):
    content = json.loads(LAPTOP.read_text())
    *parents, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    part = content
    for parent in parents:
        part = part[parent]
    part[last] = value
    path = tmp_path / LAPTOP.name
    path.write_text(json.dumps(content))
    with pytest.raises(StudyError) as error:
        read_entry(path)
    assert str(error.value).startswith(f"{path}: ")
    assert says in str(error.value)


def test_a_resampled_interval_may_differ_as_chance_allows(tmp_path):
    """Another NumPy may draw other numbers; accuracy's interval isn't drawn."""
    content = json.loads(LAPTOP.read_text())
    content["table1"][1]["ci_low"] += 0.001
    (tmp_path / LAPTOP.name).write_text(json.dumps(content))
    assert read_entry(tmp_path / LAPTOP.name).name == LAPTOP.stem


def test_what_is_no_json_and_what_is_large_is_one_sentence(tmp_path):
    path = tmp_path / LAPTOP.name
    path.write_text(LAPTOP.read_text()[:-100])
    with pytest.raises(StudyError, match="Invalid JSON"):
        read_entry(path)
    path.write_text(LAPTOP.read_text() + " " * MOST_BYTES)
    with pytest.raises(StudyError, match="larger than 20,000 bytes"):
        read_entry(path)


def made_up(right, **changes):
    """A run on all of the paper's images: by model, how many of 20,000 each seed got right."""
    content = json.loads(LAPTOP.read_text())
    seeds = list(range(len(right["vgg16"])))
    study = Study(seeds=tuple(seeds), **changes)
    networks, matrices = [], {}
    for model in MODELS:
        for seed, count in zip(seeds, right[model], strict=True):
            tp, fp = count // 2, 10_000 - (count - count // 2)
            cells = {"tp": tp, "fn": 10_000 - tp, "fp": fp, "tn": 10_000 - fp}
            recall, precision = tp / 10_000, tp / (tp + fp)
            scores = {"accuracy": count / 20_000, "precision": precision, "recall": recall}
            scores["f1"] = 2 * precision * recall / (precision + recall)
            networks.append({"model": model, "seed": seed, **cells, **scores})
            networks[-1] |= {"revision": "0123456789ab", "seconds": 3600.0, "best_epoch": 6}
            matrices.setdefault(model, []).append(np.array([[tp, 10_000 - tp], [fp, 10_000 - fp]]))
    pairs = [
        {"seed": s, "both": b, "only_custom_cnn": a - b, "only_vgg16": 0, "neither": 20_000 - a}
        for s, a, b in zip(seeds, right["custom_cnn"], right["vgg16"], strict=True)
    ]
    counts = {split: {"real": n, "fake": n} for split, n in PAPER_COUNTS.items()}
    content |= {"profile": "paper", "data": "kaggle", "counts": counts, "leaked": 0}
    content |= {"settings": study.settings(), "different": list(study.differences()["setting"])}
    content |= {"seeds": seeds, "networks": networks, "pairs": pairs, "fingerprint": "a" * 64}
    content["machines"] = [{"processor": "Any CPU", "cores": 16, "gpus": ["NVIDIA H100"] * 2}]
    reason = "one seed" if len(seeds) == 1 else f"other settings: {', '.join(changes)}"
    table = from_counts(matrices, reason if changes or len(seeds) == 1 else "")
    table = table.assign(without_leaked=None).astype(object)
    content["table1"] = table.where(table.notna(), None).to_dict("records")
    return content


NEAR = {"custom_cnn": [19_400, 19_440, 19_470], "vgg16": [17_600, 17_620, 17_650]}


def test_a_run_on_all_of_the_papers_images_has_verdicts_and_a_column_of_its_own():
    full, others = Entry(**made_up(NEAR)), registry.registry()
    table = tables.readme_table([*others, full]).splitlines()
    header, _, custom, vgg16, apart = (line.strip("| ").split(" | ") for line in table)
    assert len(header) == 5
    assert header[2] == "here: the paper's 100,000 training images, 224 px, 3 seeds"
    assert header[3].startswith("here: 5,000 of the paper's")
    assert custom[2].startswith("0.972 (")
    assert custom[2].endswith("): reproduced")
    assert vgg16[2].endswith("): not reproduced")
    assert apart[2].startswith("+0.091 (")
    assert apart[2].endswith("): reproduced")
    assert "reproduced" not in custom[3] + vgg16[3] + custom[4]
    page = tables.runs_page([*others, full])
    assert "3 so far.\n1 of them on all of the paper's training images, 1 with a verdict." in page
    assert "| 2 x NVIDIA H100 |" in page
    assert page.index(full.name) < page.index("laptop-") < page.index("demo-")
    assert page.index("On images that a program drew") < page.index("demo-")


def test_a_column_goes_to_verdicts_first_and_then_to_more_seeds():
    two = Entry(**made_up({model: right[:2] for model, right in NEAR.items()}))
    three = Entry(**made_up(NEAR))
    mixed = Entry(**made_up({m: right * 2 for m, right in NEAR.items()}, precision="mixed"))
    one = Entry(**made_up({model: right[:1] for model, right in NEAR.items()}))
    assert "224 px, 3 seeds" in tables.readme_table([two, three, mixed, one])
    assert "224 px, 2 seeds" in tables.readme_table([two, mixed, one])
    alone = tables.readme_table([mixed, one])
    assert "224 px, 6 seeds" in alone
    assert "reproduced" not in alone
    assert "None is on all" not in tables.runs_page([mixed])
    assert ", 0 with a verdict." in tables.runs_page([mixed])
    other = Entry(**(made_up(NEAR) | {"paper_images": False}))
    assert tables.readme_table([other]).splitlines()[0] == "| test accuracy | paper |"
    assert "| 100,000 other images |" in tables.runs_page([other])


def test_a_verdict_that_the_rule_does_not_give_is_refused():
    content = made_up(NEAR)
    assert content["table1"][0]["verdict"] == "reproduced"
    for forged in ("not reproduced", "undecided"):
        changed = copy.deepcopy(content)
        changed["table1"][0]["verdict"] = forged
        with pytest.raises(ValueError, match=r"table1\.0\.verdict"):
            Entry(**changed)
    with pytest.raises(ValueError, match=r"table1\.0\.verdict: is reproduced, and must be not com"):
        Entry(**(content | {"generated": True}))


def test_readme_without_its_marks_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "README", tmp_path / "README.md")
    tables.README.write_text("no marks")
    with pytest.raises(StudyError, match=r"README\.md needs one <!-- runs -->"):
        tables.readme_with_runs([])


@pytest.fixture
def finished(places, faces, monkeypatch):
    """A run on 4 images of each class and split; its networks are made up, all else is ours."""
    monkeypatch.setattr(registry, "REGISTRY", places / "registry")
    for name in ("README", "RUNS"):
        monkeypatch.setattr(tables, name, Path(shutil.copy(getattr(tables, name), places)))

    def run(name="mine", seeds=2, folder=faces):
        settings = TINY.replace("vgg16_weights=random", "")
        study = load_study("demo", str(folder), name, seeds, settings)
        claim_run(study)
        prepare(study)
        audit(study)

        def make_up(step):
            for path in step.outputs:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.model)  # a model's seeds share its layers
                if path.name in ("predictions.csv", "validation.csv"):
                    manifest = read_manifest(study, "test")[["path", "label"]]
                    wrong = np.arange(len(manifest)) <= step.seed  # one, two, ...
                    called = np.where(wrong, 1 - manifest["label"], manifest["label"])
                    manifest.assign(p_fake=0.8 * called + 0.1).to_csv(path, index=False)
                if path.name == "history.csv":
                    losses = {"epoch": [1, 2], "val_loss": [0.5, 0.6], "val_accuracy": [0.6, 0.7]}
                    pd.DataFrame(losses).to_csv(path, index=False)

        for group in list(chain_steps(study).values())[:4]:
            for step in group:
                if step.kind in ("features", "train", "predict"):
                    step.do(lambda step=step: make_up(step))
        table1(study)
        calibration_step(study).do(lambda: make_up(calibration_step(study)))
        record(study)
        return study

    return run


def test_submit_writes_the_file_and_both_tables(finished, places, capsys):
    finished()
    submit("mine")
    path = next((places / "registry").iterdir())
    entry = read_entry(path)
    assert [(n.model, n.seed, n.best_epoch) for n in entry.networks] == [
        ("custom_cnn", 0, 1), ("custom_cnn", 1, 1), ("vgg16", 0, 1), ("vgg16", 1, 1)
    ]  # fmt: skip
    first, second = entry.networks[:2]
    assert (first.tp, first.fn, first.fp, first.tn) == (3, 1, 0, 4)
    assert first.accuracy == 7 / 8
    assert second.tp == 2
    assert [getattr(entry.pairs[1], kind) for kind in RIGHT] == [6, 0, 0, 2]
    assert entry.table1[0].ours_mean == 6.5 / 8
    assert [(row.metric, row.model) for row in entry.table1[:4]] == [
        (metric, "custom_cnn") for metric in METRICS
    ]
    assert (entry.data, entry.generated, entry.paper_images) == ("given", False, False)
    assert entry.settings["data"] == "given"
    assert {"data", "epochs"} < set(entry.different)
    assert entry.seconds >= sum(network.seconds for network in entry.networks)
    assert entry.name in (places / "runs.md").read_text()
    assert "here: " not in (places / "README.md").read_text().split("<!-- /runs -->")[0]
    told = capsys.readouterr().out
    assert all(str(places / name) in told for name in ("registry", "runs.md", "README.md"))
    assert "docs/submit.md" in told


def test_no_name_of_a_place_a_person_or_an_image_gets_into_the_file(finished, places):
    text = keep(collect(finished())).read_text()
    assert "/" not in text
    assert "\\" not in text
    for word in (places.name, "faces", "mine", ".jpg"):
        assert word not in text.lower(), word


def test_names_of_cpus_and_gpus_are_kept_as_words():
    kinds = {"processor": "AMD Ryzen 5 w/ [Radeon](x)", "cores": None, "gpus": ["NVIDIA H100"]}
    machine = registry.Machine(**_machine(kinds))
    assert machine.processor == "AMD Ryzen 5 w   Radeon (x)"
    assert str(machine) == "NVIDIA H100"
    assert _machine({"processor": "", "cores": 4, "gpus": []})["processor"] == "unknown"


def test_the_same_run_has_one_file_and_another_run_another(finished, places):
    study = finished()
    once = keep(collect(study)).read_bytes()
    assert keep(collect(study)).read_bytes() == once
    table_step(study).forget()
    table1(study)  # by newer code, say
    again = keep(collect(study))
    assert json.loads(once)["networks"] == json.loads(again.read_bytes())["networks"]
    keep(collect(finished("more", 3)))
    assert len(list((places / "registry").iterdir())) == 2


def test_images_named_as_the_papers_are_taken_for_them(finished, faces):
    for path in sorted(faces.rglob("*.jpg")):
        name = f"0000{path.stem}" if path.parent.name == "real" else f"A0B1C2D3E{path.stem}"
        path.rename(path.with_stem(name))
    assert collect(finished()).paper_images
    next(faces.rglob("00000.jpg")).rename(next(faces.rglob("00000.jpg")).with_stem("holiday"))
    assert not collect(finished("other")).paper_images


def test_a_run_that_is_missing_unfinished_or_changed_is_refused_in_one_sentence(finished, places):
    with pytest.raises(StudyError, match="no run 'new': run fakeface report --run new to make it"):
        collect(load_study(run="new"))
    study = finished()
    output = predictions_csv("mine", "vgg16", 1)
    kept = output.read_text()
    output.write_text(kept.replace("0.9", "0.8"))
    again = "run fakeface report --run mine, then submit again"
    with pytest.raises(StudyError, match=rf"predictions\.csv has changed; {again}$"):
        collect(study)
    output.write_text(kept)
    table_step(study).forget()
    with pytest.raises(StudyError, match=f"Table 1 did not end; {again}$"):
        collect(study)
    random = load_study(run="mine", overrides="vgg16_weights=random")
    with pytest.raises(StudyError, match="random VGG16 weights: its numbers mean nothing"):
        collect(random)
    assert not (places / "registry").exists()


def test_code_that_changed_since_training_costs_nobody_the_training(finished):
    study = finished()
    step = chain_steps(study)["02_custom_cnn"][0]
    marker = json.loads(step.marker.read_text())
    marker["code"]["networks/training.py"] = "as it was"
    marker["computed"]["git"] = "0123456789ab"
    step.marker.write_text(json.dumps(marker))
    with pytest.raises(StudyError, match=r"training\.py has changed; submit from revision 0123456"):
        collect(study)


def test_many_seeds_are_too_large_for_a_file(finished, monkeypatch):
    monkeypatch.setattr("fakeface_utils.evaluation.submission.MOST_BYTES", 2_000)
    with pytest.raises(StudyError, match="2 seeds make more than 2,000 bytes: take fewer"):
        keep(collect(finished()))
