"""Every file a study leaves: where it lies, which columns it has, and how it is read.

This is the contract between the steps: one writes a file, all others read it by what stands here.
What is measured beyond the paper has its own in `beyond_artefacts`.

data/prepared/<images>/           shared by all runs on the same images
    <split>.json                  path: why it can't be read, of those left out
    <split>.npy                   (N, size, size, 3) uint8 RGB
    <split>.csv                   path, label (1 is fake), bytes, width, height, mode, generated,
                                  jpeg_tables, sha256; a row per image, in the array's order
    dataset.json                  name, generated, counts, fingerprint, unreadable, left_out
    audit.json, duplicates.csv    see `dataset.audit`
    features/<base>/<split>.npy   (N, h, w, 512) float16 or float32: the frozen VGG16's output
results/<run>/
    study.json                    settings, seeds, data, versions, machine, what each step cost
    table1.csv                    see `evaluation.table1`
    calibration.json              see `evaluation.calibration`
    report.html                   one page that opens offline
    notebooks/                    as executed
    <model>/architecture.csv      layer, kind, output_shape, parameters, trainable, multiply_adds,
                                  activation
    <model>/seed-<k>/history.csv  epoch (from 1), loss, accuracy, val_loss, val_accuracy,
                                  learning_rate (at the epoch's last step), seconds
    <model>/seed-<k>/predictions.csv    path, label, p_fake (0 to 1), of the test set
    <model>/seed-<k>/validation.csv     the same of the validation set
    <model>/seed-<k>/model.keras
figures/<run>/                    .png, .pdf and .svg
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..common.errors import StudyError
from ..common.paths import data_dir, figures_dir, results_dir, shown
from .names import MODELS
from .settings import Study

OWNER, NAME = "xhlulu", "140k-real-and-fake-faces"  # the paper's dataset on Kaggle
MOUNTS = (  # where Kaggle's own machines have a dataset that was added to the notebook
    Path("/kaggle/input") / NAME,
    Path("/kaggle/input/datasets") / OWNER / NAME,
)
PICTURES = ("figure1_samples", "audit_duplicates")  # figures that show images
FIGURES = (
    "table1_forest",
    "figure2_architecture",
    "figure3_vgg16",
    "figure4_custom_cnn",
    "confusion_matrices",
    "roc",
    "reliability",
    "audit_cues",
    "leak_curve",
)

T = TypeVar("T")


def _read(path: Path, read: Callable[[Path], T], *needed: str) -> T:
    """Read a file that this package wrote; the one place where damage becomes a sentence.

    Args:
        path: the file.
        read: what reads it.
        needed: keys or columns that it must have.

    Raises:
        FileNotFoundError: it isn't there.
        StudyError: it isn't what was written.
    """
    try:
        content: Any = read(path)
        for name in needed:
            content[name]
        return content
    except FileNotFoundError:
        raise
    except Exception as error:  # damage shows in many ways, and each means the same
        raise StudyError(
            f"{shown(path)} is damaged ({type(error).__name__}): delete it and run again"
        ) from error


def read_json(path: Path, *needed: str) -> dict[str, Any]:
    """A JSON object with the needed keys; raises as `_read`."""
    return _read(path, lambda path: dict(**json.loads(path.read_text(encoding="utf-8"))), *needed)


def read_csv(path: Path, *needed: str, **options: Any) -> pd.DataFrame:
    """A table with the needed columns; raises as `_read`."""
    return _read(path, lambda path: pd.read_csv(path, **options), *needed)


def read_array(path: Path) -> npt.NDArray[Any]:
    """A .npy file, memory-mapped; raises as `_read`."""
    return _read(path, lambda path: np.load(path, mmap_mode="r"))


def read_arrays(path: Path, *needed: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a .npz file by name; raises as `_read`."""
    return _read(path, lambda path: dict(np.load(path)), *needed)


# The images.


def kaggle_location() -> Path:
    """Where the paper's images are: Kaggle's own mounted folder, or the zip under `data_dir`."""
    zipped = data_dir() / "kaggle" / f"{NAME}.zip"  # one fetched by hand may be put there
    return next((mount for mount in MOUNTS if mount.is_dir()), zipped)


def source_path(study: Study) -> Path:
    """The folder or zip that a study's images are read from."""
    if study.data == "kaggle":
        return kaggle_location()
    if study.data == "demo":
        count = f"-{study.images_per_class}" if study.images_per_class else ""
        return data_dir() / f"demo-{study.stored_size}px{count}"
    return Path(study.data)


def prepared_dir(study: Study) -> Path:
    """Where the prepared arrays of a study's images lie; studies of the same images share them."""
    count = f"-{study.images_per_class}" if study.images_per_class else ""
    name = f"{study.data_name[:80]}-{study.image_size}px-{study.resize_filter}{count}"
    if Path(study.data).is_absolute():  # two folders may bear the same name
        name += "-" + hashlib.sha256(study.data.encode()).hexdigest()[:6]
    return data_dir() / "prepared" / name


def dataset_json(study: Study) -> Path:
    """What was prepared."""
    return prepared_dir(study) / "dataset.json"


def read_dataset(study: Study) -> dict[str, Any]:
    """Name, counts, fingerprint and mark of the prepared images."""
    names = ("name", "generated", "counts", "fingerprint", "unreadable", "left_out")
    return read_json(dataset_json(study), *names)


def read_manifest(study: Study, split: str) -> pd.DataFrame:
    """One row per image of a split, in the array's order; label 1 is fake."""
    words = {"path": str, "jpeg_tables": str, "sha256": str}  # digests may look like numbers
    return read_csv(prepared_dir(study) / f"{split}.csv", "path", "label", dtype=words)


def read_images(study: Study, split: str) -> npt.NDArray[np.uint8]:
    """The images of a split, (N, size, size, 3) uint8 RGB, memory-mapped."""
    return read_array(prepared_dir(study) / f"{split}.npy")


def audit_json(study: Study) -> Path:
    """What the audit found."""
    return prepared_dir(study) / "audit.json"


def read_audit(study: Study) -> dict[str, Any]:
    """The audit of a study's images, see `dataset.audit.audit`."""
    return read_json(audit_json(study), "leaked", "pairs", "cues", "leak")


def duplicates_csv(study: Study) -> Path:
    """The pairs of images that the audit found."""
    return prepared_dir(study) / "duplicates.csv"


def read_duplicates(study: Study) -> pd.DataFrame:
    """Pairs of images, those that cross splits first.

    Returns:
        kind ('exact', 'near', or 'unlike' for the closest unconfirmed), split_a, class_a, path_a,
        the same of b, distance (bits), difference (grey levels), shifts (see `dataset.alike`).
    """
    return read_csv(duplicates_csv(study), "kind")


def features_path(study: Study, split: str) -> Path:
    """The frozen base's output for every image of a split."""
    weights = study.settings()["vgg16_weights"]
    kind = f"{weights}-{study.vgg16_scaling}-{study.feature_dtype}"
    kind += "" if study.precision == "float32" else f"-{study.precision}"
    return prepared_dir(study) / "features" / kind / f"{split}.npy"


def read_features(study: Study, split: str) -> npt.NDArray[np.floating]:
    """The features of a split, (N, h, w, 512), memory-mapped."""
    return read_array(features_path(study, split))


# A run's networks.


def seed_dir(run: str, model: str, seed: int) -> Path:
    """History, predictions and model of one trained network."""
    return results_dir(run) / model / f"seed-{seed}"


def history_csv(run: str, model: str, seed: int) -> Path:
    """One training run's history."""
    return seed_dir(run, model, seed) / "history.csv"


def model_file(run: str, model: str, seed: int) -> Path:
    """One trained network."""
    return seed_dir(run, model, seed) / "model.keras"


def predictions_csv(run: str, model: str, seed: int) -> Path:
    """One trained network's outputs for the test set."""
    return seed_dir(run, model, seed) / "predictions.csv"


def validation_csv(run: str, model: str, seed: int) -> Path:
    """One trained network's outputs for the validation set."""
    return seed_dir(run, model, seed) / "validation.csv"


def architecture_csv(run: str, model: str) -> Path:
    """The layers of a model, the same for all seeds."""
    return results_dir(run) / model / "architecture.csv"


def read_architecture(study: Study, model: str) -> pd.DataFrame:
    """The layers of a model, in order."""
    return read_csv(architecture_csv(study.run, model), "layer")


def read_history(study: Study, model: str, seed: int) -> pd.DataFrame:
    """One training run's history, a row per epoch."""
    return read_csv(history_csv(study.run, model, seed), "epoch", "val_loss")


def read_histories(study: Study, model: str) -> pd.DataFrame:
    """The histories of all seeds of a model, with a column seed."""
    tables = [read_history(study, model, seed).assign(seed=seed) for seed in study.seeds]
    return pd.concat(tables, ignore_index=True)


def read_predictions(study: Study, model: str, seed: int) -> pd.DataFrame:
    """path, label (1 is fake) and p_fake of every test image."""
    path = predictions_csv(study.run, model, seed)
    return read_csv(path, "label", "p_fake", dtype={"path": str})


def read_validation(study: Study, model: str, seed: int) -> pd.DataFrame:
    """path, label (1 is fake) and p_fake of every validation image."""
    path = validation_csv(study.run, model, seed)
    return read_csv(path, "label", "p_fake", dtype={"path": str})


# A run's results.


def study_json(run: str) -> Path:
    """Where a run's record is kept."""
    return results_dir(run) / "study.json"


def read_study_json(run: str) -> dict[str, Any]:
    """A run's record, see `study.record`; empty where the run is new."""
    path = study_json(run)
    return read_json(path, "settings", "dataset") if path.exists() else {}


def parameters_json(run: str) -> Path:
    """What a run was last opened with, paths included; it stays on this machine."""
    return results_dir(run) / ".parameters.json"


def read_parameters(run: str) -> dict[str, Any]:
    """profile, data, seeds and overrides of a run; empty where the run is new."""
    path = parameters_json(run)
    return read_json(path) if path.exists() else {}


def table1_csv(study: Study) -> Path:
    """Table 1, ours beside the paper's."""
    return results_dir(study.run) / "table1.csv"


def read_table1(study: Study) -> pd.DataFrame:
    """Table 1, see `evaluation.table1`."""
    return read_csv(table1_csv(study), "metric", "model", "ours_mean")


def calibration_json(study: Study) -> Path:
    """How far p_fake can be believed, and the thresholds fixed on validation images."""
    return results_dir(study.run) / "calibration.json"


def read_calibration(study: Study) -> dict[str, Any]:
    """By model and seed, see `evaluation.calibration`."""
    return read_json(calibration_json(study), *MODELS)


def report_html(study: Study) -> Path:
    """The report."""
    return results_dir(study.run) / "report.html"


def executed_notebook(study: Study, name: str) -> Path:
    """Where the chain keeps a notebook as it was executed."""
    return results_dir(study.run) / "notebooks" / f"{name}.ipynb"


def figure_files(study: Study, name: str) -> tuple[Path, Path, Path]:
    """A figure as PNG (slides), PDF (print) and SVG (pages)."""
    place = figures_dir(study.run) / name
    return place.with_suffix(".png"), place.with_suffix(".pdf"), place.with_suffix(".svg")
