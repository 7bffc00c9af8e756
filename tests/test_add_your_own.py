"""A third network as docs/add_your_own.md says, and each folder of beyond/ taken away."""

import re
import shutil

import pandas as pd
import pytest

from conftest import Project
from fakeface_utils.extension import extensions
from fakeface_utils.models import MODELS
from fakeface_utils.util import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def copy(project, tmp_path):
    """The finished project again, for changes of its code."""
    shutil.copytree(project.root, tmp_path / "copy")
    return Project(tmp_path / "copy")


def trainings(copy):
    """When each network of the run was trained."""
    return {path.parent: path.stat().st_mtime_ns for path in copy.results.glob("*/*/model.keras")}


def test_a_network_is_one_file_and_one_entry_and_leaves_as_it_came(copy):
    page = (ROOT / "docs" / "add_your_own.md").read_text()
    layers = re.search(r'   ```python\n(   """A weight.*?)\n   ```', page, re.S)[1]
    entry = re.search(r'   ```\n(   "logistic": .*?)\n   ```', page, re.S)[1]
    package, before = copy.root / "fakeface_utils", trainings(copy)
    file, models = package / "networks" / "logistic.py", package / "models.py"
    file.write_text(re.sub("^   ", "", layers, flags=re.M))
    text = models.read_text()
    models.write_text(text.replace("MODELS = {\n", f"MODELS = {{\n{entry}\n"))
    code, output = copy.run("report", "--run", "tiny")
    assert code == 0, output
    assert "03_vgg16_transfer: up to date, skipped" in output
    after = trainings(copy)
    new = {copy.results / "logistic" / f"seed-{seed}" for seed in (0, 1)}
    assert {*after} - {*before} == new
    assert {path: after[path] for path in before} == before
    table = pd.read_csv(copy.results / "table1.csv")
    assert len(table) == 4 * (len(MODELS) + 1)
    assert set(table.loc[table["model"] == "logistic", "verdict"]) == {"not in the paper"}
    assert "Accuracy, logistic regression" in (copy.results / "report.html").read_text()

    file.unlink()
    models.write_text(text)
    code, output = copy.run("report", "--run", "tiny")
    assert code == 0, output
    assert {path: when for path, when in trainings(copy).items() if path in before} == before
    assert len(pd.read_csv(copy.results / "table1.csv")) == 4 * len(MODELS)
    assert "Accuracy, logistic" not in (copy.results / "report.html").read_text()


@pytest.mark.parametrize("name", extensions())
def test_a_folder_of_beyond_can_be_taken_away(copy, name):
    shutil.rmtree(copy.root / "beyond" / name)
    before = trainings(copy)
    code, output = copy.run("report", "--run", "tiny")
    assert code == 0, output
    assert trainings(copy) == before
    assert f'id="{name}' not in (copy.results / "report.html").read_text()
