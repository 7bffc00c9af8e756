"""What a run is: its settings, data, versions and machine, kept in study.json.

A run's name stands for one study: other settings or other data under the same name are refused.
"""

import difflib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .dataset.audit import leak
from .dataset.prepare import read_dataset
from .errors import StudyError
from .files import check_writable, write_json
from .hardware import hardware
from .paths import NOTEBOOKS, PACKAGE, ROOT, figures_dir, results_dir, shown
from .questions import ablation_steps
from .steps import audit_step, prepared_dir, steps_of
from .study import IMAGENET_SHA256, PARAMETERS, PROFILES, Study, as_typed, load_study

PACKAGES = ("tensorflow", "keras", "jax", "numpy", "pillow", "pandas", "scikit-learn", "scipy")


def open_study(
    notebook: str,
    profile: str = "demo",
    data: str = "",
    run: str = "",
    seeds: Any = 1,
    overrides: str = "",
    force: bool = False,
) -> Study:
    """The first call of every notebook: validate its parameters and open its run.

    Args:
        notebook: its name without the suffix.
        profile, data, run, seeds, overrides: see `load_study`.
        force: do the notebook's steps again from their beginning, and let the run's name change
            what it holds.

    Raises:
        StudyError: a parameter is wrong, the run holds another study, or an input is missing.
    """
    _check_parameter_names()
    study = load_study(profile, data, run, seeds, overrides)
    if study.deterministic:
        ask_for_determinism()
    claim_run(study, force)
    steps = (steps_of(study) | ablation_steps(study))[notebook]
    if force:
        for step in steps:
            step.forget()
    for step in steps:
        for before in step.after:
            if before.notebook != notebook:
                before.check_outputs()
    if notebook != "01_dataset":  # which calls `record` itself, when there are images
        record(study)
        print(*notices(study), sep="\n")
    return study


def _check_parameter_names() -> None:
    """Refuse `papermill -p` with a mistyped name, of which papermill only warns.

    Raises:
        StudyError: a variable that was set before the notebook's first work is almost a parameter,
            or is a setting.
    """
    from IPython import get_ipython  # only notebooks need it

    shell = get_ipython()
    if shell is None or shell.execution_count > 4:  # later, any name may be a reader's own
        return
    names = (*PARAMETERS, "overrides", "force")
    for name, value in shell.user_ns.items():
        if name in names or not isinstance(value, (str, int, float)):
            continue
        if name in Study.model_fields:
            raise StudyError(f"'{name}' is a setting: give it as -p overrides '{name}={value}'")
        if close := difflib.get_close_matches(name, names, n=1, cutoff=0.75):
            raise StudyError(f"unknown parameter '{name}': did you mean '{close[0]}'?")


def ask_for_determinism() -> None:
    """Set what the backends read before their first operation.

    TensorFlow reads TF_DETERMINISTIC_OPS, and Keras then does without XLA; JAX hands XLA its flags.

    Raises:
        StudyError: Keras was imported without it, and may have computed something.
    """
    flag, flags = "--xla_gpu_deterministic_ops=true", os.environ.get("XLA_FLAGS", "")
    if os.environ.get("TF_DETERMINISTIC_OPS") == "1" and flag in flags:
        return
    if "keras" in sys.modules:
        raise StudyError(
            "deterministic must be set before Keras is imported: restart the kernel and run the "
            "notebook again"
        )
    os.environ["TF_DETERMINISTIC_OPS"] = "1"
    os.environ["XLA_FLAGS"] = f"{flags} {flag}".strip()


def notices(study: Study) -> list[str]:
    """What must be known before any number: generated data, random weights, leaks, lost images."""
    dataset = read_dataset(study)
    said = []
    if dataset["generated"]:
        said.append("Generated data: these numbers say nothing about the paper.")
    if study.vgg16_weights == "random":
        said.append("VGG16 has random weights, not ImageNet's: its numbers mean nothing.")
    if dataset["unreadable"]:
        said.append(f"{len(dataset['unreadable'])} unreadable images were left out.")
    if audit_step(study).outputs[0].exists() and (leaked := leak(study)):
        said.append(leaked)
    return said


def study_json(run: str) -> Path:
    """Where a run's provenance is kept."""
    return results_dir(run) / "study.json"


def read_study_json(run: str) -> dict[str, Any]:
    """A run's provenance; empty where the run is new."""
    path = study_json(run)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StudyError(f"{shown(path)} is not JSON ({error}): delete it and run again") from error


def claim_run(study: Study, force: bool = False) -> None:
    """Refuse a run's name that stands for other settings or other data; or, forced, empty it.

    Generated images are known by their name, since their bytes may differ between versions of the
    JPEG library; all others by their fingerprint.

    Raises:
        StudyError: results/<run> holds another study and `force` is not given.
    """
    check_writable(results_dir(""), figures_dir(""))
    held = read_study_json(study.run)
    difference = _difference(study, held) if held else ""
    if difference and not force:
        raise StudyError(
            f"run '{study.run}' holds another study ({difference}): give another name as run, "
            "or force to replace it"
        )
    if difference:  # nothing of the old study may be left to mix with the new one
        shutil.rmtree(results_dir(study.run))
        shutil.rmtree(figures_dir(study.run), ignore_errors=True)


def _difference(study: Study, held: dict[str, Any]) -> str:
    """What a run's record and a study disagree on, in words; '' where they agree."""
    there = Study().settings() | held["settings"]  # a setting newer than the run had its default
    for name, value in study.settings().items():
        if there[name] != value:
            return f"{name} is {there[name]} there and {value} here"
    known = held["dataset"]
    prepared = (prepared_dir(study) / "dataset.json").exists()
    if prepared and not known["generated"]:
        if read_dataset(study)["fingerprint"] != known["fingerprint"]:
            return f"the images of '{study.data_name}' have changed"
    return ""


def record(study: Study) -> dict[str, Any]:
    """Complete study.json with all that is known now, and return it."""
    steps = [step for group in steps_of(study).values() for step in group]
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
    usual = Study(**PROFILES[study.profile])
    changed = [
        f"{name}={as_typed(value)}"
        for name, value in study.settings().items()
        if name not in PARAMETERS and value != usual.settings()[name]
    ]
    data = "PATH" if Path(study.data).is_absolute() else study.data
    words = [f"make report PROFILE={study.profile} DATA={data} RUN={study.run}"]
    words += [f"SEEDS={','.join(map(str, study.seeds))}" + ("," if len(study.seeds) == 1 else "")]
    return " ".join(words + ([f"SET='{' '.join(changed)}'"] if changed else []))


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results, and Keras' backend."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found | {"keras backend": os.environ.get("KERAS_BACKEND", "tensorflow")}


def git_revision() -> str:
    """The commit the code stands at, '-modified' where code was changed since; '' without git."""
    git = ["git", "-C", str(ROOT)]
    code = [PACKAGE, NOTEBOOKS, ROOT / "requirements.lock"]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True
        )
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--", *map(str, code)], capture_output=True
        )
    except OSError:
        return ""
    return (
        head.stdout.strip() + ("-modified" if changed.stdout else "")
        if head.returncode == 0
        else ""
    )
