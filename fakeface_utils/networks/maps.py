"""Where in an image a network finds its evidence, and whether such a map means anything.

A map is the output of the last convolution times the gradient of the logit with respect to it,
summed over channels (HiResCAM, Draelos and Carin 2020, arXiv:2011.08891): positive where a place
speaks for fake. Grad-CAM first averages the gradient over all places. That loses the place where a
Flatten and a Dense layer follow, which weigh every place on its own, as in both networks here.

The logit, not the sigmoid: where the network is sure, the sigmoid is flat and has no gradient left.

Controls (Adebayo et al. 2018, arXiv:1810.03292): the map of the same network before any training;
and how far the logit falls when the places that the map calls hottest are painted over.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from ..common.errors import StudyError
from ..common.files import write_atomic
from ..common.progress import progress
from ..evaluation.agreement import rank_correlations, read_cells, removed_cells
from ..study.artefacts import read_images, read_manifest
from ..study.beyond_artefacts import maps_npz
from ..study.insight import maps_step
from ..study.names import CLASSES, MODELS
from ..study.settings import Study
from .trained import load_model

AT_ONCE = 25  # images in a batch; the first convolution's output bounds the memory

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cut:
    """A network cut in two after its last convolution.

    Attributes:
        base: images to the convolution's output, (N, h, w, channels).
        head: the layers after it; the last is the Dense layer with the sigmoid.
    """

    base: keras.Model
    head: Sequence[keras.Layer]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of a map."""
        return self.base.output_shape[1:3]

    def features(self, images: npt.NDArray[np.uint8]) -> Any:
        """The convolution's output for at most `AT_ONCE` images, as the backend's tensor.

        Args:
            images: (N, size, size, 3) uint8 RGB.
        """
        filled = [(0, AT_ONCE - len(images))] + [(0, 0)] * 3  # so that no graph is traced again
        outputs = self.base.predict_on_batch(np.pad(images, filled))[: len(images)]
        return keras.ops.convert_to_tensor(outputs)

    def logit(self, features: Any) -> Any:
        """The head's output before the sigmoid, (N, 1), batch norm and dropout as in use."""
        for layer in self.head[:-1]:
            features = layer(features)
        return keras.ops.matmul(features, self.head[-1].kernel) + self.head[-1].bias


def cut(network: keras.Model) -> Cut:
    """Cut a network after its last convolution; a nested head is unpacked."""
    layers = list(network.layers)
    last = max(i for i, layer in enumerate(layers) if isinstance(layer, keras.layers.Conv2D))
    head: list[keras.Layer] = []
    for layer in layers[last + 1 :]:
        head += layer.layers if isinstance(layer, keras.Model) else [layer]
    return Cut(keras.Model(network.input, layers[last].output), head)


def untrained(network: keras.Model, seed: int) -> keras.Model:
    """The same network with new initial weights wherever the study trained it.

    VGG16's base was never trained here and stays: what is new is its head.
    """
    keras.utils.set_random_seed(seed)
    fresh = keras.models.clone_model(network)
    for layer in network.layers:
        if not layer.trainable:
            fresh.get_layer(layer.name).set_weights(layer.get_weights())
    return fresh


def maps_and_logits(network: Cut, features: Any) -> tuple[Floats, Floats]:
    """The maps (N, h, w) of some images, positive for fake, and their logits (N,).

    Args:
        network: a cut network.
        features: (N, h, w, channels), see `Cut.features`.
    """
    backend = keras.backend.backend()
    library = importlib.import_module(backend)  # by name: the package runs on either
    if backend == "jax":

        def total(features: Any) -> tuple[Any, Any]:
            logits = network.logit(features)
            return keras.ops.sum(logits), logits

        (_, logits), gradient = library.value_and_grad(total, has_aux=True)(features)
    else:
        with library.GradientTape() as tape:
            tape.watch(features)
            logits = network.logit(features)
        gradient = tape.gradient(logits, features)
    maps = keras.ops.sum(features * gradient, axis=-1)
    return keras.ops.convert_to_numpy(maps), keras.ops.convert_to_numpy(logits)[:, 0]


def painted(image: npt.NDArray[np.uint8], cells: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """An image with some cells of a map's grid in the image's mean colour.

    Args:
        image: (size, size, 3) uint8.
        cells: (h, w), which ones.
    """
    down, across = (np.arange(len(image)) * side // len(image) for side in cells.shape)
    hidden = cells[np.ix_(down, across)]
    mean = np.rint(image.mean(axis=(0, 1))).astype(np.uint8)
    return np.where(hidden[..., None], mean, image)


def hottest(evidence: npt.NDArray) -> npt.NDArray[np.bool_]:
    """As many cells as `removed_cells` says, those with the most evidence, (h, w)."""
    read = read_cells(evidence.shape)
    cells = np.zeros(evidence.shape, dtype=bool)
    part = cells[read]  # a view
    most = np.argsort(-evidence[read], axis=None, kind="stable")
    part[np.unravel_index(most[: removed_cells(evidence.shape)], part.shape)] = True
    return cells


def removal(
    network: Cut, images: npt.NDArray[np.uint8], maps: Floats, logits: Floats, seeds: Sequence[int]
) -> Floats:
    """How far the logit falls towards the other class when cells are painted over.

    Args:
        network: a cut network.
        images: (N, size, size, 3) uint8 RGB.
        maps, logits: theirs, see `maps_and_logits`.
        seeds: a number for each image, which decides its random cells.

    Returns:
        (N, 2): with the hottest cells for the class that the network names, and with as many
        random ones.
    """
    sign = np.where(logits >= 0, 1, -1)
    falls = []
    for random in (False, True):
        chosen = maps * sign[:, None, None]
        if random:
            shape = maps.shape[1:]
            chosen = np.stack([np.random.default_rng(seed).random(shape) for seed in seeds])
        pairs = zip(images, chosen, strict=True)
        changed = np.stack([painted(image, hottest(cells)) for image, cells in pairs])
        after = keras.ops.convert_to_numpy(network.logit(network.features(changed)))[:, 0]
        falls.append(sign * (logits - after))
    return np.stack(falls, axis=1)


def mapped_rows(labels: npt.NDArray, most: int) -> npt.NDArray[np.int64]:
    """At most so many images of each class, drawn with seed 0, in order.

    Args:
        labels: (N,) 1 for fake.
        most: of each class.
    """
    drawn = [
        np.random.default_rng(0).permutation(np.flatnonzero(labels == label))[:most]
        for label in range(len(CLASSES))
    ]
    return np.sort(np.concatenate(drawn))


def make_maps(study: Study) -> None:
    """Make the maps of every network and their controls, unless that is done.

    Each `insight/<model>-seed-<k>.npz` has, for N test images: rows (N,), their places in the test
    set; logits (N,); maps (N, h, w) float16, each divided by its largest absolute value; trained
    and untrained (2, h, w), the mean map of each class, real first; untrained_rank (N,), see
    `rank_correlations`; removed (N, 2), see `removal`. The custom CNN's also has responses
    (2, H, W, filters) uint8 of its first convolution to the surest real and fake of `faces` (2,).

    Raises:
        StudyError: a model is missing or damaged, or an output is no finite number.
    """
    for model in MODELS:
        for seed in study.seeds:
            step = maps_step(study, model, seed)
            if not step.do(lambda model=model, seed=seed: _make(study, model, seed)):  # type: ignore[misc]
                print(f"{step.name}: up to date")


def _make(study: Study, model: str, seed: int) -> None:
    network = load_model(study.run, model, seed)
    trained, fresh = cut(network), cut(untrained(network, seed))
    images, labels = read_images(study, "test"), read_manifest(study, "test")["label"].to_numpy()
    rows = mapped_rows(labels, study.beyond_images)
    parts: dict[str, list[npt.NDArray]] = {
        name: [] for name in ("logits", "maps", "untrained_rank", "removed")
    }
    means = {name: np.zeros((2, *trained.grid)) for name in ("trained", "untrained")}
    with progress(len(rows), f"maps of {model} seed {seed}", "image") as bar:
        for start in range(0, len(rows), AT_ONCE):
            members = rows[start : start + AT_ONCE]
            batch = images[members]
            features = trained.features(batch)
            maps, logits = maps_and_logits(trained, features)
            learned = trained.base.trainable_weights  # VGG16's base is the same in both
            without, _ = maps_and_logits(fresh, fresh.features(batch) if learned else features)
            if not (np.isfinite(maps).all() and np.isfinite(logits).all()):
                raise StudyError(f"{model} seed {seed}: a map is no finite number: train it again")
            for name, of_one in (("trained", maps), ("untrained", without)):
                np.add.at(means[name], labels[members], of_one)
            largest = np.abs(maps).max(axis=(1, 2), keepdims=True)
            parts["maps"].append((maps / np.where(largest > 0, largest, 1)).astype(np.float16))
            parts["logits"].append(logits)
            parts["untrained_rank"].append(rank_correlations(maps, without))
            parts["removed"].append(removal(trained, batch, maps, logits, members.tolist()))
            bar.update(len(members))
    arrays = {name: np.concatenate(part) for name, part in parts.items()} | {"rows": rows}
    counts = np.bincount(labels[rows], minlength=2)[:, None, None]
    arrays |= {name: (total / counts).astype(np.float32) for name, total in means.items()}
    if model == "custom_cnn":
        signs = np.array([-1, 1])  # the surest real, and the surest fake, by the network's answer
        faces = [np.where(labels[rows] == k, signs[k] * arrays["logits"], -np.inf).argmax()
                 for k in (0, 1)]  # fmt: skip
        arrays |= {"faces": rows[faces], "responses": responses(network, images[rows[faces]])}
    with write_atomic(maps_npz(study, model, seed)) as part:
        np.savez_compressed(part, allow_pickle=False, **arrays)


def responses(network: keras.Model, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The first convolution's outputs, (N, H, W, filters), 255 at each filter's largest."""
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    outputs = keras.ops.convert_to_numpy(keras.Model(network.input, first.output)(images))
    largest = outputs.max(axis=(0, 1, 2))
    return np.rint(255 * outputs / np.where(largest > 0, largest, 1)).astype(np.uint8)
