"""Whether p(fake) can be believed: the reliability diagram and its numbers."""

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
from .drawing import TRAIN, VALID, Drawn, mark
from .html_pieces import as_table, piece


def reliability_diagram(study: Study) -> Drawn:
    """The share of fakes against p(fake), before and after the temperature, counts below."""
    measured, seeds = calibration(study), len(study.seeds)
    figure, axes = plt.subplots(
        2, 2, figsize=(8, 5.4), layout="constrained", sharex=True, height_ratios=(3, 1)
    )
    for column, model in zip(axes.T, MODELS, strict=True):
        diagram, counts = column
        tables = [read_predictions(study, model, seed) for seed in study.seeds]
        labels = np.concatenate([table["label"] for table in tables])
        diagram.plot([0, 1], [0, 1], ":", color="0.3", label="perfectly calibrated")
        for after, (colour, marker, label, offset) in enumerate(
            ((TRAIN, "o", "as it comes", -0.006), (VALID, "s", "with the temperature", 0.006))
        ):
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
            diagram.errorbar(
                rows["p_fake"] + offset, rows["fakes"], ends, fmt=marker, color=colour, ms=5,
                lw=1, label=label, mfc=colour if not after else "white",
            )  # fmt: skip
            edges = np.linspace(0, 1, BINS + 1)
            counts.hist(outputs, edges, histtype="step", color=colour, lw=1.5, ls="-- "[after - 1])
        diagram.set(title=TITLES[model], ylabel="share of fakes", xlim=(-0.02, 1.02))
        diagram.set_ylim(-0.02, 1.02)
        counts.set(xlabel="p(fake)", ylabel="outputs", yscale="log")
        counts.yaxis.set_minor_formatter(NullFormatter())
    lines, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=3, fontsize=8)
    words = f"{seeds} seeds added up" if seeds > 1 else "one seed"
    figure.suptitle(f"Is p(fake) right as often as it says? Test images, {words}{mark(study)}",
                    fontsize=10)  # fmt: skip
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
