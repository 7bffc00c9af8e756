"""One trained network as the judge of a person's own images: what it learned, what it answers."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.errors import StudyError
from ..common.paths import escaped, results_dir, shown
from ..study.artefacts import calibration_json, model_file, read_json, read_study_json, study_json
from ..study.names import MODELS, TITLES
from ..study.parameters import load_study
from ..study.plan import predict_step, train_step
from ..study.settings import Study
from .calibration import ERRORS, tempered, word

NO_PROOF = (
    "No proof: the network knows one generator and images like those it learned from, and no "
    "answer is evidence about a person."
)
NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Answer:
    """What is known of one file; the fields are the CSV's columns, None and '' are empty there.

    Attributes:
        file: its path, with control characters escaped.
        p_fake: 0 to 1, with the temperature that was fitted on validation images.
        p_fake_raw: the network's output.
        word: 'fake', 'real', 'unsure', or 'no answer' where a network of drawings is shown
            something else; '' where the file can't be read.
        stability: the share of re-savings that got the same word, see `dataset.given.resaved`.
        width, height: of the image as it stands upright.
        notes: what makes the answer mean less, or why there is none.
    """

    file: str
    p_fake: float | None = None
    p_fake_raw: float | None = None
    word: str = ""
    stability: float | None = None
    width: int | None = None
    height: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judge:
    """One trained network.

    Attributes:
        run, model, seed: which one.
        data, images: the name and number of the images that it learned from.
        generated: whether they were drawn by the demo's generator.
        size: pixels a side of its input.
        resize_filter: how they were resized.
        temperature, accused, missed: see `calibration`; the limits are of the raw output.
    """

    run: str
    model: str
    seed: int
    data: str
    images: int
    generated: bool
    size: int
    resize_filter: str
    temperature: float
    accused: float
    missed: float

    def about(self) -> dict[str, Any]:
        """Which network it is and what its answers mean, as JSON values."""
        what = "generated portraits" if self.generated else f"images of {escaped(self.data)}"
        return {
            "run": self.run,
            "model": self.model,
            "seed": self.seed,
            "learned_from": f"{self.images:,} {what} at {self.size} px",
            "temperature": self.temperature,
            "fake_above": float(tempered(self.accused, self.temperature)),
            "real_below": float(tempered(self.missed, self.temperature)),
            "no_proof": NO_PROOF,
        }

    def header(self) -> str:
        """Three lines: which network, that it proves nothing, and what its words mean."""
        about = self.about()
        between = "" if self.accused == self.missed else ", between them unsure"
        return (
            f"run {self.run}, {TITLES[self.model]} seed {self.seed}: learned from "
            f"{about['learned_from']}\n{NO_PROOF}\n"
            f"fake above {about['fake_above']:.3f}, real below {about['real_below']:.3f}{between}: "
            f"at most {100 * ERRORS:.0f} % of its validation reals lie above, of its fakes below "
            f"(p(fake) with the temperature {self.temperature:.2f})"
        )

    def answer(self, path: Path, outputs: Sequence[float], about: dict[str, Any]) -> Answer:
        """The answer to one file.

        Args:
            path: the file.
            outputs: of the image and, if they were asked for, of its re-savings, 0 to 1; none
                where it can't be read.
            about: what `dataset.decode.open_rgb` tells of it; 'why' where it can't be read.
        """
        name = escaped(str(path))
        if not outputs:
            return Answer(name, notes=(f"it can't be read as an image ({about['why']})",))
        width, height = about["width"], about["height"]
        notes = []
        if width != height:
            notes.append("not square: squeezed into a square")
        if min(width, height) < self.size:
            notes.append(f"smaller than the network's {self.size} pixels: enlarged")
        if self.generated and not about["generated"]:
            notes.append("not drawn by the demo, and this network learned from its drawings only")
        if about["generated"] and not self.generated:
            notes.append("drawn by the demo, and this network learned from photographs")
        words = [word(p_fake, self.accused, self.missed) for p_fake in outputs]
        foreign = self.generated and not about["generated"]
        same = [one == words[0] for one in words[1:]]
        return Answer(
            name,
            float(tempered(outputs[0], self.temperature)),
            outputs[0],
            NO_ANSWER if foreign else words[0],
            sum(same) / len(same) if same and not foreign else None,
            width,
            height,
            tuple(notes),
        )


def judge(run: str, model: str, seed: int | None = None) -> Judge:
    """The judge that a person names; everything that can be checked without Keras is.

    Args:
        run, model: whose network.
        seed: None for 0 or, in a run without it, for the run's first.

    Raises:
        StudyError: there is no such run, model or seed, a file of it is damaged or another's, or it
            isn't calibrated.
    """
    if model not in MODELS:
        raise StudyError(f"unknown model '{model}': there are {' and '.join(MODELS)}")
    study = load_study(run=run, seeds="" if seed is None else [seed])
    record = read_study_json(run)
    if not record:
        trained = sorted(path.parent.name for path in results_dir("").glob("*/study.json"))
        raise StudyError(
            f"there is no trained run '{run}' (there are: {', '.join(trained) or 'none'}): train "
            f"it with fakeface report --run {run}"
        )
    try:
        settings, dataset = record["settings"], record["dataset"]
        of_images = {name: settings[name] for name in ("image_size", "resize_filter")}
        valid = Study(**of_images)
        learned: Any = {
            "data": str(dataset["name"]),
            "images": sum(dataset["counts"]["train"].values()),
            "generated": bool(dataset["generated"]),
            "size": valid.image_size,
            "resize_filter": valid.resize_filter,
        }
        seeds = [int(one) for one in record["seeds"]]
        if seed is None:
            seed = 0 if 0 in seeds else seeds[0]
        seeds = sorted({*seeds, seed})
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise StudyError(
            f"{shown(study_json(run))} is damaged: delete it and run fakeface report --run {run} "
            "again"
        ) from error
    train = f"fakeface report --run {run} --seeds {_as_option(seeds)}"
    saved = model_file(run, model, seed)
    if not os.path.isfile(saved):
        raise StudyError(f"{shown(saved)} is missing: train it with {train}")
    if train_step(study, model, seed).disowns(saved):
        raise StudyError(
            f"{shown(saved)} is not what run '{run}' trained: delete it and run {train}"
        )
    if predict_step(study, model, seed).disowns(saved):
        raise StudyError(f"run '{run}' was trained again and not evaluated since: run {train}")
    try:
        measured = read_json(calibration_json(study))[model][str(seed)]
        limits: Any = {name: float(measured[name]) for name in ("temperature", "accused", "missed")}
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise StudyError(
            f"{shown(calibration_json(study))} does not have {model} seed {seed}, so that p(fake) "
            f"can't be judged: run {train} again"
        ) from error
    return Judge(run, model, seed, **learned, **limits)


def _as_option(seeds: list[int]) -> str:
    """Seeds as `--seeds` takes them: a count where they are the first ones."""
    if seeds == list(range(len(seeds))):
        return str(len(seeds))
    return ",".join(map(str, seeds)) + "," * (len(seeds) == 1)
