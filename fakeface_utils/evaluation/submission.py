"""A finished run as the registry keeps it: numbers, settings and versions.

No path, no name of a person, a machine or an image: of the data's name only what kind it is.
"""

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..common.errors import StudyError
from ..common.files import write_atomic
from ..common.paths import PACKAGE
from ..study.artefacts import (
    read_audit,
    read_dataset,
    read_history,
    read_manifest,
    read_predictions,
    read_table1,
    study_json,
)
from ..study.names import SPLITS
from ..study.plan import chain_steps
from ..study.settings import Study
from ..study.step import Digests, Step
from . import registry
from .ablations import kept_epoch
from .metrics import confusion, rates
from .registry import LETTERS, MOST_BYTES, Entry, first_fault
from .table1 import RIGHT, seed_by_seed

NOTEBOOKS = ("01_dataset", "02_custom_cnn", "03_vgg16_transfer", "04_evaluate")
PAPER_NAME = r"(.*/)?{split}/(real/\d{{5}}|fake/[0-9A-Z]{{10}})\.jpg"  # as Kaggle's archive has it


def collect(study: Study) -> Entry:
    """A finished run as the registry keeps it.

    Raises:
        StudyError: a step of notebooks 01 to 04 isn't done or not up to date, or VGG16 has random
            weights.
    """
    again = f"run fakeface report --run {study.run}"
    if not study_json(study.run).exists():
        raise StudyError(f"there is no run '{study.run}': {again} to make it")
    if study.vgg16_weights == "random":
        raise StudyError(f"run '{study.run}' has random VGG16 weights: its numbers mean nothing")
    notebooks, known = chain_steps(study), Digests()
    steps = [step for name in NOTEBOOKS for step in notebooks[name]]
    for step in steps:
        if why := step.why_not_done(known):
            made_by = (step.cost() or {"computed": {}})["computed"].get("git")
            if made_by and why.startswith(f"{PACKAGE.name}/"):  # hours of training may be at stake
                again = f"submit from revision {made_by}, which did this step, or {again}"
            raise StudyError(
                f"run '{study.run}' is not up to date: {why}; {again}, then submit again"
            )
    dataset = read_dataset(study)
    data = study.data if study.data in ("kaggle", "demo") else "given"
    costs = {step.name: step.cost() or {} for step in steps}
    computed = [cost["computed"] for cost in costs.values()]
    trained = [step for step in steps if step.kind == "train"]
    versions: dict[str, list[str]] = {}
    for name, version in (item for about in computed for item in about["versions"].items()):
        versions[name] = _each_once([*versions.get(name, []), version])
    table = read_table1(study).astype(object)
    content = {
        "profile": study.profile,
        "data": data,
        "paper_images": study.data == "kaggle" or _named_as_the_papers(study),
        "generated": dataset["generated"],
        "fingerprint": dataset["fingerprint"],
        "counts": dataset["counts"],
        "unreadable": len(dataset["unreadable"]),
        "leaked": len(read_audit(study)["leaked"]),
        "settings": study.settings() | {"data": data},
        "different": list(study.model_copy(update={"data": data}).differences()["setting"]),
        "seeds": list(study.seeds),
        "versions": versions,
        "machines": _each_once(
            [_machine(costs[step.name]["computed"]["hardware"]) for step in trained]
        ),
        "revisions": _each_once([about["git"] or "none" for about in computed]),
        "seconds": round(sum(cost["seconds"] for cost in costs.values()), 3),
        "networks": [_network(step, costs[step.name]) for step in trained],
        "pairs": seed_by_seed(study)[["seed", *RIGHT]].to_dict("records"),
        "table1": table.where(table.notna(), None).to_dict("records"),
    }
    try:
        return Entry.model_validate(content)
    except ValidationError as error:
        raise StudyError(f"run '{study.run}' can't be submitted: {first_fault(error)}") from error


def keep(entry: Entry) -> Path:
    """Write an entry into the registry, and return its file.

    Raises:
        StudyError: it would be larger than `MOST_BYTES`, or it can't be written.
    """
    text = entry.model_dump_json(indent=1) + "\n"
    if len(text) > MOST_BYTES:
        raise StudyError(
            f"{len(entry.seeds)} seeds make more than {MOST_BYTES:,} bytes: take fewer, as "
            "fakeface report --seeds 10, then submit"
        )
    path = registry.REGISTRY / f"{entry.name}.json"
    with write_atomic(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def _each_once(values: list[Any]) -> list[Any]:
    return [value for number, value in enumerate(values) if value not in values[:number]]


def _machine(hardware: dict[str, Any]) -> dict[str, Any]:
    names = [
        re.sub(f"[^{LETTERS}]", " ", name)[:100].strip() or "unknown"
        for name in (hardware["processor"], *hardware["gpus"])
    ]
    return {"processor": names[0], "cores": hardware["cores"] or 1, "gpus": names[1:]}


def _network(step: Step, cost: dict[str, Any]) -> dict[str, Any]:
    assert step.seed is not None
    study = step.study
    table = read_predictions(study, step.model, step.seed)
    cells = confusion(table["label"], table["p_fake"], study.positive_class).ravel().tolist()
    best = kept_epoch(read_history(study, step.model, step.seed), study.best_weights)
    return {
        "model": step.model,
        "seed": step.seed,
        "revision": cost["computed"]["git"] or "none",
        "seconds": cost["seconds"],
        "best_epoch": int(best["epoch"]),
        **dict(zip(("tp", "fn", "fp", "tn"), cells, strict=True)),
        **{metric: float(value) for metric, value in rates(*cells).items()},
    }


def _named_as_the_papers(study: Study) -> bool:
    return all(
        read_manifest(study, split)["path"].str.fullmatch(PAPER_NAME.format(split=split)).all()
        for split in SPLITS
    )
