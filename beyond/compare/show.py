"""What `fakeface compare` prints, and its page with the validation curves."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

from fakeface_utils.evaluate import histories
from fakeface_utils.figures import HALF, Drawn, inline
from fakeface_utils.report import as_table, note
from fakeface_utils.settings import Study
from fakeface_utils.util import PACKAGE, home, replacing, sha256, shown

from . import measure

TEMPLATE = Path(__file__).with_name("compare.html.j2")
COLOURS = ("#0173b2", "#c97b00", "#02936c", "#cc4455", "#a8559a", "#7d828b")
DASHES = ("-", "--", "-.", ":")


def compare(runs: Sequence[str]) -> None:
    """Print runs side by side, and write their page."""
    studies = measure.evaluated(runs)
    found = measure.compare(studies)
    print(*found.notices, sep="\n")
    for title, table in (
        ("The runs", found.about),
        ("Settings that differ", found.settings),
        ("Table 1, mean over seeds with its 95 % interval", found.table),
        ("Differences", found.differences),
        ("On further images that both were asked about", found.further),
    ):
        print(f"\n{title}\n{'none' if table.empty else table.to_string(index=False)}")
    print(f"\npage: {shown(write_page(studies, found))}")


def page_of(runs: Sequence[str]) -> Path:
    """The page of some runs, which no others share: '+' is in no run's name."""
    name = "+".join(runs)
    short = name if len(name) <= 200 else f"{name[:180]}+{sha256(name.encode())[:12]}"
    return home("results") / "compare" / f"{short}.html"


def write_page(studies: Sequence[Study], found: measure.Comparison) -> Path:
    """Write the page: one file that opens offline."""
    import jinja2

    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = page.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        found=found,
        table=as_table,
        note=note,
        curves=inline(curves(studies)),
        style=(PACKAGE / "template" / "style.css").read_text(encoding="utf-8"),
    )
    path = page_of(found.runs)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def curves(studies: Sequence[Study]) -> Drawn:
    """Accuracy and loss on validation images by epoch: a row a model, a line a run."""
    models = measure.models_of(studies)
    size = (HALF, 2.5 * len(models))
    figure, axes = plt.subplots(len(models), 2, figsize=size, sharex=True, squeeze=False)
    lowest = []
    for row, (model, about) in zip(axes, models.items(), strict=True):
        for place, study in enumerate(studies):
            if model not in study.models:
                continue
            history = histories(study, model)
            look = {"color": COLOURS[place % len(COLOURS)], "ls": DASHES[place % len(DASHES)]}
            for axis, quantity in zip(row, ("accuracy", "loss"), strict=True):
                by_epoch = history.groupby("epoch")[f"val_{quantity}"]
                mean, ends = by_epoch.mean(), (by_epoch.min(), by_epoch.max())
                axis.plot(mean, marker="o", ms=4, label=study.run, **look)
                axis.fill_between(mean.index, *ends, color=look["color"], alpha=0.15)
                axis.set_title(f"{about.title}, {quantity}")
                axis.yaxis.set_major_formatter("{x:.2f}")
                axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            lowest.append(f"{about.title} of {study.run} {mean.min():.3f} at epoch {mean.idxmin()}")
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return figure, (
        "Accuracy and loss on validation images by epoch, mean and range over seeds. Lowest mean "
        f"validation loss: {'; '.join(lowest)}."
    )
