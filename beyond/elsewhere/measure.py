"""Trained networks on other images: their answers to every image of a set, and how well they do.

A network that is good at home may have learned what tells two sources apart, not real from fake.
So every set of other images has its own row, and ranking (AUC) stands beside accuracy: a network
may still rank fakes above reals where its threshold has moved.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from fakeface_utils.paper import SPLITS
from fakeface_utils.settings import Study
from fakeface_utils.step import AXES, Task, step
from fakeface_utils.trained import predict, train
from fakeface_utils.util import StudyError, count, escaped, first, in_threads, progress

from . import sets
from .others import GENERATORS, draw_others

SCORES = "accuracy real_accuracy fake_accuracy auc average_precision".split()
SCORES += ["at_validation_threshold"]
LEFT_OUT = {  # columns of `score`
    "learned": "Left out because the run learned from them",
    "unreadable": "Left out because they can't be read",
    "in_test": "In the run's own test set, and counted here",
}
Judged = Mapping[str, pd.DataFrame]  # by a set's name as it is shown, see `ask`
Thresholds = Mapping[str, float]  # by the network's column, fixed on validation images


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
    writes=lambda study, key: [f"{key}.csv"],
    each=("set",),
    after=lambda study, key: [*prepare.all(study), *train.all(study), *drawn_first(study)],
    folder=lambda study, key: study.results / "elsewhere",
    inputs=_given,
    settings=lambda study, key: {"set": escaped(names_of(study)[key])} | study.of("resize_filter"),
)
def judge(study: Study, key: str, out: Path) -> None:
    """Ask all networks of the run about every image of a set; the table is that of `ask`."""
    from fakeface_utils.training import Detectors  # Keras takes seconds to load

    name, root = names_of(study)[key], root_of(study)
    found, passed_over = sets.list_sets(root)
    if passed_over:
        print("not judged:", first(passed_over))
    with progress(len(found[name]), escaped(name), "image") as bar:
        table = ask(Detectors(study), reader(study, root), found[name], bar)
    table.to_csv(out / f"{key}.csv", index=False, lineterminator="\n")


def reader(study: Study, root: Path) -> Callable[[sets.Member], sets.Read]:
    """What reads an image below a root as the networks take it, and knows if the run has seen it.

    Of an image in several splits training wins, then validation.
    """
    order = sorted(SPLITS, key=("test", "valid", "train").index)
    seen = {sha: split for split in order for sha in manifest(study, split)["sha256"]}
    source = open_images(root)
    return partial(sets.read_member, source, study.image_size, study.resize_filter, seen)


def ask(
    detectors: Any, read: Callable[[sets.Member], sets.Read], members: Sequence, bar: Any
) -> pd.DataFrame:
    """A row for each image: `sets.IMAGE`, and each network's p_fake in a column such as 'vgg16 0'.

    `detectors` is a `training.Detectors`; why is '' where the image counts, and p_fake is empty
    where it doesn't. The bar is told of each image, and pixels are held for one batch only.
    """
    networks = [f"{model} {seed}" for model, seed in detectors.columns]
    rows: list[dict[str, Any]] = []
    for batch in in_threads(read, members):
        pixels = [array for array, _ in batch if array is not None]
        outputs = iter(detectors.p_fake(np.stack(pixels)) if pixels else ())
        for array, row in batch:
            answers = {} if array is None else dict(zip(networks, next(outputs), strict=True))
            rows.append(dict.fromkeys(sets.IMAGE, "") | row | answers)
        bar.update(len(batch))
    return pd.DataFrame(rows, columns=[*sets.IMAGE, *networks])


def read_judged(study: Study) -> dict[str, pd.DataFrame]:
    """The answers to every set, by its name as it is shown."""
    tables, names = {}, names_of(study)
    for task in judge.all(study):
        table = pd.read_csv(task.path(), dtype=str, keep_default_na=False)  # names like NA or 001
        numbers = table.columns.difference([*sets.IMAGE]).union(["label"])
        table[numbers] = table[numbers].apply(pd.to_numeric)
        tables[escaped(names[task.args[0]])] = table
    return tables


def left_out(judged: Judged) -> pd.DataFrame:
    """What doesn't count: set, path, and why."""
    tables = [table[table["why"] != ""].assign(set=name) for name, table in judged.items()]
    return pd.concat(tables)[["set", "path", "why"]]


def best_threshold(labels: npt.NDArray, p_fake: npt.NDArray) -> float:
    """The threshold with the best balanced accuracy; half-way to the next lower output."""
    false_rate, true_rate, thresholds = roc_curve(labels, p_fake, drop_intermediate=False)
    best = min(float(thresholds[np.argmax(true_rate - false_rate)]), 1.0)
    return (best + float(max(p_fake[p_fake < best], default=0.0))) / 2


def thresholds_of(tasks: Iterable[Task]) -> Thresholds:
    """Each network's threshold, fixed on validation images, from its predict task."""
    tables = {" ".join(map(str, task.args)): task.read("validation.csv") for task in tasks}
    return {
        network: best_threshold(table["label"].to_numpy(), table["p_fake"].to_numpy())
        for network, table in tables.items()
    }


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
    )
    return dict(zip(SCORES, map(float, values), strict=True))


def score(judged: Judged, thresholds: Thresholds) -> pd.DataFrame:
    """How the networks do; `thresholds` has each that was asked, with NaN where it has none.

    A row per set and model: set, model, images, real and fake (how many count); `SCORES`, means
    over seeds, 0 to 1, NaN where a class is missing; ci_low and ci_high, the 95 % interval of
    accuracy; unreadable, learned, in_test and generated: how many can't be read, are left out as
    the run learned from them, count though they are in its test set, and carry the demo's mark.
    """
    rows = []
    for name, table in judged.items():
        own, learned = table[table["why"] == ""], table["why"].isin(sets.LEARNED.values())
        labels = own["label"].to_numpy(dtype=np.int64)
        sizes = {"images": len(own), "real": int((labels == 0).sum()), "fake": int(labels.sum())}
        counted = {
            "unreadable": int((table["why"] != "").sum() - learned.sum()),
            "learned": int(learned.sum()),
            "in_test": int((own["seen"] == "test").sum()),
            "generated": int((own["generated"].astype(str) == "True").sum()),
        }
        for model in dict.fromkeys(network.split()[0] for network in thresholds):
            each = pd.DataFrame(
                _scores(labels, own[network].to_numpy(dtype=float), threshold)
                for network, threshold in thresholds.items()
                if network.split()[0] == model
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
    """The tables of `score` and `formats_table`."""
    judged = read_judged(study)
    table = score(judged, thresholds_of(predict.all(study)))
    check_scored(table, escaped(root_of(study).name))
    table.to_csv(out / "elsewhere.csv", index=False, lineterminator="\n")
    sets.formats_table(judged).to_csv(out / "formats.csv", index=False, lineterminator="\n")
