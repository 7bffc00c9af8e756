"""The networks: raw uint8 RGB images (N, size, size, 3) to p_fake (N, 1). One file each.

A network's file has `build(study)`. Where its first part is frozen, the rest, which is trained on
that part's features, is its last layer and called `head`.
"""

import importlib
import math
import os
import runpy
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ..models import MODELS
from ..settings import Study
from ..util import StudyError, shown, stderr_to

# TensorFlow reports that it found no GPU and which CPU instructions it uses: noise on most
# machines. If there is a GPU that Keras can't use, `training.start` says so.
with stderr_to(os.devnull):
    try:
        import keras

        if (backend := keras.backend.backend()) not in ("tensorflow", "jax"):
            raise ImportError(f"this study was not written for {backend}")
    except Exception as error:  # also a backend that isn't there, or that Keras doesn't know
        raise StudyError(
            f"Keras can't start ({error}): set KERAS_BACKEND to tensorflow, or jax where that is "
            "installed"
        ) from error
# What a person's own keras.json says otherwise is for other work.
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)  # at which the loss cuts a probability
keras.config.set_image_data_format("channels_last")


def build(study: Study, model: str, seed: int, precision: str = "float32") -> keras.Model:
    """A network with the seed's initial weights; they are float32 under any precision."""
    keras.config.set_dtype_policy(precision)
    try:
        keras.utils.set_random_seed(seed)
        if model in MODELS:
            return importlib.import_module(f".{model}", __package__).build(study)
        return runpy.run_path(str(study.networks / f"{model}.py"))["build"](study)
    finally:
        keras.config.set_dtype_policy("float32")


def saved(path: Path, again: str) -> keras.Model:
    """A network from its file, in Keras' safe mode: one that carries code is refused."""
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # damage shows in many ways, and each means the same
        why = str(error).partition("\n")[0].partition(". ")[0]  # Keras adds advice for programmers
        raise StudyError(
            f"{shown(path)} is missing, damaged or not ours ({why}): {again}"
        ) from error


def head_of(network: keras.Model) -> keras.Model:
    """The part that is trained: what follows a frozen base, or else the whole network."""
    last = network.layers[-1]
    return last if last.name == "head" else network


def base_of(network: keras.Model) -> keras.Model:
    """The frozen first part: images to the features that the head takes."""
    return keras.Model(network.input, network.layers[-2].output)


def architecture(network: keras.Model) -> pd.DataFrame:
    """One row per layer: name, kind, output shape, parameters, multiply-adds for one image, ..."""
    rows = []
    for layer in layers_of(network):
        shape, kernel = layer.output.shape[1:], getattr(layer, "kernel", None)
        positions = math.prod(shape[:-1])  # at which the kernel is applied
        rows.append(
            {
                "layer": layer.name,
                "kind": type(layer).__name__,
                "output_shape": "x".join(map(str, shape)),
                "parameters": layer.count_params(),
                "trainable": sum(math.prod(w.shape) for w in layer.trainable_weights),
                "multiply_adds": 0 if kernel is None else positions * math.prod(kernel.shape),
                "activation": "" if kernel is None else layer.activation.__name__,
            }
        )
    return pd.DataFrame(rows)


def layers_of(network: keras.Model) -> Iterator[keras.Layer]:
    """All layers in order, nested models unpacked; of input layers only the first."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from (x for x in layers_of(layer) if not isinstance(x, keras.layers.InputLayer))
        else:
            yield layer
