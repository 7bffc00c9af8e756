"""`fakeface evaluate`: a trained run on any folder or zip, a row for each set of images."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fakeface_utils import util
from fakeface_utils.data import manifest, prepare
from fakeface_utils.digests import signature
from fakeface_utils.image_files import open_images
from fakeface_utils.models import MODELS
from fakeface_utils.paper import SPLITS
from fakeface_utils.run import load_study
from fakeface_utils.settings import Study
from fakeface_utils.step import Task, read_file
from fakeface_utils.training import Detectors, predict, train

from . import measure
from .measure import Judged
from .sets import formats_table, list_sets, warnings
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
    if model and model not in MODELS:
        raise util.StudyError(f"unknown model '{model}': {util.nearest(model, MODELS)}")
    if csv:
        check_place(csv)
    study, models = load_study(run=run), [model] if model else [*MODELS]
    tasks = [task for one in models for task in predict.all(study, model=one)]
    for task in tasks:
        check_trained(task)
    seen, note = seen_by(study, tasks)
    with util.stderr_to(os.devnull):
        detectors, source = Detectors(study, models), open_images(root)
        with util.progress(sum(map(len, sets.values())), "judging", "image") as bar:
            judged = {
                util.escaped(name): measure.ask(
                    detectors, source, members, study.resize_filter, seen, bar
                )
                for name, members in sets.items()
            }
    if csv:
        with util.replacing(csv.absolute()) as part:
            each_image(judged).to_csv(part, index=False, compression=None)
        print(f"each image: {util.shown(csv.absolute())}")
    show(judged, measure.score(judged, measure.thresholds_of(tasks)), passed_over)
    if read_file(study.results / "study.json")["dataset"]["generated"]:
        note += (
            "\nThe run learned from drawn portraits: its answers here say nothing of photographs."
        )
    print(note)


def check_place(csv: Path) -> None:
    """Refuse a file that would be lost: it must be new, or a table of an earlier call."""
    path, ours = csv.absolute(), False
    if path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            ours = file.readline(200).strip() == ",".join(COLUMNS).encode()
    if path.suffix.lower() != ".csv" or (os.path.lexists(path) and not ours):
        raise util.StudyError(f"{csv} is no place for a table: name a new .csv file")
    util.check_writable(path.parent)


def check_trained(task: Task) -> None:
    """Refuse a network that isn't the one that its run tested by this task."""
    run, trained, record = task.study.run, train.of(task.study, *task.args), task.record()
    files = {
        f"{trained.name}/model.keras": (trained.path("model.keras"), record.get("inputs", {})),
        "validation.csv": (task.path("validation.csv"), record.get("outputs", {})),
    }
    for name, (path, held) in files.items():
        if held.get(name, [""])[-1] != signature(path)[-1]:
            why = "isn't what it tested" if path.exists() else "is missing"
            raise util.StudyError(
                f"run '{run}' can't be asked, {util.shown(path)} {why}: run fakeface report --run "
                f"{run}"
            )


def seen_by(study: Study, tasks: Sequence[Task]) -> tuple[dict[str, str], str]:
    """The split of each image that a run has seen, by SHA-256; and what isn't known of it.

    A split is known where the list of its images is still the one that every network recorded.
    """
    recorded = []
    for task in tasks:
        trained = train.of(study, *task.args).record().get("inputs", {})
        recorded.append(trained | task.record().get("inputs", {}))
    manifests = {}
    for split in SPLITS:
        name, now = f"{split}.csv", prepare.of(study, split)
        digest = signature(now.path(name))[-1]
        if all(held.get(f"{now.name}/{name}", [""])[-1] == digest for held in recorded):
            manifests[split] = manifest(study, split)
    unknown = ", ".join(split for split in SPLITS if split not in manifests)
    said = (
        f"The run's {unknown} images aren't here any more: whether it has seen these isn't known."
    )
    return measure.seen_images(manifests), said if unknown else ""


def each_image(judged: dict[str, Judged]) -> pd.DataFrame:
    """A row for each image and network; one for an image that can't be read."""
    tables = [
        images.merge(answers.drop(columns="label"), on="path", how="left").assign(set=name)
        for name, (images, answers) in judged.items()
    ]
    return pd.concat(tables)[COLUMNS].astype({"seed": "Int64"})


def show(judged: dict[str, Judged], table: pd.DataFrame, passed_over: list[str]) -> None:
    """Print how a run does on sets of images, and what was left out.

    Raises:
        StudyError: no image could be judged.
    """
    out = [f"{row.path} ({row.why})" for row in measure.left_out(judged).itertuples()]
    for files in filter(None, (out, passed_over)):
        print("left out:", util.first(files))
    measure.check_scored(table, "these sets")
    formats = formats_table({name: images for name, (images, _) in judged.items()})
    with pd.option_context("display.width", None, "display.max_columns", None):
        print(shown_table(table).to_string(index=False))
        print("\n" + formats.drop(columns="differs").to_string(index=False) + "\n")
    print(*warnings(formats), *measure.counts_left_out(table), sep="\n")
    if table["generated"].any():
        print("Drawn images are among these: numbers on them say nothing about photographs.")
