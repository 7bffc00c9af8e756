"""The paper's Table 1 from our predictions, and both models compared image by image."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..common.files import write_csv
from ..study.artefacts import read_audit, read_predictions, read_table1, table1_csv
from ..study.names import METRICS, MODELS
from ..study.paper import paper_table1
from ..study.plan import table_step
from ..study.settings import Study
from .caveats import not_comparable
from .intervals import interval, metric_variances, paired_variance, prediction_half_width
from .metrics import confusion, metrics, rates
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
    table_step(study).do(lambda: write_csv(table1_csv(study), _table1(study)))
    return read_table1(study)


def printed_table1(study: Study) -> str:
    """Table 1 as text for a terminal; intervals are cut at 0 and 1."""
    table = table1(study)
    ends = ["ci_low", "ci_high", "predicted_low", "predicted_high"]
    table[ends] = table[ends].clip(0, 1)
    return table.to_string(index=False, float_format="{:.4f}".format, na_rep="-")


def _table1(study: Study) -> pd.DataFrame:
    tables = {
        model: [read_predictions(study, model, seed) for seed in study.seeds] for model in MODELS
    }
    matrices = {
        model: [confusion(t["label"], t["p_fake"], study.positive_class) for t in of_seeds]
        for model, of_seeds in tables.items()
    }
    leaked = read_audit(study)["leaked"]
    without = []
    for of_seeds in tables.values():
        rest = [t[~t["path"].isin(leaked)] for t in of_seeds] if leaked else []
        unleaked = [metrics(t["label"], t["p_fake"], study.positive_class) for t in rest]
        without += list(pd.DataFrame(unleaked, columns=list(METRICS)).mean())
    table = from_counts(matrices, not_comparable(study))
    table.insert(table.columns.get_loc("predicted_low"), "without_leaked", without)
    return table


def from_counts(
    matrices: Mapping[str, Sequence[npt.NDArray[np.int64]]], reason: str = ""
) -> pd.DataFrame:
    """All of Table 1 that follows from confusion matrices: `table1` but for without_leaked.

    Args:
        matrices: by model, [[TP, FN], [FP, TN]] of each seed.
        reason: why there can be no verdict; '' where there can.
    """
    paper = paper_table1()
    rows = []
    for model, of_seeds in matrices.items():
        ours = pd.DataFrame([rates(*matrix.ravel()) for matrix in of_seeds])
        variances = pd.DataFrame([metric_variances(matrix) for matrix in of_seeds]).mean()
        for metric in METRICS:
            values = list(ours[metric])
            mean = float(np.mean(values))
            low, high = interval(values, variances[metric])
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
                    "predicted_low": mean - half,
                    "predicted_high": mean + half,
                }
            )
    return pd.DataFrame(rows)


def seed_by_seed(study: Study) -> pd.DataFrame:
    """Both models on the same test images, seed by seed, with McNemar's exact test.

    The test compares two trained networks, not two methods: a seed's p-value says whether these two
    networks err equally often, and nothing about the next training run. So every seed is listed.

    Returns:
        seed; how many images both, only_custom_cnn, only_vgg16 and neither got right; p_value.
    """
    from scipy.stats import binomtest  # half a second to import: not for a run that is up to date

    rows = []
    for seed in study.seeds:
        custom, vgg16 = (
            table["label"] == (table["p_fake"] >= 0.5)
            for table in (read_predictions(study, model, seed) for model in ("custom_cnn", "vgg16"))
        )
        kinds = (custom & vgg16, custom & ~vgg16, ~custom & vgg16, ~custom & ~vgg16)
        counts = {name: int(kind.sum()) for name, kind in zip(RIGHT, kinds, strict=True)}
        b, c = counts["only_custom_cnn"], counts["only_vgg16"]
        p_value = float(binomtest(b, b + c).pvalue) if b + c else 1.0
        rows.append({"seed": seed, **counts, "p_value": p_value})
    return pd.DataFrame(rows)


def difference(study: Study) -> dict[str, float]:
    """How much more accurate the custom CNN is than VGG16, see `paired_difference`."""
    return paired_difference(seed_by_seed(study))


def paired_difference(pairs: pd.DataFrame) -> dict[str, float]:
    """How much more accurate the custom CNN is than VGG16 on the same test images.

    Args:
        pairs: the columns of `RIGHT`, a row for each seed.

    Returns:
        difference, low, high: of the mean accuracies, with the 95 % `interval` of the differences
        seed by seed, paired by image.
    """
    images = int(pairs.loc[0, RIGHT].sum())
    better, worse = pairs["only_custom_cnn"], pairs["only_vgg16"]
    differences = (better - worse) / images
    low, high = interval(differences, paired_variance(better, worse, images).mean())
    return {"difference": float(differences.mean()), "low": float(low), "high": float(high)}


def claim_better(study: Study) -> dict[str, Any]:
    """The claim 'the custom CNN is better', section 5: its `difference` and the verdict."""
    better = difference(study)
    ends = (better["low"], better["high"])
    return better | {"verdict": verdict_on_differences([ends], not_comparable(study))}
