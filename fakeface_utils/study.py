"""The one validated configuration of a study, its two profiles and what the paper leaves open.

The defaults of `Study` are the `paper` profile: what the paper's text says and, where it is silent,
what Keras did in March 2022. A field made by `_open` is a question the paper leaves open: its
reason, its other readings and the models they concern stand beside the default, as data; module
`questions` makes the printed register and the studies of the other readings from them.
"""

import difflib
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from .errors import StudyError
from .paths import MODELS

# Of ImageNet's kernels and biases for VGG16's 13 convolutions, in their order, as float32.
IMAGENET_SHA256 = "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd"
Decay = Literal["inverse_time_per_step", "linear_per_epoch", "inverse_time_per_epoch", "none"]


def as_typed(value: Any) -> str:
    """A setting's value as a person writes it in overrides."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _open(
    default: Any,
    question: str,
    reason: str,
    alternatives: dict[Any, str],
    models: tuple[str, ...],
    **limits: Any,
) -> Any:
    """A setting whose default is our reading of something the paper doesn't say.

    `alternatives` are the other readings, each with a few words; `models` are those whose
    validation accuracy they can move.
    """
    extra: Any = {"reason": reason, "alternatives": alternatives, "models": models}
    return Field(default, description=question, json_schema_extra=extra, **limits)


class Study(BaseModel):
    """Everything that decides what is computed; frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Literal["demo", "paper"] = Field("paper", description="where the defaults come from")
    data: str = Field("kaggle", description="demo, kaggle (section 2), or a folder's or zip's path")
    run: str = Field("paper", description="the folder's name under results/ and figures/")
    seeds: tuple[int, ...] = Field((0,), description="one training of each model per seed")

    image_size: int = Field(224, ge=32, description="pixels a side of both inputs, section 3")
    images_per_class: int | None = Field(
        None, ge=2, description="at most so many images per split and class; none for all"
    )
    skip_unreadable: bool = Field(False, description="go on without images that can't be decoded")
    resize_filter: Literal["bilinear", "nearest"] = _open(
        "bilinear",
        "How images are resized (in the paper from 256 to 224 pixels)",
        "bilinear with antialiasing (Pillow): what resizing means to most readers",
        {"nearest": "what Keras' flow_from_directory did by default; it keeps more fine detail"},
        MODELS,
    )

    custom_filters: tuple[int, int, int] = Field((64, 128, 128), description="section 3.1")
    custom_dense: int = Field(256, ge=1, description="nodes of the dense layer, section 3.1")
    vgg16_dense: int = Field(512, ge=1, description="nodes of the dense layer, section 3.2")
    dropout: float = Field(0.4, ge=0, lt=1, description="both models, sections 3.1 and 3.2")
    padding: Literal["same", "valid"] = _open(
        "same",
        "Padding of the custom CNN's convolutions",
        "VGG pads; the paper calls its network VGG-like",
        {"valid": "Keras' default; 22.4 instead of 25.9 million parameters"},
        ("custom_cnn",),
    )
    dense_batch_norm: bool = _open(
        False,
        "Batch normalization after the dense layer's activation too ('after every activation')",
        "the sentence stands in the paragraph on the convolution part",
        {True: "after the 256-node layer as well"},
        ("custom_cnn",),
    )
    batch_norm_momentum: float = _open(
        0.99,
        "Momentum of batch normalization's moving averages",
        "Keras' default",
        {0.9: "PyTorch's default; needed where an epoch has few steps"},
        ("custom_cnn",),
        ge=0,
        lt=1,
    )
    vgg16_scaling: Literal["imagenet", "unit"] = _open(
        "imagenet",
        "Scaling of VGG16's input",
        "the weights were trained on it (Keras' preprocess_input); the custom CNN gets 0 to 1",
        {"unit": "divided by 255, common in notebooks of 2022"},
        ("vgg16",),
    )
    vgg16_weights: str = Field(
        "imagenet", description="imagenet, random (by name only), or a file with ImageNet's weights"
    )
    feature_dtype: Literal["float16", "float32"] = Field(
        "float16", description="how the frozen base's features are kept on disk"
    )

    epochs: int = Field(15, ge=1, description="section 4")
    batch_size: int = Field(100, ge=1, description="section 4")
    learning_rate: float = Field(0.01, gt=0, description="custom CNN, section 4")
    learning_rate_decay: Decay = _open(
        "inverse_time_per_step",
        "The decay, 'quotient of the initial learning rate and number of epochs'",
        "what Keras' Adam(lr, decay=lr/epochs) did: lr / (1 + lr/epochs * step)",
        {
            "linear_per_epoch": "lr/epochs less at each epoch's start",
            "inverse_time_per_epoch": "the default's formula counted in epochs: under 1 % in all",
            "none": "as if the rate were constant",
        },
        ("custom_cnn",),
    )
    vgg16_learning_rate: float = _open(
        0.001,
        "VGG16's learning rate",
        "Keras' default for Adam; the text gives a rate for the custom CNN only",
        {0.01: "the custom CNN's in section 4"},
        ("vgg16",),
        gt=0,
    )
    vgg16_learning_rate_decay: Decay = _open(
        "none",
        "VGG16's learning-rate decay",
        "the text speaks of it for the custom CNN only",
        {
            "inverse_time_per_step": "the custom CNN's by our reading",
            "linear_per_epoch": "lr/epochs less at each epoch's start",
            "inverse_time_per_epoch": "counted in epochs",
        },
        ("vgg16",),
    )
    best_weights: Literal["val_loss", "val_accuracy"] = _open(
        "val_loss",
        "What 'saving best results' watches",
        "lowest validation loss: the default of Keras' ModelCheckpoint",
        {"val_accuracy": "highest validation accuracy"},
        MODELS,
    )
    positive_class: Literal["fake", "real"] = _open(
        "fake",
        "Which class is positive in Table 1",
        "section 5 defines a true positive as a fake face recognized",
        {"real": "what Keras' alphabetical folder order would make class 1"},
        (),  # it renames the classes in Table 1; no training and no accuracy changes
    )
    deterministic: bool = Field(
        False,
        description="the same seed gives the same digits on a GPU too, as it does on a processor; "
        "TensorFlow then does without XLA and can be many times slower there",
    )

    precision: Literal["float32", "mixed"] = Field(
        "float32",
        description="mixed: 16-bit arithmetic inside the networks (weights, sigmoid and loss stay "
        "float32); faster on GPUs only",
    )

    @field_validator("images_per_class", mode="before")
    @classmethod
    def _none_in_words(cls, value: Any) -> Any:
        return None if value == "none" else value

    @field_validator("custom_filters", mode="before")
    @classmethod
    def _numbers_with_commas(cls, value: Any) -> Any:
        return value.split(",") if isinstance(value, str) else value

    @property
    def data_name(self) -> str:
        """The data's name without its path: what results may keep."""
        return Path(self.data).name if Path(self.data).is_absolute() else self.data

    def settings(self) -> dict[str, Any]:
        """All that decides a result but the seeds, as JSON values without any path."""
        values = self.model_dump(mode="json", exclude={"profile", "run", "seeds"})
        named = self.vgg16_weights in ("imagenet", "random")
        return values | {
            "data": self.data_name,
            "vgg16_weights": self.vgg16_weights if named else "imagenet",  # a file is verified
        }

    def table(self) -> pd.DataFrame:
        """Every setting: its value here and in the `paper` profile, and who says the latter.

        That is 'the paper', 'our reading' of what it leaves open, or 'ours': only this project's.
        """
        paper, rows = Study().settings(), []
        for name, value in self.settings().items():
            field = Study.model_fields[name]
            stated = "the paper" if "section" in str(field.description) else "ours"
            source = "our reading" if field.json_schema_extra else stated
            rows.append((name, as_typed(value), as_typed(paper[name]), source, field.description))
        return pd.DataFrame(rows, columns=["setting", "here", "paper", "source", "meaning"])

    def differences(self) -> pd.DataFrame:
        """The rows of `table` in which this study is not the paper's."""
        table = self.table()
        return table[table["here"] != table["paper"]].reset_index(drop=True)


PROFILES: dict[str, dict[str, Any]] = {
    "paper": {},
    # The same code, small: minutes on two CPU cores. At so few steps the paper's learning rate and
    # Keras' batch-norm momentum don't learn, so the demo has its own.
    "demo": {
        "data": "demo",
        "run": "demo",
        "image_size": 56,
        "epochs": 8,
        "batch_size": 25,
        "learning_rate": 0.0003,
        "batch_norm_momentum": 0.9,
    },
}
PARAMETERS = ("profile", "data", "run", "seeds")


def _nearest(name: str, names: Mapping[str, Any] | list[str]) -> str:
    """The end of a message about an unknown name."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean '{close[0]}'?" if close else "there are: " + ", ".join(sorted(names))


def _parse_seeds(seeds: Any) -> list[int]:
    """A count, a list, or text of either ('3', '0,4,7') as the list of seeds."""
    try:
        if isinstance(seeds, str):
            parts = [int(part) for part in seeds.split(",") if part.strip()]
            seeds = parts if "," in seeds else parts[0]
        chosen = list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    except (ValueError, TypeError, IndexError):
        chosen = []
    if not chosen or min(chosen) < 0 or len(set(chosen)) < len(chosen):
        raise StudyError(
            f"seeds is {seeds!r}: give a count from 1 up, or different numbers from 0 up, as 0,4,7"
        )
    return chosen


def _parse_overrides(overrides: str) -> dict[str, str]:
    """'epochs=2 images_per_class=500' as a dictionary of known settings."""
    known = [name for name in Study.model_fields if name not in PARAMETERS]
    values: dict[str, str] = {}
    try:
        words = shlex.split(overrides)
    except ValueError as error:
        raise StudyError(f"overrides is {overrides!r}: {error}") from error
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise StudyError(f"'{word}' in overrides is not of the form setting=value")
        if name in PARAMETERS:
            raise StudyError(f"'{name}' is a parameter of its own, not an override: {name}={value}")
        if name not in known:
            raise StudyError(f"unknown setting '{name}' in overrides: {_nearest(name, known)}")
        values[name] = value
    return values


def load_study(
    profile: str = "demo",
    data: str = "",
    run: str = "",
    seeds: Any = 1,
    overrides: str = "",
) -> Study:
    """The study that the five parameters of every notebook and command describe.

    Args:
        profile: 'demo' or 'paper'.
        data: 'demo', 'kaggle', a folder or a zip (relative to the working directory); '' for the
            profile's own.
        run: a name for the results; '' for the profile's own.
        seeds: a count, a list of seeds, or text of either.
        overrides: settings as 'name=value name=value'.

    Raises:
        StudyError: a value, or the name of a setting, is wrong; the sentence says which.
    """
    if profile not in PROFILES:
        raise StudyError(f"unknown profile '{profile}': {_nearest(profile, PROFILES)}")
    values: dict[str, Any] = {
        "profile": profile,
        **PROFILES[profile],
        **_parse_overrides(overrides),
    }
    values["seeds"] = _parse_seeds(seeds)
    if data in ("demo", "kaggle"):
        values["data"] = data
    elif data:
        values["data"] = str(Path(data).expanduser().resolve())
    if run:
        values["run"] = run
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", str(values.get("run", "paper"))):
        raise StudyError(f"run is '{run}': use letters, digits, '-', '_' and '.' only")
    weights = values.get("vgg16_weights", "imagenet")
    if weights not in ("imagenet", "random"):
        values["vgg16_weights"] = str(Path(weights).expanduser().resolve())
    try:
        return Study(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise StudyError(f"setting '{name}' is {first['input']!r}: {first['msg']}") from error
