"""One style for every figure, and how a figure is saved."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import PIL.Image
import PIL.PngImagePlugin
import seaborn as sns
from matplotlib.figure import Figure

from ..common.files import write_atomic
from ..study.artefacts import figure_files, read_dataset
from ..study.paper import PAPER_COUNTS
from ..study.settings import Study

TRAIN, VALID = sns.color_palette("colorblind")[0], sns.color_palette("colorblind")[1]

STYLE: Any = {"figure.dpi": 100, "savefig.dpi": 160, "axes.grid": True, "pdf.fonttype": 42}

plt.rcParams.update(sns.axes_style("whitegrid") | STYLE)  # in notebooks too
DRAWN_COLOURS = 2**12  # more than a drawing has, edges and all
Drawn = tuple[Figure, str]  # a figure and its text alternative


def save(study: Study, name: str, drawn: Drawn) -> None:
    """Save a figure as PNG and PDF, with its text alternative inside, and close it."""
    figure, alternative = drawn
    for path, key in zip(figure_files(study, name), ("Description", "Subject"), strict=True):
        # No date or version inside: the same data gives the same file.
        plain = {"Software": None} if path.suffix == ".png" else {"CreationDate": None}
        with write_atomic(path) as part:
            figure.savefig(part, metadata={key: alternative, **plain})
            if path.suffix == ".png":
                _fewer_colours(part, alternative)
    plt.close(figure)


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


def mark(study: Study) -> str:
    """What a title adds for generated data, other images than the paper's, and random weights."""
    dataset, paper = read_dataset(study), Study()
    number, theirs = sum(dataset["counts"]["train"].values()), 2 * PAPER_COUNTS["train"]
    words = ""
    if dataset["generated"]:
        words = " - generated data, not the paper's"
    elif (number, study.image_size) != (theirs, paper.image_size):
        words = (
            f"\n{number:,} training images at {study.image_size} pixels "
            f"(the paper: {theirs:,} at {paper.image_size})"
        )
    return words + (" - VGG16 with random weights" if study.vgg16_weights == "random" else "")
