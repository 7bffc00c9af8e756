"""The exercises: made from their solutions, with checks that an unsolved one fails."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest

ROOT = Path(__file__).resolve().parents[1]
CLASSROOM = ROOT / "classroom"
SOLUTIONS = sorted((CLASSROOM / "solutions").glob("*.ipynb"))
by_name = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, CLASSROOM / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, 4)


def exercise_of(path: Path) -> nbformat.NotebookNode:
    return read(CLASSROOM / "exercises" / path.name)


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


@by_name
def test_an_exercise_is_what_its_solution_makes(path):
    made = script("make_exercises").exercise(read(path))
    assert exercise_of(path) == made, "run python classroom/make_exercises.py"


def test_no_exercise_is_left_over():
    there = {path.name for path in (CLASSROOM / "exercises").iterdir()}
    assert there == {path.name for path in SOLUTIONS}
    assert 6 <= len(there) <= 8


@by_name
def test_an_exercise_holds_no_answer(path):
    answers = tagged(read(path), "solution")
    texts = {cell.source for cell in exercise_of(path).cells}
    assert len(answers) >= 2
    for cell in answers:
        assert cell.source not in texts
        if cell.cell_type == "code":
            assert cell.source.startswith("# Your turn: ")
            assert "stub" in cell.metadata
    assert any(cell.cell_type == "markdown" for cell in answers)


@by_name
def test_both_are_stripped_and_say_their_minutes(path):
    for notebook in (read(path), exercise_of(path)):
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(not cell.outputs and cell.execution_count is None for cell in code)
        assert max(len(cell.source.splitlines()) for cell in code) <= 15
        opening = notebook.cells[0].source
        minutes, computing = re.search(
            r"\*\*Minutes:\*\* (\d+), of which the computer needs (\d+)", opening
        ).groups()
        assert 5 <= int(minutes) <= 15
        assert int(computing) < int(minutes)
        assert "**Afterwards you can** " in opening
        assert "**Needs** " in opening
        assert "**Writes** " in opening
        assert tagged(notebook, "parameters")
        assert tagged(notebook, "check")


@by_name
def test_a_run_of_an_exercise_has_a_name_of_its_own(path):
    text = "\n".join(cell.source for cell in read(path).cells)
    opened = re.findall(r"open_study\(((?:[^()]|\(\w*\))*)\)", text)
    assert opened
    for words in opened:
        name = [word.strip() for word in words.split(",")][3]
        assert name == "run" or name.startswith('"exercise-'), words


# What the check cells read, for those that can be asked without training.
LABELS = np.repeat([0, 1], 20)
OUTPUTS = np.concatenate([np.linspace(0.05, 0.6, 20), np.linspace(0.35, 0.95, 20)])
TABLE = pd.DataFrame({"label": LABELS, "p_fake": OUTPUTS})
CURVE = pd.DataFrame({"epoch": [1, 2], "loss": [0.5, 0.1], "val_loss": [0.6, 0.9]})
HISTORY = CURVE.assign(accuracy=[0.6, 0.9], val_accuracy=[0.49, 0.52])
SETS = {
    "e1_threshold": {"np": np, "valid": TABLE, "test": TABLE, "steps": np.linspace(0.01, 0.99, 99)},
    "e2_shuffled_labels": {
        "np": np,
        "few_labels": np.random.default_rng(0).permutation(np.repeat([0, 1], 200)),
        "history": HISTORY,
    },
    "e5_no_dropout": {"usual": HISTORY, "without": HISTORY},
    "e6_three_seeds": {"three": [0.75, 0.72, 0.76]},
}


@pytest.mark.parametrize("name", SETS)
def test_a_check_passes_when_solved_and_else_says_why(name, capsys):
    path = CLASSROOM / "solutions" / f"{name}.ipynb"
    solved, unsolved = read(path), exercise_of(path)
    names, known = {"solution", "check"}, dict(SETS[name])
    cells = zip(solved.cells, unsolved.cells, strict=True)
    stub = ""
    for answer, given in cells:
        if answer.cell_type == "code" and names & set(answer.metadata.get("tags", [])):
            if "solution" in answer.metadata["tags"]:
                stub = given.source
                exec(answer.source, known)
                continue
            exec(answer.source, known)
            assert "Right" in capsys.readouterr().out or name == "e5_no_dropout"
            without = dict(known)
            exec(stub, without)
            with pytest.raises(AssertionError, match=r"\w{3,} .+"):
                exec(answer.source, without)


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A demo run in a place of its own; its digests before any exercise."""
    root = tmp_path_factory.mktemp("classroom")
    weights = ROOT / ".cache" / "vgg16_imagenet.npz"
    (root / "cache").mkdir()
    if weights.exists():
        shutil.copy(weights, root / "cache")
    places = {
        f"FAKEFACE_{n.upper()}": str(root / n) for n in ("data", "cache", "results", "figures")
    }
    environment = {**os.environ, **places, "PYTHONPATH": str(ROOT)}
    command = "import sys; from fakeface_utils.cli import main; sys.exit(main())"
    subprocess.run([sys.executable, "-c", command, "report"], env=environment, check=True)
    return root, environment


@pytest.mark.slow
@by_name
def test_a_solution_passes_its_own_checks_and_leaves_the_demo_as_it_is(path, demo, monkeypatch):
    root, environment = demo
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    kept = [p for p in (root / "results" / "demo").rglob("*") if p.suffix in (".csv", ".keras")]
    before = {p: p.read_bytes() for p in kept}
    done = papermill.execute_notebook(
        path, root / path.name, kernel_name="python3", progress_bar=False
    )
    assert len(before) > 4
    assert before == {p: p.read_bytes() for p in kept}
    for cell in tagged(done, "check"):
        assert any("Right" in str(o.get("text", "")) for o in cell.outputs) or "e5" in path.stem
