"""What a run is: its settings, data, versions and machine, kept in study.json.

A run name belongs to one study: other settings or other images under the same name are refused,
before anything of the run is touched.
"""

import shutil
from pathlib import Path
from typing import Any

from ..common.errors import StudyError
from ..common.files import cannot_write, check_writable, write_json
from ..common.locks import lock
from ..common.paths import figures_dir, results_dir
from .artefacts import parameters_json, read_dataset, read_parameters, read_study_json, study_json
from .parameters import parameters_of
from .plan import chain_steps, source_digest
from .settings import IMAGENET_SHA256, Study, as_typed


def check_run(study: Study) -> None:
    """Refuse a run's name that belongs to another study.

    Raises:
        StudyError: results/<run> holds other settings or other images.
    """
    if refusal := _refusal(study):
        raise StudyError(f"run '{study.run}' holds another study: {refusal}")


def claim_run(study: Study, force: bool = False) -> None:
    """Open a run: refuse a name that belongs to another study, or, forced, empty it.

    The parameters are kept, so that the run's name alone opens it again.

    Raises:
        StudyError: results/<run> holds another study and `force` is not given; or another process
            works on what would be emptied.
    """
    check_writable(results_dir(""), figures_dir(""))
    with lock(results_dir(f".{study.run}.lock"), f"opening run '{study.run}'"):
        if not force:
            check_run(study)
        elif _refusal(study):
            _empty(study.run)  # nothing of the old study may be left to mix with the new one
        claim = {"settings": study.settings(), "source": source_digest(study)}
        write_json(parameters_json(study.run), parameters_of(study) | claim, shared=True)


def _empty(run: str) -> None:
    """Delete a run's results and figures, unless a process is at one of its steps."""
    folders = (results_dir(run), figures_dir(run))
    for path in (path for folder in folders for path in folder.rglob("*.lock")):
        with lock(path, f"a step of run '{run}'", wait=False):
            pass
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise cannot_write(folder, error) from error


def _refusal(study: Study) -> str:
    """How a study differs from what its run holds, and what to do; '' where they agree."""
    held = read_study_json(study.run)
    if not held and any(results_dir(study.run).rglob(".*.step.json")):  # the record was deleted
        held = read_parameters(study.run)
    there = Study().settings() | held.get(
        "settings", study.settings()
    )  # a setting newer than the run had its default
    for name, value in study.settings().items():
        if there[name] != value:
            return (
                f"{name} is {as_typed(there[name])} there and {as_typed(value)} here. Give a new "
                f"name as run to try this, or leave {name} out to continue the run as it is"
            )
    known, here = held.get("source"), source_digest(study)
    if known and here not in ("missing", known):
        return (
            f"the images of '{study.data_name}' have changed since. Give a new name as run to "
            "keep its results, or force to replace them"
        )
    return ""


def record(study: Study) -> dict[str, Any]:
    """Complete study.json with all that is known now, and return it.

    Returns:
        profile, settings, seeds, dataset (see `read_dataset`), source (see `source_digest`),
        weights_sha256; seconds and computed (when, and by what) of each finished step; versions,
        git and hardware of all steps together, in which a value says where the steps differ.
    """
    steps = [step for group in chain_steps(study).values() for step in group]
    costs = {step.name: cost for step in steps if (cost := step.cost())}
    computed = {name: cost["computed"] for name, cost in costs.items()}
    machines = {name: about["hardware"] for name, about in computed.items()}
    gpus = {name: {"gpus": ", ".join(found["gpus"]) or "none"} for name, found in machines.items()}
    content = {
        "profile": study.profile,
        "settings": study.settings(),
        "seeds": list(study.seeds),
        "dataset": read_dataset(study),
        "source": source_digest(study),
        "weights_sha256": IMAGENET_SHA256 if study.vgg16_weights != "random" else "random",
        "seconds": {name: cost["seconds"] for name, cost in costs.items()},
        "versions": _together({name: about["versions"] for name, about in computed.items()}),
        "git": _together({name: {"git": about["git"]} for name, about in computed.items()})["git"],
        "hardware": _together(machines) | _together(gpus),
        "computed": computed,
    }
    write_json(study_json(study.run), content, shared=True)  # notebooks may start at once
    return content


def _together(of_steps: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Each value that all steps share; where they differ, every value with its steps, in words."""
    values: dict[str, dict[str, list[str]]] = {}
    for step, parts in of_steps.items():
        for name, value in parts.items():
            values.setdefault(name, {}).setdefault(str(value), []).append(step)
    return {
        name: next(iter(steps_of))
        if len(steps_of) == 1
        else "; ".join(f"{value} ({_named(steps)})" for value, steps in steps_of.items())
        for name, steps_of in values.items()
    }


def _named(steps: list[str]) -> str:
    """The first two steps by name, the others by their number."""
    more = f" and {len(steps) - 2} more" if len(steps) > 2 else ""
    return ", ".join(steps[:2]) + more


def command(study: Study) -> str:
    """The command that runs this study again; a folder's path is left to the reader."""
    data = "PATH" if Path(study.data).is_absolute() else study.data
    seeds = ",".join(map(str, study.seeds)) + ("," if len(study.seeds) == 1 else "")
    words = f"make report PROFILE={study.profile} DATA={data} RUN={study.run} SEEDS={seeds}"
    pathless = {"vgg16_weights": study.settings()["vgg16_weights"], "other": ""}
    overrides = study.model_copy(update=pathless)
    changed = " ".join(overrides.overrides())
    return words + (f" SET='{changed}'" if changed else "")
