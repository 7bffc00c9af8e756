"""Can people tell? The images of a quiz, and what the answers of a class say together."""

import hashlib
import io
import itertools
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from ..common.errors import StudyError
from ..common.files import write_csv, write_json
from ..common.paths import escaped
from ..study.artefacts import read_manifest, read_predictions
from ..study.beyond_artefacts import quiz_answers_csv, quiz_json, read_quiz_json
from ..study.names import CLASSES, MODELS, TITLES
from ..study.quiz import compared_seed, quiz_step
from ..study.settings import Study

ASKED = 20  # half of them fake, which the page doesn't say before its end
LARGEST_SIDE = 512  # pixels a side at most: a phone shows no more, and the page stays small
COLUMNS = ("quiz", "round", "item", "image", "answer", "sure", "ms")  # of a person's file
SURE = {1: "guessing", 2: "fairly sure", 3: "sure"}
DRAWS = 2000
LARGEST_FILE = 100_000  # bytes; a person's answers have about 4,000

HYPE = "HYPE, Zhou et al. 2019 (arXiv 1904.01121)"
NIGHTINGALE = "Nightingale & Farid 2022"
PUBLISHED = (  # the study, the faces that its people saw, and the share they got right
    (HYPE, "StyleGAN on FFHQ, with truncation", 1 - 0.276),
    (HYPE, "StyleGAN on FFHQ, without truncation", 1 - 0.19),
    (NIGHTINGALE, "StyleGAN2", 0.482),
    (NIGHTINGALE, "StyleGAN2, people trained before", 0.59),
)


class Answers(NamedTuple):
    """Complete answers of some people.

    Attributes:
        fake: (people, 2 rounds, images) bool, whether they said fake.
        sure: of the same shape, 1 to 3.
        refused: files that don't count, and why.
    """

    fake: npt.NDArray[np.bool_]
    sure: npt.NDArray[np.int64]
    refused: dict[str, str]


def drawn(study: Study, seed: int) -> pd.DataFrame:
    """The test images that a quiz asks about, in the order of its first round.

    Images that are there twice aren't drawn: an answer would belong to both.

    Returns:
        place (row of the test array), path, label, sha256, width, height, and second (the row that
        round 2 shows at this place).

    Raises:
        StudyError: there are too few test images.
    """
    manifest = read_manifest(study, "test")
    single = manifest.assign(place=range(len(manifest))).drop_duplicates("sha256", keep=False)
    rng = np.random.default_rng(seed)
    halves = []
    for label, kind in enumerate(CLASSES):
        members = single[single["label"] == label]
        if len(members) < ASKED // 2:
            raise StudyError(
                f"a quiz needs {ASKED // 2} different {kind} test images and {study.data_name} has "
                f"{len(members)}: give more images"
            )
        halves.append(members.iloc[rng.permutation(len(members))[: ASKED // 2]])
    images = pd.concat(halves).iloc[rng.permutation(ASKED)].reset_index(drop=True)
    columns = ["place", "path", "label", "sha256", "width", "height"]
    return images[columns].assign(second=rng.permutation(ASKED))


def quiz_name(study: Study, images: pd.DataFrame) -> str:
    """By what a quiz is known: a digest of its images and of the pixels that round 1 shows."""
    parts = [study.image_size, study.resize_filter, sorted(images["sha256"])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def stored_side(images: pd.DataFrame) -> int:
    """Pixels a side in round 2: as stored; where sizes differ the smallest, since they may tell."""
    return min(int(images[["width", "height"]].min(axis=None)), LARGEST_SIDE)


def networks_answers(study: Study, images: pd.DataFrame) -> pd.DataFrame:
    """p_fake of the compared seed's networks for the images of a quiz, a column per model."""
    seed = compared_seed(study)
    tables = {m: read_predictions(study, m, seed).set_index("path")["p_fake"] for m in MODELS}
    return pd.DataFrame({m: table[images["path"]].to_numpy() for m, table in tables.items()})


def read_answers(folder: Path, quiz: str, images: pd.DataFrame) -> Answers:
    """The answers of everyone whose file lies in a folder, at any depth.

    Args:
        folder: the class's files.
        quiz, images: see `quiz_name` and `drawn`.

    Raises:
        StudyError: there is no such folder, or no file of this quiz in it.
    """
    if not folder.is_dir():
        raise StudyError(f"there is no folder {folder}: put the files that people saved into one")
    people: dict[bytes, tuple[str, pd.DataFrame]] = {}
    refused = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        try:
            if path.suffix.lower() != ".csv":
                raise ValueError("not a CSV file")
            if path.stat().st_size > LARGEST_FILE:
                raise ValueError("too large for a person's answers")
            raw = path.read_bytes()
            if raw in people:
                raise ValueError(f"the same as {people[raw][0]}")
            people[raw] = name, _one_persons(raw, quiz, images)
        except (OSError, ValueError) as error:
            refused[escaped(name)] = escaped(str(error).partition("\n")[0])
    if not people:
        first = "; ".join(f"{name} ({why})" for name, why in list(refused.items())[:5])
        more = f"; and {len(refused) - 5} more" if len(refused) > 5 else ""
        raise StudyError(
            f"no file in {folder} answers quiz {quiz}: {first or 'it is empty'}{more}. Give the "
            "--run and the --seed that the quiz was made with"
        )
    tables = [table for _, table in people.values()]
    shape = (len(people), 2, len(images))
    fake = np.array([table["answer"] == "fake" for table in tables]).reshape(shape)
    sure = np.array([table["sure"].astype(int) for table in tables]).reshape(shape)
    return Answers(fake, sure, refused)


def _one_persons(raw: bytes, quiz: str, images: pd.DataFrame) -> pd.DataFrame:
    """One person's answers, a row per round and image, in the order of `images`.

    Raises:
        ValueError: they aren't whole, or are of another quiz.
    """
    table = pd.read_csv(io.BytesIO(raw), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if sorted(table.columns) != sorted(COLUMNS):
        raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
    if others := sorted(set(table["quiz"]) - {quiz}):
        raise ValueError(f"of another quiz ({', '.join(others)[:60]}, not {quiz})")
    asked = list(itertools.product(("1", "2"), images["sha256"]))
    if sorted(zip(table["round"], table["image"], strict=True)) != sorted(asked):
        raise ValueError(f"not one answer for each of {len(images)} images in both rounds")
    if not table["answer"].isin(CLASSES).all():
        raise ValueError("an answer is neither real nor fake")
    if not table["sure"].isin([str(step) for step in SURE]).all():
        raise ValueError("how sure is not 1, 2 or 3 everywhere")
    return table.set_index(["round", "image"]).loc[asked]


def two_way_interval(
    right: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """The 95 % interval of the accuracy of people like these on images like these.

    Both are drawn again with replacement, people and, within each class, images (the quiz has half
    of each by design); the ends are percentiles of `DRAWS` such draws. One person gives no spread
    over people: the interval then is about that person. In 3,600 simulated quizzes for each number
    of people (accuracy 0.50 to 0.77; images, people and their leaning to 'fake' differing not at
    all to much) it contained the true accuracy in 87 to 100 % with 2 people, 93 to 100 % with 5, 10
    or 30, by how much they differ: rather too wide than too narrow.

    Args:
        right: (people, images).
        labels: (images,), 1 is fake.
    """
    rng = np.random.default_rng(0)
    people, count = right.shape
    by_person = rng.multinomial(people, np.full(people, 1 / people), DRAWS)
    by_image = np.zeros((DRAWS, count), dtype=np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        shares = np.full(len(members), 1 / len(members))
        by_image[:, members] = rng.multinomial(len(members), shares, DRAWS)
    accuracies = ((by_person @ right) * by_image).sum(axis=1) / (people * count)
    low, high = np.quantile(accuracies, (0.025, 0.975))
    return float(low), float(high)


def pool(study: Study, folder: Path, seed: int) -> dict[str, Any]:
    """Put a class's answers together; write quiz.json and quiz_answers.csv.

    Returns:
        quiz (its name), seed, people, refused (why, by file) and rounds, see `_round`.

    Raises:
        StudyError: the networks' answers aren't up to date, or no file is of this quiz.
    """
    quiz_step(study, seed).check_inputs()
    images = drawn(study, seed)
    quiz = quiz_name(study, images)
    answers = read_answers(folder, quiz, images)
    labels, networks = images["label"].to_numpy(), networks_answers(study, images)
    sides = (study.image_size, stored_side(images))
    rounds, tables = {}, []
    for number, side in enumerate(sides):
        fake, sure = answers.fake[:, number], answers.sure[:, number]
        rounds[str(number + 1)] = {"pixels": side} | _round(fake, sure, labels, networks)
        columns = {"called_fake": fake.mean(axis=0), "accuracy": (fake == labels).mean(axis=0)}
        table = images[["sha256", "path", "label"]].rename(columns={"sha256": "image"})
        table = table.assign(**columns, **networks).sort_values("accuracy", kind="stable")
        table.insert(0, "round", number + 1)
        tables.append(table)
    pooled = {
        "quiz": quiz,
        "seed": seed,
        "people": len(answers.fake),
        "refused": answers.refused,
        "rounds": rounds,
    }
    write_csv(quiz_answers_csv(study), pd.concat(tables))
    write_json(quiz_json(study), pooled)
    return pooled


def _round(
    fake: npt.NDArray[np.bool_],
    sure: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    networks: pd.DataFrame,
) -> dict[str, Any]:
    """One round of all people.

    Returns:
        accuracy, low and high (see `two_way_interval`); called_fake, a share; majority, the
        accuracy of the class's vote, a tie counting half; by_sure (answers and accuracy by step);
        networks (by model: accuracy, same, the share of people's answers equal to its own, and
        Cohen's kappa, None where all answers are one).
    """
    right = fake == labels
    low, high = two_way_interval(right, labels)
    share = fake.mean(axis=0)
    majority = np.where(share == 0.5, 0.5, (share > 0.5) == labels)
    by_sure = {
        str(step): {
            "answers": int((sure == step).sum()),
            "accuracy": float(right[sure == step].mean()) if (sure == step).any() else None,
        }
        for step in SURE
    }
    by_model = {}
    for model in MODELS:
        called = (networks[model] >= 0.5).to_numpy()
        both = np.broadcast_to(called, fake.shape)
        kappa = float("nan")
        if len(np.unique([fake, both])) > 1:
            kappa = float(cohen_kappa_score(fake.ravel(), both.ravel()))
        by_model[model] = {
            "accuracy": float((called == labels).mean()),
            "same": float((fake == called).mean()),
            "kappa": None if math.isnan(kappa) else kappa,
        }
    return {
        "accuracy": float(right.mean()),
        "low": low,
        "high": high,
        "called_fake": float(fake.mean()),
        "majority": float(majority.mean()),
        "by_sure": by_sure,
        "networks": by_model,
    }


def pooled_answers(study: Study) -> dict[str, Any] | None:
    """What `pool` wrote; None where nobody was asked about this run's images."""
    try:
        pooled = read_quiz_json(study)
    except FileNotFoundError:
        return None
    return pooled if pooled["quiz"] == quiz_name(study, drawn(study, pooled["seed"])) else None


def summary(study: Study, pooled: dict[str, Any]) -> str:
    """The pooled answers as a short table and sentences."""
    hardest = pd.read_csv(quiz_answers_csv(study))
    people = "1 person" if pooled["people"] == 1 else f"{pooled['people']} people"
    lines = [f"quiz {pooled['quiz']}: {people}, {ASKED} images, half of them fake"]
    for number, values in pooled["rounds"].items():
        side = values["pixels"]
        lines += [
            "",
            f"round {number}, {side} x {side} pixels",
            f"  right: {values['accuracy']:.3f} (95 % interval {values['low']:.3f} to "
            f"{values['high']:.3f}; people and images vary); called fake: "
            f"{values['called_fake']:.2f}",
            f"  majority vote: {values['majority']:.3f} right",
        ]
        for step, name in SURE.items():
            told = values["by_sure"][str(step)]
            accuracy = "" if told["accuracy"] is None else f", {told['accuracy']:.3f} right"
            lines.append(f"  {name}: {told['answers']} answers{accuracy}")
        for model, network in values["networks"].items():
            kappa = "none" if network["kappa"] is None else f"{network['kappa']:.2f}"
            lines.append(
                f"  {TITLES[model]}: {network['accuracy']:.3f} right; same answer as people "
                f"{network['same']:.2f}, Cohen's kappa {kappa}"
            )
        for row in hardest[hardest["round"] == int(number)].head(3).itertuples():
            lines.append(f"  hard: {row.path} ({CLASSES[row.label]}), {row.accuracy:.2f} right")
    lines += [f"not counted: {name}: {why}" for name, why in pooled["refused"].items()]
    return "\n".join(lines)
