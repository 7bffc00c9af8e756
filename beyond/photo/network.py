"""A trained network as a plain list of operations, which a page can do without any library."""

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from fakeface_utils.util import StudyError

Operation = dict[str, Any]


def operations(network: Any, title: str) -> list[Operation]:
    """The layers of a Keras model in order, as JSON: weights in 16 bits, normalisation folded in.

    The first one scales the pixels.

    Raises:
        StudyError: it is more than a chain of the layers below.
    """
    chain: list[Operation] = [{"kind": "scale", "factor": 1.0, "offset": 0.0}]
    before = network.inputs[0]
    for layer in network.layers:
        kind = type(layer).__name__
        if kind != "InputLayer" and (layer.input is not before or not _added(chain, kind, layer)):
            raise StudyError(
                f"{title} can't go into the page, where layer '{layer.name}' ({kind}) can't be "
                "computed: it takes plain chains of Rescaling, Conv2D, Dense, ReLU, pooling, batch "
                "normalization and dropout, so name such a network with --model"
            )
        before = layer.output
    ends = [one.get("activation") == "sigmoid" and "factor" not in one for one in chain]
    if ends != [False] * (len(chain) - 1) + [True] or chain[-1]["out"] != [1, 1, 1]:
        raise StudyError(f"{title} can't go into the page: it must end in one sigmoid")
    for one in chain[1:]:
        one["relu"] = one.pop("activation", "") == "relu"
        for name, usual in (("bias", 0.0), ("factor", 1.0), ("shift", 0.0)):
            one[name] = np.broadcast_to(one.get(name, usual), one["out"][2:]).tolist()
        if "weights" in one:
            one |= _packed(one["weights"])
    return chain


def _added(chain: list[Operation], kind: str, layer: Any) -> bool:
    """Add a layer to the chain, or to its last operation; whether that is possible."""
    last = chain[-1]
    match kind:
        case "Dropout" | "Flatten":  # the order of values is that of Keras already
            return True
        case "Rescaling" if len(chain) == 1 and np.ndim(layer.scale) == np.ndim(layer.offset) == 0:
            last |= {"factor": float(layer.scale), "offset": float(layer.offset)}
            return True
        case "Conv2D" if layer.groups == 1 and set(layer.dilation_rate) == {1}:
            chain.append(_placed(layer, "convolve", layer.kernel_size) | _weights(layer))
            return layer.activation.__name__ in ("linear", "relu")
        case "Dense" if len(layer.input.shape) == 2:
            chain.append({"kind": "dense", "out": [1, 1, layer.units]} | _weights(layer))
            return layer.activation.__name__ in ("linear", "relu", "sigmoid")
        case "MaxPooling2D" | "AveragePooling2D" if layer.padding == "valid":
            pool = _placed(layer, "pool", layer.pool_size)
            chain.append(pool | {"largest": kind == "MaxPooling2D"})
            return True
        case "BatchNormalization" if len(chain) > 1 and layer.axis in (
            -1,
            len(layer.input.shape) - 1,
        ):
            return _folded(last, layer)
        case "ReLU" | "Activation":
            plain = last.get("activation") == "linear" and "factor" not in last
            last["activation"] = "relu"
            named = getattr(layer, "activation", None)
            usual = named.__name__ == "relu" if named else not (layer.max_value or layer.threshold)
            return plain and usual and not getattr(layer, "negative_slope", 0)
    return False


def _placed(layer: Any, kind: str, kernel: tuple[int, int]) -> Operation:
    """Where a kernel stands: sizes, strides, and the rows and columns of padding before them."""
    size, out = list(layer.input.shape[1:]), list(layer.output.shape[1:])
    needed = [(out[i] - 1) * layer.strides[i] + kernel[i] - size[i] for i in (0, 1)]
    before = [max(n, 0) // 2 if layer.padding == "same" else 0 for n in needed]
    place = {"size": size, "out": out, "kernel": list(kernel), "strides": list(layer.strides)}
    return {"kind": kind, "before": before} | place


def _weights(layer: Any) -> Operation:
    """A row of weights for each filter, in float64 for now, its bias and its activation."""
    kernel = np.asarray(layer.kernel, dtype=float)
    rows = kernel.reshape(-1, kernel.shape[-1]).T
    bias = np.zeros(len(rows)) if layer.bias is None else np.asarray(layer.bias, dtype=float)
    return {"weights": rows, "bias": bias, "activation": layer.activation.__name__}


def _folded(last: Operation, layer: Any) -> bool:
    """Batch normalisation as part of the operation before it, in which it is a factor and a shift.

    Where nothing comes between, it changes weights and bias. The paper's comes after the ReLU: then
    it stays a factor and a shift of the results. It can't go into the next convolution, whose
    padding is 0 after it, not before.
    """
    variance, mean = (
        np.asarray(x, dtype=float) for x in (layer.moving_variance, layer.moving_mean)
    )
    factor = 1 / np.sqrt(variance + layer.epsilon)
    factor *= 1 if layer.gamma is None else np.asarray(layer.gamma, dtype=float)
    shift = (0 if layer.beta is None else np.asarray(layer.beta, dtype=float)) - mean * factor
    if "factor" in last or last["out"][2] != len(factor):
        return False
    if last.get("activation") == "linear":
        last["weights"] = last["weights"] * factor[:, None]
        last["bias"] = last["bias"] * factor + shift
    else:
        last |= {"factor": factor, "shift": shift}
    return True


def _packed(weights: npt.NDArray[np.float64]) -> Operation:
    """Weights as whole numbers of 16 bits, and a step for each row.

    In float16, as long, p(fake) differed by up to 0.005.
    """
    steps = np.maximum(np.abs(weights).max(axis=1), np.finfo(float).tiny) / 32767
    whole = np.rint(weights / steps[:, None]).astype("<i2")
    return {"weights": base64.b64encode(whole.tobytes()).decode(), "steps": steps.tolist()}
