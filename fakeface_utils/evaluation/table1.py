"""Table 1 of the paper from predictions, and both models on the same images.

The intervals and the rule of the verdicts are those of `statistics`.
"""

import math

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix
from statsmodels.stats.contingency_tables import mcnemar

from ..common.files import write_csv
from ..common.paths import results_dir
from ..study.artefacts import read_audit, read_predictions
from ..study.names import METRICS, MODELS
from ..study.paper import paper_table1
from ..study.plan import table_step
from ..study.settings import Study
from .caveats import not_comparable
from .intervals import bootstrap, interval, prediction_half_width, resampled
from .metrics import confusion, metrics
from .verdicts import verdict, verdict_on_differences

RIGHT = ["both", "only_custom_cnn", "only_vgg16", "neither"]  # which of the two got an image right


def table1(study: Study) -> pd.DataFrame:
    """Compute Table 1 from the predictions and write table1.csv, unless that is done.

    Returns:
        metric, model, ours_mean, ours_sd (between seeds; empty for one), ci_low, ci_high (95 %),
        paper, verdict, without_leaked (the mean over seeds without the test images that have a
        duplicate in training or validation; empty where none has), predicted_low, predicted_high
        (the 95 % prediction interval of one more run, on which the verdict rests; empty for one
        seed); eight rows in the paper's order.

    Raises:
        StudyError: predictions are missing.
    """
    step = table_step(study)
    path = results_dir(study.run) / "table1.csv"
    if not step.is_done():
        with step.running():
            write_csv(path, _table1(study))
    return pd.read_csv(path)


def printed_table1(study: Study) -> str:
    """Table 1 as text for a terminal; intervals are cut at 0 and 1."""
    table = table1(study)
    ends = ["ci_low", "ci_high", "predicted_low", "predicted_high"]
    table[ends] = table[ends].clip(0, 1)
    return table.to_string(index=False, float_format="{:.4f}".format, na_rep="-")


def _table1(study: Study) -> pd.DataFrame:
    paper = paper_table1()
    reason = not_comparable(study)
    leaked = read_audit(study)["leaked"]
    rows = []
    for model in MODELS:
        tables = [read_predictions(study, model, seed) for seed in study.seeds]
        rest = [t[~t["path"].isin(leaked)] for t in tables] if leaked else []
        unleaked = [metrics(t["label"], t["p_fake"], study.positive_class) for t in rest]
        ours = [metrics(t["label"], t["p_fake"], study.positive_class) for t in tables]
        drawn = [
            bootstrap(confusion(t["label"], t["p_fake"], study.positive_class)) for t in tables
        ]
        for metric in METRICS:
            values = [found[metric] for found in ours]
            mean = float(np.mean(values))
            if len(values) == 1:
                low, high = np.quantile(drawn[0][metric], [0.025, 0.975])
            elif metric == "accuracy":
                low, high = interval(values, mean * (1 - mean) / len(tables[0]))
            else:
                low, high = interval(values, float(np.mean([d[metric].var() for d in drawn])))
            printed = float(paper[metric, model])
            half = prediction_half_width(values) if len(values) > 1 else math.nan
            rows.append(
                {
                    "metric": metric,
                    "model": model,
                    "ours_mean": mean,
                    "ours_sd": float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
                    "ci_low": max(float(low), 0.0),
                    "ci_high": min(float(high), 1.0),
                    "paper": printed,
                    "verdict": verdict(values, printed, reason),
                    "without_leaked": float(np.mean([u[metric] for u in unleaked] or math.nan)),
                    "predicted_low": mean - half,
                    "predicted_high": mean + half,
                }
            )
    return pd.DataFrame(rows)


def seed_by_seed(study: Study) -> pd.DataFrame:
    """Both models on the same test images, seed by seed, with McNemar's exact test.

    The test compares two fitted networks, not two methods: a seed's p-value says whether these two
    networks err equally often, and nothing about the next training. So none is singled out.

    Returns:
        seed; how many images both, only_custom_cnn, only_vgg16 and neither got right; p_value.
    """
    rows = []
    for seed in study.seeds:
        custom, vgg16 = (
            table["label"] == (table["p_fake"] >= 0.5)
            for table in (read_predictions(study, model, seed) for model in ("custom_cnn", "vgg16"))
        )
        square = confusion_matrix(custom, vgg16, labels=[True, False])
        counts = dict(zip(RIGHT, square.ravel(), strict=True))
        rows.append({"seed": seed, **counts, "p_value": float(mcnemar(square, exact=True).pvalue)})
    return pd.DataFrame(rows)


def claim_better(study: Study) -> dict[str, object]:
    """The claim 'the custom CNN is better', section 5: the difference of the mean accuracies.

    With several seeds its interval is `interval` of the differences seed by seed, with the
    variance of the paired difference over test images; with one seed it is the bootstrap over
    test images, paired.

    Returns:
        difference, low, high (accuracy, custom CNN minus VGG16, 95 %) and the verdict.
    """
    pairs = seed_by_seed(study)
    images = pairs.loc[0, RIGHT].sum()
    better, worse = pairs["only_custom_cnn"] / images, pairs["only_vgg16"] / images
    values = better - worse
    if len(pairs) > 1:
        # An image counts 1, -1 or 0: its variance is the mean square less the squared mean.
        low, high = interval(list(values), float((better + worse - values**2).mean() / images))
    else:
        _, gained, lost, _ = resampled(pairs.loc[0, RIGHT]).T
        low, high = np.quantile((gained - lost) / images, [0.025, 0.975])
    said = verdict_on_differences([(low, high)], not_comparable(study))
    return {
        "difference": float(values.mean()),
        "low": float(low),
        "high": float(high),
        "verdict": said,
    }
