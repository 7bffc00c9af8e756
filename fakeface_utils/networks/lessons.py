"""What the notebooks show of a network beside its training: the decay, one normalized channel."""

import math
from typing import get_args

import keras
import numpy as np
import numpy.typing as npt

from ..study.artefacts import read_images
from ..study.settings import Decay, Study
from .trained import load_model
from .training import learning_rate_schedule

POINTS = 200  # at most so many steps of a training run are asked for their rate
LOOKED_AT = 50  # images whose feature maps are shown


def learning_rates(study: Study, images: int) -> dict[str, npt.NDArray[np.float64]]:
    """The custom CNN's learning rate over a training run, by each reading of the decay.

    Args:
        study: whose rate, epochs and batch size.
        images: that it trains on.

    Returns:
        By reading at most `POINTS` rates, evenly spread over the steps.
    """
    steps = math.ceil(images / study.batch_size)
    asked = np.linspace(0, study.epochs * steps - 1, min(POINTS, study.epochs * steps)).astype(int)
    rates = {}
    for reading in get_args(Decay):
        schedule = learning_rate_schedule(reading, study.learning_rate, study.epochs, steps)
        rates[reading] = np.array([float(schedule(step)) for step in asked])
    return rates


def first_normalization(study: Study) -> tuple[npt.NDArray, npt.NDArray]:
    """One channel of the trained custom CNN before and after its first batch normalization.

    Returns:
        Twice (N, h, w), of `LOOKED_AT` validation images: of the channel that is most active.

    Raises:
        StudyError: the network isn't trained.
    """
    network = load_model(study.run, "custom_cnn", study.seeds[0])
    layers = [network.get_layer(name).output for name in ("conv1", "norm1")]
    look = keras.Model(network.input, layers)
    before, after = look.predict(read_images(study, "valid")[:LOOKED_AT], verbose=0)
    channel = int(before.mean(axis=(0, 1, 2)).argmax())
    return before[..., channel], after[..., channel]
