"""The audit of the prepared images: duplicates, leaks between splits, cheap cues."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fakeface_utils.data import about, images, manifest
from fakeface_utils.paper import CLASSES, SPLITS
from fakeface_utils.settings import Study
from fakeface_utils.step import step

from .cues import cue_accuracies, cue_rows
from .leak import leak
from .pairs import Bytes, fingerprints, near_pairs, reduced
from .position import positions, sharpness


@step(
    "audit",
    writes=["audit.json", "duplicates.csv"],
    after=["prepare", "dataset"],
    folder=lambda study: study.prepared,
)
def audit(study: Study, out: Path) -> None:
    """Audit all images of a study.

    audit.json: leaked are paths of test images with a duplicate in training or validation, directly
    or through others; complete, whether the search ended; unlike, the closest unconfirmed pairs.
    duplicates.csv: pairs, those that cross splits first: kind ('exact' or 'near'), split, class and
    path of a and b, distance (bits), difference (grey levels), shifts; path, see `to_leave_out`.
    """
    manifests = [manifest(study, split).assign(split=split) for split in SPLITS]
    table = pd.concat(manifests, ignore_index=True)
    table["class"] = table["label"].map(dict(enumerate(CLASSES)))
    arrays = [images(study, split) for split in SPLITS]
    hashes, thumbnails, shifts = fingerprints(arrays)
    # Only the first of identical files is compared; `first` has its row for each content.
    content, _ = pd.factorize(table["sha256"])
    _, first = np.unique(content, return_index=True)
    copies = np.flatnonzero(first[content] != np.arange(len(table)))
    starts = np.cumsum([0, *map(len, arrays)])

    def image(place: int) -> Bytes:
        split = int(np.searchsorted(starts, first[place], side="right")) - 1
        return arrays[split][first[place] - starts[split]]

    near, unlike, complete = near_pairs(hashes[first], thumbnails[first], shifts[first], image)
    pairs = [("exact", first[content[copy]], copy, 0, 0.0, 0.0) for copy in copies]
    for kind, members in (("near", near), ("unlike", unlike)):
        pairs += [(kind, first[a], first[b], *apart) for a, b, *apart in members]
    described = _described(table, pairs)
    duplicates = described[described["kind"] != "unlike"].copy()
    duplicates["path"] = to_leave_out(duplicates)
    duplicates.to_csv(out / "duplicates.csv", index=False, lineterminator="\n")
    sizes = table["width"].astype(str) + " x " + table["height"].astype(str)
    linked = np.array([pair[1:3] for pair in pairs if pair[0] != "unlike"], int).reshape(-1, 2).T
    graph = coo_array((np.ones(linked.shape[1]), linked), (len(table), len(table)))
    faces = connected_components(graph, directed=False)[1].astype(int)
    test = (table["split"] == "test").to_numpy()
    of = {kind: (table["class"] == kind).to_numpy() for kind in CLASSES}
    rows = cue_rows(len(arrays[0]))
    training = manifests[0].iloc[rows]
    grey = np.stack([np.asarray(reduced(arrays[0][row]).convert("L")) for row in rows])
    found = {
        "sizes": sizes.value_counts().head(10).to_dict(),
        "modes": table["mode"].value_counts().to_dict(),
        "pairs": {kind: _counted(duplicates, kind) for kind in ("exact", "near")},
        "leaked": table["path"][test & np.isin(faces, faces[~test])].tolist(),
        "complete": complete,
        "unlike": described.query("kind == 'unlike'").to_dict("records"),
        "leak": {kind: leak(faces[members], test[members]) for kind, members in of.items()},
        **cue_accuracies(training.assign(**positions(grey)), thumbnails[rows]),
        "sharpness": sharpness(grey, training["label"].to_numpy()),
    }
    (out / "audit.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _described(table: pd.DataFrame, pairs: list[tuple]) -> pd.DataFrame:
    """Pairs of row numbers as pairs of named images, those that cross splits first."""
    apart = ["distance", "difference", "shifts"]
    found = pd.DataFrame(pairs, columns=["kind", "a", "b", *apart]).astype({"a": int, "b": int})
    about = table[["split", "class", "path"]]
    sides = [about.loc[found[x]].reset_index(drop=True).add_suffix(f"_{x}") for x in "ab"]
    named = pd.concat([found["kind"], *sides, found[apart]], axis=1)
    named["same"] = named["split_a"] == named["split_b"]
    named = named.sort_values(["kind", "same", "shifts"], kind="stable").drop(columns="same")
    return named.round({"difference": 2, "shifts": 3})


def to_leave_out(pairs: pd.DataFrame) -> list[str]:
    """Of each pair the training or validation image to leave out, or ''; each stands once.

    Those whose face, directly or through others, is in the test set. That set stays as it is, so
    that networks trained with and without them are asked about the same images.
    """
    sides = pairs[["path_a", "path_b"]].to_numpy()
    seen = {*sides[pairs[["split_a", "split_b"]].to_numpy() == "test"]}
    out, before = [""] * len(sides), -1
    while before < len(seen):
        before = len(seen)
        for place, pair in enumerate(map(set, sides)):
            if len(new := pair - seen) == 1:
                seen |= new
                out[place] = new.pop()
    return out


def _counted(duplicates: pd.DataFrame, kind: str) -> dict[str, int]:
    """How many pairs of a kind there are, and how many cross splits or classes."""
    pairs, counts = duplicates[duplicates["kind"] == kind], {}
    for what, name in (("split", "across splits"), ("class", "across classes")):
        counts[name] = int((pairs[f"{what}_a"] != pairs[f"{what}_b"]).sum())
    return {"all": len(pairs), **counts}


def notices(study: Study) -> list[str]:
    """A sentence on test images with a duplicate in training or validation, if there are any."""
    task = audit.of(study)
    if task.why_stale() or not (leaked := task.read()["leaked"]):
        return []
    tests = sum(about(study)["counts"]["test"].values())
    return [
        f"Possible leak: {len(leaked):,} of {tests:,} test images have a duplicate or "
        "near-duplicate in training or validation (see the most similar pairs)."
    ]
