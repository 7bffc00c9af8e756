"""The first call of every notebook: check its parameters, open its run, show its settings."""

import ast
import difflib
from collections.abc import Sequence
from typing import Any

from IPython.display import HTML

from .common.errors import StudyError
from .common.machine import ask_for_determinism
from .evaluation.caveats import notices
from .report.html_pieces import as_table, piece
from .study.beyond import BEYOND
from .study.names import MODELS
from .study.parameters import check_parameters, load_study
from .study.plan import chain_steps, predict_step, prepare_step
from .study.record import check_run, claim_run, record
from .study.settings import PARAMETERS, Study
from .study.step import Digests

NAMES = (*PARAMETERS, "overrides", "force")  # a notebook's parameters


def open_study(notebook: str, *parameters: Any, force: bool = False) -> Study:
    """Check the parameters of a notebook and open its run.

    Args:
        notebook: its name without the suffix.
        parameters: profile, data, run, seeds and overrides, see `load_study`.
        force: do the notebook's steps again from their beginning, and let the run's name change
            what it holds.

    Raises:
        StudyError: a parameter is wrong, the run holds another study, or an input is missing or out
            of date; the sentence names the notebook that makes it.
    """
    _check_parameter_names()
    force = check_parameters(force=force).force
    study = load_study(*parameters)
    if study.deterministic:
        ask_for_determinism()
    steps = BEYOND[notebook](study) if notebook in BEYOND else chain_steps(study)[notebook]
    if not force:
        check_run(study)
    known = Digests()
    for step in steps:
        step.check_inputs(own_notebook=False, known=known)
    claim_run(study, force)
    if force:
        for step in steps:
            step.forget()
    if prepare_step(study).is_done():
        record(study)
        print(*notices(study), sep="\n")
    return study


def open_finished(run: str) -> Study:
    """Seed 0 of a finished run, whatever seeds it was last opened with; nothing is written.

    Args:
        run: its name.

    Raises:
        StudyError: seed 0 isn't trained and tested with both networks, or isn't up to date.
    """
    study, known = load_study(run=run, seeds=[0]), Digests()
    for tested in (predict_step(study, model, 0) for model in MODELS):
        for step in (*tested.before(), tested):
            if why := step.why_not_done(known):
                raise StudyError(
                    f"{why}: run make report RUN={run} SEEDS=1, which makes seed 0 of run '{run}' "
                    f"(or fakeface report --run {run} --seeds 1)"
                )
    return study


def settings(study: Study, folded: bool = False) -> HTML:
    """What differs from the paper's settings as a table.

    Args:
        study: whose settings.
        folded: show a line that opens to the table; otherwise all settings are folded below it.
    """
    names = {"paper": "paper profile", "source": "whose choice"}
    differing, table = (rows.rename(columns=names) for rows in (study.differences(), study.table()))
    if folded:
        verb = "setting differs" if len(differing) == 1 else "settings differ"
        words = f"{len(differing)} {verb} from the paper's"
        return HTML(piece("fold", words, as_table(differing)))
    caption = f"{len(differing)} of {len(table)} settings differ from the paper's"
    folded_table = piece("fold", f"All {len(table)} settings", as_table(table))
    return HTML(as_table(differing, caption) + folded_table)


def _check_parameter_names() -> None:
    """Refuse a mistyped parameter in any cell so far; papermill only warns of one.

    Raises:
        StudyError: a cell sets a setting, or a name that is nearly a parameter's; or papermill was
            given a name that is none.
    """
    from IPython import get_ipython

    shell = get_ipython()
    settings = [name for name in Study.model_fields if name not in NAMES]
    for cell in shell.history_manager.input_hist_raw if shell else ():
        injected = cell.startswith("# Parameters")  # as papermill begins the cell of its -p
        for name, value in _constants(cell).items():
            if name in NAMES:
                continue
            setting = _close(name, settings, 0.9)
            if setting:
                raise StudyError(f"'{name}' is no parameter: give overrides = '{setting}={value}'")
            near = "overrides" if name.lower() == "set" else _close(name, NAMES, 0.75)
            if near or injected:
                meant = f"did you mean '{near}'?" if near else f"there are {', '.join(NAMES)}"
                raise StudyError(f"unknown parameter '{name}': {meant}")


def _close(name: str, names: Sequence[str], cutoff: float) -> str:
    """The name that was meant, whatever its case; '' for none."""
    return next(iter(difflib.get_close_matches(name.lower(), names, n=1, cutoff=cutoff)), "")


def _constants(cell: str) -> dict[str, Any]:
    """The names that a cell sets to constants; none in a cell that isn't plain Python."""
    try:
        nodes = ast.parse(cell).body
    except SyntaxError:
        return {}
    values: dict[str, Any] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            values |= {name.id: value for name in node.targets if isinstance(name, ast.Name)}
    return values
