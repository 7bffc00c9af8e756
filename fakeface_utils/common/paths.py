"""Every place the study reads or writes, anchored at the repository's root.

Four environment variables move the places that may be large or shared: FAKEFACE_DATA,
FAKEFACE_CACHE, FAKEFACE_RESULTS and FAKEFACE_FIGURES.
"""

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PACKAGE = ROOT / "fakeface_utils"

NOTEBOOKS = ROOT / "notebooks"

UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"
)  # surrogates: bytes that are not UTF-8


def _place(variable: str, default: str) -> Path:
    """The folder that an environment variable names, else the default under the root."""
    return Path(os.environ.get(variable) or ROOT / default).expanduser().resolve()


def data_dir() -> Path:
    """Downloaded, generated and prepared images (21 GB for the paper's); FAKEFACE_DATA moves it."""
    return _place("FAKEFACE_DATA", "data")


def cache_dir() -> Path:
    """Verified ImageNet weights (59 MB); FAKEFACE_CACHE moves it."""
    return _place("FAKEFACE_CACHE", ".cache")


def results_dir(run: str) -> Path:
    """Tables, histories, predictions, models, report of one run; FAKEFACE_RESULTS moves them."""
    return _place("FAKEFACE_RESULTS", "results") / run


def figures_dir(run: str) -> Path:
    """Figures of one run; FAKEFACE_FIGURES moves them."""
    return _place("FAKEFACE_FIGURES", "figures") / run


def escaped(text: str) -> str:
    """Text that is safe to print: control characters and broken UTF-8 become backslash escapes."""
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def shown(path: Path) -> str:
    """A path as a person would type it: relative to the repository where it lies inside."""
    return escaped(str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path))
