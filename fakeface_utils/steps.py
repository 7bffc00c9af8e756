"""The study's steps: what each reads, writes and depends on."""

import hashlib
from pathlib import Path

from .dataset.folder import SPLITS
from .dataset.kaggle import location
from .paths import MODELS, NOTEBOOKS, data_dir, figures_dir, results_dir, seed_dir
from .step import Step
from .study import Study

FIGURES = (
    "figure1_samples",
    "figure2_architecture",
    "figure3_vgg16",
    "figure4_custom_cnn",
    "confusion_matrices",
    "roc",
    "audit_cues",
    "audit_duplicates",
)


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
        return location()
    if study.data == "demo":
        count = f"-{study.images_per_class}" if study.images_per_class else ""
        return data_dir() / f"demo-{study.image_size * 8 // 7}px{count}"
    return Path(study.data)


def prepare_step(study: Study) -> Step:
    """Images to one uint8 array, labels and a manifest for each split."""
    folder = prepared_dir(study)
    names = ("data", "image_size", "images_per_class", "resize_filter", "skip_unreadable")
    code = [f"dataset/{name}.py" for name in ("folder", "decode", "journal", "prepare")]
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


def audit_step(study: Study) -> Step:
    """Duplicates, leaks and cheap cues of the prepared images."""
    folder = prepared_dir(study)
    return Step(
        name="audit images",
        notebook="01_dataset",
        settings={},
        code=("dataset/audit.py", "dataset/cues.py"),
        inputs=(),
        outputs=(folder / "audit.json", folder / "duplicates.csv"),
        marker=folder / ".audit.step.json",
        after=(prepare_step(study),),
    )


def features_path(study: Study, split: str) -> Path:
    """The frozen base's output for every image of a split: (N, h, w, 512)."""
    weights = study.settings()["vgg16_weights"]
    kind = f"{weights}-{study.vgg16_scaling}-{study.feature_dtype}"
    kind += "" if study.precision == "float32" else f"-{study.precision}"
    return prepared_dir(study) / "features" / kind / f"{split}.npy"


def features_step(study: Study, split: str) -> Step:
    """Run the frozen VGG16 base once over a split."""
    path = features_path(study, split)
    names = ("vgg16_weights", "vgg16_scaling", "feature_dtype", "precision")
    return Step(
        name=f"VGG16 features of {split}",
        # The test set is touched at the end only, so its features are made there.
        notebook="04_evaluate" if split == "test" else "03_vgg16_transfer",
        settings={name: study.settings()[name] for name in names},
        code=("vgg16_base.py", "features.py", "device.py"),
        inputs=(),
        outputs=(path,),
        marker=path.with_suffix(".step.json"),
        after=(prepare_step(study),),
    )


def train_step(study: Study, model: str, seed: int) -> Step:
    """Train one network and keep its history and its best weights."""
    folder = seed_dir(study.run, model, seed)
    code: tuple[str, ...] = (
        *("models.py", "training.py", "checkpoint.py", "device.py"),
        "dataset/batches.py",
    )
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
        code=("evaluation.py", "statistics.py", "paper.py", "paper_table1.csv"),
        inputs=(),
        outputs=(results_dir(study.run) / "table1.csv",),
        marker=results_dir(study.run) / ".table1.step.json",
        after=(
            audit_step(study),
            *(predict_step(study, model, seed) for model in MODELS for seed in study.seeds),
        ),
    )


def figures_step(study: Study) -> Step:
    """Every figure, from files alone."""
    before = [train_step(study, model, seed) for model in MODELS for seed in study.seeds]
    return Step(
        name="figures",
        notebook="05_figures",
        settings={"seeds": list(study.seeds)},
        code=("figures.py", "evaluation.py", "paper.py"),
        inputs=(NOTEBOOKS / "05_figures.ipynb",),
        outputs=tuple(
            figures_dir(study.run) / f"{name}{suffix}"
            for name in FIGURES
            for suffix in (".png", ".pdf")
        ),
        marker=figures_dir(study.run) / ".step.json",
        after=(prepare_step(study), audit_step(study), *before, table_step(study)),
    )


def ablation_outputs(study: Study) -> tuple[Path, ...]:
    """Table and figure of the open questions, which the report shows where they were measured."""
    figure = figures_dir(study.run) / "open_questions"
    table = results_dir(study.run) / "ablations.csv"
    return table, figure.with_suffix(".png"), figure.with_suffix(".pdf")


def report_step(study: Study) -> Step:
    """The HTML report, from files alone."""
    return Step(
        name="report",
        notebook="06_report",
        settings={**study.settings(), "seeds": list(study.seeds)},
        code=(
            *("report.py", "page.py", "report_template/index.html.j2", "report_template/conf.json"),
            *("evaluation.py", "statistics.py", "claims.py", "paper.py", "paper_table1.csv"),
            *("provenance.py", "study.py", "questions.py", "ablations.py", "dataset/audit.py"),
        ),
        inputs=(NOTEBOOKS / "06_report.ipynb", *ablation_outputs(study)),
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
        "01_dataset": [prepare_step(study), audit_step(study)],
        "02_custom_cnn": trained["custom_cnn"],
        "03_vgg16_transfer": learned + trained["vgg16"],
        "04_evaluate": [features_step(study, "test"), *predicted, table_step(study)],
        "05_figures": [figures_step(study)],
        "06_report": [report_step(study)],
    }
