"""The `fakeface` command: thin over the package, with the commands of the extensions."""

import shlex
import sys
from typing import Annotated

import typer

from .extension import chosen, extensions
from .settings import Study
from .util import StudyError, ask_for_determinism, first, nearest, shown

app = typer.Typer(
    help="Reproduce Perisic & Jovanovic (2022): real and fake faces.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Profile = Annotated[str, typer.Option(help="demo (generated data), laptop or paper")]
Data = Annotated[str, typer.Option(help="demo, kaggle, a folder or a zip")]
Run = Annotated[str, typer.Option(help="name under results/ and figures/")]
Seeds = Annotated[str, typer.Option(help="how many, or a list as 0,4,7")]
Set = Annotated[str, typer.Option("--set", help="settings as 'epochs=2 images_per_class=500'")]
Other = Annotated[str, typer.Option(help="a folder or zip of other images, as --set other=FOLDER")]
Scheduler = Annotated[str, typer.Option(help="a Dask scheduler's address: its workers do the work")]
MEASURED = [name for name, one in extensions().items() if one.notebook.exists()]
Only = Annotated[str, typer.Option(help=f"some of {', '.join(MEASURED)}; else all")]


@app.command()
def report(
    profile: Profile = "",
    data: Data = "",
    run: Run = "",
    seeds: Seeds = "",
    overrides: Set = "",
    scheduler: Scheduler = "",
) -> None:
    """Run the notebooks that aren't up to date and write the report.

    What is left out is taken from the run of that name, else from the profile.
    """
    from .run import load_study

    _run(load_study(profile, data, run, seeds, overrides), None, scheduler)


@app.command()
def beyond(
    only: Only = "",
    other: Other = "",
    profile: Profile = "",
    data: Data = "",
    run: Run = "",
    seeds: Seeds = "",
    overrides: Set = "",
    scheduler: Scheduler = "",
) -> None:
    """Measure what isn't in the paper, on a trained run; the report then shows it."""
    from .run import load_study

    given = f"{overrides} other={shlex.quote(other)}" if other else overrides
    study = load_study(profile, data, run, seeds, given)
    for one in extensions().values():
        if not only and (why := one.missing(study)):
            print(f"{one.name} is left out: {why}")
    _run(study, only, scheduler)


def _run(study: Study, only: str | None, scheduler: str) -> None:
    """Run the chain; then say what it found, where the report is, and what failed."""
    from . import chain

    asked = chosen(only, study) if only is not None else []
    failed = chain.run(study, only, scheduler)
    from .evaluate import failed_seeds, notices, printed_table1

    print("\nTable 1", *notices(study), *failed_seeds(study), printed_table1(study), sep="\n")
    for one in asked:
        if not one.why_stale(study):
            print(f"\n{one.summary(study)}")
    print(f"\nreport: {shown(study.results / 'report.html')}")
    if failed:
        raise StudyError(first(failed))


@app.command()
def data(profile: Profile = "", data: Data = "", run: Run = "", overrides: Set = "") -> None:
    """Fetch or draw the images, decode and look through them; nothing is trained."""
    from .data import about
    from .evaluate import notices
    from .notebook import tasks_of
    from .run import claim_run, load_study

    study = load_study(profile, data, run, "", overrides)
    claim_run(study)
    for task in tasks_of(study, "01_dataset"):
        task.ensure()
    for one in extensions().values():
        tasks = one.tasks(study) if one.always else []
        needed = {before.notebook for task in tasks for before in task.before()}
        if tasks and needed <= {"01_dataset", one.name}:
            for task in tasks:
                task.ensure()
            print(one.summary(study))
    claim_run(study)  # with what is known of the images now
    print(*notices(study), f"fingerprint {about(study)['fingerprint']}", sep="\n")
    print(f"prepared: {shown(study.prepared)}")


@app.command()
def step(
    name: Annotated[str, typer.Argument(help="as 'train custom_cnn 3'")],
    profile: Profile = "",
    data: Data = "",
    run: Run = "",
    seeds: Seeds = "",
    overrides: Set = "",
) -> None:
    """Do one step after those that it stands on, as a job of a cluster."""
    from .chain import notebooks
    from .notebook import tasks_of
    from .run import claim_run, load_study

    study = load_study(profile, data, run, seeds, overrides)
    if study.deterministic:
        ask_for_determinism()
    claim_run(study)
    names = []
    for task in (task for one in notebooks(study, "") for task in tasks_of(study, one)):
        names.append(task.name)
        if task.name == name:
            for one in (*task.before(), task):
                one.do()
            return
    raise StudyError(f"there is no step '{name}': {nearest(name, names)}")


for _one in extensions().values():
    for _name, _command in _one.commands.items():
        app.command(_name)(_command)


def main() -> None:
    """Run the command; a person's mistake is one sentence and exit code 1, an interrupt 130."""
    try:
        sys.exit(app(standalone_mode=True))
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
