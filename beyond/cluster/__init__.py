"""Many machines: a Dask scheduler hands each step of a run to one of its workers."""

from typing import Annotated

import typer

from fakeface_utils.extension import Extension, later


def cluster(
    address: Annotated[str, typer.Argument(help="the scheduler's, as tcp://host:8786")],
    run: Annotated[str, typer.Option(help="the run, whose images `fakeface data` prepared")],
    beyond: Annotated[bool, typer.Option("--beyond", help="what isn't in the paper too")] = False,
) -> None:
    """Have the workers of a Dask scheduler do a run's steps; `fakeface report` finds them done."""
    later(__name__, "work.cluster")(address, run, beyond)


EXTENSION = Extension("cluster", "Many machines", commands={"cluster": cluster})
