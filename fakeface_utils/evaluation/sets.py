"""How networks score on sets of images: what counts, the numbers, and their table in words."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from ..common.errors import StudyError
from ..study.beyond_artefacts import column
from ..study.names import TITLES
from .intervals import interval, proportion_variance

SCORES = (
    "accuracy",
    "real_accuracy",
    "fake_accuracy",
    "auc",
    "average_precision",
    "at_validation_threshold",
    "tuned_on_these",
)
COUNTS = ("unreadable", "learned", "in_test", "generated")
LEARNED = ("train", "valid")  # the splits whose images a run is not judged on elsewhere
ONE_SIDED = 0.2  # how much more accurate on one class than on the other

Tables = dict[str, pd.DataFrame]  # of every set, see `networks.elsewhere`
Thresholds = dict[str, list[float]]  # of every model, by seed


def mark_seen(tables: Tables, seen: dict[str, str]) -> Tables:
    """The tables with a column seen: the split of the run that has the very file, '' for none."""
    return {
        name: table.assign(seen=[seen.get(sha, "") for sha in table["sha256"]])
        for name, table in tables.items()
    }


def scored(table: pd.DataFrame) -> pd.DataFrame:
    """The images of a set that count: readable, and not among those the run learned from."""
    return table[(table["why"] == "") & ~table["seen"].isin(LEARNED)]


def not_scored(tables: Tables) -> pd.DataFrame:
    """What was left out: set, path, and why."""
    parts = [pd.DataFrame(columns=["set", "path", "why"])]
    for name, table in tables.items():
        out = table[(table["why"] != "") | table["seen"].isin(LEARNED)]
        learned = "in the run's " + out["seen"].map({"train": "training", "valid": "validation"})
        why = out["why"].where(out["why"] != "", learned + " set")
        parts.append(pd.DataFrame({"set": name, "path": out["path"], "why": why}))
    return pd.concat(parts, ignore_index=True)


def best_accuracy(labels: npt.NDArray, p_fake: npt.NDArray) -> float:
    """The accuracy at the threshold that is best for these very answers.

    Args:
        labels: (N,) 1 for fake; both classes.
        p_fake: (N,) 0 to 1.
    """
    false_rate, true_rate, _ = roc_curve(labels, p_fake, drop_intermediate=False)
    fakes = labels.sum()
    right = true_rate * fakes + (1 - false_rate) * (len(labels) - fakes)
    return float(right.max() / len(labels))


def _scores(labels: npt.NDArray, p_fake: npt.NDArray, threshold: float) -> dict[str, float]:
    """`SCORES` of one network; what needs both classes is NaN where one is missing."""
    if not len(labels):
        return dict.fromkeys(SCORES, np.nan)
    right = (p_fake >= 0.5) == labels
    by_class = [
        float(right[labels == label].mean()) if label in labels else np.nan for label in (0, 1)
    ]
    both = len(np.unique(labels)) == 2
    moved = ((p_fake >= threshold) == labels).mean() if np.isfinite(threshold) else np.nan
    values = (
        float(right.mean()),
        *by_class,
        float(roc_auc_score(labels, p_fake)) if both else np.nan,
        float(average_precision_score(labels, p_fake)) if both else np.nan,
        float(moved),
        best_accuracy(labels, p_fake) if both else np.nan,
    )
    return dict(zip(SCORES, values, strict=True))


def score(
    tables: Tables, models: Sequence[str], seeds: Sequence[int], thresholds: Thresholds
) -> pd.DataFrame:
    """How the networks do on every set.

    Args:
        tables: the outputs, with column seen.
        models, seeds: whose outputs.
        thresholds: each model's, fixed on validation images; a model that has none gets NaN.

    Returns:
        A row per set and model: set, model, images, real and fake (how many count); `SCORES`, means
        over seeds, 0 to 1, NaN where a class is missing or no image counts:
        accuracy is at 0.5, tuned_on_these at the best threshold for these very answers; ci_low and
        ci_high, the 95 % interval of accuracy; unreadable, learned, in_test and generated: how many
        can't be read, are left out as the run learned from them, count though they are in its test
        set, and carry the demo's mark.
    """
    rows = []
    for name, table in tables.items():
        own = scored(table)
        labels = own["label"].to_numpy(dtype=np.int64)
        for model in models:
            limits = thresholds.get(model, [np.nan] * len(seeds))
            each = pd.DataFrame(
                _scores(labels, own[column(model, seed)].to_numpy(dtype=float), limit)
                for seed, limit in zip(seeds, limits, strict=True)
            )
            means: dict[str, Any] = each.mean(skipna=False).to_dict()
            variance = proportion_variance(means["accuracy"], len(own))
            low, high = interval(each["accuracy"], variance)
            rows.append(
                {
                    "set": name,
                    "model": model,
                    "images": len(own),
                    "real": int((labels == 0).sum()),
                    "fake": int((labels == 1).sum()),
                    **means,
                    "ci_low": float(np.clip(low, 0, 1)),
                    "ci_high": float(np.clip(high, 0, 1)),
                    "unreadable": int((table["why"] != "").sum()),
                    "learned": int(table["seen"].isin(LEARNED).sum()),
                    "in_test": int((own["seen"] == "test").sum()),
                    "generated": int((own["generated"].astype(str) == "True").sum()),
                }
            )
    columns = ("set", "model", "images", "real", "fake", *SCORES, "ci_low", "ci_high")
    return pd.DataFrame(rows, columns=[*columns, *COUNTS])


def compared(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """A model's rows of sets with both classes; where no set has both, all that were scored."""
    own = table[table["model"] == model]
    both = own[(own["real"] > 0) & (own["fake"] > 0)]
    return both if len(both) else own[own["images"] > 0]


def mean_over_sets(table: pd.DataFrame, model: str) -> tuple[pd.Series, int]:
    """The unweighted mean of a model's `SCORES` over its sets, see `compared`; and their number."""
    own = compared(table, model)
    return own[list(SCORES)].mean(skipna=False), len(own)


def side(row: pd.Series) -> str:
    """To which side a model fails on a set; '' where it doesn't lean."""
    lean = row["real_accuracy"] - row["fake_accuracy"]
    if not abs(lean) > ONE_SIDED:  # NaN of one class alone too
        return ""
    word, share = (
        ("real", 1 - row["fake_accuracy"]) if lean > 0 else ("fake", 1 - row["real_accuracy"])
    )
    other = "fakes" if lean > 0 else "reals"
    return f"it calls {share:.0%} of the {other} {word}"


def shown_table(table: pd.DataFrame) -> pd.DataFrame:
    """The scores in words for a person: a row per set and model, then each model's mean."""
    rows = []
    for _, row in table.iterrows():
        ends = f"{row['accuracy']:.3f} ({row['ci_low']:.3f} to {row['ci_high']:.3f})"
        ends = ends if row["images"] else "-"
        rows.append([row["set"], TITLES[row["model"]], row["images"], ends, *_digits(row)])
    for model in table["model"].unique():
        mean, count = mean_over_sets(table, model)
        if count == 1:
            continue
        rows.append(
            [f"mean of {count} sets", TITLES[model], "", f"{mean['accuracy']:.3f}", *_digits(mean)]
        )
    names = ["set", "model", "images", "accuracy at 0.5 (95 %)", "of reals", "of fakes", "AUC"]
    names += ["average precision", "at our validation threshold", "tuned on these very answers"]
    return pd.DataFrame(rows, columns=names)


def _digits(row: pd.Series) -> list[str]:
    return ["-" if np.isnan(row[name]) else f"{row[name]:.3f}" for name in SCORES[1:]]


def counts_left_out(table: pd.DataFrame) -> list[str]:
    """Sentences on images that weren't scored, and on those that are in the run's test set."""
    counts = table.drop_duplicates("set")[list(COUNTS)].sum()
    sentences = [
        f"Left out because the run learned from them: {_files(counts['learned'])}.",
        f"Left out because they can't be read: {_files(counts['unreadable'])}.",
        f"In the run's own test set, and counted here: {_files(counts['in_test'])}.",
    ]
    names = ("learned", "unreadable", "in_test")
    return [text for name, text in zip(names, sentences, strict=True) if counts[name]]


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def check_scored(table: pd.DataFrame, name: str) -> None:
    """Refuse images of which none counts.

    Raises:
        StudyError: it says how many were left out, and why.
    """
    if not table["images"].sum():
        raise StudyError(f"no image of {name} could be judged. {' '.join(counts_left_out(table))}")
