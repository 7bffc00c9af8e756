"""The audit in tables, figures and words."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from fakeface_utils.data import about, images, manifest
from fakeface_utils.figures import (
    FAINT,
    HALF,
    INK,
    LOOKS,
    SOFT,
    Drawn,
    picture,
    pictures,
    save,
    title,
)
from fakeface_utils.metrics import Known
from fakeface_utils.paper import CLASSES, SPLITS
from fakeface_utils.report import as_table, fold, paragraphs
from fakeface_utils.settings import Study
from fakeface_utils.step import STEPS, Task, step

from .leak import PAPER_LEARNED, by_chance, by_twins
from .measure import audit
from .memory import leaked_accuracy
from .pairs import COMPARED, SHIFTS

MODELLED = {"drawn by chance": by_chance, "at most twins": by_twins}
ON_LEAKS = (
    "The network may remember such a face. With the paper's images it is a model's, no measurement "
    "(too much by chance, if some faces were drawn more often); no pair is as good as up to 3.7."
)
ON_CUES = (
    "Logistic regression on a cue that isn't about the face, cross-validated on training images. "
    "Chance is what always guessing the larger class gets right."
)
SEEN = "Does the split leak? Shares of test images whose face is in training or validation too"


def tasks(study: Study) -> list[Task]:
    """What the notebook does, from images alone."""
    return [one.of(study) for one in (audit, audit_figures, audit_duplicates)]


def findings(study: Study) -> pd.DataFrame:
    """Columns 'looked at' and 'found'."""
    found, counts = audit.of(study).read(), about(study)["counts"]
    near = f"near-duplicates{'' if found['complete'] else ', at least'}"
    counted = {f"images in {split}": counts[split] for split in SPLITS}
    counted |= {name: found[name] for name in ("sizes", "modes")}
    counted |= {"exact duplicates": found["pairs"]["exact"], near: found["pairs"]["near"]}
    listed = {
        what: ", ".join(f"{kind}: {number:,}" for kind, number in numbers.items())
        for what, numbers in counted.items()
    }
    leaked = f"{len(found['leaked']):,} of {sum(counts['test'].values()):,}"
    listed["test images with a duplicate in training or validation"] = leaked
    sharp = {name: Known(*found["sharpness"][name]) for name in (*CLASSES, "fake minus real")}
    words = ", ".join(f"{name} {value:.1f}" for name, value in sharp.items())
    listed["how sharp the mean face is (its gradient's mean square)"] = words
    return pd.DataFrame(listed.items(), columns=["looked at", "found"])


def cue_table(found: dict[str, Any]) -> pd.DataFrame:
    """cue, accuracy, ci_low, ci_high, balanced accuracy, and the chance of guessing right."""
    table = pd.DataFrame(found["cues"], index=["accuracy", "ci_low", "ci_high", "balanced"]).T
    return table.rename_axis("cue").reset_index().assign(chance=found["chance"])


def summary(study: Study) -> str:
    """The audit for a terminal; it stands on the images alone."""
    found, pairs = audit.of(study).read(), audit.of(study).read("duplicates.csv")
    lines = [f"{what}: {which}" for what, which in findings(study).itertuples(index=False)]
    for cue, *known, _, chance in cue_table(found).itertuples(index=False):
        lines.append(f"class predicted from {cue} alone: {Known(*known):.3f}; chance: {chance:.3f}")
    for pair in pairs.head(20).itertuples():
        apart = f"{pair.difference} grey levels apart"
        lines.append(f"{pair.kind}: {pair.path_a} and {pair.path_b} ({apart})")
    return "\n".join(lines)


def leak_tables(found: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of each class how many faces its pairs mean; and how many test faces are seen before.

    By model, without any pair, there is an upper end alone.
    """
    counts, seen = [], []
    for kind in reversed(CLASSES):
        of = {**found["leak"][kind]}
        seen.append((kind, "measured", *(round(x, 6) for x in of.pop("measured")[-1].values())))
        for name, model in MODELLED.items():
            faces = [of[number] for number in ("faces", "faces_high", "faces_low")]
            seen.append(
                (kind, name, PAPER_LEARNED, *(n and model(PAPER_LEARNED, n) for n in faces))
            )
        rounded = {name: round(n) if n and n > 100 else n for name, n in of.items()}
        counts.append({"class": kind, **rounded})
    columns = ["class", "basis", "among others", "test faces seen", "low", "high"]
    return pd.DataFrame(counts, dtype=object), pd.DataFrame(seen, columns=columns)


def section(study: Study) -> HTML:
    """The audit's part of the report; accuracy on leaked images where the networks were tested."""
    found, pairs = audit.of(study).read(), audit.of(study).read("duplicates.csv")
    least = "" if found["complete"] else ", at least: the search stopped at its limit"
    crossing = pairs.query("split_a != split_b")
    named = crossing[["kind", "path_a", "path_b", "distance", "difference"]].head(20)
    parts = [
        as_table(findings(study), "What the audit found"),
        fold(f"Duplicates that cross splits: {len(crossing):,}", as_table(named)),
        as_table(cue_table(found), f"Cheap cues, on {found['cue_images']:,} training images"),
        picture(study, "audit_cues", "Predicting the class from one cheap cue.", ON_CUES),
        picture(study, "audit_duplicates", "The most similar pairs: are they duplicates?"),
    ]
    if not about(study)["generated"]:  # drawn portraits tell nothing of the paper's 60,000
        captions = f"Pairs and triples with one face{least}", SEEN
        parts += map(as_table, leak_tables(found), captions)
        curve = picture(study, "leak_curve", "Test images whose face was seen before.", ON_LEAKS)
        parts.append(curve)
    if found["leaked"] and not any(task.why_stale() for task in STEPS["predict"].all(study)):
        seen = leaked_accuracy(study, found["leaked"]).astype(object).fillna("-")
        parts.append(as_table(seen, "Accuracy on leaked test images and without them"))
    return paragraphs(parts)


@step("audit", after=["dataset", "audit"], **pictures("audit_cues", "leak_curve"))
def audit_figures(study: Study, out: Path) -> None:
    """How well cheap cues predict the class, and the leak; no image is shown."""
    found = audit.of(study).read()
    save(out, "leak_curve", leak_curve(study, found["leak"]))
    table, chance = cue_table(found), found["chance"]
    figure, axis = plt.subplots(figsize=(HALF, 0.3 * len(table) + 1.1))
    axis.hlines(table.index, table["ci_low"], table["ci_high"], color=SOFT, lw=2)
    axis.plot(table["accuracy"], table.index, "o", color=INK)
    axis.axvline(chance, color=INK, ls=":", lw=1)
    axis.set(xlim=(0.38, 1.0), ylim=(len(table) - 0.5, -0.5))
    axis.set_yticks(table.index, table["cue"])
    axis.set_xlabel("accuracy, 95 % interval (dotted: chance)")
    title(figure, study)
    reached = table["cue"] + table["accuracy"].map(" {:.3f}".format)
    said = f"The class predicted from one cheap cue (chance: {chance:.3f}): {', '.join(reached)}."
    save(out, "audit_cues", (figure, f"Accuracy. {said}"))


def leak_curve(study: Study, leaks: dict[str, Any]) -> Drawn:
    """Share of test images whose face is among n others; of photographs also by model to 60,000."""
    ends = {kind: leaks[kind]["measured"][-1] for kind in reversed(CLASSES)}
    most = max(end["n"] for end in ends.values())
    top = 1.15 * max(end["high"] for end in ends.values())
    drawn = about(study)["generated"]  # and says nothing of the paper's images
    shown: tuple[tuple[str, ...], ...] = (CLASSES[::-1],) if drawn else (CLASSES[::-1], ("fake",))
    grids = np.linspace(1, 1.05 * most, 100), np.geomspace(100, 1e5, 100)
    size = (HALF, 1 + 2.6 * len(shown))
    figure, axes = plt.subplots(len(shown), 1, figsize=size, squeeze=False)
    aside = {"real": most / 50, "fake": 0}  # so that no bar hides another
    for axis, kinds, n in zip(axes.flat, shown, grids, strict=False):
        _draw_models(axis, n, leaks["fake"])
        axis.set_ylabel("test faces seen there (%)")
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
        for kind in kinds:
            measured = pd.DataFrame(leaks[kind]["measured"])
            bars = [measured["share"] - measured["low"], measured["high"] - measured["share"]]
            style = LOOKS[kind] | {"ls": "", "capsize": 3, "elinewidth": 1.2}
            style |= {"label": f"{kind} images, measured"}
            x, ends_of = measured["n"] + aside[kind], np.clip(bars, 0, 1)
            axis.errorbar(x, measured["share"], ends_of, **style)
    near = axes[0, 0]
    near.set(ylim=(-0.04 * top, top), title="measured here")
    axes[-1, 0].set_xlabel("images of the class in training and validation")
    if not drawn:
        far = axes[1, 0]
        far.set(xscale="log", xlim=(100, 2.2e5), ylim=(-0.04, 1.04))
        far.set_title("by model, from the fakes here")
        far.axvline(PAPER_LEARNED, color=INK, ls=":", lw=1.2)
        far.text(PAPER_LEARNED, 1.02, f"the paper's {PAPER_LEARNED:,} ", ha="right", va="top")
    figure.legend(*near.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    title(figure, study)
    told = [f"{kind} {end['share']:.1%} among {end['n']:,}" for kind, end in ends.items()]
    return figure, f"Test images whose face is in training or validation too: {', '.join(told)}."


def _draw_models(axis: Any, n: Any, leak: dict[str, Any]) -> None:
    """The models' curves with the band of the number of faces; without a pair, an upper bound."""
    if not leak["pairs"]:
        limit = by_chance(n, leak["faces_low"])
        axis.plot(n, limit, "-.", color=SOFT)
        axis.fill_between(n, 0, limit, color=FAINT, lw=0, label="possible, as no pair was found")
        return
    below = {"xytext": (4, -2), "ha": "left", "va": "top"}  # twins are never below chance
    above = {"xytext": (-4, 2), "ha": "right"}
    looks = (LOOKS["fake"]["color"], "-", below), (INK, "--", above)
    for (name, share), (colour, dash, place) in zip(MODELLED.items(), looks, strict=True):
        low, high = (share(n, leak[end]) for end in ("faces_high", "faces_low"))
        axis.plot(n, share(n, leak["faces"]), dash, color=colour, lw=1.5, label=f"fakes, {name}")
        axis.fill_between(n, low, high, color=colour, alpha=0.15, lw=0)
        if n[-1] > PAPER_LEARNED:
            at = (PAPER_LEARNED, float(share(PAPER_LEARNED, leak["faces"])))
            axis.annotate(f"{100 * at[1]:.0f} %", at, textcoords="offset points", **place)


@step("audit", after=["prepare", "dataset", "audit"], **pictures("audit_duplicates"))
def audit_duplicates(study: Study, out: Path) -> None:
    """The most similar pairs, duplicates first; with the paper's images not to be published."""
    told, columns = [], 4
    figure, axes = plt.subplots(2, columns, figsize=(HALF, 3.7))
    for axis in axes.flat:
        axis.set_axis_off()
    places = {split: manifest(study, split)["path"].tolist() for split in SPLITS}
    found, pairs = audit.of(study).read(), audit.of(study).read("duplicates.csv")
    pairs = pd.concat([pairs, pd.DataFrame(found["unlike"])]).head(columns)
    for column, pair in zip(axes.T, pairs.itertuples(), strict=False):
        kind = "not the same" if pair.kind == "unlike" else f"{pair.kind} copy"
        sides = (pair.split_a, pair.class_a, pair.path_a), (pair.split_b, pair.class_b, pair.path_b)
        for axis, (split, of, path) in zip(column, sides, strict=True):
            axis.imshow(images(study, split)[places[split].index(path)])
            axis.set_title(f"{split} {of}")
        column[0].set_title(f"{kind}\n{pair.shifts:.1f} apart\n{pair.split_a} {pair.class_a}")
        both = " and ".join(f"{split} {of}" for split, of, _ in sides)
        told.append(f"{kind}, {pair.shifts:.1f} apart, {both}")
    named = ", ".join(f"{found['pairs'][kind]['all']} {kind}" for kind in ("exact", "near"))
    title(figure, study, f"1 apart: as moved by one of {COMPARED} pixels", f"near: below {SHIFTS}")
    said = f"Duplicates: {named}. The most similar pairs: {'; '.join(told)}."
    save(out, "audit_duplicates", (figure, said))
