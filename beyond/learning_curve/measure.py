"""The study again on an eighth, a quarter and half of the training images."""

from pathlib import Path

import pandas as pd

from fakeface_utils.models import titled
from fakeface_utils.paper import COUNTS, TABLE1
from fakeface_utils.settings import Study, as_typed
from fakeface_utils.step import AXES, STEPS, Task, step
from fakeface_utils.util import count

SHARES = (0.125, 0.25, 0.5)  # of the images that the run itself trains on
AXES["share"] = lambda study: SHARES


def smaller(study: Study, share: float) -> Study:
    """The same study with fewer training images; its run is a folder inside the run's own."""
    run = f"{study.run}/learning_curve/share={as_typed(share)}"
    share *= study.training_share
    return study.model_copy(update={"training_share": share, "run": run})


def _training(study: Study, share: float, model: str, seed: int) -> Task:
    return STEPS["train"].of(smaller(study, share), model, seed)


def _needs(study: Study, share: float, model: str, seed: int) -> list[Task]:
    """What training and prediction read: the images and features of all splits."""
    own = [STEPS["train"].of(study, model, seed), STEPS["predict"].of(study, model, seed)]
    found = {one.marker: one for task in own for one in task.after()}
    return [task for marker, task in found.items() if marker != own[0].marker]


@step(
    "learning_curve",
    ["history.csv", "predictions.csv"],
    each=("share", "model", "seed"),
    after=_needs,
    settings=lambda *which: (task := _training(*which)).step.settings(task.study, *task.args),
    inputs=lambda *which: (task := _training(*which)).step.inputs(task.study, *task.args),
    code=lambda *which: (task := _training(*which)).step.code(task.study, *task.args),
    folder=lambda *which: _training(*which).folder,
)
def point(study: Study, share: float, model: str, seed: int, out: Path) -> None:
    """Train one network on a share of the images and predict the test set; no weights are kept."""
    from fakeface_utils.trained import answers, fit_network

    network = fit_network(smaller(study, share), model, seed, out)
    answers(study, model, network, "test").to_csv(out / "predictions.csv", index=False)


@step(
    "learning_curve",
    ["learning_curve.csv"],
    after=lambda study: [
        *(STEPS["prepare"].of(study, "train"), *STEPS["predict"].all(study)),
        *point.all(study),
    ],
    settings=lambda study: {"share": study.training_share, "seeds": list(study.seeds)},
    folder=lambda study: study.results / "learning_curve",
)
def learning_curve(study: Study, out: Path) -> None:
    """Score every network.

    model, seed, accuracy (0 to 1, on the test set), images_per_class (training images, the mean of
    both classes); smallest sizes first.
    """
    from fakeface_utils.training import drawn_rows

    labels = STEPS["prepare"].of(study, "train").read("train.csv")["label"].to_numpy()
    rows = []
    for model in study.models:
        for share in (*SHARES, 1.0):
            # as many as training really drew: a class keeps whole images
            size = len(drawn_rows(labels, share * study.training_share, 0)) / 2
            tasks = STEPS["predict"].all(study, model=model)
            if share < 1:
                tasks = point.all(study, share=share, model=model)
            for task, seed in zip(tasks, study.seeds, strict=True):
                told = task.read("predictions.csv")
                right = (told["label"] == (told["p_fake"] >= 0.5)).mean()
                rows.append((model, seed, right, size))
    table = pd.DataFrame(rows, columns=["model", "seed", "accuracy", "images_per_class"])
    table.to_csv(out / "learning_curve.csv", index=False)


def in_words(points: pd.DataFrame) -> str:
    """The mean accuracy of each network at each size, and the paper's."""
    told = []
    for model, own in points.groupby("model", sort=False):
        means = own.groupby("images_per_class")["accuracy"].mean()
        here = ", ".join(f"{value:.3f} at {size:,.0f}" for size, value in means.items())
        printed = TABLE1.get(str(model), {}).get("accuracy")
        paper = f"; the paper: {printed} at {COUNTS['train']:,}" if printed else ""
        told.append(f"{titled(str(model))} {here}{paper}")
    return f"Test accuracy by training images of each class: {'. '.join(told)}."


def summary(study: Study) -> str:
    """What was measured, and what isn't concluded from it."""
    points = learning_curve(study)
    return (
        f"{in_words(points)} With {count(points['seed'].nunique(), 'seed')}, and one recipe at "
        "every size, so that fewer images mean fewer steps. Where more images would lead isn't "
        "said: a power law fitted to such points was too low at more than twice as many."
    )
