"""The steps of notebook 11: what the networks look at."""

from typing import Any

from ..common.paths import figures_dir, results_dir
from .artefacts import figure_files
from .beyond_artefacts import (
    INSIGHT_FIGURES,
    INSIGHT_PICTURES,
    SPECTRUM_SIZES,
    insight_json,
    maps_npz,
    spectra_npy,
)
from .names import MODELS, SPLITS
from .plan import predict_step, prepare_step, train_step, with_seeds
from .settings import Study
from .step import Step

INSIGHT_NOTEBOOK = "11_insight"


def _measured_on(study: Study) -> dict[str, Any]:
    return {**with_seeds(study), "beyond_images": study.beyond_images}


def spectra_step(study: Study, size: str, split: str) -> Step:
    """The spectrum of every image of a split, at one of `SPECTRUM_SIZES`."""
    path = spectra_npy(study, size, split)
    return Step(
        name=f"spectra of {split}, {size} size",
        kind="spectra",
        notebook=INSIGHT_NOTEBOOK,
        module="dataset/spectra.py",
        study=study,
        settings={},
        outputs=(path,),
        marker=path.with_suffix(".step.json"),
        after=(prepare_step(study),),
        split=split,
    )


def maps_step(study: Study, model: str, seed: int) -> Step:
    """The maps of one network, and their controls."""
    path = maps_npz(study, model, seed)
    return Step(
        name=f"maps of {model} seed {seed}",
        kind="maps",
        notebook=INSIGHT_NOTEBOOK,
        module="networks/maps.py",
        study=study,
        settings={"beyond_images": study.beyond_images},
        outputs=(path,),
        marker=path.with_suffix(".step.json"),
        after=(prepare_step(study), train_step(study, model, seed)),
        model=model,
        seed=seed,
    )


def insight_step(study: Study) -> Step:
    """All numbers: spectra, the model that sees nothing else, and what the controls say."""
    networks = [(model, seed) for model in MODELS for seed in study.seeds]
    return Step(
        name="insight",
        kind="insight",
        notebook=INSIGHT_NOTEBOOK,
        module="evaluation/insight.py",
        study=study,
        settings=_measured_on(study),
        outputs=(insight_json(study),),
        marker=results_dir(study.run) / ".insight.step.json",
        after=(
            *(spectra_step(study, size, split) for size in SPECTRUM_SIZES for split in SPLITS),
            *(predict_step(study, *network) for network in networks),
            *(maps_step(study, *network) for network in networks),
        ),
    )


def insight_drawing_step(study: Study) -> Step:
    """The figures that show no image."""
    return Step(
        name="figures of spectra and maps",
        kind="drawing",
        notebook=INSIGHT_NOTEBOOK,
        module="report/insight.py",
        study=study,
        settings=_measured_on(study),
        outputs=tuple(file for name in INSIGHT_FIGURES for file in figure_files(study, name)),
        marker=figures_dir(study.run) / ".insight.step.json",
        after=(insight_step(study),),
    )


def insight_pictures_step(study: Study) -> Step:
    """The figures that show images: of the paper's data, these must not be published."""
    return Step(
        name="pictures of maps and filters",
        kind="figures",
        notebook=INSIGHT_NOTEBOOK,
        module="report/pictures.py",
        study=study,
        settings=_measured_on(study),
        outputs=tuple(file for name in INSIGHT_PICTURES for file in figure_files(study, name)),
        marker=figures_dir(study.run) / ".insight_pictures.step.json",
        after=(prepare_step(study), maps_step(study, "custom_cnn", study.seeds[0])),
    )


def insight_steps(study: Study) -> list[Step]:
    """The steps of notebook 11, which isn't part of the chain."""
    numbers = insight_step(study)
    measured = [step for step in numbers.before() if step.notebook == INSIGHT_NOTEBOOK]
    return [*measured, numbers, insight_drawing_step(study), insight_pictures_step(study)]
