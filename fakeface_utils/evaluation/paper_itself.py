"""Whether the paper's printed numbers agree with each other, and the size of its networks."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..study.names import MODELS
from ..study.paper import VGG16_BLOCKS, VGG16_DENSE, paper_table1
from ..study.settings import Study
from .metrics import rates


def recovered_matrices(printed: Mapping[str, float], per_class: int = 10_000) -> pd.DataFrame:
    """The confusion matrices that agree with at least three of four metrics printed to 4 decimals.

    A value half-way between two roundings agrees with both, since programs round it differently.

    Args:
        printed: accuracy, precision, recall and f1.
        per_class: test images of each class.

    Returns:
        tp, fn, fp, tn, the four metrics, and differs (the metric that disagrees with the printed
        one, or ''); those with most agreement first, then those nearest to the printed values.
    """
    near = round(printed["recall"] * per_class)  # precision and F1 together fix it to +-3
    tp, fp = np.meshgrid(
        np.arange(max(near - 10, 0), min(near + 10, per_class) + 1), np.arange(per_class + 1)
    )
    table = pd.DataFrame({"tp": tp.ravel(), "fp": fp.ravel()})
    table = table.assign(fn=per_class - table["tp"], tn=per_class - table["fp"])
    table = table[["tp", "fn", "fp", "tn"]]
    table = table.assign(**rates(*(table[cell] for cell in table)))
    away = (table[list(printed)] - pd.Series(printed)).abs()
    off = away > 0.00005 + 1e-9
    matrices = table.assign(wrong=off.sum(axis=1), far=away.sum(axis=1))[off.sum(axis=1) <= 1]
    matrices = matrices.sort_values(["wrong", "far"]).drop(columns=["wrong", "far"])
    differs = [" ".join(off.columns[off.loc[row]]) for row in matrices.index]
    return matrices.assign(differs=differs).reset_index(drop=True)


def paper_against_itself() -> pd.DataFrame:
    """`recovered_matrices` of both models of the paper's Table 1, with a column model."""
    printed = paper_table1()
    return pd.concat(
        [
            recovered_matrices(printed.xs(model, level="model").to_dict()).assign(model=model)
            for model in MODELS
        ],
        ignore_index=True,
    )


def network_size(
    blocks: Sequence[Sequence[int]],
    dense: Sequence[int],
    batch_norm: bool = False,
    frozen: bool = False,
    side: int = 224,
) -> dict[str, int]:
    """Size and cost of a VGG-like network, counted layer by layer.

    Args:
        blocks: filters of the padded 3x3 convolutions; 2x2 pooling ends each block.
        dense: nodes of the dense layers.
        batch_norm: whether batch normalization follows each activation but the output's.
        frozen: whether the convolutions are not trained.
        side: pixels per side of the input.

    Returns:
        parameters; trained (those that training changes); multiply_adds (of convolutions and dense
        layers, for one image); dense_multiply_adds (of the dense layers alone).
    """
    channels, parameters, trained, multiply_adds = 3, 0, 0, 0
    for block in blocks:
        for filters in block:
            kernel = 9 * channels * filters
            parameters += kernel + filters + 4 * filters * batch_norm
            trained += 0 if frozen else kernel + filters + 2 * filters * batch_norm
            multiply_adds += side * side * kernel
            channels = filters
        side //= 2
    dense_weights = sum(
        inputs * nodes
        for inputs, nodes in zip([side * side * channels, *dense[:-1]], dense, strict=True)
    )
    norm = sum(dense[:-1]) * batch_norm  # values of the dense layers that are normalized
    return {
        "parameters": parameters + dense_weights + sum(dense) + 4 * norm,
        "trained": trained + dense_weights + sum(dense) + 2 * norm,
        "multiply_adds": multiply_adds + dense_weights,
        "dense_multiply_adds": dense_weights,
    }


def paper_sizes() -> pd.DataFrame:
    """`network_size` of custom_cnn, vgg16 (with its new head) and published, a row each."""
    paper = Study()
    filters = [(number,) for number in paper.custom_filters]
    sizes = {
        "custom_cnn": network_size(filters, (paper.custom_dense, 1), batch_norm=True),
        "vgg16": network_size(VGG16_BLOCKS, (paper.vgg16_dense, 1), frozen=True),
        "published": network_size(VGG16_BLOCKS, VGG16_DENSE),
    }
    return pd.DataFrame(sizes).T
