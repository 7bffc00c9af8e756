"""What the notebooks suggest to try works: each change runs, on a tiny setting."""

import json
import re
from pathlib import Path

import pytest
from conftest import TINY

from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.networks.features import extract_features
from fakeface_utils.networks.training import train
from fakeface_utils.notebook import open_study
from fakeface_utils.study.names import MODELS
from fakeface_utils.study.parameters import load_study

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def suggested(path: Path) -> dict[str, str]:
    """The parameters that a notebook's Try sets, as `name = value` in its text."""
    last = "".join(json.loads(path.read_text())["cells"][-1]["source"])
    text = next(line for line in last.splitlines() if line.startswith("**Try"))
    return dict(re.findall(r'`(run|overrides|seeds) = "?([^"`]+)"?`', text))


def test_every_notebook_but_the_report_suggests_something():
    found = {path.stem: suggested(path) for path in NOTEBOOKS}
    assert [name for name, values in found.items() if not values] == ["06_report"]
    assert sum("overrides" in values for values in found.values()) >= 4


@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if "overrides" in suggested(path)], ids=lambda p: p.stem
)
def test_a_try_is_one_cell_edited_once(places, path):
    values = suggested(path)
    study = load_study(overrides=values["overrides"])
    if study.settings() == load_study().settings():  # what is beyond the paper needs no new run
        assert study != load_study()
        return
    assert values["run"] != load_study().run  # a new name: the first run stays as it was
    base = load_study(run="tiny", overrides=TINY)
    prepare(base)
    epochs = re.search(r"epochs=\d+", values["overrides"])
    words = values["overrides"] if epochs else f"{values['overrides']} epochs=1"
    assert load_study(overrides=words) != load_study()
    study = load_study(run=values["run"], overrides=f"{TINY} {words}")
    study = study.model_copy(update={"epochs": 1})
    prepare(study)
    for split in ("train", "valid"):
        extract_features(study, split)
    for model in MODELS:
        assert len(train(study, model, 0)) == 1


def test_a_try_of_more_seeds_needs_the_runs_name_alone_afterwards(places):
    prepare(load_study(run="three", overrides=TINY))
    opened = open_study("02_custom_cnn", "", "", "three", 3, TINY)
    assert opened.seeds == (0, 1, 2)
    assert open_study("03_vgg16_transfer", "", "", "three") == opened
