"""`make bench GPU=1`: the steps of the paper's profile on one GPU, in both precisions.

Needs no notebooks and no TensorFlow; benchmarks/gpu.sh brings what a machine without Keras lacks.
VGG16's weights are random and the images drawn: speed only.
"""

from typing import Any

from benchmarks.common import Row, draw_images, places, seconds_of
from fakeface_utils.data import prepare
from fakeface_utils.models import MODELS
from fakeface_utils.paper import COUNTS, SPLITS
from fakeface_utils.settings import Study
from fakeface_utils.trained import features, predict, train
from fakeface_utils.util import StudyError, gpus

EPOCHS = 3  # the first also compiles and isn't counted


def steps(study: Study) -> list[Row]:
    """Do every step once, in one precision: images a second, and hours for the paper's profile."""
    decoding, rows, hours = seconds_of(*prepare.all(study)), [], 0.0
    number = {split: len(prepare.of(study, split).read(f"{split}.npy")) for split in SPLITS}

    def add(what: str, seconds: float, *splits: str, times: int = 1) -> None:
        nonlocal hours
        rate = sum(number[split] for split in splits) / seconds
        hours += times * sum(2 * COUNTS[split] for split in splits) / rate / 3600
        rows.append({"what": f"{what}, {study.precision}", "unit": "images/s", "ours": rate})

    add("decoding", decoding, *SPLITS)
    for model, about in MODELS.items():
        if about.frozen_base:
            made = seconds_of(*features.all(study, model=model))
            add(f"{about.title}, features", made, *SPLITS)
        seconds_of(task := train.of(study, model, 0))
        history = task.read("history.csv")
        if len(history) < EPOCHS or history["val_loss"].isna().any():
            raise StudyError(f"{task.name} in {study.precision} diverged: look at its history")
        epoch = history["seconds"][1:].median()  # ends with the validation images
        add(f"{about.title}, training", epoch, "train", times=Study().epochs)
        asked = seconds_of(predict.of(study, model, 0))
        add(f"{about.title}, predicting", asked, "valid", "test")
    what = f"the paper's profile, one seed (extrapolated), {study.precision}"
    return [*rows, {"what": what, "unit": "h", "ours": hours}]


def measure(counts: tuple[int, int] = (10_000, 1_000), **settings: Any) -> list[Row]:
    """Measure this machine's GPU on so many images of each class in train and in the others.

    Raises:
        StudyError: there is no GPU, or a network diverged.
    """
    if not gpus() and not settings:
        raise StudyError("there is no GPU that the NVIDIA driver shows: run make bench")
    # Scaled to 0..1, since on ImageNet's scale random weights overflow 16 bits.
    given: dict[str, Any] = {"vgg16_weights": "random", "vgg16_scaling": "unit", "epochs": EPOCHS}
    with places():
        given |= {"data": str(draw_images(*counts)), **settings}
        studies = [Study(run=name, precision=name, **given) for name in ("float32", "mixed")]
        return [row for study in studies for row in steps(study)]
