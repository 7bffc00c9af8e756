"""How far each other reading of an open question moves validation accuracy, changed one at a time.

The validation set decides, as it does for the epoch whose weights are kept; the test set is not
touched. The baseline is the run itself.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.stats
import seaborn as sns

from .dataset.prepare import prepare, read_dataset
from .evaluation import TITLES
from .figures import STYLE, TRAIN, VALID, Drawn, mark, read_histories, save
from .files import write_csv
from .paths import MODELS, seed_dir
from .questions import NOTEBOOK, Reading, ablation_step, other_readings, reading_step, trainings
from .steps import ablation_outputs
from .study import Study

CAPTION = (
    "Each other reading against this run, on the validation set. best_weights=val_accuracy can't "
    "lose here: it picks the epoch by this very number."
)
MARKERS = {"custom_cnn": (TRAIN, "o"), "vgg16": (VALID, "s")}


def ablate(study: Study) -> pd.DataFrame:
    """Train every other reading with every seed, compare, and draw; what is done is skipped.

    Each training is kept for itself under results/<run>/ablations/<setting>=<value>/, so that a
    new question, or another seed, trains nothing else. Only histories stay there: the models
    would take 0.1 GB each at the paper's size, and nothing reads them.

    Returns:
        As `compare`.

    Raises:
        StudyError: the run's own networks aren't trained yet, or a reading can't be prepared.
    """
    for step in ablation_step(study).after:
        if step.notebook != NOTEBOOK:
            step.check_outputs()
    todo = trainings(study)
    for number, (reading, model, seed) in enumerate(todo, start=1):
        print(f"[{number}/{len(todo)}] {reading.name}")
        train_reading(reading, model, seed)
    step = ablation_step(study)
    if not step.is_done():
        with step.running(), sns.axes_style("whitegrid"), plt.rc_context(STYLE):
            table = compare(study)
            write_csv(ablation_outputs(study)[0], table)
            save(study, "open_questions", draw(study, table))
    return _read(study)


def train_reading(reading: Reading, model: str, seed: int) -> None:
    """Prepare and train one other reading with one seed, unless that is done; keep its history.

    Raises:
        StudyError: the reading can't be prepared.
    """
    from .features import extract_features  # Keras with them, six seconds: not for the report
    from .training import train

    step = reading_step(reading, model, seed)
    if step.is_done():
        print(f"{step.name}: up to date")
    else:
        prepare(reading.study)
        for split in ("train", "valid") if model == "vgg16" else ():
            extract_features(reading.study, split)
        with step.running():
            train(reading.study, model, seed)
    (seed_dir(reading.study.run, model, seed) / "model.keras").unlink(missing_ok=True)


def _read(study: Study) -> pd.DataFrame:
    return pd.read_csv(ablation_outputs(study)[0], dtype={"value": str})


def read_ablations(study: Study) -> pd.DataFrame | None:
    """What `ablate` found for this study; None where it didn't run or something changed since.

    Its seeds may be others than the study's: a table of one seed may stand beside it.
    """
    try:
        held = json.loads(ablation_step(study).marker.read_text(encoding="utf-8"))
        seeds = tuple(held["settings"]["seeds"])
    except (OSError, ValueError, KeyError):
        return None
    step = ablation_step(study.model_copy(update={"seeds": seeds}))
    return _read(study) if step.is_done() else None


def kept_accuracy(history: pd.DataFrame, best_weights: str) -> float:
    """Validation accuracy, 0 to 1, of the epoch whose weights training keeps: the first best.

    Args:
        history: one training's, with val_loss and val_accuracy.
        best_weights: 'val_loss' (the lowest is best) or 'val_accuracy' (the highest).
    """
    value = history["val_loss"] if best_weights == "val_loss" else -history["val_accuracy"]
    return float(history["val_accuracy"].iloc[int(value.fillna(math.inf).to_numpy().argmin())])


def difference(
    reading: Sequence[float], baseline: Sequence[float], images: int
) -> tuple[float, float, float]:
    """How much higher a reading's accuracy is than the baseline's, with a 95 % interval.

    Two kinds of chance are in the mean of the differences d_k, which are paired by seed:
    the trainings', h1 = t(n-1) * s_d / sqrt(n); and that of the N validation images, which all
    seeds share, h2 = 1.96 * sqrt(v), where v is the sum over both accuracies of p (1 - p) / (N + 2)
    with p = (N * accuracy + 1) / (N + 2) (Agresti & Caffo 2000; never 0). The half width is
    sqrt(h1^2 + h2^2) (Zou & Donner 2008).

    v takes the errors of two networks as independent. They fall on the same images more often than
    that, so that the interval is too wide rather than too narrow. Table 1's `interval` would
    multiply v by t(n-1) too, 12.7 with two seeds. With one seed there is no h1, and the interval
    says nothing of the trainings' chance.

    Args:
        reading: accuracies, 0 to 1, one a seed.
        baseline: the same of the study itself, seed by seed.
        images: N.

    Returns:
        mean difference, lower and upper end.
    """
    pairs = np.subtract(reading, baseline)
    n, mean = len(pairs), float(np.mean(pairs))
    h1 = scipy.stats.t.ppf(0.975, n - 1) * np.std(pairs, ddof=1) / math.sqrt(n) if n > 1 else 0.0
    p = (images * np.array([np.mean(reading), np.mean(baseline)]) + 1) / (images + 2)
    h2 = scipy.stats.norm.ppf(0.975) * math.sqrt((p * (1 - p)).sum() / (images + 2))
    half = math.hypot(h1, h2)
    return mean, mean - half, mean + half


def _accuracies(study: Study, model: str) -> list[float]:
    """The kept validation accuracy of every seed's training, in the order of the seeds."""
    histories = read_histories(study, model).groupby("seed", sort=False)
    return [kept_accuracy(history, study.best_weights) for _, history in histories]


def _comparisons(study: Study) -> list[tuple[Reading, str]]:
    return [(reading, model) for reading in other_readings(study) for model in reading.models]


def compare(study: Study) -> pd.DataFrame:
    """Every other reading against the study itself, from the histories.

    Returns:
        setting, value, model, seeds (how many), difference (mean of the seeds' validation
        accuracies, reading minus baseline, 0 to 1), ci_low, ci_high (95 %, see `difference`),
        baseline_mean, reading_mean.
    """
    images = sum(read_dataset(study)["counts"]["valid"].values())
    baseline = {model: _accuracies(study, model) for model in MODELS}
    rows = []
    for reading, model in _comparisons(study):
        theirs, ours = _accuracies(reading.study, model), baseline[model]
        mean, low, high = difference(theirs, ours, images)
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
    """The table of `compare`, what moves accuracy most first."""
    order = table["difference"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _points(row: Any) -> str:
    """A difference with its interval, in percentage points."""
    low, high = 100 * row.ci_low, 100 * row.ci_high
    return f"{100 * row.difference:+.1f} ({low:+.1f} to {high:+.1f})"


def _seeds(count: int) -> str:
    """The number of seeds, and what an interval from one of them leaves out."""
    if count > 1:
        return f"{count} seeds"
    return "one seed: intervals hold the images' chance, not the trainings'"


def summary(table: pd.DataFrame) -> str:
    """Which two readings matter most, and how many of all may not matter, in two sentences."""
    largest = [
        f"{row.setting}={row.value} ({TITLES[row.model]}) by {_points(row)}"
        for row in by_size(table)[:2].itertuples()
    ]
    unclear = int(((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).sum())
    return (
        "What moves validation accuracy most here, in percentage points with 95 % intervals: "
        f"{', then '.join(largest)}. In {unclear} of {len(table)} comparisons the interval "
        f"includes 0 ({_seeds(int(table['seeds'].max()))})."
    )


def draw(study: Study, table: pd.DataFrame) -> Drawn:
    """Every reading's mean difference with its interval and its seeds, the largest on top.

    The axis holds every seed's value; an interval that is wider ends in an arrow, its ends stand
    at the right.
    """
    ordered = by_size(table)
    baseline = {model: _accuracies(study, model) for model in MODELS}
    each = {
        (reading.name, model): 100 * np.subtract(_accuracies(reading.study, model), baseline[model])
        for reading, model in _comparisons(study)
    }
    points = np.concatenate([*each.values(), [0.0]])
    half = 50 * float((table["ci_high"] - table["ci_low"]).median())
    margin = max(1.1 * half, 0.15 * float(np.ptp(points)))
    left, right = points.min() - margin, points.max() + margin
    figure, axis = plt.subplots(figsize=(9, 0.3 * len(table) + 1.6), layout="constrained")
    across = axis.get_yaxis_transform()  # x as a share of the axis, y as the row
    said = []
    for place, row in enumerate(ordered.itertuples()):
        name, (colour, marker) = f"{row.setting}={row.value}", MARKERS[row.model]
        low, high = 100 * row.ci_low, 100 * row.ci_high
        axis.plot([max(low, left), min(high, right)], [place] * 2, color=colour, lw=1.5)
        for end, cut, arrow in ((left, low < left, "<"), (right, high > right, ">")):
            if cut:
                axis.plot(end, place, arrow, color=colour, ms=6, clip_on=False)
        seeds = each[name, row.model]
        axis.plot(seeds, [place] * len(seeds), "|", color="0.1", ms=9)
        axis.plot(100 * row.difference, place, marker, color=colour, ms=7, mec="white")
        axis.text(1.02, place, _points(row), transform=across, va="center", fontsize=8)
        said.append(f"{name} ({TITLES[row.model]}) {_points(row)}")
    axis.axvline(0, color="0.2", lw=1, zorder=1)
    axis.set(xlim=(left, right), ylim=(len(table) - 0.4, -0.6))
    axis.set(xlabel="validation accuracy, changed reading minus this run (percentage points)")
    axis.set_yticks(range(len(table)), ordered["setting"] + "=" + ordered["value"], fontsize=9)
    for model, (colour, marker) in MARKERS.items():
        label = f"{TITLES[model]} (this run: {np.mean(baseline[model]):.3f})"
        axis.plot([], [], marker + "-", color=colour, mec="white", ms=7, label=label)
    axis.plot([], [], "|", color="0.1", ms=9, label="a seed")
    caveat = f"95 % intervals, {_seeds(len(study.seeds))}"
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, title=caveat, title_fontsize=8)
    figure.suptitle(f"One reading changed at a time{mark(study)}", fontsize=11)
    return figure, (
        "How far each other reading of an open question moves validation accuracy, in percentage "
        f"points with {caveat}: {'; '.join(said)}."
    )
