"""How far each other reading of an open question moves validation accuracy, changed one at a time.

The validation set decides, as it does for the epoch whose weights are kept; the test set is not
touched. The baseline is the run itself.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..common.files import write_csv
from ..study.artefacts import read_dataset, read_histories
from ..study.beyond import as_measured
from ..study.beyond_artefacts import ablations_csv, read_ablations_csv
from ..study.names import MODELS, TITLES
from ..study.readings import Reading, compare_step, other_readings
from ..study.settings import Study
from .intervals import interval, proportion_variance


def compare_readings(study: Study) -> pd.DataFrame:
    """Compare the readings and write ablations.csv, unless that is done.

    Returns:
        As `compare`.

    Raises:
        StudyError: a reading isn't trained.
    """
    compare_step(study).do(lambda: write_csv(ablations_csv(study), compare(study)))
    return read_ablations_csv(study)


def read_ablations(study: Study) -> pd.DataFrame | None:
    """The table of `compare_readings`; None where it wasn't made or is out of date."""
    return read_ablations_csv(study) if as_measured(study, compare_step) else None


def kept_epoch(history: pd.DataFrame, best_weights: str) -> pd.Series:
    """The row of the epoch whose weights training keeps: the first best.

    Args:
        history: of one training run, with val_loss and val_accuracy.
        best_weights: 'val_loss' (the lowest is best) or 'val_accuracy' (the highest).
    """
    value = history["val_loss"] if best_weights == "val_loss" else -history["val_accuracy"]
    return history.iloc[int(value.fillna(math.inf).to_numpy().argmin())]


def mean_difference(
    reading: Sequence[float], baseline: Sequence[float], images: int
) -> tuple[float, float, float]:
    """How much higher a reading's accuracy is than the baseline's, with its 95 % `interval`.

    v is the sum of both accuracies' variances, as if two networks erred independently. In fact they
    often err on the same images, so the interval is too wide rather than too narrow.

    Args:
        reading: accuracies, 0 to 1, one per seed.
        baseline: the same for the study itself, in the order of seeds.
        images: how many the validation set has.

    Returns:
        The mean difference, and the interval's lower and upper end.
    """
    both = [np.mean(reading), np.mean(baseline)]
    pairs = np.subtract(reading, baseline)
    low, high = interval(pairs, proportion_variance(both, images).sum())
    return float(pairs.mean()), float(low), float(high)


def accuracies(study: Study, model: str) -> list[float]:
    """Validation accuracy, 0 to 1, of the `kept_epoch` of every seed, in the order of the seeds."""
    histories = read_histories(study, model).groupby("seed", sort=False)
    return [
        float(kept_epoch(history, study.best_weights)["val_accuracy"]) for _, history in histories
    ]


def comparisons(study: Study) -> list[tuple[Reading, str]]:
    """Each other reading with each model it concerns."""
    return [(reading, model) for reading in other_readings(study) for model in reading.models]


def compare(study: Study) -> pd.DataFrame:
    """Every other reading against the study itself, from the histories.

    Returns:
        setting, value, model, seeds (how many), difference (mean of the seeds' validation
        accuracies, reading minus baseline, 0 to 1), ci_low, ci_high (95 %, see `mean_difference`),
        baseline_mean, reading_mean.
    """
    images = sum(read_dataset(study)["counts"]["valid"].values())
    baseline = {model: accuracies(study, model) for model in MODELS}
    rows = []
    for reading, model in comparisons(study):
        theirs, ours = accuracies(reading.study, model), baseline[model]
        mean, low, high = mean_difference(theirs, ours, images)
        rows.append(
            {
                "setting": reading.setting,
                "value": reading.name.partition("=")[2],
                "model": model,
                "seeds": len(ours),
                "difference": mean,
                "ci_low": low,
                "ci_high": high,
                "baseline_mean": float(np.mean(ours)),
                "reading_mean": float(np.mean(theirs)),
            }
        )
    return pd.DataFrame(rows)


def by_size(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `compare`, the largest difference first."""
    order = table["difference"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def in_points(row: Any) -> str:
    """A difference with its interval, in percentage points."""
    low, high = 100 * row.ci_low, 100 * row.ci_high
    return f"{100 * row.difference:+.1f} ({low:+.1f} to {high:+.1f})"


def count_of_seeds(count: int) -> str:
    """The number of seeds, and what an interval from one of them leaves out."""
    if count > 1:
        return f"{count} seeds"
    return "one seed: the intervals cover the choice of validation images, not run-to-run variation"


def summary(table: pd.DataFrame) -> str:
    """Two sentences: which two readings matter most, and how many may not matter at all."""
    largest = [
        f"{row.setting}={row.value} ({TITLES[row.model]}) by {in_points(row)}"
        for row in by_size(table)[:2].itertuples()
    ]
    unclear = int(((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).sum())
    return (
        "What moves validation accuracy most here, in percentage points with 95 % intervals: "
        f"{', then '.join(largest)}. In {unclear} of {len(table)} comparisons the interval "
        f"includes 0 ({count_of_seeds(int(table['seeds'].max()))})."
    )
