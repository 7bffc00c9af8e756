"""Which errors are made at which threshold, and whether p(fake) can be believed."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import NullFormatter
from sklearn.metrics import roc_auc_score, roc_curve

from fakeface_utils.evaluate import by_seed, predictions
from fakeface_utils.figures import (
    HALF,
    SOFT,
    Drawn,
    filled,
    looks_of,
    picture,
    pictures,
    save,
    title,
)
from fakeface_utils.models import titled
from fakeface_utils.paper import CLASSES
from fakeface_utils.report import as_table, fold, paragraphs
from fakeface_utils.settings import Study
from fakeface_utils.step import Task, step
from fakeface_utils.util import count

from .measure import BINS, calibration, pairs, reliability, tempered

BEFORE: Any = {"marker": "o", "ls": "-", "label": "as it comes"}
AFTER: Any = {"marker": "s", "ls": "--", "mfc": "none", "label": "with the temperature"}
COUNTED = (
    "Fake is the positive class. The matrices add up all seeds; shares are those of a true class. "
    "Table 1 averages the seeds' metrics, so with several seeds its precision and F1 differ a "
    "little from the matrices'."
)
MOVED = "A ROC curve lets the threshold, 0.5 in Table 1, move from 1 down to 0."
PAIRED = (
    "McNemar's exact p-value is the chance of a split at least as uneven if the two erred equally "
    "often. It compares two trained networks, not two methods: the next training run may turn out "
    "otherwise. So every seed is listed, none is singled out, and no verdict rests on this table."
)
HOW = (
    "The calibration error (ECE) is the mean, over the test images, of |share of fakes - mean "
    f"p(fake)| in their bin of {BINS}; chance alone takes it up to the number beside it. The "
    "temperature divides the logit of every output; it is fitted on validation images, and "
    "accuracy and ROC stay the same."
)


def tasks(study: Study) -> list[Task]:
    """What the notebook does."""
    return [calibration.of(study), error_figures.of(study)]


def scores_table(measured: dict[str, Any]) -> pd.DataFrame:
    """Means over seeds before and after the temperature, and whether p(fake) can be believed."""
    rows = []
    for model, seeds in measured.items():
        fitted = float(np.mean([one["temperature"] for one in seeds.values()]))
        unsure = "too sure" if fitted > 1 else "too cautious"
        words = {"before": ("as it comes", unsure)}
        words["after"] = f"with the temperature {fitted:.2f}", "not to be believed either"
        for when, (p_fake, verdict) in words.items():
            means = pd.DataFrame([one[when] for one in seeds.values()]).mean()
            verdict = "can be believed" if means["ece"] <= means["ece_high"] else verdict
            rows.append({"model": titled(model), "p_fake": p_fake, **means, "verdict": verdict})
    return pd.DataFrame(rows)


def summary(study: Study) -> str:
    """The scores for a terminal."""
    table = scores_table(calibration.of(study).read())
    return "p(fake)\n" + table.to_string(index=False, float_format="{:.4f}".format, na_rep="-")


def pairs_table(study: Study) -> HTML:
    """Any two networks of a seed on the same test images."""
    names = {"both": "both right", "only_one": "only the one", "only_other": "only the other"}
    names |= {"neither": "both wrong", "p_value": "McNemar's p"}
    caption = "Two networks of a seed on the same test images"
    return as_table(pairs(study).rename(columns=names), caption)


def section(study: Study) -> HTML:
    """Its part of the report."""
    names = {"p_fake": "p(fake)", "brier": "Brier score", "log_loss": "log loss"}
    names |= {"ece": "error (ECE)", "ece_high": "chance, up to", "verdict": "verdict"}
    scored = scores_table(calibration.of(study).read())
    scored["p_fake"] = scored["p_fake"].str.replace("with the temperature", "at temp.")
    scored = scored[["model", *names]].rename(columns=names)
    table = as_table(scored, "Test images, means over seeds; the lower the better", by="model")
    shown = picture(study, "reliability", "Reliability, before and after the temperature.", HOW)
    beside = filled('<figure class="half">{}</figure>', table)  # so that it fills the row
    return paragraphs(
        [
            picture(study, "confusion_matrices", "Confusion matrices on the test set.", COUNTED),
            picture(study, "roc", "ROC curves on the test set.", MOVED),
            pairs_table(study),
            fold("How to read McNemar's p", PAIRED),
            *(shown, beside),
        ]
    )


def _seeds(study: Study, many: str) -> str:
    return count(len(study.seeds), "seed") + (many if len(study.seeds) > 1 else "")


def confusion_matrices(study: Study) -> Drawn:
    """Confusion matrices on the test set, summed over seeds, fake first; shares of a true class."""
    cells, counted = ["tp", "fn", "fp", "tn"], []
    sums, looks = by_seed(study, "fake").groupby("model")[cells].sum(), looks_of(study)
    size = (HALF * max(1, len(study.models) / 2), 2.9)
    figure, axes = plt.subplots(1, len(study.models), figsize=size, sharey=True, squeeze=False)
    for axis, (name, model) in zip(axes[0], study.models.items(), strict=True):
        matrix = sums.loc[name].to_numpy().reshape(2, 2)
        shares = matrix / matrix.sum(axis=1, keepdims=True)
        tints = LinearSegmentedColormap.from_list("", ["#fff", looks[name]["color"]])
        axis.imshow(shares, cmap=tints, vmin=0, vmax=2)  # faint: ink on it is readable
        for place, share in np.ndenumerate(shares):
            axis.text(*place[::-1], f"{matrix[place]:,}\n{share:.1%}", ha="center", va="center")
        axis.set(title=model.title, xlabel="predicted")
        axis.set_xticks((0, 1), CLASSES[::-1])
        axis.set_yticks((0, 1), CLASSES[::-1])
        axis.grid(False)
        tp, fn, fp, tn = matrix.ravel()
        found = f"{tp} fakes found, {fn} missed, {tn} reals kept, {fp} flagged as fake"
        counted.append(f"{model.title}: {found}")
    axes[0, 0].set_ylabel("true")
    title(figure, study, _seeds(study, " added up"))
    return figure, f"Confusion matrices. {'; '.join(counted)}."


def roc(study: Study) -> Drawn:
    """ROC curves on the test set, one line per seed."""
    figure, axis = plt.subplots(figsize=(HALF, 4.8))
    means, outputs, looks = [], predictions(study), looks_of(study)
    for name, model in study.models.items():
        seeds = [
            own[["label", "p_fake"]].T.to_numpy()
            for _, own in outputs[outputs["model"] == name].groupby("seed")
        ]
        area = np.mean([roc_auc_score(*of_seed) for of_seed in seeds])
        means.append(f"{model.title} {area:.3f}")
        for number, of_seed in enumerate(seeds):
            label = "" if number else f"{model.title}, area {area:.3f}"
            axis.plot(*roc_curve(*of_seed)[:2], label=label, **looks[name] | {"marker": ""})
    axis.plot([0, 1], [0, 1], ":", color=SOFT, label="chance")
    axis.set(xlabel="false positive rate (reals called fake)", aspect="equal")
    axis.set(ylabel="true positive rate (fakes found)", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axis.legend(loc="lower right")
    title(figure, study, _seeds(study, ", a line for each, mean areas"))
    return figure, f"ROC curves on the test set; mean area under the curve: {', '.join(means)}."


def reliability_diagram(study: Study) -> Drawn:
    """The share of fakes against p(fake), before and after the temperature, counts below."""
    measured, table, looks = calibration.of(study).read(), predictions(study), looks_of(study)
    shape: Any = {"sharex": True, "sharey": "row", "height_ratios": (3, 1), "squeeze": False}
    size = (HALF * max(1, len(study.models) / 2), 4.6)
    figure, axes = plt.subplots(2, len(study.models), figsize=size, **shape)
    for (diagram, counts), (name, model) in zip(axes.T, study.models.items(), strict=True):
        own, colour = table[table["model"] == name], looks[name]["color"]
        fitted = own["seed"].map(lambda seed, m=name: measured[m][str(seed)]["temperature"])
        diagram.plot([0, 1], [0, 1], ":", color=SOFT)
        for look, temperature, aside in ((BEFORE, 1.0, -0.008), (AFTER, fitted, 0.008)):
            outputs = tempered(own["p_fake"], temperature).to_numpy()
            rows = reliability(own["label"].to_numpy(), outputs, len(study.seeds))
            ends = [rows["fakes"] - rows["low"], rows["high"] - rows["fakes"]]
            style = look | {"color": colour, "ls": "", "elinewidth": 1, "label": ""}
            diagram.errorbar(rows["p_fake"] + aside, rows["fakes"], ends, **style)
            edges = np.linspace(0, 1, BINS + 1)
            counts.hist(outputs, edges, histtype="step", color=colour, lw=1.5, ls=look["ls"])
        diagram.set(title=model.title, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        counts.set(xlabel="p(fake)", yscale="log")
        counts.yaxis.set_major_formatter("{x:,.0f}")
        counts.yaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].set_ylabel("share of fakes")
    axes[1, 0].set_ylabel("outputs")
    for look in (BEFORE, AFTER, {"ls": ":", "label": "perfectly calibrated"}):
        axes[0, 0].plot([], [], color=SOFT, **look)
    figure.legend(loc="outside lower left", ncols=2)
    title(figure, study, _seeds(study, " added up"))
    told = "; ".join(
        f"{row.model} {row.p_fake}: calibration error {row.ece:.3f} (by chance {row.ece_high:.3f})"
        for row in scores_table(measured).itertuples()
    )
    return figure, f"Reliability diagram. {told}."


DRAWN = {"confusion_matrices": confusion_matrices, "roc": roc, "reliability": reliability_diagram}


@step("confidence", after=["dataset", "predict", "calibration"], **pictures(*DRAWN))
def error_figures(study: Study, out: Path) -> None:
    """Draw them all."""
    for name, draw in DRAWN.items():
        save(out, name, draw(study))
