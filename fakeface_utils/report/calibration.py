"""Whether p(fake) can be believed: the reliability diagram and its numbers."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.ticker import NullFormatter

from ..evaluation.calibration import (
    BINS,
    calibration,
    calibration_table,
    reliability,
    sentence,
    tempered,
)
from ..study.artefacts import read_predictions
from ..study.names import MODELS, TITLES
from ..study.settings import Study
from .drawing import HALF, LOOKS, SOFT, Drawn, seeds_of, title
from .html_pieces import as_table, piece

BEFORE_AFTER: Any = ({"marker": "o", "ls": "-"}, {"marker": "s", "ls": "--", "mfc": "none"})
NAMES = ("as it comes", "with the temperature", "perfectly calibrated")


def reliability_diagram(study: Study) -> Drawn:
    """The share of fakes against p(fake), before and after the temperature, counts below."""
    measured, seeds = calibration(study), len(study.seeds)
    figure, axes = plt.subplots(
        2, 2, figsize=(HALF, 4.6), sharex=True, sharey="row", height_ratios=(3, 1)
    )
    for column, model in zip(axes.T, MODELS, strict=True):
        diagram, counts = column
        colour = LOOKS[model]["color"]
        tables = [read_predictions(study, model, seed) for seed in study.seeds]
        labels = np.concatenate([table["label"] for table in tables])
        diagram.plot([0, 1], [0, 1], ":", color=SOFT)
        for after, look in enumerate(BEFORE_AFTER):
            outputs = np.concatenate(
                [
                    tempered(
                        table["p_fake"], measured[model][str(seed)]["temperature"] if after else 1
                    )
                    for seed, table in zip(study.seeds, tables, strict=True)
                ]
            )
            rows = reliability(labels, outputs, seeds)
            ends = [rows["fakes"] - rows["low"], rows["high"] - rows["fakes"]]
            aside = 0.008 if after else -0.008  # so that no bar hides another
            style = look | {"color": colour, "ls": ""}
            diagram.errorbar(rows["p_fake"] + aside, rows["fakes"], ends, elinewidth=1, **style)
            edges = np.linspace(0, 1, BINS + 1)
            counts.hist(outputs, edges, histtype="step", color=colour, lw=1.5, ls=look["ls"])
        diagram.set(title=TITLES[model], xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        counts.set(xlabel="p(fake)", yscale="log")
        counts.yaxis.set_major_formatter("{x:,.0f}")
        counts.yaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].set_ylabel("share of fakes")
    axes[1, 0].set_ylabel("outputs")
    for look, label in zip((*BEFORE_AFTER, {"ls": ":"}), NAMES, strict=True):
        axes[0, 0].plot([], [], color=SOFT, label=label, **look)
    figure.legend(loc="outside lower left", ncols=2)
    title(figure, study, f"{seeds_of(seeds)}{' added up' if seeds > 1 else ''}")
    return figure, "Reliability diagram. " + " ".join(sentence(m, measured[m]) for m in MODELS)


def confidence(study: Study) -> HTML:
    """Whether p(fake) can be believed: in words, and the scores before and after."""
    measured = calibration(study)
    text = piece("items", [sentence(model, measured[model]) for model in MODELS])
    table = calibration_table(study)
    titles = {
        "brier": "Brier score",
        "log_loss": "log loss, nats",
        "ece": "calibration error (ECE)",
        "ece_expected": "ECE of a perfect model",
        "ece_high": "by chance up to",
    }
    shown = pd.DataFrame({"model": table["model"].map(TITLES), "temperature": table["temperature"]})
    shown = shown.assign(
        **{title: table[name].map("{:.4f}".format) for name, title in titles.items()}
    )
    caption = "Test images, means over seeds; the lower the better"
    return HTML(text + as_table(shown, caption, csv="calibration.csv"))
