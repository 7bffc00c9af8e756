"""A run on damaged test images: figures, tables, and the report's section."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML

from fakeface_utils.figures import (
    HALF,
    INK,
    SOFT,
    Drawn,
    inline,
    looks_of,
    picture,
    pictures,
    save,
    title,
)
from fakeface_utils.metrics import Known
from fakeface_utils.models import titled
from fakeface_utils.report import as_table, fold, items, paragraphs
from fakeface_utils.settings import Study
from fakeface_utils.step import Task, step
from fakeface_utils.util import count

from .ask import damaged
from .damages import DAMAGES, as_fraction
from .measure import robustness

CALLED = {  # images mixed of two: line, and what it stands for
    "fake_high": ("-", "high band of a fake"),
    "fake_low": ("--", "low band of a fake"),
    "control": (":", "two reals"),
}
CAPTIONS = {
    "robustness": "Accuracy on the same test images after each damage, weakest at the left, with "
    "the 95 % interval of each mean; below it the share of all images that is called fake. Blur "
    "and the chain are scaled with the stored image, so that they mean the same for every size.",
    "frequency_bands": "What the networks still know from a band of frequencies alone, and what "
    "they call images mixed from the low band of one and the high band of another.",
}


def tasks(study: Study) -> list[Task]:
    """All that is measured and drawn, in order."""
    return [*damaged.all(study), robustness.of(study), robustness_figures.of(study)]


@step("robustness", after=["dataset", "robustness"], **pictures(*CAPTIONS))
def robustness_figures(study: Study, out: Path) -> None:
    """Draw both figures; they show no image."""
    table, cuts = (robustness.of(study).read(name) for name in robustness.of(study).writes)
    save(out, "robustness", of_damages(study, table))
    save(out, "frequency_bands", of_bands(study, table, cuts))


def of_damages(study: Study, table: pd.DataFrame) -> Drawn:
    """Two panels for each kind of damage: accuracy, and the share called fake."""
    shown = ("damage", "control", "attack")
    families = {f: damage for f, damage in DAMAGES.items() if damage.kind in shown}
    panels = {d.title: [f] for f, d in families.items() if len(d.levels) > 1}
    panels["Others"] = [f for f, d in families.items() if len(d.levels) == 1 and f != "clean"]
    rows = (len(panels) + 1) // 2
    looks: Any = {"figsize": (HALF, 3 * rows), "height_ratios": (3, 1.6) * rows}
    figure, axes = plt.subplots(2 * rows, 2, sharey="row", **looks)
    for axis in axes[-2:, 1]:
        axis.set_visible(len(panels) % 2 == 0)
    for number, (about, members) in enumerate(panels.items()):
        row, column = divmod(number, 2)
        _panel(axes[2 * row : 2 * row + 2, column], study, table, members, about)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    title(figure, study, _basis(table))
    return figure, f"Accuracy after each damage. {' '.join(sentences(table))}"


def of_bands(study: Study, table: pd.DataFrame, cuts: pd.DataFrame) -> Drawn:
    """The filters as the damages; below them what mixed images are called."""
    filters = [family for family, damage in DAMAGES.items() if damage.kind == "filter"]
    columns = max(len(filters), cuts["model"].nunique())
    looks: Any = {"figsize": (HALF * columns / 2, 6.8), "height_ratios": (3, 1.6, 3)}
    figure, axes = plt.subplots(3, columns, sharey="row", **looks)
    for column, family in enumerate(filters):
        _panel(axes[:2, column], study, table, [family], DAMAGES[family].title)
    for axis, (model, own) in zip(axes[2], cuts.groupby("model", sort=False), strict=False):
        look = looks_of(study)[str(model)]
        for kind, (dash, _) in CALLED.items():
            axis.plot(range(len(own)), own[kind], **look | {"ls": dash})
            ends = own[f"{kind}_from"], own[f"{kind}_to"]
            axis.fill_between(range(len(own)), *ends, color=look["color"], alpha=0.12, lw=0)
        axis.set_xticks(range(len(own)), map(as_fraction, own["cutoff"]))
        axis.set(xlabel="cut, of Nyquist", ylim=(-0.03, 1.03))
        axis.set_title(f"Mixed, {titled(str(model))}")
    axes[2, 0].set_ylabel("called fake")
    for dash, what in CALLED.values():
        axes[0, 0].plot([], [], dash, color=SOFT, label=what)  # for the legend
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    title(figure, study, _basis(table))
    told = (
        f"{titled(row.model)} cut at {as_fraction(row.cutoff)}: {row.decides}"
        for row in cuts.itertuples()
    )
    return figure, f"Which band decides what mixed images are called. {'; '.join(told)}."


def _panel(axes: Any, study: Study, table: pd.DataFrame, families: list[str], about: str) -> None:
    """One or more families of damage, undamaged at the left."""
    (above, below), several = axes, len(families) > 1
    for number, (model, rows) in enumerate(table.groupby("model", sort=False)):
        own = rows[rows["family"].isin(("clean", *families))]
        look, places = looks_of(study)[str(model)], np.arange(float(len(own)))
        if several:  # nothing lies between two of them; bars stand side by side
            look, places = look | {"ls": ""}, places + 0.2 * number - 0.1
            above.vlines(places, own["low"], own["high"], color=look["color"])
        else:
            ends = own["low"], own["high"]
            above.fill_between(places, *ends, color=look["color"], alpha=0.18, lw=0)
        above.plot(places, own["accuracy"], label=titled(str(model)), **look)
        below.plot(places, own["called_fake"], **look | {"lw": 1, "ms": 4})
    names = ["none", *(_words(row, short=True) for row in own[1:].itertuples())]
    for axis, shown in ((above, [""] * len(own)), (below, names)):
        axis.set_xticks(range(len(own)), shown)
        axis.axhline(0.5, ls=":", color=INK, lw=1)
    above.set(title=about, ylim=(min(0.4, table["low"].min()) - 0.05, 1.03))
    below.set(ylim=(-0.05, 1.05), yticks=(0, 0.5, 1))
    below.set_xlabel("" if several else DAMAGES[families[0]].axis)
    if above.get_subplotspec().is_first_col():
        above.set_ylabel("accuracy")
        below.set_ylabel("called fake")


def _words(row: Any, short: bool = False) -> str:
    """A row's damage: in full, or as there is room below an axis."""
    damage = DAMAGES[row.family]
    if np.isnan(row.level):  # it has one strength
        return damage.title.lower().replace(" ", "\n") if short else damage.title
    return damage.tick(row.level) if short else damage.words(row.level)


def _basis(table: pd.DataFrame) -> str:
    return f"{table['images'].max():,} images, {count(int(table['seeds'].max()), 'seed')}"


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """All damages for a person, with what each interval says."""
    clean = table[table["family"] == "clean"].set_index("model")
    rows = []
    for row in table.itertuples():
        had, lost = clean.loc[row.model], Known(row.loss, row.loss_low, row.loss_high)
        verdict, more = "no change seen", row.called_fake - had.called_fake
        if had.low <= 0.5:
            verdict = "guesses undamaged"
        elif lost.low > 0:
            verdict = f"loses, calls more {'fake' if more > 0 else 'real'}" if more else "loses"
        elif lost.high < 0:
            verdict = "gains"
        undamaged = row.family == "clean"
        same = not undamaged and row.images == had.images
        words = {
            "damage": _words(row),
            "model": titled(row.model),
            "images": row.images,
            "accuracy": f"{Known(row.accuracy, row.low, row.high):.3f}",
            "lost": "" if undamaged else f"{lost:.3f}",
            "reals right": _with_change(row.real_accuracy, had.real_accuracy, same),
            "fakes right": _with_change(row.fake_accuracy, had.fake_accuracy, same),
            "called fake": f"{row.called_fake:.3f}",
            "AUC": f"{row.auc:.3f}",
            "verdict": "" if undamaged else verdict,
        }
        rows.append(words)
    return pd.DataFrame(rows)


def _with_change(now: float, before: float, same: bool) -> str:
    """A share with what the damage changed, if it is of the same images."""
    return f"{now:.3f}" + (f" ({now - before:+.3f})" if same else "")


def shares(cuts: pd.DataFrame) -> pd.DataFrame:
    """What mixed images are called, for a person."""
    shown = {"cut, of Nyquist": cuts["cutoff"].map(as_fraction)}
    shown["model"] = [titled(model) for model in cuts["model"]]
    for kind, (_, words) in CALLED.items():
        ends = cuts[[kind, f"{kind}_from", f"{kind}_to"]].itertuples(index=False)
        shown[words] = [f"{Known(*values):.2f}" for values in ends]
    return pd.DataFrame(shown | {"decides": cuts["decides"]})


def sentences(table: pd.DataFrame) -> list[str]:
    """For each model how many damages that pictures meet cost accuracy, and which costs most."""
    said = []
    for model, own in table.groupby("model", sort=False):
        clean = own[own["family"] == "clean"].iloc[0]
        had = f"{titled(str(model))}: right on {clean.accuracy:.3f} of these images undamaged"
        if clean.low <= 0.5:
            said.append(f"{had}, no better than guessing: what damage costs can't be told.")
            continue
        met = own[[DAMAGES[family].kind == "damage" for family in own["family"]]]
        lose, worst = (met["loss_low"] > 0).sum(), met.loc[met["loss"].idxmax()]
        most = f"{_words(worst)}, costs {Known(worst.loss, worst.loss_low, worst.loss_high):.3f}"
        said.append(f"{had}; {lose} of {len(met)} damages cost accuracy. The worst, {most}.")
    return said


def summary(study: Study) -> str:
    """What the command prints at its end."""
    return "\n".join(sentences(robustness.of(study).read()))


def section(study: Study) -> HTML:
    """The report's section."""
    table, cuts = (robustness.of(study).read(name) for name in robustness.of(study).writes)
    about = (
        "Means over seeds, 95 % intervals in brackets; by chance alone, one loss in twenty lies "
        "outside its interval"
    )
    return paragraphs(
        [
            picture(study, "robustness", CAPTIONS["robustness"]),
            items(sentences(table)),
            picture(study, "frequency_bands", CAPTIONS["frequency_bands"]),
            as_table(shares(cuts), "Mixed images that are called fake, as a share"),
            fold("All damages in numbers", as_table(costs(table), about)),
        ]
    )


def in_rows(rows: list[dict[str, Any]], what: str) -> HTML:
    """Rows of images by name; None, where a damage doesn't apply, leaves a place empty."""
    figure, axes = plt.subplots(len(rows), 6, figsize=(6, 1.3 * len(rows)))
    for axis in axes.flat:
        axis.set_axis_off()
    for line, row in zip(axes, rows, strict=True):
        for axis, (name, pixels) in zip(line, row.items(), strict=False):
            if pixels is not None:
                axis.imshow(pixels)
                axis.set_title(name, size=7)
    names = "; ".join(", ".join(row) for row in rows).replace("\n", " ")
    return inline((figure, f"{what}: {names}."))
