"""The exercises: made from their solutions, with checks that an unsolved one fails."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import papermill
import PIL.Image
import pytest

from fakeface_utils.common.errors import StudyError
from fakeface_utils.notebook import open_finished, open_study
from fakeface_utils.study.artefacts import read_parameters
from fakeface_utils.study.step import Step

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
    assert text.count("open_finished(run)") == 1
    for words in re.findall(r"open_study\(((?:[^()]|\(\w*\))*)\)", text):
        name = [word.strip() for word in words.split(",")][3]
        assert name.startswith('"exercise-'), words


def test_an_exercise_takes_seed_0_whatever_the_run_was_last_opened_with(places, monkeypatch):
    open_study("01_dataset", "", "", "", "7,")
    before = sorted((path, path.stat().st_mtime_ns) for path in places.rglob("*"))
    again = (
        r"is missing: run make report RUN=demo SEEDS=1, .+ \(or fakeface report --run demo --see"
    )
    with pytest.raises(StudyError, match=again):
        open_finished("demo")
    monkeypatch.setattr(Step, "why_not_done", lambda *_: "")
    assert open_finished("demo").seeds == (0,)
    assert read_parameters("demo")["seeds"] == [7]
    assert before == sorted((path, path.stat().st_mtime_ns) for path in places.rglob("*"))


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
        "labels": {"train": np.random.default_rng(0).permutation(np.repeat([0, 1], 200))},
        "few": np.arange(400),
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


# The cell that checks a wrong answer, that answer, and what it says.
OVERFITTING = """
def overfitting(history):
    loss, gap = history["val_loss"], history["val_loss"] - history["loss"]
    return history["epoch"][loss.idxmin()], RISE, GAP
"""
WRONG = {
    "threshold ignored": (
        "e1-05",
        "def precision_recall(table, _):\n    called = table['p_fake'] >= 0.5\n"
        "    both = (called & table['label']).sum()\n"
        "    return both / called.sum(), both / table['label'].sum()",
        "at 0.8 .+: use `threshold`, not 0.5",
    ),
    "in place": (
        "e2-05",
        "shuffled = np.random.default_rng(1).shuffle(few_labels.copy())",
        "returns nothing: use permutation",
    ),
    "other epochs": ("e5-05", 'overrides = "dropout=0"', "keep epochs=30 and add only dropout=0"),
    "max less min": (
        "e5-09",
        OVERFITTING.replace("RISE", "loss.max() - loss.min()").replace("GAP", "gap.iloc[-1]"),
        "to the last, 0.8, is 0.3, not 0.40",
    ),
    "largest gap": (
        "e5-09",
        OVERFITTING.replace("RISE", "loss.iloc[-1] - loss.min()").replace("GAP", "gap.max()"),
        "the last loss, 0.8 - 0.15, isn't 0.70",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_refused_by_a_sentence_that_helps(wrong):
    cell, answer, sentence = WRONG[wrong]
    name = next(name for name in SETS if name.startswith(cell[:2]))
    with pytest.raises(AssertionError, match=sentence):
        exec(answer + "\n" + cell_of(name, cell), dict(SETS[name]))


def test_labels_shuffled_in_place_are_shuffled_too(capsys):
    known = dict(SETS["e2_shuffled_labels"])
    known["few_labels"] = known["few_labels"].copy()
    exec("np.random.default_rng(1).shuffle(few_labels); shuffled = few_labels", known)
    exec(cell_of("e2_shuffled_labels", "e2-05"), known)
    assert "Right" in capsys.readouterr().out


def cell_of(name: str, cell: str) -> str:
    notebook = read(CLASSROOM / "solutions" / f"{name}.ipynb")
    return next(one.source for one in notebook.cells if one.id == cell)


@pytest.fixture
def copied(places, faces):
    """What exercises 3 and 4 know after their images are copied, and an earlier attempt's run."""

    def copy(name: str) -> dict:
        known = {"run": "demo"}
        for kind in ("leak", "jpeg"):
            (places / "results" / f"exercise-{kind}").mkdir(parents=True, exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fakeface_utils.notebook.open_finished", lambda run: run)
            patch.setattr("fakeface_utils.study.artefacts.source_path", lambda demo: faces)
            exec(cell_of(name, f"{name[:2]}-02"), known)
        return known

    return copy


@pytest.mark.parametrize(
    ("name", "cell", "kept"),
    [
        ("e3_planted_leak", "e3-05", "exercise-jpeg"),
        ("e4_planted_cue", "e4-04", "exercise-leak"),
    ],
)
def test_after_a_wrong_attempt_copying_again_is_enough(copied, places, name, cell, kept, capsys):
    answer = tagged(read(CLASSROOM / "solutions" / f"{name}.ipynb"), "solution")[0].source
    known = copied(name)
    exec(answer.replace('"fake"', '"real"').replace("[::2]", "[1::2]"), known)
    with pytest.raises(AssertionError, match="after another attempt run the cell that copies"):
        exec(answer + "\n" + cell_of(name, cell), known)
    known = copied(name)
    assert [path.name for path in (places / "results").iterdir()] == [kept]
    exec(answer + "\n" + cell_of(name, cell), known)
    assert "Right" in capsys.readouterr().out


@pytest.mark.parametrize("quality", ["", ", quality=50"])
def test_fakes_of_another_quality_are_refused(copied, quality):
    known = copied("e4_planted_cue")
    answer = cell_of("e4_planted_cue", "e4-03").replace(", quality=30", quality)
    with pytest.raises(AssertionError, match=r"(train|valid): save with quality=30"):
        exec(answer + "\n" + cell_of("e4_planted_cue", "e4-04"), known)


def test_a_damaged_image_must_stay_as_large():
    originals = [SimpleNamespace(image=PIL.Image.new("RGB", (64, 64)))]
    known = {"originals": originals, "damage": lambda original: original.image.resize((32, 32))}
    with pytest.raises(AssertionError, match="must be as large as the original: resize it"):
        exec(cell_of("e8_damage", "e8-08"), known)


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
    # The commonest mistake: a seed of one's own without a run goes to the demo.
    mistake = (
        "from fakeface_utils.notebook import open_study as o; o('01_dataset', '', '', '', '7,')"
    )
    subprocess.run([sys.executable, "-c", mistake], env=environment, check=True)
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
