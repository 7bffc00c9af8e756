"""What a run is: its settings, data, versions and machine, kept in study.json.

A run name belongs to one study: other settings or other data under the same name are refused.
"""

import shutil
from pathlib import Path
from typing import Any

from ..common.errors import StudyError
from ..common.files import check_writable, write_json
from ..common.machine import git_revision, hardware, versions
from ..common.paths import figures_dir, results_dir
from .artefacts import dataset_json, parameters_json, read_dataset, read_study_json, study_json
from .parameters import parameters_of
from .plan import chain_steps
from .settings import IMAGENET_SHA256, Study, as_typed


def claim_run(study: Study, force: bool = False) -> None:
    """Open a run: refuse a name that belongs to another study, or, forced, empty it.

    The parameters are kept, so that the run's name alone opens it again. Generated images are
    known by their name, since their bytes may differ between versions of the JPEG library; all
    others by their fingerprint.

    Raises:
        StudyError: results/<run> holds another study and `force` is not given.
    """
    check_writable(results_dir(""), figures_dir(""))
    held = read_study_json(study.run)
    refusal = _refusal(study, held) if held else ""
    if refusal and not force:
        raise StudyError(f"run '{study.run}' holds another study: {refusal}")
    if refusal:  # nothing of the old study may be left to mix with the new one
        shutil.rmtree(results_dir(study.run))
        shutil.rmtree(figures_dir(study.run), ignore_errors=True)
    write_json(parameters_json(study.run), parameters_of(study), shared=True)


def _refusal(study: Study, held: dict[str, Any]) -> str:
    """How a study differs from the run's record, and what to do; '' where they agree."""
    there = Study().settings() | held["settings"]  # a setting newer than the run had its default
    for name, value in study.settings().items():
        if there[name] != value:
            return (
                f"{name} is {as_typed(there[name])} there and {as_typed(value)} here. Give a new "
                f"name as run to try this, or leave {name} out to continue the run as it is"
            )
    known = held["dataset"]
    if dataset_json(study).exists() and not known["generated"]:
        if read_dataset(study)["fingerprint"] != known["fingerprint"]:
            return (
                f"the images of '{study.data_name}' have changed since. Give a new name as run to "
                "keep its results, or force to replace them"
            )
    return ""


def record(study: Study) -> dict[str, Any]:
    """Complete study.json with all that is known now, and return it.

    Returns:
        profile, settings, seeds, dataset (see `read_dataset`), weights_sha256, seconds and
        peak_memory (bytes) of each finished step, versions, git, hardware.
    """
    steps = [step for group in chain_steps(study).values() for step in group]
    costs = {step.name: cost for step in steps if (cost := step.cost())}
    content = {
        "profile": study.profile,
        "settings": study.settings(),
        "seeds": list(study.seeds),
        "dataset": read_dataset(study),
        "weights_sha256": IMAGENET_SHA256 if study.vgg16_weights != "random" else "random",
        "seconds": {name: cost["seconds"] for name, cost in costs.items()},
        "peak_memory": {name: cost["peak_memory"] for name, cost in costs.items()},
        "versions": versions(),
        "git": git_revision(),
        "hardware": hardware(),
    }
    write_json(study_json(study.run), content, shared=True)  # notebooks may start at once
    return content


def command(study: Study) -> str:
    """The command that runs this study again; a folder's path is left to the reader."""
    data = "PATH" if Path(study.data).is_absolute() else study.data
    seeds = ",".join(map(str, study.seeds)) + ("," if len(study.seeds) == 1 else "")
    words = f"make report PROFILE={study.profile} DATA={data} RUN={study.run} SEEDS={seeds}"
    overrides = study.model_copy(update={"vgg16_weights": study.settings()["vgg16_weights"]})
    changed = " ".join(overrides.overrides())
    return words + (f" SET='{changed}'" if changed else "")
