"""The `fakeface` command: thin over the package, with the commands of the extensions."""

import inspect
import shlex
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from . import chain
from .data import about
from .evaluate import failed_seeds, notices, printed_table1
from .extension import Extension, chosen, extensions
from .notebook import tasks_of
from .run import claim_run, load_study, parameters_of
from .settings import Study
from .util import StudyError, first, nearest, shown

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
MEASURED = [name for name, one in extensions().items() if one.notebook.exists()]
Only = Annotated[str, typer.Option(help=f"some of {', '.join(MEASURED)}; else all")]
Name = Annotated[str, typer.Argument(help="as 'train custom_cnn 3'")]


def command(work: Callable[..., None]) -> Callable[..., None]:
    """Make `work(study, ...)` a command, whose options describe the study besides its own."""

    def call(
        profile: Profile = "",
        data: Data = "",
        run: Run = "",
        seeds: Seeds = "",
        overrides: Set = "",
        **own: Any,
    ) -> None:
        work(load_study(profile, data, run, seeds, overrides), **own)

    given = [inspect.signature(one).parameters.values() for one in (work, call)]
    own, shared = [*given[0]][1:], [*given[1]][:-1]
    call.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    call.__annotations__ |= work.__annotations__
    app.command(work.__name__, help=work.__doc__)(call)
    return work


@command
def report(study: Study) -> None:
    """Run the notebooks that aren't up to date and write the report.

    What is left out is taken from the run of that name, else from the profile.
    """
    _run(study, [])


@command
def beyond(study: Study, only: Only = "", other: Other = "") -> None:
    """Measure what isn't in the paper, on a trained run; the report then shows it."""
    if other:
        given = parameters_of(study)
        given["overrides"] += f" other={shlex.quote(other)}"
        study = load_study(**given)
    for one in extensions().values():
        if not only and (why := one.missing(study)):
            print(f"{one.name} is left out: {why}")
    _run(study, chosen(only, study))


def _run(study: Study, asked: list[Extension]) -> None:
    """Run the chain; then say what it found, where the report is, and what failed."""
    failed = chain.run(study, asked)
    print("\nTable 1", *notices(study), *failed_seeds(study), printed_table1(study), sep="\n")
    for one in asked:
        if not one.why_stale(study):
            print(f"\n{one.summary(study)}")
    print(f"\nreport: {shown(study.results / 'report.html')}")
    if failed:
        raise StudyError(first(failed))


@command
def data(study: Study) -> None:
    """Fetch or draw the images, decode and look through them; nothing is trained."""
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


@command
def step(study: Study, name: Name) -> None:
    """Do one step after those that it stands on, as a job of a cluster."""
    claim_run(study)
    notebooks = chain.notebooks(study, chosen("", study))
    tasks = {task.name: task for one in notebooks for task in tasks_of(study, one)}
    if name not in tasks:
        raise StudyError(f"there is no step '{name}': {nearest(name, tasks)}")
    for task in (*tasks[name].before(), tasks[name]):
        task.do()


for _one in extensions().values():
    for _name, _command in _one.commands.items():
        app.command(_name)(_command)


def main() -> None:
    """Run the command; a person's mistake is one sentence and exit code 1, an interrupt 130."""
    for stream in (sys.stdout, sys.stderr):  # a console may lack the letters of a name
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        sys.exit(app(standalone_mode=True))
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
