"""What the spectra of fakes and reals say: where they differ, and how far that alone leads."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..study.artefacts import read_manifest
from ..study.beyond_artefacts import read_spectra
from ..study.names import CLASSES, SPLITS
from ..study.settings import Study
from .intervals import Z, interval, metric_variances
from .metrics import confusion, rates

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)  # C of the logistic regression, the smoothest first
SOLVER = "newton-cholesky"  # of a few numbers of many images the quickest
LEAST = 2  # images of a class in each split, without which nothing can be compared

Set = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]  # spectra (N, bins), labels (N,)


def usable(study: Study, size: str) -> tuple[dict[str, Set], dict[str, int]]:
    """The spectra and labels of each split, and how many images have no spectrum at this size."""
    sets, left_out = {}, {}
    for split in SPLITS:
        spectra = read_spectra(study, size, split)
        labels = read_manifest(study, split)["label"].to_numpy()
        whole = np.isfinite(spectra).all(axis=1)
        sets[split] = spectra[whole], labels[whole]
        left_out[split] = int((~whole).sum())
    return sets, left_out


def spectrum_findings(study: Study, size: str) -> dict[str, Any]:
    """All about one size: the classes' curves, and the model that sees only the spectrum.

    Returns:
        left_out, by split; why_not, '' unless a class has too few images of the usual size; then
        images of the test set by class, `compare`'s and `spectrum_model`'s results.
    """
    sets, left_out = usable(study, size)
    for split, (_, labels) in sets.items():
        counts = np.bincount(labels, minlength=2)
        if counts.min() < LEAST:
            few = (
                f"only {counts[0]} real and {counts[1]} fake images in {split} have the usual size"
            )
            return {"left_out": left_out, "why_not": few}
    images = np.bincount(sets["test"][1])
    return {
        "left_out": left_out,
        "why_not": "",
        "images": {kind: int(images[label]) for label, kind in enumerate(CLASSES)},
        **compare(*sets["test"]),
        **spectrum_model(sets, study.positive_class),
    }


def compare(spectra: npt.NDArray[np.float32], labels: npt.NDArray) -> dict[str, Any]:
    """The mean spectrum of each class and their log ratio, with 95 % bands bin by bin.

    Args:
        spectra: (N, bins) log10 of a share of the power.
        labels: (N,) 1 for fake.

    Returns:
        real, fake and ratio (fake less real), each with mean, low and high; and more and less, in
        how many bins fakes have more or less power beyond chance, with all bins looked at.
    """
    by_class = [spectra[labels == label].astype(float) for label in (0, 1)]
    means = [values.mean(axis=0) for values in by_class]
    variances = [values.var(axis=0, ddof=1) / len(values) for values in by_class]
    ratio, error = means[1] - means[0], np.sqrt(sum(variances))
    beyond = np.abs(ratio) > ndtri(1 - 0.025 / len(ratio)) * error
    return {
        "real": _band(means[0], np.sqrt(variances[0])),
        "fake": _band(means[1], np.sqrt(variances[1])),
        "ratio": _band(ratio, error),
        "more": int((beyond & (ratio > 0)).sum()),
        "less": int((beyond & (ratio < 0)).sum()),
    }


def _band(mean: npt.NDArray, error: npt.NDArray) -> dict[str, list[float]]:
    ends = {"mean": mean, "low": mean - Z * error, "high": mean + Z * error}
    return {name: values.tolist() for name, values in ends.items()}


def spectrum_model(sets: dict[str, Set], positive_class: str = "fake") -> dict[str, Any]:
    """A logistic regression on the spectrum: fitted on train, its C chosen on valid, tested once.

    Of equal accuracies on the validation images, the smoothest model.

    Args:
        sets: spectra and labels of train, valid and test.
        positive_class: the study's.

    Returns:
        strength, the chosen C; metrics, see `scored`.
    """
    fitted = [
        make_pipeline(StandardScaler(), LogisticRegression(C=strength, solver=SOLVER)).fit(
            *sets["train"]
        )
        for strength in STRENGTHS
    ]
    best = int(np.argmax([model.score(*sets["valid"]) for model in fitted]))
    spectra, labels = sets["test"]
    p_fake = fitted[best].predict_proba(spectra)[:, 1]
    return {
        "strength": STRENGTHS[best],
        "metrics": scored(labels, [p_fake], positive_class),
    }


def scored(
    labels: npt.NDArray, outputs: list[npt.NDArray], positive_class: str = "fake"
) -> dict[str, Any]:
    """The paper's four metrics of one or more training runs, and the area under the ROC curve.

    Args:
        labels: (N,) 1 for fake.
        outputs: p_fake (N,) of each run.
        positive_class: the study's.

    Returns:
        For each metric mean, low and high (95 %, as in Table 1); auc, a mean.
    """
    matrices = [confusion(labels, p_fake, positive_class) for p_fake in outputs]
    values = [rates(*matrix.ravel()) for matrix in matrices]
    variances = [metric_variances(matrix) for matrix in matrices]
    results: dict[str, Any] = {}
    for metric in values[0]:
        of_runs = [run[metric] for run in values]
        low, high = interval(of_runs, np.mean([run[metric] for run in variances]))
        ends = {"low": max(float(low), 0.0), "high": min(float(high), 1.0)}
        results[metric] = {"mean": float(np.mean(of_runs)), **ends}
    results["auc"] = float(np.mean([roc_auc_score(labels, p_fake) for p_fake in outputs]))
    return results
