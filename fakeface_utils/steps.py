"""The study's steps: what each reads, writes and depends on, and whether it must run again.

A finished step leaves a marker with its settings and with digests of its inputs, of the package
modules that it uses and of its outputs; it is skipped only while all of them are as they were. One
that was interrupted may leave a checkpoint, from which it goes on under the same condition.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .dataset.folder import SPLITS
from .dataset.kaggle import zip_path
from .errors import StudyError
from .files import digest, write_json
from .paths import (
    MODELS,
    NOTEBOOKS,
    PACKAGE,
    data_dir,
    figures_dir,
    results_dir,
    seed_dir,
    shown,
)
from .study import Study

FIGURES = (
    "figure1_samples",
    "figure2_architecture",
    "figure3_vgg16",
    "figure4_custom_cnn",
    "confusion_matrices",
    "roc",
)


@dataclass(frozen=True)
class Step:
    """One piece of work with files as its only inputs and outputs."""

    name: str
    notebook: str
    settings: dict[str, Any]
    code: tuple[str, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    marker: Path
    after: tuple["Step", ...] = field(default=())

    @property
    def checkpoint(self) -> Path:
        """Where a step that may be interrupted keeps its state until it is done."""
        return self.marker.with_suffix(".npz")

    def dependencies(self) -> dict[str, Any]:
        """What decides the outputs: settings, and digests of code and inputs; JSON values."""
        read = [*self.inputs, *(path for step in self.after for path in step.outputs)]
        return {
            "settings": self.settings,
            "code": {name: digest(PACKAGE / name) for name in self.code},
            "inputs": {shown(path): digest(path) for path in read},
        }

    def _state(self) -> dict[str, Any]:
        """What must not have changed for the step to be skipped."""
        outputs = {shown(path): digest(path) for path in self.outputs}
        return {**self.dependencies(), "outputs": outputs}

    def is_done(self) -> bool:
        """Whether it has run with these settings, inputs and code, and its files are whole."""
        try:
            left = json.loads(self.marker.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return {key: left.get(key) for key in ("settings", "code", "inputs", "outputs")} == (
            json.loads(json.dumps(self._state()))
        )

    def seconds(self) -> float | None:
        """How long the step took, before an interruption too, or None."""
        try:
            return float(json.loads(self.marker.read_text(encoding="utf-8"))["seconds"])
        except (OSError, ValueError, KeyError):
            return None

    def check_outputs(self) -> None:
        """Check that the step has left its files.

        Raises:
            StudyError: one is missing; the sentence names the notebook that makes it.
        """
        for path in self.outputs:
            if not path.exists():
                raise StudyError(
                    f"{shown(path)} is missing: run notebooks/{self.notebook}.ipynb first, "
                    "with the same parameters"
                )

    @contextmanager
    def running(self, spent: float = 0.0) -> Iterator[None]:
        """Check the inputs, do the block, check its outputs, leave the marker.

        The checkpoint goes last: whenever a kill comes, the marker or the checkpoint is there.

        Args:
            spent: seconds that went into the step before it was interrupted.
        """
        for step in self.after:
            step.check_outputs()
        self.marker.unlink(missing_ok=True)
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start + spent
        missing = [shown(path) for path in self.outputs if not path.exists()]
        if missing:
            raise StudyError(f"{self.name} ended without writing {', '.join(missing)}")
        write_json(self.marker, {**self._state(), "seconds": round(seconds, 3)})
        self.checkpoint.unlink(missing_ok=True)

    def forget(self) -> None:
        """Make the step run again, from its beginning."""
        self.marker.unlink(missing_ok=True)
        self.checkpoint.unlink(missing_ok=True)


def prepared_dir(study: Study) -> Path:
    """Where the prepared arrays of a study's images lie; studies of the same images share them."""
    count = f"-{study.images_per_class}" if study.images_per_class else ""
    name = f"{study.data_name}-{study.image_size}px-{study.resize_filter}{count}"
    if Path(study.data).is_absolute():  # two folders may bear the same name
        name += "-" + hashlib.sha256(study.data.encode()).hexdigest()[:6]
    return data_dir() / "prepared" / name


def source_path(study: Study) -> Path:
    """The folder or zip that a study's images are read from."""
    if study.data == "kaggle":
        return zip_path()
    if study.data == "demo":
        count = f"-{study.images_per_class}" if study.images_per_class else ""
        return data_dir() / f"demo-{study.image_size * 8 // 7}px{count}"
    return Path(study.data)


def prepare_step(study: Study) -> Step:
    """Images to one uint8 array, labels and a manifest for each split."""
    folder = prepared_dir(study)
    names = ("data", "image_size", "images_per_class", "resize_filter", "skip_unreadable")
    code = ["dataset/folder.py", "dataset/prepare.py"]
    code += {
        "demo": [f"dataset/{name}.py" for name in ("demo", "portrait", "canvas")],
        "kaggle": ["dataset/kaggle.py"],
    }.get(study.data, [])
    files = [f"{split}.{kind}" for split in SPLITS for kind in ("npy", "csv")]
    return Step(
        name="prepare images",
        notebook="01_dataset",
        settings={name: study.settings()[name] for name in names},
        code=tuple(code),
        inputs=() if study.data == "demo" else (source_path(study),),
        outputs=tuple(folder / name for name in [*files, "dataset.json"]),
        marker=folder / ".step.json",
    )


def features_path(study: Study, split: str) -> Path:
    """The frozen base's output for every image of a split: (N, h, w, 512)."""
    weights = study.settings()["vgg16_weights"]
    kind = f"{weights}-{study.vgg16_scaling}-{study.feature_dtype}"
    return prepared_dir(study) / "features" / kind / f"{split}.npy"


def features_step(study: Study, split: str) -> Step:
    """Run the frozen VGG16 base once over a split."""
    path = features_path(study, split)
    names = ("vgg16_weights", "vgg16_scaling", "feature_dtype")
    return Step(
        name=f"VGG16 features of {split}",
        # The test set is touched at the end only, so its features are made there.
        notebook="04_evaluate" if split == "test" else "03_vgg16_transfer",
        settings={name: study.settings()[name] for name in names},
        code=("vgg16_base.py", "features.py"),
        inputs=(),
        outputs=(path,),
        marker=path.with_suffix(".step.json"),
        after=(prepare_step(study),),
    )


def train_step(study: Study, model: str, seed: int) -> Step:
    """Train one network and keep its history and its best weights."""
    folder = seed_dir(study.run, model, seed)
    code: tuple[str, ...] = ("models.py", "training.py", "checkpoint.py", "dataset/batches.py")
    before = [prepare_step(study)]
    if model == "vgg16":
        code += ("vgg16_base.py",)
        before += [features_step(study, split) for split in ("train", "valid")]
    return Step(
        name=f"train {model} seed {seed}",
        notebook="02_custom_cnn" if model == "custom_cnn" else "03_vgg16_transfer",
        settings=study.settings(),
        code=code,
        inputs=(),
        outputs=(
            folder / "history.csv",
            folder / "model.keras",
            folder.parent / "architecture.csv",
        ),
        marker=folder / ".train.step.json",
        after=tuple(before),
    )


def predict_step(study: Study, model: str, seed: int) -> Step:
    """Predict the test set with one trained network."""
    folder = seed_dir(study.run, model, seed)
    before = [prepare_step(study), train_step(study, model, seed)]
    before += [features_step(study, "test")] if model == "vgg16" else []
    return Step(
        name=f"predict {model} seed {seed}",
        notebook="04_evaluate",
        settings={},
        code=("predict.py", "dataset/batches.py"),
        inputs=(),
        outputs=(folder / "predictions.csv",),
        marker=folder / ".predict.step.json",
        after=tuple(before),
    )


def table_step(study: Study) -> Step:
    """Table 1 with intervals and verdicts, from the predictions."""
    return Step(
        name="Table 1",
        notebook="04_evaluate",
        settings={**study.settings(), "seeds": list(study.seeds)},
        code=("evaluation.py", "paper_table1.csv"),
        inputs=(),
        outputs=(results_dir(study.run) / "table1.csv",),
        marker=results_dir(study.run) / ".table1.step.json",
        after=tuple(predict_step(study, model, seed) for model in MODELS for seed in study.seeds),
    )


def figures_step(study: Study) -> Step:
    """Every figure, from files alone."""
    before = [train_step(study, model, seed) for model in MODELS for seed in study.seeds]
    return Step(
        name="figures",
        notebook="05_figures",
        settings={"seeds": list(study.seeds)},
        code=("figures.py", "evaluation.py"),
        inputs=(NOTEBOOKS / "05_figures.ipynb",),
        outputs=tuple(
            figures_dir(study.run) / f"{name}{suffix}"
            for name in FIGURES
            for suffix in (".png", ".pdf")
        ),
        marker=figures_dir(study.run) / ".step.json",
        after=(prepare_step(study), *before, table_step(study)),
    )


def report_step(study: Study) -> Step:
    """The HTML report, from files alone."""
    return Step(
        name="report",
        notebook="06_report",
        settings={**study.settings(), "seeds": list(study.seeds)},
        code=(
            *("report.py", "report_template/index.html.j2", "report_template/conf.json"),
            *("evaluation.py", "provenance.py", "study.py"),
        ),
        inputs=(NOTEBOOKS / "06_report.ipynb",),
        outputs=(results_dir(study.run) / "report.html",),
        marker=results_dir(study.run) / ".report.step.json",
        after=(table_step(study), figures_step(study)),
    )


def steps_of(study: Study) -> dict[str, list[Step]]:
    """Every step of a study, by the notebook that runs it, in order."""
    trained = {model: [train_step(study, model, seed) for seed in study.seeds] for model in MODELS}
    predicted = [predict_step(study, model, seed) for model in MODELS for seed in study.seeds]
    learned = [features_step(study, split) for split in ("train", "valid")]
    return {
        "01_dataset": [prepare_step(study)],
        "02_custom_cnn": trained["custom_cnn"],
        "03_vgg16_transfer": learned + trained["vgg16"],
        "04_evaluate": [features_step(study, "test"), *predicted, table_step(study)],
        "05_figures": [figures_step(study)],
        "06_report": [report_step(study)],
    }
