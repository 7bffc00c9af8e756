"""The leak in words and as a figure: test images whose face is in training or validation too."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from ..dataset.leak import PAPER_LEARNED, by_chance, by_twins
from ..study.artefacts import read_audit
from ..study.names import CLASSES
from ..study.settings import Study
from .drawing import FAINT, HALF, INK, LOOKS, SOFT, Drawn, title

MODELLED = (("drawn by chance", by_chance, "-"), ("at most twins", by_twins, "--"))
LEFT: Any = {"xytext": (-4, 2), "textcoords": "offset points", "ha": "right"}  # of a point
RIGHT: Any = {"xytext": (4, -2), "textcoords": "offset points", "ha": "left", "va": "top"}


def _percent(*shares: float) -> str:
    return " to ".join(f"{100 * share:.1f}" for share in shares) + " %"


def _about(number: float) -> str:
    return f"{float(f'{number:.2g}'):,.0f}"


def leak_sentences(study: Study) -> list[str]:
    """What was measured, what the models make of it, and what no pair at all would allow."""
    audit = read_audit(study)
    leaks = {kind: audit["leak"][kind] for kind in reversed(CLASSES)}
    sentences = [_with_pairs(kind, leak) for kind, leak in leaks.items() if leak["pairs"]]
    if without := {kind: leak for kind, leak in leaks.items() if not leak["pairs"]}:
        images = (f"no two of the {leak['images']:,} {kind}" for kind, leak in without.items())
        fewest = min(leak["faces_low"] for leak in without.values())
        sentences.append(
            f"{' and '.join(images).capitalize()} images show one face; up to 3.7 such pairs of a "
            f"class would still agree with that, so that of {PAPER_LEARNED:,} such images in "
            f"training and validation at most {_percent(by_chance(PAPER_LEARNED, fewest))} of the "
            "test images would have their face among them."
        )
    if not audit["complete"]:
        sentences.append("The search stopped at its limit, so each of these shares is too low.")
    return sentences


def _with_pairs(kind: str, leak: dict[str, Any]) -> str:
    whole = leak["measured"][-1]
    low, number, high = leak["faces_low"], leak["faces"], leak["faces_high"]
    chance, twins = (
        f"{_percent(share(PAPER_LEARNED, number))} "
        f"({_percent(share(PAPER_LEARNED, high), share(PAPER_LEARNED, low))})"
        for _, share, _ in MODELLED
    )
    return (
        f"Measured: {leak['pairs']:,} pairs of the {leak['images']:,} {kind} images show one face, "
        f"and {_percent(whole['share'])} of the {kind} test images "
        f"({_percent(whole['low'], whole['high'])}) have theirs among the {whole['n']:,} in "
        f"training and validation. By model, with the paper's {PAPER_LEARNED:,} there: {chance} if "
        f"faces are drawn by chance, from about {_about(number)} different ones ({_about(low)} to "
        f"{_about(high)}); {twins} if none was rendered more than twice. Triples with one face: "
        f"{leak['triples']:,}; chance expects {leak['expected_triples']:.1f}, twins none."
    )


def leak_curve(study: Study) -> Drawn:
    """The share of test images whose face is among n others: measured, and by model to 60,000."""
    leaks = read_audit(study)["leak"]
    ends = [leaks[kind]["measured"][-1] for kind in CLASSES]
    most, top = max(end["n"] for end in ends), 1.15 * max(end["high"] for end in ends)
    figure, (near, far) = plt.subplots(2, 1, figsize=(HALF, 6.2))
    near.set(ylim=(-0.04 * top, top), title="measured here")
    far.set(xscale="log", xlim=(100, 2.2e5), ylim=(-0.04, 1.04))
    far.set_title("by model, from the fakes here")
    for axis, n in ((near, np.linspace(1, 1.05 * most, 100)), (far, np.geomspace(100, 1e5, 100))):
        _draw_models(axis, n, leaks["fake"])
        axis.set_ylabel("test faces seen there (%)")
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    for kind in reversed(CLASSES):
        measured = pd.DataFrame(leaks[kind]["measured"])
        bars = [measured["share"] - measured["low"], measured["high"] - measured["share"]]
        style = LOOKS[kind] | {"ls": "", "capsize": 3, "elinewidth": 1.2}
        style |= {"label": f"{kind} images, measured"}
        aside = most / 50 if kind == "real" else 0  # so that no bar hides another
        near.errorbar(measured["n"] + aside, measured["share"], np.clip(bars, 0, 1), **style)
        if kind == "fake":
            far.errorbar(measured["n"], measured["share"], np.clip(bars, 0, 1), **style)
    far.set_xlabel("images of the class in training and validation")
    far.axvline(PAPER_LEARNED, color=INK, ls=":", lw=1.2)
    far.annotate(f"the paper's {PAPER_LEARNED:,}", (PAPER_LEARNED, 1), **LEFT, va="top")
    figure.legend(*near.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    title(figure, study)
    return figure, " ".join(leak_sentences(study))


def _draw_models(axis: Axes, n: Any, leak: dict[str, Any]) -> None:
    """The models' curves with the band of the number of faces; without a pair, an upper bound."""
    if not leak["pairs"]:
        limit = by_chance(n, leak["faces_low"])
        axis.plot(n, limit, "-.", color=SOFT)
        axis.fill_between(n, 0, limit, color=FAINT, lw=0, label="possible, as no pair was found")
        return
    looks = (LOOKS["fake"]["color"], RIGHT), (INK, LEFT)  # twins are never below chance
    for (name, share, dash), (colour, place) in zip(MODELLED, looks, strict=True):
        low, high = (share(n, leak[end]) for end in ("faces_high", "faces_low"))
        axis.plot(n, share(n, leak["faces"]), dash, color=colour, lw=1.5, label=f"fakes, {name}")
        axis.fill_between(n, low, high, color=colour, alpha=0.15, lw=0)
        if n[-1] > PAPER_LEARNED:
            value = float(share(PAPER_LEARNED, leak["faces"]))
            axis.annotate(f"{100 * value:.0f} %", (PAPER_LEARNED, value), **place)
