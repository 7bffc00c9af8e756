"""Table 1 of the paper from predictions, and both models on the same images.

The intervals and the rule of the verdicts are those of `statistics`.
"""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)
from statsmodels.stats.contingency_tables import mcnemar

from .dataset.audit import read_audit
from .dataset.kaggle import PAPER_COUNTS
from .dataset.prepare import read_dataset
from .files import write_csv
from .paper import paper_table1
from .paths import MODELS, results_dir, seed_dir
from .statistics import (
    bootstrap,
    interval,
    prediction_half_width,
    resampled,
    verdict,
    verdict_on_differences,
)
from .steps import table_step
from .study import Study

METRICS = ("accuracy", "precision", "recall", "f1")
RIGHT = ["both", "only_custom_cnn", "only_vgg16", "neither"]  # which of the two got an image right
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


def confusion(
    labels: npt.ArrayLike, p_fake: npt.ArrayLike, positive_class: str = "fake"
) -> npt.NDArray[np.int64]:
    """[[TP, FN], [FP, TN]]: rows are the truth, the positive class first."""
    order = [1, 0] if positive_class == "fake" else [0, 1]
    return confusion_matrix(labels, np.asarray(p_fake) >= 0.5, labels=order)


def not_comparable(study: Study) -> str:
    """Why this run's numbers can't be held against the paper's; '' where they can.

    The first that holds of: generated data, other image counts, other settings, one seed.
    """
    dataset = read_dataset(study)
    if dataset["generated"]:
        return "generated data"
    if any(set(dataset["counts"][split].values()) != {n} for split, n in PAPER_COUNTS.items()):
        return "other image counts"
    apart = ("data", "deterministic")  # judged above; decides digits, not what is to be expected
    differing = [name for name in study.differences()["setting"] if name not in apart]
    if differing:
        return f"other settings: {', '.join(differing)}"
    return "one seed" if len(study.seeds) < 2 else ""


def read_predictions(study: Study, model: str, seed: int) -> pd.DataFrame:
    """path, label (1 is fake) and p_fake of every test image."""
    path = seed_dir(study.run, model, seed) / "predictions.csv"
    return pd.read_csv(path, dtype={"path": str})


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


def read_histories(study: Study, model: str) -> pd.DataFrame:
    """The histories of all seeds of a model, with a column seed."""
    tables = [
        pd.read_csv(seed_dir(study.run, model, seed) / "history.csv").assign(seed=seed)
        for seed in study.seeds
    ]
    return pd.concat(tables, ignore_index=True)
