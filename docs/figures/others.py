"""Tables and figures of docs/others_networks.md and related.md, from results/examples/others/.

`python -m docs.figures.others` draws the figures again and prints the tables' rows.
"""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from docs.figures.larger import points
from fakeface_utils.figures import HALF, INK, LOOKS, NOTE, SOFT, Drawn, looks_of, save
from fakeface_utils.metrics import Known
from fakeface_utils.models import MODELS
from fakeface_utils.paper import COUNTS, TABLE1
from fakeface_utils.settings import Study
from fakeface_utils.util import ROOT

EXAMPLES = ROOT / "results" / "examples"
HOME, FAR = "Kaggle test", ("Stable Diffusion 2.1", "face swaps")
Look = dict[str, Any]  # of marks in a figure
LOOKED_AT: dict[str, Look] = {  # the sets of statement 9
    "StyleGAN2, FFHQ": LOOKS["real"] | {"ls": ""},
    "StyleGAN2, Unsplash": LOOKS["fake"] | {"ls": ""},
    "StyleGAN3": {"color": INK, "marker": "^", "ls": ""},
}
ASKED = {"recall": "asked at 0.5", "recall_at_5": "5 % false alarms at home"}
KINDS: dict[str, tuple[str, Look]] = {
    "own": ("trained from nothing", {"marker": "o", "mfc": "none"}),
    "frozen": ("frozen, pretrained", {"marker": "s"}),
    "tuned": ("pretrained, trained further", {"marker": "^"}),
}
ON_KAGGLES = ("test", "validation", "validation of rvf10k")  # of these images, drawn by Kaggle


def networks() -> pd.DataFrame:
    """A stranger's networks: a row for each and each set of images."""
    return pd.read_csv(EXAMPLES / "others" / "networks.csv")


def published() -> pd.DataFrame:
    """What others report on these images."""
    return pd.read_csv(EXAMPLES / "others" / "published.csv", keep_default_na=False)


def accuracy(home: pd.DataFrame) -> pd.Series:
    """Of rows with as many fakes as reals."""
    return (home["recall"] + 1 - home["false_alarms"]) / 2


def network_rows() -> list[str]:
    """A row for each network: published, here, false alarms at home, found elsewhere."""
    table = networks()
    by_set = {name: own.set_index("network") for name, own in table.groupby("set", sort=False)}
    home, rows = by_set[HOME].assign(here=lambda own: accuracy(own)), []
    for name, own in home.sort_values("published", ascending=False).iterrows():
        elsewhere = [by_set[one].loc[name, "recall"] for one in (*LOOKED_AT, *FAR)]
        shares = [f"{value:.2f}" for value in (own["false_alarms"], *elsewhere)]
        reals = f"{by_set['CelebA'].loc[name, 'false_alarms']:.2f}"
        words = [name, f"{own['published']:.3f}", f"{own['here']:.3f}", *shares, reals]
        rows.append(f"| {' | '.join(words)} |")
    return rows


def order() -> pd.DataFrame:
    """Rank correlations of accuracy at home with what is found elsewhere, in words as `said`."""
    table = pd.read_csv(EXAMPLES / "others" / "order.csv")
    ends = zip(table["rho"], table["low_both"], table["high_both"], strict=True)
    return table.assign(said=[f"{rho:+.2f} ({low:+.2f} to {high:+.2f})" for rho, low, high in ends])


def order_rows() -> list[str]:
    """A row for each set, a cell for each measure."""
    table = order()
    wide = table.pivot(index="set", columns="measure", values="said")
    wide = wide.loc[table["set"].unique(), ["recall", "recall_at_5", "auc"]].fillna("-")
    return [f"| {' | '.join([name, *cells])} |" for name, *cells in wide.itertuples()]


def damage_rows() -> list[str]:
    """A row for each damage: what it costs all networks on the average, and the best at home."""
    table = pd.read_csv(EXAMPLES / "others" / "damaged.csv")
    best, rows = networks()["network"].iloc[0], []
    for name, own in table.groupby("damage", sort=False):
        one = own.set_index("network").loc[["all 16", best]]
        lost = [f"{Known(*values):.3f}" for values in one[["loss", "low", "high"]].to_numpy()]
        called = [
            f"{100 * one.loc['all 16', k]:.0f} %" for k in ("called_fake_undamaged", "called_fake")
        ]
        rows.append(f"| {' | '.join([str(name), *lost, ' to '.join(called)])} |")
    return rows


def memory() -> str:
    """How much more often fakes are found whose face is known to be in training, all networks."""
    table = pd.read_csv(EXAMPLES / "others" / "leaked.csv").set_index("network")
    return f"{Known(*table.loc['all 16', ['difference', 'low', 'high']]):+.3f}"


def related_rows() -> list[str]:
    """A row for each published number."""
    rows = []
    for one in published().itertuples():
        owner, at = one.source.split("/")[0], f"https://github.com/{one.source}/tree/{one.commit}"
        source = f"[{owner}]({at}) {one.commit}" if one.commit else one.source
        cells = [
            source,
            one.network,
            f"{one.training_images:,}",
            one.pixels or "not said",
            str(one.seeds),
        ]
        cells += [f"{one.tested_on}, {one.tested:,}", f"{one.accuracy:.4f}"]
        rows.append(f"| {' | '.join([*cells, '; '.join(filter(None, (one.read, one.note)))])} |")
    return rows


def draw_networks() -> Drawn:
    """Fakes found elsewhere against accuracy at home, at two thresholds."""
    table, said = networks(), order().set_index(["set", "measure"])["said"]
    figure, axes = plt.subplots(2, 1, figsize=(HALF, 6.4), sharex=True)
    spoken = []
    for axis, (measure, words) in zip(axes, ASKED.items(), strict=True):
        for name, look in LOOKED_AT.items():
            own, label = table[table["set"] == name], f"{name}: {said[name, measure]}"
            axis.plot(own["published"], own[measure], label=label, **look)
            spoken.append(f"{words}, {label}")
        axis.set(title=words, ylabel="fakes found (share)", ylim=(-0.03, 1.03))
        below = -0.2 if axis is axes[1] else -0.02  # the ticks and words of x
        legend = {"title": "rank correlation with the accuracy", "alignment": "left"}
        axis.legend(loc="upper left", bbox_to_anchor=(-0.03, below), **legend)
    axes[1].set_xlabel("accuracy on Kaggle's test images, as published")
    figure.suptitle("a stranger's 16 networks", x=0.01, ha="left", size=NOTE)
    return figure, (
        "Share of newer generators' fakes that each of sixteen networks finds, against its "
        "published accuracy at home. Rank correlation with its 95 % interval: "
        f"{'; '.join(spoken)}."
    )


def draw_related() -> Drawn:
    """Our learning curve, and what others report for as many training images."""
    measured, looks = points(), looks_of(Study())
    figure, axis = plt.subplots(figsize=(HALF, 4.6))
    for model, about in MODELS.items():
        own, look = measured[measured["model"] == model], looks[model]
        error = 1 - own.groupby(2 * own["images_per_class"])["accuracy"].mean()
        axis.plot(2 * own["images_per_class"], 1 - own["accuracy"], **look | {"ls": ""})
        axis.plot(error, **look | {"marker": ""})
        axis.plot([], [], label=f"{about.title}, ours", **look)
        star = look | {"marker": "*", "ls": "", "ms": 12}
        axis.plot(2 * COUNTS["train"], 1 - TABLE1[model]["accuracy"], **star, zorder=3)
    axis.plot([], [], "*", color=SOFT, ms=12, label="the paper")
    table = published()
    theirs = table[(table["commit"] != "") & table["tested_on"].isin(ON_KAGGLES)]
    for kind, (words, look) in KINDS.items():
        own = theirs[theirs["kind"] == kind]
        axis.plot(
            own["training_images"] * 1.12,  # beside the stars
            1 - own["accuracy"],
            **look | {"ls": "", "color": INK},
            label=f"others': {words}",
        )
    axis.set(xscale="log", yscale="log", xlabel="training images, both classes")
    axis.set_ylabel("test error (% of images)")
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.set_yticks([0.0005, 0.002, 0.01, 0.05, 0.2, 0.5], minor=False)
    axis.yaxis.set_major_formatter(lambda error, place: f"{100 * error:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())
    figure.legend(loc="outside lower left", ncols=2)
    said = [f"{one.accuracy:.4f} at {one.training_images:,}" for one in theirs.itertuples()]
    words = "Our learning curve with the paper's values and others' results"
    return figure, f"{words}: {', '.join(said)}."


if __name__ == "__main__":
    out = ROOT / "figures" / "examples" / "others"
    save(out, "networks", draw_networks())
    save(out, "related", draw_related())
    for made in (network_rows(), order_rows(), damage_rows(), [memory()], related_rows()):
        print("\n".join(made), end="\n\n")
