"""Where in an image a network finds its evidence, and whether such a map means anything.

A map is the output of the last convolution times the gradient of the logit with respect to it,
summed over channels (HiResCAM, Draelos and Carin 2020, arXiv:2011.08891): positive where a place
speaks for fake. Grad-CAM first averages the gradient over all places. That loses the place where a
Flatten and a Dense layer follow, which weigh every place on its own.

The logit, not the sigmoid: where the network is sure, the sigmoid is flat and has no gradient left.

Controls (Adebayo et al. 2018, arXiv:1810.03292): the map of the same network before any training;
and how far the logit falls when the places that the map calls hottest are painted over.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from fakeface_utils.data import drawn, images, manifest, prepare
from fakeface_utils.settings import Study
from fakeface_utils.step import step
from fakeface_utils.trained import train
from fakeface_utils.util import StudyError, progress

AT_ONCE = 25  # images; the first convolution's output bounds the memory

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Cut:
    """A network cut in two after its last convolution."""

    base: Any  # images to the convolution's output, (N, h, w, channels)
    head: Any  # this to the logit, (N, 1)
    read: tuple[int, ...]  # rows and columns of a map that the head reads: pooling drops the rest


def cut(network: Any) -> Cut:
    """Cut a network, which then gives logits; without a convolution, after its last 2-D layer."""
    import keras

    from fakeface_utils.networks import head_of

    head_of(network).layers[-1].activation = keras.activations.linear
    layers = network.layers
    kinds = [isinstance(layer, keras.layers.Conv2D) for layer in layers]
    placed = kinds if any(kinds) else [len(layer.output.shape) == 4 for layer in layers]
    last = max(np.flatnonzero(placed))
    output = layers[last].output
    pools = (layer.pool_size for layer in layers[last:] if hasattr(layer, "pool_size"))
    sides = zip(output.shape[1:3], next(pools, (1, 1)), strict=True)
    read = tuple(side // step * step for side, step in sides)
    return Cut(keras.Model(network.input, output), keras.Model(output, network.output), read)


def untrained(network: Any, seed: int) -> Any:
    """The same network with new initial weights wherever it was trained: a frozen base stays."""
    import keras

    keras.utils.set_random_seed(seed)
    fresh = keras.models.clone_model(network)
    for layer in network.layers:
        if not layer.trainable:
            fresh.get_layer(layer.name).set_weights(layer.get_weights())
    return fresh


def maps_and_logits(network: Cut, features: Any) -> tuple[Floats, Floats]:
    """The maps (N, h, w) of some images, positive for fake, and their logits (N,)."""
    import keras

    backend = keras.backend.backend()
    library = importlib.import_module(backend)  # by name: the study runs on either
    if backend == "jax":

        def total(features: Any) -> tuple[Any, Any]:
            logits = network.head(features)
            return keras.ops.sum(logits), logits

        (_, logits), gradient = library.value_and_grad(total, has_aux=True)(features)
    else:
        with library.GradientTape() as tape:
            tape.watch(features)
            logits = network.head(features)
        gradient = tape.gradient(logits, features)
    maps = keras.ops.sum(features * gradient, axis=-1)
    return keras.ops.convert_to_numpy(maps), keras.ops.convert_to_numpy(logits)[:, 0]


def painted(image: Pixels, cells: npt.NDArray[np.bool_]) -> Pixels:
    """An image with some cells of a map's grid, (h, w), in the image's mean colour."""
    down, across = (np.arange(len(image)) * side // len(image) for side in cells.shape)
    mean = np.rint(image.mean(axis=(0, 1))).astype(np.uint8)
    return np.where(cells[np.ix_(down, across)][..., None], mean, image)


def removed_cells(read: Sequence[int]) -> int:
    """How many cells are painted over: a fifth of those that are read, at least one."""
    return max(round(read[0] * read[1] / 5), 1)


def hottest(evidence: npt.NDArray, read: Sequence[int]) -> npt.NDArray[np.bool_]:
    """As many cells as `removed_cells` says, those with the most evidence, (h, w)."""
    cells = np.zeros(evidence.shape, dtype=bool)
    part = cells[: read[0], : read[1]]  # a view
    most = np.argsort(-evidence[: read[0], : read[1]], axis=None, kind="stable")
    part[np.unravel_index(most[: removed_cells(read)], part.shape)] = True
    return cells


def removal(
    network: Cut, images: Pixels, maps: Floats, logits: Floats, seeds: Sequence[int]
) -> Floats:
    """How far the logit falls towards the other class when cells are painted over, (N, 2).

    With the hottest cells for the class that the network names, and with as many random ones, which
    each image's own seed decides.
    """
    import keras

    sign = np.where(logits >= 0, 1, -1)
    chance = [np.random.default_rng(seed).random(maps.shape[1:]) for seed in seeds]
    falls = []
    for chosen in (maps * sign[:, None, None], chance):
        pairs = zip(images, chosen, strict=True)
        changed = np.stack([painted(image, hottest(cells, network.read)) for image, cells in pairs])
        after = keras.ops.convert_to_numpy(network.head(network.base(changed)))
        falls.append(sign * (logits - after[:, 0]))
    return np.stack(falls, axis=1)


def rank_correlations(
    a: npt.NDArray, b: npt.NDArray, read: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Spearman's correlation of two maps of each image, (N,); not a number where one is flat.

    Of the cells that are read alone: evidence in the others would always be 0.
    """
    ranks = [rankdata(m[:, : read[0], : read[1]].reshape(len(m), -1), axis=1) for m in (a, b)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    with np.errstate(invalid="ignore"):
        return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


@step(
    "insight",
    writes=lambda study, model, seed: [f"{model}-seed-{seed}.npz"],
    after=lambda study, *network: [prepare.of(study, "test"), train.of(study, *network)],
    each=("model", "seed"),
    settings=lambda study, *_: {"images": study.options["beyond_images"]},
    folder=lambda study, *_: study.results / "insight",
)
def maps(study: Study, model: str, seed: int, out: Path) -> None:
    """The maps of one network and their controls, for N test images.

    rows (N,), their places in the test set; logits (N,); maps (N, h, w), each divided by its
    largest absolute value; read, see `Cut`; trained and untrained (2, h, w), the mean map of each
    class, real first; untrained_rank (N,), of `rank_correlations`; removed (N, 2), of `removal`.
    """
    from fakeface_utils.training import load

    network = load(study, model, seed)
    trained, fresh = cut(network), cut(untrained(network, seed))
    pixels, table = images(study, "test"), manifest(study, "test").reset_index(drop=True)
    rows = drawn(table, "label", study.options["beyond_images"]).index.to_numpy()
    labels = table["label"].to_numpy()[rows]
    parts: list[tuple[npt.NDArray, ...]] = []
    with progress(len(rows), f"maps of {model} seed {seed}", "image") as bar:
        for start in range(0, len(rows), AT_ONCE):
            members = rows[start : start + AT_ONCE]
            batch = pixels[members]
            features = trained.base(batch)
            found, logits = maps_and_logits(trained, features)
            learned = trained.base.trainable_weights  # a frozen base is the same in both
            without, _ = maps_and_logits(fresh, fresh.base(batch) if learned else features)
            if not (np.isfinite(found).all() and np.isfinite(logits).all()):
                raise StudyError(f"{model} seed {seed}: a map is no finite number: train it again")
            ranks = rank_correlations(found, without, trained.read)
            falls = removal(trained, batch, found, logits, members.tolist())
            parts.append((found, without, logits, ranks, falls))
            bar.update(len(members))
    found, without, logits, ranks, falls = map(np.concatenate, zip(*parts, strict=True))
    largest = np.abs(found).max(axis=(1, 2), keepdims=True)
    arrays = {
        "rows": rows,
        "read": np.array(trained.read),
        "logits": logits,
        "maps": (found / np.where(largest > 0, largest, 1)).astype(np.float16),
        "trained": np.stack([found[labels == k].mean(axis=0, dtype=float) for k in (0, 1)]),
        "untrained": np.stack([without[labels == k].mean(axis=0, dtype=float) for k in (0, 1)]),
        "untrained_rank": ranks,
        "removed": falls,
    }
    np.savez_compressed(out / f"{model}-seed-{seed}.npz", allow_pickle=False, **arrays)
