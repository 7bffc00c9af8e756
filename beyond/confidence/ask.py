"""`fakeface predict`: what a trained network says of a person's own image files."""

import glob
import io
import json as as_json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import PIL.Image

from fakeface_utils import image_files, util
from fakeface_utils.data import about
from fakeface_utils.models import titled
from fakeface_utils.run import open_finished
from fakeface_utils.util import StudyError

from .measure import ERRORS, calibration, tempered, word

NO_PROOF = (
    "No proof: the network knows one generator and images like those it learned from, and no "
    "answer is evidence about a person."
)
MODEL, ABOUT, SUMS = "model.keras", "model.json", "SHA256SUMS"  # in an exported folder
AT_ONCE = 32  # images decoded and asked about together: bounds memory
QUALITIES, SMALLER = (95, 85, 75, 65, 50), (0.75, 0.5)
RESAVINGS = len(QUALITIES) + len(SMALLER) + 1
COLUMNS = ["file", "p_fake", "p_fake_raw", "word", "stability", "width", "height", "notes"]

Row = dict[str, Any]  # of `COLUMNS`; notes are a list


def predict(
    names: Sequence[str],
    run: str,
    model: str,
    seed: int | None = None,
    csv: Path | None = None,
    json: Path | None = None,
    stability: bool = False,
    folder: Path | None = None,
) -> None:
    """Print a row for each image file, and keep them; one that can't be read stops no other.

    What is wrong with a name, the run or an option is said before any image is read.
    """
    paths = given_files(names)
    if csv:
        util.check_target(csv, ".csv", ",".join(COLUMNS))
    if json:
        util.check_target(json, ".json", '{\n  "run": ')
    network = exported(folder) if folder else open_network(run, model, seed)
    print(network.header(), end="\n\n", flush=True)  # Keras takes seconds to load
    print(f"p(fake)  answer     {'same word  ' * stability}file")
    rows = []
    with util.stderr_to(os.devnull):
        for row in answers(network, paths, stability):
            rows.append(row)
            print(_printed(row, stability), flush=True)
    told = [(note, row["file"]) for row in rows if row["width"] for note in row["notes"]]
    first = dict(reversed(told))
    for note, count in Counter(note for note, _ in told).most_common():
        print(f"note on {first[note] if count == 1 else f'{count} of {len(rows)} files'}: {note}")
    if csv:
        table = pd.DataFrame(rows, columns=COLUMNS)
        table["notes"] = table["notes"].map("; ".join)
        with util.replacing(csv) as part:
            table.to_csv(part, index=False, lineterminator="\n", compression=None)
    if json:
        text = as_json.dumps(network.about() | {"answers": rows}, indent=2)
        with util.replacing(json) as part:
            part.write_text(text + "\n", encoding="utf-8")
    if unreadable := sum(row["p_fake"] is None for row in rows):
        raise StudyError(
            f"{unreadable} of {len(rows)} files can't be read: give JPEG, PNG, BMP or WebP files"
        )


def _printed(row: Row, stability: bool) -> str:
    if row["p_fake"] is None:
        return f"      -  -          {' ' * 11 * stability}{row['file']}: {row['notes'][0]}"
    share = row["stability"]
    same = "-" if share is None else f"{round(share * RESAVINGS)} of {RESAVINGS}"
    return f"{row['p_fake']:7.3f}  {row['word']:<9}  {f'{same:<11}' * stability}{row['file']}"


def given_files(names: Sequence[str]) -> list[Path]:
    """The files that are meant, each once, in the order given; a folder's images are sorted.

    A file is taken whatever its suffix. Patterns ('*', '?', '[ab]'; '**' for any depth) are
    expanded here since Windows' shell doesn't; a path that exists is never expanded.
    """
    found: list[Path] = []
    for name in names:
        images = [Path(name)]
        if not os.path.isfile(name):
            if not os.path.isdir(name) and not glob.has_magic(name):
                raise StudyError(f"there is no file or folder {name}")
            matches = [name] if os.path.isdir(name) else sorted(glob.glob(name, recursive=True))
            images = [path for match in matches for path in _images(Path(match))]
        if not images:
            raise StudyError(f"there is no image ({', '.join(image_files.SUFFIXES)}) in {name}")
        found += images
    return list(dict.fromkeys(found))


def _images(place: Path) -> list[Path]:
    """An image file itself, or all below a folder; what else is there is counted."""
    if not place.is_dir():
        is_image = not image_files.other_kind(image_files.Folder(place.parent), place.name)
        return [place] if place.is_file() and is_image else []
    images, others = image_files.find_images(image_files.Folder(place))
    if others:
        print(f"not read in {util.shown(place)}: {image_files.left_out(others)}")
    return [place / path for path in images]


class Network(NamedTuple):
    """One trained network, and what its words mean: the limits are of the raw output."""

    file: Path  # model.keras
    run: str
    model: str
    seed: int
    learned_from: str
    generated: bool  # it learned from drawings, and has no answer to photographs
    size: int  # pixels a side of its images
    resize_filter: str
    temperature: float
    accused: float
    missed: float

    def about(self) -> dict[str, Any]:
        """Which network it is and what its answers mean, as JSON values."""
        return {
            "run": self.run,
            "model": self.model,
            "seed": self.seed,
            "learned_from": self.learned_from,
            "temperature": self.temperature,
            "fake_above": float(tempered(self.accused, self.temperature)),
            "real_below": float(tempered(self.missed, self.temperature)),
            "no_proof": NO_PROOF,
        }

    def header(self) -> str:
        """Three lines: which network, that it proves nothing, and what its words mean."""
        known, title = self.about(), titled(self.model)
        return (
            f"run {self.run}, {title} seed {self.seed}: learned from {self.learned_from}\n"
            f"{NO_PROOF}\nfake above {known['fake_above']:.3f}, real "
            f"below {known['real_below']:.3f}, between them unsure: at most {100 * ERRORS:.0f} % "
            "of its validation reals lie above, of its fakes below (p(fake) with the temperature "
            f"{self.temperature:.2f})"
        )

    def load(self) -> Any:
        """The Keras model."""
        from fakeface_utils.networks import saved

        return saved(self.file, f"get its folder again, or train run {self.run} again")


def open_network(run: str, model: str, seed: int | None = None) -> Network:
    """The network that a person names, without a seed that of the run's first.

    Its run must be trained, tested and calibrated up to date.
    """
    study = open_finished(run, model=model)
    seed = study.seeds[0] if seed is None else seed
    why = "" if seed in study.seeds else f"run '{run}' has no seed {seed}"
    from fakeface_utils import trained

    if why := why or calibration.of(study).why_stale():
        seeds = ",".join(map(str, sorted({*study.seeds, seed}))) + ","
        raise StudyError(f"{why}: run make report RUN={run} SEEDS={seeds}")
    data, fixed = about(study), calibration.of(study).read()[model][str(seed)]
    name = f"images of {util.escaped(data['name'])}"
    what = "generated portraits" if data["generated"] else name
    images = sum(data["counts"]["train"].values())
    return Network(
        file=trained.train.of(study, model, seed).path("model.keras"),
        run=study.run,
        model=model,
        seed=seed,
        learned_from=f"{images:,} {what} at {study.image_size} px",
        generated=data["generated"],
        size=study.image_size,
        resize_filter=study.resize_filter,
        **{name: fixed[name] for name in ("temperature", "accused", "missed")},
    )


def exported(folder: Path) -> Network:
    """The network in a folder that `fakeface export` wrote, whole."""
    try:
        lines = (folder / SUMS).read_text("ascii").splitlines()
        sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
        for name in (ABOUT, MODEL):
            if util.sha256((folder / name).read_bytes()) != sums.get(name):
                raise ValueError(f"{name} is not the file that {SUMS} names")
        fields = as_json.loads((folder / ABOUT).read_text("utf-8"))["network"]
        return Network(file=folder / MODEL, **fields)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{util.shown(folder)} isn't a whole folder of fakeface export ({error}): get it again"
        ) from error


def answers(network: Network, paths: Sequence[Path], stability: bool) -> Iterator[Row]:
    """A row for each file, in order; `stability` asks about each image's re-savings too."""
    at_once = AT_ONCE // (1 + RESAVINGS) if stability else AT_ONCE
    keras_model = network.load()
    for decoded in util.in_threads(lambda path: _decoded(path, network, stability), paths, at_once):
        pixels = [array for arrays, _ in decoded for array in arrays]
        p_fake = keras_model.predict_on_batch(np.stack(pixels))[:, 0] if pixels else np.empty(0)
        if not np.isfinite(p_fake).all():
            raise StudyError(
                f"run {network.run}: some outputs are no finite numbers: train it again"
            )
        outputs = iter(p_fake.astype("float64").tolist())
        for arrays, found in decoded:
            if arrays:
                found |= answer(network, [next(outputs) for _ in arrays], found)
            yield {name: found.get(name) for name in COLUMNS}


def _decoded(path: Path, network: Network, stability: bool) -> tuple[list[Any], Row]:
    """The network's inputs of an image and its re-savings, and what it is like; or why not."""
    row: Row = {"file": util.escaped(str(path))}
    try:
        found = image_files.decode(image_files.Folder(path.parent).read(path.name))
    except image_files.UNREADABLE as error:
        why = f"it can't be read as an image ({image_files.reason(error)})"
        return [], row | {"word": "", "notes": [why]}
    images = [found.image, *(resaved(found.image) if stability else ())]
    arrays = [image_files.as_input(one, network.size, network.resize_filter) for one in images]
    return arrays, row | found.about


def resaved(image: PIL.Image.Image) -> Iterator[PIL.Image.Image]:
    """An image as other people's programs might have saved it, in memory: `RESAVINGS` times.

    As JPEGs; without loss at three quarters and at half of its side; and without its first row and
    column, which moves every pixel by one.
    """
    for quality in QUALITIES:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        yield PIL.Image.open(file).convert("RGB")
    width, height = image.size
    for share in SMALLER:
        size = (max(round(width * share), 1), max(round(height * share), 1))
        yield image.resize(size, PIL.Image.Resampling.BICUBIC)
    yield image.crop((int(width > 1), int(height > 1), width, height))


def answer(network: Network, outputs: list[float], found: Row) -> Row:
    """What is said of an image that was read, from the outputs of it and its re-savings.

    `stability` is the share of re-savings that got the same word.
    """
    width, height, drawn = (found[name] for name in ("width", "height", "generated"))
    foreign = network.generated and not drawn
    notes = {
        "not square: squeezed into a square": width != height,
        f"smaller than the network's {network.size} pixels: enlarged": min(width, height)
        < network.size,
        "not drawn by the demo, and this network learned from its drawings only": foreign,
        "drawn by the demo, and this network learned from photographs": drawn
        and not network.generated,
    }
    words = [word(p_fake, network.accused, network.missed) for p_fake in outputs]
    same = [one == words[0] for one in words[1:]]
    return {
        "p_fake": float(tempered(outputs[0], network.temperature)),
        "p_fake_raw": outputs[0],
        "word": "no answer" if foreign else words[0],
        "stability": sum(same) / len(same) if same and not foreign else None,
        "notes": [note for note, holds in notes.items() if holds],
    }
