"""Make exercises/ from solutions/: `.venv/bin/python classroom/make_exercises.py`.

A cell tagged 'solution' keeps the comment it begins with; below stands the stub in its metadata.
For the lecturer it writes all answers on one page, solutions.html, which git ignores.
"""

import itertools
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

HERE = Path(__file__).parent


def exercise(solution: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A solution's notebook with each answer replaced by its stub; nothing else changes."""
    for cell in solution.cells:
        if "solution" in cell.metadata.get("tags", []):
            lines = cell.source.splitlines() if cell.cell_type == "code" else []
            comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
            cell.source = "\n".join([*comment, cell.metadata["stub"]])
            del cell.metadata["stub"], cell.metadata["tags"]
    return solution


def key(solutions: list[nbformat.NotebookNode]) -> str:
    """One page of all answers: titles, code that solves, questions with their key."""
    cells = []
    for solution in solutions:
        title, *rest = solution.cells
        title.source = title.source.splitlines()[0]
        answers = [cell for cell in rest if "solution" in cell.metadata.get("tags", [])]
        asked = [cell for cell in rest if cell.source.startswith("## Questions")]
        cells += [title, *(cell for cell in rest if cell in answers + asked)]
    together = nbformat.v4.new_notebook(cells=cells)
    exporter = HTMLExporter(mathjax_url="", require_js_url="")  # it opens offline
    return str(exporter.from_notebook_node(together, {"metadata": {"name": "Solutions"}})[0])


def main() -> None:
    """Write every exercise, and the page of all answers."""
    paths = sorted((HERE / "solutions").glob("*.ipynb"))
    for path in paths:
        nbformat.write(exercise(nbformat.read(path, 4)), HERE / "exercises" / path.name)
    page = key([nbformat.read(path, 4) for path in paths])
    (HERE / "solutions.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
