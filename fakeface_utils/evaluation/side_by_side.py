"""Two or more runs side by side, in words: notices, settings, data and Table 1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..common.errors import StudyError
from ..common.paths import escaped, shown
from ..study.artefacts import (
    dataset_json,
    history_csv,
    model_file,
    parameters_json,
    predictions_csv,
    prepared_dir,
    read_dataset,
    study_json,
)
from ..study.names import METRICS, MODELS, TITLES
from ..study.parameters import load_study
from ..study.plan import predict_step
from ..study.settings import Study, as_typed
from .caveats import failed_seeds, notices
from .compare import differences, outputs_of, same_test_images, scores, variances
from .intervals import interval


@dataclass(frozen=True)
class Comparison:
    """Runs side by side, in words.

    Attributes:
        runs: their names; differences are to the first.
        notices: what a reader must know before believing a number, with the runs it is about.
        about: a row per run: data, training images, pixels, seeds, fingerprint.
        settings: the settings that differ, a column per run.
        answers: a sentence per model and further run on accuracy.
        table: Table 1: mean of what, each run's with its interval, and each difference with its.
        remarks: how the differences were computed.
    """

    runs: tuple[str, ...]
    notices: tuple[str, ...]
    about: pd.DataFrame
    settings: pd.DataFrame
    answers: tuple[str, ...]
    table: pd.DataFrame
    remarks: tuple[str, ...]

    def text(self) -> str:
        """All of it for a terminal."""
        settings = "none" if self.settings.empty else self.settings.to_string(index=False)
        parts = [
            "\n".join(self.notices),
            self.about.to_string(index=False),
            f"Settings that differ\n{settings}",
            f"Table 1, mean over seeds with its 95 % interval\n{self.table.to_string(index=False)}",
            "\n".join(self.answers),
            "\n".join(self.remarks),
        ]
        return "\n\n".join(filter(None, parts))


def evaluated(runs: Sequence[str]) -> list[Study]:
    """The studies of some runs.

    Raises:
        StudyError: there are fewer than two, one is named twice or isn't evaluated.
    """
    if len(runs) < 2 or len(set(runs)) < len(runs):
        raise StudyError("compare takes the names of two or more runs, each once")
    studies = [load_study(run=run) for run in runs]
    for study in studies:
        again = f"run fakeface report --run {study.run}"
        if not study_json(study.run).exists():
            raise StudyError(f"there is no run '{study.run}': {again} to make it")
        networks = [(model, seed) for model in MODELS for seed in study.seeds]
        needed = [parameters_json(study.run), dataset_json(study)]
        needed += [prepared_dir(study) / "test.csv"]
        for model, seed in networks:
            needed += [history_csv(study.run, model, seed), predictions_csv(study.run, model, seed)]
        if missing := [path for path in needed if not path.is_file()]:
            raise StudyError(
                f"run '{study.run}' isn't evaluated: {shown(missing[0])} is missing; {again}"
            )
        for model, seed in networks:
            step = predict_step(study, model, seed)
            saved = model_file(study.run, model, seed)
            for path in (saved, predictions_csv(study.run, model, seed)):
                if path.is_file() and step.disowns(path):
                    raise StudyError(
                        f"run '{study.run}' isn't evaluated as it is now: {shown(path)} has "
                        f"changed; {again}"
                    )
    return studies


def compare(studies: Sequence[Study]) -> Comparison:
    """Compare evaluated runs with the first of them.

    Args:
        studies: as of `evaluated`.
    """
    first, *others = studies
    positive = first.positive_class
    outputs = {study.run: {m: outputs_of(study, m, positive) for m in MODELS} for study in studies}
    paired = {study.run: same_test_images(first, study) for study in others}
    rows, answers = [], []
    for model in MODELS:
        measured = {
            run: (scores(*of_models[model]), variances(*of_models[model]))
            for run, of_models in outputs.items()
        }
        apart = {
            run: differences(outputs[first.run][model], outputs[run][model], paired[run])
            for run in paired
        }
        for metric in METRICS:
            row = {"mean of": f"{TITLES[model]}, {metric}"}  # a run's name has no blank
            for run, (values, of_images) in measured.items():
                ends = np.clip(interval(values[metric], of_images[metric]), 0, 1)
                row[run] = _in_words(float(values[metric].mean()), *ends)
            for run, of_metrics in apart.items():
                row[f"{run} minus {first.run}"] = _in_words(*of_metrics[metric], sign="+")
            rows.append(row)
        answers += [_answer(model, first, study, *apart[study.run]["accuracy"]) for study in others]
    return Comparison(
        tuple(study.run for study in studies),
        _notices(studies),
        pd.DataFrame([_about(study) for study in studies]),
        settings_apart(studies),
        tuple(answers),
        pd.DataFrame(rows),
        _remarks(studies, paired),
    )


def settings_apart(studies: Sequence[Study]) -> pd.DataFrame:
    """The settings that differ between runs: the setting, and a column per run."""
    settings = {study.run: study.settings() for study in studies}
    names = list(next(iter(settings.values())))
    rows = [
        {
            "the setting": name,
            **{run: escaped(as_typed(values[name])) for run, values in settings.items()},
        }
        for name in names
    ]
    table = pd.DataFrame(rows)
    return table[table[list(settings)].nunique(axis=1) > 1].reset_index(drop=True)


def _in_words(value: float, low: float, high: float, sign: str = "") -> str:
    return f"{value:{sign}.4f} ({low:{sign}.4f} to {high:{sign}.4f})"


def _answer(model: str, first: Study, other: Study, apart: float, low: float, high: float) -> str:
    """What the difference of accuracies says."""
    verdict = f"{other.run if apart > 0 else first.run} is better"
    if low <= 0 <= high:
        verdict = "these runs can't tell which is better, since the interval includes 0"
    elif 1 in (len(first.seeds), len(other.seeds)):
        verdict += ", as far as one training run can tell"
    return (
        f"{TITLES[model]}, accuracy of {other.run} minus {first.run}: {apart:+.4f}, 95 % interval "
        f"{low:+.4f} to {high:+.4f}: {verdict}."
    )


def _notices(studies: Sequence[Study]) -> tuple[str, ...]:
    """Each notice once, with the runs that it is about."""
    about: dict[str, list[str]] = {}
    for study in studies:
        for notice in notices(study) + failed_seeds(study):
            about.setdefault(notice, []).append(study.run)
    return tuple(f"{', '.join(runs)}: {notice}" for notice, runs in about.items())


def _about(study: Study) -> dict[str, Any]:
    dataset = read_dataset(study)
    return {
        "run": study.run,
        "data": escaped(dataset["name"]),
        "training images": f"{sum(dataset['counts']['train'].values()):,}",
        "test images": f"{sum(dataset['counts']['test'].values()):,}",
        "pixels": study.image_size,
        "which seeds": ", ".join(map(str, study.seeds)),
        "fingerprint": dataset["fingerprint"][:12],
    }


def _remarks(studies: Sequence[Study], paired: dict[str, bool]) -> tuple[str, ...]:
    """What the intervals of the differences cover."""
    first = studies[0]
    remarks = []
    if same := [run for run in paired if paired[run]]:
        remarks.append(
            f"Tested on the same images as {first.run}: {', '.join(same)}; the differences are "
            "paired by image."
        )
    if other := [run for run in paired if not paired[run]]:
        remarks.append(
            f"Tested on other images than {first.run}: {', '.join(other)}; the differences are not "
            "paired by image, and part of each is how hard the images are."
        )
    if single := [study.run for study in studies if len(study.seeds) == 1]:
        remarks.append(
            f"One seed: {', '.join(single)}. The intervals leave out how its training runs differ: "
            "they cover the choice of test images only, so a difference may be chance."
        )
    if len({study.positive_class for study in studies}) > 1:
        remarks.append(f"Positive class: {first.positive_class}, as in {first.run}, for all runs.")
    return tuple(remarks)
