"""The files of what is measured beyond the paper, as `artefacts` has them for the paper's own.

results/<run>/
    ablations.csv                 see `evaluation.ablations`
    learning_curve.csv, .json     see `evaluation.learning_curve`
    elsewhere.csv, elsewhere_formats.csv    see `evaluation.elsewhere`
    elsewhere/                    a CSV for each set of images, see `networks.elsewhere`
    robustness.csv                see `evaluation.robustness`
    robustness/                   a CSV for each kind and strength of damage, see
                                  `networks.robustness`
    insight.json                  see `evaluation.insight`
    insight/                      spectra and maps
    quiz.html                     the page for people; holds images
    quiz.json, quiz_answers.csv   a class's answers pooled, see `evaluation.quiz`
"""

from pathlib import Path
from typing import Any

import pandas as pd

from ..common.paths import results_dir
from .artefacts import figure_files, read_csv, read_json
from .names import MODELS
from .settings import Study

ABLATION_FIGURE = "open_questions"
CURVE_FIGURE = "learning_curve"
ELSEWHERE_FIGURE = "elsewhere"
ROBUSTNESS_FIGURES = ("robustness", "frequency_bands")
INSIGHT_FIGURES = ("spectra", "mean_maps")
INSIGHT_PICTURES = ("single_maps", "first_filters")  # figures that show images
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


def insight_json(study: Study) -> Path:
    """What the networks look at, in numbers."""
    return results_dir(study.run) / "insight.json"


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
