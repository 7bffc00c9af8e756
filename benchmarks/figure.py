"""The measurements as a table and as a figure."""

from typing import Any

import pandas as pd

from benchmarks.common import Result


def table(measured: Result) -> pd.DataFrame:
    """The comparisons: what, unit, ours, the usual way's, and how many times better ours is."""
    return pd.DataFrame(measured["results"])[["what", "unit", "ours", "usual", "ratio"]]


def chart(measured: Result) -> Any:
    """The ratios as bars; memory and preparing time by the number of images."""
    import matplotlib.pyplot as plt

    from fakeface_utils.report.drawing import FULL, INK, LOOKS, STYLE

    rows, growing = table(measured)[::-1], pd.DataFrame(measured["growth"])
    machine = measured["hardware"]
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(FULL, 4), width_ratios=(2, 1))
        bars = left.barh(rows["what"], rows["ratio"], color=LOOKS["custom_cnn"]["color"])
        left.bar_label(bars, fmt="%.1f", padding=3)
        left.axvline(1, color=INK, lw=1)
        left.set(xscale="log", xlabel="times better than the usual way (log scale)")
        left.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
        left.margins(x=0.15)
        memory, seconds = growing["peak_memory"] / 1e6, growing["preparing_seconds"]
        right.plot(growing["images"], memory, label="anonymous memory (MB)", **LOOKS["custom_cnn"])
        right.plot(growing["images"], seconds, label="preparing (s)", **LOOKS["vgg16"])
        right.set(xscale="log", yscale="log", xlabel="training images (log scale)")
        right.set_xticks(growing["images"], growing["images"].map("{:,}".format))
        right.minorticks_off()
        figure.legend(loc="outside lower right", ncols=2)
        title = f"{machine['processor']}, {machine['cores']} cores ({measured['note']})"
        figure.suptitle(title)
    return figure
