"""Whether p(fake) can be believed: the reliability diagram and its numbers."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.ticker import NullFormatter

from fakeface_utils.evaluate import predictions
from fakeface_utils.figures import HALF, SOFT, picture, pictures, save, title
from fakeface_utils.models import MODELS
from fakeface_utils.report import as_table, paragraphs
from fakeface_utils.settings import Study
from fakeface_utils.step import Task, step
from fakeface_utils.util import count

from .measure import BINS, calibration, reliability, tempered

BEFORE: Any = {"marker": "o", "ls": "-", "label": "as it comes"}
AFTER: Any = {"marker": "s", "ls": "--", "mfc": "none", "label": "with the temperature"}
HOW = (
    "The calibration error (ECE) is the mean, over the test images, of |share of fakes - mean "
    f"p(fake)| in their bin of {BINS}. The temperature divides the logit of every output; it is "
    "fitted on validation images, and accuracy and ROC stay the same."
)


def tasks(study: Study) -> list[Task]:
    """What the notebook does."""
    return [calibration.of(study), reliability_figure.of(study)]


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
            rows.append(
                {"model": MODELS[model].title, "p_fake": p_fake, **means, "verdict": verdict}
            )
    return pd.DataFrame(rows)


def summary(study: Study) -> str:
    """The scores for a terminal."""
    table = scores_table(calibration.of(study).read())
    return "p(fake)\n" + table.to_string(index=False, float_format="{:.4f}".format, na_rep="-")


def section(study: Study) -> HTML:
    """Its part of the report."""
    names = {"p_fake": "p(fake)", "brier": "Brier score", "log_loss": "log loss, nats"}
    names |= {"ece": "calibration error", "ece_expected": "by chance", "ece_high": "up to"}
    scored = scores_table(calibration.of(study).read()).rename(columns=names)
    table = as_table(scored, "Test images, means over seeds; the lower the better", by="model")
    shown = picture(study, "reliability", "Reliability, before and after the temperature.", HOW)
    return paragraphs([shown, table])


@step("confidence", after=["dataset", "predict", "calibration"], **pictures("reliability"))
def reliability_figure(study: Study, out: Path) -> None:
    """The share of fakes against p(fake), before and after the temperature, counts below."""
    measured, table = calibration.of(study).read(), predictions(study)
    shape: Any = {"sharex": True, "sharey": "row", "height_ratios": (3, 1), "squeeze": False}
    size = (HALF * max(1, len(MODELS) / 2), 4.6)
    figure, axes = plt.subplots(2, len(MODELS), figsize=size, **shape)
    for (diagram, counts), (name, model) in zip(axes.T, MODELS.items(), strict=True):
        own, colour = table[table["model"] == name], model.look["color"]
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
    added = " added up" if len(study.seeds) > 1 else ""
    title(figure, study, f"{count(len(study.seeds), 'seed')}{added}")
    told = "; ".join(
        f"{row.model} {row.p_fake}: calibration error {row.ece:.3f} (by chance {row.ece_high:.3f})"
        for row in scores_table(measured).itertuples()
    )
    save(out, "reliability", (figure, f"Reliability diagram. {told}."))
