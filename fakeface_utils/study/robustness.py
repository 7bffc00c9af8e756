"""The steps of notebook 10: a trained run on damaged test images."""

from dataclasses import dataclass
from typing import Any

from ..common.paths import figures_dir, results_dir
from .artefacts import figure_files
from .beyond_artefacts import (
    ROBUSTNESS_FIGURES,
    chain_csv,
    damage_csv,
    frequency_bands_csv,
    robustness_csv,
)
from .names import MODELS
from .plan import prepare_step, train_step, with_seeds
from .settings import Study
from .step import Step

ROBUSTNESS_NOTEBOOK = "10_robustness"

CUTOFFS = (1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4)  # of Nyquist, the finest detail pixels can hold

# The strengths of each kind of damage, the weakest first; None where there is only one.
LEVELS: dict[str, tuple[float | None, ...]] = {
    "clean": (None,),
    "jpeg": (95, 90, 75, 65, 50, 30),  # quality
    "blur": (0.5, 1, 2, 3, 4),  # sigma in pixels of an image of 256
    "scale": (3 / 4, 1 / 2, 7 / 16, 1 / 4),  # of the side, and back
    "crop": (0.95, 0.9, 0.8),  # of the side
    "noise": (5, 10, 20),  # standard deviation, of 255
    "chain": (None,),
    "flip": (None,),
    "resave": (None,),
    "low_pass": CUTOFFS[::-1],
    "high_pass": CUTOFFS,
    "swap": CUTOFFS,
}
CONTROLS = ("flip", "resave")  # what should change no answer
BANDS = ("low_pass", "high_pass", "swap")  # no damage that happens, but what tells the bands apart


@dataclass(frozen=True)
class Damage:
    """One kind of damage at one strength, see `LEVELS`."""

    family: str
    level: float | None = None

    @property
    def name(self) -> str:
        """What its files are called, as 'jpeg-75'."""
        return self.family if self.level is None else f"{self.family}-{self.level:g}"


DAMAGES = tuple(Damage(family, level) for family in LEVELS for level in LEVELS[family])


def _settings(study: Study) -> dict[str, Any]:
    return {**with_seeds(study), "beyond_images": study.beyond_images}


def damage_step(study: Study, damage: Damage) -> Step:
    """Ask all networks of a run about the test images after one damage."""
    trained = [train_step(study, model, seed) for model in MODELS for seed in study.seeds]
    path = damage_csv(study, damage.name)
    return Step(
        name=f"damaged images, {damage.name}",
        kind="damage",
        notebook=ROBUSTNESS_NOTEBOOK,
        module="networks/robustness.py",
        study=study,
        settings={**_settings(study), "family": damage.family, "level": damage.level},
        outputs=(path, chain_csv(study)) if damage.family == "chain" else (path,),
        marker=path.with_name(f".{damage.name}.step.json"),
        after=(prepare_step(study), *trained),
    )


def robustness_step(study: Study) -> Step:
    """What each damage costs, and which band of frequencies decides."""
    return Step(
        name="robustness",
        kind="table",
        notebook=ROBUSTNESS_NOTEBOOK,
        module="evaluation/robustness.py",
        study=study,
        settings=_settings(study),
        outputs=(robustness_csv(study), frequency_bands_csv(study)),
        marker=results_dir(study.run) / ".robustness.step.json",
        after=tuple(damage_step(study, damage) for damage in DAMAGES),
    )


def robustness_drawing_step(study: Study) -> Step:
    """The figures of the damaged images."""
    return Step(
        name="figures of the damaged images",
        kind="drawing",
        notebook=ROBUSTNESS_NOTEBOOK,
        module="report/robustness.py",
        study=study,
        settings=_settings(study),
        outputs=tuple(file for name in ROBUSTNESS_FIGURES for file in figure_files(study, name)),
        marker=figures_dir(study.run) / ".robustness.step.json",
        after=(robustness_step(study),),
    )


def robustness_steps(study: Study) -> list[Step]:
    """The steps of notebook 10, which isn't part of the chain."""
    damaged = [damage_step(study, damage) for damage in DAMAGES]
    return [*damaged, robustness_step(study), robustness_drawing_step(study)]
