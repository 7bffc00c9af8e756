"""What `fakeface evaluate` prints and writes."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..common.files import write_csv
from ..common.paths import escaped, shown
from ..study.beyond_artefacts import column
from ..study.settings import Study
from .elsewhere import seen_images, thresholds_of
from .formats import formats_table, warnings
from .sets import (
    Tables,
    check_scored,
    counts_left_out,
    mark_seen,
    not_scored,
    score,
    scored,
    shown_table,
)

NAMED = 5  # files of those left out; then only their number


def show(
    study: Study,
    models: Sequence[str],
    tables: Tables,
    generated: bool,
    passed_over: list[tuple[str, str]],
    csv: Path | None,
) -> None:
    """Print how a run does on sets of images, and write each image's outputs.

    Args:
        study: the run.
        models: which were asked.
        tables: their outputs for each set, see `networks.elsewhere`.
        generated: whether the run learned from generated images.
        passed_over: path and reason of files that belong to no set.
        csv: where to write the outputs, if anywhere.

    Raises:
        StudyError: no image could be judged.
    """
    tables = {escaped(name): table for name, table in tables.items()}
    notes = []
    try:
        tables = mark_seen(tables, seen_images(study))
    except FileNotFoundError:
        tables = mark_seen(tables, {})
        notes.append(
            "The run's images aren't prepared here: whether it learned from one of these "
            "can't be told."
        )
    try:
        thresholds = thresholds_of(study)
    except (FileNotFoundError, KeyError):
        thresholds = {}
        notes.append(
            f"No threshold from validation images: fakeface report --run {study.run} fixes it."
        )
    if csv:
        write_csv(csv, _each_image(study, models, tables))
    table = score(tables, models, study.seeds, thresholds)
    _print_left_out(not_scored(tables), passed_over)
    check_scored(table, "these sets")
    with pd.option_context("display.width", None, "display.max_columns", None):
        print(shown_table(table).to_string(index=False))
        files = formats_table({name: scored(one) for name, one in tables.items()})
        print("\n" + files.drop(columns="differs").to_string(index=False))
    if generated and not table["generated"].any():
        notes.append("The run learned from generated portraits: its answers here say nothing.")
    elif table["generated"].any():
        notes.append(
            "Generated images are among these: numbers on them say nothing about photographs."
        )
    print("", *warnings(files), *counts_left_out(table), *notes, sep="\n")
    if csv:
        print(f"each image: {shown(csv.resolve())}")


def _each_image(study: Study, models: Sequence[str], tables: Tables) -> pd.DataFrame:
    """set, path, label, sha256 and p_fake of each network."""
    outputs = [column(model, seed) for model in models for seed in study.seeds]
    parts = [table.assign(set=name) for name, table in tables.items()]
    return pd.concat(parts)[["set", "path", "label", "sha256", *outputs]]


def _print_left_out(left_out: pd.DataFrame, passed_over: list[tuple[str, str]]) -> None:
    """The first files of each kind with the reason, and how many more there are."""
    learned = left_out["why"].str.startswith("in the run's")
    groups = [
        list(zip(rows["path"], rows["why"], strict=True)) for _, rows in left_out.groupby(learned)
    ]
    for files in (*groups, passed_over):
        for path, why in files[:NAMED]:
            print(f"left out: {path} ({why})")
        if len(files) > NAMED:
            print(f"... and {len(files) - NAMED:,} more")
