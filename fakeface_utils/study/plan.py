"""The study's steps in the order of the notebooks: what each reads, writes and depends on."""

import hashlib
import json
from typing import Any

from ..common.paths import NOTEBOOKS, PACKAGE, data_dir, figures_dir, results_dir
from .artefacts import (
    FIGURES,
    PICTURES,
    architecture_csv,
    audit_json,
    calibration_json,
    dataset_json,
    duplicates_csv,
    features_path,
    figure_files,
    history_csv,
    model_file,
    predictions_csv,
    prepared_dir,
    report_html,
    seed_dir,
    source_path,
    table1_csv,
    validation_csv,
)
from .beyond_artefacts import beyond_files
from .names import MODELS, SPLITS
from .settings import Study
from .step import Digests, Step


def with_seeds(study: Study) -> dict[str, Any]:
    """The settings and seeds of a step that is about all seeds together."""
    return {**study.settings(), "seeds": list(study.seeds)}


def _only(study: Study, *names: str) -> dict[str, Any]:
    settings = study.settings()
    return {name: settings[name] for name in names}


def source_step(study: Study) -> Step | None:
    """Draw the demo's images or download Kaggle's; None where a folder or zip is given."""
    path = source_path(study)
    if study.data == "demo":
        settings: dict[str, Any] = {**_only(study, "images_per_class"), "side": study.stored_size}
        name, module, marker = "draw images", "dataset/demo/generate.py", path
    elif study.data == "kaggle":
        settings = {}
        name, module, marker = "download", "dataset/kaggle.py", data_dir() / "kaggle"
    else:
        return None
    return Step(
        name=name,
        kind="source",
        notebook="01_dataset",
        module=module,
        without=("dataset/decode.py",),  # for its mark, a constant
        study=study,
        settings=settings,
        outputs=(path,),
        marker=marker.with_name(f".{marker.name}.step.json"),
    )


def source_digest(study: Study, known: Digests | None = None) -> str:
    """By what a run knows its images again before anything is touched.

    Of a folder or zip its contents; of generated images the generator's code and their number,
    since their bytes differ between versions of the JPEG library. 'missing' where there are none.
    """
    known = Digests() if known is None else known
    step = source_step(study)
    if step and study.data == "demo":
        parts = [step.settings, *(known[PACKAGE / name] for name in step.code)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return known[source_path(study)]


def decode_step(study: Study, split: str) -> Step:
    """The images of one split to a uint8 array and a manifest."""
    fetch = source_step(study)
    place = prepared_dir(study) / split
    names = ("data", "image_size", "images_per_class", "resize_filter", "skip_unreadable")
    return Step(
        name=f"decode {split}",
        kind="decode",
        notebook="01_dataset",
        module="dataset/prepare.py",
        without=("dataset/demo/", "dataset/kaggle.py"),
        study=study,
        settings=_only(study, *names),
        inputs=() if fetch else (source_path(study),),
        outputs=tuple(place.with_suffix(f".{kind}") for kind in ("npy", "csv", "json")),
        marker=place.with_name(f".{split}.step.json"),
        after=(fetch,) if fetch else (),
        split=split,
    )


def prepare_step(study: Study) -> Step:
    """Images to one uint8 array, labels and a manifest for each split."""
    decoded = tuple(decode_step(study, split) for split in SPLITS)
    return Step(
        name="prepare images",
        kind="prepare",
        notebook="01_dataset",
        module="dataset/prepare.py",
        without=("dataset/demo/", "dataset/kaggle.py"),
        study=study,
        settings={},
        outputs=(*(path for step in decoded for path in step.outputs), dataset_json(study)),
        marker=prepared_dir(study) / ".step.json",
        after=decoded,
    )


def audit_step(study: Study) -> Step:
    """Duplicates, leaks and cheap cues of the prepared images."""
    return Step(
        name="audit images",
        kind="audit",
        notebook="01_dataset",
        module="dataset/audit.py",
        study=study,
        settings={},
        outputs=(audit_json(study), duplicates_csv(study)),
        marker=prepared_dir(study) / ".audit.step.json",
        after=(prepare_step(study),),
    )


def features_step(study: Study, split: str) -> Step:
    """Run the frozen VGG16 base once over a split."""
    path = features_path(study, split)
    return Step(
        name=f"VGG16 features of {split}",
        kind="features",
        # No network sees the test set before the end, so its features are made there.
        notebook="04_evaluate" if split == "test" else "03_vgg16_transfer",
        module="networks/features.py",
        study=study,
        settings=_only(study, "vgg16_weights", "vgg16_scaling", "feature_dtype", "precision"),
        outputs=(path,),
        marker=path.with_suffix(".step.json"),
        after=(prepare_step(study),),
        split=split,
    )


def train_step(study: Study, model: str, seed: int) -> Step:
    """Train one network and keep its history and its best weights."""
    folder = seed_dir(study.run, model, seed)
    of_base = [features_step(study, split) for split in ("train", "valid")]
    return Step(
        name=f"train {model} seed {seed}",
        kind="train",
        notebook="02_custom_cnn" if model == "custom_cnn" else "03_vgg16_transfer",
        module="networks/training.py",
        without=("networks/imagenet.py",) if model == "custom_cnn" else (),
        study=study,
        settings=study.settings(),
        outputs=(
            history_csv(study.run, model, seed),
            model_file(study.run, model, seed),
            architecture_csv(study.run, model),
        ),
        marker=folder / ".train.step.json",
        after=(prepare_step(study), *(of_base if model == "vgg16" else ())),
        model=model,
        seed=seed,
    )


def predict_step(study: Study, model: str, seed: int) -> Step:
    """Predict the validation and the test set with one trained network."""
    folder = seed_dir(study.run, model, seed)
    of_base = [features_step(study, split) for split in ("valid", "test")]
    return Step(
        name=f"predict {model} seed {seed}",
        kind="predict",
        notebook="04_evaluate",
        module="networks/predict.py",
        study=study,
        settings={},
        outputs=(
            predictions_csv(study.run, model, seed),
            validation_csv(study.run, model, seed),
        ),
        marker=folder / ".predict.step.json",
        after=(
            prepare_step(study),
            train_step(study, model, seed),
            *(of_base if model == "vgg16" else ()),
        ),
        model=model,
        seed=seed,
    )


def table_step(study: Study) -> Step:
    """Table 1 with intervals and verdicts, from the predictions."""
    predicted = [predict_step(study, model, seed) for model in MODELS for seed in study.seeds]
    return Step(
        name="Table 1",
        kind="table",
        notebook="04_evaluate",
        module="evaluation/table1.py",
        study=study,
        settings=with_seeds(study),
        outputs=(table1_csv(study),),
        marker=results_dir(study.run) / ".table1.step.json",
        after=(audit_step(study), *predicted),
    )


def calibration_step(study: Study) -> Step:
    """How far p_fake can be believed, and the thresholds, fixed on validation images."""
    predicted = [predict_step(study, model, seed) for model in MODELS for seed in study.seeds]
    return Step(
        name="calibration",
        kind="table",
        notebook="04_evaluate",
        module="evaluation/calibration.py",
        study=study,
        settings={"seeds": list(study.seeds)},
        outputs=(calibration_json(study),),
        marker=results_dir(study.run) / ".calibration.step.json",
        after=tuple(predicted),
    )


def figures_step(study: Study) -> Step:
    """Every figure that shows no image, from files alone."""
    trained = [train_step(study, model, seed) for model in MODELS for seed in study.seeds]
    return Step(
        name="figures",
        kind="figures",
        notebook="05_figures",
        module="report/figures.py",
        study=study,
        settings={"seeds": list(study.seeds)},
        outputs=tuple(file for name in FIGURES for file in figure_files(study, name)),
        marker=figures_dir(study.run) / ".step.json",
        after=(audit_step(study), *trained, table_step(study), calibration_step(study)),
    )


def pictures_step(study: Study) -> Step:
    """The figures that show images: of the paper's data, these must not be published."""
    return Step(
        name="pictures",
        kind="figures",
        notebook="05_figures",
        module="report/pictures.py",
        study=study,
        settings={},
        outputs=tuple(file for name in PICTURES for file in figure_files(study, name)),
        marker=figures_dir(study.run) / ".pictures.step.json",
        after=(prepare_step(study), audit_step(study)),
    )


def report_step(study: Study) -> Step:
    """The HTML report, from files alone; with what was measured beyond the paper."""
    template = sorted(path for path in (PACKAGE / "report" / "template").iterdir())
    return Step(
        name="report",
        kind="report",
        notebook="06_report",
        module="report/page.py",
        study=study,
        settings=with_seeds(study),
        inputs=(NOTEBOOKS / "06_report.ipynb", *template, *beyond_files(study)),
        outputs=(report_html(study),),
        marker=results_dir(study.run) / ".report.step.json",
        after=(
            table_step(study),
            calibration_step(study),
            figures_step(study),
            pictures_step(study),
        ),
    )


def chain_steps(study: Study) -> dict[str, list[Step]]:
    """Every step of the paper's study, by the notebook that does it, in order."""
    trained = {model: [train_step(study, model, seed) for seed in study.seeds] for model in MODELS}
    predicted = [predict_step(study, model, seed) for model in MODELS for seed in study.seeds]
    learned = [features_step(study, split) for split in ("train", "valid")]
    return {
        "01_dataset": [*prepare_step(study).before(), prepare_step(study), audit_step(study)],
        "02_custom_cnn": trained["custom_cnn"],
        "03_vgg16_transfer": learned + trained["vgg16"],
        "04_evaluate": [
            features_step(study, "test"),
            *predicted,
            table_step(study),
            calibration_step(study),
        ],
        "05_figures": [figures_step(study), pictures_step(study)],
        "06_report": [report_step(study)],
    }
