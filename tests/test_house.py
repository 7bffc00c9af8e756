"""What keeps the project easy to read and to trust: imports, sizes, notebooks, pages, make."""

import ast
import json
import re
import statistics
import subprocess
from pathlib import Path

import pytest
import yaml

from fakeface_utils.digests import NOT_HASHED, code_of
from fakeface_utils.extension import FOLDER, extensions
from fakeface_utils.models import MODELS
from fakeface_utils.notebook import report
from fakeface_utils.run import load_study
from fakeface_utils.settings import PROFILES, Study
from fakeface_utils.util import NOTEBOOKS, PACKAGE, ROOT, StudyError

ORDER = (  # of the house: a module imports from those before it
    "paper", "models", "util", "settings", "digests", "step", "extension", "demo", "image_files",
    "data", "networks", "training", "trained", "metrics", "evaluate", "claims", "figures", "run",
    "report", "notebook", "cluster", "chain", "cli",
)  # fmt: skip
MODULES = {
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path
    for folder in (PACKAGE, FOLDER)
    for path in sorted(folder.rglob("*.py"))
    if not path.name.startswith("test_")
}
CORE = {name: path for name, path in MODULES.items() if name.startswith("fakeface_utils.")}
BEYOND = {name: path for name, path in MODULES.items() if name.startswith("beyond.")}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES += sorted((ROOT / "docs").glob("*.md")) + sorted((ROOT / "classroom").glob("*.md"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
CHAIN = sorted(NOTEBOOKS.glob("0[1-9]_*.ipynb"))
ALL_NOTEBOOKS = [*CHAIN, *(one.notebook for one in extensions().values() if one.notebook.exists())]


def imports(path: Path, top: bool = False) -> set[str]:
    """Full names of what a module imports; at its top alone, or inside functions too."""
    tree, found = ast.parse(path.read_text()), set()
    for node in tree.body if top else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(path.relative_to(ROOT).parts[: -node.level]) if node.level else ""
            base = ".".join(filter(None, (base, node.module)))
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def room(name: str) -> str:
    """The module of the package, or its folder, that a full name lies in."""
    return name.split(".")[1] if name.startswith("fakeface_utils.") else ""


# The house.


def test_modules_import_from_those_before_them():
    assert {room(name) for name in CORE} - {"__init__"} == set(ORDER)
    arrows = {
        (room(name), room(other))
        for name, path in CORE.items()
        for other in imports(path)
        if room(other) in ORDER and room(other) != room(name)
    }
    assert ("evaluate", "metrics") in arrows  # the graph isn't empty by mistake
    back = [(a, b) for a, b in arrows if ORDER.index(a) < ORDER.index(b)]
    assert back == []


def test_the_package_knows_no_extension_and_no_extension_another():
    for name, path in CORE.items():
        assert not [other for other in imports(path) if other.split(".")[0] == "beyond"], name
        words = {
            node.value for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }  # fmt: skip
        assert not words & {*extensions()}, name
    for name, path in BEYOND.items():
        others = {other.split(".")[1] for other in imports(path) if other.startswith("beyond.")}
        assert others <= {name.split(".")[1]}, name


def test_listing_commands_and_extensions_imports_neither_keras_nor_matplotlib():
    heavy = {"keras", "tensorflow", "jax", "matplotlib", "seaborn"}
    for name, path in MODULES.items():
        roots = {other.split(".")[0] for other in imports(path, top=True)}
        assert "tensorflow" not in imports(path), name
        if room(name) in ("networks", "training"):
            assert not roots & (heavy - {"keras"}), name
        elif room(name) != "figures" and not name.endswith(".show"):
            assert not roots & heavy, name
    command = "import sys, fakeface_utils.cli; print(*sys.modules)"
    python = [str(ROOT / ".venv" / "bin" / "python"), "-c", command]
    answer = subprocess.run(python, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not heavy & {*answer.stdout.split()}


def test_a_network_is_named_where_it_is_declared_and_where_the_paper_speaks_of_it():
    allowed = {"models", "networks", "settings", "claims"}
    for name, path in CORE.items():
        words = {
            node.value for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }  # fmt: skip
        assert room(name) in allowed or not words & {*MODELS}, name


def test_html_is_written_where_it_is_escaped():
    tag = re.compile(r"</?(?:p|b|i|ul|li|dl|dt|dd|div|details|table|t[rdh]|a|img)\b[^>\n]*>")
    writers = {name for name, path in MODULES.items() if tag.search(path.read_text())}
    assert writers <= {"fakeface_utils.figures", "fakeface_utils.report"}


def test_no_module_and_no_extension_is_long():
    for name, path in MODULES.items():
        assert len(path.read_text().splitlines()) <= 400, name
    for folder in (path.parent for path in FOLDER.glob("*/__init__.py")):
        files = [path for path in folder.rglob("*.py") if not path.name.startswith("test_")]
        assert sum(len(path.read_text().splitlines()) for path in files) <= 850, folder.name


@pytest.mark.parametrize(
    ("edited", "reached", "left"),
    [
        ("image_files", {"data", "figures"}, {"demo.generate", "trained", "evaluate"}),
        ("networks.__init__", {"trained", "training"}, {"data", "evaluate"}),
        ("networks.vgg16", set(), {"data", "trained", "evaluate", "figures"}),  # by its name
        ("metrics", {"evaluate", "figures"}, {"data", "trained"}),
        ("report", {"notebook"}, {"data", "trained", "evaluate", "figures"}),
        ("chain", set(), {"data", "trained", "evaluate", "figures", "notebook"}),
    ],
)
def test_an_edit_reaches_the_steps_that_use_it_and_no_others(edited, reached, left):
    file = CORE[f"fakeface_utils.{edited}"].relative_to(ROOT).as_posix()
    for name in (*reached, *left):
        code = code_of(CORE[f"fakeface_utils.{name}"])
        assert (file in code) == (name in reached), name
        assert not {*code} & NOT_HASHED
    assert len(NOT_HASHED) <= 5


# Notebooks.


def cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("path", ALL_NOTEBOOKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_notebooks_are_short_stripped_and_told(path):
    notebook = json.loads(path.read_text())
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["metadata"]["language_info"]["name"] == "python"
    code = cells(path, "code")
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    lengths = [len("".join(cell["source"]).splitlines()) for cell in code]
    assert max(lengths) <= 32
    assert statistics.median(lengths) <= 6
    assert notebook["cells"][0]["cell_type"] == "markdown"
    if path != CHAIN[-1]:  # its page is the report itself
        told = "".join("".join(cell["source"]) for cell in cells(path, "markdown"))
        for words in ("**Reads**", "**Writes**", "**Try", "**Next:**"):
            assert words in told, words
    texts = "".join("".join(cell["source"]) for cell in notebook["cells"])
    for link in re.findall(r"\]\((?!https:)([^)]*)\)", texts):
        assert link.startswith("../"), link  # so that it leads there from a copy in work/ too
        assert (path.parent / link).is_file(), link


def test_notebooks_share_their_parameters():
    tagged = {
        "".join(cell["source"])
        for path in ALL_NOTEBOOKS
        for cell in cells(path, "code")
        if "parameters" in cell["metadata"].get("tags", [])
    }
    assert len(tagged) == 1
    names = [node.targets[0].id for node in ast.parse(tagged.pop()).body]
    assert names == ["profile", "data", "run", "seeds", "overrides"]


# What is tracked.


def tracked() -> list[Path]:
    answer = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True)
    if answer.returncode:
        pytest.skip("not a git checkout")
    return [path for name in answer.stdout.splitlines() if (path := ROOT / name).is_file()]


def test_no_path_of_a_machine_and_no_registry_is_in_the_project():
    home = re.compile(r"/(home|Users|root|work|workspace|mnt)/[a-z]|[A-Z]:\\\\Users")
    kinds = (".py", ".md", ".ipynb", ".json", ".yml", ".toml", ".lock", ".html", ".sh", ".j2")
    for path in tracked():
        if path.suffix in kinds and path != Path(__file__):
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
    """The paper's images may not be published: a run on them leaves numbers and curves here."""
    study, look_at = load_study(), {"images", "original", "decode"}
    tasks = [report.of(study), *report.of(study).before()]
    tasks += [task for one in extensions().values() for task in one.tasks(study)]
    drawing = [task for task in tasks if task.folder == study.figures]
    pictures = [task for task in drawing if look_at & {*task.step.work.__code__.co_names}]
    assert {"samples", "audit_duplicates"} <= {task.name for task in pictures}
    curves = {name for task in drawing if task not in pictures for name in task.writes}
    records = (ROOT / "results" / "examples").glob("*/study.json")
    about = {path.parent.name: json.loads(path.read_text())["dataset"] for path in records}
    for path in tracked():
        assert path.suffix not in (".jpg", ".jpeg", ".npy", ".npz", ".keras", ".h5"), path
        parts = path.relative_to(ROOT).parts
        if parts[0] in ("results", "figures"):
            assert parts[1] == "examples", path  # a name that no command writes to
            of_people = not about.get(parts[2], {"generated": True})["generated"]
            assert not of_people or path.suffix in (".csv", ".json") or path.name in curves, path
    with pytest.raises(StudyError, match="no name for a run"):
        load_study(run="examples")


# What a visitor meets first.


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?:)([^)\s]*)\)", page.read_text()):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short_and_leads_to_every_page():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name}" in text, page.name


def test_the_page_of_settings_has_them_all_as_they_are():
    page = (ROOT / "docs" / "settings.md").read_text()
    tables = [Study(**PROFILES[name]).table() for name in ("paper", "laptop", "demo")]
    for paper, *others in zip(*(table.itertuples() for table in tables), strict=True):
        here = ["" if row.here == paper.here else row.here for row in others]
        parts = [f"`{paper.setting}`", paper.here, *here, paper.source, paper.meaning]
        row = f"| {' | '.join(parts)} |"
        assert row in page, row


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_github_asks_for(path):
    form = yaml.safe_load(path.read_text())
    assert form["name"]
    assert form["description"]
    kinds = {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    assert {field["type"] for field in form["body"]} <= kinds
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in asked}) == len(asked) > 0
    assert len({field["attributes"]["label"] for field in asked}) == len(asked)
    told = (field["attributes"]["value"] for field in form["body"] if field not in asked)
    for link in re.findall(r"\(\.\./blob/main/([^)]*)\)", "".join(told)):
        assert (ROOT / link).is_file(), link


def test_the_workflow_runs_the_gate():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    job = workflow["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


# Make.


@pytest.fixture
def make(tmp_path):
    """`make` with a command in the place of `fakeface` that prints its words, one a line."""
    (tmp_path / "fakeface").write_text('#!/bin/sh\nfor word; do echo "[$word]"; done\n')
    (tmp_path / "fakeface").chmod(0o755)
    (tmp_path / "installed").touch()

    def run(*words: str) -> dict[str, str]:
        fixed = [f"BIN={tmp_path}", f"STAMP={tmp_path / 'installed'}"]
        answer = subprocess.run(
            ["make", "-s", "-o", str(tmp_path / "installed"), *fixed, *words],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        command, *given = [line[1:-1] for line in answer.stdout.splitlines()]
        assert command == words[0]
        return dict(zip(given[::2], given[1::2], strict=True))

    return run


@pytest.mark.parametrize(
    "value",
    ["/a folder/with spaces", "it's", "a; echo b", 'two "quotes"', "$(shell touch harm) $HOME $$"],
)
def test_make_hands_values_on_as_they_are(make, value):
    for target in ("report", "beyond"):
        given = make(target, f"DATA={value}", "SET=epochs=2 images_per_class=500", "SEEDS=0,4")
        assert given["--data"] == value
        assert given["--set"] == "epochs=2 images_per_class=500"
        assert given["--seeds"] == "0,4"
        assert given["--profile"] == given["--run"] == ""
    assert make("beyond", f"OTHER={value}", "ONLY=one two")["--other"] == value
