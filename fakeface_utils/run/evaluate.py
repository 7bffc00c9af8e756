"""`fakeface evaluate`: a trained run on any folder or zip, a row for each set of images."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..common.files import check_writable, write_csv
from ..common.paths import escaped, shown
from ..common.progress import stderr_to
from ..dataset.folder import open_images
from ..dataset.sets import list_sets
from ..evaluation.elsewhere import seen_images, thresholds_of
from ..evaluation.formats import formats_table, warnings
from ..evaluation.judge import judge
from ..evaluation.sets import (
    Tables,
    check_scored,
    counts_left_out,
    mark_seen,
    not_scored,
    score,
    scored,
    shown_table,
)
from ..study.beyond_artefacts import column
from ..study.names import MODELS
from ..study.parameters import load_study
from ..study.sets import find_sets
from ..study.settings import Study

NAMED = 5  # files of those left out; then only their number


def evaluate(folder: Path, run: str, model: str = "", csv: Path | None = None) -> None:
    """Ask a run's networks about every image of a folder or zip, and print their scores.

    Args:
        folder: with folders named real and fake inside, see `study.sets`.
        run: whose networks, all its seeds.
        model: one of `MODELS`; '' for both.
        csv: where to write each image's outputs.

    Raises:
        StudyError: the folder, the run or an option is wrong, before any image is judged; or no
            image could be judged.
    """
    models = (model,) if model else MODELS
    find_sets(folder)
    study = load_study(run=run)
    # Keras takes seconds to load: what can be checked without it comes first.
    judges = [judge(run, one, seed) for one in models for seed in study.seeds]
    if csv:
        check_writable(csv.resolve().parent)
    source = open_images(folder.resolve())
    listing = list_sets(source)
    with stderr_to(os.devnull):
        from ..networks.elsewhere import judge_all
        from ..networks.trained import Trained

        asked = Trained(study, models)
        tables = judge_all(asked, source, listing.sets, judges[0].resize_filter)
    show(study, models, tables, judges[0].generated, listing.passed_over, csv)


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
    if csv:
        write_csv(csv, _each_image(study, models, tables))
    table = score(tables, models, study.seeds, thresholds_of(study, models))
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
