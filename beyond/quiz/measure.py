"""Which images a quiz asks about, and what the answers of a class say together."""

import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fakeface_utils.data import about, dataset, manifest, prepare
from fakeface_utils.evaluate import predictions
from fakeface_utils.paper import CLASSES
from fakeface_utils.settings import Study
from fakeface_utils.step import Task, step
from fakeface_utils.trained import predict
from fakeface_utils.util import StudyError, escaped, first, replacing, sha256, shown

ASKED = 20  # half of them fake, which the page doesn't say before its end
LARGEST_SIDE = 512  # pixels a side at most: a phone shows no more, and the page stays small
COLUMNS = ["quiz", "round", "item", "image", "answer", "sure", "ms"]  # of a person's file
SURE = {1: "guessing", 2: "fairly sure", 3: "sure"}
DRAWS = 2000
LARGEST_FILE = 100_000  # bytes; a person's answers have about 4,000


def folder(study: Study, *_: Any) -> Path:
    """Where the page and a class's answers lie."""
    return study.results / "quiz"


def before(study: Study, *_: Any) -> list[Task]:
    """What every quiz stands on: the test images, and the first seed's answers to them."""
    images = [prepare.of(study, "test"), dataset.of(study)]
    return [*images, *predict.all(study, seed=study.seeds[0])]


def drawn(study: Study, seed: int) -> pd.DataFrame:
    """The test images that a quiz asks about, in the order of its first round.

    Columns are the manifest's, place (row of the test array), and second (the row that round 2
    shows at this place). Images that are there twice aren't drawn: an answer would belong to both.
    """
    table = manifest(study, "test")
    single = table.assign(place=range(len(table))).drop_duplicates("sha256", keep=False)
    rng, halves = np.random.default_rng(seed), []
    for label, kind in enumerate(CLASSES):
        members = single[single["label"] == label]
        if len(members) <= ASKED // 2:  # one more is shown with its answer
            raise StudyError(
                f"a quiz needs {ASKED // 2 + 1} different {kind} test images and {study.data_name} "
                f"has {len(members)}: give more images"
            )
        halves.append(members.iloc[rng.permutation(len(members))[: ASKED // 2]])
    images = pd.concat(halves).iloc[rng.permutation(ASKED)].reset_index(drop=True)
    return images.assign(second=rng.permutation(ASKED))


def quiz_name(study: Study, images: pd.DataFrame) -> str:
    """By what a quiz is known: a digest of its images and of the pixels that round 1 shows."""
    parts = [study.image_size, study.resize_filter, sorted(images["sha256"])]
    return sha256(json.dumps(parts).encode())[:12]


def examples(study: Study, images: pd.DataFrame) -> list[int]:
    """Rows of the test array that aren't asked about: a real one, and a fake one."""
    table = manifest(study, "test")
    left = table["label"][~table["sha256"].isin(images["sha256"])]
    return [int(left.index[left == label][0]) for label in range(len(CLASSES))]


def sides(study: Study, images: pd.DataFrame) -> list[int]:
    """Pixels a side in each round: the networks'; then as stored, but for drawn images.

    Where stored sizes differ it is the smallest, since they may tell.
    """
    stored = min(int(images[["width", "height"]].min(axis=None)), LARGEST_SIDE)
    return [study.image_size, *([] if about(study)["generated"] else [stored])]


def networks_answers(study: Study, images: pd.DataFrame) -> pd.DataFrame:
    """p_fake of the first seed's networks for the images of a quiz, a column per model."""
    table = predictions(study).query(f"seed == {study.seeds[0]}")
    wide = table.pivot(index="path", columns="model", values="p_fake")
    return wide.loc[images["path"], list(study.models)].reset_index(drop=True)


def answers_csv(study: Study) -> Path:
    """Everyone's answers: quiz, seed, person (a number), round, image, answer, sure."""
    return folder(study) / "answers.csv"


def pool(study: Study, files: Path, seed: int) -> dict[str, str]:
    """Put a class's answers together; the files that don't count, and why.

    Raises:
        StudyError: the networks' answers aren't up to date, or no file is of this quiz.
    """
    people.of(study).check_before()
    images = drawn(study, seed)
    rounds = len(sides(study, images))
    table, refused = read_answers(files, quiz_name(study, images), images, rounds)
    with replacing(answers_csv(study)) as part:
        table.assign(seed=seed).to_csv(part, index=False)
    people(study)
    return refused


def read_answers(
    files: Path, quiz: str, images: pd.DataFrame, rounds: int = 2
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The answers of everyone whose file lies in a folder, at any depth; and the files refused.

    A person counts once: the same answers in another file, however it was saved, are a copy.

    Raises:
        StudyError: there is no such folder, or no file of this quiz in it.
    """
    if not files.is_dir():
        raise StudyError(f"there is no folder {files}: put the files that people saved into one")
    people: dict[tuple[str, ...], str] = {}
    tables, refused = [], {}
    for path in sorted(path for path in files.rglob("*") if path.is_file()):
        name = path.relative_to(files).as_posix()
        try:
            if path.suffix.lower() != ".csv":
                raise ValueError("not a CSV file")
            if path.stat().st_size > LARGEST_FILE:
                raise ValueError("too large for a person's answers")
            table = _one_persons(path.read_bytes(), quiz, images, rounds)
            if (said := (*table["answer"], *table["sure"])) in people:
                raise ValueError(f"the same answers as {people[said]}")
            people[said] = name
            tables.append(table.assign(person=len(people)))
        except (OSError, ValueError) as error:
            refused[escaped(name)] = escaped(str(error).partition("\n")[0])
    if not tables:
        named = first(f"{name} ({why})" for name, why in refused.items())
        raise StudyError(
            f"no file in {files} answers quiz {quiz}: {named or 'it is empty'}. Give the --run and "
            "the --seed that the quiz was made with"
        )
    return pd.concat(tables)[["quiz", "person", "round", "image", "answer", "sure"]], refused


def _one_persons(raw: bytes, quiz: str, images: pd.DataFrame, rounds: int) -> pd.DataFrame:
    """One person's answers in the order of `images`, round by round; or a ValueError."""
    table = pd.read_csv(io.BytesIO(raw), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if sorted(table.columns) != sorted(COLUMNS):
        raise ValueError(f"its columns are not {', '.join(COLUMNS)}, with commas between")
    if others := sorted(set(table["quiz"]) - {quiz}):
        raise ValueError(f"of another quiz ({', '.join(others)[:60]}, not {quiz})")
    asked = list(itertools.product(map(str, range(1, rounds + 1)), images["sha256"]))
    if sorted(zip(table["round"], table["image"], strict=True)) != sorted(asked):
        raise ValueError(f"not one answer for each of {len(images)} images in each round")
    if not table["answer"].isin(CLASSES).all():
        raise ValueError("an answer is neither real nor fake")
    if not table["sure"].isin([str(number) for number in SURE]).all():
        raise ValueError("how sure is not 1, 2 or 3 everywhere")
    return table.set_index(["round", "image"]).loc[asked].reset_index()


@step(
    "quiz",
    writes=["people.csv", "images.csv"],
    after=before,
    folder=folder,
    inputs=lambda study: {"answers.csv": answers_csv(study)},
)
def people(study: Study, out: Path) -> None:
    """How a class did, round by round, beside the networks.

    people.csv has a row for everyone, for their majority vote (a tie counts half), for each step of
    sure, and for each network: round, pixels, who, answers, right (a share), low and high (see
    `two_way_interval`), called_fake, same (the share of people's answers equal to its own).
    images.csv has round, sha256, path, label, called_fake and accuracy (shares), and each network's
    p_fake, the hardest images first.

    Raises:
        StudyError: the answers are about other images.
    """
    said = pd.read_csv(answers_csv(study), dtype={"quiz": str})
    images = drawn(study, int(said["seed"].iloc[0]))
    if quiz_name(study, images) != said["quiz"].iloc[0]:
        raise StudyError(
            f"the answers in {shown(answers_csv(study))} are about other images than run "
            f"'{study.run}' has now: ask again, or delete the file"
        )
    given = (said["answer"] == "fake", said["sure"])
    rounds = sides(study, images)
    fakes, sures = (column.to_numpy().reshape(-1, len(rounds), len(images)) for column in given)
    labels, networks = images["label"].to_numpy(), networks_answers(study, images)
    rows, tables = [], []
    for number, side in enumerate(rounds):
        fake, place = fakes[:, number], {"round": number + 1, "pixels": side}
        rows += [place | row for row in _round(fake, sures[:, number], labels, networks)]
        shares = {"called_fake": fake.mean(axis=0), "accuracy": (fake == labels).mean(axis=0)}
        own = images[["sha256", "path", "label"]].assign(**shares, **networks, round=number + 1)
        tables.append(own.sort_values("accuracy", kind="stable"))
    pd.DataFrame(rows).to_csv(out / "people.csv", index=False)
    pd.concat(tables).to_csv(out / "images.csv", index=False)


def _round(
    fake: npt.NDArray[np.bool_],
    sure: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    networks: pd.DataFrame,
) -> list[dict[str, Any]]:
    """The rows of one round, see `people`, from the answers (people, images) and each p_fake."""
    right, share = fake == labels, fake.mean(axis=0)
    low, high = two_way_interval(right, labels)
    everyone = {"answers": fake.size, "right": right.mean(), "low": low, "high": high}
    vote = np.where(share == 0.5, 0.5, (share > 0.5) == labels).mean()
    rows = [
        {"who": "people"} | everyone | {"called_fake": fake.mean()},
        {"who": "majority vote", "answers": len(labels), "right": vote},
    ]
    for number, name in SURE.items():
        own = right[sure == number]
        rows.append({"who": name, "answers": own.size, "right": own.mean() if own.size else None})
    for model, p_fake in networks.items():
        called = (p_fake >= 0.5).to_numpy()
        row = {"who": model, "answers": len(labels), "right": (called == labels).mean()}
        rows.append(row | {"called_fake": called.mean(), "same": (fake == called).mean()})
    return rows


def two_way_interval(
    right: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """The 95 % interval of the accuracy of people like these on images like these.

    From (people, images) right or wrong. Both are drawn again with replacement, people and, within
    each class, images. Coverage: docs/intervals.md.
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
