"""Draw docs/rooms.svg, the rooms of the package and which imports from which, from the imports.

`python docs/draw_rooms.py` writes it; a test says when that is due.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fakeface_utils"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")
}
FLOORS = {  # a room imports from those on the floors below it only; where it is drawn, what it does
    "cli": (0, 220, "the fakeface command"),
    "run": (1, 220, "chain, status, estimate, cluster"),
    "notebook": (1, 560, "a notebook's first call"),
    "networks": (2, 110, "models, training, maps; Keras"),
    "report": (2, 330, "tables, figures, the page"),
    "dataset": (3, 110, "images, preparing, audit"),
    "evaluation": (3, 330, "metrics, intervals, verdicts"),
    "study": (4, 220, "settings, files, the steps"),
    "common": (5, 220, "errors, paths, locks, machine"),
}
PICTURE = ROOT / "docs" / "rooms.svg"
WIDTH, HEIGHT, STOREY = 190, 46, 78  # of a room; from one floor to the next

Arrows = set[tuple[str, str]]


def imports(path: Path) -> set[str]:
    """The modules that a file imports, with every name that might be one."""
    package = path.relative_to(ROOT).parts[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            names |= {base} | {f"{base}.{name.name}" for name in node.names}
    return names


def room(module: str) -> str:
    """The room of a module of the package."""
    return module.split(".")[1]


def arrows() -> Arrows:
    """Which room imports from which."""
    return {
        (room(name), room(used))
        for name, path in MODULES.items()
        for used in imports(path) & set(MODULES)
        if room(used) != room(name) and room(name) in FLOORS
    }


def drawn(every: Arrows) -> list[tuple[str, str]]:
    """The arrows that don't follow from others."""

    def reached(start: str) -> set[str]:
        ends = {below for above, below in every if above == start}
        return ends.union(*map(reached, ends))

    return sorted(
        (above, below)
        for above, below in every
        if not any(below in reached(one) for start, one in every if start == above)
    )


def picture(every: Arrows) -> str:
    """The SVG: dark text on light rooms and grey arrows, readable on white and on black."""
    lines, rooms = [], []
    for above, below in drawn(every):
        (high, start, _), (low, end, _) = FLOORS[above], FLOORS[below]
        end += max(-80, min(80, start - end)) * 3 // 4
        ends = f'x1="{start}" y1="{high * STOREY + HEIGHT}" x2="{end}" y2="{low * STOREY - 7}"'
        lines.append(f'<line {ends} stroke="#7d8590" stroke-width="2" marker-end="url(#head)"/>')
    for name, (floor, centre, does) in FLOORS.items():
        left, top = centre - WIDTH // 2, floor * STOREY
        place = f'x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}"'
        rooms += [
            f'<rect {place} rx="6" fill="#dbe9f6" stroke="#7d8590"/>',
            f'<text x="{centre}" y="{top + 19}" font-weight="bold">{name}</text>',
            f'<text x="{centre}" y="{top + 36}" font-size="11">{does}</text>',
        ]
    listed = ", ".join(f"{above} to {below}" for above, below in sorted(every))
    tall = 5 * STOREY + HEIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 664 {tall + 4}" role="img" '
            'width="664">',
            "<title>The rooms of fakeface_utils and which imports from which</title>",
            f"<desc>{listed}</desc>",
            '<marker id="head" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="5" '
            'markerHeight="5" orient="auto"><path d="M0 0L8 4L0 8z" fill="#7d8590"/></marker>',
            *lines,
            '<g font-family="sans-serif" font-size="14" text-anchor="middle" fill="#14213d">',
            *rooms,
            "</g>",
            "</svg>\n",
        ]
    )


def shown(svg: str) -> Arrows:
    """The arrows that a picture's description lists."""
    text = re.findall(r"<desc>(.*)</desc>", svg)[0]
    return {tuple(arrow.split(" to ")) for arrow in text.split(", ")}


if __name__ == "__main__":
    PICTURE.write_text(picture(arrows()), encoding="utf-8")
