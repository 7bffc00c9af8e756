"""Print requirements.lock without the test tools: `python classroom/class_lock.py`.

Hashes stay. Left out are the packages of the extra 'dev' and those that only they need, as the
lock's own comments tell ('via').
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def class_lock(lock: str, tools: set[str]) -> str:
    """The lock without `tools` and what only they need."""
    blocks = re.split(r"^(?=\S+==)", lock, flags=re.MULTILINE)
    names = [block.partition("==")[0] for block in blocks]
    needed_by = [
        set(re.findall(r"^ +# +(?:via )?([a-z][\w.-]*)", block, re.M)) - {"via"} for block in blocks
    ]
    left_out: set[str] = set()
    more = tools
    while more:
        left_out |= more
        pairs = zip(names, needed_by, strict=True)
        more = {name for name, by in pairs if by and by <= left_out} - left_out
    return "".join(block for name, block in zip(names, blocks, strict=True) if name not in left_out)


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tools = {re.split("[<>=]", tool)[0] for tool in project["optional-dependencies"]["dev"]}
    print(class_lock((ROOT / "requirements.lock").read_text(encoding="utf-8"), tools), end="")
