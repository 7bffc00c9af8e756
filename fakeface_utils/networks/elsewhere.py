"""Trained networks on other images: their outputs for every image of a set.

The outputs of a set, a row per image: path, label (1 is fake), why (it can't be read; '' where it
can), sha256, generated (whether it carries the demo's mark), format, size, quality, subsampling
(see `dataset.formats`), and p_fake of each network in a column named by `beyond_artefacts.column`.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from ..common.files import write_csv
from ..common.paths import escaped
from ..common.progress import progress
from ..dataset.folder import Folder, Zip, open_images
from ..dataset.sets import Member, list_sets, read_member
from ..study.elsewhere import judge_steps, judged_csv, others_path
from ..study.settings import Study
from .trained import Trained

AT_ONCE = 256  # images decoded while as many are predicted: bounds memory
NAMED = 5  # files that are in no set
FORMATS = ("sha256", "generated", "format", "size", "quality", "subsampling")


def outputs(
    trained: Trained, source: Folder | Zip, members: Sequence[Member], resize_filter: str, bar: Any
) -> pd.DataFrame:
    """The outputs of all networks for some images; pixels are held for two batches only.

    Args:
        trained: the networks.
        source: where the images lie.
        members: which they are.
        resize_filter: the run's, a key of `decode.FILTERS`.
        bar: is told of every image.

    Returns:
        A row per image, see the module; of unreadable ones only path, label and why.
    """
    columns = ("path", "label", "why", *FORMATS, *trained.columns)
    parts = [pd.DataFrame(columns=columns)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def start(first: int) -> list[Any]:
            batch = members[first : first + AT_ONCE]
            return [
                pool.submit(read_member, source, member, trained.size, resize_filter)
                for member in batch
            ]

        waiting = start(0)
        for first in range(AT_ONCE, len(members) + AT_ONCE, AT_ONCE):
            decoded = [one.result() for one in waiting]
            waiting = start(first)  # decoded while the networks work on these
            part = pd.DataFrame([row for _, row in decoded]).reindex(columns=columns)
            pixels = [array for array, _ in decoded if array is not None]
            if pixels:
                part.loc[part["why"] == "", trained.columns] = trained.p_fake(np.stack(pixels))
            parts.append(part)
            bar.update(len(decoded))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def judge(study: Study) -> None:
    """Ask the run's networks about every set of other images; sets that are done are skipped.

    Raises:
        StudyError: there are no other images, or a model is missing.
    """
    steps = judge_steps(study)
    source, trained = open_images(others_path(study)), None
    members: dict[str, list[Member]] = {}
    for name, step in steps.items():
        if step.is_done():
            print(f"{step.name}: up to date")
            continue
        members = members or _listed(source)
        trained = trained or Trained(study)

        def work(name: str = name, trained: Trained = trained, members: dict = members) -> None:
            with progress(len(members[name]), escaped(name), "image") as bar:
                table = outputs(trained, source, members[name], study.resize_filter, bar)
            write_csv(judged_csv(study, name), table)

        step.do(work)


def _listed(source: Folder | Zip) -> dict[str, list[Member]]:
    """The images of every set; the first of those that are in none are named."""
    listing = list_sets(source)
    for path, why in listing.passed_over[:NAMED]:
        print(f"not judged: {path} ({why})")
    if (more := len(listing.passed_over) - NAMED) > 0:
        print(f"... and {more:,} more")
    return listing.sets


def judge_all(
    trained: Trained, source: Folder | Zip, sets: dict[str, list[Member]], resize_filter: str
) -> dict[str, pd.DataFrame]:
    """The outputs for all sets of a folder or zip, by name; see `outputs`."""
    with progress(sum(map(len, sets.values())), "judging", "image") as bar:
        return {
            name: outputs(trained, source, members, resize_filter, bar)
            for name, members in sets.items()
        }
