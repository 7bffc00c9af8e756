"""Rows of docs/paper_images.md on the custom CNN with and without `augment=all`.

`python -m docs.figures.cure` prints them, from results/examples/larger/cure.csv.
"""

import pandas as pd

from fakeface_utils.metrics import Known
from fakeface_utils.util import ROOT

CURE = ROOT / "results" / "examples" / "larger" / "cure.csv"


def cure() -> pd.DataFrame:
    """What both networks say of each set of images: `none` without and `all` with augmentation."""
    return pd.read_csv(CURE).set_index("images")


def difference(row: pd.Series, of: str = "") -> str:
    """With minus without, in accuracy or, of 'found_', in the share of fakes found."""
    names = (f"{of}difference", f"{of}low", f"{of}high")
    return f"{Known(*(row[name] for name in names)):+.3f}"


def damage_rows() -> list[str]:
    """A row for the test images undamaged and after each damage."""
    table = cure()
    rows = []
    for name, row in table[table["loss_none"].notna()].iterrows():
        lost = ["", ""]
        if name != "Undamaged":
            ends = [[f"loss_{v}", f"loss_low_{v}", f"loss_high_{v}"] for v in ("none", "all")]
            lost = [f"{Known(*row[names]):.3f}" for names in ends]
        cells = [
            name,
            f"{row.accuracy_none:.3f}",
            f"{row.accuracy_all:.3f}",
            difference(row),
            *lost,
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def other_rows() -> list[str]:
    """A row for each set of other faces: fakes found and photographs called fake."""
    table = cure()
    rows = []
    for name, row in table[table["loss_none"].isna()].iterrows():
        cells = [str(name), f"{row.fakes:.0f} / {row.reals:.0f}"]
        for share in ("fakes_found", "false_alarms"):
            values = (row[f"{share}_{augment}"] for augment in ("none", "all"))
            cells += ["-" if pd.isna(value) else f"{value:.2f}" for value in values]
        cells.append(difference(row, "found_") if row.fakes else "-")
        rows.append(f"| {' | '.join(cells)} |")
    return rows


if __name__ == "__main__":
    for made in (damage_rows(), other_rows()):
        print("\n".join(made), end="\n\n")
