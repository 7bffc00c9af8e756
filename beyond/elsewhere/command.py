"""`fakeface evaluate`: a trained run on any folder or zip, a row for each set of images."""

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from fakeface_utils import util
from fakeface_utils.data import about
from fakeface_utils.run import open_finished
from fakeface_utils.settings import Study
from fakeface_utils.trained import predict

from . import measure
from .sets import formats_table, list_sets, warnings
from .show import shown_table

COLUMNS = ["set", "path", "label", "sha256", "model", "seed", "p_fake"]  # of --csv


def evaluate(folder: Path, run: str, model: str = "", csv: Path | None = None) -> None:
    """Ask a run's networks about every image of a folder or zip, and print their scores."""
    root = Path(os.path.abspath(folder))  # a link's own name may be that of its class
    sets, passed_over = list_sets(root)
    if csv:
        util.check_target(csv := csv.absolute(), ".csv", ",".join(COLUMNS))
    study = open_finished(run, model=model)
    models = [model] if model else [*study.models]
    tasks = [task for one in models for task in predict.all(study, model=one)]
    with util.stderr_to(os.devnull):
        from fakeface_utils.training import Detectors  # Keras takes seconds: after all checks

        detectors, read = Detectors(study, models), measure.reader(study, root)
        with util.progress(sum(map(len, sets.values())), "judging", "image") as bar:
            judged = {
                util.escaped(name): measure.ask(detectors, read, members, bar)
                for name, members in sets.items()
            }
    if csv:
        with util.replacing(csv) as part:
            each_answer(judged).to_csv(part, index=False, compression=None)
        print(f"each image: {util.shown(csv)}")
    files = [f"{row.path} ({row.why})" for row in measure.left_out(judged).itertuples()]
    for group in filter(None, (files, passed_over)):
        print("left out:", util.first(group))
    table = measure.score(judged, measure.thresholds_of(tasks))
    measure.check_scored(table, "these sets")
    formats = formats_table(judged)
    for one in (shown_table(table), formats.drop(columns="differs")):
        print(f"{one.to_string(index=False)}\n")
    print(*warnings(formats), *measure.counts_left_out(table), sep="\n")
    if about(study)["generated"]:
        print("The run learned from drawn portraits: its answers say nothing about photographs.")
    if table["generated"].any():
        print("Drawn images are among these: numbers on them say nothing about photographs.")


def each_answer(judged: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row for each image and network; p_fake is empty where the image doesn't count."""
    whole = pd.concat([table.assign(set=name) for name, table in judged.items()])
    about = [name for name in COLUMNS if name in whole]
    networks = [name for name in whole if " " in name]
    table = whole.melt(about, networks, "network", "p_fake")
    table[["model", "seed"]] = table["network"].str.split(expand=True)
    return table[COLUMNS]


def answers(study: Study) -> dict[str, pd.DataFrame]:
    """What a run's networks said of the images that count, by set."""
    table = each_answer(measure.read_judged(study)).dropna(subset="p_fake")
    return {str(name): own for name, own in table.astype({"seed": int}).groupby("set", sort=False)}
