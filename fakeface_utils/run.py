"""A run: the parameters that describe a study, and what a run's name already holds.

What is left empty comes from the run of that name where there is one, else from the profile. A name
belongs to one study: other settings or other images under it are refused, and nothing is touched.
"""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model

from .data import about, dataset, source_digest
from .digests import Look
from .extension import extensions, options
from .settings import IMAGENET_SHA256, PARAMETERS, PROFILES, Study, as_typed
from .step import read_file
from .trained import predict
from .util import (
    StudyError,
    ask_for_determinism,
    check_writable,
    home,
    lock,
    nearest,
    replacing,
    shown,
)


def load_study(
    profile: str = "",
    data: str = "",
    run: str = "",
    seeds: Any = "",
    overrides: str | Mapping[str, Any] = "",
) -> Study:
    """The study that the parameters of a notebook or command describe.

    Seeds are a count, a list, or text of either; overrides are 'name=value name=value', or a
    dictionary. What is wrong, a value or a name, is a `StudyError` that says which.
    """
    if isinstance(run, float | bool):  # so papermill's -p reads 1e3 and true
        raise StudyError(f"run is the value {run}, not a name: to papermill give it as -r run NAME")
    profile, data, run = (str(value or "") for value in (profile, data, run))
    if profile and profile not in PROFILES:
        raise StudyError(f"unknown profile '{profile}': {nearest(profile, PROFILES)}")
    run = run or PROFILES[profile or "demo"]["run"]
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,99}", run):
        raise StudyError(f"run is '{run}': use letters, digits, '-', '_' and '.', at most 100")
    if run.lower() in ("bench", "examples", *extensions()):  # folders of results/ that are no run's
        raise StudyError(f"run is '{run}', which is no name for a run here: give another")
    held = _remembered(run)
    if profile not in ("", held.get("profile")):
        held = {}  # another profile under the same name: nothing of the old one is meant
    profile = profile or held.get("profile", "demo")
    given = _parse_overrides(overrides)
    if data:
        given["data"] = data
    if seeds not in ("", None):
        given["seeds"] = seeds
    fields = options(profile)
    chosen = {n: v for n, v in (held.pop("options", {}) | given).items() if n in fields}
    values = PROFILES[profile] | held | {n: v for n, v in given.items() if n not in fields}
    values |= {"profile": profile, "run": run}
    try:
        values["options"] = create_model("Options", **fields)(**chosen).model_dump()
        return Study(**values)
    except ValidationError as error:
        wrong = error.errors()[0]
        name, words = wrong["loc"][0], wrong["msg"].removeprefix("Value error, ")
        raise StudyError(f"setting '{name}' is {wrong['input']!r}: {words}") from error


def _parse_overrides(overrides: str | Mapping[str, Any]) -> dict[str, Any]:
    """'epochs=2 images_per_class=500', or a dictionary, as values by known name.

    Blanks around '=' and commas between settings are taken as meant.
    """
    if isinstance(overrides, Mapping):
        values = {str(name): value for name, value in overrides.items()}
    else:
        lexer = shlex.shlex(str(overrides or ""), posix=True, punctuation_chars="=")
        lexer.whitespace_split, lexer.commenters = True, ""
        try:
            words = [word for word in lexer if word != ","]
        except ValueError as error:  # a quote without its other
            raise StudyError(f"overrides is {overrides!r}: {error}") from error
        if len(words) % 3 or {*words[1::3]} - {"="}:
            form = "give settings as epochs=2 dropout=0, in quotes what has blanks"
            raise StudyError(f"overrides is {overrides!r}: {form}")
        values = {n: v.removesuffix(",") for n, v in zip(words[::3], words[2::3], strict=True)}
    known = {*Study.model_fields, *options("demo")} - {*PARAMETERS, "options"}
    for name, value in values.items():
        if name in PARAMETERS:
            raise StudyError(f"'{name}' is a parameter of its own, not an override: {name}={value}")
        if name not in known:
            raise StudyError(f"unknown setting '{name}' in overrides: {nearest(name, known)}")
    return values


def parameters_of(study: Study) -> dict[str, Any]:
    """The parameters that describe a study, as `load_study` takes them: JSON values."""
    usual = {name: default for name, (_, default) in options(study.profile).items()}
    changed = {n: v for n, v in study.options.items() if n in usual and v != usual[n]}
    words = [f"{n}={shlex.quote(as_typed(v))}" for n, v in (study.overrides() | changed).items()]
    given = {"profile": study.profile, "data": study.data, "run": study.run}
    return given | {"seeds": list(study.seeds), "overrides": " ".join(words)}


def command(study: Study) -> str:
    """The command that runs this study again; a folder's path is left to the reader."""
    data = "PATH" if Path(study.data).is_absolute() else study.data
    seeds = ",".join(map(str, study.seeds)) + ("," if len(study.seeds) == 1 else "")
    words = f"make report PROFILE={study.profile} DATA={data} RUN={study.run} SEEDS={seeds}"
    changed = study.model_copy(update=study.of("vgg16_weights", "leave_out")).overrides()
    given = " ".join(f"{name}={as_typed(value)}" for name, value in changed.items())
    return words + (f" SET='{given}'" if given else "")


# What a run's name holds. `.parameters.json` is what it was last opened with, paths included, and
# stays on this machine; `study.json` is the record of it that may be passed on.


def _remembered(run: str) -> dict[str, Any]:
    """The study that a run was last opened with; empty where the run is new."""
    path = home("results") / run / ".parameters.json"
    if not path.exists():
        return {}
    try:
        study = read_file(path)["study"]
        return Study(**{n: v for n, v in study.items() if n in Study.model_fields}).model_dump()
    except (StudyError, ValidationError, KeyError, AttributeError) as error:
        raise StudyError(
            f"{shown(path)} is damaged: delete it and give the parameters again"
        ) from error


def check_run(study: Study) -> None:
    """Refuse a run's name that holds other settings or other images."""
    parameters, record = study.results / ".parameters.json", study.results / "study.json"
    held = read_file(record) if record.exists() else {}
    if not held and parameters.exists():  # it counts where something was computed
        markers = [path for path in study.results.rglob(".*.json") if path != parameters]
        held = read_file(parameters) if markers else {}
    here = study.deciding()
    there = Study().deciding() | held.get("settings", here)  # a newer setting had its default
    refusal = f"run '{study.run}' holds another study: "
    for name, value in here.items():
        if there[name] != value:
            raise StudyError(
                f"{refusal}{name} is {as_typed(there[name])} there and {as_typed(value)} here. "
                f"Give a new name as run to try this, or leave {name} out to continue the run"
            )
    known = held.get("source")
    if known and source_digest(study) not in ("missing", known):
        raise StudyError(
            f"{refusal}the images of '{study.data_name}' have changed since. Give a new name as "
            "run, or delete the run's folders under results/ and figures/"
        )


def claim_run(study: Study) -> None:
    """Open a run: refuse a name that belongs to another study, and keep the parameters.

    Raises:
        StudyError: as `check_run`, or a folder can't be written, or Keras has computed too early.
    """
    if study.deterministic:
        ask_for_determinism()
    check_writable(study.results.parent, study.figures.parent)
    with lock(home("results") / f".{study.run}.lock", f"opening run '{study.run}'"):
        check_run(study)
        held = {"settings": study.deciding(), "source": source_digest(study)}
        files: dict[str, Any] = {
            ".parameters.json": held | {"study": study.model_dump(mode="json")}
        }
        if not dataset.of(study).why_not_done():
            given = {"profile": study.profile, "seeds": list(study.seeds), "dataset": about(study)}
            weights = "random" if study.vgg16_weights == "random" else IMAGENET_SHA256
            files["study.json"] = given | held | {"weights_sha256": weights}
        for name, content in files.items():
            with replacing(study.results / name) as part:
                part.write_text(json.dumps(content, indent=1), encoding="utf-8")


def open_finished(run: str, seed: int | None = None, code: bool = True, model: str = "") -> Study:
    """A finished run as it was last opened, or one seed or network of it; nothing is written.

    Without `code`, for whoever reads results alone, code that was edited since is only told.

    Raises:
        StudyError: it isn't trained and tested with every network, or with the named one, or isn't
            up to date.
    """
    study, look = load_study(run=run, seeds="" if seed is None else [seed]), Look()
    if model not in ("", *study.models):
        raise StudyError(f"unknown model '{model}': {nearest(model, study.models)}")
    if not (study.results / "study.json").exists():
        there = sorted(path.parent.name for path in home("results").glob("*/study.json"))
        raise StudyError(
            f"there is no trained run '{run}' (there are: {', '.join(there) or 'none'}): train it "
            f"with make report RUN={run}"
        )
    check_run(study)
    tasks = predict.all(study, **({"model": model} if model else {}))
    for task in tasks:
        if why := task.why_stale(look, code):
            seeds = ",".join(map(str, study.seeds)) + ","
            raise StudyError(f"{why}: run make report RUN={run} SEEDS={seeds}")
    if why := next(filter(None, (task.why_stale(look) for task in tasks)), ""):
        print(f"warning: {why} since; here run '{run}' is taken as it was made")
    return study
