"""The parameters of every notebook and command, and the study they describe.

What is left empty is taken from the run of that name where there is one, else from the profile.
"""

import difflib
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..common.errors import StudyError
from .artefacts import read_parameters
from .settings import PARAMETERS, PROFILES, Study

RESERVED = ("bench", "examples", "registry")  # names under results/ that are no run's


def _nearest(name: str, names: Mapping[str, Any] | list[str]) -> str:
    """The end of a message about an unknown name."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean '{close[0]}'?" if close else "there are: " + ", ".join(sorted(names))


def _parse_seeds(seeds: Any) -> list[int]:
    """A count, a list, or text of either ('3', '0,4,7') as the list of seeds."""
    try:
        if isinstance(seeds, str):
            parts = [int(part) for part in seeds.split(",") if part.strip()]
            seeds = parts if "," in seeds else parts[0]
        chosen = list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    except (ValueError, TypeError, IndexError):
        chosen = []
    if not chosen or min(chosen) < 0 or len(set(chosen)) < len(chosen):
        raise StudyError(
            f"seeds is {seeds!r}: give a count from 1 up, or different numbers from 0 up, as 0,4,7"
        )
    return chosen


def _parse_overrides(overrides: str | Mapping[str, Any]) -> dict[str, Any]:
    """'epochs=2 images_per_class=500', or a dictionary, as a dictionary of known settings."""
    known = [name for name in Study.model_fields if name not in PARAMETERS]
    values: dict[str, Any] = {}
    if isinstance(overrides, Mapping):
        values = dict(overrides)
    else:
        try:
            words = shlex.split(overrides)
        except ValueError as error:
            raise StudyError(f"overrides is {overrides!r}: {error}") from error
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or not value:
                raise StudyError(f"'{word}' in overrides is not of the form setting=value")
            values[name] = value
    for name, value in values.items():
        if name in PARAMETERS:
            raise StudyError(f"'{name}' is a parameter of its own, not an override: {name}={value}")
        if name not in known:
            raise StudyError(f"unknown setting '{name}' in overrides: {_nearest(name, known)}")
    return values


def load_study(
    profile: str = "",
    data: str = "",
    run: str = "",
    seeds: Any = "",
    overrides: str | Mapping[str, Any] = "",
) -> Study:
    """The study that the parameters of a notebook or command describe.

    Args:
        profile: 'demo' or 'paper'; '' for the run's own, else 'demo'.
        data: 'demo', 'kaggle', a folder or a zip (relative to the working directory); '' for the
            run's own, else the profile's.
        run: a name for the results; '' for the profile's own.
        seeds: a count, a list of seeds, or text of either; '' for the run's own, else 1.
        overrides: settings as 'name=value name=value' or as a dictionary; those not named are the
            run's own, else the profile's.

    Raises:
        StudyError: a value, or the name of a setting, is wrong; the sentence says which.
    """
    if profile and profile not in PROFILES:
        raise StudyError(f"unknown profile '{profile}': {_nearest(profile, PROFILES)}")
    run = run or PROFILES[profile or "demo"].get("run", "paper")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", run):
        raise StudyError(f"run is '{run}': use letters, digits, '-', '_' and '.' only")
    if run in RESERVED:
        raise StudyError(f"run is '{run}', which is no name for a run here: give another")
    held = read_parameters(run)
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
