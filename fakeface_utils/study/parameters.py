"""The parameters of every notebook and command, and the study they describe.

What is left empty is taken from the run of that name where there is one, else from the profile.
"""

import difflib
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..common.errors import StudyError
from ..common.paths import shown
from .artefacts import parameters_json, read_parameters
from .settings import PARAMETERS, PROFILES, Study

MOST_SEEDS = 1000
RESERVED = ("bench", "compare", "examples", "registry")  # names under results/ that are no run's


def nearest(name: str, names: Mapping[str, Any] | list[str]) -> str:
    """The end of a message about an unknown name."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean '{close[0]}'?" if close else "there are: " + ", ".join(sorted(names))


class Parameters(BaseModel):
    """What a notebook or a command is given; text that means a boolean is one."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    profile: str = ""
    data: str = ""
    run: Annotated[str, Field(max_length=100)] = ""
    seeds: int | str | list[int] | tuple[int, ...] = ""
    overrides: str | dict[str, Any] = ""
    force: bool = False

    @field_validator("force", mode="before")
    @classmethod
    def _in_words(cls, value: Any) -> Any:
        return {"true": True, "false": False}.get(str(value).lower(), value)


def check_parameters(**given: Any) -> Parameters:
    """The parameters, each of its kind.

    Raises:
        StudyError: one isn't; the sentence names it.
    """
    try:
        return Parameters(**given)
    except ValidationError as error:
        first = error.errors()[0]
        kinds = {"seeds": "a count or a list of numbers", "overrides": "text or a dictionary"}
        kinds |= {"force": "true or false", "run": "text of at most 100 letters"}
        name = str(first["loc"][0])
        raise StudyError(
            f"{name} is {given[name]!r}: it must be {kinds.get(name, 'text')}"
        ) from error


def _parse_seeds(seeds: Any) -> list[int]:
    """A count, a list, or text of either ('3', '0,4,7') as the list of seeds."""
    try:
        if isinstance(seeds, str):
            parts = [int(part) for part in seeds.split(",") if part.strip()]
            seeds = parts if "," in seeds else parts[0]
        counted = isinstance(seeds, int)
        chosen = list(range(min(seeds, MOST_SEEDS + 1))) if counted else [int(s) for s in seeds]
    except (ValueError, TypeError, IndexError):
        chosen = []
    distinct = len(set(chosen)) == len(chosen) <= MOST_SEEDS
    if not chosen or min(chosen) < 0 or max(chosen) >= 2**31 or not distinct:
        raise StudyError(
            f"seeds is {seeds!r}: give a count from 1 to {MOST_SEEDS}, or different numbers from 0 "
            "up, as 0,4,7"
        )
    return chosen


def _parse_overrides(overrides: str | Mapping[str, Any]) -> dict[str, Any]:
    """'epochs=2 images_per_class=500', or a dictionary, as a dictionary of known settings.

    Blanks around '=' and commas between settings are taken as meant.
    """
    known = [name for name in Study.model_fields if name not in PARAMETERS]
    values: dict[str, Any] = {}
    if isinstance(overrides, Mapping):
        values = dict(overrides)
    else:
        try:
            tokens = shlex.split(overrides)
        except ValueError as error:
            raise StudyError(f"overrides is {overrides!r}: {error}") from error
        words: list[str] = []
        for token in tokens:
            token = token.removesuffix(",")
            if words and (token.startswith("=") or words[-1].endswith("=")):
                words[-1] += token
            elif token:
                words.append(token)
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or not value:
                raise StudyError(f"'{word}' in overrides is not of the form setting=value")
            values[name] = value
    for name, value in values.items():
        if name in PARAMETERS:
            raise StudyError(f"'{name}' is a parameter of its own, not an override: {name}={value}")
        if name not in known:
            raise StudyError(f"unknown setting '{name}' in overrides: {nearest(name, known)}")
    return values


def _held(run: str) -> dict[str, Any]:
    """The parameters that a run was last opened with; empty where it is new.

    Raises:
        StudyError: they aren't what this package wrote.
    """
    held = read_parameters(run)
    try:
        if held:
            named = {name: held[name] for name in ("profile", "data", "seeds", "overrides")}
            check_parameters(**named)
            PROFILES[held["profile"]]
            _parse_seeds(held["seeds"])
            _parse_overrides(held["overrides"])
        return held
    except (StudyError, KeyError, TypeError) as error:
        raise StudyError(
            f"{shown(parameters_json(run))} is damaged: delete it and give the parameters again"
        ) from error


def load_study(
    profile: str = "",
    data: str = "",
    run: str = "",
    seeds: Any = "",
    overrides: str | Mapping[str, Any] = "",
) -> Study:
    """The study that the parameters of a notebook or command describe.

    Args:
        profile: 'demo', 'laptop' or 'paper'; '' for the run's own, else 'demo'.
        data: 'demo', 'kaggle', a folder or a zip (relative to the working directory); '' for the
            run's own, else the profile's.
        run: a name for the results; '' for the profile's own.
        seeds: a count, a list of seeds, or text of either; '' for the run's own, else 1.
        overrides: settings as 'name=value name=value' or as a dictionary; those not named are the
            run's own, else the profile's.

    Raises:
        StudyError: a value, or the name of a setting, is wrong; the sentence says which.
    """
    given = check_parameters(profile=profile, data=data, run=run, seeds=seeds, overrides=overrides)
    overrides = given.overrides
    if profile and profile not in PROFILES:
        raise StudyError(f"unknown profile '{profile}': {nearest(profile, PROFILES)}")
    run = run or PROFILES[profile or "demo"].get("run", "paper")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", run):
        raise StudyError(f"run is '{run}': use letters, digits, '-', '_' and '.' only")
    if run in RESERVED:
        raise StudyError(f"run is '{run}', which is no name for a run here: give another")
    held = _held(run)
    if profile not in ("", held.get("profile")):
        held = {}  # another profile under the same name: nothing of the old one is meant
    profile = profile or held.get("profile", "demo")
    values: dict[str, Any] = {
        **PROFILES[profile],
        **_parse_overrides(held.get("overrides", "")),
        **_parse_overrides(overrides),
        "profile": profile,
        "run": run,
        "seeds": _parse_seeds(seeds if seeds != "" else held.get("seeds", 1)),
    }
    data = data or held.get("data", "")
    if data:
        named = data in ("demo", "kaggle")
        values["data"] = data if named else str(Path(data).expanduser().resolve())
    weights = values.get("vgg16_weights", "imagenet")
    if weights not in ("imagenet", "random"):
        values["vgg16_weights"] = str(Path(weights).expanduser().resolve())
    if other := values.get("other"):
        values["other"] = str(Path(other).expanduser().resolve())
    try:
        return Study(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise StudyError(f"setting '{name}' is {first['input']!r}: {first['msg']}") from error


def parameters_of(study: Study) -> dict[str, Any]:
    """The parameters that describe a study, as `load_study` takes them: JSON values."""
    return {
        "profile": study.profile,
        "data": study.data,
        "run": study.run,
        "seeds": list(study.seeds),
        "overrides": shlex.join(study.overrides()),
    }
