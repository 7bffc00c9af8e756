"""How long the work will take on this machine."""

import json
import math
import os
from pathlib import Path

from ..common.machine import gpus, hardware_name
from ..common.paths import results_dir
from ..study.elsewhere import images_elsewhere, judge_steps
from ..study.settings import Study
from ..study.step import Step

# Images a second that the custom CNN trains on ('training'), and that go through VGG16's frozen
# base ('forward'), by the pixels a side of an image.
Speeds = dict[str, dict[int, float]]

TWO_CORES: Speeds = {"training": {64: 45, 112: 25, 224: 4}, "forward": {64: 50, 112: 20, 224: 4}}


def bench_json() -> Path:
    """Where this machine's measurements are kept."""
    return results_dir("bench") / f"{hardware_name()}.json"


def speeds() -> tuple[Speeds, bool]:
    """How fast this machine is, and whether that was measured on it.

    Without measurements: two cores' speeds times half the number of cores; nothing for a GPU.
    """
    try:
        found = json.loads(bench_json().read_text(encoding="utf-8"))["speeds"]
        return {work: {int(s): v for s, v in by.items()} for work, by in found.items()}, True
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, or damaged
        pairs = (os.cpu_count() or 1) / 2
    guess = {work: {s: v * pairs for s, v in by.items()} for work, by in TWO_CORES.items()}
    return {} if gpus() else guess, False


OVERHEAD = 60  # seconds for kernels, imports, figures and the report


def estimate_seconds(
    study: Study,
    counts: dict[str, int],
    speeds: Speeds,
    trained: float,
    through_custom: int = 0,
    through_vgg16: int = 0,
) -> float:
    """A rough time for the whole work.

    Args:
        study: the settings.
        counts: images in each split.
        speeds: what the machine does, see `speeds`; the nearest image size counts.
        trained: how many training runs of the custom CNN, one on half of the images being half a
            run; those of VGG16's new layers are short beside them.
        through_custom, through_vgg16: how many images trained custom CNNs see, and VGG16's frozen
            base.
    """

    def speed(work: str) -> float:
        size = min(speeds[work], key=lambda side: abs(math.log(side / study.image_size)))
        return speeds[work][size] * (size / study.image_size) ** 2

    passes = counts["train"] + counts["valid"] / 3  # backward costs about two forward passes
    trainings = study.epochs * passes * trained + through_custom / 3
    return OVERHEAD + trainings / speed("training") + through_vgg16 / speed("forward")


def passes_of(step: Step, counts: dict[str, int], others: int) -> tuple[int, int]:
    """How many images a step shows to custom CNNs and to VGG16's base.

    Args:
        step: any.
        counts: images in each split.
        others: images of one other set, the mean over sets.
    """
    study = step.study
    tests = min(2 * study.beyond_images, counts["test"])
    if step.kind == "features":
        return 0, counts[step.split]
    if step.kind == "damage":
        return tests * len(study.seeds), tests
    if step.kind == "judge":
        return others * len(study.seeds), others
    if step.kind == "maps":  # of the network, of one without training, and twice painted over
        return (4 * tests, 0) if step.model == "custom_cnn" else (0, 3 * tests)
    return 0, 0


def print_estimate(what: str, study: Study, counts: dict[str, int], left: list[Step]) -> None:
    """Say how long the work will take, before it starts.

    Args:
        what: the work, in words.
        study: the settings.
        counts: images in each split.
        left: the steps that aren't done.
    """
    kinds = ("train", "reading", "point")
    runs = [step for step in left if step.kind in kinds and step.model == "custom_cnn"]
    trained = sum(step.study.training_share for step in runs)
    work = f"{what} (training runs of the custom CNN: {len(runs)})"
    if not left:
        return
    rates, measured = speeds()
    if not rates:
        print(f"{work}: no estimate; make bench GPU=1 measures this GPU")
        return
    judged = sum(step.kind == "judge" for step in left)
    others = images_elsewhere(study) // len(judge_steps(study)) if judged else 0
    passes = [passes_of(step, counts, others) for step in left]
    through = (sum(custom for custom, _ in passes), sum(vgg16 for _, vgg16 in passes))
    seconds = estimate_seconds(study, counts, rates, trained, *through)
    length = f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
    by = "by its benchmark" if measured else "a guess: make bench measures this machine"
    machine = (gpus() or [f"no GPU, {os.cpu_count()} cores"])[0]
    print(f"{machine}: {work} takes about {length} ({by})")
