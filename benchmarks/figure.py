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
    import seaborn as sns

    from fakeface_utils.report.drawing import STYLE, TRAIN, VALID

    rows, growing = table(measured)[::-1], pd.DataFrame(measured["growth"])
    machine = measured["hardware"]
    with sns.axes_style("whitegrid"), plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(11, 4), width_ratios=(2, 1), layout="constrained"
        )
        bars = left.barh(rows["what"], rows["ratio"], color=TRAIN)
        left.bar_label(bars, fmt="%.1f", padding=3)
        left.axvline(1, color="0.2", lw=1)
        left.set(xscale="log", xlabel="times better than the usual way (log scale)")
        left.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
        left.margins(x=0.15)
        memory, seconds = growing["peak_memory"] / 1e6, growing["preparing_seconds"]
        right.plot(growing["images"], memory, "o-", color=TRAIN, label="anonymous memory (MB)")
        right.plot(growing["images"], seconds, "s--", color=VALID, label="preparing (s)")
        right.set(xscale="log", yscale="log", xlabel="training images (log scale)")
        right.set_xticks(growing["images"], growing["images"].map("{:,}".format))
        right.minorticks_off()
        right.legend(loc="center left", fontsize=8)
        title = f"{machine['processor']}, {machine['cores']} cores ({measured['note']})"
        figure.suptitle(title, fontsize=11)
    return figure
