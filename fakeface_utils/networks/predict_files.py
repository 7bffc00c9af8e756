"""A trained network's answers to a person's own image files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import StudyError
from ..dataset.decode import UNREADABLE, as_input, open_rgb, read_file, reason
from ..dataset.given import RESAVINGS, resaved
from ..evaluation.judge import Answer, Judge
from .trained import load_model

AT_ONCE = 32  # images decoded and predicted together: bounds memory


def answers(judge: Judge, paths: Sequence[Path], stability: bool) -> Iterator[Answer]:
    """Judge image files, prepared as the run's own images were.

    Args:
        judge: the network.
        paths: the files.
        stability: judge each image's re-savings too, see `dataset.given.resaved`.

    Yields:
        An answer for each file, in order.

    Raises:
        StudyError: the model is damaged or another's, or an output is no finite number.
    """
    network = load_model(judge.run, judge.model, judge.seed)
    size = network.input_shape[1]
    at_once = max(AT_ONCE // (1 + RESAVINGS * stability), 1)
    for start in range(0, len(paths), at_once):
        members = paths[start : start + at_once]
        decoded = [_decode(path, size, judge.resize_filter, stability) for path in members]
        pixels = [array for arrays, _ in decoded for array in arrays]
        p_fake = network.predict_on_batch(np.stack(pixels))[:, 0] if pixels else np.empty(0)
        if not np.isfinite(p_fake).all():
            raise StudyError(
                f"{judge.model} seed {judge.seed} of run {judge.run} gives no finite numbers: "
                "train again"
            )
        outputs = iter(p_fake.tolist())
        for path, (arrays, about) in zip(members, decoded, strict=True):
            yield judge.answer(path, [next(outputs) for _ in arrays], about)


def _decode(
    path: Path, size: int, resize_filter: str, stability: bool
) -> tuple[list[npt.NDArray[np.uint8]], dict[str, Any]]:
    """The network's inputs (size, size, 3) of a file, and `about` as `Judge.answer` takes it."""
    try:
        image, about = open_rgb(read_file(path))
    except UNREADABLE as error:
        return [], {"why": reason(error)}
    versions = [image, *(resaved(image) if stability else ())]
    return [as_input(version, size, resize_filter) for version in versions], about
