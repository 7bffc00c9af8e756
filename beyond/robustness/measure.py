"""A run on damaged test images, in numbers.

A damage is compared with the same images undamaged, image by image. In a mixed image the low band
of one lies under the high band of another: if those with a fake's high band are called fake, and
those with its low band aren't, the high band decides.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakeface_utils.data import manifest
from fakeface_utils.metrics import gain, share_of
from fakeface_utils.settings import Study
from fakeface_utils.step import step

from .ask import damaged
from .damages import DAMAGES, levels

Calls = npt.NDArray[np.bool_]  # (seeds, N) whether each network calls each image fake


@step(
    "robustness",
    writes=["robustness.csv", "frequency_bands.csv"],
    after=["damaged"],
    folder=lambda study: study.results / "robustness",
)
def robustness(study: Study, out: Path) -> None:
    """What each damage costs each model, and which band of frequencies decides: `cost`, `bands`.

    A damage has no row where its files allow no answer about one of the classes.
    """
    clean = dict(iter(damaged.of(study, "clean").read().groupby("model")))
    rows, cuts = [], []
    for name, (family, level) in levels().items():
        for model, own in damaged.of(study, name).read().groupby("model", sort=False):
            strength = level if len(DAMAGES[family].levels) > 1 else None
            if DAMAGES[family].kind == "mix":
                cuts.append({"cutoff": level, "model": model, **bands(own)})
            elif own["label"].nunique() == 2:
                about = {"family": family, "level": strength, "model": model}
                rows.append(about | cost(own, clean[model]))
    for name, table in (("robustness", rows), ("frequency_bands", cuts)):
        pd.DataFrame(table).to_csv(out / f"{name}.csv", index=False, lineterminator="\n")


def answers(study: Study) -> dict[str, pd.DataFrame]:
    """What the networks say after each damage, by its words; of mixed images there is no truth."""
    known = manifest(study, "test")[["path", "sha256"]]
    return {
        DAMAGES[family].words(level): damaged.of(study, name).read().merge(known)
        for name, (family, level) in levels().items()
        if DAMAGES[family].kind != "mix"
    }


def calls(table: pd.DataFrame) -> Calls:
    """What the networks of one model call the images of a table of answers."""
    return np.stack([own["p_fake"] >= 0.5 for _, own in table.groupby("seed")])


def cost(table: pd.DataFrame, clean: pd.DataFrame) -> dict[str, Any]:
    """What a damage costs one model: means over seeds, from its answers damaged and undamaged.

    accuracy with its 95 % interval low to high; real_accuracy and fake_accuracy, of each class;
    auc; called_fake, a share; loss, of accuracy against the same images undamaged, with its paired
    interval loss_low to loss_high.
    """
    from sklearn.metrics import roc_auc_score

    called, was_called = calls(table), calls(clean[clean["path"].isin(table["path"])])
    labels, seeds = table["label"].to_numpy()[: called.shape[1]], table.groupby("seed")
    right, before = called == labels, was_called == labels
    return {
        "images": len(labels),
        "seeds": len(called),
        **dict(zip(("accuracy", "low", "high"), share_of(right), strict=True)),
        "real_accuracy": right[:, labels == 0].mean(),
        "fake_accuracy": right[:, labels == 1].mean(),
        "auc": np.mean([roc_auc_score(own["label"], own["p_fake"]) for _, own in seeds]),
        "called_fake": called.mean(),
        **dict(zip(("loss", "loss_low", "loss_high"), gain(before, right), strict=True)),
    }


def bands(table: pd.DataFrame) -> dict[str, Any]:
    """What one model calls images mixed at one cut-off: shares called fake, means over seeds.

    fake_high (a fake's high band over a real's low), fake_low (the reverse) and control (two
    reals), each with its 95 % interval _from and _to; and which band decides.
    """
    of = {"fake_high": (0, 1), "fake_low": (1, 0), "control": (0, 0)}
    called = {
        kind: calls(table[(table["label"] == low) & (table["high_label"] == high)])
        for kind, (low, high) in of.items()
    }
    seeds, pairs = called["control"].shape
    numbers: dict[str, Any] = {"pairs": pairs, "seeds": seeds}
    for kind, each in called.items():
        names = kind, f"{kind}_from", f"{kind}_to"
        numbers |= dict(zip(names, share_of(each), strict=True))
    return numbers | {"decides": which_decides(**called)}


def which_decides(fake_high: Calls, fake_low: Calls, control: Calls) -> str:
    """The band whose coming from a fake makes an image be called fake: 'high', 'low' or 'neither'.

    More of these must be called fake than of the others, and than of two mixed reals, which have
    the damage of mixing alone; both differences' 95 % intervals must lie above 0.
    """
    kinds = {"high": (fake_high, fake_low), "low": (fake_low, fake_high)}
    for band, (own, other) in kinds.items():
        if gain(own, other).low > 0 and gain(own, control).low > 0:
            return band
    return "neither"
