"""The steps of notebook 09: a trained run on other images."""

import hashlib
import os
from pathlib import Path

from ..common.errors import StudyError
from ..common.paths import data_dir, escaped, figures_dir, results_dir
from .artefacts import figure_files
from .beyond_artefacts import ELSEWHERE_FIGURE, elsewhere_csv, elsewhere_formats_csv
from .names import MODELS
from .plan import calibration_step, predict_step, prepare_step, train_step
from .sets import count_images, find_sets
from .settings import Study
from .step import Step

ELSEWHERE_NOTEBOOK = "09_elsewhere"
MADE_UP = ("diffusion", "pixel_shuffle")  # the demo's further generators, see `dataset.demo.others`
IMAGES_PER_CLASS = 150  # of each of them
NO_IMAGES = (
    "elsewhere needs other images: give a folder or zip with real and fake inside, as "
    "make beyond ONLY=elsewhere OTHER=FOLDER (in a notebook overrides = 'other=FOLDER')"
)


def has_others(study: Study) -> bool:
    """Whether there are other images: given by a person, or drawn for the demo."""
    return bool(study.other) or study.data == "demo"


def made_up_count(study: Study) -> int:
    """How many images of each class are drawn of each of the demo's further generators."""
    return min(study.images_per_class or IMAGES_PER_CLASS, IMAGES_PER_CLASS)


def others_path(study: Study) -> Path:
    """The folder or zip of other images.

    Raises:
        StudyError: there are none, see `has_others`.
    """
    if not has_others(study):
        raise StudyError(NO_IMAGES)
    if study.other:
        return Path(study.other)
    count = f"-{made_up_count(study)}" if study.images_per_class else ""
    return data_dir() / f"demo-others-{study.stored_size}px{count}"


def images_elsewhere(study: Study) -> int:
    """How many other images there are or will be drawn; no file is opened but a zip."""
    if study.other:
        return count_images(others_path(study))
    return len(MADE_UP) * 2 * made_up_count(study)


def draw_others_step(study: Study) -> Step | None:
    """Draw the demo's further generators; None where a person gave images."""
    if study.other:
        return None
    path = others_path(study)
    return Step(
        name="draw other images",
        kind="source",
        notebook=ELSEWHERE_NOTEBOOK,
        module="dataset/demo/others.py",
        without=("dataset/decode.py",),  # for its mark, a constant
        study=study,
        settings={"images_per_class": made_up_count(study), "side": study.stored_size},
        outputs=(path,),
        marker=path.with_name(f".{path.name}.step.json"),
    )


def judged_csv(study: Study, name: str) -> Path:
    """The networks' outputs for one set, see `networks.elsewhere`."""
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]  # a name may hold any character
    return results_dir(study.run) / "elsewhere" / f"{digest}.csv"


def judge_step(study: Study, name: str, folders: tuple[Path, ...]) -> Step:
    """Ask all networks of the run about one set of images.

    Args:
        study: the settings and seeds.
        name: the set's, see `find_sets`.
        folders: what it consists of.
    """
    drawn = draw_others_step(study)
    output = judged_csv(study, name)
    trained = [train_step(study, model, seed) for model in MODELS for seed in study.seeds]
    return Step(
        name=f"judge {escaped(name)}",
        kind="judge",
        notebook=ELSEWHERE_NOTEBOOK,
        module="networks/elsewhere.py",
        study=study,
        settings={
            "set": escaped(name),
            "seeds": list(study.seeds),
            "resize_filter": study.resize_filter,
        },
        inputs=() if drawn else folders,
        outputs=(output,),
        marker=output.with_name(f".{output.stem}.step.json"),
        after=(*trained, *([drawn] if drawn else [])),
    )


def judge_steps(study: Study) -> dict[str, Step]:
    """A step for each set of other images, by its name.

    Raises:
        StudyError: there are no other images, or they can't be listed.
    """
    root = others_path(study)
    sets = find_sets(root) if study.other else {name: (root / name,) for name in MADE_UP}
    return {name: judge_step(study, name, folders) for name, folders in sets.items()}


def elsewhere_step(study: Study) -> Step:
    """Scores and file formats of every set, from the outputs."""
    judged = judge_steps(study)
    predicted = [predict_step(study, model, seed) for model in MODELS for seed in study.seeds]
    return Step(
        name="elsewhere",
        kind="table",
        notebook=ELSEWHERE_NOTEBOOK,
        module="evaluation/elsewhere.py",
        study=study,
        settings={
            "images": others_path(study).name,
            "sets": [escaped(name) for name in judged],
            "seeds": list(study.seeds),
        },
        outputs=(elsewhere_csv(study), elsewhere_formats_csv(study)),
        marker=results_dir(study.run) / ".elsewhere.step.json",
        after=(prepare_step(study), *predicted, calibration_step(study), *judged.values()),
    )


def elsewhere_drawing_step(study: Study) -> Step:
    """The figure of notebook 09."""
    return Step(
        name="figure of other images",
        kind="drawing",
        notebook=ELSEWHERE_NOTEBOOK,
        module="report/elsewhere.py",
        study=study,
        settings={"seeds": list(study.seeds)},
        outputs=figure_files(study, ELSEWHERE_FIGURE),
        marker=figures_dir(study.run) / ".elsewhere.step.json",
        after=(elsewhere_step(study),),
    )


def elsewhere_steps(study: Study) -> list[Step]:
    """The steps of notebook 09, which isn't part of the chain.

    Raises:
        StudyError: there are no other images, or they can't be listed.
    """
    drawn = draw_others_step(study)
    judged = judge_steps(study).values()
    return [
        *([drawn] if drawn else []),
        *judged,
        elsewhere_step(study),
        elsewhere_drawing_step(study),
    ]
