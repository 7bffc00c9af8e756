"""The one validated configuration of a study, its profiles and what the paper leaves open.

The defaults of `Study` are the `paper` profile: what the paper's text says and, where it is silent,
what Keras did in March 2022. A field made by `_open` is a question the paper leaves open: its
reason, its other readings and the models they concern stand beside the default, as data.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from .models import MODELS, Model, own_models, titled
from .util import home, sha256

# Of ImageNet's kernels and biases for VGG16's 13 convolutions, in their order, as float32.
IMAGENET_SHA256 = "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd"

MOST_SEEDS = 1000
PARAMETERS = ("profile", "data", "run", "seeds")  # given by themselves; all else are overrides
Width = Annotated[int, Field(ge=1, le=100_000)]  # of a layer
Decay = Literal["inverse_time_per_step", "linear_per_epoch", "inverse_time_per_epoch", "none"]


def as_typed(value: Any) -> str:
    """A setting's value as a person writes it in overrides."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _setting(source: str, default: Any, meaning: str, *about: Any, **limits: Any) -> Any:
    """A setting with who chose it, what it means and its limits.

    Of an open question `about` is the reason for our reading, the other readings with a few words
    each, and the models whose validation accuracy they can move.
    """
    names = ("reason", "alternatives", "models")
    extra: Any = {"source": source, **dict(zip(names, about, strict=False))}
    return Field(default, description=meaning, json_schema_extra=extra, **limits)


_paper, _ours, _open = (partial(_setting, by) for by in ("the paper", "ours", "our reading"))


class Study(BaseModel):
    """Everything that decides what is computed; frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    profile: Literal["demo", "laptop", "paper"] = _ours("paper", "where the defaults come from")
    data: str = _paper("kaggle", "demo, kaggle, or a folder's or zip's path, section 2")
    run: str = _ours("paper", "the folder's name under results/ and figures/")
    seeds: tuple[int, ...] = _ours((0,), "one training run of each model per seed")

    image_size: int = _paper(224, "pixels a side of both inputs, section 3", ge=32, le=1024)
    images_per_class: int | None = _ours(
        None, "at most so many images per split and class; none for all", ge=2
    )
    training_share: float = _ours(
        1.0, "train on this share of each class's training images, drawn by the seed", gt=0, le=1
    )
    skip_unreadable: bool = _ours(False, "leave out images that can't be decoded")
    leave_out: str | None = _ours(
        None, "leave out the images that a CSV names in its column path; recorded by its digest"
    )
    resize_filter: Literal["bilinear", "nearest"] = _open(
        "bilinear",
        "How images are resized (in the paper from 256 to 224 pixels)",
        "bilinear with antialiasing (Pillow): what resizing means to most readers",
        {"nearest": "what Keras' flow_from_directory did by default; it keeps more fine detail"},
        tuple(MODELS),
    )

    custom_filters: tuple[Width, ...] = _paper(
        (64, 128, 128),
        "of its convolutions, as many as there are numbers, section 3.1",
        min_length=1,
    )
    custom_dense: Width = _paper(256, "nodes of its dense layer, section 3.1")
    vgg16_dense: Width = _paper(512, "nodes of its new dense layer, section 3.2")
    dropout: float = _paper(0.4, "both models, sections 3.1 and 3.2", ge=0, lt=1)
    padding: Literal["same", "valid"] = _open(
        "same",
        "Padding of the custom CNN's convolutions",
        "VGG pads; the paper calls its network VGG-like",
        {"valid": "Keras' default; 22.4 instead of 25.9 million parameters"},
        ("custom_cnn",),
    )
    dense_batch_norm: bool = _open(
        True,
        "Batch normalization after the dense layer's activation too",
        "the sentence taken literally: 'after every activation'. At the paper's learning rate of "
        "0.01 the network learned with it and hardly without it (chosen on training and validation "
        "images of a part of the paper's data, before any verdict: docs/paper_images.md)",
        {False: "only in the convolution part, in whose paragraph the sentence stands"},
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
    vgg16_weights: str = _paper(
        "imagenet", "imagenet, random (for tests), or a file with ImageNet's weights, section 3.2"
    )
    feature_dtype: Literal["float16", "float32"] = _ours(
        "float16", "how the frozen base's features are kept on disk"
    )

    epochs: int = _paper(15, "both models, section 4", ge=1, le=10_000)
    batch_size: int = _paper(100, "images a step, both models, section 4", ge=1, le=100_000)
    optimizer: Literal["adam", "sgd"] = _paper("adam", "adam, or sgd without momentum, section 4")
    augment: Literal["none", "flip", "shift", "crop", "all"] = _paper(
        "none",
        "flip, shift, crop or all: what each epoch changes of a training image, section 2; not for "
        "a network with a frozen base",
    )
    learning_rate: float = _paper(0.01, "initial, custom CNN, section 4", gt=0)
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
        tuple(MODELS),
    )
    positive_class: Literal["fake", "real"] = _open(
        "fake",
        "Which class is positive in Table 1",
        "section 5 defines a true positive as a fake face recognized",
        {"real": "what Keras' alphabetical folder order would make class 1"},
        (),  # it renames the classes in Table 1; no training run and no accuracy changes
    )
    deterministic: bool = _ours(
        False,
        "on a GPU too the same seed gives the same digits; TensorFlow then does without XLA and "
        "can be many times slower",
    )
    precision: Literal["float32", "mixed"] = _ours(
        "float32",
        "mixed: 16-bit arithmetic inside the networks (weights, sigmoid and loss stay float32); "
        "faster on GPUs only",
    )

    gpus: Literal["one", "all"] = _ours("one", "all: a batch is shared by all GPUs, on JAX")

    options: dict[str, Any] = _ours({}, "settings of what is measured beyond the paper, by name")

    @field_validator("data", "vgg16_weights", "leave_out")
    @classmethod
    def _absolute(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value in (None, "demo", "kaggle", "imagenet", "random"):
            return value
        if info.field_name == "leave_out" and not Path(value).expanduser().is_file():
            raise ValueError("there is no such file: give a CSV, or put it back")
        if info.field_name == "vgg16_weights" and Path(value).suffix != ".h5":
            raise ValueError("give imagenet, random, or Keras' .h5 file of ImageNet's weights")
        return str(Path(value).expanduser().resolve())

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_or_list(cls, value: Any) -> Any:
        try:
            if isinstance(value, str):
                value = [s for s in value.split(",") if s.strip()] if "," in value else int(value)
            if isinstance(value, int):
                value = range(min(value, MOST_SEEDS + 1))
            seeds = [int(seed) for seed in value]
        except (ValueError, TypeError):
            seeds = []
        if not 0 < len({seed for seed in seeds if 0 <= seed < 2**31}) == len(seeds) <= MOST_SEEDS:
            raise ValueError(
                f"give a count from 1 to {MOST_SEEDS}, or different numbers from 0 up, as 0,4,7"
            )
        return seeds

    @field_validator("images_per_class", "leave_out", mode="before")
    @classmethod
    def _all(cls, value: Any) -> Any:
        return None if value == "none" else value

    @field_validator("custom_filters", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part for part in value.strip("()[]").split(",") if part.strip()]
        return [value] if isinstance(value, int) else value

    @field_validator("custom_filters")
    @classmethod
    def _poolings(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        side = info.data.get("image_size", 0)
        if side >> len(value) == 0:
            raise ValueError(f"so many poolings leave nothing of {side} pixels: give fewer")
        return value

    @property
    def data_name(self) -> str:
        """The data's name without its path: what results may keep."""
        return Path(self.data).name if Path(self.data).is_absolute() else self.data

    @property
    def stored_size(self) -> int:
        """Side in pixels at which the demo's images are stored: to the input as 256 to 224."""
        return self.image_size * 8 // 7

    @property
    def results(self) -> Path:
        """Tables, histories, predictions, models and report of this run."""
        return home("results") / self.run

    @property
    def figures(self) -> Path:
        """Figures of this run."""
        return home("figures") / self.run

    @property
    def networks(self) -> Path:
        """Networks of the run's own; a run that is a folder inside another has that one's."""
        return home("results") / Path(self.run).parts[0] / "networks"

    @property
    def models(self) -> dict[str, Model]:
        """The networks that this run compares: the package's, and its own."""
        return MODELS | own_models(self.networks)

    @property
    def prepared(self) -> Path:
        """The prepared arrays of these images; studies of the same images share them."""
        count = f"-{self.images_per_class}" if self.images_per_class else ""
        name = f"{self.data_name[:80]}-{self.image_size}px-{self.resize_filter}{count}"
        if Path(self.data).is_absolute():  # two folders may bear the same name
            name += "-" + sha256(self.data.encode())[:6]
        name += f"-without-{self.deciding()['leave_out']}" if self.leave_out else ""
        return home("data") / "prepared" / name

    def deciding(self) -> dict[str, Any]:
        """All that decides a result of the paper's study but the seeds, as JSON no path."""
        values = self.model_dump(mode="json", exclude={"profile", "run", "seeds", "options"})
        named = self.vgg16_weights in ("imagenet", "random")
        if self.leave_out:
            values["leave_out"] = sha256(Path(self.leave_out).read_bytes())[:12]
        return values | {
            "data": self.data_name,
            "vgg16_weights": self.vgg16_weights if named else "imagenet",  # a file is verified
        }

    def of(self, *names: str) -> dict[str, Any]:
        """Some of `deciding`, by their names."""
        values = self.deciding()
        return {name: values[name] for name in names}

    def overrides(self) -> dict[str, Any]:
        """The settings that aren't the profile's."""
        usual = dict(Study(**PROFILES[self.profile]))
        own = {name: value for name, value in self if name not in (*PARAMETERS, "options")}
        return {name: value for name, value in own.items() if value != usual[name]}

    def table(self) -> pd.DataFrame:
        """Every setting here and in the `paper` profile, the latter's source, and its meaning."""
        paper, rows = Study().deciding(), []
        for name, value in self.deciding().items():
            field: Any = Study.model_fields[name]
            source, meaning = field.json_schema_extra["source"], field.description
            rows.append((name, as_typed(value), as_typed(paper[name]), source, meaning))
        return pd.DataFrame(rows, columns=["setting", "here", "paper", "source", "meaning"])

    def differences(self) -> pd.DataFrame:
        """The rows of `table` in which this study is not the paper's."""
        table = self.table()
        return table[table["here"] != table["paper"]].reset_index(drop=True)


PROFILES: dict[str, dict[str, Any]] = {
    "paper": {"run": "paper"},
    # A part of the paper's images, small: an hour or two on two CPU cores. Rate, batch size and
    # momentum were chosen on validation images, as below.
    "laptop": {
        "run": "laptop",
        "image_size": 112,
        "images_per_class": 2500,
        "epochs": 10,
        "batch_size": 25,
        "learning_rate": 0.0003,
        "batch_norm_momentum": 0.9,
    },
    # The same code, small: minutes on two CPU cores. At so few steps the paper's learning rate and
    # Keras' batch-norm momentum don't learn. These were chosen on validation images: at 0.0003 and
    # 0.9 single epochs fall by up to 40 points, which hides learning and overfitting alike.
    "demo": {
        "data": "demo",
        "run": "demo",
        "image_size": 56,
        "epochs": 10,
        "batch_size": 25,
        "learning_rate": 0.0001,
        "batch_norm_momentum": 0.8,
    },
}


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
        concerns = ", ".join(map(titled, found["models"])) or "Table 1 only"
        default = as_typed(found["default"])
        here = as_typed(getattr(study, name))
        rows.append((found["question"], name, here, default, found["reason"], others, concerns))
    both, seeds = ", ".join(map(titled, MODELS)), as_typed(study.seeds)
    shuffled = "not given; a new order each epoch"
    rows += [
        ("Seeds, shuffling", "seeds", seeds, "0, ...", shuffled, "", both),
        ("Decision threshold", "", "0.5", "0.5", "not given; usual for a sigmoid", "", both),
        ("Keras version, GPU", "", "see Provenance", "current", "not given", "", both),
    ]
    columns = ["question", "setting", "here", "default", "reason", "alternatives", "concerns"]
    return pd.DataFrame(rows, columns=columns)
