"""What the pages say of the code: paths, notebooks, extensions, errors. Links: test_house.py."""

import ast
import re
import tomllib

import pytest

from fakeface_utils.extension import FOLDER, options
from fakeface_utils.util import NOTEBOOKS, ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "classroom").glob("*.md"))]
PAGES += sorted(path for path in DOCS.glob("*.md") if path.stem != "add_your_own")  # to be made
OURS = "fakeface_utils|beyond|classroom|notebooks|tests|docs|benchmarks"


def first_column(page):
    """What stands as code in the first column of a page's tables."""
    rows = [line.split(" | ") for line in page.read_text().splitlines() if line.startswith("| `")]
    return [words for row in rows for words in re.findall(r"`([^`]+)`", row[0])]


def taken_away():
    """Folders that the page of beyond/ lists and that aren't there."""
    known = {*first_column(DOCS / "beyond.md")} - {*options("demo"), "other", "beyond_images"}
    return {name for name in known if name.isidentifier() and not (FOLDER / name).is_dir()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_path_that_is_named_is_there(page):
    for path in re.findall(rf"`((?:{OURS})/[\w/.-]*\w)/?`", page.read_text()):
        if path.startswith("beyond/") and path.split("/")[1] in taken_away():
            continue
        assert (ROOT / path).exists() or (ROOT / f"{path}.ipynb").exists(), path


def test_every_notebook_and_extension_has_its_line():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} <= {
        *first_column(DOCS / "settings.md")
    }
    beyond = {path.parent.name for path in FOLDER.glob("*/__init__.py")} | {*options("demo")}
    assert beyond <= {*first_column(DOCS / "beyond.md")}


def test_every_error_that_is_explained_can_be_raised():
    if gone := taken_away():
        pytest.skip(f"beyond/{min(gone)} was taken away")
    files = [path for name in ("fakeface_utils", "beyond") for path in (ROOT / name).rglob("*.py")]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    said = [(ROOT / "Makefile").read_text(), "No module named 'fakeface_utils'"]
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts = [p.value if isinstance(p, ast.Constant) else "\0" for p in node.values]
            said.append("".join(parts))
        elif isinstance(node, ast.Constant):
            said.append(str(node.value))
    for words in first_column(DOCS / "errors.md"):
        pattern = ".*".join(re.escape(part.strip()) for part in words.split("..."))
        assert re.search(pattern, "\n".join(said)), words


def test_conda_takes_a_python_that_the_project_allows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert "python=3.12" in (ROOT / "environment.yml").read_text()
