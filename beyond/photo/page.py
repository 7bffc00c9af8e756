"""`fakeface photo`: what the page needs to know of a run, and the page."""

import base64
from pathlib import Path
from typing import Any

import numpy as np

from fakeface_utils.data import about, manifest, source
from fakeface_utils.demo.camera import MARK
from fakeface_utils.extension import extensions
from fakeface_utils.image_files import open_images, original
from fakeface_utils.models import titled
from fakeface_utils.paper import CLASSES
from fakeface_utils.run import open_finished
from fakeface_utils.settings import Study
from fakeface_utils.trained import predict
from fakeface_utils.util import PACKAGE, StudyError, escaped, human_size, nearest, replacing, shown

TEMPLATE = Path(__file__).with_name("photo.html.j2")
RARE = 0.001  # of photographs are fake, in the page's example
DRAWS = 100_000


def command(run: str, model: str) -> None:
    """Write the page of a finished run, and say how to use it."""
    study = open_finished(run)
    if model not in study.models:
        raise StudyError(f"unknown model '{model}': {nearest(model, study.models)}")
    from fakeface_utils.training import load  # Keras takes seconds: after all checks

    from .network import operations

    seed, path = study.seeds[0], study.results / "photo.html"
    chain = operations(load(study, model, seed), titled(model))
    text = page(known(study, model, seed), samples(study), chain)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
    print(
        f"photo: {shown(path)} ({human_size(path.stat().st_size)})\nOpen it in a browser's own tab "
        "(JupyterLab's viewer blocks scripts), or copy it to a phone: it needs no network, and no "
        "picture leaves the device."
    )


def page(known: dict[str, Any], samples: list[dict[str, str]], chain: list[dict[str, Any]]) -> str:
    """One file that opens offline; the arguments are what the functions below tell."""
    import jinja2

    made = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return made.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        known=known,
        samples=samples,
        chain=chain,
        style=(PACKAGE / "template" / "style.css").read_text(encoding="utf-8"),
    )


def known(study: Study, model: str, seed: int) -> dict[str, Any]:
    """What the page says of a network, as JSON values."""
    data = about(study)
    limits, why = calibrated(study, model, seed)
    generated, what = data["generated"], f"images of {escaped(data['name'])}"
    tested = predict.of(study, model, seed).read("predictions.csv")
    flagged = tested["p_fake"] > limits["accused"] if limits else tested["p_fake"] >= 0.5
    by_class = [flagged[tested["label"] == label] for label in range(len(CLASSES))]
    wrong, found = ((int(part.sum()), len(part)) for part in by_class)
    return {
        "run": study.run,
        "title": titled(model),
        "seed": seed,
        "images": sum(data["counts"]["train"].values()),
        "what": "drawn portraits" if generated else what,
        "generated": generated,
        "size": study.image_size,
        "filter": study.resize_filter,
        "limits": limits,
        "why": why,
        "found": found,
        "wrong": wrong,
        "of_hundred": of_hundred(found, wrong),
        "mark": MARK,
    }


def calibrated(study: Study, model: str, seed: int) -> tuple[dict[str, float], str]:
    """Temperature and thresholds that were fixed on validation images; or none, and why."""
    one = extensions().get("confidence")
    tasks = one.tasks(study) if one else []
    task = next((task for task in tasks if "calibration.json" in task.writes), None)
    if task is None:
        return {}, "beyond/confidence, which fixes them, is not there"
    if why := task.why_stale():
        return {}, f"{why} (fakeface report --run {study.run} fixes them)"
    fixed = task.read()[model][str(seed)]
    return {name: fixed[name] for name in ("temperature", "accused", "missed")}, ""


def of_hundred(found: tuple[int, int], wrong: tuple[int, int]) -> list[str]:
    """How many of a hundred flagged images are fake where one in a thousand is; 95 % interval.

    Both arguments are how many were flagged, and of how many: of the fakes and of the reals. Each
    rate is drawn from its posterior under Jeffreys' prior, so that 0 of 300 isn't taken for never.
    """
    rng = np.random.default_rng(0)
    recall, alarm = (
        rng.beta(hits + 0.5, images - hits + 0.5, DRAWS) for hits, images in (found, wrong)
    )
    share = 100 * RARE * recall / (RARE * recall + (1 - RARE) * alarm)
    middle, *ends = np.quantile(share, [0.5, 0.025, 0.975])
    return [f"{x:.1f}" if x < 9.95 else f"{x:.0f}" for x in (middle, *ends)]


def samples(study: Study) -> list[dict[str, str]]:
    """The first test image of each class, as its file is, where they are drawn; else none."""
    if not about(study)["generated"]:
        return []
    table, reader = manifest(study, "test"), open_images(source(study))
    found = []
    for label, kind in enumerate(CLASSES):
        row = table[(table["label"] == label) & table["generated"]].iloc[0]
        original(reader, row["path"], row["sha256"])  # refuses a file that isn't what it was
        file = base64.b64encode(reader.read(row["path"])).decode()
        found.append({"kind": kind, "file": file})
    return found
