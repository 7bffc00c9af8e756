"""Figures and tables that only the notebooks show: what one number or one layer means."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..dataset.demo.traces import make_image
from ..evaluation.calibration import BINS, reliability
from ..evaluation.metrics import confusion, metrics
from ..study.artefacts import read_dataset, read_histories, read_predictions
from ..study.names import CLASSES, MODELS, TITLES
from ..study.settings import Study
from .drawing import FAINT, FULL, HALF, INK, LOOKS, Drawn, title
from .html_pieces import as_table

DRAWN_AGAIN = 2000  # test sets that the bootstrap makes
DASHES = ("-", "--", "-.", ":")
MARKERS = "osD^vP"
PORTRAIT, SIDE = (7, 3), 64  # the key of one whose trace is easy to see; its side in pixels
STRONGER = 8  # times, how its trace is shown
ASKED = 0.9  # the p(fake) that is counted by hand
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
    "brier": "Brier score",
    "log_loss": "log loss, nats",
    "ece": "calibration error (ECE)",
    "ece_expected": "ECE of a perfect model",
    "ece_high": "by chance up to",
    "ci_low": "95 %: from",
    "ci_high": "to",
    "baseline_mean": "accuracy of our reading",
    "reading_mean": "of the other",
    "cutoff": "cut-off, of Nyquist",
    "fake_high": "called fake: fine part of a fake",
    "fake_low": "coarse part of a fake",
    "control": "two reals",
    "decides": "what decides",
}
WRITTEN = {"learning_rate": ".3g", "seconds": ".1f", "cutoff": "g"}  # other fractions: four digits


def table(frame: pd.DataFrame, caption: str = "") -> HTML:
    """A data frame as the report shows tables, with columns and models named in words.

    Args:
        frame: a row per row; its index is left out, fractions are rounded.
        caption: what the table shows.
    """
    shown = frame.copy()
    for name in frame.select_dtypes("float"):
        style = WRITTEN.get(name, ".4f")
        shown[name] = ["" if pd.isna(value) else format(value, style) for value in frame[name]]
    if "model" in shown:
        shown["model"] = shown["model"].replace(TITLES)
    return HTML(as_table(shown.fillna("").rename(columns=NAMES), caption))


def demo_trace(study: Study) -> tuple[Figure | None, str]:
    """One portrait of the demo as real and as fake, and what the generator added, magnified.

    Returns:
        The figure, None where the images aren't the demo's; and what there is to see, in words.
    """
    if not read_dataset(study)["generated"]:
        return None, "This part is about the demo's generated images. The run's are other ones."
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


def learning_rates(study: Study, rates: Mapping[str, Mapping[str, npt.NDArray]]) -> Drawn:
    """The learning rate over a training run, for each reading of the decay.

    Args:
        study: the settings; its own reading is drawn thicker.
        rates: by panel and reading the rates of a training run, evenly spread over its steps.
    """
    figure, axes = plt.subplots(1, len(rates), figsize=(HALF, 3))
    colours, ends = sns.color_palette("colorblind"), []
    for axis, (panel, readings) in zip(axes, rates.items(), strict=True):
        for number, (reading, values) in enumerate(readings.items()):
            own = reading == study.learning_rate_decay
            label = reading.replace("_", " ") + (" (chosen)" if own else "")
            share = np.linspace(0, 1, len(values))
            dash, width = DASHES[number % len(DASHES)], 3.5 if own else 2
            axis.plot(share, values, dash, color=colours[number], lw=width, label=label)
            ends.append(f"{panel}, {label}: {values[-1]:.3g}")
        axis.set(title=panel, xlabel="part of the training run", ylim=(0, None))
    axes[0].set_ylabel("learning rate")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return figure, f"Learning rate at the last step. {'; '.join(ends)}."


def normalized(study: Study, before: npt.NDArray, after: npt.NDArray) -> Drawn:
    """What batch normalization does to one channel: its values before and after.

    Args:
        study: for the title.
        before, after: (N, h, w) one channel's values of the same images.
    """
    figure, axes = plt.subplots(1, 2, figsize=(HALF, 2.8), sharey=True)
    words = []
    for axis, values, name in zip(axes, (before, after), ("before", "after"), strict=True):
        axis.hist(values.ravel(), 50, color=LOOKS["custom_cnn"]["color"])
        mean, spread = float(values.mean()), float(values.std())
        axis.axvline(mean, color=INK, lw=1)
        axis.set(title=f"{name}: {mean:.2f} ± {spread:.2f}", xlabel="value")
        words.append(f"{name} mean {mean:.2f} and standard deviation {spread:.2f}")
    axes[0].set_ylabel("pixels of the maps")
    title(figure, study, "mean ± standard deviation")
    return figure, f"One channel of the first batch normalization: {'; '.join(words)}."


def formulas(study: Study, model: str) -> HTML:
    """The four metrics of one network written out with its own counts, equations 3 to 6."""
    seed = study.seeds[0]
    table = read_predictions(study, model, seed)
    (tp, fn), (fp, tn) = confusion(table["label"], table["p_fake"]).tolist()
    values = metrics(table["label"], table["p_fake"])
    everything = tp + fn + fp + tn
    rows = [
        (
            "accuracy",
            "all that was right / all",
            f"({tp:,} + {tn:,}) / {everything:,}",
        ),
        ("precision", "fakes among what was called fake", f"{tp:,} / ({tp:,} + {fp:,})"),
        ("recall", "fakes that were found", f"{tp:,} / ({tp:,} + {fn:,})"),
        (
            "f1",
            "one number for precision and recall",
            f"2 × {tp:,} / (2 × {tp:,} + {fp:,} + {fn:,})",
        ),
    ]
    counts = pd.DataFrame(
        {
            "truth": ["fake", "real"],
            "called fake": [f"{tp:,} (TP)", f"{fp:,} (FP)"],
            "called real": [f"{fn:,} (FN)", f"{tn:,} (TN)"],
        }
    )
    filled = pd.DataFrame(
        [(name, words, formula, f"{values[name]:.4f}") for name, words, formula in rows],
        columns=["metric", "in words", "with these counts", "is"],
    )
    caption = f"{TITLES[model]}, seed {seed}: how many test images were called what"
    return HTML(as_table(counts, caption) + as_table(filled))


def bootstrap(study: Study, model: str) -> Drawn:
    """The accuracies of test sets drawn again from the test set, with the 95 % they span."""
    seed = study.seeds[0]
    table = read_predictions(study, model, seed)
    right = (table["label"] == (table["p_fake"] >= 0.5)).to_numpy()
    count = len(right)
    drawn = np.random.default_rng(0).binomial(count, right.mean(), DRAWN_AGAIN) / count
    low, high = np.percentile(drawn, [2.5, 97.5])
    figure, axis = plt.subplots(figsize=(HALF, 2.8))
    edges = np.arange(drawn.min() - 0.5 / count, drawn.max() + 1 / count, 2 / count)
    axis.hist(drawn, edges.tolist(), color=LOOKS[model]["color"])
    axis.axvspan(low, high, color=FAINT, lw=0)
    axis.axvline(right.mean(), color=INK, lw=1)
    axis.set(xlabel="accuracy of a test set drawn again", ylabel=f"of {DRAWN_AGAIN:,} draws")
    title(figure, study, f"{TITLES[model]}, seed {seed}", "grey: 95 %")
    return figure, (
        f"Accuracy {right.mean():.4f} on {count:,} test images. Drawn again with replacement, 95 % "
        f"of {DRAWN_AGAIN:,} test sets lie between {low:.4f} and {high:.4f}."
    )


def nine_in_ten(study: Study) -> str:
    """Of the test images with a p(fake) near `ASKED`, how many are fakes; a sentence a network."""
    seed, place = study.seeds[0], int(ASKED * BINS)
    low, high = place / BINS, (place + 1) / BINS
    sentences = []
    for model in MODELS:
        outputs = read_predictions(study, model, seed)
        near = outputs[outputs["p_fake"].between(low, high, inclusive="left")]
        text = f"{TITLES[model]}, seed {seed}: {len(near):,} test images have a p(fake) from "
        text += f"{low:.2f} to {high:.2f}"
        if len(near):
            row = reliability(near["label"].to_numpy(), near["p_fake"].to_numpy()).iloc[0]
            text += (
                f"; {near['label'].sum():,} of them are fakes, {row['fakes']:.0%} (95 % interval "
                f"{row['low']:.0%} to {row['high']:.0%})"
            )
        sentences.append(f"{text}.")
    return "\n".join(sentences)


def overfitting(study: Study, model: str) -> Drawn:
    """Loss in training and validation of the first seed, and the gap between them."""
    seed = study.seeds[0]
    history = read_histories(study, model).query("seed == @seed")
    epochs, loss, val_loss = (history[name] for name in ("epoch", "loss", "val_loss"))
    lowest = val_loss.fillna(np.inf).idxmin()  # a run that diverged at once has no number
    best, last = history.loc[lowest], history.iloc[-1]
    figure, axis = plt.subplots(figsize=(HALF, 3.2))
    axis.plot(epochs, loss, **LOOKS["train"], lw=2.5, label="training")
    axis.plot(epochs, val_loss, **LOOKS["valid"], lw=2.5, label="validation")
    worse = val_loss > loss
    axis.fill_between(epochs, loss, val_loss, worse, color=FAINT, lw=0, label="the gap")
    axis.plot(best["epoch"], best["val_loss"], "*", color=INK, ms=15, label="lowest")
    axis.set(xlabel="epoch", ylabel="loss (binary cross-entropy, nats)", ylim=(0, None))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower left", ncols=4)
    title(figure, study, f"{TITLES[model]}, seed {seed}")
    return figure, (
        f"Loss of {TITLES[model]}, seed {seed}: in validation lowest at epoch "
        f"{best['epoch']:.0f} of {last['epoch']:.0f}, {best['val_loss']:.3f}. In the last epoch "
        f"{last['loss']:.3f} in training and {last['val_loss']:.3f} in validation; accuracy "
        f"{last['accuracy']:.3f} and {last['val_accuracy']:.3f}.{_after_lowest(val_loss)}"
    )


def _after_lowest(val_loss: pd.Series) -> str:
    """Whether overfitting shows after the lowest validation loss; '' where a loss is no number."""
    if not np.isfinite(val_loss).all():
        return ""
    after = len(val_loss) - 1 - int(np.argmin(val_loss))
    if not after:
        return (
            " The lowest is the last epoch's: no overfitting shows in this training run; a longer "
            "one may show some."
        )
    rise = val_loss.iloc[-1] - val_loss.min()
    later = f"{after} epochs" if after > 1 else "1 epoch, too few to tell a rise from noise"
    return f" The last epoch's is {rise:.3f} above the lowest, after {later}."


def seeds_apart(study: Study, model: str) -> Drawn:
    """Validation accuracy by epoch, a line per seed: the same recipe, other chance."""
    history = read_histories(study, model)
    last = history.groupby("seed")["val_accuracy"].last().sort_values(ascending=False)
    colours = sns.color_palette("colorblind")
    figure, axis = plt.subplots(figsize=(HALF, 3.8))
    for number, (seed, end) in enumerate(last.items()):  # the legend's order is that of the ends
        rows = history[history["seed"] == seed]
        axis.plot(
            rows["epoch"],
            rows["val_accuracy"],
            DASHES[number % len(DASHES)],
            color=colours[number % len(colours)],
            marker=MARKERS[number % len(MARKERS)],
            lw=2.5,
            label=f"seed {seed}: {end:.3f}",
        )
    axis.set(xlabel="epoch", ylabel="validation accuracy (share of images)")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower left", ncols=3, title="in the last epoch")
    title(figure, study, TITLES[model])
    seeds = len(study.seeds)
    spread = (
        f"from {last.min():.3f} to {last.max():.3f} over {seeds} seeds"
        if seeds > 1
        else f"{last.iloc[0]:.3f} with one seed; give seeds = 3 to see what chance does"
    )
    return figure, f"Validation accuracy of {TITLES[model]} in the last epoch: {spread}."
