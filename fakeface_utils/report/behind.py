"""The numbers behind each figure, which the page carries as files."""

from collections.abc import Callable

import pandas as pd

from ..evaluation.ablations import read_ablations
from ..evaluation.calibration import calibration_table
from ..evaluation.elsewhere import read_elsewhere
from ..evaluation.metrics import confusion
from ..study.artefacts import (
    read_architecture,
    read_audit,
    read_duplicates,
    read_histories,
    read_predictions,
)
from ..study.beyond_artefacts import (
    ABLATION_FIGURE,
    CURVE_FIGURE,
    ELSEWHERE_FIGURE,
    ROBUSTNESS_FIGURES,
    read_frequency_bands_csv,
    read_learning_curve_csv,
    read_robustness_csv,
)
from ..study.names import CLASSES, MODELS
from ..study.settings import Study

MOST_IMAGES = 2000  # test images whose outputs the page has room for


def behind(study: Study, name: str) -> pd.DataFrame | None:
    """The numbers that a figure shows; None for pictures, and for more outputs than a page holds.

    Args:
        study: the run.
        name: the figure's, see `study.artefacts.FIGURES` and `study.beyond_artefacts`.
    """
    return NUMBERS[name](study) if name in NUMBERS else None


def _counts(study: Study) -> pd.DataFrame:
    """model, seed, tp, fn, fp, tn on the test set; fake is positive."""
    rows = []
    for model in MODELS:
        for seed in study.seeds:
            outputs = read_predictions(study, model, seed)
            cells = confusion(outputs["label"], outputs["p_fake"]).ravel()
            rows.append((model, seed, *cells))
    return pd.DataFrame(rows, columns=["model", "seed", "tp", "fn", "fp", "tn"])


def _outputs(study: Study) -> pd.DataFrame | None:
    """path, label and p_fake of every network, to six digits; None for too many test images."""
    tables = {
        f"{model}_seed_{seed}": read_predictions(study, model, seed)
        for model in MODELS
        for seed in study.seeds
    }
    first = next(iter(tables.values()))
    if len(first) > MOST_IMAGES:
        return None
    outputs = {name: table["p_fake"].round(6) for name, table in tables.items()}
    return first[["path", "label"]].assign(**outputs)


def _cues(study: Study) -> pd.DataFrame:
    return pd.DataFrame(read_audit(study)["cues"]).T.reset_index(names="cue")


def _leak(study: Study) -> pd.DataFrame:
    leaks = read_audit(study)["leak"]
    return pd.concat([pd.DataFrame(leaks[kind]["measured"]).assign(kind=kind) for kind in CLASSES])


NUMBERS: dict[str, Callable[[Study], pd.DataFrame | None]] = {
    "figure2_architecture": lambda study: read_architecture(study, "custom_cnn"),
    "figure3_vgg16": lambda study: read_histories(study, "vgg16"),
    "figure4_custom_cnn": lambda study: read_histories(study, "custom_cnn"),
    "confusion_matrices": _counts,
    "roc": _outputs,
    "reliability": calibration_table,
    "audit_cues": _cues,
    "leak_curve": _leak,
    "audit_duplicates": read_duplicates,
    ABLATION_FIGURE: read_ablations,
    CURVE_FIGURE: read_learning_curve_csv,
    ELSEWHERE_FIGURE: read_elsewhere,
    **dict(zip(ROBUSTNESS_FIGURES, (read_robustness_csv, read_frequency_bands_csv), strict=True)),
}
