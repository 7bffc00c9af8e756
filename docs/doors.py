"""Links to Colab and Kaggle at the top of each notebook, with a cell that sets it up there.

`make doors` writes them, or takes them away while the repository has no public address.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from fakeface_utils.util import NOTEBOOKS, ROOT

REPOSITORY = ""  # https://github.com/NAME/REPOSITORY; empty: what git knows as origin
PAGE = re.compile(r"(?:https://github\.com/|git@github\.com:)([\w.-]+/[\w.-]+?)(?:\.git)?/?$")
TAG = "door"
LINKS = (
    "[Open in Colab](https://colab.research.google.com/github/{0}/blob/main/{1}) · "
    "[open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/{0}/blob/main/{1})"
)
SET_UP = """import importlib.util

if importlib.util.find_spec("fakeface_utils") is None:  # on Colab or Kaggle
    !git clone --quiet --depth 1 https://github.com/{0} /tmp/study
    %pip install --quiet -e /tmp/study
    import sys
    sys.path.insert(0, "/tmp/study")
    %cd /tmp/study/{1}"""


def repository() -> str:
    """NAME/REPOSITORY on GitHub; '' where there is none."""
    command = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    origin = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    found = PAGE.match(REPOSITORY or origin)
    return found[1] if found else ""


def with_door(notebook: dict[str, Any], path: str, name: str) -> dict[str, Any]:
    """The notebook with links and set-up after its title, or without them where name is ''."""
    cells = [c for c in notebook["cells"] if TAG not in c["metadata"].get("tags", [])]
    folder = path.rpartition("/")[0]
    door = {"markdown": LINKS.format(name, path), "code": SET_UP.format(name, folder)}
    new: list[dict[str, Any]] = [
        {"cell_type": kind, "id": f"{TAG}-{kind}", "metadata": {"tags": [TAG]}, "source": text}
        | ({"execution_count": None, "outputs": []} if kind == "code" else {})
        for kind, text in door.items()
    ]
    return notebook | {"cells": cells[:1] + new * bool(name) + cells[1:]}


def main(notebooks: Path = NOTEBOOKS) -> str:
    """Write them into every notebook; what was done, in a sentence."""
    name, paths = repository(), sorted(notebooks.glob("*.ipynb"))
    for path in paths:
        old = path.read_text(encoding="utf-8")
        new = with_door(json.loads(old), f"notebooks/{path.name}", name)
        if new != json.loads(old):
            path.write_text(json.dumps(new, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if name:
        return f"{len(paths)} notebooks open from github.com/{name}, once that is pushed"
    return (
        "no address on GitHub is known, so the notebooks have no links: set REPOSITORY in "
        "docs/doors.py, or git remote set-url origin https://github.com/NAME/REPOSITORY"
    )


if __name__ == "__main__":
    print(main())
    sys.exit(not repository())
