"""What a dataset contains besides its labels: duplicates, leaks between splits, cheap cues.

`alike` defines near-duplicates.
"""

import functools
import heapq
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL.Image

from ..common.files import write_csv, write_json
from ..common.progress import progress
from ..study.artefacts import prepared_dir, read_audit, read_dataset, read_images, read_manifest
from ..study.names import SPLITS
from ..study.paper import PAPER_COUNTS
from ..study.plan import audit_step
from ..study.settings import Study
from .alike import DIFFERENCE, HASH_DISTANCE, Bytes, difference, distances, perceptual_hash, reduced

MOST_PAIRS = 20_000  # near-duplicates, beyond which the search stops: no real dataset has more

UNLIKE = 6  # closest unconfirmed pairs, kept so that a person can judge the limit


def audit(study: Study) -> dict[str, Any]:
    """Audit the prepared images of a study, unless that is done.

    Returns:
        What audit.json holds: sizes, modes, pairs (how many, of each kind), leaked (paths of test
        images that have a duplicate in training or validation), complete (whether the search for
        near-duplicates was finished), cues, cue_images.

    Raises:
        StudyError: the images aren't prepared.
    """
    audit_step(study).do(lambda: _audit(study))
    return read_audit(study)


def summary(study: Study) -> pd.DataFrame:
    """The audit in words: columns 'looked at' and 'found'."""
    results, dataset = read_audit(study), read_dataset(study)
    tests = sum(dataset["counts"]["test"].values())
    rows = [(f"images in {split}", _against_paper(dataset, split)) for split in SPLITS]
    rows += [
        ("sizes", _listed(results["sizes"])),
        ("colour modes", _listed(results["modes"])),
        ("unreadable images", f"{len(dataset['unreadable']):,}"),
    ]
    for kind, counts in results["pairs"].items():
        least = "" if results["complete"] or kind == "exact" else "at least "
        rows += [
            (
                "exact duplicates" if kind == "exact" else "near-duplicates",
                f"pairs: {least}{counts['all']:,}; {counts['across splits']:,} across splits, "
                f"{counts['across classes']:,} across classes",
            )
        ]
    rows += [
        (
            "test images with a duplicate in training or validation",
            f"{len(results['leaked']):,} of {tests:,}",
        )
    ]
    rows += [
        (
            f"class predicted from {cue} alone",
            f"{value['accuracy']:.3f} ({value['ci_low']:.3f} to {value['ci_high']:.3f}) of "
            f"{results['cue_images']:,} training images; chance: 0.5",
        )
        for cue, value in results["cues"].items()
    ]
    return pd.DataFrame(rows, columns=["looked at", "found"])


def _against_paper(dataset: dict[str, Any], split: str) -> str:
    counts = dataset["counts"][split]
    here = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    same = set(counts.values()) == {PAPER_COUNTS[split]}
    return f"{here} (the paper: {'the same' if same else f'{PAPER_COUNTS[split]:,} of each'})"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items())


def _audit(study: Study) -> None:
    from .cues import cue_accuracies  # imports scikit-learn, which reading an audit doesn't need

    manifests = [read_manifest(study, split).assign(split=split) for split in SPLITS]
    table = pd.concat(manifests, ignore_index=True)
    hashes, thumbnails = fingerprints([read_images(study, split) for split in SPLITS])
    # Only the first of identical files is compared; `first` has its row for each content.
    content, _ = pd.factorize(table["sha256"])
    _, first = np.unique(content, return_index=True)
    copies = np.flatnonzero(first[content] != np.arange(len(table)))
    near, unlike, complete = _near_pairs(study, table, hashes, thumbnails, first)
    pairs = [("exact", first[content[b]], b, 0, 0.0) for b in copies]
    pairs += [("near", *pair) for pair in near] + [("unlike", *pair) for pair in unlike]
    duplicates = _described(table, pairs)
    cues, count = cue_accuracies(manifests[0], thumbnails[: len(manifests[0])])
    write_csv(prepared_dir(study) / "duplicates.csv", duplicates)
    sizes = Counter(f"{w} x {h}" for w, h in zip(table["width"], table["height"], strict=True))
    write_json(
        prepared_dir(study) / "audit.json",
        {
            "sizes": dict(sizes.most_common(10)),
            "modes": dict(Counter(table["mode"]).most_common()),
            "pairs": {kind: _counted(duplicates, kind) for kind in ("exact", "near")},
            "leaked": _leaked(table, content, [(a, b) for a, b, *_ in near]),
            "complete": complete,
            "cues": cues,
            "cue_images": count,
        },
    )


def fingerprints(splits: list[Bytes]) -> tuple[npt.NDArray[np.uint64], Bytes]:
    """A perceptual hash and a thumbnail of every image.

    Args:
        splits: arrays (N, size, size, 3), usually memory-mapped.

    Returns:
        (N,) the hash's 64 bits, and (N, side, side, 3), of all splits together; side is 16, and 8
        for images below 112 px, of which 16 would still show the fine detail.
    """
    side = 16 if splits[0].shape[1] >= 112 else 8

    def work(image: Bytes) -> tuple[np.uint64, Bytes]:
        small = reduced(image)
        thumbnail = small.resize((side, side), PIL.Image.Resampling.BOX)
        return perceptual_hash(small), np.asarray(thumbnail)

    total = sum(map(len, splits))
    hashes, thumbnails = np.empty(total, np.uint64), np.empty((total, side, side, 3), np.uint8)
    place = 0
    with progress(total, "hashing", "image") as bar, ThreadPoolExecutor() as pool:
        for images in splits:
            for start in range(0, len(images), 256):
                for bits, thumbnail in pool.map(work, images[start : start + 256]):
                    hashes[place], thumbnails[place] = bits, thumbnail
                    place += 1
                bar.update(len(images[start : start + 256]))
    return hashes, thumbnails


def _near_pairs(
    study: Study,
    table: pd.DataFrame,
    hashes: npt.NDArray[np.uint64],
    thumbnails: Bytes,
    members: npt.NDArray[np.int64],
) -> tuple[list[tuple], list[tuple], bool]:
    """Near-duplicates among the members, the closest other pairs, whether the search finished."""
    images = {split: read_images(study, split) for split in SPLITS}
    start = {split: int((table["split"] == split).to_numpy().argmax()) for split in SPLITS}
    split_of = table["split"].to_numpy()

    @functools.lru_cache(256)
    def small(index: int) -> Bytes:
        split = split_of[index]
        return np.asarray(reduced(images[split][index - start[split]]))

    near: list[tuple] = []
    unlike: list[tuple] = []  # a heap with the least similar pair on top
    members = np.sort(members)
    hashes = hashes[members]
    for place in range(len(members)):
        bits = distances(hashes[place], hashes[place + 1 :])
        others = np.flatnonzero(bits <= HASH_DISTANCE)
        a, candidates = int(members[place]), members[place + 1 :][others]
        apart = np.abs(thumbnails[a].astype(np.int16) - thumbnails[candidates])
        for b, distance, coarse in zip(
            candidates, bits[others], apart.mean(axis=(1, 2, 3)), strict=True
        ):
            pair = (a, int(b), int(distance))
            # Averaging never enlarges a difference; rounding may, by less than one.
            confirmed = coarse < DIFFERENCE + 1 and difference(small(a), small(b)) < DIFFERENCE
            if confirmed:
                near.append((*pair, difference(small(a), small(b))))
            elif len(unlike) < UNLIKE:
                heapq.heappush(unlike, (-coarse, *pair))
            else:
                heapq.heappushpop(unlike, (-coarse, *pair))
        if len(near) > MOST_PAIRS:
            return near, [], False
    return near, [(a, b, d, difference(small(a), small(b))) for _, a, b, d in unlike], True


def _described(table: pd.DataFrame, pairs: list[tuple]) -> pd.DataFrame:
    """Pairs of row numbers as pairs of named images."""
    columns = ["kind", "a", "b", "distance", "difference"]
    named = pd.DataFrame(pairs, columns=columns).astype({"a": int, "b": int})
    kinds = np.where(table["label"] == 1, "fake", "real")
    for side in ("a", "b"):
        rows = named.pop(side)
        named[f"split_{side}"] = table["split"].to_numpy()[rows]
        named[f"class_{side}"] = kinds[rows]
        named[f"path_{side}"] = table["path"].to_numpy()[rows]
    same = named["split_a"] == named["split_b"]
    order = named.assign(same=same).sort_values(["kind", "same", "difference"], kind="stable").index
    sides = [f"{what}_{side}" for side in "ab" for what in ("split", "class", "path")]
    return named.loc[order, ["kind", *sides, "distance", "difference"]].round({"difference": 2})


def _counted(duplicates: pd.DataFrame, kind: str) -> dict[str, int]:
    """How many pairs of a kind there are, and how many cross splits or classes."""
    pairs = duplicates[duplicates["kind"] == kind]
    return {
        "all": len(pairs),
        "across splits": int((pairs["split_a"] != pairs["split_b"]).sum()),
        "across classes": int((pairs["class_a"] != pairs["class_b"]).sum()),
    }


def _leaked(
    table: pd.DataFrame, content: npt.NDArray[np.int64], near: list[tuple[int, int]]
) -> list[str]:
    """The test images with a copy or a near-duplicate in training or validation."""
    test = (table["split"] == "test").to_numpy()
    learned = set(content[~test])
    leaked = learned & set(content[test])
    for a, b in near:
        for one, other in ((content[a], content[b]), (content[b], content[a])):
            if other in learned:
                leaked.add(one)
    return table["path"][test & np.isin(content, list(leaked))].tolist()
