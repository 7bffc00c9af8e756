"""What the trained networks of a run say about damaged test images."""

import functools
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from ..common.files import write_csv
from ..common.progress import progress
from ..dataset.decode import as_input
from ..dataset.folder import Folder, Zip, open_images
from ..dataset.perturb import (
    Pixels,
    chain_parameters,
    chosen,
    damaged,
    read_original,
    swap,
)
from ..study.artefacts import source_path
from ..study.beyond_artefacts import chain_csv, damage_csv
from ..study.robustness import DAMAGES, Damage, damage_step
from ..study.settings import Study
from ..study.step import Digests
from .device import distribute
from .trained import AT_ONCE, Trained


def ask_damaged(study: Study) -> None:
    """Ask all networks of a run about every damage; what is done is skipped.

    Raises:
        StudyError: a network isn't trained, or an image can't be read any more.
    """
    steps = {damage: damage_step(study, damage) for damage in DAMAGES}
    known = Digests()
    left = [damage for damage, step in steps.items() if not step.is_done(known)]
    if not left:
        print("damaged images: up to date")
        return
    steps[left[0]].check_inputs()
    source, images = open_images(source_path(study)), chosen(study)
    tables = {damage: pairs(images) if damage.family == "swap" else images for damage in DAMAGES}
    batches = math.ceil(len(images) / AT_ONCE)  # of a size that fills the last one too
    distribute(study)
    networks = Trained(study, at_once=math.ceil(len(images) / batches))
    total = sum(map(len, tables.values()))
    done = total - sum(len(tables[damage]) for damage in left)
    with progress(total, "damaged images", "image", done) as bar:
        for damage in left:
            ask = functools.partial(_ask, study, damage, tables[damage], source, networks, bar)
            steps[damage].do(ask)


def pairs(images: pd.DataFrame) -> pd.DataFrame:
    """Whose low band is laid under whose high band: real under fake, the reverse, real under real.

    Args:
        images: rows of the manifest.

    Returns:
        path, label and sha256 of the low band's image; the same with high_ before.
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


def _ask(
    study: Study,
    damage: Damage,
    images: pd.DataFrame,
    source: Folder | Zip,
    networks: Trained,
    bar: Any,
) -> None:
    """Write the outputs for one damage; one batch of inputs is held, decoded by threads."""
    rows, outputs, asked = images.to_dict("records"), [], []
    work = functools.partial(_input, study, damage, source)
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(rows), networks.at_once):
            members = rows[start : start + networks.at_once]
            inputs = list(pool.map(work, members))
            asked += [pixels is not None for pixels in inputs]
            if shown := [pixels for pixels in inputs if pixels is not None]:
                outputs.append(networks.p_fake(np.stack(shown)))
            bar.update(len(members))
    names = [name for name in ("path", "label", "high_path", "high_label") if name in images]
    table = images.loc[asked, names].reset_index(drop=True)
    p_fake = np.concatenate(outputs) if outputs else np.empty((0, len(networks.columns)))
    p_fakes = pd.DataFrame(p_fake, columns=networks.columns)
    write_csv(damage_csv(study, damage.name), table.join(p_fakes))
    if damage.family == "chain":
        drawn = [
            {"path": row["path"], **chain_parameters(row["sha256"], row["width"], row["height"])}
            for row in rows
        ]
        write_csv(chain_csv(study), pd.DataFrame(drawn))


def _input(
    study: Study, damage: Damage, source: Folder | Zip, row: dict[str, Any]
) -> Pixels | None:
    """What the networks are shown of one image, or of two for a swap."""
    size, resize_filter = study.image_size, study.resize_filter
    original = read_original(source, row["path"], row["sha256"])
    if damage.family != "swap":
        return damaged(original, damage, size, resize_filter)
    above = read_original(source, row["high_path"], row["high_sha256"])
    low, high = (as_input(one.image, size, resize_filter) for one in (original, above))
    return swap(low, high, damage.level or 0.0)
