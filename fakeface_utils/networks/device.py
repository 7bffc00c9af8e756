"""How Keras uses the machine: its GPU, its precision, and several GPUs at once.

Whether XLA compiles a step is left to Keras: on a GPU and with JAX it does, with TensorFlow on a
CPU it doesn't.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import keras

from ..common.errors import StudyError
from ..common.machine import gpus
from ..study.artefacts import read_dataset
from ..study.settings import Study


def sees_gpu() -> bool:
    """Whether Keras' backend has a GPU; all devices are listed, since JAX fails on 'gpu' alone."""
    return any("gpu" in name.lower() for name in keras.distribution.list_devices())


def check_device() -> None:
    """Refuse to train on the CPU if the driver shows a GPU.

    Raises:
        StudyError: Keras doesn't see the GPU; the sentence has the command that fixes it.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if gpus() and not hidden and not sees_gpu():
        on_jax = keras.backend.backend() == "jax"
        fix = "pip install 'jax[cuda12]'" if on_jax else "pip install -e '.[gpu]'"
        raise StudyError(
            f"the driver shows {gpus()[0]} but Keras ({keras.backend.backend()}) does not see it: "
            f"run {fix}, or set CUDA_VISIBLE_DEVICES=-1 to train on the CPU"
        )


def _half() -> str:
    """bfloat16, or float16 if the GPU can't compute in it (before NVIDIA's Ampere, 8.0).

    With float16 Keras scales the loss by itself.
    """
    old = any(float(capability) < 8 for capability in gpus("compute_cap")) and sees_gpu()
    return "mixed_float16" if old else "mixed_bfloat16"


@contextmanager
def precision(study: Study) -> Iterator[None]:
    """Models built in the block compute as the setting `precision` says.

    Their weights are float32 all the same. A model that will be saved is built outside the block:
    Keras would reload it in the precision of the machine that trained it.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_half() if study.precision == "mixed" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def distribute(study: Study) -> int:
    """Spread each batch over all GPUs where Keras can, on JAX; call it before building a model.

    Every GPU holds all weights and gets an equal share of a batch; gradients and the statistics of
    batch normalization are those of the whole batch. So the results equal those of a single device,
    to rounding.

    Returns:
        The number of devices; 1 with TensorFlow.

    Raises:
        StudyError: batch_size, or the number of images in a split, doesn't divide by the devices.
    """
    devices = keras.distribution.list_devices()
    if keras.backend.backend() != "jax" or len(devices) == 1:
        keras.distribution.set_distribution(None)
        return 1
    count = len(devices)
    fewer = "or show fewer devices with CUDA_VISIBLE_DEVICES"
    rest = study.batch_size % count
    if rest:
        below, above = study.batch_size - rest, study.batch_size - rest + count
        near = f"{below} or {above}" if below else str(above)
        raise StudyError(
            f"batch_size is {study.batch_size} and there are {count} devices: take {near}, {fewer}"
        )
    for split, classes in read_dataset(study)["counts"].items():
        images = sum(classes.values())
        if images % count:
            raise StudyError(
                f"{split} has {images:,} images, which {count} devices can't share equally: take "
                f"images_per_class={min(classes.values()) // count * count}, {fewer}"
            )
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    return count
