"""What a dataset contains besides its labels: duplicates, leaks between splits, cheap cues.

`alike` defines near-duplicates, `pairs` finds them, `leak` says what they mean for a larger set.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..common.files import write_csv, write_json
from ..study.artefacts import (
    audit_json,
    duplicates_csv,
    read_audit,
    read_dataset,
    read_images,
    read_manifest,
)
from ..study.names import CLASSES, SPLITS
from ..study.paper import PAPER_COUNTS
from ..study.plan import audit_step
from ..study.settings import Study
from .alike import Bytes
from .leak import leak
from .pairs import fingerprints, near_pairs


def audit(study: Study) -> dict[str, Any]:
    """Audit the prepared images of a study, unless that is done.

    Returns:
        What audit.json holds: sizes, modes, pairs (how many, of each kind), leaked (paths of test
        images that have a duplicate in training or validation, directly or through others),
        complete (whether the search for near-duplicates was finished), leak (of each class, see
        `leak.leak`), cues, cue_images.

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
    hashes, thumbnails, shifts = fingerprints([read_images(study, split) for split in SPLITS])
    # Only the first of identical files is compared; `first` has its row for each content.
    content, _ = pd.factorize(table["sha256"])
    _, first = np.unique(content, return_index=True)
    copies = np.flatnonzero(first[content] != np.arange(len(table)))
    image = _images_by_place(study)
    near, unlike, complete = near_pairs(
        hashes[first], thumbnails[first], shifts[first], lambda place: image(first[place])
    )
    pairs = [("exact", first[content[b]], b, 0, 0.0, 0.0) for b in copies]
    for kind, members in (("near", near), ("unlike", unlike)):
        pairs += [(kind, first[a], first[b], *apart) for a, b, *apart in members]
    duplicates = _described(table, pairs)
    cues, count = cue_accuracies(manifests[0], thumbnails[: len(manifests[0])])
    write_csv(duplicates_csv(study), duplicates)
    sizes = Counter(f"{w} x {h}" for w, h in zip(table["width"], table["height"], strict=True))
    faces = _faces(len(table), [pair[1:3] for pair in pairs if pair[0] != "unlike"])
    test = (table["split"] == "test").to_numpy()
    write_json(
        audit_json(study),
        {
            "sizes": dict(sizes.most_common(10)),
            "modes": dict(Counter(table["mode"]).most_common()),
            "pairs": {kind: _counted(duplicates, kind) for kind in ("exact", "near")},
            "leaked": table["path"][test & np.isin(faces, faces[~test])].tolist(),
            "complete": complete,
            "leak": {
                kind: leak(faces[members], test[members])
                for label, kind in enumerate(CLASSES)
                for members in [(table["label"] == label).to_numpy()]
            },
            "cues": cues,
            "cue_images": count,
        },
    )


def _images_by_place(study: Study) -> Callable[[int], Bytes]:
    """Reads an image by its place among those of all splits."""
    images = [read_images(study, split) for split in SPLITS]
    starts = np.cumsum([0, *map(len, images[:-1])])

    def image(place: int) -> Bytes:
        part = int(np.searchsorted(starts, place, side="right")) - 1
        return images[part][place - starts[part]]

    return image


def _described(table: pd.DataFrame, pairs: list[tuple]) -> pd.DataFrame:
    """Pairs of row numbers as pairs of named images."""
    columns = ["kind", "a", "b", "distance", "difference", "shifts"]
    named = pd.DataFrame(pairs, columns=columns).astype({"a": int, "b": int})
    kinds = np.where(table["label"] == 1, "fake", "real")
    for side in ("a", "b"):
        rows = named.pop(side)
        named[f"split_{side}"] = table["split"].to_numpy()[rows]
        named[f"class_{side}"] = kinds[rows]
        named[f"path_{side}"] = table["path"].to_numpy()[rows]
    same = named["split_a"] == named["split_b"]
    order = named.assign(same=same).sort_values(["kind", "same", "shifts"], kind="stable").index
    sides = [f"{what}_{side}" for side in "ab" for what in ("split", "class", "path")]
    return named.loc[order, ["kind", *sides, *columns[3:]]].round({"difference": 2, "shifts": 3})


def _counted(duplicates: pd.DataFrame, kind: str) -> dict[str, int]:
    """How many pairs of a kind there are, and how many cross splits or classes."""
    pairs = duplicates[duplicates["kind"] == kind]
    return {
        "all": len(pairs),
        "across splits": int((pairs["split_a"] != pairs["split_b"]).sum()),
        "across classes": int((pairs["class_a"] != pairs["class_b"]).sum()),
    }


def _faces(count: int, linked: list[tuple]) -> npt.NDArray[np.int64]:
    """A number for each of so many images, the same for all that duplicates link."""
    a, b = np.array(linked, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(a)), (a, b)), (count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)
