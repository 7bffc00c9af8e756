"""The study again on an eighth, a quarter and half of the training images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fakeface_utils.models import titled
from fakeface_utils.paper import TABLE1
from fakeface_utils.settings import Study, as_typed
from fakeface_utils.step import AXES, STEPS, Task, step
from fakeface_utils.util import count

from .law import fit_curve

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
    ["learning_curve.csv", "learning_curve.json"],
    after=lambda study: [
        *(STEPS["prepare"].of(study, "train"), *STEPS["predict"].all(study)),
        *point.all(study),
    ],
    settings=lambda study: {"share": study.training_share, "seeds": list(study.seeds)},
    folder=lambda study: study.results / "learning_curve",
)
def learning_curve(study: Study, out: Path) -> None:
    """Score every network and fit the curves.

    model, seed, accuracy (0 to 1, on the test set), images_per_class (training images, the mean of
    both classes); smallest sizes first. The curves by model, as `law.fit_curve` makes them.
    """
    from fakeface_utils.training import drawn_rows

    labels = STEPS["prepare"].of(study, "train").read("train.csv")["label"].to_numpy()
    rows, curves = [], {}
    for model in study.models:
        wrong = {}
        for share in (*SHARES, 1.0):
            # as many as training really drew: a class keeps whole images
            size = len(drawn_rows(labels, share * study.training_share, 0)) / 2
            tasks = STEPS["predict"].all(study, model=model)
            if share < 1:
                tasks = point.all(study, share=share, model=model)
            tables = [task.read("predictions.csv") for task in tasks]
            wrong[size] = np.array([t["label"] != (t["p_fake"] >= 0.5) for t in tables])
            right = (~wrong[size]).mean(axis=1)
            rows += [(model, *one, size) for one in zip(study.seeds, right, strict=True)]
        fakes = float(tables[0]["label"].mean())
        sizes, each = np.array(list(wrong)), np.array(list(wrong.values()))
        curves[model] = fit_curve(sizes, each, min(fakes, 1 - fakes))
    table = pd.DataFrame(rows, columns=["model", "seed", "accuracy", "images_per_class"])
    table.to_csv(out / "learning_curve.csv", index=False)
    (out / "learning_curve.json").write_text(json.dumps(curves, indent=2) + "\n")


def sentence(model: str, curve: dict[str, Any]) -> str:
    """Where the curve of one model leads, or why it leads nowhere."""
    if curve["why_not"]:
        return f"{titled(model)}: no curve: {curve['why_not']}."
    at, low, high = (1 - curve[name][-1] for name in ("error", "high", "low"))
    share = f"(n / {curve['sizes_fitted'][-1]:,.0f})"
    law = f"{curve['a']:.3f} + {curve['b']:.3f} {share}^-{curve['c']:.2f}"
    printed = f"; the paper says {TABLE1[model]['accuracy']}" if model in TABLE1 else ""
    return (
        f"{titled(model)}: at {curve['target']:,} images of each class the curve gives an accuracy "
        f"of {at:.3f} (95 % band {low:.3f} to {high:.3f}){printed}. Error = {law}."
    )


def summary(study: Study) -> str:
    """Where the fitted curves lead, or why there are none, and what they stand on."""
    task = learning_curve.of(study)
    curves, seeds = task.read("learning_curve.json"), task.read()["seed"].nunique()
    words = " ".join(sentence(model, curve) for model, curve in curves.items())
    fitted = [curve for curve in curves.values() if not curve["why_not"]]
    if not fitted:
        return words
    reach = fitted[0]["target"] / fitted[0]["sizes_fitted"][-1]
    return (
        f"{words} It reaches {reach:.0f} times beyond what was seen, at {study.image_size} pixels "
        f"and with {count(seeds, 'seed')}, by one law with one recipe at every size. The band "
        "covers training runs and test images, not whether the law holds: an outlook, no result."
    )
