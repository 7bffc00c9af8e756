"""The steps of notebook 08: the study again on an eighth, a quarter and half of the images."""

from dataclasses import replace

from ..common.paths import figures_dir, results_dir
from .artefacts import figure_files, history_csv, predictions_csv, seed_dir
from .beyond_artefacts import CURVE_FIGURE, learning_curve_csv, learning_curve_json
from .names import MODELS
from .plan import features_step, predict_step, prepare_step, train_step, with_seeds
from .settings import Study, as_typed
from .step import Step

CURVE_NOTEBOOK = "08_learning_curve"
SHARES = (0.125, 0.25, 0.5)  # of the images that the run itself trains on


def smaller_studies(study: Study) -> list[Study]:
    """The same study with fewer training images, the smallest first.

    Of one seed, each training set is part of the next. Validation and test set, images and VGG16's
    features are the run's own.
    """
    return [
        study.model_copy(
            update={
                "training_share": share * study.training_share,
                "run": f"{study.run}/learning_curve/share={as_typed(share)}",
            }
        )
        for share in SHARES
    ]


def point_step(study: Study, model: str, seed: int) -> Step:
    """Train one network on a share of the images and predict the test set; no model is kept."""
    features = [features_step(study, split) for split in ("train", "valid", "test")]
    training = train_step(study, model, seed)
    return replace(
        training,
        name=f"{training.name} on {as_typed(study.training_share)} of the images",
        kind="point",
        notebook=CURVE_NOTEBOOK,
        module="networks/learning_curve.py",
        outputs=(
            history_csv(study.run, model, seed),
            predictions_csv(study.run, model, seed),
        ),
        marker=seed_dir(study.run, model, seed) / ".point.step.json",
        after=(prepare_step(study), *(features if model == "vgg16" else ())),
    )


def point_steps(study: Study) -> list[Step]:
    """Every training run of the learning curve but the run's own, the smallest sets first."""
    return [
        point_step(smaller, model, seed)
        for smaller in smaller_studies(study)
        for model in MODELS
        for seed in study.seeds
    ]


def curve_step(study: Study) -> Step:
    """Test accuracy against the number of training images, and the fitted curve."""
    own = [predict_step(study, model, seed) for model in MODELS for seed in study.seeds]
    return Step(
        name="learning curve",
        kind="curve",
        notebook=CURVE_NOTEBOOK,
        module="evaluation/learning_curve.py",
        study=study,
        settings=with_seeds(study),
        outputs=(learning_curve_csv(study), learning_curve_json(study)),
        marker=results_dir(study.run) / ".learning_curve.step.json",
        after=(prepare_step(study), *own, *point_steps(study)),
    )


def curve_drawing_step(study: Study) -> Step:
    """The figure of the learning curve."""
    return Step(
        name="figure of the learning curve",
        kind="drawing",
        notebook=CURVE_NOTEBOOK,
        module="report/learning_curve.py",
        study=study,
        settings=with_seeds(study),
        outputs=figure_files(study, CURVE_FIGURE),
        marker=figures_dir(study.run) / ".learning_curve.step.json",
        after=(curve_step(study),),
    )


def curve_steps(study: Study) -> list[Step]:
    """The steps of notebook 08, which isn't part of the chain."""
    return [*point_steps(study), curve_step(study), curve_drawing_step(study)]
