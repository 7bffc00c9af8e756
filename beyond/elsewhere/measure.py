"""Trained networks on other images: their answers to every image of a set, and how well they do.

A network that is good at home may have learned what tells two sources apart, not real from fake.
So every set of other images has its own row, and ranking (AUC) stands beside accuracy: a network
may still rank fakes above reals where its threshold has moved.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from fakeface_utils.data import manifest, prepare
from fakeface_utils.image_files import open_images
from fakeface_utils.metrics import known, proportion_variance
from fakeface_utils.settings import Study
from fakeface_utils.step import AXES, Task, step
from fakeface_utils.trained import predict, train
from fakeface_utils.util import StudyError, count, escaped, first, progress

from . import sets
from .others import GENERATORS, draw_others

AT_ONCE = 256  # images whose pixels are held: bounds memory
SCORES = "accuracy real_accuracy fake_accuracy auc average_precision".split()
SCORES += ["at_validation_threshold", "tuned_on_these"]
LEFT_OUT = {  # columns of `score`
    "learned": "Left out because the run learned from them",
    "unreadable": "Left out because they can't be read",
    "in_test": "In the run's own test set, and counted here",
}
Thresholds = Mapping[tuple[str, int], float]  # of each model and seed, fixed on validation images


# A set and a run's answers. Of each image: path, label (1 is fake), why it doesn't count ('' where
# it does), sha256, seen (the split of the run that has the very file, or ''), generated (it carries
# the demo's mark), and how it was saved. Of each network and image that counts, in the same order:
# model, seed, path, label, p_fake.
Judged = tuple[pd.DataFrame, pd.DataFrame]


# Asking.


def root_of(study: Study) -> Path:
    """The folder or zip of other images."""
    return Path(study.options["other"] or draw_others.of(study).folder)


def names_of(study: Study) -> dict[str, str]:
    """The name of each set, by its key."""
    names = sets.list_sets(root_of(study))[0] if study.options["other"] else GENERATORS
    return {sets.key_of(name): name for name in names}


def drawn_first(study: Study) -> list[Task]:
    """What draws the images; nothing where a person gave them."""
    return [] if study.options["other"] else [draw_others.of(study)]


def _given(study: Study, key: str) -> dict[str, Path]:
    """The class folders of a set, or the zip, that a person gave."""
    if not study.options["other"]:
        return {}
    root = root_of(study)
    members = sets.list_sets(root)[0][names_of(study)[key]] if root.is_dir() else [("", 0)]
    folders = {sets.place_of(path, root)[2] for path, _ in members}
    return {f"other images/{escaped(folder)}": root / folder for folder in sorted(folders)}


AXES["set"] = names_of


@step(
    "elsewhere",
    writes=lambda study, key: [f"{key}-images.csv", f"{key}-answers.csv"],
    each=("set",),
    after=lambda study, key: [*prepare.all(study), *train.all(study), *drawn_first(study)],
    folder=lambda study, key: study.results / "elsewhere",
    inputs=_given,
    settings=lambda study, key: {"set": escaped(names_of(study)[key])} | study.of("resize_filter"),
)
def judge(study: Study, key: str, out: Path) -> None:
    """Ask all networks of the run about every image of a set; the tables are those of `Judged`."""
    from fakeface_utils.training import Detectors  # Keras takes seconds to load

    name, root = names_of(study)[key], root_of(study)
    found, passed_over = sets.list_sets(root)
    if passed_over:
        print("not judged:", first(passed_over))
    seen = seen_images({split: manifest(study, split) for split in ("test", *sets.LEARNED)})
    read = partial(sets.read_member, open_images(root), study.image_size, study.resize_filter, seen)
    with progress(len(found[name]), escaped(name), "image") as bar:
        judged = ask(Detectors(study), read, found[name], bar)
    for table, kind in zip(judged, ("images", "answers"), strict=True):
        table.to_csv(out / f"{key}-{kind}.csv", index=False, lineterminator="\n")


def seen_images(manifests: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """The split of each SHA-256; of an image in several, training wins, then validation."""
    order = [split for split in ("test", "valid", "train") if split in manifests]
    return {sha: split for split in order for sha in manifests[split]["sha256"]}


def ask(detectors: Any, read: Callable, members: Sequence[sets.Member], bar: Any) -> Judged:
    """The answers of trained networks to some images; pixels are held for one batch only.

    `detectors` is a `training.Detectors`, `read` is `read_member` of a member; `bar` is told of
    each image.
    """
    rows: list[dict[str, Any]] = []
    outputs = [np.empty((0, len(detectors.columns)))]
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(members), AT_ONCE):
            decoded = list(pool.map(read, members[start : start + AT_ONCE]))
            rows += [row for _, row in decoded]
            if pixels := [array for array, _ in decoded if array is not None]:
                outputs.append(detectors.p_fake(np.stack(pixels)))
            bar.update(len(decoded))
    images = pd.DataFrame(rows, columns=sets.IMAGE, dtype=object).fillna("")
    images = images.astype({"label": int})
    counting = images.loc[images["why"] == "", ["path", "label"]]
    answers = [
        counting.assign(p_fake=p_fake, seed=seed, model=model)
        for (model, seed), p_fake in zip(detectors.columns, np.concatenate(outputs).T, strict=True)
    ]
    columns = ["model", "seed", "path", "label", "p_fake"]
    return images, pd.concat(answers, ignore_index=True)[columns]


def read_judged(study: Study) -> dict[str, Judged]:
    """The answers to every set, by its name as it is shown."""
    tables, names = {}, names_of(study)
    for task in judge.all(study):
        images = pd.read_csv(task.path(), dtype=str, keep_default_na=False)  # names like NA or 001
        images["label"] = images["label"].astype(int)
        tables[escaped(names[task.args[0]])] = images, task.read(task.writes[1])
    return tables


# How well.


def left_out(judged: Mapping[str, Judged]) -> pd.DataFrame:
    """What doesn't count: set, path, and why."""
    tables = [of[of["why"] != ""].assign(set=name) for name, (of, _) in judged.items()]
    return pd.concat(tables)[["set", "path", "why"]]


def best_threshold(labels: npt.NDArray, p_fake: npt.NDArray) -> float:
    """The threshold with the best balanced accuracy; half-way to the next lower output."""
    false_rate, true_rate, thresholds = roc_curve(labels, p_fake, drop_intermediate=False)
    best = min(float(thresholds[np.argmax(true_rate - false_rate)]), 1.0)
    return (best + float(max(p_fake[p_fake < best], default=0.0))) / 2


def thresholds_of(tasks: Iterable[Task]) -> Thresholds:
    """Each network's threshold, fixed on validation images, from its predict task."""
    tables = {task.args: task.read("validation.csv") for task in tasks}
    return {
        (model, seed): best_threshold(table["label"].to_numpy(), table["p_fake"].to_numpy())
        for (model, seed), table in tables.items()
    }


def best_accuracy(labels: npt.NDArray, p_fake: npt.NDArray) -> float:
    """The accuracy at the threshold that is best for these very answers."""
    false_rate, true_rate, _ = roc_curve(labels, p_fake, drop_intermediate=False)
    fakes = labels.sum()
    right = true_rate * fakes + (1 - false_rate) * (len(labels) - fakes)
    return float(right.max() / len(labels))


def _scores(labels: npt.NDArray, p_fake: npt.NDArray, threshold: float) -> dict[str, float]:
    """`SCORES` of one network; what needs both classes is NaN where one is missing."""
    if not len(labels):
        return dict.fromkeys(SCORES, np.nan)
    right, both = (p_fake >= 0.5) == labels, len(np.unique(labels)) == 2
    values = (
        right.mean(),
        *(right[labels == c].mean() if c in labels else np.nan for c in (0, 1)),
        roc_auc_score(labels, p_fake) if both else np.nan,
        average_precision_score(labels, p_fake) if both else np.nan,
        ((p_fake >= threshold) == labels).mean() if np.isfinite(threshold) else np.nan,
        best_accuracy(labels, p_fake) if both else np.nan,
    )
    return dict(zip(SCORES, map(float, values), strict=True))


def score(judged: Mapping[str, Judged], thresholds: Thresholds) -> pd.DataFrame:
    """How the networks do; `thresholds` has each that was asked, with NaN where it has none.

    A row per set and model: set, model, images, real and fake (how many count); `SCORES`, means
    over seeds, 0 to 1, NaN where a class is missing: accuracy is at 0.5, tuned_on_these at the best
    threshold for these very answers; ci_low and ci_high, the 95 % interval of accuracy; unreadable,
    learned, in_test and generated: how many can't be read, are left out as the run learned from
    them, count though they are in its test set, and carry the demo's mark.
    """
    rows = []
    for name, (images, answers) in judged.items():
        own, learned = images[images["why"] == ""], images["why"].isin(sets.LEARNED.values())
        labels = own["label"].to_numpy(dtype=np.int64)
        sizes = {"images": len(own), "real": int((labels == 0).sum()), "fake": int(labels.sum())}
        counted = {
            "unreadable": int((images["why"] != "").sum() - learned.sum()),
            "learned": int(learned.sum()),
            "in_test": int((own["seen"] == "test").sum()),
            "generated": int((own["generated"].astype(str) == "True").sum()),
        }
        of_networks = answers.groupby(["model", "seed"])["p_fake"]
        outputs = {network: p_fake.to_numpy(dtype=float) for network, p_fake in of_networks}
        for model in dict.fromkeys(model for model, _ in thresholds):
            each = pd.DataFrame(
                _scores(labels, outputs[network] if len(labels) else labels, threshold)
                for network, threshold in thresholds.items()
                if network[0] == model
            )
            means = each.mean(skipna=False).to_dict()
            accuracy = known(each["accuracy"], proportion_variance(means["accuracy"], len(own)))
            ends = {"ci_low": accuracy.low, "ci_high": accuracy.high}
            rows.append({"set": name, "model": model, **sizes, **means, **ends, **counted})
    return pd.DataFrame(rows)


def counts_left_out(table: pd.DataFrame) -> list[str]:
    """Sentences on images that weren't scored, and on those that are in the run's test set."""
    counts = table.drop_duplicates("set")[[*LEFT_OUT]].sum()
    return [f"{words}: {count(counts[k], 'file')}." for k, words in LEFT_OUT.items() if counts[k]]


def check_scored(table: pd.DataFrame, name: str) -> None:
    """Refuse images of which none counts; the sentence says how many were left out, and why."""
    if not table["images"].sum():
        raise StudyError(f"no image of {name} could be judged. {' '.join(counts_left_out(table))}")


@step(
    "elsewhere",
    writes=["elsewhere.csv", "formats.csv"],
    after=lambda study: [*predict.all(study), *judge.all(study)],
    folder=lambda study: study.results / "elsewhere",
    settings=lambda study: {"images": escaped(root_of(study).name)},
)
def elsewhere(study: Study, out: Path) -> None:
    """The tables of `score` and `formats_table`.

    Raises:
        StudyError: none of the images counts.
    """
    judged = read_judged(study)
    table = score(judged, thresholds_of(predict.all(study)))
    check_scored(table, escaped(root_of(study).name))
    formats = sets.formats_table({name: images for name, (images, _) in judged.items()})
    table.to_csv(out / "elsewhere.csv", index=False, lineterminator="\n")
    formats.to_csv(out / "formats.csv", index=False, lineterminator="\n")
