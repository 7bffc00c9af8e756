"""What the paper leaves open: the register as a table, and every other reading as a study to train.

Both are made from what stands beside the settings in `study`; there is no second list.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from .names import MODELS
from .settings import Study, as_typed


@dataclass(frozen=True)
class Reading:
    """A study that answers one open question otherwise and is the same in all else."""

    setting: str
    value: Any
    models: tuple[str, ...]  # whose validation accuracy it can move
    study: Study  # its run is a folder inside the run's own

    @property
    def name(self) -> str:
        """As a person types it: padding=valid."""
        return f"{self.setting}={as_typed(self.value)}"


def _register() -> dict[str, dict[str, Any]]:
    """Each open question by its setting: question, default, reason, alternatives, models."""
    return {
        name: {"question": field.description, "default": field.default, **field.json_schema_extra}
        for name, field in Study.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and "alternatives" in field.json_schema_extra
    }


def open_questions(study: Study) -> pd.DataFrame:
    """The register of what the paper leaves open, one row a question, with a study's reading."""
    rows = []
    for name, found in _register().items():
        others = "; ".join(f"{as_typed(v)}: {words}" for v, words in found["alternatives"].items())
        concerns = ", ".join(found["models"]) or "Table 1 only"
        default = as_typed(found["default"])
        here = as_typed(getattr(study, name))
        rows.append((found["question"], name, here, default, found["reason"], others, concerns))
    both, seeds = ", ".join(MODELS), as_typed(study.seeds)
    rows += [
        (
            "Seeds, shuffling",
            "seeds",
            seeds,
            "0, ...",
            "not given; a new order each epoch",
            "",
            both,
        ),
        ("Decision threshold", "", "0.5", "0.5", "not given; usual for a sigmoid", "", both),
        ("Keras version, GPU", "", "see Provenance", "current", "not given", "", both),
    ]
    columns = ["question", "setting", "here", "default", "reason", "alternatives", "concerns"]
    return pd.DataFrame(rows, columns=columns)


def other_readings(study: Study) -> list[Reading]:
    """Every reading of every open question but the study's own, one change at a time.

    Questions that concern neither model's training (positive_class) have none. Another rule for
    `best_weights` picks from the study's own histories, so its run is the study's.
    """
    found = []
    for name, question in _register().items():
        for value in (question["default"], *question["alternatives"]):
            if value == getattr(study, name) or not question["models"]:
                continue
            own = name == "best_weights"
            run = study.run if own else f"{study.run}/ablations/{name}={as_typed(value)}"
            changed = study.model_copy(update={name: value, "run": run})
            found.append(Reading(name, value, question["models"], changed))
    return found


def trainings(study: Study) -> list[tuple[Reading, str, int]]:
    """Every reading, model and seed that must be trained to compare the readings."""
    return [
        (reading, model, seed)
        for reading in other_readings(study)
        if reading.study.run != study.run
        for model in reading.models
        for seed in study.seeds
    ]
