"""The checks of the exercises: each takes an answer, and says that it is right or what to look at.

A wrong answer is one sentence, without the lines that would give the right one away.
"""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fakeface_utils.data import source
from fakeface_utils.metrics import confusion, prediction_half_width, rates
from fakeface_utils.run import load_study
from fakeface_utils.settings import Study

STEPS = np.linspace(0.01, 0.99, 99)  # the thresholds of exercise 1
AGAIN = "after another attempt run the cell that copies the images again"


class Wrong(AssertionError):
    """What is wrong with an answer."""

    def _render_traceback_(self) -> list[str]:
        return [textwrap.fill(f"Not yet: {self}", 100)]


def _ask(fine: Any, words: str) -> None:
    if not fine:
        raise Wrong(words)


# 1. Move the threshold.


def precision_recall(answer: Callable[..., Any], test: pd.DataFrame) -> None:
    """A function of a table and a threshold that returns both."""
    at_half = answer(test, 0.5)
    for at in (0.5, 0.8):
        cells = confusion(test["label"], test["p_fake"] >= at).ravel()
        wanted, mine = rates(*cells), answer(test, at)
        moved = at == 0.5 or not np.allclose(mine, at_half)
        _ask(moved, "at 0.8 both are what they are at 0.5: use `threshold`, not 0.5")
        _ask(
            np.isclose(mine[0], wanted["precision"]), "precision: divide by the images called fake"
        )
        _ask(np.isclose(mine[1], wanted["recall"]), "recall: divide by the fakes")
    print(f"Right: at 0.5 precision is {at_half[0]:.3f} and recall {at_half[1]:.3f}.")


def threshold(answer: float, valid: pd.DataFrame, test: pd.DataFrame) -> None:
    """The lowest step at which precision reaches 0.9."""

    def at(table: pd.DataFrame, step: float) -> dict[str, float]:
        return rates(*confusion(table["label"], table["p_fake"] >= step).ravel())

    lowest = min(step for step in STEPS if at(valid, step)["precision"] >= 0.9)
    _ask(answer != 0.5, "threshold is still 0.5: look for the first step that reaches 0.9")
    _ask(np.isclose(answer, lowest), "take the lowest such step of the validation images")
    found = at(test, answer)
    print(
        f"Right: {answer:.2f}. On test images precision is {found['precision']:.3f}, recall "
        f"{found['recall']:.3f}."
    )


# 2. Shuffled labels.


def shuffled(answer: Any, true: Any) -> None:
    """The same labels in a random order."""
    _ask(answer is not None, "shuffle() works in place and returns nothing: use permutation()")
    same = (answer == true).mean()
    _ask(sorted(answer) == sorted(true), "shuffled must hold the same labels, as many of each")
    _ask(0.35 < same < 0.65, f"{same:.0%} of the images still have their own label: shuffle")
    print(f"Right: {same:.0%} of the images have their own label by chance.")


def learned(answer: float, validated: float, history: pd.DataFrame) -> None:
    """Training accuracy at the end, and the mean of validation accuracy."""
    _ask(answer == history["accuracy"].iloc[-1], "learned: the column accuracy, its last row")
    mean = history["val_accuracy"].mean()
    _ask(np.isclose(validated, mean), "validated: a mean over the epochs")
    _ask(answer > 0.8, "the network did not learn its images by heart: train for more epochs")
    _ask(abs(validated - 0.5) < 0.08, "validation is not at chance: is any label still right?")
    print(f"Right: {answer:.3f} on what it saw, {validated:.3f} on what it did not.")


# 3. Plant a leak.


def copied(split: dict[str, Path]) -> None:
    """Every second test image lies in train too."""
    for kind in ("real", "fake"):
        names = sorted(path.name for path in (split["test"] / kind).glob("*.jpg"))
        copies = {path.name for path in (split["train"] / kind).glob("copy-*.jpg")}
        _ask(copies, f"train/{kind} has no file whose name begins with copy-")
        wanted = {f"copy-{name}" for name in names[::2]}
        _ask(copies == wanted, f"{kind}: every second one, beginning with the first; {AGAIN}")
    print("Right: half of the test set is in training now.")


def seen_and_unseen(in_training: float, others: float, p_fake: Any, labels: Any, seen: Any) -> None:
    """Accuracy on test images that were trained on, and on the others."""
    right = 1 - np.abs((p_fake >= 0.5) - labels)
    _ask(np.isclose(in_training, right[seen].mean()), "seen: right answers of those seen")
    _ask(np.isclose(others, right[~seen].mean()), "unseen: right answers of the others")
    _ask(in_training > others + 0.05, "what was seen should do better: was it trained on?")
    print(f"Right: {in_training:.3f} seen, {others:.3f} not, {right.mean():.3f} together.")


# 4. Plant a cue.


def saved_again(demo: Study, folder: Path) -> None:
    """The fakes of train and valid are at JPEG quality 30, all else is as it was."""
    import PIL.Image

    for before in source(demo).rglob("*.jpg"):
        path = folder / before.relative_to(source(demo))
        name, kind = before.parts[-3:-1]
        _ask(path.exists(), f"{name}/{kind}/{path.name} is gone; {AGAIN}")
        if kind == "fake" and name != "test":
            first = PIL.Image.open(path).quantization[0][0]  # type: ignore[attr-defined]
            _ask(first == 27, f"{name}: save with quality=30")  # as it is at quality 30
        else:
            who = "the test set" if name == "test" else f"the real ones of {name}"
            _ask(path.read_bytes() == before.read_bytes(), f"{who} must stay; {AGAIN}")
    print("Right: the fakes to learn from are saved at quality 30 now.")


def called_fake(share: dict[tuple[str, str], float], called: dict[str, Any], fake: Any) -> None:
    """The share called fake of each class, as stored and at quality 30."""
    for (kind, how), value in share.items():
        wanted = called[how][fake == (kind == "fake")].mean()
        _ask(np.isclose(value, wanted), f"{kind}, {how}: the mean of `called` over these images")
    by_quality = abs(share["real", "q30"] - share["real", "stored"])
    by_face = abs(share["fake", "stored"] - share["real", "stored"])
    _ask(by_quality > by_face, "the class moves the answer more than the quality")
    words = (f"{kind} {how} {value:.2f}" for (kind, how), value in share.items())
    print("Right. Called fake:", *words)


# 5. Without dropout.


def no_dropout(overrides: str) -> None:
    """Settings that differ from those above by the dropout alone."""
    usual, given = (
        load_study(run="exercise-unused", overrides=o) for o in ("epochs=30", overrides)
    )
    _ask(given.dropout == 0, f"dropout is {given.dropout}: add dropout=0")
    kept = given == usual.model_copy(update={"dropout": 0.0})
    _ask(kept, "keep epochs=30 and add only dropout=0")
    print("Right.")


def overfitting(answer: Callable[..., Any], histories: dict[str, pd.DataFrame]) -> None:
    """A function of a history: the best epoch, the rise after it, and the gap at the end."""
    curve = pd.DataFrame({"loss": [0.6, 0.3, 0.2, 0.15], "val_loss": [0.7, 0.5, 0.9, 0.8]})
    best, rise, gap = answer(curve.assign(epoch=[1, 2, 3, 4]))
    _ask(best == 2, f"of val_loss 0.7, 0.5, 0.9, 0.8 the lowest is in epoch 2, not {best}")
    close = abs(rise - 0.3) < 1e-9
    _ask(close, f"from the lowest, 0.5, to the last, 0.8, is 0.3, not {rise:.2f}")
    _ask(
        abs(gap - 0.65) < 1e-9, f"the last val_loss less the last loss, 0.8 - 0.15, isn't {gap:.2f}"
    )
    print("Right.")
    for name, history in histories.items():
        best, rise, gap = answer(history)
        print(f"{name}: lowest in epoch {best:.0f}, then up by {rise:.2f}; apart {gap:.2f}")
        print(f"  at the end; best val_accuracy {history['val_accuracy'].max():.3f}")


# 6. One seed, or three?


def one_run(answer: tuple[float, float], accuracies: list[float]) -> None:
    """The 95 % interval of one accuracy on 600 images."""
    share, width = accuracies[0], answer[1] - answer[0]
    _ask(abs(sum(answer) / 2 - share) < 1e-6, "its middle must be the first run's accuracy")
    wanted = 2 * 1.96 * (share * (1 - share) / 600) ** 0.5
    _ask(abs(width - wanted) < 1e-6, f"it is {width:.3f} wide and must be {wanted:.3f}")
    print(f"Right: {answer[0]:.3f} to {answer[1]:.3f}.")


def next_run(mean: float, half: float, accuracies: list[float]) -> None:
    """The prediction interval: its middle, and half its width."""
    wanted = prediction_half_width(accuracies)
    _ask(abs(mean - np.mean(accuracies)) < 1e-9, "m is the mean of the three accuracies")
    close = abs(half - wanted) < 1e-6
    _ask(close, f"half is {half:.4f} and must be {wanted:.4f}: ddof=1? 1 + 1/n?")
    print(f"Right: {mean:.3f} ± {half:.3f}.")


# 7. What is ImageNet worth?


def random_weights(settings: Study, demo: Study) -> None:
    """The demo's settings, but for the weights."""
    weights = settings.vgg16_weights
    _ask(weights == "random", f"vgg16_weights is {weights}: make it random")
    same = settings.model_copy(update={"vgg16_weights": demo.vgg16_weights}) == demo
    _ask(same, "only vgg16_weights may differ")
    print("Right.")


def best(answer: dict[str, float], history: dict[str, pd.DataFrame]) -> None:
    """The highest validation accuracy of each history."""
    for name, table in history.items():
        _ask(answer[name] == table["val_accuracy"].max(), f"{name}: the highest of val_accuracy")
    usual = answer["random"] < answer["imagenet"] < answer["custom_cnn"]
    _ask(usual, "not the usual order: is it random?")
    print("Right.", *(f"{name} {value:.3f}" for name, value in answer.items()))


# 8. Break it.


def damaged(
    damage: Callable[..., Any], originals: list[Any], visible: float, accuracy: dict[str, float]
) -> None:
    """A damage that is hard to see and breaks the network."""
    same = all(original.image.size == damage(original).size for original in originals)
    words = "the damaged image must be as large as the original: resize it to original.image.size"
    _ask(same, words)
    _ask(visible <= 5, f"{visible:.1f} grey levels are too many: damage less")
    right = accuracy["damaged"]
    _ask(right <= 0.75, f"it is still right on {right:.0%}")
    print(f"Right: {visible:.1f} grey levels, and right on {right:.0%}.")


def mistaken(accused: float, missed: float, called: Any, fake: Any) -> None:
    """Of damaged images, the real ones called fake and the fakes called real."""
    _ask(np.isclose(accused, called[~fake].mean()), "accused: real ones called fake")
    _ask(np.isclose(missed, (~called[fake]).mean()), "missed: fakes called real")
    print(f"Right: {accused:.2f} of the real ones are accused, {missed:.2f} of the fakes missed.")
