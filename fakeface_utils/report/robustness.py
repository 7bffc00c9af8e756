"""A run on damaged test images: tables and figures."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from ..evaluation.robustness import findings, frequency_bands, robustness, words
from ..study.artefacts import read_manifest
from ..study.beyond import as_measured
from ..study.beyond_artefacts import ROBUSTNESS_FIGURES
from ..study.names import MODELS, TITLES
from ..study.robustness import Damage, robustness_drawing_step, robustness_step
from ..study.settings import Study
from .drawing import HALF, INK, LOOKS, SOFT, Drawn, save, seeds_of, title
from .html_pieces import as_table, figure, piece

Panels = dict[str, tuple[tuple[str, ...], str]]  # families and axis label by title

PANELS: Panels = {  # of the first figure: its families, and what its axis says
    "JPEG": (("jpeg",), "quality"),
    "Gaussian blur": (("blur",), "sigma (256 pixels)"),
    "Down and back": (("scale",), "share of the side"),
    "Cropped": (("crop",), "share of the side"),
    "Noise": (("noise",), "deviation (of 255)"),
    "Chain and controls": (("chain", "flip", "resave"), ""),
}
PASSES: Panels = {  # of the second
    "Low-pass": (("low_pass",), "only below (of Nyquist)"),
    "High-pass": (("high_pass",), "only above (of Nyquist)"),
}
SHARES = {1 / 8: "1/8", 1 / 4: "1/4", 3 / 8: "3/8", 7 / 16: "7/16", 1 / 2: "1/2", 3 / 4: "3/4"}
CALLED = {  # images mixed of two: line, and what it stands for
    "fake_high": ("-", "high band of a fake"),
    "fake_low": ("--", "low band of a fake"),
    "control": (":", "two reals"),
}
CAPTIONS = (
    "Accuracy on the same test images after each damage, weakest at the left, with the 95 % "
    "interval of each mean; below it the share of all images that is called fake. Blur and the "
    "chain are scaled with the stored image, so that they mean the same for every size.",
    "What the networks still know from a band of frequencies alone, and what they call images "
    "mixed from the low band of one and the high band of another.",
)


def draw_robustness(study: Study) -> None:
    """Draw and save the figures of the damaged images, unless that is done.

    Raises:
        StudyError: the networks weren't asked about a damage.
    """
    table, mixed = robustness(study), frequency_bands(study)

    def draw() -> None:
        drawn = (draw_damage(study, table), draw_bands(study, table, mixed))
        for name, one in zip(ROBUSTNESS_FIGURES, drawn, strict=True):
            save(study, name, one)

    robustness_drawing_step(study).do(draw)


def draw_damage(study: Study, table: pd.DataFrame) -> Drawn:
    """A panel for each kind of damage: accuracy above, the share called fake below."""
    drawing, axes = plt.subplots(6, 2, figsize=(HALF, 9), sharey="row", height_ratios=(3, 1.6) * 3)
    for number, (about, (families, label)) in enumerate(PANELS.items()):
        row, place = divmod(number, 2)
        above, below = axes[2 * row, place], axes[2 * row + 1, place]
        _panel(above, below, table, families, about, label)
    side = _stored(study)
    scaled = f"blur and chain for images stored at {side} pixels" if side else ""
    drawing.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    title(drawing, study, _counts(table), scaled)
    return drawing, _in_words(table, PANELS)


def draw_bands(study: Study, table: pd.DataFrame, mixed: pd.DataFrame) -> Drawn:
    """Low-pass and high-pass as the damages; below them what mixed images are called."""
    drawing, axes = plt.subplots(3, 2, figsize=(HALF, 6.8), sharey="row", height_ratios=(3, 1.6, 3))
    for place, (about, (families, label)) in enumerate(PASSES.items()):
        _panel(axes[0, place], axes[1, place], table, families, about, label)
    for axis, model in zip(axes[2], MODELS, strict=True):
        own, look = mixed[mixed["model"] == model], LOOKS[model]
        for kind, (dash, _) in CALLED.items():
            places = range(len(own))
            axis.plot(places, own[kind], **look | {"ls": dash})
            ends = own[f"{kind}_from"], own[f"{kind}_to"]
            axis.fill_between(places, *ends, color=look["color"], alpha=0.12, lw=0)
        axis.set_xticks(range(len(own)), [SHARES[cutoff] for cutoff in own["cutoff"]])
        axis.set(xlabel="cut (of Nyquist)", ylim=(-0.03, 1.03))
        axis.set_title(f"Mixed, {TITLES[model]}")
    axes[2, 0].set_ylabel("called fake")
    for dash, what in CALLED.values():
        axes[0, 0].plot([], [], dash, color=SOFT, label=what)  # for the legend
    drawing.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    title(drawing, study, _counts(table))
    shares = "; ".join(
        f"{TITLES[row.model]} cut at {SHARES[row.cutoff]}: {row.fake_high:.2f}, {row.fake_low:.2f} "
        f"and {row.control:.2f}"
        for row in mixed.itertuples()
    )
    called = "Mixed images called fake, with a fake's high band, with its low band, two reals: "
    return drawing, f"{_in_words(table, PASSES)} {called}{shares}."


def _panel(
    above: Axes,
    below: Axes,
    table: pd.DataFrame,
    families: tuple[str, ...],
    about: str,
    label: str,
) -> None:
    """One kind of damage, undamaged at the left."""
    for model in MODELS:
        look, colour = LOOKS[model], LOOKS[model]["color"]
        own = table[(table["model"] == model) & table["family"].isin(("clean", *families))]
        accuracy, ends, places = own["accuracy"], (own["low"], own["high"]), np.arange(len(own))
        shifted = places.astype(float)
        if len(families) == 1:
            above.fill_between(places, *ends, color=colour, alpha=0.18, lw=0)
        else:  # no strengths: nothing lies between two of them, and bars side by side
            look = look | {"ls": ""}
            shifted = places + (0.1 if model == MODELS[1] else -0.1)
            above.vlines(shifted, *ends, color=colour)
        above.plot(shifted, accuracy, label=TITLES[model], **look)
        below.plot(shifted, own["called_fake"], **look | {"lw": 1, "ms": 4})
        names = [_tick(row) for row in own.itertuples()]
        for axis, shown in ((above, []), (below, names)):
            axis.set_xticks(places, shown or [""] * len(own))
            axis.axhline(0.5, ls=":", color=INK, lw=1)
    above.set_ylim(min(0.4, table["low"].min()) - 0.05, 1.03)
    below.set(ylim=(-0.05, 1.05), xlabel=label, yticks=(0, 0.5, 1))
    above.set_title(about)
    if above.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        above.set_ylabel("accuracy")
        below.set_ylabel("called fake")


def _tick(row: Any) -> str:
    if row.family in ("clean", "chain", "flip"):
        return row.family
    if row.family == "resave":
        return "saved\nagain"
    if row.family == "crop":
        return f"{row.level:.0%}"
    return SHARES.get(row.level, f"{row.level:g}") if row.family != "blur" else f"{row.level:g}"


def _stored(study: Study) -> int | None:
    """Pixels a side of the originals, where all have the same."""
    sides = read_manifest(study, "test")[["width", "height"]].stack().unique()
    return int(sides[0]) if len(sides) == 1 else None


def _counts(table: pd.DataFrame) -> str:
    images, seeds = int(table["images"].max()), int(table["seeds"].max())
    return f"{images:,} images, " + seeds_of(seeds)


def _in_words(table: pd.DataFrame, panels: Panels) -> str:
    """The accuracies of a figure's panels."""
    families = ("clean", *(family for names, _ in panels.values() for family in names))
    parts = []
    for model in MODELS:
        own = table[(table["model"] == model) & table["family"].isin(families)]
        values = [f"{_named(row)} {row.accuracy:.2f}" for row in own.itertuples()]
        parts.append(f"{TITLES[model]}: {', '.join(values)}.")
    return f"Accuracy. {' '.join(parts)}"


def _named(row: Any) -> str:
    return words(Damage(row.family, row.level))


def as_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table of all damages for a person, a row per damage and model."""
    rows = []
    for row in table.itertuples():
        lost = f"{row.loss:.3f} ({row.loss_low:.3f} to {row.loss_high:.3f})"
        rows.append(
            {
                "damage": _named(row),
                "model": TITLES[str(row.model)],
                "images": row.images,
                "accuracy (95 %)": f"{row.accuracy:.3f} ({row.low:.3f} to {row.high:.3f})",
                "lost (95 %)": "" if row.family == "clean" else lost,
                "reals right": f"{row.real_accuracy:.3f}",
                "fakes right": f"{row.fake_accuracy:.3f}",
                "called fake": f"{row.called_fake:.3f}",
                "AUC": f"{row.auc:.3f}",
            }
        )
    return pd.DataFrame(rows)


def section(study: Study) -> Markup:
    """The report's section as HTML; '' where it wasn't measured."""
    measured = as_measured(study, robustness_step)
    if measured is None:
        return Markup()
    shown = Markup()
    for name, caption in zip(ROBUSTNESS_FIGURES, CAPTIONS, strict=True):
        shown += Markup(figure(study, name, caption))
    shown += Markup().join(piece("items", sentences) for sentences in findings(measured))
    table = as_table(as_shown(robustness(measured)), "Means over seeds", csv="robustness.csv")
    return shown + piece("fold", "All damages in numbers", table)
