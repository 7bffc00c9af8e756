"""What the trained networks of a run say about damaged test images, and about mixed ones."""

from concurrent.futures import ThreadPoolExecutor
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
from fakeface_utils.util import StudyError, progress

# By name: an edited damage makes its own answers out of date, and no others. See `_settings`.
damages = import_module(f"{__package__}.damages")

AT_ONCE = 256  # images that are held together
AXES["damage"] = lambda study: damages.levels()


def asked_about(study: Study) -> pd.DataFrame:
    """At most `beyond_images` test images of each class: rows of the manifest, in its order."""
    return drawn(manifest(study, "test"), "label", study.options["beyond_images"])


def pairs(images: pd.DataFrame) -> pd.DataFrame:
    """Whose low band is laid under whose high band: real under fake, the reverse, real under real.

    Of the image that gives the high band path, label and sha256 have high_ before their names.
    """
    random = np.random.default_rng(0)
    reals, fakes = (images[images["label"] == label] for label in (0, 1))
    count = min(len(reals), len(fakes))
    reals = reals.iloc[random.permutation(len(reals))[:count]]
    fakes = fakes.iloc[random.permutation(len(fakes))[:count]]
    others = reals.iloc[np.roll(np.arange(count), -1)]
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

    networks = _networks(study)
    asked, outputs = [], [np.empty((0, len(networks.columns)))]
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(rows), AT_ONCE):
            inputs = list(pool.map(shown, rows.iloc[start : start + AT_ONCE].to_dict("records")))
            asked += [pixels is not None for pixels in inputs]
            if there := [pixels for pixels in inputs if pixels is not None]:
                outputs.append(networks.p_fake(np.stack(there)))
    kept = rows.loc[asked, rows.columns.str.endswith(("path", "label"))]
    p_fake = np.concatenate(outputs)
    answers = pd.concat(
        kept.assign(model=model, seed=seed, p_fake=p_fake[:, place])
        for place, (model, seed) in enumerate(networks.columns)
    )
    answers.to_csv(out / f"{name}.csv", index=False, lineterminator="\n")


_loaded: dict[str, Any] = {}  # the networks that were asked last: one loading for all damages


def _networks(study: Study) -> Any:
    from fakeface_utils.training import Detectors

    files = [task.path("model.keras") for task in train.all(study)]
    held = str([(file, file.stat().st_mtime_ns, file.stat().st_ino) for file in files])
    if held not in _loaded:
        _loaded.clear()
        _loaded[held] = Detectors(study)
    return _loaded[held]


def ask(study: Study) -> None:
    """Ask about every damage; what is done is skipped, and the rest resumes there."""
    tasks = damaged.all(study)
    with progress(len(tasks), "damaged images", "damage") as bar:
        for task in tasks:
            task.ensure()
            bar.update()
