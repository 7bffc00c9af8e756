"""The training regime of section 4: schedule, shuffling, fit, best weights.

All randomness of an epoch is a pure function of (seed, epoch): the order of the images and the
dropout state are set at each epoch's start. So a training run that was killed resumes from its
checkpoint as if nothing had happened: on the same CPU, to the last digit.
"""

import math
import time

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..common.errors import Interrupted
from ..common.files import write_atomic, write_csv
from ..common.progress import progress
from ..study.artefacts import (
    architecture_csv,
    history_csv,
    model_file,
    read_features,
    read_history,
    read_images,
    read_manifest,
)
from ..study.plan import train_step
from ..study.settings import Decay, Study
from .batches import Batches
from .checkpoint import Checkpoint, open_checkpoint
from .device import check_device, distribute, precision
from .imagenet import frozen_base
from .models import architecture, assemble_vgg16, custom_cnn, vgg16_head

Arrays = tuple[npt.NDArray, npt.NDArray]  # inputs and labels

MEASURED = ("loss", "accuracy", "val_loss", "val_accuracy")
LEARNED_BY = 2  # epochs after which a network that still guesses is reported


def learning_rate_schedule(
    decay: Decay, learning_rate: float, epochs: int, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The readings of 'decay equal to the quotient of the learning rate and the epochs', section 4.

    Args:
        decay: inverse_time_per_step, lr / (1 + lr/epochs * step), what Keras' Adam did in 2022;
            inverse_time_per_epoch, the same counted in epochs; linear_per_epoch, lr/epochs
            subtracted at each epoch's start; or none.
        learning_rate: the initial rate.
        epochs: how many will be trained.
        steps_per_epoch: batches an epoch.
    """
    schedules = keras.optimizers.schedules
    rate = learning_rate / epochs
    if decay == "none" or epochs == 1:
        return schedules.InverseTimeDecay(learning_rate, 1, 0.0)
    if decay == "inverse_time_per_step":
        return schedules.InverseTimeDecay(learning_rate, 1, rate)
    if decay == "inverse_time_per_epoch":
        return schedules.InverseTimeDecay(learning_rate, steps_per_epoch, rate, staircase=True)
    # Keras changes the value after a boundary: the last step of an epoch still has the old rate.
    starts = [epoch * steps_per_epoch - 1 for epoch in range(1, epochs)]
    values = [learning_rate - rate * epoch for epoch in range(epochs)]
    return schedules.PiecewiseConstantDecay(starts, values)


def train(study: Study, model: str, seed: int) -> pd.DataFrame:
    """Train one network, keep its history and the model with its best weights.

    Where a training run was interrupted, it resumes after its last finished epoch. Where the loss
    is no finite number after an epoch, the run has diverged: it ends there, and the history's last
    row tells.

    Args:
        study: the settings.
        model: 'custom_cnn' or 'vgg16'.
        seed: decides the initial weights, the order of images and the dropout.

    Returns:
        The history: epoch (from 1), loss, accuracy, val_loss, val_accuracy, learning_rate (at the
        epoch's last step), seconds.

    Raises:
        StudyError: prepared images or features are missing, or a GPU is there but not seen.
    """
    step = train_step(study, model, seed)
    if not step.do(lambda: _train(study, model, seed, open_checkpoint(step))):
        print(f"{step.name}: up to date")
    return read_history(study, model, seed)


def _train(study: Study, model: str, seed: int, checkpoint: Checkpoint) -> float:
    """Write history.csv, model.keras and architecture.csv; seconds spent before, see `Step.do`."""
    check_device()
    spent = checkpoint.seconds
    read = read_images if model == "custom_cnn" else read_features
    keras.backend.clear_session()
    distribute(study)

    def build() -> keras.Model:
        return custom_cnn(study) if base is None else vgg16_head(study, base.output.shape[1:])

    base = None if model == "custom_cnn" else frozen_base(study)
    keras.utils.set_random_seed(seed)
    with precision(study):
        network = build()
    training, validation = (
        (read(study, split), read_manifest(study, split)["label"].to_numpy())
        for split in ("train", "valid")
    )
    history = fit(study, model, network, seed, training, validation, checkpoint)
    # What is kept is float32, and has no optimizer, whose state would triple the file.
    finished = build()
    finished.set_weights(network.get_weights())
    finished = finished if base is None else assemble_vgg16(base, finished)
    # Another seed may end at this moment on another machine.
    write_csv(architecture_csv(study.run, model), architecture(finished), shared=True)
    with write_atomic(model_file(study.run, model, seed)) as part:
        finished.save(part)
    write_csv(history_csv(study.run, model, seed), history)
    return spent


def fit(
    study: Study,
    model: str,
    network: keras.Model,
    seed: int,
    train: Arrays,
    valid: Arrays,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Train a network for the study's epochs and leave it with its best epoch's weights.

    Keras' callbacks for this don't resume a run to the last digit, so three parts are done here:
    the checkpoint (BackupAndRestore keeps neither dropout's state nor our order), the best weights
    (ModelCheckpoint forgets the best value when it resumes), the history (CSVLogger and History
    hold only the epochs since then).

    Args:
        study: the settings.
        model: 'custom_cnn' or 'vgg16': whose learning rate and decay.
        network: the custom CNN, or the VGG16 model's head.
        seed: decides order and dropout.
        train: inputs (N, ...) and labels (N,), of which `drawn_rows` takes the study's share.
        valid: the same of the validation split.
        checkpoint: the state to resume from, which is written after every epoch; without one the
            training run starts from its beginning and leaves nothing.

    Returns:
        The history, as `train` describes it.

    Raises:
        Interrupted: Ctrl-C or a notebook's stop button; the checkpoint is that of the last epoch.
    """
    rows = drawn_rows(train[1], study.training_share, seed)
    steps = math.ceil(len(rows) / study.batch_size)
    schedule = compile_network(study, model, network, steps)
    # Without an epoch: on JAX, Keras builds its metrics from a first batch and then begins with the
    # second, so that the first epoch of a process would have an order of its own.
    network.fit(Batches(*train, study.batch_size), epochs=0, verbose=0)
    state = checkpoint or Checkpoint()
    done = len(state.rows)
    if done and not math.isfinite(state.rows[-1]["loss"] + state.rows[-1]["val_loss"]):
        done = study.epochs  # it diverged: there is nothing to resume
    elif done:
        print(f"{model} seed {seed}: resumes after epoch {done} of {study.epochs}")
        _restore(network, state)
    else:
        state.best = network.get_weights()
    bar = progress((study.epochs - done) * steps, f"{model} seed {seed}", "step")
    tick = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: bar.update())
    tick.async_safe = True  # on a GPU the next step doesn't wait for this one's numbers
    start = time.perf_counter()
    try:
        with bar:
            for epoch in range(done + 1, study.epochs + 1):
                before = time.perf_counter()
                order = np.random.default_rng((seed, epoch)).permutation(rows)
                _set_dropout_state(network, seed, epoch)
                logs = network.fit(
                    Batches(*train, study.batch_size, order),
                    validation_data=Batches(*valid, study.batch_size),
                    initial_epoch=epoch - 1,
                    epochs=epoch,
                    shuffle=False,  # Keras would shuffle the batches with a random state of its own
                    verbose=0,
                    callbacks=[tick],
                ).history
                row = {name: logs[name][0] for name in MEASURED}
                row["learning_rate"] = float(schedule(epoch * steps - 1))
                row["seconds"] = round(time.perf_counter() - before, 3)
                state.rows.append({"epoch": epoch, **row})
                state.weights = network.get_weights()
                state.optimizer = [variable.numpy() for variable in network.optimizer.variables]
                value = (
                    row["val_loss"] if study.best_weights == "val_loss" else -row["val_accuracy"]
                )
                if value < state.best_value:
                    state.best_value, state.best = value, state.weights
                state.write()
                if not math.isfinite(row["loss"] + row["val_loss"]):
                    bar.write(
                        f"{model} seed {seed}: diverged in epoch {epoch}, its loss is no finite "
                        "number: training ends here and keeps the best weights before that"
                    )
                    break
                if epoch == LEARNED_BY and guesses(row["accuracy"], train[1][rows]):
                    bar.write(
                        f"warning: {model} seed {seed} has not learned anything in {epoch} epochs "
                        f"(training accuracy {row['accuracy']:.3f}): let it go on, or interrupt it "
                        "and try a lower learning rate under another run's name"
                    )
                left = (time.perf_counter() - start) / (epoch - done) * (study.epochs - epoch)
                bar.write(
                    f"{model} seed {seed} epoch {epoch}/{study.epochs}: loss {row['loss']:.4f}, "
                    f"val_loss {row['val_loss']:.4f}, val_accuracy {row['val_accuracy']:.4f}, "
                    f"about {left:.0f} s left"
                )
    except KeyboardInterrupt:
        raise Interrupted(
            f"{model} seed {seed}: interrupted after epoch {len(state.rows)} of {study.epochs}; "
            "the same cell or command resumes there"
        ) from None
    network.set_weights(state.best)
    return pd.DataFrame(state.rows)


def drawn_rows(labels: npt.NDArray, share: float, seed: int) -> npt.NDArray[np.int64]:
    """The training images that a share leaves, in the array's order.

    Of one seed, the images of a smaller share are among those of a larger one.

    Args:
        labels: (N,) of all training images.
        share: of each class's images, above 0 to 1; at least one image stays.
        seed: the training run's.
    """
    kept = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        shuffled = np.random.default_rng((seed, int(label))).permutation(members)
        kept.append(shuffled[: max(round(share * len(members)), 1)])
    return np.sort(np.concatenate(kept))


def guesses(accuracy: float, labels: npt.NDArray) -> bool:
    """Whether a training accuracy is hardly above always naming the larger class.

    By three standard errors, and by 0.03 at most: of few images chance alone says little.

    Args:
        accuracy: 0 to 1, over one epoch.
        labels: (N,) of the images trained on.
    """
    larger = np.bincount(labels.astype(int)).max() / len(labels)
    error = math.sqrt(larger * (1 - larger) / len(labels))
    return bool(accuracy < larger + min(3 * error, 0.03))


def _restore(network: keras.Model, state: Checkpoint) -> None:
    """Give a compiled network the weights and the optimizer of a state."""
    network.set_weights(state.weights)
    network.optimizer.build(network.trainable_variables)
    for variable, value in zip(network.optimizer.variables, state.optimizer, strict=True):
        variable.assign(value)


def compile_network(
    study: Study, model: str, network: keras.Model, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Binary cross-entropy and Adam, section 4; returns Adam's schedule."""
    if model == "custom_cnn":
        decay, rate = study.learning_rate_decay, study.learning_rate
    else:
        decay, rate = study.vgg16_learning_rate_decay, study.vgg16_learning_rate
    schedule = learning_rate_schedule(decay, rate, study.epochs, steps_per_epoch)
    network.compile(keras.optimizers.Adam(schedule), "binary_crossentropy", metrics=["accuracy"])
    return schedule


def _set_dropout_state(network: keras.Model, seed: int, epoch: int) -> None:
    """Make dropout a function of seed and epoch; Keras saves its state nowhere."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:  # at 0 it has no state
            state = layer.seed_generator.state
            value = np.random.SeedSequence((seed, epoch)).generate_state(2)
            state.assign(value.astype(state.dtype))
