"""Training and prediction as steps; here the test set is read, by `predict`, after training.

Nothing here imports Keras before a step really runs: whether one is done is asked often.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .models import MODELS, titled
from .settings import Study
from .step import STEPS, Task, step
from .util import PACKAGE, StudyError, progress, require_free_space


def prepared(study: Study, split: str, kind: str) -> Any:
    """The images of a split ('npy') or their manifest ('csv')."""
    return STEPS["prepare"].of(study, split).read(f"{split}.{kind}")


def needs(study: Study, model: str, *splits: str) -> list[Task]:
    """The tasks that leave what a network reads: images, or a frozen base's features of them."""
    tasks = [STEPS["prepare"].of(study, split) for split in splits]
    frozen = study.models[model].frozen_base
    return tasks + [features.of(study, model, split) for split in splits if frozen]


def arrays(study: Study, model: str, split: str) -> tuple[npt.NDArray, npt.NDArray]:
    """What a network is trained on and asked about, (N, ...), and the labels, (N,); 1 is fake."""
    frozen = study.models[model].frozen_base
    inputs = features.of(study, model, split).read() if frozen else prepared(study, split, "npy")
    return inputs, prepared(study, split, "csv")["label"].to_numpy()


def base_settings(study: Study, model: str) -> dict[str, str]:
    """What decides the output of a frozen base."""
    return study.of(*study.models[model].frozen_base, "feature_dtype", "precision")


def own_file(study: Study, model: str, *_: Any) -> dict[str, Path]:
    """The file of a run's own network, an input; none of a network of the package."""
    return {} if model in MODELS else {f"{model}.py": study.networks / f"{model}.py"}


def file_of(study: Study, model: str, *_: Any) -> list[Path]:
    """The file of a network of the package, which is code; none of a run's own."""
    return [PACKAGE / "networks" / f"{model}.py"] if model in MODELS else []


def _features(study: Study, model: str, *_: Any) -> Path:
    """Where a frozen base's features lie: beside the images, or those of a run's own with it."""
    place = study.prepared / "features" if model in MODELS else study.networks
    return place / "-".join([model, *base_settings(study, model).values()])


@step(
    # No network sees the test set before the end, so its features are made there.
    lambda study, model, split: "04_evaluate" if split == "test" else study.models[model].notebook,
    writes=lambda study, model, split: [f"{split}.npy"],
    after=lambda study, model, split: [STEPS["prepare"].of(study, split)],
    each=("model", "split"),
    settings=lambda study, model, split: base_settings(study, model),
    folder=_features,
    inputs=own_file,
    code=file_of,
)
def features(study: Study, model: str, split: str, out: Path) -> None:
    """Run a frozen base once for each image, since it says the same in every epoch: (N, h, w, c).

    In float16 a probability differs by up to about 1e-3 from the whole network's.
    """
    from .networks import base_of, build
    from .training import precision, start

    inputs, title = prepared(study, split, "npy"), f"{titled(model)} features of {split}"
    start(study, len(inputs))
    base = base_of(build(study, model, 0, precision(study)))
    shape, dtype = (len(inputs), *base.output_shape[1:]), np.dtype(study.feature_dtype)
    require_free_space(out, math.prod(shape) * dtype.itemsize, title)
    made = np.lib.format.open_memmap(out / f"{split}.npy", "w+", dtype, shape)
    with progress(len(inputs), title, "image") as bar:
        for first in range(0, len(inputs), study.batch_size):
            batch = inputs[first : first + study.batch_size]
            with np.errstate(over="ignore"):  # looked at in the next line
                values = base.predict_on_batch(batch).astype(dtype)
            if not np.isfinite(values).all():
                raise StudyError(
                    f"{title}: some are no finite numbers in {study.feature_dtype}: set "
                    "feature_dtype=float32, and check the weights and the scaling"
                )
            made[first : first + len(batch)] = values
            bar.update(len(batch))
    made.flush()


def fit_network(study: Study, model: str, seed: int, out: Path) -> Any:
    """Train one network: history.csv, architecture.csv and, with its best weights, model.keras."""
    from .networks import architecture, build, head_of
    from .training import fit, precision, start

    data = arrays(study, model, "train"), arrays(study, model, "valid")
    start(study, *(len(labels) for _, labels in data))
    network = build(study, model, seed, precision(study))
    fit(study, model, head_of(network), seed, data, out)
    # What is kept is float32, and has no optimizer, whose state would triple the file.
    finished = build(study, model, seed)
    finished.set_weights(network.get_weights())
    finished.save(out / "model.keras")
    architecture(finished).to_csv(out / "architecture.csv", index=False)
    return finished


@step(
    lambda study, model, seed: study.models[model].notebook,
    writes=["history.csv", "model.keras", "architecture.csv"],
    after=lambda study, model, seed: needs(study, model, "train", "valid"),
    each=("model", "seed"),
    settings=lambda study, model, seed: (
        study.deciding()
        | {name: getattr(study.models[model], name) for name in ("rate", "frozen_base")}
    ),
    folder=lambda study, model, seed: study.results / model / f"seed-{seed}",
    inputs=own_file,
    code=file_of,
)
def train(study: Study, model: str, seed: int, out: Path) -> None:
    """Train one network; one that was interrupted resumes after its last finished epoch."""
    fit_network(study, model, seed, out)


@step(
    "04_evaluate",
    writes=["predictions.csv", "validation.csv"],
    after=lambda *which: [*needs(*which[:2], "valid", "test"), train.of(*which)],
    each=("model", "seed"),
    folder=lambda study, model, seed: study.results / model / f"seed-{seed}",
)
def predict(study: Study, model: str, seed: int, out: Path) -> None:
    """One trained network's outputs for the test and the validation images."""
    from .training import load, start

    files = {"valid": "validation.csv", "test": "predictions.csv"}
    start(study, *(len(prepared(study, split, "npy")) for split in files))
    network = load(study, model, seed)
    for split, name in files.items():
        answers(study, model, network, split).to_csv(out / name, index=False)


def answers(study: Study, model: str, network: Any, split: str) -> pd.DataFrame:
    """What a trained network says of a split: path, label and p_fake, 0 to 1."""
    from .networks import head_of
    from .training import Batches, finite

    batches = Batches(arrays(study, model, split), study.batch_size)
    p_fake = head_of(network).predict(batches, verbose=0)[:, 0]
    table = prepared(study, split, "csv")[["path", "label"]]
    return table.assign(p_fake=finite(study, p_fake))
