"""What keeps the project easy to read and to trust: rooms, notebooks, sizes, numbers, make."""

import ast
import json
import re
import statistics
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from docs.draw_rooms import FLOORS, MODULES, PACKAGE, PICTURE, ROOT, arrows, imports, room, shown
from fakeface_utils.evaluation import calibration, insight, robustness
from fakeface_utils.evaluation.learning_curve import sentence
from fakeface_utils.evaluation.table1 import difference
from fakeface_utils.study.artefacts import figure_files, read_calibration, read_csv
from fakeface_utils.study.beyond import BEYOND, beyond_steps
from fakeface_utils.study.beyond_artefacts import (
    ELSEWHERE_FIGURE,
    elsewhere_csv,
    read_learning_curve_json,
)
from fakeface_utils.study.elsewhere import elsewhere_steps
from fakeface_utils.study.insight import insight_drawing_step, insight_pictures_step
from fakeface_utils.study.learning_curve import curve_drawing_step
from fakeface_utils.study.parameters import RESERVED, load_study
from fakeface_utils.study.plan import chain_steps, figures_step, pictures_step
from fakeface_utils.study.robustness import robustness_drawing_step
from fakeface_utils.study.step import CONTENTS, used_modules

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_the_package_never_imports_tensorflow_and_one_room_imports_keras():
    for name, path in MODULES.items():
        roots = {module.split(".")[0] for module in imports(path)}
        assert "tensorflow" not in roots, name
        assert "keras" not in roots or room(name) == "networks", name


def test_rooms_import_from_the_rooms_below_and_modules_in_no_circle():
    graph = {name: imports(path) & set(MODULES) - {name} for name, path in MODULES.items()}
    del graph["fakeface_utils.__init__"]
    assert {room(name) for name in graph} == set(FLOORS)
    assert ("evaluation", "study") in arrows()  # the graph isn't empty by mistake
    for above, below in arrows():
        assert FLOORS[above][0] < FLOORS[below][0], f"{above} imports {below}"
    while graph:
        free = [name for name, needed in graph.items() if not needed & set(graph)]
        assert free, f"a circle among {sorted(graph)}"
        for name in free:
            del graph[name]


def test_the_picture_of_the_rooms_shows_what_is_imported():
    assert shown(PICTURE.read_text()) == arrows(), "run python docs/draw_rooms.py"


def test_names_are_imported_from_where_they_are_defined():
    """A name passed on by accident ties a room to another for nothing."""
    passed_on = {
        f"{name}.{alias.asname or alias.name}"
        for name, path in MODULES.items()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for name, path in MODULES.items():
        assert not imports(path) & passed_on - set(MODULES), name


def test_every_room_says_what_it_reads_and_writes():
    for path in PACKAGE.glob("*/__init__.py"):
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert "Reads" in text, path
        assert "rites" in text, path


def test_html_is_made_by_templates_alone():
    """A tag in a string of Python is a text that nobody escapes; `as_svg` writes matplotlib's."""
    for name, path in MODULES.items():
        tags = re.findall(r"</?(?:p|b|i|ul|li|dl|dt|dd|div|details|table|t[rdh]|a|img)\b[^>\n]*>",
                          path.read_text())  # fmt: skip
        assert tags == [], name


def test_no_module_is_long():
    for name, path in MODULES.items():
        assert len(path.read_text().splitlines()) <= 320, name


def steps():
    study = load_study(data="kaggle", seeds=2)
    notebooks = chain_steps(study) | beyond_steps(study)
    notebooks["09_elsewhere"] = elsewhere_steps(load_study("demo"))
    return [step for group in notebooks.values() for step in group]


def test_the_code_of_a_step_is_found_by_its_imports():
    for step in steps():
        assert (PACKAGE / step.module).is_file(), step.name
        assert step.module in step.code
        carried = [name for name in step.code if name.startswith(("common/", "study/"))]
        assert set(carried) <= set(CONTENTS), step.name
    with pytest.raises(FileNotFoundError):
        used_modules("networks/no_such_module.py")


@pytest.mark.parametrize(
    ("edited", "first", "untouched"),
    [
        ("dataset/decode.py", "prepare", set()),
        ("networks/models.py", "train", {"prepare", "audit", "features"}),
        ("networks/imagenet.py", "features", {"prepare", "audit"}),
        ("evaluation/intervals.py", "table", {"prepare", "audit", "features", "train", "predict"}),
        ("report/figures.py", "figures", {"prepare", "train", "predict", "table", "compare"}),
        ("report/tables.py", "report", {"prepare", "train", "predict", "table", "figures"}),
        ("report/background.py", "report", {"prepare", "train", "predict", "table", "figures"}),
        ("study/settings.py", None, {step.kind for step in steps()}),
        ("run/chain.py", None, {step.kind for step in steps()}),
    ],
)
def test_an_edit_reaches_the_steps_that_use_it_and_no_others(edited, first, untouched):
    touched = {step.kind for step in steps() if edited in step.code}
    assert first is None or first in touched
    assert not touched & untouched


def test_the_base_of_vgg16_is_no_business_of_the_custom_cnns_training():
    codes = {step.model: step.code for step in steps() if step.kind == "train"}
    assert "networks/imagenet.py" in codes["vgg16"]
    assert "networks/imagenet.py" not in codes["custom_cnn"]


def cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_short_stripped_and_told(path):
    notebook = json.loads(path.read_text())
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["metadata"]["language_info"]["name"] == "python"
    code = cells(path, "code")
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    lengths = [len("".join(cell["source"]).splitlines()) for cell in code]
    assert max(lengths) <= 15
    assert statistics.median(lengths) <= 5
    assert notebook["cells"][0]["cell_type"] == "markdown"
    if path.stem != "06_report":  # its page is the report itself
        opening = "".join(notebook["cells"][0]["source"])
        assert "**Reads**" in opening
        assert "**Writes**" in opening
        last = "".join(notebook["cells"][-1]["source"])
        assert "**Try" in last
        assert "**Next:**" in last


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_of_notebooks_lead_to_files_from_a_copy_in_work_too(path):
    text = "".join("".join(cell["source"]) for cell in cells(path, "markdown"))
    for link in re.findall(r"\]\((?!https:)([^)]*)\)", text):
        assert link.startswith("../"), link
        assert (path.parent / link).is_file(), link


def test_notebooks_share_their_parameters():
    tagged = [
        "".join(cell["source"])
        for path in NOTEBOOKS
        for cell in cells(path, "code")
        if "parameters" in cell["metadata"].get("tags", [])
    ]
    assert {path.stem for path in NOTEBOOKS} <= {*chain_steps(load_study()), *BEYOND}
    assert len(tagged) == len(NOTEBOOKS) > len(chain_steps(load_study()))
    assert len(set(tagged)) == 1
    names = [node.targets[0].id for node in ast.parse(tagged[0]).body]
    assert names == ["profile", "data", "run", "seeds", "overrides", "force"]


def tracked() -> list[Path]:
    answer = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True)
    if answer.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in answer.stdout.splitlines()]


def test_no_path_of_a_machine_and_no_registry_is_in_the_project():
    home = re.compile(r"/(home|Users|root|work|workspace|mnt)/[a-z]|[A-Z]:\\\\Users")
    for path in tracked():
        if path.suffix in (
            ".py",
            ".md",
            ".ipynb",
            ".json",
            ".yml",
            ".toml",
            ".lock",
            ".html",
            ".sh",
        ):
            if path.name == Path(__file__).name or not path.exists():
                continue
            text = path.read_text(encoding="utf-8")
            assert not home.search(text), (path, home.search(text))
            assert "index-url" not in text, path


def pins(lock: str) -> set[str]:
    text = (ROOT / lock).read_text()
    blocks = re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    return {block.split(" \\")[0] for block in blocks}


def test_the_study_needs_no_test_tools_and_both_locks_agree():
    study, tools = pins("requirements.lock"), pins("requirements-dev.lock")
    study_names, tool_names = ({pin.partition("==")[0] for pin in lock} for lock in (study, tools))
    assert {"tensorflow", "tensorflow-cpu", "jupyterlab", "setuptools"} <= study_names
    assert {"pytest", "pytest-xdist", "ruff", "mypy", "playwright", "execnet"} <= tool_names
    assert {"typing-extensions", "packaging"} <= study_names & tool_names
    assert {pin for pin in study if pin.partition("==")[0] in tool_names} == study & tools


def test_no_picture_of_a_person_and_no_array_is_tracked():
    for path in tracked():
        assert path.suffix not in (".jpg", ".jpeg", ".npy", ".npz", ".keras", ".h5"), path


def test_no_committed_figure_of_given_images_shows_one():
    """The paper's images may not be published: a run on them leaves numbers and curves here."""
    study = load_study("laptop", seeds=2)
    drawing = (figures_step(study), curve_drawing_step(study), insight_drawing_step(study))
    drawing += (robustness_drawing_step(study),)
    numbers = {path.name for step in drawing for path in step.outputs}
    numbers |= {path.name for path in figure_files(study, ELSEWHERE_FIGURE)}
    pictures = (pictures_step(study), insight_pictures_step(study))
    assert not numbers & {path.name for step in pictures for path in step.outputs}
    records = (ROOT / "results" / "examples").glob("*/study.json")
    given = {
        p.parent.name for p in records if not json.loads(p.read_text())["dataset"]["generated"]
    }
    for path in tracked():
        if path.relative_to(ROOT).parts[1:2] == ("examples",) and given & set(path.parts):
            assert path.suffix in (".csv", ".json") or path.name in numbers, path


def test_only_the_pictures_show_images():
    readers = {name for name, path in MODULES.items() if "read_images" in path.read_text()}
    shown = {name for name in readers if room(name) in ("report", "evaluation", "run")}
    assert shown == {"fakeface_utils.report.pictures", "fakeface_utils.report.quiz"}


def test_only_submit_writes_to_tracked_results():
    kept = [path.relative_to(ROOT).parts for path in tracked()]
    assert {parts[1] for parts in kept if parts[0] == "figures"} == {"examples"}
    assert {parts[1] for parts in kept if parts[0] == "results"} == {"examples", "registry"}
    assert {"examples", "registry"} <= set(RESERVED)  # no run's name, so no other command's place
    handed_in = [parts[2:] for parts in kept if parts[:2] == ("results", "registry")]
    assert all(len(rest) == 1 and rest[0].endswith(".json") for rest in handed_in)
    writers = {
        name
        for name, path in MODULES.items()
        if "REGISTRY" in path.read_text() and "write_atomic" in path.read_text()
    }
    assert writers == {"fakeface_utils.evaluation.submission"}


def test_the_readmes_numbers_are_those_of_the_examples():
    """Every number beside 'demo' in README's first table and the model card's."""
    table = pd.read_csv(ROOT / "results" / "examples" / "demo" / "table1.csv")
    table = table.set_index(["metric", "model"])
    readme = (ROOT / "README.md").read_text()
    card = (ROOT / "docs" / "model_card.md").read_text()
    for model in ("custom_cnn", "vgg16"):
        row = table.loc["accuracy", model]
        ends = [row["predicted_low"], min(row["predicted_high"], 1)]
        text = f"{row['ours_mean']:.3f} ({ends[0]:.3f} to {ends[1]:.3f})"
        assert text in readme, text
        for metric in ("accuracy", "precision", "recall", "f1"):
            row = table.loc[metric, model]
            text = f"{row['ours_mean']:.4f} ({row['ci_low']:.4f} to {row['ci_high']:.4f})"
            assert text in card, text


def test_the_numbers_from_the_papers_images_are_those_of_their_run():
    """In README's first table and in docs/paper_images.md."""
    table = pd.read_csv(ROOT / "results" / "examples" / "laptop" / "table1.csv")
    readme = (ROOT / "README.md").read_text()
    page = (ROOT / "docs" / "paper_images.md").read_text()
    for row in table.itertuples():
        text = f"{row.ours_mean:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f})"
        assert text in page, text
        assert text in readme or row.metric != "accuracy", text
        assert row.verdict.startswith("not comparable (other image counts)")
    for profile, seeds in (("laptop", 3), ("demo", 5)):
        study = load_study(profile, seeds=seeds).model_copy(update={"run": f"examples/{profile}"})
        better = difference(study)
        text = f"{better['difference']:+.3f} ({better['low']:+.3f} to {better['high']:+.3f})"
        assert text in readme, text
    curves = read_learning_curve_json(
        load_study("laptop").model_copy(update={"run": "examples/laptop"})
    )
    words = " ".join(page.split())
    for model, curve in curves.items():
        assert sentence(model, curve) in words, model
    laptop = load_study("laptop").model_copy(update={"run": "examples/laptop"})
    for text in (robustness.summary(laptop), insight.summary(laptop)):
        assert text in words, text
    for model, measured in read_calibration(laptop).items():
        assert calibration.sentence(model, measured) in words, model
    for row in read_csv(elsewhere_csv(laptop)).itertuples():
        text = f"{row.accuracy:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f})"
        assert text in words, text


@pytest.fixture
def make(tmp_path):
    """`make` with a command in the place of `fakeface` that prints its words, one a line."""
    (tmp_path / "fakeface").write_text('#!/bin/sh\nfor word; do echo "[$word]"; done\n')
    (tmp_path / "fakeface").chmod(0o755)
    (tmp_path / "installed").touch()

    def run(*words: str) -> list[str]:
        fixed = [f"BIN={tmp_path}", f"STAMP={tmp_path / 'installed'}"]
        answer = subprocess.run(
            ["make", "-s", "-o", str(tmp_path / "installed"), *fixed, *words],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return [line[1:-1] for line in answer.stdout.splitlines()]

    return run


@pytest.mark.parametrize(
    "value",
    [
        "/a folder/with spaces",
        "it's",
        "a; echo b",
        'two "quotes"',
        "$(shell touch harm) $HOME $$",
    ],
)
def test_make_hands_values_on_as_they_are(make, value):
    words = make("report", f"DATA={value}", "SET=epochs=2 images_per_class=500", "SEEDS=0,4")
    given = dict(zip(words[1::2], words[2::2], strict=False))
    assert words[0] == "report"
    assert given["--data"] == value
    assert given["--set"] == "epochs=2 images_per_class=500"
    assert given["--seeds"] == "0,4"
    assert given["--profile"] == given["--run"] == ""
    assert "--force" not in words


def test_make_forces_only_where_told(make):
    assert "--force" in make("beyond", "FORCE=1")
