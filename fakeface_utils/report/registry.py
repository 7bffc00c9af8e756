"""The registry as tables: docs/runs.md, and the first table of README.md."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..common.errors import StudyError
from ..common.files import write_atomic
from ..common.paths import ROOT, shown
from ..evaluation.registry import Entry, registry
from ..evaluation.table1 import paired_difference
from ..evaluation.verdicts import verdict_on_differences
from ..study.names import MODELS, TITLES
from ..study.paper import PAPER_COUNTS, PAPER_TABLE1

README, RUNS = ROOT / "README.md", ROOT / "docs" / "runs.md"
MARKED = re.compile(r"(?<=<!-- runs -->\n).*?(?=<!-- /runs -->)", re.DOTALL)
NAMES = {"custom_cnn": "custom VGG-like CNN", "vgg16": "frozen, ImageNet-pretrained VGG16"}
ALL = 2 * PAPER_COUNTS["train"]


def write_tables() -> tuple[Path, Path]:
    """Write docs/runs.md and README's table from all files of the registry.

    Raises:
        StudyError: a file of the registry is wrong; or README.md has no place for its table.
    """
    entries = registry()
    for path, text in ((RUNS, runs_page(entries)), (README, readme_with_runs(entries))):
        with write_atomic(path) as part:
            part.write_text(text, encoding="utf-8")
    return RUNS, README


def readme_with_runs(entries: Sequence[Entry]) -> str:
    """README.md with `readme_table` between its markers."""
    text = README.read_text(encoding="utf-8")
    if len(MARKED.findall(text)) != 1:
        raise StudyError(
            f"{shown(README)} needs one <!-- runs --> and <!-- /runs --> around a table"
        )
    return MARKED.sub(lambda _: readme_table(entries), text)


def readme_table(entries: Sequence[Entry]) -> str:
    """The paper's accuracies beside those of up to three runs.

    In this order: on all of the paper's training images (one with verdicts if there is one, then
    the most seeds), on the most of a part of them, and on the demo's images (the most seeds).
    """
    ours = [entry for entry in entries if entry.paper_images and not entry.generated]
    whole = [entry for entry in ours if entry.trained_on == ALL]
    part = [entry for entry in ours if entry.trained_on < ALL]
    demo = [entry for entry in entries if entry.data == "demo"]
    chosen = (  # the name decides between equals, so that the choice never wavers
        max(whole, key=lambda e: (not e.reason, len(e.seeds), e.name), default=None),
        max(part, key=lambda e: (e.trained_on, len(e.seeds), e.name), default=None),
        max(demo, key=lambda e: (len(e.seeds), e.name), default=None),
    )
    columns = [entry for entry in chosen if entry]
    rows = [["test accuracy", "paper", *(f"here: {_images(e)}{_seeds(e)}" for e in columns)]]
    for model in MODELS:
        paper = f"{PAPER_TABLE1[model]['accuracy']:.4f}"
        rows.append([NAMES[model], paper, *(_accuracy(entry, model) for entry in columns)])
    apart = PAPER_TABLE1["custom_cnn"]["accuracy"] - PAPER_TABLE1["vgg16"]["accuracy"]
    rows.append(["custom CNN minus VGG16", f"{apart:+.4f}", *map(_difference, columns)])
    return _markdown(rows)


def _images(entry: Entry) -> str:
    if entry.data == "demo":
        return "generated demo data"
    if entry.generated or not entry.paper_images:
        return f"{entry.trained_on:,} {'generated' if entry.generated else 'other'} images"
    if entry.trained_on == ALL:
        return f"the paper's {ALL:,} training images"
    return f"{entry.trained_on:,} of the paper's {ALL:,} training images"


def _seeds(entry: Entry) -> str:
    pixels = "" if entry.data == "demo" else f", {entry.study.image_size} px"
    return f"{pixels}, {len(entry.seeds)} seed{'s' * (len(entry.seeds) > 1)}"


def _accuracy(entry: Entry, model: str) -> str:
    """Mean and interval: of the mean, or of the demo, where a reader's own run may fall."""
    row = next(row for row in entry.table1 if (row.metric, row.model) == ("accuracy", model))
    low, high = row.ci_low, row.ci_high
    if entry.data == "demo" and row.predicted_low is not None and row.predicted_high is not None:
        low, high = max(row.predicted_low, 0), min(row.predicted_high, 1)
    verdict = "" if entry.reason else f": {row.verdict}"
    return f"{row.ours_mean:.3f} ({low:.3f} to {high:.3f}){verdict}"


def _difference(entry: Entry) -> str:
    better = paired_difference(pd.DataFrame([pair.model_dump() for pair in entry.pairs]))
    ends = (better["low"], better["high"])
    verdict = "" if entry.reason else f": {verdict_on_differences([ends])}"
    return f"{better['difference']:+.3f} ({ends[0]:+.3f} to {ends[1]:+.3f}){verdict}"


def runs_page(entries: Sequence[Entry]) -> str:
    """docs/runs.md: a row for each run and model, those on generated images apart."""
    real = [entry for entry in entries if not entry.generated]
    drawn = [entry for entry in entries if entry.generated]
    whole = [entry for entry in real if entry.paper_images and entry.trained_on == ALL]
    judged = sum(not entry.reason for entry in whole)
    state = f"{len(whole)} of them on all of the paper's training images, {judged} with a verdict."
    if not whole:
        state = (
            "None is on all of the paper's training images yet, so the paper's numbers have no "
            "verdict: [hand in yours](submit.md)."
        )
    return f"""# Runs

<!-- `fakeface submit` writes this page from results/registry/: no edit here lasts. -->

What runs of this study gave on the machines of those who handed them in: {len(entries)} so far.
{state}
Accuracy on the test images is the mean over seeds, in brackets the 95 % interval of that mean.
Whatever follows from a file's confusion counts is computed again by the tests: metrics, intervals,
verdicts. That a run took place is the word of the person who handed it in.

## On photographs and fakes from elsewhere

{_table(real)}
## On images that a program drew

These say nothing about the paper.

{_table(drawn)}"""


def _table(entries: list[Entry]) -> str:
    if not entries:
        return "None yet.\n"
    about = ["run", "machine", "hours", "training images", "pixels", "seeds"]
    rows = [[*about, "model", "accuracy", "paper", "verdict"]]
    for entry in sorted(entries, key=lambda e: (-e.trained_on, -len(e.seeds), e.name)):
        about = [
            f"[{entry.name}](../results/registry/{entry.name}.json)",
            "; ".join(map(str, entry.machines)),
            f"{entry.seconds / 3600:.1f}",
            _images(entry),
            str(entry.study.image_size),
            str(len(entry.seeds)),
        ]
        for row in (row for row in entry.table1 if row.metric == "accuracy"):
            measured = f"{row.ours_mean:.4f} ({row.ci_low:.4f} to {row.ci_high:.4f})"
            rows.append([*about, TITLES[row.model], measured, f"{row.paper:.4f}", row.verdict])
    return _markdown(rows)


def _markdown(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"
