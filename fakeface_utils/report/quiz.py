"""The quiz: one page that asks people about the test images, and tells at its end.

It shows images, so of data whose licence forbids it the page must not be published.
"""

import base64
import io
import json

import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL.Image

from ..common.errors import StudyError
from ..common.files import human_size, write_atomic
from ..common.paths import PACKAGE, shown
from ..dataset.decode import UNREADABLE, as_input, open_rgb
from ..dataset.folder import open_images
from ..evaluation.quiz import (
    PUBLISHED,
    SURE,
    drawn,
    networks_answers,
    quiz_name,
    stored_side,
)
from ..study.artefacts import read_dataset, read_images, source_path
from ..study.beyond_artefacts import quiz_html
from ..study.names import MODELS, TITLES
from ..study.quiz import quiz_step
from ..study.settings import Study


def write_quiz(study: Study, seed: int) -> str:
    """Write quiz.html, unless that is done; say where it is and how to use it.

    Raises:
        StudyError: the networks' answers aren't up to date; there are too few test images; or an
            image file is gone or another than was prepared.
    """
    quiz_step(study, seed).do(lambda: _write(study, seed))
    path = quiz_html(study)
    people = "" if read_dataset(study)["generated"] else "It shows people: don't publish it. "
    return (
        f"quiz: {shown(path)} ({human_size(path.stat().st_size)})\nOpen it in a browser's own tab "
        f"(JupyterLab's viewer blocks scripts). {people}Everyone saves their answers at its end; "
        f"put the files into a folder, then: fakeface quiz --run {study.run} --seed {seed} "
        "--answers FOLDER"
    )


def _write(study: Study, seed: int) -> None:
    import jinja2  # here only: what puts answers together doesn't need it

    images = drawn(study, seed)
    first = [np.asarray(read_images(study, "test")[place]) for place in images["place"]]
    second = _as_stored(study, images)
    pictures = [_pictures(first, seed), _pictures([second[row] for row in images["second"]], seed)]
    networks = networks_answers(study, images)
    told = {
        "quiz": quiz_name(study, images),
        "images": [
            {"image": row.sha256, "fake": row.label, "p": [round(p, 4) for p in p_fake]}
            for row, p_fake in zip(images.itertuples(), networks.to_numpy().tolist(), strict=True)
        ],
        "second": images["second"].tolist(),
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PACKAGE / "report" / "template"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("quiz.html.j2").render(
        pictures=pictures,
        sealed=sealed(json.dumps(told), pictures[0]),
        sides=[study.image_size, stored_side(images)],
        as_stored=bool((images[["width", "height"]] == stored_side(images)).all(axis=None)),
        generated=read_dataset(study)["generated"],
        networks=[TITLES[model] for model in MODELS],
        sure=SURE,
        published=PUBLISHED,
        run=study.run,
        seed=seed,
    )
    with write_atomic(quiz_html(study)) as part:
        part.write_text(page, encoding="utf-8")


def _as_stored(study: Study, images: pd.DataFrame) -> list[npt.NDArray[np.uint8]]:
    """The images decoded from their files, all brought to one size where theirs differ.

    Raises:
        StudyError: a file is gone, or isn't the one that was prepared.
    """
    source, side = open_images(source_path(study)), stored_side(images)
    pixels = []
    for row in images.itertuples():
        try:
            raw = source.read(row.path)
            image, _ = open_rgb(raw)
        except (*UNREADABLE, KeyError) as error:
            raise StudyError(
                f"{row.path} in {shown(source_path(study))} can't be read any more: run notebooks/"
                "01_dataset.ipynb again, with the same run"
            ) from error
        pixels.append(as_input(image, side, study.resize_filter))
    return pixels


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

    No secret: the page opens it with the same pictures, and who reads its script can do so before
    the end.
    """
    count, length = len(pictures), len(pictures[0])
    mixed = bytes(
        byte ^ ord(pictures[i % count][length - 1 - i * 31 % length])
        for i, byte in enumerate(text.encode())
    )
    return base64.b64encode(mixed).decode()
