"""The registry: one small file in results/registry/ for each run that somebody handed in.

`Entry` is its schema. What follows from other numbers of the file is computed again when it is
read: metrics and Table 1 from the confusion counts, verdicts by our rule. So a slip, or a number
changed by hand, shows. That a run took place can't be checked here.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..common.errors import StudyError
from ..common.paths import ROOT, shown
from ..study.names import CLASSES, MODELS, SPLITS
from ..study.settings import Study
from .caveats import not_comparable
from .metrics import rates
from .table1 import RIGHT, from_counts

REGISTRY = ROOT / "results" / "registry"  # in the repository, wherever results go
MOST_BYTES = 20_000
TOLERANCE = 1e-9
RESAMPLED = 0.05  # of a half width: how far intervals that are resampled may differ by chance
LETTERS = "A-Za-z0-9 .,:()@+&-"  # of names: no slash, so no path and no link; no Markdown

Count = Annotated[int, Field(ge=0, le=2**31)]
Rate = Annotated[float, Field(ge=0, le=1)]
Words = Annotated[str, Field(pattern=f"^[{LETTERS}]{{1,100}}$")]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9.+-]{1,40}$")]
Revision = Annotated[str, Field(pattern=r"^([0-9a-f]{7,40}(-modified)?|none)$")]
Split = Literal["train", "valid", "test"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Machine(_Part):
    """What trained: the CPU's name, its cores, the GPUs' names."""

    processor: Words
    cores: Annotated[int, Field(ge=1)]
    gpus: list[Words]

    def __str__(self) -> str:
        if not self.gpus:
            return f"{self.processor}, {self.cores} cores"
        several = f"{len(self.gpus)} x " if len(self.gpus) > 1 else ""
        return several + " and ".join(dict.fromkeys(self.gpus))


class Network(_Part):
    """One trained network on the test images, at a threshold of 0.5.

    Attributes:
        revision: of the code that trained it, 'none' without git.
        seconds: its training took.
        best_epoch: the one whose weights were kept, from 1.
        tp, fn, fp, tn: of the positive class.
    """

    model: Literal["custom_cnn", "vgg16"]
    seed: Count
    revision: Revision
    seconds: Annotated[float, Field(ge=0)]
    best_epoch: Annotated[int, Field(ge=1)]
    tp: Count
    fn: Count
    fp: Count
    tn: Count
    accuracy: Rate
    precision: Rate
    recall: Rate
    f1: Rate

    @property
    def matrix(self) -> npt.NDArray[np.int64]:
        """[[TP, FN], [FP, TN]]."""
        return np.array([[self.tp, self.fn], [self.fp, self.tn]])


class Pair(_Part):
    """How many test images both networks of a seed, one, or neither got right."""

    seed: Count
    both: Count
    only_custom_cnn: Count
    only_vgg16: Count
    neither: Count


class Row(_Part):
    """One row of table1.csv, see `table1`; None where it is empty there."""

    metric: str
    model: str
    ours_mean: Rate
    ours_sd: Annotated[float, Field(ge=0)] | None
    ci_low: Rate
    ci_high: Rate
    paper: Rate
    verdict: str
    without_leaked: Rate | None
    predicted_low: float | None
    predicted_high: float | None


class Entry(_Part):
    """One run.

    Attributes:
        profile: where its settings came from.
        data: 'given' for a folder or zip of any name.
        paper_images: whether Kaggle's download gave the images, or all bear the names that the
            paper's data set has.
        generated: whether a program drew them.
        fingerprint: of the prepared images.
        counts: images by split and class.
        unreadable: images that were left out.
        leaked: test images with a duplicate in training or validation.
        settings, different: all settings; the names of those that aren't the paper's.
        versions, machines, revisions: of what computed it, each value once; machines trained.
        seconds: of all steps up to Table 1.
        networks, pairs, table1: what came out.
    """

    profile: Literal["demo", "laptop", "paper"]
    data: Literal["kaggle", "demo", "given"]
    paper_images: bool
    generated: bool
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    counts: dict[Split, dict[Literal["real", "fake"], Annotated[int, Field(ge=1)]]]
    unreadable: Count
    leaked: Count
    settings: dict[str, Any]
    different: list[str]
    seeds: Annotated[list[Count], Field(min_length=1)]
    versions: dict[Annotated[str, Field(pattern="^[a-z -]{1,40}$")], list[Version]]
    machines: Annotated[list[Machine], Field(min_length=1)]
    revisions: Annotated[list[Revision], Field(min_length=1)]
    seconds: Annotated[float, Field(ge=0)]
    networks: list[Network]
    pairs: list[Pair]
    table1: list[Row]

    @model_validator(mode="after")
    def _adds_up(self) -> "Entry":
        for contradiction in _contradictions(self):
            raise ValueError(contradiction)
        return self

    @property
    def study(self) -> Study:
        """The settings and seeds."""
        return Study(**{**self.settings, "profile": self.profile, "seeds": tuple(self.seeds)})

    @property
    def name(self) -> str:
        """The file's name without its suffix: the same for the same run, and for no other one.

        Table 1 computed again by newer code doesn't change it.
        """
        known_by = {"settings", "seeds", "versions", "machines", "networks"}
        content = json.dumps(self.model_dump(mode="json", include=known_by), sort_keys=True)
        digest = hashlib.sha256((self.fingerprint + content).encode()).hexdigest()
        return f"{self.profile}-{self.fingerprint[:8]}-{digest[:8]}"

    @property
    def trained_on(self) -> int:
        """How many images each network learned from."""
        share = self.study.training_share
        return sum(max(round(share * count), 1) for count in self.counts["train"].values())

    @property
    def reason(self) -> str:
        """Why the run gets no verdict; '' where it does."""
        return not_comparable(self.study, {"generated": self.generated, "counts": self.counts})


def _contradictions(entry: Entry) -> Iterator[str]:
    """What doesn't follow from the rest, each with its field."""
    yield from _wrong_settings(entry)
    test, positive, epochs = entry.counts["test"], entry.study.positive_class, entry.study.epochs
    if len(set(entry.seeds)) < len(entry.seeds):
        yield "seeds: one is there twice"
    trained = [(network.model, network.seed) for network in entry.networks]
    if trained != [(model, seed) for model in MODELS for seed in entry.seeds]:
        yield f"networks: there must be one of each model for each of the seeds {entry.seeds}"
    if [pair.seed for pair in entry.pairs] != entry.seeds:
        yield f"pairs: there must be one for each of the seeds {entry.seeds}"
    if entry.leaked > sum(test.values()):
        yield "leaked: more than there are test images"
    right: dict[tuple[str, int], int] = {}
    for number, network in enumerate(entry.networks):
        place, (tp, fn, fp, tn) = f"networks.{number}", network.matrix.ravel()
        if tp + fn != test[positive] or tp + fn + fp + tn != sum(test.values()):
            yield f"{place}: tp + fn and fp + tn aren't the test images of each class in counts"
        for metric, value in rates(tp, fn, fp, tn).items():
            if abs(getattr(network, metric) - value) > TOLERANCE:
                yield f"{place}.{metric}: its confusion counts give {value:.9f}"
        if network.best_epoch > epochs:
            yield f"{place}.best_epoch: the run had {epochs} epochs"
        right[network.model, network.seed] = int(tp + tn)
    for number, pair in enumerate(entry.pairs):
        sums = (pair.both + pair.only_custom_cnn, pair.both + pair.only_vgg16)
        whole = sum(getattr(pair, kind) for kind in RIGHT)
        if whole != sum(test.values()) or sums != tuple(right[m, pair.seed] for m in MODELS):
            yield f"pairs.{number}: doesn't agree with the confusion counts of both networks"
    yield from _wrong_rows(entry)


def _wrong_settings(entry: Entry) -> Iterator[str]:
    try:
        study = entry.study
    except ValidationError as error:
        first = error.errors()[0]
        yield f"settings.{'.'.join(map(str, first['loc']))}: {first['msg']}"
        return
    known = study.settings()
    for name, value in entry.settings.items():
        if known.get(name) != value:
            yield f"settings.{name}: {value!r} is not how this package writes it"
    if study.data != entry.data:
        yield f"settings.data: must be {entry.data}, as data is"
    if study.vgg16_weights != "imagenet":
        yield "settings.vgg16_weights: with random weights VGG16's numbers mean nothing"
    if entry.different != list(study.differences()["setting"]):
        yield "different: doesn't name the settings that differ from the paper's"
    if set(entry.counts) != set(SPLITS):
        yield f"counts: needs {', '.join(SPLITS)}"
    for split, counts in entry.counts.items():
        if set(counts) != set(CLASSES):
            yield f"counts.{split}: needs {' and '.join(CLASSES)}"
        if max(counts.values()) > (study.images_per_class or math.inf):
            yield f"counts.{split}: more than images_per_class allows"
    if entry.data == "demo" and not entry.generated:
        yield "generated: the demo's images are"


def _wrong_rows(entry: Entry) -> Iterator[str]:
    """Where Table 1 isn't what the confusion counts give."""
    matrices = {m: [net.matrix for net in entry.networks if net.model == m] for m in MODELS}
    expected = from_counts(matrices, entry.reason).to_dict("records")
    if len(entry.table1) != len(expected):
        yield f"table1: needs {len(expected)} rows"
    for number, (row, right) in enumerate(zip(entry.table1, expected, strict=False)):
        for name, value in right.items():
            given = getattr(row, str(name))
            resampled = str(name).startswith("ci_") and row.metric != "accuracy"
            slack = RESAMPLED * (right["ci_high"] - right["ci_low"]) / 2 if resampled else TOLERANCE
            empty = isinstance(value, float) and math.isnan(value)
            if isinstance(value, float) and not empty and given is not None:
                agrees = abs(given - value) <= slack
            else:
                agrees = given == (None if empty else value)
            if not agrees:
                yield f"table1.{number}.{name}: is {given}, and must be {None if empty else value}"
        if (row.without_leaked is None) != (entry.leaked == 0):
            yield f"table1.{number}.without_leaked: is there only where test images leaked"


def read_entry(path: Path) -> Entry:
    """One file of the registry, with all that can be checked.

    Raises:
        StudyError: it isn't what `collect` leaves; the sentence names the file and the field.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise StudyError(f"{shown(path)}: larger than {MOST_BYTES:,} bytes")
        entry = Entry.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise StudyError(f"{shown(path)}: {first_fault(error)}") from error
    if path.name != f"{entry.name}.json":
        raise StudyError(f"{shown(path)}: its content asks for the name {entry.name}.json")
    return entry


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong, with its field."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"].removeprefix("Value error, ")


def registry() -> list[Entry]:
    """All entries, in the order of their names; raises as `read_entry`."""
    return [read_entry(path) for path in sorted(REGISTRY.glob("*.json"))]
