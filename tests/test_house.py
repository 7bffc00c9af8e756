"""What keeps the project easy to read and to trust: imports, sizes, notebooks, pages, make."""

import ast
import json
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import yaml

from fakeface_utils.digests import NOT_HASHED, code_of
from fakeface_utils.evaluate import difference
from fakeface_utils.extension import FOLDER, extensions
from fakeface_utils.models import MODELS
from fakeface_utils.notebook import report
from fakeface_utils.run import load_study
from fakeface_utils.settings import PROFILES, Study
from fakeface_utils.util import NOTEBOOKS, PACKAGE, ROOT

ORDER = (  # of the house: a module imports from those before it
    "paper", "models", "util", "settings", "digests", "step", "extension", "demo", "image_files",
    "data", "networks", "training", "trained", "metrics", "evaluate", "claims", "figures", "run",
    "report", "notebook", "chain", "cli",
)  # fmt: skip
MODULES = {
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path
    for folder in (PACKAGE, FOLDER)
    for path in sorted(folder.rglob("*.py"))
    if not path.name.startswith("test_")
}
CORE = {name: path for name, path in MODULES.items() if name.startswith("fakeface_utils.")}
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted(path for name in ("docs", "classroom") for path in (ROOT / name).glob("*.md"))
CHAIN = sorted(NOTEBOOKS.glob("0[1-9]_*.ipynb"))
ALL_NOTEBOOKS = [*CHAIN, *(one.notebook for one in extensions().values() if one.notebook.exists())]


def imports(path: Path, top: bool = False) -> set[str]:
    """Full names of what a module imports; at its top alone, or inside functions too."""
    tree, found = ast.parse(path.read_text()), set()
    for node in tree.body if top else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            full = ".".join([*base, *filter(None, [node.module])])
            found |= {full, *(f"{full}.{alias.name}" for alias in node.names)}
    return found


def strings(path: Path) -> set[str]:
    nodes = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant))
    return {node.value for node in nodes if isinstance(node.value, str)}


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
    assert [(a, b) for a, b in arrows if ORDER.index(a) < ORDER.index(b)] == []


def test_the_package_knows_no_extension_and_no_extension_another():
    for name, path in MODULES.items():
        others = {other.split(".")[1] for other in imports(path) if other.startswith("beyond.")}
        assert others <= ({name.split(".")[1]} if name.startswith("beyond.") else set()), name
        assert name not in CORE or not strings(path) & {*extensions()}, name


def test_a_network_is_named_where_it_is_declared_and_where_the_paper_speaks_of_it():
    for name, path in CORE.items():
        allowed = room(name) in ("paper", "models", "networks", "settings", "claims")
        assert allowed or not strings(path) & {*MODELS}, name


def test_listing_commands_and_extensions_imports_neither_keras_nor_matplotlib():
    heavy = {"keras", "tensorflow", "jax", "matplotlib", "seaborn"}
    for name, path in MODULES.items():
        roots = {other.split(".")[0] for other in imports(path, top=True)} & heavy
        assert "tensorflow" not in imports(path), name
        if room(name) in ("networks", "training"):
            assert roots <= {"keras"}, name
        elif room(name) != "figures" and not name.endswith(".show"):
            assert not roots, name
    command = [sys.executable, "-c", "import sys, fakeface_utils.cli; print(*sys.modules)"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not heavy & {*answer.stdout.split()}


def test_html_is_written_where_it_is_escaped():
    tag = re.compile(r"</?(?:p|b|i|ul|li|dl|dt|dd|div|details|table|t[rdh]|a|img)\b[^>\n]*>")
    writers = {name for name, path in MODULES.items() if tag.search(path.read_text())}
    assert writers <= {"fakeface_utils.figures", "fakeface_utils.report"}


def test_no_module_and_no_extension_is_long():
    lines = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lines.items() if length > 400} == {}
    for one in extensions():
        assert sum(n for name, n in lines.items() if name.startswith(f"beyond.{one}.")) <= 850, one


@pytest.mark.parametrize(
    ("edited", "reached", "left"),
    [
        ("image_files", {"data", "figures"}, {"demo.generate", "trained", "evaluate"}),
        ("networks.__init__", {"trained", "training"}, {"data", "evaluate"}),
        ("networks.vgg16", set(), {"data", "trained", "evaluate", "figures"}),  # by its name
        ("metrics", {"evaluate", "figures"}, {"data", "trained"}),
        ("paper", {"data", "evaluate", "figures"}, {"trained"}),  # a printed value trains nothing
        ("figures", {"notebook"}, {"data", "trained", "evaluate"}),  # nor does a colour
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
    assert all((ROOT / name).is_file() for name in NOT_HASHED)


# Notebooks.


def sources(path: Path, kind: str, tag: str = "") -> list[str]:
    cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == kind]
    tagged = [cell for cell in cells if not tag or tag in cell["metadata"].get("tags", [])]
    return ["".join(cell["source"]) for cell in tagged]


@pytest.mark.parametrize("path", ALL_NOTEBOOKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_notebooks_are_short_stripped_and_told(path):
    notebook = json.loads(path.read_text())
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["metadata"]["language_info"]["name"] == "python"
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    lengths = [len(source.splitlines()) for source in sources(path, "code")]
    assert max(lengths) <= 32
    assert statistics.median(lengths) <= 6
    told = "".join(sources(path, "markdown"))
    for words in ("**Reads**", "**Writes**", "**Try", "**Next:**"):
        assert words in told or path == CHAIN[-1], words  # its page is the report itself
    for link in re.findall(r"\]\((?!https:)([^)]*)\)", told):
        assert link.startswith("../"), link  # so that it leads there from a copy in work/ too
        assert (path.parent / link).is_file(), link


def test_notebooks_share_their_parameters():
    tagged = {source for path in ALL_NOTEBOOKS for source in sources(path, "code", "parameters")}
    assert len(tagged) == 1
    names = [node.targets[0].id for node in ast.parse(tagged.pop()).body]
    assert names == ["profile", "data", "run", "seeds", "overrides"]


def test_what_notebooks_import_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = project["tool"]["setuptools"]["packages"]["find"]["include"]
    code = "\n".join(source for path in ALL_NOTEBOOKS for source in sources(path, "code"))
    imported = {*re.findall(r"^(?:from|import) (\w+)", code, re.MULTILINE)}
    ours = {path.parent.name for path in ROOT.glob("*/*.py")}
    assert imported & ours <= {name.rstrip("*") for name in found}


# What is tracked.


def listed() -> list[Path]:
    """What git knows, there or not; nothing outside a checkout."""
    answer = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True)
    return [ROOT / name for name in answer.stdout.splitlines()]


def tracked() -> list[Path]:
    return [path for path in listed() if path.is_file()] or pytest.skip("not a git checkout")


def taken_away() -> set[Path]:
    """Folders of beyond/ that a person has removed: pages and examples of theirs stay."""
    return {path.parent for path in listed() if path.parent.parent == FOLDER} - {*FOLDER.iterdir()}


def test_no_path_of_a_machine_and_no_registry_is_in_the_project():
    home = re.compile(r"/(home|Users|root|work|workspace|mnt)/[a-z]|[A-Z]:\\\\Users")
    kinds = (".py", ".md", ".ipynb", ".json", ".yml", ".toml", ".lock", ".html", ".sh", ".j2")
    for path in tracked():
        if path.suffix in kinds and path.name != Path(__file__).name:
            text = path.read_text(encoding="utf-8")
            assert not home.search(text), (path, home.search(text))
            assert "index-url" not in text, path


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text()
    blocks = re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    return dict(block.split(" \\")[0].split("==", 1) for block in blocks)


def test_the_study_needs_no_test_tools_and_both_locks_agree():
    study, tools = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {"tensorflow", "tensorflow-cpu", "jupyterlab", "setuptools"} <= {*study}
    assert {"pytest", "pytest-xdist", "ruff", "mypy", "playwright", "execnet"} <= {*tools}
    both = {*study} & {*tools}
    assert {"typing-extensions", "packaging"} <= both
    assert {name for name in both if study[name] != tools[name]} == set()


def test_no_picture_of_a_person_and_no_array_is_tracked():
    """The paper's images may not be published: a run on them leaves numbers and curves here."""
    study, look_at = load_study(), {"images", "original", "decode"}
    tasks = report.of(study).before()
    tasks += [task for one in extensions().values() for task in one.tasks(study)]
    drawing = [task for task in tasks if task.folder == study.figures]
    pictures = [task for task in drawing if look_at & {*task.step.work.__code__.co_names}]
    gone = taken_away()  # of whose figures nothing is known
    assert {"samples", "audit_duplicates"} <= {task.name for task in pictures} or gone
    curves = {name for task in drawing if task not in pictures for name in task.writes}
    records = (ROOT / "results" / "examples").glob("*/study.json")
    about = {path.parent.name: json.loads(path.read_text())["dataset"] for path in records}
    for path in tracked():
        assert path.suffix not in (".jpg", ".jpeg", ".npy", ".npz", ".keras", ".h5"), path
        parts = path.relative_to(ROOT).parts
        if parts[0] in ("results", "figures"):
            assert parts[1] == "examples", path  # a name that no command writes to
            of_people = not about.get(parts[2], {"generated": True})["generated"]
            known = path.suffix in (".csv", ".json") or path.name in curves or gone
            assert not of_people or known, path


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
        assert target.exists() or target.resolve().parent in taken_away(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short_and_leads_to_every_page():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    assert [p.name for p in (ROOT / "docs").glob("*.md") if f"(docs/{p.name}" not in text] == []


def test_the_table_of_what_to_change_names_what_is_there():
    page = (ROOT / "docs" / "how_it_is_built.md").read_text()
    found = re.findall(r"((?:`\w+`(?:, | and )?)+) in `([\w/]+\.py)`", page)
    assert len(found) >= 12
    for names, file in found:
        for name in re.findall(r"`(\w+)`", names):
            defined = re.compile(rf"^ *(?:def |class )?{name}\b", re.MULTILINE)
            assert defined.search((PACKAGE / file).read_text()), (name, file)


def test_the_page_of_settings_has_them_all_as_they_are():
    page = (ROOT / "docs" / "settings.md").read_text()
    tables = [Study(**PROFILES[name]).table() for name in ("paper", "laptop", "demo")]
    for paper, *others in zip(*(table.itertuples() for table in tables), strict=True):
        here = ["" if row.here == paper.here else row.here for row in others]
        parts = [f"`{paper.setting}`", paper.here, *here, paper.source, paper.meaning]
        assert f"| {' | '.join(parts)} |" in page, parts


@pytest.mark.parametrize("run", ["demo", "larger", "laptop"])
def test_numbers_of_readme_and_pages_are_those_of_the_examples(run):
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    readme, *pages = [" ".join(path.read_text().split()) for path in texts]
    for row in pd.read_csv(ROOT / "results/examples" / run / "table1.csv").itertuples():
        ends = (row.ci_low, row.ci_high), (row.predicted_low, min(row.predicted_high, 1))
        mean, one_more = (f"{row.ours_mean:.3f} ({a:.3f} to {b:.3f})" for a, b in ends)
        exact = f"{row.ours_mean:.4f} ({row.ci_low:.4f} to {row.ci_high:.4f})"
        assert any(mean in page or exact in page for page in pages), mean
        shown = row.metric == "accuracy" and run != "laptop"
        assert not shown or mean in readme or one_more in readme, mean
    if run == "larger":  # README sets no drawn images beside the paper's
        study = load_study("laptop", seeds=3).model_copy(update={"run": "examples/larger"})
        assert f"{difference(study, *MODELS):+.3f}" in readme


def test_the_workflow_runs_the_gate():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    job = workflow["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    said = [step["run"] for step in job["steps"] if "run" in step]
    assert said == [".ci/run", "make report"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


@pytest.mark.parametrize(
    "value",
    ["/a folder/with spaces", "it's", "a; echo b", 'two "quotes"', "$(shell touch harm) $HOME $$"],
)
def test_make_hands_values_on_as_they_are(tmp_path, value):
    (tmp_path / "fakeface").write_text('#!/bin/sh\nfor word; do echo "[$word]"; done\n')
    (tmp_path / "fakeface").chmod(0o755)
    (tmp_path / "done").touch()
    fixed = ["make", "-s", "-o", tmp_path / "done", f"BIN={tmp_path}", f"STAMP={tmp_path / 'done'}"]
    words = [f"DATA={value}", f"OTHER={value}", "SET=epochs=2 dropout=0", "SEEDS=0,4"]
    for target in ("report", "beyond"):
        answer = subprocess.run(
            [*fixed, target, *words], cwd=ROOT, capture_output=True, text=True, check=True
        )
        command, *said = [line[1:-1] for line in answer.stdout.splitlines()]
        given = dict(zip(said[::2], said[1::2], strict=True))
        assert command == target
        assert given["--data"] == given.get("--other", value) == value
        assert given["--set"] == "epochs=2 dropout=0"
        assert given["--seeds"] == "0,4"
        assert given["--profile"] == given["--run"] == ""


@pytest.mark.parametrize("name", sorted({about.notebook for about in MODELS.values()}))
def test_a_notebook_trains_every_network_that_models_gives_to_it(name):
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert any(f'tasks_of(study, "{name}")' in source for source in code)
