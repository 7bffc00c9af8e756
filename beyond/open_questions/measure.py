"""How far each other reading of an open question moves validation accuracy, one at a time.

The validation set decides, as it does for the epoch whose weights are kept; the test set is not
touched. The baseline is the run itself.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fakeface_utils.metrics import Known, interval, proportion_variance
from fakeface_utils.models import MODELS, titled
from fakeface_utils.settings import Study, as_typed, register
from fakeface_utils.step import AXES, STEPS, Task, step
from fakeface_utils.util import count


class Reading(NamedTuple):
    """A study that answers one open question otherwise and is the same in all else."""

    setting: str
    value: str  # as a person types it
    models: tuple[str, ...]  # whose validation accuracy it can move
    study: Study  # its run is a folder inside the run's own


def readings(study: Study) -> dict[str, Reading]:
    """Every reading of every open question but the study's own, by a name such as padding=valid.

    Questions that concern no network's training (positive_class) have none. Another rule for
    `best_weights` picks from the study's own histories, so its run is the study's.
    """
    found = {}
    for setting, question in register().items():
        for value in (question["default"], *question["alternatives"]):
            if value != getattr(study, setting) and question["models"]:
                name = f"{setting}={as_typed(value)}"
                own = setting == "best_weights"
                run = study.run if own else f"{study.run}/open_questions/{name}"
                changed = study.model_copy(update={setting: value, "run": run})
                found[name] = Reading(setting, as_typed(value), question["models"], changed)
    return found


AXES["reading"] = readings


def _training(study: Study, reading: str, model: str, seed: int) -> Task:
    """The training run that the main study would do with this reading."""
    return STEPS["train"].of(readings(study)[reading].study, model, seed)


@step(
    "open_questions",
    ["history.csv"],
    each=("reading", "model", "seed"),
    after=lambda *which: _training(*which).after(),
    settings=lambda *which: (task := _training(*which)).step.settings(task.study, *task.args),
    code=lambda *which: (task := _training(*which)).step.code(task.study, *task.args),
    folder=lambda *which: _training(*which).folder,
)
def train_reading(study: Study, reading: str, model: str, seed: int, out: Path) -> None:
    """Train one network with another reading; its history is kept, its weights aren't."""
    from fakeface_utils.trained import fit_network

    fit_network(readings(study)[reading].study, model, seed, out)


def baseline(study: Study) -> list[Task]:
    """The study's own training runs of the networks that the readings are about."""
    return [task for model in MODELS for task in STEPS["train"].all(study, model=model)]


def trained_readings(study: Study) -> list[Task]:
    """Every training run that the comparison takes beside the study's own."""
    return [
        train_reading.of(study, name, model, seed)
        for name, reading in readings(study).items()
        if reading.study.run != study.run
        for model in reading.models
        for seed in study.seeds
    ]


def readings_tasks(study: Study) -> list[Task]:
    """The same, each after the images and features that only it needs."""
    own = {one.marker for task in baseline(study) for one in (task, *task.before())}
    wanted = (one for task in trained_readings(study) for one in (*task.before(), task))
    return list({one.marker: one for one in wanted if one.marker not in own}.values())


def kept_epoch(history: pd.DataFrame, best_weights: str) -> pd.Series:
    """The row of the epoch whose weights training keeps: the first best."""
    value = history["val_loss"] if best_weights == "val_loss" else -history["val_accuracy"]
    return history.iloc[int(value.fillna(math.inf).to_numpy().argmin())]


def accuracies(study: Study, model: str, reading: str = "") -> list[float]:
    """Validation accuracy of the kept epoch of every seed, by a reading or by the study itself."""
    changed = readings(study)[reading].study if reading else study
    tasks = STEPS["train"].all(study, model=model)
    if changed.run != study.run:
        tasks = train_reading.all(study, reading=reading, model=model)
    kept = (kept_epoch(task.read("history.csv"), changed.best_weights) for task in tasks)
    return [float(epoch["val_accuracy"]) for epoch in kept]


def mean_difference(reading: Sequence[float], baseline: Sequence[float], images: int) -> Known:
    """How much higher a reading's accuracy is than the baseline's, paired by seed.

    v is the sum of both accuracies' variances, as if two networks erred independently. In fact they
    often err on the same images, so the interval is too wide rather than too narrow.
    """
    both = [np.mean(reading), np.mean(baseline)]
    pairs = np.subtract(reading, baseline)
    low, high = interval(pairs, proportion_variance(both, images).sum())
    return Known(float(pairs.mean()), float(low), float(high))


@step(
    "open_questions",
    ["open_questions.csv"],
    after=lambda study: [
        STEPS["dataset"].of(study),
        *baseline(study),
        *trained_readings(study),
    ],
    settings=lambda study: {**study.deciding(), "seeds": list(study.seeds)},
    folder=lambda study: study.results / "open_questions",
)
def open_questions(study: Study, out: Path) -> None:
    """Every other reading against the study itself, from the histories.

    setting, value, model, seeds (how many), difference (mean of the seeds' validation accuracies,
    reading minus baseline), ci_low, ci_high (95 %), baseline_mean, reading_mean.
    """
    images = sum(STEPS["dataset"].of(study).read()["counts"]["valid"].values())
    rows = []
    for name, reading in readings(study).items():
        for model in reading.models:
            theirs, ours = accuracies(study, model, name), accuracies(study, model)
            known, means = mean_difference(theirs, ours, images), map(np.mean, (ours, theirs))
            rows.append((*reading[:2], model, len(ours), *known, *means))
    columns = "setting value model seeds difference ci_low ci_high baseline_mean reading_mean"
    pd.DataFrame(rows, columns=columns.split()).to_csv(out / "open_questions.csv", index=False)


def by_size(table: pd.DataFrame) -> pd.DataFrame:
    """The comparison, the largest difference first."""
    order = table["difference"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def in_points(row: Any) -> str:
    """A difference with its interval, in percentage points."""
    return f"{Known(100 * row.difference, 100 * row.ci_low, 100 * row.ci_high):+.1f}"


def seeds_in_words(number: int) -> str:
    """How many seeds, and what an interval from one of them leaves out."""
    if number > 1:
        return count(number, "seed")
    return "one seed: the intervals cover the choice of validation images, not run-to-run variation"


def summary(study: Study) -> str:
    """Which two readings matter most, and how many may not matter at all."""
    table = by_size(open_questions.of(study).read())
    largest = [
        f"{row.setting}={row.value} ({titled(str(row.model))}) by {in_points(row)}"
        for row in table[:2].itertuples()
    ]
    unclear = int(((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).sum())
    return (
        "What moves validation accuracy most here, in percentage points with 95 % intervals: "
        f"{', then '.join(largest)}. In {unclear} of {len(table)} comparisons the interval "
        f"includes 0 ({seeds_in_words(int(table['seeds'].max()))})."
    )
