"""Every other reading of an open question as a study of its own, and the steps of notebook 07."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..common.paths import figures_dir, results_dir
from .artefacts import figure_files, history_csv, seed_dir
from .beyond_artefacts import ABLATION_FIGURE, ablations_csv
from .names import MODELS
from .plan import chain_steps, prepare_step, train_step, with_seeds
from .questions import register
from .settings import Study, as_typed
from .step import Step

ABLATION_NOTEBOOK = "07_open_questions"


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


def other_readings(study: Study) -> list[Reading]:
    """Every reading of every open question but the study's own, one change at a time.

    Questions that concern neither model's training (positive_class) have none. Another rule for
    `best_weights` picks from the study's own histories, so its run is the study's.
    """
    found = []
    for name, question in register().items():
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


def reading_steps(reading: Reading, model: str, seed: int) -> list[Step]:
    """What one other reading takes with one seed: its images and features, then its training.

    The reading's history is kept, its model is not. Images and features that the run itself has
    are the same steps as the run's.
    """

    def done_here(step: Step) -> Step:
        return replace(
            step,
            name=f"{step.name} with {reading.name}",
            notebook=ABLATION_NOTEBOOK,
            after=tuple(map(done_here, step.after)),
        )

    folder = seed_dir(reading.study.run, model, seed)
    training = replace(
        done_here(train_step(reading.study, model, seed)),
        kind="reading",
        outputs=(history_csv(reading.study.run, model, seed),),
        marker=folder / ".reading.step.json",
    )
    return [*training.before(), training]


def compare_step(study: Study) -> Step:
    """The readings compared by validation accuracy."""
    own = [train_step(study, model, seed) for model in MODELS for seed in study.seeds]
    others = [reading_steps(*training)[-1] for training in trainings(study)]
    return Step(
        name="open questions",
        kind="compare",
        notebook=ABLATION_NOTEBOOK,
        module="evaluation/ablations.py",
        study=study,
        settings=with_seeds(study),
        outputs=(ablations_csv(study),),
        marker=results_dir(study.run) / ".ablations.step.json",
        after=(prepare_step(study), *own, *others),
    )


def drawing_step(study: Study) -> Step:
    """The figure of the open questions."""
    return Step(
        name="figure of the open questions",
        kind="drawing",
        notebook=ABLATION_NOTEBOOK,
        module="report/open_questions.py",
        study=study,
        settings=with_seeds(study),
        outputs=figure_files(study, ABLATION_FIGURE),
        marker=figures_dir(study.run) / ".open_questions.step.json",
        after=(compare_step(study),),
    )


def ablation_steps(study: Study) -> list[Step]:
    """The steps of notebook 07, which isn't part of the chain; no step of the run, none twice."""
    own = {step.marker for steps in chain_steps(study).values() for step in steps}
    once: dict[Path, Step] = {}
    for step in (step for one in trainings(study) for step in reading_steps(*one)):
        if step.marker not in own:
            once.setdefault(step.marker, step)
    return [*once.values(), compare_step(study), drawing_step(study)]
