"""Rows and figures of docs/paper_images.md on the larger part, from results/examples/.

`python -m docs.figures.larger` draws the figures again and prints the rows.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from beyond.compare.measure import differences
from beyond.confidence.show import scores_table
from beyond.learning_curve.show import draw
from fakeface_utils.figures import HALF, NOTE, OTHERS, SOFT, Drawn, looks_of, save
from fakeface_utils.metrics import Known, confusion, scores
from fakeface_utils.models import MODELS, titled
from fakeface_utils.paper import METRICS, TABLE1
from fakeface_utils.settings import Study
from fakeface_utils.step import read_file
from fakeface_utils.util import ROOT

EXAMPLES = ROOT / "results" / "examples"
LARGER = EXAMPLES / "larger"
MOVES = {  # as `robustness` calls them, and the table of a stranger's networks
    "Flipped": "left and right exchanged",
    "Shifted 8 (pixels, of 256)": "shifted by 8 of 256 pixels",
    "Cropped 90% (share of the side)": "cropped to 90 %",
}


def row_of(*cells: object) -> str:
    """A row of a table on a page."""
    return f"| {' | '.join(map(str, cells))} |"


def table1_rows() -> list[str]:
    """Table 1 of both runs and as printed: a row for each metric."""
    runs = [read_file(EXAMPLES / run / "table1.csv") for run in ("larger", "laptop")]
    rows = []
    for metric in METRICS:
        cells = []
        for table in runs:
            own = table[table["metric"] == metric].set_index("model")
            names = ["ours_mean", "ci_low", "ci_high"]
            cells += [f"{Known(*own.loc[model, names]):.3f}" for model in MODELS]
        printed = (TABLE1[model][metric] for model in MODELS)
        rows.append(row_of("F1" if metric == "f1" else metric, *cells, *printed))
    return rows


def calibration_rows() -> list[str]:
    """Whether p_fake can be believed: a row for each network, before and after."""
    scored = scores_table(read_file(LARGER / "confidence" / "calibration.json"))
    return [
        row_of(
            f"{row.model}, {row.p_fake}",
            *(f"{value:.3f}" for value in (row.ece, row.ece_expected, row.ece_high)),
            row.verdict,
        )
        for row in scored.itertuples()
    ]


def moved_rows() -> list[str]:
    """What moving the test images costs, three seeds: a row for each damage and network."""
    rows = []
    for row in read_file(LARGER / "moved.csv").itertuples():
        accuracy = "" if pd.isna(row.accuracy) else f"{row.accuracy:.3f}"
        lost = Known(row.loss, row.loss_low, row.loss_high)
        rows.append(row_of(row.images, titled(row.model), accuracy, f"{lost:.3f}"))
    return rows


def memory_rows() -> list[str]:
    """Recall of fakes whose face is in training, and of the others: a row for each network."""
    rows = []
    for row in read_file(LARGER / "memory.csv").itertuples():
        apart = Known(row.difference, row.low, row.high)
        shares = (f"{value:.3f}" for value in (row.recall_in_training, row.recall_others))
        rows.append(row_of(row.network, *shares, f"{apart:+.3f}"))
    return rows


def without_leaks_rows() -> list[str]:
    """Table 1 of VGG16 as it is and trained without the leaked faces, on the same test images."""
    called, matrices = [], []
    for run in ("larger", "clean"):
        paths = sorted((EXAMPLES / run / "vgg16").glob("seed-*/predictions.csv"))
        seeds = [pd.read_csv(path).set_index("path").sort_index() for path in paths]
        truth = seeds[0]["label"].to_numpy() == 1
        called.append(np.array([own["p_fake"] >= 0.5 for own in seeds]))
        matrices.append([confusion(own["label"], own["p_fake"]) for own in seeds])
    before, after = map(scores, matrices)
    apart = differences((truth, called[0]), (truth, called[1]), paired=True)
    return [
        row_of(
            "F1" if name == "f1" else name,
            f"{before[name]:.3f}",
            f"{after[name]:.3f}",
            f"{apart[name]:+.3f}",
        )
        for name in METRICS
    ]


def points() -> pd.DataFrame:
    """The learning curve of the smaller run, and the larger run on the same test images."""
    both = [read_file(EXAMPLES / run / "learning_curve.csv") for run in ("laptop", "larger")]
    return pd.concat(both, ignore_index=True)


def draw_curve() -> Drawn:
    """The learning curve with the larger run's points."""
    drawn = draw(Study(), points())
    words = "112 pixels (the paper: 224), the same 1,200 test images"
    drawn[0].suptitle(words, x=0.01, ha="left", size=NOTE)
    return drawn


def cure() -> pd.DataFrame:
    """What both networks say of each set of images: `none` without and `all` with augmentation."""
    return pd.read_csv(LARGER / "cure.csv").set_index("images")


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
        rows.append(row_of(*cells))
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
        rows.append(row_of(*cells))
    return rows


def lost_by_moving() -> pd.DataFrame:
    """What each move costs five kinds of networks, undamaged right on a share `home`."""
    home = read_file(LARGER / "table1.csv").set_index(["metric", "model"])["ours_mean"]["accuracy"]
    both = [pd.read_csv(EXAMPLES / run / "moved.csv") for run in ("larger", "regime")]
    ours, regime = (table.set_index(["images", "model"]) for table in both)
    others = pd.read_csv(EXAMPLES / "others" / "damaged.csv").set_index(["network", "damage"])
    ends, rows = ["loss", "loss_low", "loss_high"], []
    at_home = cure().loc["Undamaged", "accuracy_all"]
    for name, move in MOVES.items():
        custom, vgg16 = (ours.loc[(name, model), ends] for model in MODELS)
        own, other = regime.loc[(name, "custom_cnn")], others.loc[("all 16", move)]
        cured = cure().loc[name, [f"{end}_all" for end in ends]]
        rows += [
            ("custom CNN", home["custom_cnn"], move, *custom),
            ("the same in the paper's regime, one seed", own.accuracy + own.loss, move, *own[ends]),
            ("16 of a stranger's", other.undamaged, move, *other[["loss", "low", "high"]]),
            ("custom CNN trained on moved images, one seed", at_home, move, *cured),
            ("VGG16", home["vgg16"], move, *vgg16),
        ]
    table = pd.DataFrame(rows, columns=["network", "home", "move", *Known._fields])
    return table.round({"home": 6})


def draw_moved() -> Drawn:
    """What moving a face costs each kind of network, with its interval."""
    table, own = lost_by_moving(), looks_of(Study())
    looks = own["custom_cnn"], OTHERS[2], OTHERS[0], OTHERS[1], own["vgg16"]
    figure, axis = plt.subplots(figsize=(HALF, 4.2))
    spoken, by_network = [], table.groupby("network", sort=False)
    for k, ((name, rows), look) in enumerate(zip(by_network, looks, strict=True)):
        label = f"{name}: {rows['home'].iloc[0]:.3f} undamaged"
        ends = np.abs(rows[["low", "high"]].to_numpy() - rows[["mean"]].to_numpy()).T
        places = np.arange(len(rows)) + 0.16 * (k - 2)
        axis.errorbar(rows["mean"], places, xerr=ends, label=label, **look | {"ls": ""})
        lost = (f"{Known(row.mean, row.low, row.high):.3f} {row.move}" for row in rows.itertuples())
        spoken.append(f"{label}, lost {', '.join(lost)}")
    axis.axvline(0, color=SOFT, lw=1)
    axis.set_yticks(range(len(MOVES)), [words.replace(" of ", "\nof ") for words in MOVES.values()])
    axis.set(xlabel="accuracy lost", ylim=(len(MOVES) - 0.5, -0.5))
    axis.grid(visible=False, axis="y")
    figure.legend(loc="outside lower left", ncols=1)
    words = "11,811 training images at 112 pixels (the stranger's: 100,000 at 256)"
    figure.suptitle(words, x=0.01, ha="left", size=NOTE)
    return figure, f"What moving the test images costs: {'; '.join(spoken)}."


if __name__ == "__main__":
    save(ROOT / "figures" / "examples" / "laptop", "learning_curve", draw_curve())
    save(ROOT / "figures" / "examples" / "others", "moved", draw_moved())
    made = table1_rows(), calibration_rows(), moved_rows(), damage_rows(), other_rows()
    for rows in (*made, memory_rows(), without_leaks_rows()):
        print("\n".join(rows), end="\n\n")
