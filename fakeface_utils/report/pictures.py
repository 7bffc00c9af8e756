"""The figures that show images of the study: samples, similar pairs, single maps, damaged images.

Of data whose licence forbids it these must not be published; all other figures show numbers alone.
"""

import math

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

from ..dataset.alike import COMPARED, SHIFTS
from ..dataset.decode import as_input
from ..dataset.folder import open_images
from ..dataset.perturb import Pixels, chosen, damaged, read_original, swap
from ..study.artefacts import (
    read_audit,
    read_duplicates,
    read_images,
    read_manifest,
    read_predictions,
    source_path,
)
from ..study.beyond_artefacts import read_maps
from ..study.insight import insight_pictures_step
from ..study.names import CLASSES, SPLITS, TITLES
from ..study.plan import pictures_step
from ..study.robustness import BANDS, DAMAGES, LEVELS, Damage
from ..study.settings import Study
from .drawing import HALF, Drawn, save, title

SHOWN = 16  # filters, each at its own pixels


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


def make_insight_pictures(study: Study) -> None:
    """Draw and save the pictures of notebook 11, unless that is done.

    Raises:
        StudyError: the prepared images or the maps are missing.
    """

    def draw() -> None:
        save(study, "single_maps", single_maps(study))
        save(study, "first_filters", first_filters(study))

    if not insight_pictures_step(study).do(draw):
        print("pictures of maps and filters: up to date")


def samples(study: Study, columns: int = 4) -> Drawn:
    """Figure 1: random samples of both classes from the training set, drawn with seed 0."""
    images, labels = read_images(study, "train"), read_manifest(study, "train")["label"].to_numpy()
    figure, axes = plt.subplots(2, columns, figsize=(HALF, 3))
    shown = []
    for row, kind in enumerate(reversed(CLASSES)):
        members = np.flatnonzero(labels == CLASSES.index(kind))
        drawn = np.random.default_rng(0).permutation(members)[:columns]
        for axis in axes[row]:
            axis.set_axis_off()
        for axis, index in zip(axes[row], drawn, strict=False):
            axis.imshow(images[index])
        axes[row, 0].set_title(f"{kind} faces")
        shown.append(f"{len(drawn)} of {len(members):,} {kind} faces")
    title(figure, study)
    return figure, f"Training images drawn at random: {' above '.join(shown)}."


def surest_mistakes(study: Study, model: str, columns: int = 4) -> Drawn:
    """The test images about which one network is most wrong: missed fakes, accused photographs."""
    seed = study.seeds[0]
    table, images = read_predictions(study, model, seed), read_images(study, "test")
    figure = plt.figure(figsize=(HALF, 3.6))
    parts, words = np.array(figure.subfigures(2, 1)), []
    for part, kind in zip(parts, reversed(CLASSES), strict=True):
        members = table[table["label"] == CLASSES.index(kind)]
        wrong = members[(members["p_fake"] >= 0.5) != (kind == "fake")]
        worst = wrong.sort_values("p_fake", ascending=kind == "fake").head(columns)
        axes = part.subplots(1, columns)
        for axis in axes:
            axis.set_axis_off()
        for axis, (place, p_fake) in zip(axes, worst["p_fake"].items(), strict=False):
            axis.imshow(images[int(str(place))])
            axis.set_title(f"p {p_fake:.3f}")
        named = "fakes called real" if kind == "fake" else "real faces called fake"
        part.suptitle(f"{len(wrong)} {named}, the surest first", x=0.01, ha="left")
        words.append(f"{len(wrong)} of {len(members)} {named}")
    title(figure, study, f"{TITLES[model]}, seed {seed}; p: p(fake)")
    return figure, f"The surest mistakes of {TITLES[model]}, seed {seed}: {', '.join(words)}."


def audit_duplicates(study: Study, columns: int = 4) -> Drawn:
    """The most similar pairs, one image above the other: duplicates first, then the closest."""
    pairs = read_duplicates(study).head(columns)
    splits = {split: read_manifest(study, split)["path"].tolist() for split in SPLITS}
    figure, axes = plt.subplots(2, columns, figsize=(HALF, 3.7))
    told = []
    for axis in axes.flat:
        axis.set_axis_off()
    for column, pair in enumerate(pairs.itertuples()):
        kind = "not the same" if pair.kind == "unlike" else f"{pair.kind} copy"
        told.append(
            f"{kind}, {pair.shifts:.1f} apart, {pair.split_a} {pair.class_a} and "
            f"{pair.split_b} {pair.class_b}"
        )
        for row, (split, kind_of, path, above) in enumerate(
            (
                (pair.split_a, pair.class_a, pair.path_a, f"{kind}\n{pair.shifts:.1f} apart\n"),
                (pair.split_b, pair.class_b, pair.path_b, ""),
            )
        ):
            image = read_images(study, split)[splits[split].index(path)]
            axes[row, column].imshow(image)
            axes[row, column].set_title(f"{above}{split} {kind_of}")
    counts = read_audit(study)["pairs"]
    duplicates = ", ".join(f"{counts[kind]['all']} {kind}" for kind in ("exact", "near"))
    title(figure, study, f"1 apart: as moved by one of {COMPARED} pixels", f"near: below {SHIFTS}")
    return figure, f"Duplicates: {duplicates}. The most similar pairs: {'; '.join(told)}."


def single_maps(study: Study) -> Drawn:
    """The images of which the custom CNN is surest, right and wrong, of each class; their maps."""
    seed = study.seeds[0]
    network = read_maps(study, "custom_cnn", seed)
    images, labels = read_images(study, "test"), read_manifest(study, "test")["label"].to_numpy()
    rows, logits = network["rows"], network["logits"].astype(float)
    figure, axes = plt.subplots(2, 4, figsize=(HALF, 3.3))
    told = []
    for column, (label, answer) in zip(axes.T, ((1, 1), (1, 0), (0, 0), (0, 1)), strict=True):
        towards = logits if answer else -logits
        given = (labels[rows] == label) & (towards >= 0)
        words = f"{CLASSES[label]},\ncalled {CLASSES[answer]}"
        for axis in column:
            axis.set_axis_off()
        column[0].set_title(words if given.any() else f"no {words}")
        if not given.any():
            continue
        surest = int(np.where(given, towards, -np.inf).argmax())
        told.append(f"{words.replace(chr(10), ' ')}, logit {logits[surest]:.1f}")
        image, heat = images[rows[surest]], network["maps"][surest].astype(float)
        place = (0, image.shape[1], image.shape[0], 0)
        column[0].imshow(image, extent=place)
        column[1].imshow(image.mean(axis=2), cmap="gray", vmin=0, vmax=255, extent=place)
        colours = plt.colormaps["RdBu_r"](heat / 2 + 0.5)
        colours[..., 3] = np.abs(heat)
        column[1].imshow(colours, extent=place)
    title(figure, study, f"seed {seed}", "red speaks for fake, blue for real")
    return figure, f"Test images above their maps: {'; '.join(told)}."


def first_filters(study: Study) -> Drawn:
    """What the first convolution's filters answer to one real and one fake image."""
    seed = study.seeds[0]
    network, images = read_maps(study, "custom_cnn", seed), read_images(study, "test")
    figure, axes = plt.subplots(2, 2, figsize=(HALF, 3.9), height_ratios=(1, 2.4))
    for column, label in zip(axes.T, (0, 1), strict=True):
        column[0].imshow(images[network["faces"][label]])
        column[0].set_title(CLASSES[label])
        sheet = montage(network["responses"][label][..., :SHOWN])
        column[1].imshow(sheet, cmap="gray", vmin=0, vmax=255)
        for axis in column:
            axis.set_axis_off()
    count = network["responses"].shape[-1]
    which = f"{min(SHOWN, count)} of {count} filters"
    title(figure, study, f"{which}, seed {seed}")
    return figure, f"The answers of {which} to one real and one fake image, bright: strong."


def montage(responses: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(H, W, filters) as one image, about as many filters across as down, white lines between."""
    height, width, count = responses.shape
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    sheet = np.full((down * (height + 2), across * (width + 2)), 255, dtype=np.uint8)
    for number in range(count):
        top, left = number // across * (height + 2), number % across * (width + 2)
        sheet[top : top + height, left : left + width] = responses[..., number]
    return sheet


def damage_pictures(study: Study) -> Drawn:
    """One test image after each damage, as the networks see it; for the screen, never saved.

    Raises:
        StudyError: the image can't be read any more.
    """
    row, source = chosen(study).iloc[0], open_images(source_path(study))
    original = read_original(source, row["path"], row["sha256"])
    rows: dict[str, list[tuple[str, Pixels | None]]] = {}
    for damage in DAMAGES:
        if damage.family not in BANDS:
            single = len(LEVELS[damage.family]) == 1
            name = damage.family if single else f"{damage.level:g}"
            pixels = damaged(original, damage, study.image_size, study.resize_filter)
            rows.setdefault("" if single else damage.family, []).append((name, pixels))
    return _in_rows("A test image after each damage", rows)


def band_pictures(study: Study) -> Drawn:
    """A real and a fake test image, filtered and mixed; as `damage_pictures`."""
    source, images = open_images(source_path(study)), chosen(study)
    size, resize_filter = study.image_size, study.resize_filter
    real, fake = (images[images["label"] == label].iloc[0] for label in (0, 1))
    originals = [read_original(source, row["path"], row["sha256"]) for row in (real, fake)]
    above, below = (as_input(one.image, size, resize_filter) for one in originals)
    rows: dict[str, list[tuple[str, Pixels | None]]] = {"": [("real", above), ("fake", below)]}
    for family in ("low_pass", "high_pass"):
        rows[f"{family.replace('_', '-')} of the real"] = [
            (f"{cut:g}", damaged(originals[0], Damage(family, cut), size, resize_filter))
            for cut in LEVELS[family]
        ]
    cuts = [cut for cut in LEVELS["swap"] if cut]
    rows["low of the real, high of the fake"] = [(f"{c:g}", swap(above, below, c)) for c in cuts]
    rows["low of the fake, high of the real"] = [(f"{c:g}", swap(below, above, c)) for c in cuts]
    return _in_rows("A real and a fake test image, filtered and mixed", rows)


def _in_rows(what: str, rows: dict[str, list[tuple[str, Pixels | None]]]) -> Drawn:
    """Rows of named images, the row's name above its first; None leaves a place empty."""
    columns = max(map(len, rows.values()))
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(HALF, (HALF / columns + 0.4) * len(rows))
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for line, (about, images) in zip(axes, rows.items(), strict=True):
        for axis, (name, pixels) in zip(line, images, strict=False):
            above = f"{about}\n" if axis is line[0] else ""
            if pixels is not None:
                axis.imshow(pixels)
                axis.set_title(f"{above}{name}")
    names = ((title, ", ".join(name for name, _ in images)) for title, images in rows.items())
    listed = "; ".join(f"{title}: {row}" if title else row for title, row in names)
    return figure, f"{what}: {listed}."
