"""What the trained networks of a run say about damaged test images, and about mixed ones."""

import functools
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fakeface_utils.data import drawn, manifest, prepare, source
from fakeface_utils.digests import code_of, edited
from fakeface_utils.image_files import open_images, original
from fakeface_utils.settings import Study
from fakeface_utils.step import AXES, step
from fakeface_utils.trained import train
from fakeface_utils.util import StudyError, in_threads, progress

# By name: an edited damage makes its own answers out of date, and no others. See `_settings`.
damages = import_module(f"{__package__}.damages")

AXES["damage"] = lambda study: damages.levels()


def asked_about(study: Study) -> pd.DataFrame:
    """Manifest rows of test images: of each class as many, so that guessing is 0.5."""
    table = manifest(study, "test")
    fewest = int(table["label"].value_counts().min())
    return drawn(table, "label", min(study.options["beyond_images"], fewest))


def pairs(images: pd.DataFrame) -> pd.DataFrame:
    """Whose low band is laid under whose high band: real under fake, the reverse, real under real.

    Of the image that gives the high band path, label and sha256 have high_ before their names.
    """
    random = np.random.default_rng(0)
    by_class = (images[images["label"] == label] for label in (0, 1))
    reals, fakes = (own.iloc[random.permutation(len(own))] for own in by_class)
    others = reals.iloc[np.roll(np.arange(len(reals)), -1)]
    names = ["path", "label", "sha256"]
    low = pd.concat([reals, fakes, reals])[names].reset_index(drop=True)
    high = pd.concat([fakes, reals, others])[names].reset_index(drop=True)
    return low.join(high.add_prefix("high_"))


def _settings(study: Study, name: str) -> dict[str, Any]:
    family, level = damages.levels()[name]
    images = study.of("image_size", "resize_filter") | {"images": study.options["beyond_images"]}
    return images | {"level": level, "code": damages.digest_of(family)}


@step(
    "robustness",
    writes=lambda study, name: [f"{name}.csv"],
    after=lambda study, name: [prepare.of(study, "test"), *train.all(study)],
    each=("damage",),
    settings=_settings,
    folder=lambda study, name: study.results / "robustness",
)
def damaged(study: Study, name: str, out: Path) -> None:
    """What every network says of the images after a damage: path, label, model, seed, p_fake.

    Of images mixed of two, see `pairs`; an image that the damage doesn't apply to is left out.
    """
    if edit := edited(code_of(Path(str(damages.__file__)))):
        raise StudyError(f"{edit} was edited after this process had read it: restart the kernel")
    family, level = damages.levels()[name]
    damage, rows, files = damages.DAMAGES[family], asked_about(study), open_images(source(study))
    rows, parts = (pairs(rows), ("", "high_")) if damage.kind == "mix" else (rows, ("",))

    def shown(row: dict[str, Any]) -> Any:
        of = [original(files, row[f"{part}path"], row[f"{part}sha256"]) for part in parts]
        return damage.input(study, level, *of)

    saved = (task.path("model.keras").stat() for task in train.all(study))
    held = tuple((file.st_mtime_ns, file.st_ino) for file in saved)
    attack = damage.kind == "attack"
    networks = _networks(study.model_dump_json(), held, attack)
    labels = rows["label"].to_numpy()
    asked, outputs = [], [np.empty((0, len(networks.columns)))]
    for inputs in in_threads(shown, rows.to_dict("records")):
        asked += [pixels is not None for pixels in inputs]
        if there := [pixels for pixels in inputs if pixels is not None]:
            own = labels[len(asked) - len(inputs) : len(asked)]  # an attack applies to every file
            more = (own, partial(damage.change, level=level)) if attack else ()
            outputs.append(networks.p_fake(np.stack(there), *more))
    kept = rows.loc[asked, rows.columns.str.endswith(("path", "label"))]
    answers = pd.concat(
        kept.assign(model=model, seed=seed, p_fake=p_fake)
        for (model, seed), p_fake in zip(networks.columns, np.concatenate(outputs).T, strict=True)
    )
    answers.to_csv(out / f"{name}.csv", index=False, lineterminator="\n")


@functools.lru_cache(1)  # one loading for all damages
def _networks(study: str, files: tuple, attack: bool) -> Any:
    from fakeface_utils.training import Detectors

    from .attack import Attacked

    return (Attacked if attack else Detectors)(Study.model_validate_json(study))


def ask(study: Study) -> None:
    """Ask about every damage; what is done is skipped, and the rest resumes there."""
    tasks = damaged.all(study)
    with progress(len(tasks), "damaged images", "damage") as bar:
        for task in tasks:
            task.ensure()
            bar.update()
