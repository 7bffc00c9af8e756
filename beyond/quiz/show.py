"""The quiz's page, which asks people and tells at its end; and what a class's answers say.

The page shows images, so of data whose licence forbids it the page must not be published.
"""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL.Image
from IPython.display import HTML

from fakeface_utils.claims import PEOPLE
from fakeface_utils.data import about, images, source
from fakeface_utils.evaluate import FEWEST, HARDLY, unless, verdict_on_differences
from fakeface_utils.image_files import as_input, open_images, original
from fakeface_utils.paper import CLASSES, COUNTS
from fakeface_utils.report import as_table, paragraphs
from fakeface_utils.run import load_study
from fakeface_utils.settings import Study
from fakeface_utils.step import Task, step
from fakeface_utils.util import human_size, shown

from . import measure
from .measure import ASKED, drawn, people

TEMPLATE = Path(__file__).with_name("quiz.html.j2")
PUBLISHED = (  # the study, the faces that its people saw, and the share they got right
    ("HYPE, Zhou et al. 2019 (arXiv 1904.01121)", "StyleGAN on FFHQ, with truncation", 1 - 0.276),
    ("HYPE, Zhou et al. 2019 (arXiv 1904.01121)", "StyleGAN on FFHQ, without truncation", 1 - 0.19),
    ("Nightingale & Farid 2022", "StyleGAN2", 0.482),
    ("Nightingale & Farid 2022", "StyleGAN2, people trained before", 0.59),
)


def command(run: str, seed: int, files: Path | None = None) -> None:
    """Write the page, and say how to use it; or put together the answers in a folder."""
    study, again = load_study(run=run), f"fakeface quiz --run {run} --seed {seed} --answers FOLDER"
    if files is not None:
        refused = measure.pool(study, files, seed)
        print(shown_table(study).to_string(index=False, float_format="{:.3f}".format, na_rep="-"))
        print(*(f"not counted: {name}: {why}" for name, why in refused.items()), sep="\n")
        print(f"fakeface report --run {run} puts it into the report")
        return
    quiz(study, seed)
    path = quiz.of(study, seed).path()
    warning = "" if about(study)["generated"] else "It shows people: don't publish it. "
    print(
        f"quiz: {shown(path)} ({human_size(path.stat().st_size)})\nOpen it in a browser's own tab "
        f"(JupyterLab's viewer blocks scripts). {warning}Everyone saves their answers at its end; "
        f"put the files into a folder, then: {again}"
    )


@step(
    "quiz",
    writes=["quiz.html"],
    after=measure.before,
    folder=measure.folder,
    inputs=lambda study, seed: {TEMPLATE.name: TEMPLATE},
    settings=lambda study, seed: {"run": study.run, "titles": _titles(study)},
)
def quiz(study: Study, seed: int, out: Path) -> None:
    """The page with the images that a seed draws.

    Raises:
        StudyError: there are too few test images, or a file is gone or isn't what was prepared.
    """
    import jinja2  # here only: what puts answers together doesn't need it

    faces, tested, reader = drawn(study, seed), images(study, "test"), open_images(source(study))
    sides, networks = measure.sides(study, faces), measure.networks_answers(study, faces)
    files = [original(reader, row.path, row.sha256) for row in faces.itertuples()]
    shown = [_pictures([np.asarray(tested[place]) for place in faces["place"]], seed)]
    for side in sides[1:]:
        stored = [as_input(file.image, side, study.resize_filter) for file in files]
        shown.append(_pictures([stored[row] for row in faces["second"]], seed))
    pair = [np.asarray(tested[place]) for place in measure.examples(study, faces)]
    told = {
        "quiz": measure.quiz_name(study, faces),
        "images": [
            {"image": row.sha256, "fake": row.label, "p": [round(p, 4) for p in outputs]}
            for row, outputs in zip(faces.itertuples(), networks.to_numpy().tolist(), strict=True)
        ],
        "second": faces["second"].tolist(),
    }
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = page.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        pictures=shown,
        examples=_pictures(pair, seed),
        sealed=sealed(json.dumps(told), shown[0]),
        sides=sides,
        as_stored=bool((faces[["width", "height"]] == sides[-1]).all(axis=None)),
        generated=about(study)["generated"],
        networks=list(_titles(study).values()),
        sure=measure.SURE,
        published=PUBLISHED,
        run=study.run,
        seed=seed,
    )
    (out / "quiz.html").write_text(text, encoding="utf-8")


def _titles(study: Study) -> dict[str, str]:
    return {name: model.title for name, model in study.models.items()}


def _pictures(pixels: list[npt.NDArray[np.uint8]], seed: int) -> list[str]:
    """Images as PNG files in base64, with random bytes behind their end: all equally long."""
    files = []
    for image in pixels:
        stream = io.BytesIO()
        PIL.Image.fromarray(image).save(stream, "PNG")
        files.append(stream.getvalue())
    length = -(-max(map(len, files)) // 3) * 3  # base64 then ends without '='
    rng = np.random.default_rng(seed)
    filled = [file + rng.bytes(length - len(file)) for file in files]
    return [base64.b64encode(file).decode() for file in filled]


def sealed(text: str, pictures: list[str]) -> str:
    """A text that nobody reads by accident: XOR with characters from the pictures, in base64.

    No secret: the page opens it with the same pictures, and so can who reads its script.
    """
    count, length = len(pictures), len(pictures[0])
    mixed = bytes(
        byte ^ ord(pictures[i % count][length - 1 - i * 31 % length])
        for i, byte in enumerate(text.encode())
    )
    return base64.b64encode(mixed).decode()


def shown_table(study: Study) -> pd.DataFrame:
    """The table of `people` with the networks' titles."""
    table = people.of(study).read()
    return table.assign(who=table["who"].replace(_titles(study)))


def tasks(study: Study) -> list[Task]:
    """What the report knows of it."""
    return [people.of(study)]


def section(study: Study) -> HTML:
    """The report's section."""
    hardest = people.of(study).read("images.csv").groupby("round").head(3)
    was = hardest["label"].map(dict(enumerate(CLASSES)))
    faces = hardest[["round", "path", "accuracy"]].assign(was=was)
    caption = f"Answers to {ASKED} test images; low and high: 95 % interval, people and images vary"
    tables = as_table(shown_table(study), caption), as_table(faces, "The hardest faces")
    return paragraphs(tables)


def claims(study: Study) -> list[dict[str, Any]]:
    """The claim that people can hardly tell, which the round at the stored size decides.

    It needs the paper's images, if only a part of them.
    """
    dataset, task = about(study), people.of(study)
    whole = all(set(dataset["counts"][split].values()) == {n} for split, n in COUNTS.items())
    reason = "generated data" if dataset["generated"] else ""
    reason = reason or ("" if study.data == "kaggle" or whole else "other images")
    return [hardly_told_apart(None if task.why_stale() else task.read(), reason)]


def hardly_told_apart(table: pd.DataFrame | None, reason: str = "") -> dict[str, Any]:
    """The claim, from what `people` measured (None for nothing), or why it can't be judged."""
    claim = {"claim": PEOPLE}
    claim |= {"section": "abstract, 1, 2", "here": "nobody was asked (make quiz)"}
    if table is None:
        return claim | {"verdict": unless(reason, "not measured"), "basis": "not measured"}
    *earlier, last = table[table["who"] == "people"].itertuples()
    people = last.answers // ASKED
    claim["here"] = (
        f"of {ASKED} test images at {last.pixels} x {last.pixels} pixels {last.right:.3f} right "
        f"(95 % interval {last.low:.3f} to {last.high:.3f}); "
    )
    for first in earlier:
        claim["here"] += (
            f"in a round before, at {first.pixels} x {first.pixels} pixels, {first.right:.3f} "
            f"({first.low:.3f} to {first.high:.3f}); "
        )
    claim["here"] += "guessing gives 0.5"
    reason = reason or (f"fewer than {FEWEST} people" if people < FEWEST else "")
    verdict = verdict_on_differences([(HARDLY - last.high, HARDLY - last.low)])
    basis = f"measured: {people} {'person' if people == 1 else 'people'}"
    return claim | {"verdict": unless(reason, verdict), "basis": basis}
