"""The training regime of section 4, and what trained networks say of images.

All randomness of an epoch, the order of the images and the dropout, is a pure function of the seed
and the epoch. So a training run that was killed resumes as if nothing had happened: on the same
CPU, to the last digit.
"""

import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL.Image

from .networks import base_of, head_of, keras, layers_of, saved  # keras without its noise
from .settings import Study
from .step import STEPS
from .util import Interrupted, StudyError, gpus, progress, replacing, shown

Arrays = tuple[npt.NDArray, npt.NDArray]  # inputs (N, ...) and labels (N,); 1 is fake
COLUMNS = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
AT_ONCE = 64  # images in a batch of `Detectors`


def start(study: Study, *counts: int) -> None:
    """Forget earlier networks; with gpus=all share each batch among all devices from now on.

    The results are those of one device, to rounding. `counts` are of images that will be read.
    """
    keras.backend.clear_session()
    backend, devices = keras.backend.backend(), keras.distribution.list_devices()
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if not hidden and not any("gpu" in name.lower() for name in devices) and (there := gpus()):
        fix = "pip install 'jax[cuda12]'" if backend == "jax" else "pip install -e '.[gpu]'"
        raise StudyError(
            f"the driver shows {there[0]} but Keras ({backend}) does not see it: run {fix}, or set "
            "CUDA_VISIBLE_DEVICES=-1 to compute on the CPU"
        )
    if study.gpus == "all":
        if backend != "jax":
            raise StudyError("gpus=all needs JAX: set KERAS_BACKEND=jax, or gpus=one")
        if odd := [count for count in (study.batch_size, *counts) if count % len(devices)]:
            raise StudyError(
                f"{len(devices)} devices can't share {odd[0]:,} images equally: change batch_size "
                "or images_per_class, or show fewer devices with CUDA_VISIBLE_DEVICES"
            )
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))


def precision(study: Study) -> str:
    """The setting by Keras' name: of 16 bits, float16 with GPUs before NVIDIA's Ampere (8.0)."""
    if study.precision == "float32":
        return "float32"
    old = any(float(capability) < 8 for capability in gpus("compute_cap"))
    return "mixed_float16" if old else "mixed_bfloat16"


class Batches(keras.utils.PyDataset):
    """Rows of a memory-mapped array with their labels, in the array's order or another.

    `change(inputs, rows)` gives what is seen of them.
    """

    def __init__(
        self,
        data: Arrays,
        size: int,
        order: npt.NDArray[np.int64] | None = None,
        change: Callable[[npt.NDArray, npt.NDArray], npt.NDArray] = lambda inputs, _: inputs,
    ) -> None:
        # Two threads read ahead, in order. With one, Keras leaves that to tf.data's autotuning,
        # whose thread TensorFlow 2.21 joins only when it next wakes: 20.5 s for an epoch of 14 s.
        super().__init__(workers=2)
        self.inputs, self.labels = data[0], data[1].astype("float32").reshape(-1, 1)
        self.size, self.order = size, np.arange(len(data[0])) if order is None else order
        self.change = change

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.size)

    def __getitem__(self, index: int) -> Arrays:
        rows = np.sort(self.order[index * self.size : (index + 1) * self.size])
        return self.change(self.inputs[rows], rows), self.labels[rows]


def schedule(
    study: Study, model: str, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The reading of 'decay equal to the quotient of the learning rate and the epochs', section 4.

    Per step, lr / (1 + lr/epochs * step), is what Keras' Adam did in 2022; `steps` are an epoch's.
    """
    name, epochs, schedules = study.models[model].rate, study.epochs, keras.optimizers.schedules
    rate, decay = getattr(study, name), getattr(study, f"{name}_decay")
    if decay == "none" or epochs == 1:
        return schedules.InverseTimeDecay(rate, 1, 0.0)
    if decay == "linear_per_epoch":
        # Keras changes the value after a boundary: an epoch's last step still has the old rate.
        ends = [epoch * steps - 1 for epoch in range(1, epochs)]
        values = [rate - rate / epochs * epoch for epoch in range(epochs)]
        return schedules.PiecewiseConstantDecay(ends, values)
    by_epoch = decay == "inverse_time_per_epoch"
    return schedules.InverseTimeDecay(rate, steps if by_epoch else 1, rate / epochs, by_epoch)


def drawn_rows(labels: npt.NDArray, share: float, seed: int) -> npt.NDArray[np.int64]:
    """The training images that a share of each class leaves, in the array's order.

    Of one seed, those of a smaller share are among those of a larger one; at least one stays.
    """
    kept: list[int] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        shuffled = np.random.default_rng((seed, int(label))).permutation(members)
        kept += shuffled[: max(round(share * len(members)), 1)].tolist()
    return np.sort(kept)


def guesses(accuracy: float, labels: npt.NDArray) -> bool:
    """Whether a training accuracy is hardly above that of always naming the larger class."""
    larger = np.bincount(labels.astype(int)).max() / len(labels)
    error = math.sqrt(larger * (1 - larger) / len(labels))
    return bool(accuracy < larger + min(3 * error, 0.03))  # of few images chance says little


def augmented(
    images: npt.NDArray, rows: npt.NDArray, kind: str, seed: int, epoch: int
) -> npt.NDArray:
    """Images as one epoch sees them: a pure function of seed, epoch and row, so resuming is exact.

    flip: mirrored, every second one; shift: by up to a tenth of the side each way, the edge
    repeated; crop: a square of 80 to 100 % of the side, enlarged again; all: these three.
    """
    if kind == "none":
        return images
    side, changed = images.shape[1], images.copy()
    for place, row in enumerate(rows):
        mirror, down, right, share, top, left = np.random.default_rng((seed, epoch, row)).random(6)
        if kind in ("flip", "all") and mirror < 0.5:
            changed[place] = changed[place][:, ::-1]
        if kind in ("shift", "all"):
            across = np.arange(side) + np.rint((np.array([[down], [right]]) - 0.5) * side / 5)
            lines, columns = across.clip(0, side - 1).astype(int)
            changed[place] = changed[place][lines][:, columns]
        if kind in ("crop", "all"):
            kept = (0.8 + 0.2 * share) * side
            x, y = (side - kept) * left, (side - kept) * top
            whole = PIL.Image.fromarray(changed[place])
            part = whole.resize(
                (side, side), PIL.Image.Resampling.BILINEAR, (x, y, x + kept, y + kept)
            )
            changed[place] = np.asarray(part)
    return changed


def set_dropout(network: keras.Model, seed: int, epoch: int) -> None:
    """Make a layer's chance a function of seed and epoch: Keras saves its state nowhere."""
    parts = [part for layer in layers_of(network) for part in vars(layer).values()]
    states = [part.state for part in parts if isinstance(part, keras.random.SeedGenerator)]
    values = np.random.SeedSequence((seed, epoch)).generate_state(2 * len(states)).reshape(-1, 2)
    for state, value in zip(states, values, strict=True):
        state.assign(value.astype(state.dtype))


def fit(
    study: Study, model: str, network: keras.Model, seed: int, data: Sequence[Arrays], out: Path
) -> None:
    """Train a network, from where `out` stands, and leave it with its best epoch's weights.

    After each epoch comes the history with its row, then the whole state, then the best weights. So
    a kill at any moment leaves all that belongs to the epochs up to the last state. `network` is
    what is trained, the whole or its head, and `data` for training and for validation.
    """
    (training, validation), size, epochs = data, study.batch_size, study.epochs
    log, best, name = out / "log.csv", out / "best.weights.h5", f"{model} seed {seed}"
    rows = drawn_rows(training[1], study.training_share, seed)
    steps = math.ceil(len(rows) / size)
    rates = schedule(study, model, steps)
    optimizer = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[study.optimizer]
    network.compile(optimizer(rates), "binary_crossentropy", metrics=["accuracy"])
    network.optimizer.build(network.trainable_variables)
    # Without an epoch: on JAX, Keras builds its metrics from a first batch and then begins with the
    # second, so that the first epoch of a process would have an order of its own.
    network.fit(Batches(training, size), epochs=0, verbose=0)

    # An epoch's number is in the name: at 16 bits the optimizer doesn't count steps it leaves out.
    states = [out / f"epoch-{epoch}.weights.h5" for epoch in range(epochs + 1)]
    done = max((epoch for epoch, path in enumerate(states) if path.exists()), default=0)
    lines: list[dict[str, float]] = []

    def keep_best() -> None:
        """Save the weights, if the last epoch is the first of the best ones or none is done."""
        values = [line[study.best_weights] for line in lines]
        pick = min if study.best_weights == "val_loss" else max
        if not values or values.index(pick(values)) == len(values) - 1:
            network.save_weights(best)

    if done:
        try:
            network.load_weights(states[done])
            numbers = dict.fromkeys(COLUMNS[1:], float)  # exact, which pandas' own parser isn't
            history = pd.read_csv(log, nrows=done, converters=numbers)[COLUMNS]
        except Exception as error:  # damage shows in many ways, and each means the same
            raise StudyError(
                f"{name}: what an interrupted training left in {shown(out)} is damaged ({error}): "
                "delete that folder and run again"
            ) from error
        lines = history.to_dict("records")
        print(f"{name}: resumes after epoch {done} of {epochs}")
    keep_best()  # also after a kill before they were saved
    bar = progress((epochs - done) * steps, name, "step")
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: bar.update())
    count.async_safe = True  # on a GPU the next step doesn't wait for this one's numbers
    try:
        with bar:
            for epoch in range(done + 1, epochs + 1):
                began = time.perf_counter()
                set_dropout(network, seed, epoch)
                order = np.random.default_rng((seed, epoch)).permutation(rows)
                kind = "none" if study.models[model].frozen_base else study.augment
                change = partial(augmented, kind=kind, seed=seed, epoch=epoch)
                # A call for each epoch: within one, Keras decides when the threads that read ahead
                # start on the next epoch, and could do so before its order is set.
                found = network.fit(
                    Batches(training, size, order, change),
                    validation_data=Batches(validation, size),
                    shuffle=False,  # Keras would shuffle the batches with a random state of its own
                    verbose=0,
                    callbacks=[count],
                ).history
                line = {key: values[0] for key, values in found.items()}
                line |= {"epoch": epoch, "learning_rate": float(rates(epoch * steps - 1))}
                lines.append(line | {"seconds": round(time.perf_counter() - began, 3)})
                with replacing(log) as part:
                    pd.DataFrame(lines, columns=COLUMNS).to_csv(part, index=False)
                if not math.isfinite(line["loss"] + line["val_loss"]):
                    bar.write(
                        f"{name}: diverged in epoch {epoch}, its loss is no finite number: "
                        "training ends here and keeps the best weights before that"
                    )
                    break
                with replacing(states[epoch]) as part:
                    network.save_weights(part)
                states[epoch - 1].unlink(missing_ok=True)
                keep_best()
                done = epoch
                if epoch == 2 and guesses(line["accuracy"], training[1][rows]):
                    bar.write(
                        f"warning: {name} has not learned anything in {epoch} epochs (training "
                        f"accuracy {line['accuracy']:.3f}): let it go on, or interrupt it and try "
                        "a lower learning rate under another run's name"
                    )
                bar.write(
                    f"{name} epoch {epoch}/{epochs}: loss {line['loss']:.4f}, val_loss "
                    f"{line['val_loss']:.4f}, val_accuracy {line['val_accuracy']:.4f}"
                )
    except KeyboardInterrupt:
        raise Interrupted(
            f"{name}: interrupted after epoch {done} of {epochs}; the same cell or command resumes "
            "there"
        ) from None
    network.load_weights(best)
    shutil.copy(log, out / "history.csv")  # which is moved away before all is done


def finite(study: Study, outputs: npt.NDArray) -> npt.NDArray[np.float64]:
    """The outputs of a run's networks; refused where one is no number."""
    if not np.isfinite(outputs).all():
        raise StudyError(f"run {study.run}: some outputs are no finite numbers: train it again")
    return outputs.astype("float64")


def load(study: Study, model: str, seed: int) -> keras.Model:
    """A trained network of a run."""
    task = STEPS["train"].of(study, model, seed)
    return saved(task.path("model.keras"), f"delete it and {task.command}")


class Detectors:
    """The trained networks of a run, asked together; a frozen base runs once for all its seeds.

    All models, or some. `columns` are their (model, seed), in the order of the outputs, and `size`
    is their images'.
    """

    def __init__(self, study: Study, models: Iterable[str] = ()) -> None:
        self.study, self.size = study, study.image_size
        self.columns = [(m, seed) for m in models or study.models for seed in study.seeds]
        whole = {column: load(study, *column) for column in self.columns}
        self._heads = [head_of(network) for network in whole.values()]
        self._bases = {m: base_of(n) for (m, _), n in whole.items() if study.models[m].frozen_base}

    def p_fake(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """The outputs, (N, networks), 0 to 1, for uint8 RGB images (N, size, size, 3)."""
        outputs = np.empty((len(images), len(self.columns)))
        for first in range(0, len(images), AT_ONCE):
            part = images[first : first + AT_ONCE]
            # Filled up, so that no graph is traced for another number of images.
            batch = np.pad(part, [(0, AT_ONCE - len(part)), (0, 0), (0, 0), (0, 0)])
            features = {model: base.predict_on_batch(batch) for model, base in self._bases.items()}
            for column, (model, _) in enumerate(self.columns):
                p_fake = self._heads[column].predict_on_batch(features.get(model, batch))
                outputs[first : first + AT_ONCE, column] = p_fake[: len(part), 0]
        return finite(self.study, outputs)
