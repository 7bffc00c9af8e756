"""A run on other images, in numbers.

A network that is good at home may have learned what tells two sources apart, not real from fake.
So every set of other images has its own row, and ranking (AUC) stands beside accuracy: a network
may still rank fakes above reals where its threshold has moved.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..common.files import write_csv
from ..common.paths import escaped
from ..study.artefacts import (
    read_calibration,
    read_csv,
    read_dataset,
    read_manifest,
    read_predictions,
)
from ..study.beyond_artefacts import column, elsewhere_csv, elsewhere_formats_csv
from ..study.elsewhere import elsewhere_step, judge_steps, judged_csv, others_path
from ..study.names import MODELS, TITLES
from ..study.settings import Study
from .formats import formats_table, warnings
from .sets import (
    LEARNED,
    SCORES,
    Tables,
    Thresholds,
    check_scored,
    compared,
    counts_left_out,
    mark_seen,
    mean_over_sets,
    score,
    scored,
    side,
)


def elsewhere(study: Study) -> pd.DataFrame:
    """Score the run on every set of other images, unless that is done.

    Returns:
        A row per set and model, see `score`.

    Raises:
        StudyError: there are no other images, none of them counts, or the networks weren't asked
            yet.
    """
    elsewhere_step(study).do(lambda: _write(study))
    return read_elsewhere(study)


def read_elsewhere(study: Study) -> pd.DataFrame:
    """The scores, see `score`."""
    return read_csv(elsewhere_csv(study), "set", "model", *SCORES, dtype={"set": str})


def read_formats(study: Study) -> pd.DataFrame:
    """The file formats by set and class, see `formats_table`."""
    words = dict.fromkeys(("set", "quality", "differs"), str)
    path = elsewhere_formats_csv(study)
    return read_csv(path, "set", "class", "differs", dtype=words, keep_default_na=False)


def read_judged(study: Study) -> Tables:
    """The networks' outputs for every set, with a column seen, see `mark_seen`."""
    words = dict.fromkeys(("path", "why", "sha256", "size", "quality", "subsampling"), str)
    needed = ("path", "label", "why")
    tables = {
        escaped(name): read_csv(
            judged_csv(study, name), *needed, dtype=words, keep_default_na=False
        )
        for name in judge_steps(study)
    }
    outputs = [column(model, seed) for model in MODELS for seed in study.seeds]
    for table in tables.values():
        table[outputs] = table[outputs].apply(pd.to_numeric)
    return mark_seen(tables, seen_images(study))


def seen_images(study: Study) -> dict[str, str]:
    """The run's own images: the split of each SHA-256; training wins over the others."""
    splits = ("test", *reversed(LEARNED))
    return {sha: split for split in splits for sha in read_manifest(study, split)["sha256"]}


def thresholds_of(study: Study, models: Sequence[str] = MODELS) -> Thresholds:
    """Each model's thresholds by seed, fixed on validation images."""
    fixed = read_calibration(study)
    return {m: [fixed[m][str(seed)]["threshold"] for seed in study.seeds] for m in models}


def _write(study: Study) -> None:
    tables = read_judged(study)
    table = score(tables, MODELS, study.seeds, thresholds_of(study))
    check_scored(table, others_path(study).name)
    write_csv(
        elsewhere_formats_csv(study), formats_table({n: scored(t) for n, t in tables.items()})
    )
    write_csv(elsewhere_csv(study), table)


def at_home(study: Study) -> dict[str, float]:
    """Each model's accuracy on the run's own test set, the mean over seeds."""
    means = {}
    for model in MODELS:
        tables = [read_predictions(study, model, seed) for seed in study.seeds]
        right = [(t["label"] == (t["p_fake"] >= 0.5)).mean() for t in tables]
        means[model] = float(np.mean(right))
    return means


def summary(study: Study) -> str:
    """What was found, with the warnings of files that were saved differently."""
    return " ".join([*findings(study), *warnings(read_formats(study))])


def findings(study: Study) -> list[str]:
    """How the run does at home and elsewhere, where it fails worst and to which side."""
    table, home = read_elsewhere(study), at_home(study)
    sentences = []
    if read_dataset(study)["generated"] or table["generated"].any():
        sentences.append("Generated data: these numbers say nothing about photographs.")
    sentences += [_sentence(table, model, home[model]) for model in MODELS]
    return sentences + counts_left_out(table)


def _sentence(table: pd.DataFrame, model: str, home: float) -> str:
    """One model at home and elsewhere."""
    mean, count = mean_over_sets(table, model)
    own = compared(table, model)
    worst = own.loc[own["accuracy"].idxmin()]
    ends = f" (95 % interval {worst['ci_low']:.3f} to {worst['ci_high']:.3f})"
    where = f"on {worst['set']}{ends}" if count == 1 else f"elsewhere (mean of {count} sets)"
    text = f"{TITLES[model]}: accuracy {home:.3f} at home and {mean['accuracy']:.3f} {where}"
    if not np.isnan(mean["auc"]):
        text += f", AUC {mean['auc']:.3f}"
    text += f"; worst on {worst['set']}, {worst['accuracy']:.3f}{ends}" if count > 1 else ""
    balanced = (worst["real_accuracy"] + worst["fake_accuracy"]) / 2  # NaN of one class alone
    if abs(balanced - 0.5) <= (worst["ci_high"] - worst["ci_low"]) / 2:
        text += ", no better than guessing"
    if lean := side(worst):
        text += f": {lean}"
    return f"{text}."
