"""`fakeface evaluate`: a trained run on any folder or zip, a row for each set of images."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from fakeface_utils import util
from fakeface_utils.data import manifest, prepare
from fakeface_utils.digests import signature
from fakeface_utils.image_files import open_images
from fakeface_utils.paper import SPLITS
from fakeface_utils.run import load_study
from fakeface_utils.settings import Study
from fakeface_utils.step import Task, read_file
from fakeface_utils.trained import predict, train

from . import measure
from .sets import formats_table, list_sets, read_member, warnings
from .show import shown_table

COLUMNS = ["set", "path", "label", "sha256", "model", "seed", "p_fake"]  # of --csv


def evaluate(folder: Path, run: str, model: str = "", csv: Path | None = None) -> None:
    """Ask a run's networks about every image of a folder or zip, and print their scores.

    Raises:
        StudyError: the folder, the run or an option is wrong, before any image is judged; or no
            image could be judged.
    """
    root = Path(os.path.abspath(folder))  # a link's own name may be that of its class
    sets, passed_over = list_sets(root)
    study = load_study(run=run)
    if model and model not in study.models:
        raise util.StudyError(f"unknown model '{model}': {util.nearest(model, study.models)}")
    if csv:
        check_place(csv := csv.absolute())
    models = [model] if model else [*study.models]
    tasks = [task for one in models for task in predict.all(study, model=one)]
    seen, unknown = seen_by(study, [recorded(task) for task in tasks])
    learned_from = read_file(study.results / "study.json")["dataset"]
    with util.stderr_to(os.devnull):
        from fakeface_utils.training import Detectors  # Keras takes seconds: after all checks

        detectors = Detectors(study, models)
        read = partial(read_member, open_images(root), detectors.size, study.resize_filter, seen)
        with util.progress(sum(map(len, sets.values())), "judging", "image") as bar:
            judged = {
                util.escaped(name): measure.ask(detectors, read, members, bar)
                for name, members in sets.items()
            }
    if csv:
        with util.replacing(csv) as part:
            each_image(judged).to_csv(part, index=False, compression=None)
        print(f"each image: {util.shown(csv)}")
    files = [f"{row.path} ({row.why})" for row in measure.left_out(judged).itertuples()]
    for group in filter(None, (files, passed_over)):
        print("left out:", util.first(group))
    table = measure.score(judged, measure.thresholds_of(tasks))
    measure.check_scored(table, "these sets")
    formats = formats_table({name: images for name, (images, _) in judged.items()})
    with pd.option_context("display.width", None, "display.max_columns", None):
        print(f"{shown_table(table).to_string(index=False)}\n")
        print(f"{formats.drop(columns='differs').to_string(index=False)}\n")
    print(*warnings(formats), *measure.counts_left_out(table), unknown, sep="\n")
    if learned_from["generated"]:
        print("The run learned from drawn portraits: its answers say nothing about photographs.")
    if table["generated"].any():
        print("Drawn images are among these: numbers on them say nothing about photographs.")


def check_place(csv: Path) -> None:
    """Refuse a file that would be lost: it must be new, or a table of an earlier call."""
    ours = False
    if csv.is_file() and not csv.is_symlink():
        with csv.open("rb") as file:
            ours = file.readline(200).strip() == ",".join(COLUMNS).encode()
    if csv.suffix.lower() != ".csv" or (os.path.lexists(csv) and not ours):
        raise util.StudyError(f"{csv} is no place for a table: name a new .csv file")
    util.check_writable(csv.parent)


def recorded(task: Task) -> dict[str, str]:
    """Digests that a network's training and testing recorded, by the files' names.

    Raises:
        StudyError: the network, or its answers to validation images, aren't those recorded.
    """
    run, trained, tested = task.study.run, train.of(task.study, *task.args), task.record()
    parts = trained.record().get("inputs", {}), tested.get("inputs", {}), tested.get("outputs", {})
    held = {name: found[-1] for part in parts for name, found in part.items()}
    saved, answers = trained.path("model.keras"), task.path("validation.csv")
    for name, path in ((f"{trained.name}/model.keras", saved), ("validation.csv", answers)):
        if held.get(name) != signature(path)[-1]:
            why = "isn't what was tested" if path.exists() else "is missing"
            raise util.StudyError(f"{util.shown(path)} {why}: run fakeface report --run {run}")
    return held


def seen_by(study: Study, recorded: Sequence[dict[str, str]]) -> tuple[dict[str, str], str]:
    """The split of each image that a run has seen, by SHA-256; and what isn't known of it.

    A split is known where the list of its images is still the one that every network recorded.
    """
    lists = {split: (prepare.of(study, split), f"{split}.csv") for split in SPLITS}
    known = [
        split
        for split, (task, name) in lists.items()
        if {held.get(f"{task.name}/{name}") for held in recorded}
        == {signature(task.path(name))[-1]}
    ]
    unknown = ", ".join(split for split in SPLITS if split not in known)
    said = (
        f"The run's {unknown} images aren't here any more: whether it has seen these isn't known."
    )
    return measure.seen_images({s: manifest(study, s) for s in known}), said if unknown else ""


def each_image(judged: dict[str, measure.Judged]) -> pd.DataFrame:
    """A row for each image and network; one for an image that doesn't count."""
    tables = [
        images.merge(answers.drop(columns="label"), on="path", how="left").assign(set=name)
        for name, (images, answers) in judged.items()
    ]
    return pd.concat(tables)[COLUMNS].astype({"seed": "Int64"})
