"""The figures that show images of the study: Figure 1 and the audit's most similar pairs.

Of data whose licence forbids it these must not be published; all other figures show numbers alone.
"""

import matplotlib.pyplot as plt
import numpy as np

from ..dataset.alike import COMPARED, SHIFTS
from ..study.artefacts import read_audit, read_duplicates, read_images, read_manifest
from ..study.names import CLASSES, SPLITS
from ..study.plan import pictures_step
from ..study.settings import Study
from .drawing import Drawn, mark, save


def make_pictures(study: Study) -> None:
    """Draw and save every figure that shows images, unless that is done.

    Raises:
        StudyError: the prepared images or the audit are missing.
    """

    def draw() -> None:
        save(study, "figure1_samples", samples(study))
        save(study, "audit_duplicates", audit_duplicates(study))

    if not pictures_step(study).do(draw):
        print("pictures: up to date")


def samples(study: Study, columns: int = 6) -> Drawn:
    """Figure 1: random samples of both classes from the training set, drawn with seed 0."""
    images, labels = read_images(study, "train"), read_manifest(study, "train")["label"].to_numpy()
    figure, axes = plt.subplots(2, columns, figsize=(1.5 * columns, 3.7), layout="constrained")
    for row, kind in enumerate(reversed(CLASSES)):
        members = np.flatnonzero(labels == CLASSES.index(kind))
        drawn = np.random.default_rng(0).permutation(members)[:columns]
        for axis in axes[row]:
            axis.set_axis_off()
        for axis, index in zip(axes[row], drawn, strict=False):
            axis.imshow(images[index])
        axes[row, 0].set_title(f"{kind} faces", loc="left", fontsize=11)
    figure.suptitle(f"Random training images{mark(study)}", fontsize=11)
    return figure, f"Two rows of {columns} random training images: fake faces above, real below."


def audit_duplicates(study: Study, columns: int = 6) -> Drawn:
    """The most similar pairs, one image above the other: duplicates first, then the closest."""
    pairs = read_duplicates(study).head(columns)
    splits = {split: read_manifest(study, split)["path"].tolist() for split in SPLITS}
    figure, axes = plt.subplots(2, columns, figsize=(1.6 * columns, 4.5), layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    for column, pair in enumerate(pairs.itertuples()):
        kind = "not the same" if pair.kind == "unlike" else f"{pair.kind} duplicate"
        for row, (split, kind_of, path, above) in enumerate(
            (
                (pair.split_a, pair.class_a, pair.path_a, f"{kind}\n{pair.shifts:.1f} apart\n"),
                (pair.split_b, pair.class_b, pair.path_b, ""),
            )
        ):
            image = read_images(study, split)[splits[split].index(path)]
            axes[row, column].imshow(image)
            axes[row, column].set_title(f"{above}{split}, {kind_of}", fontsize=9)
    counts = read_audit(study)["pairs"]
    duplicates = ", ".join(f"{counts[kind]['all']} {kind}" for kind in ("exact", "near"))
    figure.suptitle(
        f"The most similar images (1 apart: as moved by one of {COMPARED} pixels; near below "
        f"{SHIFTS}){mark(study)}",
        fontsize=9,
    )
    return figure, f"The most similar pairs of images; duplicates found: {duplicates}."
