"""A run on other images: its figure, its tables and the report's section."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML

from fakeface_utils.data import about
from fakeface_utils.evaluate import by_seed
from fakeface_utils.figures import (
    HALF,
    INK,
    NOTE,
    SOFT,
    Drawn,
    looks_of,
    picture,
    pictures,
    save,
    title,
)
from fakeface_utils.models import titled
from fakeface_utils.report import as_table, items, note, paragraphs
from fakeface_utils.settings import Study
from fakeface_utils.step import Task, step
from fakeface_utils.util import StudyError

from . import missing
from .measure import SCORES, counts_left_out, drawn_first, elsewhere, judge, left_out, read_judged
from .sets import warnings

CAPTION = (
    "Left: accuracy on each set of other images, with 95 % intervals; lines are each model's "
    "accuracy on its own test set, dotted is what always naming the larger class gets. Right: of "
    "reals (open marks) and of fakes (filled), which shows to which side a model fails."
)
MOST_SETS = 40  # that a figure has room for; the table has all
LONGEST = 60  # characters of a set's name above its row
ONE_SIDED = 0.2  # how much more accurate on one class than on the other


def tasks(study: Study) -> list[Task]:
    """What the notebook does; a StudyError where there are no other images."""
    if why := missing(study):
        raise StudyError(why)
    asked = [*drawn_first(study), *judge.all(study)]
    return [*asked, elsewhere.of(study), elsewhere_figure.of(study)]


def at_home(study: Study) -> Mapping[str, float]:
    """Each model's accuracy on the run's own test set, the mean over seeds."""
    return by_seed(study).groupby("model", sort=False)["accuracy"].mean().to_dict()


def of_model(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """A model's rows of sets with both classes; where no set has both, all that were scored."""
    own = table[table["model"] == model]
    both = own[(own["real"] > 0) & (own["fake"] > 0)]
    return both if len(both) else own[own["images"] > 0]


def failing(row: pd.Series) -> str:
    """How a model fails on a set, in words; '' where it doesn't, or has one class alone."""
    real, fake = row["real_accuracy"], row["fake_accuracy"]
    chance = abs((real + fake) / 2 - 0.5) <= (row["ci_high"] - row["ci_low"]) / 2
    words = {
        "no better than guessing": chance,
        f"calls {1 - fake:.0%} of the fakes real": real - fake > ONE_SIDED,
        f"calls {1 - real:.0%} of the reals fake": fake - real > ONE_SIDED,
    }
    return ", ".join(word for word, holds in words.items() if holds)


def shown_table(table: pd.DataFrame, home: Mapping[str, float] | None = None) -> pd.DataFrame:
    """The scores in words: a row per set and model, each model's mean over `of_model`, and home."""

    def digits(row: pd.Series) -> list[str]:
        return ["-" if np.isnan(row[name]) else f"{row[name]:.3f}" for name in SCORES]

    rows = []
    for _, row in table.assign(guessing=guessing(table)).iterrows():
        accuracy, *others = digits(row)
        if images := row["images"]:
            accuracy += f" ({row['ci_low']:.3f} to {row['ci_high']:.3f})"
        by_chance = f"{row['guessing']:.3f}" if images else "-"
        about = [row["set"], titled(row["model"]), images, by_chance]
        rows.append([*about, accuracy, *others, failing(row)])
    for model in table["model"].unique():
        if len(own := of_model(table, model)) > 1:
            means = digits(own[SCORES].mean(skipna=False))
            rows.append([f"mean of {len(own)} sets", titled(model), "", "", *means, ""])
    for model, share in (home or {}).items():
        rows.append(["its own test set", titled(model), "", "", f"{share:.3f}", *[""] * 6])
    names = ["set", "model", "images", "guessing", "accuracy at 0.5 (95 %)", "of reals", "of fakes"]
    names += ["AUC", "average precision", "at our validation threshold", "how it fails"]
    return pd.DataFrame(rows, columns=names)


def guessing(table: pd.DataFrame) -> pd.Series:
    """What always naming the larger class gets right: its share of each row's images."""
    return table[["real", "fake"]].max(axis=1) / table["images"]


def remarks(study: Study) -> list[str]:
    """What to know before believing a number: drawn images, and those that don't count."""
    table = elsewhere.of(study).read()
    drawn = about(study)["generated"] or table["generated"].any()
    words = "Generated data: these numbers say nothing about photographs."
    return [*([words] if drawn else []), *counts_left_out(table)]


def summary(study: Study) -> str:
    """The scores as text, with the warnings of files that were saved differently."""
    table = shown_table(elsewhere.of(study).read(), at_home(study)).to_string(index=False)
    return "\n".join([table, *remarks(study), *warnings(read_formats(study))])


def read_formats(study: Study) -> pd.DataFrame:
    """See `sets.formats_table`."""
    return elsewhere.of(study).read("formats.csv").astype(object).fillna("")


@step("elsewhere", after=["elsewhere", "predict", "dataset"], **pictures("elsewhere"))
def elsewhere_figure(study: Study, out: Path) -> None:
    """Each set's accuracy beside the model's own at home, and by class."""
    save(out, "elsewhere", draw(study, elsewhere.of(study).read()))


def draw(study: Study, table: pd.DataFrame) -> Drawn:
    """The figure of a table of `measure.score`."""
    names, models = list(table["set"].unique()), list(table["model"].unique())
    few = f"the first {MOST_SETS} sets" if len(names) > MOST_SETS else ""
    names, home, spoken = names[:MOST_SETS], at_home(study), []
    figure, (whole, sides) = plt.subplots(1, 2, figsize=(HALF, 0.6 * len(names) + 1.6), sharey=True)
    for number, model in enumerate(models):
        name, look = titled(model), looks_of(study)[model]
        colour, marker = look["color"], look["marker"]
        own = table[table["model"] == model].set_index("set").loc[names]
        places = np.arange(len(names)) + 0.44 * number / len(models)
        whole.axvline(home[model], color=colour, lw=1.2, ls=look["ls"])
        whole.vlines(guessing(own), places - 0.2, places + 0.2, color=INK, ls=":", lw=1)
        whole.hlines(places, own["ci_low"], own["ci_high"], color=colour, lw=1.5)
        label = f"{name} (at home {home[model]:.3f})"
        whole.plot(own["accuracy"], places, marker, color=colour, label=label)
        ends = own["real_accuracy"], own["fake_accuracy"]
        sides.hlines(places, *ends, color=colour, lw=1, alpha=0.5, zorder=1)
        for values, inside in zip(ends, ("none", colour), strict=True):
            sides.plot(values, places, marker, color=colour, mfc=inside)
        values = ", ".join(f"{one} {value:.3f}" for one, value in own["accuracy"].items())
        spoken.append(f"{name} {home[model]:.3f} at home; {values}")
    for kind, inside in (("reals", "none"), ("fakes", SOFT)):
        sides.plot([], [], "D", color=SOFT, mfc=inside, label=f"of {kind}")
    for place, name in enumerate(names):  # above its row, where a long name has room
        end = name if len(name) <= LONGEST else f"...{name[3 - LONGEST :]}"
        text = whole.text(0, place - 0.3, end, va="center", size=NOTE, parse_math=False)
        text.set_in_layout(False)
    whole.set(xlabel="accuracy at 0.5", ylim=(len(names) - 0.55, -0.6), yticks=())
    sides.set(xlabel="accuracy by class")
    for axis in (whole, sides):
        axis.set(xlim=(-0.03, 1.03), xticks=(0, 0.25, 0.5, 0.75, 1))
        axis.set_xticklabels(("0", "", "0.5", "", "1"))
    figure.legend(loc="outside lower left", ncols=2)
    title(figure, study, few)
    return figure, f"Accuracy on other images. {'. '.join(spoken)}."


def scores(study: Study) -> HTML:
    """How each model does on each set."""
    caption = "Means over seeds; '-' needs both classes. Guessing: always naming the larger class"
    return as_table(shown_table(elsewhere.of(study).read(), at_home(study)), caption)


def formats(study: Study) -> HTML:
    """How the files of each class were saved, and first whether they differ."""
    table = read_formats(study)
    return paragraphs([*map(note, warnings(table)), as_table(table, "How the files were saved")])


def not_counted(study: Study, most: int = 5) -> HTML:
    """The first files that were left out, with the reason."""
    files = left_out(read_judged(study))
    caption = f"Left out: {len(files):,} files" + (", the first" if len(files) > most else "")
    return as_table(files.head(most), caption) if len(files) else paragraphs([])


def section(study: Study) -> HTML:
    """The report's section."""
    figure = picture(study, "elsewhere", CAPTION)
    tables = scores(study), formats(study), not_counted(study)
    return paragraphs([items(remarks(study)), figure, *tables])
