"""What the paper leaves open, as a table made from what stands beside the settings."""

from typing import Any

import pandas as pd

from .names import MODELS
from .settings import Study, as_typed


def register() -> dict[str, dict[str, Any]]:
    """Each open question by its setting: question, default, reason, alternatives, models."""
    return {
        name: {"question": field.description, "default": field.default, **field.json_schema_extra}
        for name, field in Study.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and "alternatives" in field.json_schema_extra
    }


def open_questions(study: Study) -> pd.DataFrame:
    """The register of what the paper leaves open, one row a question, with a study's reading."""
    rows = []
    for name, found in register().items():
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
