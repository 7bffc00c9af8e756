"""Make classroom/exercises/ from classroom/solutions/: `python classroom/make_exercises.py`.

A cell tagged 'solution' keeps the comment it begins with; below stands the stub in its metadata.
"""

import itertools
from pathlib import Path

import nbformat

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


def main() -> None:
    """Write every exercise."""
    for path in sorted((HERE / "solutions").glob("*.ipynb")):
        nbformat.write(exercise(nbformat.read(path, 4)), HERE / "exercises" / path.name)


if __name__ == "__main__":
    main()
