"""The files of what is measured beyond the paper, as `artefacts` has them for the paper's own.

results/<run>/
    ablations.csv                 see `evaluation.ablations`
    learning_curve.csv, .json     see `evaluation.learning_curve`
    elsewhere.csv, elsewhere_formats.csv    see `evaluation.elsewhere`
    elsewhere/                    a CSV for each set of images, see `networks.elsewhere`
    robustness.csv, frequency_bands.csv     see `evaluation.robustness`
    robustness/<damage>.csv       path, label, p_fake of each network (see `column`), of the test
                                  images after one kind and strength of damage; of mixed images
                                  path and label of the low band's, high_path and high_label
    robustness/chain_parameters.csv         path, left, top, side, quality
    insight.json                  see `evaluation.insight`
    insight/<model>-seed-<k>.npz  see `networks.maps`
    quiz.html                     the page for people; holds images
    quiz.json, quiz_answers.csv   a class's answers pooled, see `evaluation.quiz`
data/prepared/<data>/
    spectra/<size>-<split>.npy    (N, bins) float32, see `dataset.spectra`
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..common.paths import results_dir
from .artefacts import (
    figure_files,
    prepared_dir,
    read_array,
    read_arrays,
    read_csv,
    read_json,
    read_manifest,
)
from .names import MODELS
from .settings import Study

ABLATION_FIGURE = "open_questions"
CURVE_FIGURE = "learning_curve"
ELSEWHERE_FIGURE = "elsewhere"
ROBUSTNESS_FIGURES = ("robustness", "frequency_bands")
INSIGHT_FIGURES = ("spectra", "mean_maps")
INSIGHT_PICTURES = ("single_maps", "first_filters")  # figures that show images
SPECTRUM_SIZES = ("stored", "input")  # images as they are stored, and as the networks see them
BEYOND_FIGURES = (
    ABLATION_FIGURE,
    CURVE_FIGURE,
    ELSEWHERE_FIGURE,
    *ROBUSTNESS_FIGURES,
    *INSIGHT_FIGURES,
    *INSIGHT_PICTURES,
)


def beyond_files(study: Study) -> list[Path]:
    """Every table and figure that the report shows of what was measured beyond the paper."""
    return [
        ablations_csv(study),
        learning_curve_csv(study),
        learning_curve_json(study),
        elsewhere_csv(study),
        elsewhere_formats_csv(study),
        robustness_csv(study),
        frequency_bands_csv(study),
        insight_json(study),
        quiz_json(study),
        *(file for name in BEYOND_FIGURES for file in figure_files(study, name)),
    ]


def column(model: str, seed: int) -> str:
    """The column with one network's p_fake in a table of many networks' outputs."""
    return f"{model}_seed_{seed}"


def ablations_csv(study: Study) -> Path:
    """How far each other reading of an open question moves validation accuracy."""
    return results_dir(study.run) / "ablations.csv"


def read_ablations_csv(study: Study) -> pd.DataFrame:
    """The comparison of the readings, see `evaluation.ablations`."""
    return read_csv(ablations_csv(study), "setting", "difference", dtype={"value": str})


def learning_curve_csv(study: Study) -> Path:
    """Test accuracy of every network of the learning curve."""
    return results_dir(study.run) / "learning_curve.csv"


def read_learning_curve_csv(study: Study) -> pd.DataFrame:
    """The points of the learning curve, see `evaluation.learning_curve`."""
    return read_csv(learning_curve_csv(study), "model", "seed", "images_per_class", "accuracy")


def learning_curve_json(study: Study) -> Path:
    """The curves that were fitted to the points."""
    return results_dir(study.run) / "learning_curve.json"


def read_learning_curve_json(study: Study) -> dict[str, Any]:
    """The fitted curves by model, see `evaluation.learning_curve`."""
    return read_json(learning_curve_json(study), *MODELS)


def elsewhere_csv(study: Study) -> Path:
    """How a run does on other images, a row per set and model."""
    return results_dir(study.run) / "elsewhere.csv"


def elsewhere_formats_csv(study: Study) -> Path:
    """File formats of the other images, by set and class."""
    return results_dir(study.run) / "elsewhere_formats.csv"


def robustness_csv(study: Study) -> Path:
    """How a run does on damaged test images, a row per damage and model."""
    return results_dir(study.run) / "robustness.csv"


def read_robustness_csv(study: Study) -> pd.DataFrame:
    """What each damage costs, see `evaluation.robustness`."""
    return read_csv(robustness_csv(study), "family", "level", "model", "accuracy", "loss")


def frequency_bands_csv(study: Study) -> Path:
    """What mixed images are called, a row per cut-off and model."""
    return results_dir(study.run) / "frequency_bands.csv"


def read_frequency_bands_csv(study: Study) -> pd.DataFrame:
    """What mixed images are called, see `evaluation.robustness`."""
    return read_csv(frequency_bands_csv(study), "cutoff", "model", "decides")


def damage_csv(study: Study, damage: str) -> Path:
    """The outputs of all networks for the images after one damage."""
    return results_dir(study.run) / "robustness" / f"{damage}.csv"


def read_damage_csv(study: Study, damage: str) -> pd.DataFrame:
    """The outputs of all networks for the images after one damage, a row per image."""
    return read_csv(damage_csv(study, damage), "path", "label", dtype={"path": str})


def chain_csv(study: Study) -> Path:
    """What was drawn for each image in the chain of a social network."""
    return results_dir(study.run) / "robustness" / "chain_parameters.csv"


def insight_json(study: Study) -> Path:
    """What the networks look at, in numbers."""
    return results_dir(study.run) / "insight.json"


def read_insight_json(study: Study) -> dict[str, Any]:
    """What the networks look at, see `evaluation.insight.insight`."""
    return read_json(insight_json(study), "images", "spectra", "networks", "maps")


def spectrum_side(study: Study, size: str) -> int:
    """The side in pixels of the images at one of `SPECTRUM_SIZES`.

    As stored it is the commonest of the training set's square images; 0 where none is square.
    """
    if size == "input":
        return study.image_size
    manifest = read_manifest(study, "train")
    sides = manifest.loc[manifest["width"] == manifest["height"], "width"]
    return int(sides.mode().max()) if len(sides) else 0


def spectra_npy(study: Study, size: str, split: str) -> Path:
    """The spectrum of every image of a split; studies of the same images share it.

    Args:
        size: of `SPECTRUM_SIZES`.
        split: of `SPLITS`.
    """
    return prepared_dir(study) / "spectra" / f"{size}-{split}.npy"


def read_spectra(study: Study, size: str, split: str) -> npt.NDArray[np.float32]:
    """(N, bins), in the manifest's order, see `dataset.spectra`."""
    return read_array(spectra_npy(study, size, split))


def maps_npz(study: Study, model: str, seed: int) -> Path:
    """One network's maps of test images."""
    return results_dir(study.run) / "insight" / f"{model}-seed-{seed}.npz"


def read_maps(study: Study, model: str, seed: int) -> dict[str, npt.NDArray[Any]]:
    """One network's maps and their controls by name, see `networks.maps.make_maps`."""
    return read_arrays(maps_npz(study, model, seed), "rows", "maps", "removed")


def quiz_html(study: Study) -> Path:
    """The page that asks people."""
    return results_dir(study.run) / "quiz.html"


def quiz_answers_csv(study: Study) -> Path:
    """What a class answered, a row per round and image."""
    return results_dir(study.run) / "quiz_answers.csv"


def quiz_json(study: Study) -> Path:
    """How a class did."""
    return results_dir(study.run) / "quiz.json"


def read_quiz_json(study: Study) -> dict[str, Any]:
    """A class's answers pooled, see `evaluation.quiz`."""
    return read_json(quiz_json(study), "quiz", "seed", "people", "rounds")
