"""Table 1 of the paper from predictions: metrics, intervals and verdicts.

The verdict rule was written down before any result: our seeds are a sample of runs, and the paper
is one more run. A value of the paper is reproduced if it lies inside the 95 % prediction interval
of our seeds, and undecided where that interval is wider than +-0.02.
"""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.stats
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)

from .dataset.kaggle import PAPER_COUNTS
from .dataset.prepare import read_dataset
from .files import write_csv
from .paths import MODELS, PACKAGE, results_dir, seed_dir
from .steps import table_step
from .study import Study

METRICS = ("accuracy", "precision", "recall", "f1")
WIDEST = 0.02  # half width of a prediction interval beyond which a verdict means nothing
RESAMPLES = 10_000
TITLES = {"custom_cnn": "custom CNN", "vgg16": "VGG16"}


def metrics(
    labels: npt.ArrayLike, p_fake: npt.ArrayLike, positive_class: str = "fake"
) -> dict[str, float]:
    """Accuracy, precision, recall and F1 at a threshold of 0.5: equations 3 to 6 of the paper.

    Args:
        labels: (N,) 1 for fake, 0 for real.
        p_fake: (N,) predicted probability of fake, 0 to 1.
        positive_class: 'fake', as in the paper's text, or 'real'.

    Returns:
        The four metrics by name; precision is 0 where nothing was called positive.
    """
    predicted = (np.asarray(p_fake) >= 0.5).astype(int)
    positive = int(positive_class == "fake")
    options = {"pos_label": positive, "zero_division": 0}
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "precision": float(precision_score(labels, predicted, **options)),
        "recall": float(recall_score(labels, predicted, **options)),
        "f1": float(f1_score(labels, predicted, **options)),
    }


def confusion(labels: npt.ArrayLike, p_fake: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """[[TP, FN], [FP, TN]] with fake positive: rows are the truth, fake first."""
    return confusion_matrix(labels, np.asarray(p_fake) >= 0.5, labels=[1, 0])


def bootstrap(
    labels: npt.ArrayLike, p_fake: npt.ArrayLike, positive_class: str = "fake"
) -> dict[str, npt.NDArray[np.float64]]:
    """Metrics of resampled test sets, `RESAMPLES` of each, drawn with seed 0.

    Drawing N images with replacement is drawing the four cells of the confusion matrix from a
    multinomial distribution; the metrics depend on nothing else.
    """
    matrix = confusion(labels, p_fake)
    if positive_class == "real":
        matrix = matrix[::-1, ::-1]
    drawn = np.random.default_rng(0).multinomial(
        matrix.sum(), matrix.ravel() / matrix.sum(), RESAMPLES
    )
    tp, fn, fp, tn = drawn.T.astype("float64")
    return {
        "accuracy": (tp + tn) / matrix.sum(),
        "precision": tp / np.maximum(tp + fp, 1),
        "recall": tp / np.maximum(tp + fn, 1),
        "f1": 2 * tp / np.maximum(2 * tp + fp + fn, 1),
    }


def interval(values: list[float], test_variance: float) -> tuple[float, float]:
    """The 95 % interval of a metric's mean over seeds, for the finite test set too.

    m +- t(n-1) * sqrt(s^2 / n + test_variance): the seeds share one test set, so that its chance
    doesn't average out over them.

    Args:
        values: the metric of each seed, at least two.
        test_variance: the metric's variance over test sets of this size.
    """
    n = len(values)
    half = scipy.stats.t.ppf(0.975, n - 1) * math.sqrt(np.var(values, ddof=1) / n + test_variance)
    return float(np.mean(values) - half), float(np.mean(values) + half)


def verdict(values: list[float], paper: float, reason: str = "") -> str:
    """The verdict on one value of the paper.

    Args:
        values: our metric, one value per seed.
        paper: the value the paper prints.
        reason: why the two can't be compared at all; '' where they can.

    Returns:
        'reproduced', 'not reproduced', 'undecided' or 'not comparable (reason)'.
    """
    n = len(values)
    if not reason and n < 2:
        reason = "one seed"
    if reason:
        return f"not comparable ({reason})"
    spread = np.std(values, ddof=1) * math.sqrt(1 + 1 / n)
    half = scipy.stats.t.ppf(0.975, n - 1) * spread
    if half > WIDEST:
        return "undecided"
    inside = abs(paper - np.mean(values)) <= half
    return "reproduced" if inside else "not reproduced"


def not_comparable(study: Study) -> str:
    """Why this run's numbers can't be held against the paper's; '' where they can."""
    dataset = read_dataset(study)
    if dataset["generated"]:
        return "generated data"
    if any(set(dataset["counts"][split].values()) != {n} for split, n in PAPER_COUNTS.items()):
        return "other image counts"
    apart = ("data", "deterministic")  # judged above; decides digits, not what is to be expected
    differing = [name for name in study.differences()["setting"] if name not in apart]
    return f"other settings: {', '.join(differing)}" if differing else ""


def read_predictions(study: Study, model: str, seed: int) -> pd.DataFrame:
    """path, label (1 is fake) and p_fake of every test image."""
    path = seed_dir(study.run, model, seed) / "predictions.csv"
    return pd.read_csv(path, dtype={"path": str})


def table1(study: Study) -> pd.DataFrame:
    """Compute Table 1 from the predictions and write table1.csv, unless that is done.

    Returns:
        metric, model, ours_mean, ours_sd (between seeds; empty for one), ci_low, ci_high (95 %),
        paper, verdict; eight rows in the paper's order.

    Raises:
        StudyError: predictions are missing.
    """
    step = table_step(study)
    path = results_dir(study.run) / "table1.csv"
    if not step.is_done():
        with step.running():
            write_csv(path, _table1(study))
    return pd.read_csv(path)


def _table1(study: Study) -> pd.DataFrame:
    paper = pd.read_csv(PACKAGE / "paper_table1.csv").set_index(["metric", "model"])["paper"]
    reason = not_comparable(study)
    rows = []
    for model in MODELS:
        tables = [read_predictions(study, model, seed) for seed in study.seeds]
        ours = [metrics(t["label"], t["p_fake"], study.positive_class) for t in tables]
        drawn = [bootstrap(t["label"], t["p_fake"], study.positive_class) for t in tables]
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
                }
            )
    return pd.DataFrame(rows)


def claim_better(study: Study) -> dict[str, object]:
    """The claim 'the custom CNN is better', section 5: the difference of the mean accuracies.

    With several seeds its interval is `interval` of the differences seed by seed, with the
    variance of the paired difference over test images; with one seed it is the bootstrap over
    test images, paired.

    Returns:
        difference, low, high (accuracy, custom CNN minus VGG16, 95 %) and the verdict.
    """
    right = {
        model: [
            (t["label"] == (t["p_fake"] >= 0.5)).to_numpy(dtype="float64")
            for t in (read_predictions(study, model, seed) for seed in study.seeds)
        ]
        for model in MODELS
    }
    paired: list[npt.NDArray[np.float64]] = [
        c - v for c, v in zip(right["custom_cnn"], right["vgg16"], strict=True)
    ]
    values = [float(pair.mean()) for pair in paired]
    if len(values) > 1:
        low, high = interval(values, float(np.mean([pair.var() / len(pair) for pair in paired])))
    else:
        found = scipy.stats.bootstrap(
            (paired[0],), np.mean, n_resamples=RESAMPLES, method="percentile", rng=0, batch=100
        ).confidence_interval
        low, high = float(found.low), float(found.high)
    reason = not_comparable(study) or ("one seed" if len(study.seeds) < 2 else "")
    if reason:
        said = f"not comparable ({reason})"
    else:
        said = "reproduced" if low > 0 else "not reproduced" if high < 0 else "undecided"
    return {"difference": float(np.mean(values)), "low": low, "high": high, "verdict": said}
