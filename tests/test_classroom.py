"""The exercises: made from their solutions, with checks that an unsolved one fails."""

import ast
import json
import re
import shutil
from contextlib import nullcontext
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import papermill
import PIL.Image
import pytest
from bs4 import BeautifulSoup

from classroom import checks
from classroom.make_exercises import exercise, key
from conftest import Project
from fakeface_utils.evaluate import predictions
from fakeface_utils.extension import FOLDER
from fakeface_utils.notebook import open_study
from fakeface_utils.run import open_finished
from fakeface_utils.step import Task
from fakeface_utils.util import ROOT, StudyError

CLASSROOM = ROOT / "classroom"
SOLUTIONS = sorted((CLASSROOM / "solutions").glob("*.ipynb"))
NAMES = [path.name for path in SOLUTIONS]
by_name = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, 4)


def exercise_of(path):
    return read(CLASSROOM / "exercises" / path.name)


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def solution(name):
    return CLASSROOM / "solutions" / f"{name}.ipynb"


def cell_of(name, cell):
    return next(one.source for one in read(solution(name)).cells if one.id == cell)


def needed(path):
    """The extensions that an exercise says it needs; it is skipped where one was taken away."""
    names = re.findall(r"`beyond/(\w+)`", read(path).cells[0].source)
    if missing := [name for name in names if not (FOLDER / name).is_dir()]:
        pytest.skip(f"beyond/{missing[0]} was taken away")
    return names


@by_name
def test_an_exercise_is_what_its_solution_makes_and_holds_no_answer(path):
    assert {one.name for one in (CLASSROOM / "exercises").iterdir()} == {*NAMES}
    answers, given = tagged(read(path), "solution"), exercise_of(path)
    assert given == exercise(read(path)), "run python classroom/make_exercises.py"
    assert len(answers) >= 2
    assert any(cell.cell_type == "markdown" for cell in answers)
    for cell in answers:
        assert cell.source not in {one.source for one in given.cells}
        code = cell.source.startswith("# Your turn: ") and "stub" in cell.metadata
        assert code or cell.cell_type == "markdown"


def test_a_lecturer_gets_every_answer_and_key_on_one_page():
    page = BeautifulSoup(key([read(path) for path in SOLUTIONS]), "html.parser")
    assert [one.get_text()[:-1] for one in page.find_all("h1")] == [
        read(path).cells[0].source.splitlines()[0].removeprefix("# ") for path in SOLUTIONS
    ]
    text = page.get_text()
    assert text.count("Key, a point for each answer.") == len(SOLUTIONS)
    assert text.count("# Your turn: ") == sum(
        cell.cell_type == "code" for path in SOLUTIONS for cell in tagged(read(path), "solution")
    )
    assert not any(one["src"] for one in page.find_all(src=True))


@by_name
def test_both_are_stripped_and_say_their_minutes(path):
    for notebook in (read(path), exercise_of(path)):
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(not cell.outputs and cell.execution_count is None for cell in code)
        assert max(len(cell.source.splitlines()) for cell in code) <= 16
        opening = notebook.cells[0].source
        said = re.search(r"\*\*Minutes:\*\* (\d+), of which the computer needs (\d+)", opening)
        assert 5 <= int(said[1]) <= 15
        assert int(said[2]) < int(said[1])
        for words in ("**Afterwards you can** ", "**Needs** ", "**Writes** "):
            assert words in opening
        assert tagged(notebook, "parameters")
        assert tagged(notebook, "check")


@by_name
def test_what_it_needs_is_said_and_there_and_its_runs_have_names_of_their_own(path):
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "code")
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    used = {node.module.split(".")[1] for node in nodes if node.module.startswith("beyond.")}
    assert used == set(needed(path))
    exec("\n".join(ast.unparse(node) for node in nodes), {})
    assert text.count("open_finished(run, seed=0") == 1
    for words in re.findall(r"open_study\(((?:[^()]|\(\w*\))*)\)", text):
        assert words.split(",")[3].strip().startswith('"exercise-'), words


def test_an_exercise_takes_seed_0_whatever_the_run_was_last_opened_with(places, monkeypatch):
    study = open_study("01_dataset", "", "", "", [7])
    with pytest.raises(StudyError, match=r"no trained run 'demo' .* make report RUN=demo"):
        open_finished("demo", seed=0)
    (study.results / "study.json").write_text("{}")
    before = sorted((path, path.stat().st_mtime_ns) for path in places.rglob("*"))
    monkeypatch.setattr(Task, "why_stale", lambda *_: "")
    assert open_finished("demo", seed=0).seeds == (0,)
    held = json.loads((places / "results" / "demo" / ".parameters.json").read_text())
    assert held["study"]["seeds"] == [7]
    assert before == sorted((path, path.stat().st_mtime_ns) for path in places.rglob("*"))


def test_edited_code_closes_no_exercise_that_reads_results_alone(finished, monkeypatch, capsys):
    run = finished().run
    capsys.readouterr()
    assert open_finished(run, code=False).run == run
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("fakeface_utils.step.code_of", lambda *_: {"training.py": "edited"})
    with pytest.raises(StudyError, match="has changed: run make report"):
        open_finished(run)
    study = open_finished(run, code=False)
    assert "has changed since; here run 'made-up' is taken as it was" in capsys.readouterr().out
    assert len(predictions(study)) == 2 * 8
    study.results.joinpath("vgg16", "seed-0", "predictions.csv").write_text("other")
    with pytest.raises(StudyError, match=r"predictions\.csv has changed: run make report"):
        open_finished(run, code=False)


# What the check cells read, for those that can be asked without training.
LABELS = np.repeat([0, 1], 20)
OUTPUTS = np.concatenate([np.linspace(0.05, 0.6, 20), np.linspace(0.35, 0.95, 20)])
TABLE = pd.DataFrame({"label": LABELS, "p_fake": OUTPUTS})
CURVE = pd.DataFrame({"epoch": [1, 2], "loss": [0.5, 0.1], "val_loss": [0.6, 0.9]})
HISTORY = CURVE.assign(accuracy=[0.6, 0.9], val_accuracy=[0.49, 0.52])
DRAWN = np.random.default_rng(0).permutation(np.repeat([0, 1], 200))
TRAINING = {"labels": {"train": DRAWN}, "few": np.arange(400), "few_labels": DRAWN.copy()}
SETS = {
    "e1_threshold": {"np": np, "valid": TABLE, "test": TABLE, "steps": np.linspace(0.01, 0.99, 99)},
    "e2_shuffled_labels": {"np": np, "history": HISTORY, **TRAINING},
    "e5_no_dropout": {"usual": HISTORY, "without": HISTORY},
    "e6_three_seeds": {"three": [0.75, 0.72, 0.76]},
}


@pytest.mark.parametrize("name", SETS)
def test_a_check_passes_when_solved_and_else_says_why(name, capsys):
    path, known, stub = solution(name), {"checks": checks, **SETS[name]}, ""
    for answer, given in zip(read(path).cells, exercise_of(path).cells, strict=True):
        tags = answer.metadata.get("tags", [])
        if answer.cell_type == "code" and "solution" in tags:
            stub = given.source
            exec(answer.source, known)
        elif "check" in tags:
            exec(answer.source, known)
            assert "Right" in capsys.readouterr().out
            without = dict(known)
            exec(stub, without)
            with pytest.raises(AssertionError, match=r"\w{3,} .+"):
                exec(answer.source, without)


LAST, LARGEST = 'last["val_loss"] - last["loss"]', '(loss - history["loss"]).max()'
WHOLE = "np.random.default_rng(1).permutation(few_labels)"
IN_PLACE = "few_labels; np.random.default_rng(1).shuffle(shuffled)"


@pytest.mark.parametrize(
    ("answer", "check", "right", "wrong", "sentence"),
    [
        ("e1-04", "e1-05", ">= threshold", ">= 0.5", "at 0.8 .+: use `threshold`, not 0.5"),
        ("e2-04", "e2-05", "permutation", "shuffle", "returns nothing: use permutation"),
        ("e2-04", "e2-05", WHOLE, IN_PLACE, ""),
        ("e5-04", "e5-05", "epochs=30 ", "", "keep epochs=30 and add only dropout=0"),
        ("e5-08", "e5-09", 'last["val_loss"] - loss.m', "loss.max() - loss.m", "0.3, not 0.40"),
        ("e5-08", "e5-09", LAST, LARGEST, "the last loss, 0.8 - 0.15, isn't 0.70"),
    ],
)
def test_a_wrong_answer_is_refused_by_a_sentence_that_helps(answer, check, right, wrong, sentence):
    name = next(name for name in SETS if name.startswith(check[:2]))
    known = SETS[name] | {"few_labels": DRAWN.copy(), "checks": checks}
    given = cell_of(name, answer)
    assert right in given
    expected = pytest.raises(AssertionError, match=sentence) if sentence else nullcontext()
    with expected:
        exec(given.replace(right, wrong) + "\n" + cell_of(name, check), known)


@pytest.fixture
def copied(places, faces, monkeypatch):
    """What exercises 3 and 4 know after their images are copied, and an earlier attempt's run."""

    def copy(name):
        known = {"run": "demo"}
        for kind in ("leak", "jpeg"):
            (places / "results" / f"exercise-{kind}").mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr("fakeface_utils.run.open_finished", lambda run, seed: run)
        for module in ("fakeface_utils.data", "classroom.checks"):
            monkeypatch.setattr(f"{module}.source", lambda demo: faces)
        exec(cell_of(name, f"{name[:2]}-02"), known)
        return known

    return copy


@pytest.mark.parametrize(
    ("name", "cell", "kept"),
    [("e3_planted_leak", "e3-05", "jpeg"), ("e4_planted_cue", "e4-04", "leak")],
)
def test_after_a_wrong_attempt_copying_again_is_enough(copied, places, name, cell, kept, capsys):
    answer, known = tagged(read(solution(name)), "solution")[0].source, copied(name)
    exec(answer.replace('"fake"', '"real"').replace("[::2]", "[1::2]"), known)
    with pytest.raises(AssertionError, match="after another attempt run the cell that copies"):
        exec(answer + "\n" + cell_of(name, cell), known)
    known = copied(name)
    assert [path.name for path in (places / "results").iterdir()] == [f"exercise-{kept}"]
    exec(answer + "\n" + cell_of(name, cell), known)
    assert "Right" in capsys.readouterr().out


def test_fakes_of_another_quality_and_an_image_of_another_size_are_refused(copied):
    for quality in ("", ", quality=50"):
        known = copied("e4_planted_cue")
        answer = cell_of("e4_planted_cue", "e4-03").replace(", quality=30", quality)
        with pytest.raises(AssertionError, match=r"(train|valid): save with quality=30"):
            exec(answer + "\n" + cell_of("e4_planted_cue", "e4-04"), known)
    originals = [SimpleNamespace(image=PIL.Image.new("RGB", (64, 64)))]
    with pytest.raises(AssertionError, match="must be as large as the original: resize it") as told:
        checks.damaged(lambda original: original.image.resize((32, 32)), originals, 1.0, {})
    shown = told.value._render_traceback_()  # one sentence, and no line of the check
    assert [line.startswith("Not yet: the damaged image") for line in shown] == [True]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A finished demo run, then opened with another seed and without a run, as students do."""
    project = Project(tmp_path_factory.mktemp("classroom"))
    (project.root / "cache").mkdir()
    if (weights := ROOT / ".cache" / "vgg16_imagenet.npz").exists():
        shutil.copy(weights, project.root / "cache")
    code, output = project.run("report")
    assert code == 0, output
    mistake = "open_study('01_dataset', '', '', '', '7,')"
    project.python(f"from fakeface_utils.notebook import open_study; {mistake}")
    return project


@pytest.mark.slow
@by_name
def test_a_solution_passes_its_own_checks_and_leaves_the_demo_as_it_is(path, demo, monkeypatch):
    needed(path)
    for name, value in demo.environment.items():
        monkeypatch.setenv(name, value)
    kept = [*demo.root.glob("results/demo/**/*.csv"), *demo.root.glob("results/demo/**/*.keras")]
    before, copy = {p: p.read_bytes() for p in kept}, demo.root / path.name
    done = papermill.execute_notebook(path, copy, kernel_name="python3", progress_bar=False)
    assert len(before) > 4
    assert before == {p: p.read_bytes() for p in kept}
    for cell in tagged(done, "check"):
        assert any("Right" in str(o.get("text", "")) for o in cell.outputs)
