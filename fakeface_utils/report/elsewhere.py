"""A run on other images: tables and figures."""

import matplotlib.pyplot as plt
import pandas as pd
from markupsafe import Markup

from ..evaluation.elsewhere import (
    at_home,
    elsewhere,
    findings,
    read_elsewhere,
    read_formats,
    read_judged,
)
from ..evaluation.formats import warnings
from ..evaluation.sets import not_scored, shown_table
from ..study.beyond import as_measured
from ..study.beyond_artefacts import ELSEWHERE_FIGURE
from ..study.elsewhere import elsewhere_drawing_step, elsewhere_step
from ..study.names import MODELS, TITLES
from ..study.settings import Study
from .drawing import HALF, INK, LOOKS, NOTE, SOFT, Drawn, save, title
from .html_pieces import as_table, figure, piece

CAPTION = (
    "Left: accuracy on each set of other images, with 95 % intervals; lines are each model's "
    "accuracy on its own test set, dotted is guessing. Right: of reals (open marks) and of fakes "
    "(filled), which shows to which side a model fails."
)
MOST_SETS = 40  # that a figure has room for; the table has all
LONGEST = 60  # characters of a set's name above its row
NAMED = 5


def draw_elsewhere(study: Study) -> None:
    """Draw and save the figure of other images, unless that is done.

    Raises:
        StudyError: the networks weren't asked yet.
    """
    table = elsewhere(study)
    elsewhere_drawing_step(study).do(lambda: save(study, ELSEWHERE_FIGURE, draw(study, table)))


def draw(study: Study, table: pd.DataFrame) -> Drawn:
    """Each set's accuracy beside the model's own at home, and by class."""
    names = list(table["set"].unique())[:MOST_SETS]
    home = at_home(study)
    figure, (whole, sides) = plt.subplots(1, 2, figsize=(HALF, 0.6 * len(names) + 1.6), sharey=True)
    spoken = []
    for model, shift in zip(MODELS, (0, 0.22), strict=True):
        colour, marker = LOOKS[model]["color"], LOOKS[model]["marker"]
        own = table[table["model"] == model].set_index("set").reindex(names)
        places = [place + shift for place in range(len(names))]
        whole.axvline(home[model], color=colour, lw=1.2, ls=LOOKS[model]["ls"])
        whole.hlines(places, own["ci_low"], own["ci_high"], color=colour, lw=1.5)
        label = f"{TITLES[model]} (at home {home[model]:.3f})"
        whole.plot(own["accuracy"], places, marker, color=colour, label=label)
        sides.plot(own["real_accuracy"], places, marker, color=colour, mfc="none")
        sides.plot(own["fake_accuracy"], places, marker, color=colour)
        for real, fake, place in zip(
            own["real_accuracy"], own["fake_accuracy"], places, strict=True
        ):
            sides.plot([real, fake], [place] * 2, color=colour, lw=1, alpha=0.5, zorder=1)
        values = ", ".join(f"{name} {own.loc[name, 'accuracy']:.3f}" for name in names)
        spoken.append(f"{TITLES[model]} {home[model]:.3f} at home; {values}")
    for kind, inside in (("reals", "none"), ("fakes", SOFT)):
        sides.plot([], [], "D", color=SOFT, mfc=inside, label=f"of {kind}")
    for place, name in enumerate(names):  # above its row, where a long name has room
        end = name if len(name) <= LONGEST else f"...{name[3 - LONGEST :]}"
        whole.text(0, place - 0.3, end, va="center", size=NOTE, parse_math=False).set_in_layout(
            False
        )
    whole.set(xlabel="accuracy at 0.5", ylim=(len(names) - 0.55, -0.6), yticks=())
    sides.set(xlabel="accuracy by class")
    for axis in (whole, sides):
        axis.axvline(0.5, color=INK, ls=":", lw=1)
        axis.set(xlim=(-0.03, 1.03), xticks=(0, 0.25, 0.5, 0.75, 1))
        axis.set_xticklabels(("0", "", "0.5", "", "1"))
    figure.legend(loc="outside lower left", ncols=2)
    few = f"the first {MOST_SETS} sets" if table["set"].nunique() > MOST_SETS else ""
    title(figure, study, few)
    return figure, f"Accuracy on other images. {'. '.join(spoken)}."


def left_out(study: Study) -> Markup:
    """The first files that were left out, with the reason, as HTML; '' where there is none."""
    files = not_scored(read_judged(study))
    more = [f"And {len(files) - NAMED:,} more."] if len(files) > NAMED else []
    shown = as_table(files.head(NAMED), "Left out") + piece("paragraphs", more)
    return shown if len(files) else Markup()


def tables(study: Study) -> Markup:
    """Scores, file formats and what was left out, as HTML."""
    caption = (
        "Means over seeds. '-' needs both classes. The last column's threshold was picked on these "
        "very answers: no detector has it"
    )
    files = read_formats(study).replace({"differs": {"": "nothing"}})
    files = files.rename(columns={"differs": "classes differ in"})
    return (
        as_table(shown_table(read_elsewhere(study)), caption, csv="elsewhere.csv")
        + as_table(files, "How the files were saved")
        + left_out(study)
    )


def section(study: Study) -> Markup:
    """The report's section as HTML; '' where it wasn't measured."""
    measured = as_measured(study, elsewhere_step)
    if measured is None:
        return Markup()
    loud = piece("loud", warnings(read_formats(measured)))
    shown = Markup(figure(study, ELSEWHERE_FIGURE, CAPTION))
    return piece("items", findings(measured)) + loud + shown + tables(measured)
