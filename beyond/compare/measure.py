"""Two or more evaluated runs side by side: what differs, and whether one does better."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakeface_utils.evaluate import failed_seeds, notices, predictions
from fakeface_utils.extension import extensions
from fakeface_utils.metrics import Known, Z, confusion, interval, metric_variances, rates, scores
from fakeface_utils.models import Model
from fakeface_utils.paper import METRICS
from fakeface_utils.run import open_finished
from fakeface_utils.settings import Study, as_typed
from fakeface_utils.step import read_file
from fakeface_utils.trained import own_file, predict
from fakeface_utils.util import StudyError, escaped, sha256

RESAMPLES = 2_000
AT_ONCE = 100  # resamples whose counts are held at a time: 16 MB for the paper's test set
UNPAIRED = "not the same images, not paired"
TESTED = "prepare test/test.csv"  # the list of test images among the inputs of a predict task
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side, in words; differences are to the first."""

    runs: tuple[str, ...]
    notices: list[str]  # what a reader must know before believing a number, with the runs' names
    about: pd.DataFrame  # a row per run: data, test images and whether they are paired, seeds
    settings: pd.DataFrame  # those that differ, a column per run
    table: pd.DataFrame  # Table 1 of each run: the mean over seeds with its interval
    differences: pd.DataFrame  # each metric's, with its interval, and which run is better
    further: pd.DataFrame  # the same of images that both runs were asked about, as damaged ones


def evaluated(runs: Sequence[str]) -> list[Study]:
    """The studies of some runs; refused where one isn't evaluated or up to date."""
    if len(runs) < 2 or len(set(runs)) < len(runs):
        raise StudyError("compare takes the names of two or more runs, each once")
    return [open_finished(run) for run in runs]


def compare(studies: Sequence[Study]) -> Comparison:
    """Compare evaluated runs with the first of them; the first's positive class serves all."""
    first, *others = studies
    outputs = {
        (study.run, model): outputs_of(study, model, first.positive_class)
        for study in studies
        for model in study.models
    }
    paired = {study.run: tested_on(study) == tested_on(first) != {""} for study in studies}
    rows, apart = [], []
    for model, about in models_of(studies).items():
        theirs = [study for study in studies if model in study.models]
        found = {study.run: scores(_matrices(*outputs[study.run, model])) for study in theirs}
        for metric in METRICS:
            row = {run: f"{values[metric]:.4f}" for run, values in found.items()}
            rows.append({"model": about.title, "metric": metric} | row)
        for study in (study for study in others if {first.run, study.run} <= {*found}):
            gains = differences(
                outputs[first.run, model], outputs[study.run, model], paired[study.run]
            )
            for metric, gain in gains.items():
                row = {"model": about.title, "metric": metric}
                row |= {"difference": f"{study.run} minus {first.run}", "of": f"{gain:+.4f}"}
                apart.append(row | {"better": _better(gain, first, study)})
    return Comparison(
        tuple(study.run for study in studies),
        _notices(studies),
        pd.DataFrame([_about(study, study == first, paired[study.run]) for study in studies]),
        settings_apart(studies),
        pd.DataFrame(rows).fillna("-"),
        pd.DataFrame(apart),
        pd.DataFrame([row for study in others for row in further(first, study)]).fillna("-"),
    )


def further(first: Study, other: Study) -> list[dict[str, Any]]:
    """A row for each model and set of images beyond the test set that both runs were asked about.

    Of what an extension measured in both, as damaged images, paired by image.
    """
    rows = []
    for one in extensions().values():
        studies = [one.measured(study) for study in (first, other)]
        if any(one.why_stale(study) for study in studies):
            continue
        ours, theirs = (one.answers(study) for study in studies)
        for name in (name for name in ours if name in theirs):
            for model, about in first.models.items():
                before, after = (called(table, model) for table in (ours[name], theirs[name]))
                before, after = before.align(after, join="inner", axis=0)
                if before.empty:
                    continue
                truth = before.index.get_level_values("label").to_numpy() == 1
                outputs = [table.to_numpy().T for table in (before, after)]
                gains = differences((truth, outputs[0]), (truth, outputs[1]), True)
                right = [(one == truth).mean() for one in outputs]
                row = {"images": name, "model": about.title, "how many": len(truth)}
                row |= {run.run: f"{of:.4f}" for run, of in zip((first, other), right, strict=True)}
                row |= {"difference": f"{other.run} minus {first.run}"}
                row |= {"of accuracy": f"{gains['accuracy']:+.4f}"}
                found = f"{gains['recall']:+.4f}" if truth.any() else "-"
                rows.append(row | {"of the fakes found": found})
    return rows


def called(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """Whether each seed of a model calls an image fake: a row an image, by all that is known."""
    own = table[table["model"] == model]
    image = [*own.columns.difference(["model", "seed", "p_fake"])]
    return own.set_index([*image, "seed"])["p_fake"].unstack() >= 0.5


def models_of(studies: Sequence[Study]) -> dict[str, Model]:
    """The networks of any of the runs; one that a run has of its own may be in no other."""
    return {name: about for study in studies for name, about in study.models.items()}


def tested_on(study: Study) -> set[str]:
    """Digests of the lists of test images that a run's networks were tested on; one of them, ''."""
    records = (task.record()["inputs"] for task in predict.all(study))
    return {inputs.get(TESTED, [""])[-1] for inputs in records}


def outputs_of(study: Study, model: str, positive: str) -> tuple[Bools, Bools]:
    """Whether each test image is of the positive class (N,), and called so by each seed (n, N)."""
    own = predictions(study).query(f"model == '{model}'")
    fake = own["p_fake"].to_numpy().reshape(len(study.seeds), -1) >= 0.5
    labels = own["label"].to_numpy()[: fake.shape[1]]
    return (labels == 1, fake) if positive == "fake" else (labels == 0, ~fake)


def _matrices(truth: Bools, called: Bools) -> list[npt.NDArray[np.int64]]:
    """The confusion matrix of each seed."""
    return [confusion(truth, one) for one in called]


def differences(
    first: tuple[Bools, Bools], second: tuple[Bools, Bools], paired: bool
) -> dict[str, Known]:
    """By metric, the second run's mean minus the first's, with its interval."""
    matrices = [_matrices(*outputs) for outputs in (first, second)]
    ours, theirs = (pd.DataFrame(rates(*one.ravel()) for one in seeds) for seeds in matrices)
    if paired:
        variances: Any = paired_variances(first[0], first[1], second[1])
    else:
        of_runs = (pd.DataFrame(map(metric_variances, seeds)).mean() for seeds in matrices)
        variances = sum(of_runs)
    return {name: difference(ours[name], theirs[name], variances[name]) for name in METRICS}


def difference(first: Sequence[float], second: Sequence[float], variance: float) -> Known:
    """The second mean minus the first with its 95 % interval, cut at -1 and 1.

    m +- sqrt(t1^2 s1^2 / n1 + t2^2 s2^2 / n2 + z^2 v): the seeds of two runs are independent
    samples, whatever their numbers, and v is the variance from the choice of test images: of
    `paired_variances` where both runs were tested on the same ones, else the sum of both runs' own.
    A run with one seed adds no part: the interval leaves out how its training runs differ.
    Coverage: docs/intervals.md.
    """
    of_seeds = [interval(values)[1] - np.mean(values) for values in (first, second)]
    half = float(np.sqrt(np.sum(np.square(of_seeds)) + Z**2 * variance))
    apart = float(np.mean(second) - np.mean(first))
    return Known(apart, max(apart - half, -1.0), min(apart + half, 1.0))


def paired_variances(truth: Bools, first: Bools, second: Bools) -> dict[str, float]:
    """The variance of each metric's difference over test sets of this size, never 0.

    Images are drawn with replacement, the same for all networks, and each run's metric is the mean
    over its seeds. As Agresti and Min (2005) add half an image to each of the four kinds that two
    networks can make of one, here each class gets them: without, runs that agree on every image
    would be known to be equal.

    Args:
        truth: (N,) of the positive class.
        first, second: (n1, N) and (n2, N), called so by the networks of two runs.
    """
    images, answers = len(truth), np.array([[0, 0, 1, 1] * 2, [0, 1, 0, 1] * 2], dtype=bool)
    truth = np.concatenate([truth, np.repeat([False, True], 4)])
    cells = []
    for called, made_up in zip((first, second), answers, strict=True):
        every = np.hstack([called, np.tile(made_up, (len(called), 1))])
        kinds = (truth & every, truth & ~every, ~truth & every, ~truth & ~every)
        cells.append(np.array(kinds, dtype=float))  # TP, FN, FP, TN: (4, n, N + 8)
    # An image stands twice in the list that is drawn from, a made-up one once: it counts half.
    places = np.concatenate([np.repeat(np.arange(images), 2), images + np.arange(8)])
    random, draws = np.random.default_rng(0), []
    for _ in range(RESAMPLES // AT_ONCE):
        drawn = places[random.integers(len(places), size=(AT_ONCE, images + 4))]
        counts = np.array([np.bincount(one, minlength=images + 8) for one in drawn], dtype=float)
        means = [
            {name: value.mean(axis=0) for name, value in rates(*(kinds @ counts.T)).items()}
            for kinds in cells
        ]
        draws.append(pd.DataFrame(means[1]) - pd.DataFrame(means[0]))
    return {str(name): float(value) for name, value in pd.concat(draws).var(ddof=0).items()}


def settings_apart(studies: Sequence[Study]) -> pd.DataFrame:
    """The settings that differ between runs: the setting, and a column per run."""
    settings = {study.run: study.deciding() | _own(study) for study in studies}
    table = pd.DataFrame(settings).fillna("-").map(lambda value: escaped(as_typed(value)))
    table = table.rename_axis("the setting").reset_index()
    return table[table[list(settings)].nunique(axis=1) > 1].reset_index(drop=True)


def _own(study: Study) -> dict[str, str]:
    """Digests of a run's own networks: two of one name may be different ones."""
    files = [item for model in study.models for item in own_file(study, model).items()]
    return {f"networks/{name}": sha256(path.read_bytes())[:8] for name, path in files}


def _better(gain: Known, first: Study, other: Study) -> str:
    """Which run a difference calls better."""
    if gain.low <= 0 <= gain.high:
        return "can't tell"
    single = 1 in (len(first.seeds), len(other.seeds))
    better = other.run if gain.mean > 0 else first.run
    return f"{better}, as far as one training run can tell" if single else better


def _notices(studies: Sequence[Study]) -> list[str]:
    """Each notice once, with the runs that it is about."""
    about: dict[str, list[str]] = {}
    for study in studies:
        for notice in notices(study) + failed_seeds(study):
            about.setdefault(notice, []).append(study.run)
    return [f"{', '.join(runs)}: {notice}" for notice, runs in about.items()]


def _about(study: Study, first: bool, paired: bool) -> dict[str, Any]:
    """The run and its images, as it recorded them."""
    dataset = read_file(study.results / "study.json")["dataset"]
    return {
        "run": study.run,
        "data": escaped(dataset["name"]),
        "training images": f"{sum(dataset['counts']['train'].values()):,}",
        "test images": f"{sum(dataset['counts']['test'].values()):,}",
        "differences": "" if first else "paired by image" if paired else UNPAIRED,
        "pixels": study.image_size,
        "which seeds": ", ".join(map(str, study.seeds)),
        "fingerprint": dataset["fingerprint"][:12],
    }
