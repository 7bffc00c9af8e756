"""A run on damaged test images, in numbers.

Every damage is compared with the same images undamaged, image by image. In a mixed image the low
band of one lies under the high band of another: if those with a fake's high band are called fake,
and those with a fake's low band aren't, then the high band decides.
"""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

from ..common.files import write_csv
from ..study.beyond_artefacts import (
    column,
    frequency_bands_csv,
    read_damage_csv,
    read_frequency_bands_csv,
    read_robustness_csv,
    robustness_csv,
)
from ..study.names import MODELS, TITLES
from ..study.robustness import BANDS, CONTROLS, DAMAGES, Damage, robustness_step
from ..study.settings import Study
from .intervals import interval, paired_variance, proportion_variance

WORDS = {
    "clean": "undamaged",
    "jpeg": "JPEG quality {:g}",
    "blur": "blur of sigma {:g} (of 256 pixels)",
    "scale": "down to {:.4g} of the side and back",
    "crop": "cropped to {:.0%} of the side",
    "noise": "noise of {:g} of 255",
    "chain": "a social network's chain",
    "flip": "flipped",
    "resave": "saved again as it was",
    "low_pass": "only what lies below {:.4g} of Nyquist",
    "high_pass": "only what lies above {:.4g} of Nyquist",
}

Calls = npt.NDArray[np.bool_]  # (seeds, N) whether each network calls each image fake


def robustness(study: Study) -> pd.DataFrame:
    """Work out what each damage costs, and which band decides, unless that is done.

    Returns:
        family, level, model; images, seeds; the means over seeds: accuracy with low and high (95
        %), real_accuracy and fake_accuracy (of each class), auc, called_fake (a share); loss (of
        accuracy against the same images undamaged), loss_low and loss_high (95 %, paired). A row
        per damage and model; 'resave' has none where no image of a class is a JPEG.

    Raises:
        StudyError: the networks weren't asked about a damage.
    """
    robustness_step(study).do(lambda: _write(study))
    return read_robustness_csv(study)


def frequency_bands(study: Study) -> pd.DataFrame:
    """What mixed images are called; as `robustness`.

    Returns:
        cutoff, model; pairs, seeds; the shares called fake, means over seeds: fake_high (a fake's
        high band over a real's low), fake_low (the reverse), control (two reals), each with its
        ends _from and _to (95 %); decides ('high', 'low' or 'neither'), see `which_decides`.
    """
    robustness(study)
    return read_frequency_bands_csv(study)


def _write(study: Study) -> None:
    clean = read_damage_csv(study, "clean").set_index("path")
    rows: list[dict[str, Any]] = []
    mixed: list[dict[str, Any]] = []
    for damage in DAMAGES:
        table = read_damage_csv(study, damage.name)
        for model in MODELS if table["label"].nunique() == 2 else ():
            names = [column(model, seed) for seed in study.seeds]
            if damage.family == "swap":
                mixed.append({"cutoff": damage.level, "model": model, **bands(table, names)})
            else:
                numbers = scores(table, clean.loc[table["path"]], names)
                about = {"family": damage.family, "level": damage.level, "model": model}
                rows.append({**about, **numbers})
    write_csv(robustness_csv(study), pd.DataFrame(rows))
    write_csv(frequency_bands_csv(study), pd.DataFrame(mixed))


def calls(table: pd.DataFrame, names: list[str]) -> Calls:
    """What some networks call the images of a table."""
    return table[names].to_numpy().T >= 0.5


def scores(table: pd.DataFrame, clean: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    """The numbers of one damage and model, see `robustness`.

    Args:
        table, clean: the outputs for the damaged images, and for the same undamaged.
        names: the columns of the model's networks.
    """
    labels, called, before = table["label"].to_numpy(), calls(table, names), calls(clean, names)
    right, was_right = called == labels, before == labels
    accuracies = right.mean(axis=1)
    spread = proportion_variance(accuracies, len(labels)).mean()
    low, high = interval(accuracies, spread)
    loss, loss_low, loss_high = difference(was_right, right)
    return {
        "images": len(labels),
        "seeds": len(names),
        "accuracy": float(accuracies.mean()),
        "low": max(float(low), 0.0),
        "high": min(float(high), 1.0),
        "real_accuracy": float(right[:, labels == 0].mean()),
        "fake_accuracy": float(right[:, labels == 1].mean()),
        "auc": float(np.mean([roc_auc_score(labels, table[name]) for name in names])),
        "called_fake": float(called.mean()),
        "loss": loss,
        "loss_low": loss_low,
        "loss_high": loss_high,
    }


def difference(one: Calls, other: Calls) -> tuple[float, float, float]:
    """How much larger a share of `one` is true than of `other`; its 95 % interval, paired."""
    more, less = (one & ~other).sum(axis=1), (~one & other).sum(axis=1)
    images = one.shape[1]
    differences = (more - less) / images
    low, high = interval(differences, paired_variance(more, less, images).mean())
    return float(differences.mean()), float(low), float(high)


def bands(table: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    """The numbers of one cut-off and model, see `frequency_bands`.

    Args:
        table: the outputs for mixed images.
        names: the columns of the model's networks.
    """
    of = {"fake_high": (0, 1), "fake_low": (1, 0), "control": (0, 0)}
    called = {
        kind: calls(table[(table["label"] == low) & (table["high_label"] == high)], names)
        for kind, (low, high) in of.items()
    }
    pairs = called["control"].shape[1]
    numbers: dict[str, Any] = {"pairs": pairs, "seeds": len(names)}
    for kind, each in called.items():
        shares = each.mean(axis=1)
        low, high = interval(shares, proportion_variance(shares, pairs).mean())
        ends = {f"{kind}_from": max(float(low), 0.0), f"{kind}_to": min(float(high), 1.0)}
        numbers |= {kind: float(shares.mean()), **ends}
    return {**numbers, "decides": which_decides(**called)}


def which_decides(fake_high: Calls, fake_low: Calls, control: Calls) -> str:
    """The band whose coming from a fake makes an image be called fake: 'high', 'low' or 'neither'.

    More of these must be called fake than of the others, and than of two mixed reals, which have
    the damage of mixing alone; both differences' 95 % intervals must lie above 0.
    """
    kinds = {"high": (fake_high, fake_low), "low": (fake_low, fake_high)}
    for band, (own, other) in kinds.items():
        if difference(own, other)[1] > 0 and difference(own, control)[1] > 0:
            return band
    return "neither"


def words(damage: Damage) -> str:
    """What a person calls a damage."""
    return WORDS[damage.family].format(damage.level)


def summary(study: Study) -> str:
    """What was found, in a few sentences."""
    return " ".join(itertools.chain(*findings(study)))


def findings(study: Study) -> list[list[str]]:
    """The sentences on each model, and what they stand on."""
    table, mixed = read_robustness_csv(study), read_frequency_bands_csv(study)
    models = [
        _of_model(TITLES[model], table[table["model"] == model], mixed[mixed["model"] == model])
        for model in MODELS
    ]
    return [*models, [_basis(table)]]


def _of_model(title: str, table: pd.DataFrame, mixed: pd.DataFrame) -> list[str]:
    clean = table[table["family"] == "clean"].iloc[0]
    had = f"{title}: right on {clean.accuracy:.3f} of these images undamaged"
    if clean.low <= 0.5:
        return [f"{had}, no better than guessing here: what damage costs can't be told."]
    harm, controls = [*_worst(table, clean), *_jpeg(table, clean)], [_controls(table)]
    return [f"{had}.", _side(table, clean), *harm, *controls, _band(mixed)]


def _lost(row: Any) -> str:
    return f"{row.loss:.3f} lost, {row.loss_low:.3f} to {row.loss_high:.3f}"


def _row_words(row: Any) -> str:
    return words(Damage(row.family, row.level))


def _jpeg(table: pd.DataFrame, clean: Any) -> list[str]:
    """At which quality accuracy is lost, and where half of what it had above 0.5."""
    rows = table[table["family"] == "jpeg"]
    lost, lowest = rows[rows["loss_low"] > 0], rows.iloc[-1]
    if lost.empty:
        return [
            f"No JPEG quality down to {lowest.level:g} costs it measurable accuracy (at "
            f"{lowest.level:g}: {_lost(lowest)})."
        ]
    first = lost.iloc[0]
    half = rows[rows["accuracy"] - 0.5 <= (clean.accuracy - 0.5) / 2]
    gone = (
        f"is gone at quality {half.iloc[0].level:g}"
        if len(half)
        else f"is left at every quality down to {lowest.level:g}"
    )
    return [
        f"JPEG costs it accuracy first at quality {first.level:g} ({_lost(first)}); half of what "
        f"it had above 0.5 {gone}."
    ]


def _met(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of damages that pictures meet: no control, and no filter by frequency."""
    return table[~table["family"].isin(("clean", *CONTROLS, *BANDS))]


def _side(table: pd.DataFrame, clean: Any) -> str:
    """To which side it fails, over all damages that cost accuracy."""
    rows = _met(table)
    lost = rows[rows["loss_low"] > 0]
    if lost.empty:
        return f"None of {len(rows)} damages costs it measurable accuracy."
    real, fake = lost["called_fake"] < clean.called_fake, lost["called_fake"] > clean.called_fake
    return (
        f"{len(lost)} of {len(rows)} damages cost it accuracy: in {real.sum()} of them it calls "
        f"more images real than undamaged, in {fake.sum()} more fake."
    )


def _worst(table: pd.DataFrame, clean: Any) -> list[str]:
    """Which damage hurts most, and to which side it fails."""
    rows = _met(table)
    worst = rows.loc[rows["loss"].idxmax()]
    if worst.loss_low <= 0:
        return []
    return [
        f"Most harmful of these: {_row_words(worst)} ({_lost(worst)}). It then calls "
        f"{worst.called_fake:.2f} of all images fake, of the undamaged {clean.called_fake:.2f}: it "
        f"is right on {worst.real_accuracy:.2f} of the reals and {worst.fake_accuracy:.2f} of the "
        "fakes."
    ]


def _controls(table: pd.DataFrame) -> str:
    """Whether what should change nothing did."""
    parts, changed = [], []
    for family in CONTROLS:
        rows = table[table["family"] == family]
        if rows.empty:
            parts.append(f"{WORDS[family]}: no image of a class is a JPEG")
            continue
        row = rows.iloc[0]
        parts.append(f"{WORDS[family]}: {_lost(row)}")
        if not row.loss_low <= 0 <= row.loss_high:
            changed.append(WORDS[family])
    verdict = (
        f"should change nothing, but accuracy differs on images that are {' and '.join(changed)}"
        if changed
        else "change nothing measurable"
    )
    return f"The controls {verdict} ({'; '.join(parts)})."


def _band(mixed: pd.DataFrame) -> str:
    """Which band of frequencies decides, by the cut-off, and where what decides then lies."""
    high, low = (list(mixed.loc[mixed["decides"] == band, "cutoff"]) for band in ("high", "low"))
    if not high and not low:
        return "Mixed images can't tell which band decides, at no cut-off."
    parts = [
        f"the {band} band decides if cut at {', '.join(f'{cutoff:.3g}' for cutoff in cutoffs)}"
        for band, cutoffs in (("high", high), ("low", low))
        if cutoffs
    ]
    text = f"Of images mixed from a real and a fake, {' and '.join(parts)} of Nyquist"
    if rest := len(mixed) - len(high) - len(low):
        text += f"; at {rest} other cut-off{'s' * (rest > 1)} it can't be told"
    above = f"above {max(high):.3g}" if high else ""
    below = f"below {min(low):.3g}" if low else ""
    if high and low and max(high) >= min(low):
        return f"{text}: these don't agree on one place."
    where = f"{above} and {below}" if high and low else above or below
    return f"{text}. So what it goes by lies mostly {where} of the input's Nyquist frequency."


def _basis(table: pd.DataFrame) -> str:
    """What the numbers stand on."""
    images, seeds = int(table["images"].max()), int(table["seeds"].max())
    many = f"{seeds} seeds" if seeds > 1 else "one seed, so not how training runs differ"
    return (
        f"Measured on {images:,} test images, {many}. The intervals are 95 %, each for itself: of "
        f"{len(table)} about {max(round(len(table) / 20), 1)} miss by chance."
    )
