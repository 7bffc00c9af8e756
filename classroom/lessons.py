"""What only notebooks and exercises need: figures, tables, a training run that leaves no files.

Every figure comes with what it shows in words: `inline(overfitting(study, model))` shows both.
"""

import math
import tempfile
from pathlib import Path
from typing import Any, get_args

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.ticker import MaxNLocator

from fakeface_utils.data import about, images
from fakeface_utils.evaluate import histories, predictions
from fakeface_utils.figures import FAINT, FULL, HALF, INK, LOOKS, Drawn, looks_of, title
from fakeface_utils.models import titled
from fakeface_utils.paper import CLASSES
from fakeface_utils.report import as_table
from fakeface_utils.settings import Decay, Study
from fakeface_utils.util import count

DASHES, MARKERS = ("-", "--", "-.", ":"), "osD^vP"
PORTRAIT, SIDE = (7, 3), 64  # the key of a portrait whose trace is easy to see; its side in pixels
STRONGER = 8  # times, how its trace is shown
LEARNED, GAP = 0.6, 0.1  # training accuracy from which on, and how far validation may be below
FLAT = 0.02  # of validation loss: a smaller change is taken for none
NAMES = {  # columns as a person says them
    "path": "file",
    "label": "label (1: fake)",
    "width": "width, pixels",
    "height": "height, pixels",
    "p_fake": "p(fake)",
    "output_shape": "output",
    "trainable": "of these trained",
    "multiply_adds": "multiply-adds",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "learning_rate": "learning rate",
}


def table(frame: pd.DataFrame, caption: str = "") -> HTML:
    """A data frame as the report shows tables, with columns and models named in words."""
    shown = frame.copy()
    if "seconds" in shown:
        shown["seconds"] = shown["seconds"].map("{:.1f}".format)
    return as_table(shown.rename(columns=NAMES), caption)


def demo_trace(study: Study) -> Drawn | None:
    """One portrait of the demo as real and as fake, and what the generator added, magnified.

    None where the images aren't the demo's.
    """
    from fakeface_utils.demo.camera import make_image

    if not about(study)["generated"]:
        return None
    real, fake = (make_image(kind, SIDE, PORTRAIT).astype(int) for kind in CLASSES)
    added = fake - real
    figure, axes = plt.subplots(1, 3, figsize=(FULL, 3.6))
    for axis, pixels, words in (
        (axes[0], real, "real: as the camera saw it"),
        (axes[1], fake, "fake: the same portrait, generated"),
        (axes[2], 128 + STRONGER * added, f"fake less real, {STRONGER} times as strong"),
    ):
        axis.imshow(pixels.clip(0, 255))
        axis.set_title(words)
        axis.set_axis_off()
    return figure, (
        f"One portrait of {SIDE} x {SIDE} pixels as real and as fake. On average they "
        f"differ by {np.abs(added).mean():.1f} of 255 grey levels; at the right the difference is "
        f"shown {STRONGER} times as strong."
    )


def learning_rates(study: Study, model: str) -> Drawn:
    """The learning rate over a training run by each reading of the decay: the paper's, and here."""
    here = sum(about(study)["counts"]["train"].values())
    panels = ("the paper", Study(), 100_000), ("this run", study, here)
    figure, axes = plt.subplots(1, 2, figsize=(HALF, 3))
    colours, ends = sns.color_palette("colorblind"), []
    for axis, (panel, one, number) in zip(axes, panels, strict=True):
        for place, reading in enumerate(get_args(Decay)):
            own = reading == getattr(study, f"{study.models[model].rate}_decay")
            label = reading.replace("_", " ") + (" (chosen)" if own else "")
            rates = _rates(one, model, reading, number)
            look: Any = {"ls": DASHES[place], "color": colours[place], "lw": 3.5 if own else 2}
            axis.plot(np.linspace(0, 1, len(rates)), rates, label=label, **look)
            ends.append(f"{panel}, {label}: {rates[-1]:.3g}")
        axis.set(title=panel, xlabel="part of the training run", ylim=(0, None))
    axes[0].set_ylabel("learning rate")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return figure, f"Learning rate at the last step. {'; '.join(ends)}."


def _rates(study: Study, model: str, reading: str, number: int) -> list[float]:
    """At most 200 learning rates, evenly spread over the steps of so many images."""
    from fakeface_utils.training import schedule

    changed = study.model_copy(update={f"{study.models[model].rate}_decay": reading})
    steps = math.ceil(number / study.batch_size)
    asked = np.linspace(0, study.epochs * steps - 1, min(200, study.epochs * steps)).astype(int)
    rates = schedule(changed, model, steps)
    return [float(rates(step)) for step in asked]


def normalized(study: Study, model: str) -> Drawn:
    """What the first batch normalization does to its most active channel, on validation images."""
    import keras

    from fakeface_utils.training import load

    network = load(study, model, study.seeds[0])
    norm = next(one for one in network.layers if isinstance(one, keras.layers.BatchNormalization))
    look = keras.Model(network.input, [norm.input, norm.output])
    maps = look.predict(images(study, "valid")[:50], verbose=0)  # (N, h, w, channels) each
    channel = int(maps[0].mean(axis=(0, 1, 2)).argmax())
    figure, axes = plt.subplots(1, 2, figsize=(HALF, 2.8), sharey=True)
    words = []
    for axis, values, name in zip(axes, maps, ("before", "after"), strict=True):
        shown = values[..., channel]
        axis.hist(shown.ravel(), 50, color=looks_of(study)[model]["color"])
        mean, spread = float(shown.mean()), float(shown.std())
        axis.axvline(mean, color=INK, lw=1)
        axis.set(title=f"{name}: {mean:.2f} ± {spread:.2f}", xlabel="value")
        words.append(f"{name} mean {mean:.2f} and standard deviation {spread:.2f}")
    axes[0].set_ylabel("pixels of the maps")
    title(figure, study, "mean ± standard deviation")
    return figure, f"One channel of the first batch normalization: {'; '.join(words)}."


def overfitting(study: Study, model: str) -> Drawn:
    """Loss in training and validation of the first seed, and the gap between them."""
    seed = study.seeds[0]
    history = histories(study, model).query("seed == @seed")
    epochs, loss, val_loss = (history[name] for name in ("epoch", "loss", "val_loss"))
    lowest = val_loss.fillna(np.inf).idxmin()  # a run that diverged at once has no number
    best, last = history.loc[lowest], history.iloc[-1]
    figure, axis = plt.subplots(figsize=(HALF, 3.2))
    axis.plot(epochs, loss, **LOOKS["train"], lw=2.5, label="training")
    axis.plot(epochs, val_loss, **LOOKS["valid"], lw=2.5, label="validation")
    worse = val_loss > loss
    axis.fill_between(epochs, loss, val_loss, worse, color=FAINT, lw=0, label="the gap")
    axis.plot(best["epoch"], best["val_loss"], "*", color=INK, ms=15, label="lowest")
    axis.set(xlabel="epoch", ylabel="loss (binary cross-entropy)", ylim=(0, None))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower left", ncols=4)
    title(figure, study, f"{titled(model)}, seed {seed}")
    return figure, (
        f"Loss of {titled(model)}, seed {seed}: in validation lowest at epoch "
        f"{best['epoch']:.0f} of {last['epoch']:.0f}, {best['val_loss']:.3f}. In the last epoch "
        f"{last['loss']:.3f} in training and {last['val_loss']:.3f} in validation; accuracy "
        f"{last['accuracy']:.3f} and {last['val_accuracy']:.3f}. {_what_shows(history)}"
    ).strip()


def _what_shows(history: pd.DataFrame) -> str:
    """Whether it learned, still improves, learns by heart, or gets worse; '' without a number."""
    loss, last = history["val_loss"].to_numpy(), history.iloc[-1]
    if not np.isfinite(loss).all():
        return ""
    if last["accuracy"] < LEARNED:
        return (
            "Training accuracy is near 0.5, as by guessing: it has hardly learned anything yet, so "
            "there is nothing to overfit."
        )
    after, rise = len(loss) - 1 - int(loss.argmin()), loss[-1] - loss.min()
    if rise >= FLAT:
        few = ": too few to tell a rise from noise" if after == 1 else ""
        return (
            f"Validation loss is {rise:.3f} above its lowest, {count(after, 'epoch')} later{few}."
        )
    near = int((loss - loss.min() < FLAT).argmax())  # from here on it hardly moves
    still = near == len(loss) - 1
    trend = "still falls" if still else f"hardly moves from epoch {history['epoch'].iloc[near]} on"
    if (gap := last["accuracy"] - last["val_accuracy"]) > GAP:
        by_heart = "" if still else " without getting better on others"
        return (
            f"Validation loss {trend} and doesn't rise; but the accuracies are {gap:.2f} apart: it "
            f"learns its training images by heart{by_heart}."
        )
    return (
        f"Validation loss {trend}, and the accuracies are close: overfitting, if it comes, would "
        "show in a longer run."
    )


def seeds_apart(study: Study, model: str) -> Drawn:
    """Validation accuracy by epoch, a line per seed: the same recipe, other chance."""
    history = histories(study, model)
    last = history.groupby("seed")["val_accuracy"].last().sort_values(ascending=False)
    colours = sns.color_palette("colorblind")
    figure, axis = plt.subplots(figsize=(HALF, 3.8))
    for number, (seed, end) in enumerate(last.items()):  # the legend's order is that of the ends
        rows = history[history["seed"] == seed]
        look: Any = {"ls": DASHES[number % 4], "color": colours[number % 10], "lw": 2.5}
        look |= {"marker": MARKERS[number % 6], "label": f"seed {seed}: {end:.3f}"}
        axis.plot(rows["epoch"], rows["val_accuracy"], **look)
    axis.set(xlabel="epoch", ylabel="validation accuracy (share of images)")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower left", ncols=3, title="in the last epoch")
    title(figure, study, titled(model))
    spread = f"from {last.min():.3f} to {last.max():.3f} over {count(len(last), 'seed')}"
    if len(last) == 1:
        spread = f"{last.iloc[0]:.3f} with one seed; give seeds = 3 to see what chance does"
    return figure, f"Validation accuracy of {titled(model)} in the last epoch: {spread}."


def surest_mistakes(study: Study, model: str, columns: int = 4) -> Drawn:
    """The test images about which one network is most wrong: missed fakes, accused photographs."""
    seed, pixels = study.seeds[0], images(study, "test")
    outputs = predictions(study).query("model == @model and seed == @seed").reset_index(drop=True)
    figure = plt.figure(figsize=(HALF, 3.6))
    words = []
    for part, kind in zip(np.array(figure.subfigures(2, 1)), reversed(CLASSES), strict=True):
        members = outputs[outputs["label"] == CLASSES.index(kind)]
        wrong = members[(members["p_fake"] >= 0.5) != (kind == "fake")]
        worst = wrong.sort_values("p_fake", ascending=kind == "fake")["p_fake"].head(columns)
        axes = part.subplots(1, columns)
        for axis in axes:
            axis.set_axis_off()
        for axis, (place, p_fake) in zip(axes, worst.items(), strict=False):
            axis.imshow(pixels[place])
            axis.set_title(f"p {p_fake:.3f}")
        named = "fakes called real" if kind == "fake" else "real faces called fake"
        part.suptitle(f"{len(wrong)} {named}, the surest first", x=0.01, ha="left")
        words.append(f"{len(wrong)} of {len(members)} {named}")
    title(figure, study, f"{titled(model)}, seed {seed}; p: p(fake)")
    shown = f"The surest mistakes of {titled(model)}, seed {seed}: {', '.join(words)}."
    return figure, shown


def fitted(study: Study, model: str, network: Any, training: Any, validation: Any) -> pd.DataFrame:
    """Train a network, by the study's rules and seed 0, and return its history; no file is left."""
    from fakeface_utils.training import fit

    with tempfile.TemporaryDirectory() as folder:
        fit(study, model, network, 0, (training, validation), Path(folder))
        return pd.read_csv(Path(folder, "history.csv"))
