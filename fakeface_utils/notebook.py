"""The first call of every notebook: check its parameters, open its run, show its settings."""

import difflib
from typing import Any

from IPython.display import HTML

from .common.errors import StudyError
from .common.machine import ask_for_determinism
from .evaluation.caveats import notices
from .study.artefacts import dataset_json
from .study.parameters import load_study
from .study.plan import ablation_steps, chain_steps
from .study.record import claim_run, record
from .study.settings import PARAMETERS, Study

NAMES = (*PARAMETERS, "overrides", "force")  # a notebook's parameters


def open_study(notebook: str, *parameters: Any, force: bool = False) -> Study:
    """Check the parameters of a notebook and open its run.

    Args:
        notebook: its name without the suffix.
        parameters: profile, data, run, seeds and overrides, see `load_study`.
        force: do the notebook's steps again from their beginning, and let the run's name change
            what it holds.

    Raises:
        StudyError: a parameter is wrong, the run holds another study, or an input is missing; the
            sentence names the notebook that makes it.
    """
    _check_parameter_names()
    study = load_study(*parameters)
    if study.deterministic:
        ask_for_determinism()
    steps = (chain_steps(study) | ablation_steps(study))[notebook]
    for step in steps:
        step.check_inputs()
    claim_run(study, force)
    if force:
        for step in steps:
            step.forget()
    if dataset_json(study).exists():
        record(study)
        print(*notices(study), sep="\n")
    return study


def settings(study: Study) -> HTML:
    """What differs from the paper's settings as a table; all settings folded below it."""
    columns = ["setting", "here", "paper", "source", "meaning"]
    differing, table = study.differences()[columns], study.table()[columns]
    first = differing.to_html(index=False) if len(differing) else "<p>All are the paper's.</p>"
    return HTML(
        f"<p><b>What differs from the paper's settings</b></p>{first}"
        f"<details><summary>All {len(table)} settings</summary>{table.to_html(index=False)}"
        "</details>"
    )


def _check_parameter_names() -> None:
    """Refuse `papermill -p` with a mistyped name, of which papermill only warns.

    Raises:
        StudyError: a variable that was set before the notebook's first work is almost a parameter,
            or is a setting.
    """
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or shell.execution_count > 4:  # later, any name may be a reader's own
        return
    for name, value in shell.user_ns.items():
        if name in NAMES or not isinstance(value, (str, int, float)):
            continue
        if name in Study.model_fields:
            raise StudyError(f"'{name}' is a setting: give it as -p overrides '{name}={value}'")
        if close := difflib.get_close_matches(name, NAMES, n=1, cutoff=0.75):
            raise StudyError(f"unknown parameter '{name}': did you mean '{close[0]}'?")
