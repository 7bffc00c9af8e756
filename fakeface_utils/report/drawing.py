"""One look for every figure, and how a figure is saved."""

import base64
import html
import io
import re
import textwrap
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import PIL.Image
import PIL.PngImagePlugin
from matplotlib.figure import Figure

from ..common.files import write_atomic
from ..study.artefacts import figure_files, read_dataset
from ..study.paper import PAPER_COUNTS
from ..study.settings import Study

HALF, FULL = 4.8, 9.9  # inches: the two widths; a page shows 100 CSS pixels an inch
PIXELS = 100
NOTE = 9  # points: ticks, legends, notes; all else is 10
PLAIN = "font-family:system-ui,'DejaVu Sans',sans-serif;stroke-linejoin:round;stroke-linecap:butt"

# In an SVG the ink is the page's own colour of text. The rest has a contrast of 3 or more on white
# and on a dark page; line, marker and colour each tell two apart on their own.
INK = "#1b1b1f"
SOFT, FAINT = INK + "a0", INK + "30"
LOOKS: dict[str, dict[str, Any]] = {
    "custom_cnn": {"color": "#0173b2", "marker": "o", "ls": "-"},
    "vgg16": {"color": "#c97b00", "marker": "s", "ls": "--", "mfc": "none"},
    "train": {"color": "#7d828b", "marker": "o", "ls": "-"},
    "valid": {"color": "#cc4455", "marker": "s", "ls": "--", "mfc": "none"},
    "real": {"color": "#02936c", "marker": "o", "ls": "-", "mfc": "none"},
    "fake": {"color": "#a8559a", "marker": "s", "ls": "--"},
}

STYLE: Any = {
    "figure.dpi": PIXELS,
    "savefig.dpi": 160,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "fakeface",
    "figure.figsize": (HALF, 3.2),
    "figure.constrained_layout.use": True,
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    **dict.fromkeys(("figure.titlesize", "legend.fontsize", "legend.title_fontsize"), NOTE),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), NOTE),
    "legend.frameon": False,
    "lines.markersize": 5,
    "axes.facecolor": "none",
    "axes.edgecolor": SOFT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "image.interpolation": "none",  # a photograph keeps its own pixels
    "image.composite_image": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("xtick.bottom", "ytick.left"), False),  # the grid's lines are enough
}

plt.rcParams.update(STYLE)  # in notebooks too
DRAWN_COLOURS = 2**12  # more than a drawing has, edges and all
Drawn = tuple[Figure, str]  # a figure and its text alternative


def save(study: Study, name: str, drawn: Drawn) -> None:
    """Save a figure as PNG, PDF and SVG, with its text alternative inside, and close it."""
    figure, alternative = drawn
    png, pdf, svg = figure_files(study, name)
    # No date or version inside: the same data gives the same file.
    with write_atomic(png) as part:
        figure.savefig(part, metadata={"Description": alternative, "Software": None})
        _fewer_colours(part, alternative)
    with write_atomic(pdf) as part:
        figure.savefig(part, metadata={"Subject": alternative, "CreationDate": None})
    with write_atomic(svg) as part:
        part.write_text(as_svg(figure, name, alternative), encoding="utf-8")
    plt.close(figure)


def as_svg(figure: Figure, name: str, alternative: str) -> str:
    """A figure as an element for a page, light or dark: no ground, its text is text.

    Args:
        figure: of width `HALF` or `FULL`.
        name: what makes its ids unique in a page.
        alternative: what it shows, in words.
    """
    file, nothing = io.StringIO(), dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", facecolor="none", metadata=nothing)
    _, head, body = re.split(r"(<svg[^>]*>)", file.getvalue(), maxsplit=1)
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', body))
    body = re.sub(
        r' id="([^"]+)"', lambda it: f' id="{name}-{it[1]}"' if it[1] in used else "", body
    )
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", body)
    body = re.sub(r"(base64,)([^\"]+)", lambda it: it[1] + _smaller(it[2]), body)
    # A hundredth of a point is finer than any screen.
    body = re.sub(r' (?:d|x|y)="[^"]*"', lambda it: re.sub(r"(\.\d\d)\d+", r"\1", it[0]), body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body).replace(INK, "currentColor")
    body = re.sub(r"(-opacity: 0\.\d\d)\d+|rotate\(-0 [^)]*\)", r"\1", body)
    body = re.sub(r'<path [^>]*style="fill: none"/>|<defs>\s*</defs>', "", body)
    bare = r"<g>((?:(?!</?g\b).)*)</g>"  # groups that held an id alone
    while re.search(bare, body, re.DOTALL):
        body = re.sub(bare, r"\1", body, flags=re.DOTALL)
    body = re.sub(r"\s*\n\s*", "\n", body)
    box, words = re.findall(r'viewBox="[^"]*"', head)[0], html.escape(alternative, quote=True)
    looks = f"max-width:{PIXELS * figure.get_figwidth():.0f}px;width:100%;height:auto;{PLAIN}"
    links = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {links} {box} style="{looks}" role="img" aria-label="{words}">{body}'


def _smaller(data: str) -> str:
    """A PNG in base64 without the channels that it doesn't need."""
    with PIL.Image.open(io.BytesIO(base64.b64decode(data))) as file:
        image = file.convert("RGBA")
    if image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
        red, green, blue = image.split()
        image = red if red.tobytes() == green.tobytes() == blue.tobytes() else image
    png = io.BytesIO()
    image.save(png, format="png", optimize=True)
    return base64.b64encode(png.getvalue()).decode()


def _fewer_colours(path: Path, alternative: str) -> None:
    """Make a drawing's PNG a third as large; one with photographs stays as it is."""
    with PIL.Image.open(path) as file:
        image = file.convert("RGB")
    if image.getcolors(DRAWN_COLOURS) is None:
        return
    about = PIL.PngImagePlugin.PngInfo()
    about.add_text("Description", alternative)
    few = image.quantize(256, dither=PIL.Image.Dither.NONE)
    few.save(path, pnginfo=about, optimize=True, dpi=(STYLE["savefig.dpi"],) * 2)


def alternative_text(study: Study, name: str) -> str:
    """The text alternative that a figure's PNG carries."""
    with PIL.Image.open(figure_files(study, name)[0]) as image:
        return str(image.info["Description"])


def title(figure: Figure, study: Study, *words: str) -> None:
    """Above a figure what its caption can't know: these words, and whose images they are."""
    parts, room = [*filter(None, (*words, mark(study)))], int(14 * figure.get_figwidth())
    lines = [*parts[:1]]
    for part in parts[1:]:  # broken between parts, where that is possible
        whole = f"{lines[-1]}; {part}"
        lines[-1:] = [whole] if len(whole) <= room else [lines[-1], part]
    figure.suptitle("\n".join(textwrap.fill(line, room) for line in lines), x=0.01, ha="left")


def mark(study: Study) -> str:
    """What a figure says of generated data, other images than the paper's, and random weights."""
    dataset, paper = read_dataset(study), Study()
    number, theirs = sum(dataset["counts"]["train"].values()), 2 * PAPER_COUNTS["train"]
    words = []
    if dataset["generated"]:
        words.append("drawn demo images")
    elif (number, study.image_size) != (theirs, paper.image_size):
        words.append(
            f"{number:,} training images at {study.image_size} pixels "
            f"(the paper: {theirs:,} at {paper.image_size})"
        )
    if study.vgg16_weights == "random":
        words.append("VGG16 with random weights")
    return "; ".join(words)


def seeds_of(count: int) -> str:
    """'one seed', or how many."""
    return "one seed" if count == 1 else f"{count} seeds"
