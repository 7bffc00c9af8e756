"""What keeps the project easy to read: notebooks, imports, sizes."""

import ast
import json
import statistics
from pathlib import Path

import pytest

from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import ablation_steps, chain_steps, prepare_step

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fakeface_utils"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")
}
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
KERAS = {"models", "features", "training", "predict", "device", "vgg16_base", "dataset.batches"}
KERAS |= {"bench.gpu", "bench.processor"}


def imports(path: Path, everywhere: bool = True) -> set[str]:
    """The modules a file imports; only those at its top where `everywhere` is false."""
    package = ".".join(path.relative_to(ROOT).parts[:-1])
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join([*above, *([node.module] if node.module else [])])
            base = base if node.level else node.module
            found |= {base} | {f"{base}.{name.name}" for name in node.names}
    return found


def test_the_package_never_imports_tensorflow_and_few_modules_import_keras():
    for name, path in MODULES.items():
        roots = {module.split(".")[0] for module in imports(path)}
        assert "tensorflow" not in roots, name
        assert ("keras" in roots) <= (name.removeprefix("fakeface_utils.") in KERAS), name


def test_imports_run_one_way():
    graph = {name: imports(path) & set(MODULES) - {name} for name, path in MODULES.items()}
    assert graph["fakeface_utils.evaluation"]  # the graph isn't empty by mistake
    while graph:
        free = [name for name, needed in graph.items() if not needed & set(graph)]
        assert free, f"a circle among {sorted(graph)}"
        for name in free:
            del graph[name]


def test_the_code_that_a_step_depends_on_exists():
    study = load_study(data="kaggle")
    steps = [
        step for group in (chain_steps(study) | ablation_steps(study)).values() for step in group
    ]
    for step in [*steps, prepare_step(load_study())]:
        assert step.code, step.name
        for name in step.code:
            assert (PACKAGE / name).is_file(), f"{step.name}: {name}"


def test_no_module_is_long():
    for name, path in MODULES.items():
        assert len(path.read_text().splitlines()) <= 320, name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_short_stripped_and_told(path):
    notebook = json.loads(path.read_text())
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["metadata"]["language_info"]["name"] == "python"
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    lengths = [len("".join(cell["source"]).splitlines()) for cell in code]
    assert max(lengths) <= 15
    assert statistics.median(lengths) <= 5
    told = "".join("".join(cell["source"]) for cell in notebook["cells"][:1])
    assert notebook["cells"][0]["cell_type"] == "markdown"
    if path.stem != "06_report":  # its page is the report itself
        assert "**Reads**" in told
        assert "**Writes**" in told
        last = "".join(notebook["cells"][-1]["source"])
        assert "What was seen" in last
        assert "**Next:**" in last


def test_notebooks_share_their_parameters():
    cells = [
        "".join(cell["source"])
        for path in NOTEBOOKS
        for cell in json.loads(path.read_text())["cells"]
        if "parameters" in cell["metadata"].get("tags", [])
    ]
    assert len(cells) == len(NOTEBOOKS) == 7
    assert len(set(cells)) == 1
    names = [node.targets[0].id for node in ast.parse(cells[0]).body]
    assert names == ["profile", "data", "run", "seeds", "overrides", "force"]


def test_nothing_of_this_machine_is_in_the_project():
    tracked = [*PACKAGE.rglob("*"), *NOTEBOOKS, ROOT / "README.md", ROOT / "requirements.lock"]
    for path in tracked:
        if path.is_file() and "__pycache__" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert str(ROOT) not in text, path
            assert "index-url" not in text, path
