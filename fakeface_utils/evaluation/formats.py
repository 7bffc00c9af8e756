"""File formats of the two classes of a set: where they differ, the codec may be the label."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..study.names import CLASSES

PROPERTIES = {"format": "file format", "size": "size", "quality": "JPEG quality"}
PROPERTIES |= {"subsampling": "chroma subsampling"}
APART = 0.1  # total variation distance below which a difference is too small to matter
DRAWS = 200  # of the classes, shuffled: what chance makes of it
RARE = 0.02  # of a set's images; rarer sizes are put together by their magnitude


def distance(values: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> float:
    """Total variation distance of the classes' shares: 0 where they agree, 1 where none is shared.

    Args:
        values: (N,) codes from 0.
        labels: (N,) 0 or 1; both classes.
    """
    counts = [np.bincount(values[labels == label], minlength=values.max() + 1) for label in (0, 1)]
    shares = [count / count.sum() for count in counts]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def differs(values: pd.Series, labels: npt.NDArray[np.int64]) -> bool:
    """Whether a property differs between the classes, by more than chance and enough to matter.

    Chance: the largest distance of `DRAWS` shuffles of the labels.
    """
    codes = pd.factorize(values)[0]
    if len(np.unique(labels)) < 2 or (apart := distance(codes, labels)) < APART:
        return False
    random = np.random.default_rng(0)
    return apart > max(distance(codes, random.permutation(labels)) for _ in range(DRAWS))


def grouped_sizes(sizes: pd.Series) -> pd.Series:
    """Sizes as '256x256', those of few images by the magnitude of their pixels' number."""
    counts = sizes.map(sizes.value_counts())
    sides = sizes.str.split("x", expand=True).astype(float)
    magnitude = np.log2(sides.prod(axis=1)).round().astype(int)
    return sizes.where(counts >= RARE * len(sizes), "about 2^" + magnitude.astype(str))


def most_common(values: pd.Series, count: int = 2) -> str:
    """The most common values with their shares, as '95 (80 %), 75 (20 %)'."""
    shares = values.value_counts(normalize=True)
    named = ", ".join(f"{value} ({share:.0%})" for value, share in shares.head(count).items())
    more = len(shares) - count
    return f"{named}, {more} more" if more > 0 else named


def formats_table(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """How the files of every set and class were saved.

    Args:
        tables: for each set its readable images, with label and the columns of `PROPERTIES`.

    Returns:
        set, class, images, a column for each of `PROPERTIES` with its most common values, and
        differs: the properties in which the set's classes differ, with commas.
    """
    rows = []
    for name, table in tables.items():
        labels = table["label"].to_numpy(dtype=np.int64)
        compared = table.assign(size=grouped_sizes(table["size"])) if len(table) else table
        apart = [title for p, title in PROPERTIES.items() if differs(compared[p], labels)]
        for label, kind in enumerate(CLASSES):
            own = table[labels == label]
            if len(own):
                values = {p: most_common(own[p]) for p in PROPERTIES}
                row = {"set": name, "class": kind, "images": len(own), **values}
                rows.append(row | {"differs": ", ".join(apart)})
    columns = ["set", "class", "images", *PROPERTIES, "differs"]
    return pd.DataFrame(rows, columns=columns)


def warnings(table: pd.DataFrame) -> list[str]:
    """A sentence for each set whose classes were saved differently.

    Args:
        table: see `formats_table`.
    """
    columns = {title: name for name, title in PROPERTIES.items()}
    sentences = []
    for name, rows in table[table["differs"] != ""].groupby("set", sort=False):
        properties = rows["differs"].iloc[0].split(", ")
        details = "; ".join(
            f"{title}: "
            + ", ".join(f"{row['class']} {row[columns[title]]}" for _, row in rows.iterrows())
            for title in properties
        )
        sentences.append(
            f"WARNING: real and fake of {name} were saved differently ({details}). The codec may "
            "be the label here: in a large benchmark such differences moved results by more than "
            "11 points (Grommelt et al. 2024, arXiv:2403.17608). Save both classes alike first."
        )
    return sentences
