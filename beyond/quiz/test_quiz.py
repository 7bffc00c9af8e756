"""The quiz: nothing can be read off its page, it can be played, and answers are put together."""

import base64
import io
import json
import re
import shutil

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from PIL.PngImagePlugin import PngInfo

from beyond.quiz import EXTENSION, measure, show
from beyond.quiz import quiz as command
from beyond.quiz.measure import answers_csv, people, read_answers, two_way_interval
from beyond.quiz.show import hardly_told_apart, sealed
from conftest import done, html, watched
from fakeface_utils.data import images, manifest
from fakeface_utils.evaluate import FEWEST, HARDLY, table1
from fakeface_utils.models import MODELS
from fakeface_utils.util import StudyError


@pytest.fixture
def asked_about(places):
    """Thirteen test images of each class, fakes smaller in bytes."""
    root, rng = places / "portraits", np.random.default_rng(0)
    for split, count in (("train", 1), ("valid", 1), ("test", 13)):
        for kind in ("fake", "real"):
            folder = root / split / kind
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
                if kind == "fake":
                    pixels[:, 10:] = 0
                told = PngInfo()
                told.add_text("comment", kind)
                PIL.Image.fromarray(pixels).save(folder / f"{number}.png", pnginfo=told)
    return root


@pytest.fixture
def study(asked_about, finished):
    """A finished run: the first network knows all, others call everything fake."""

    def says(model, table):
        return table["label"] * 0.8 + 0.1 if model == next(iter(MODELS)) else 0.9

    return finished(run="asked", data=asked_about, p_fake=says)


def page_of(study):
    return show.quiz.of(study, 0).path()


def pictures(study) -> list[list[str]]:
    page = html(page_of(study).read_text())
    return json.loads(page.find(id="pictures").string)


def decoded(picture: str) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(picture))))


def answers(faces, name, says, sure="2"):
    """A person's file; `says` is the answer by round and image, or by image."""
    rows = [
        [name, number, place + 1, image, says.get((number, image), says.get(image)), sure, 1500]
        for number in (1, 2)
        for place, image in enumerate(faces["sha256"])
    ]
    return pd.DataFrame(rows, columns=measure.COLUMNS).to_csv(index=False)


@pytest.fixture
def asked(study):
    """The images, the quiz's name, and the answers of someone who knows."""
    faces = measure.drawn(study, 0)
    right = {row.sha256: ("real", "fake")[row.label] for row in faces.itertuples()}
    return faces, measure.quiz_name(study, faces), right


@pytest.fixture
def folder(tmp_path):
    """Where the answers of a class are put."""
    (tmp_path / "class").mkdir()
    return tmp_path / "class"


def pooled(study, folder):
    """The table of a class's answers by round and who; and the files that don't count."""
    refused = measure.pool(study, folder, 0)
    return people.of(study).read().set_index(["round", "who"]), refused


def test_images_are_drawn_by_the_seed_ten_of_each(study):
    faces = measure.drawn(study, 3)
    assert faces["label"].value_counts().to_dict() == {0: 10, 1: 10}
    assert faces["sha256"].nunique() == 20
    assert sorted(faces["second"]) == list(range(20))
    assert faces["second"].tolist() != list(range(20))
    assert faces.equals(measure.drawn(study, 3))
    assert not faces.equals(measure.drawn(study, 4))
    assert faces["label"].diff().abs().sum() > 4  # not one class after the other
    listed = manifest(study, "test").iloc[faces["place"]]
    assert listed["sha256"].tolist() == faces["sha256"].tolist()
    assert measure.quiz_name(study, faces) == measure.quiz_name(study, faces[::-1])
    larger = study.model_copy(update={"image_size": 28})
    assert measure.quiz_name(larger, faces) != measure.quiz_name(study, faces)


def test_images_that_are_there_twice_are_not_asked_and_too_few_are_an_error(study, monkeypatch):
    table = manifest(study, "test")
    fakes = table.index[table["label"] == 1]
    table.loc[fakes[:2], "sha256"] = "same"
    monkeypatch.setattr(measure, "manifest", lambda study, split: table)
    assert "same" not in measure.drawn(study, 0)["sha256"].tolist()
    table.loc[fakes[:3], "sha256"] = "same"
    with pytest.raises(StudyError, match="needs 11 different fake test images and portraits has"):
        measure.drawn(study, 0)


def test_nothing_can_be_read_off_the_page(study, asked, capsys):
    faces, name, _ = asked
    command("asked")
    message = capsys.readouterr().out
    assert "don't publish it" in message
    assert "fakeface quiz --run asked --seed 0 --answers FOLDER" in message
    page = page_of(study).read_text()
    for word in (name, *faces["sha256"], *faces["path"], "test/", ".png", '"label"', "p_fake"):
        assert word not in page, word
    text = re.sub(r'"(pictures|pair)">.*?</script>', "", page, flags=re.DOTALL)
    assert max(len(line) for line in text.splitlines()) < 6000  # the sealed answers are left
    for tag in html(text).find_all("img"):
        assert set(tag.attrs) <= {"id", "alt"}
    for shown in pictures(study):
        assert len(shown) == 20
        assert len(set(map(len, shown))) == 1
        assert not any(picture.endswith("=") for picture in shown)
    for scheme in ("http:", "https:", "src=", "@import"):
        assert scheme not in text.replace("data:", ""), scheme


def test_round_1_shows_the_networks_pixels_and_round_2_the_files(study, asked):
    faces = asked[0]
    show.quiz(study, 0)
    first, second = pictures(study)
    test = images(study, "test")
    for place, row in enumerate(faces.itertuples()):
        np.testing.assert_array_equal(decoded(first[place]), test[row.place])
        stored = np.asarray(PIL.Image.open(f"{study.data}/{faces['path'][row.second]}"))
        np.testing.assert_array_equal(decoded(second[place]), stored)
        for picture in (first[place], second[place]):
            file = PIL.Image.open(io.BytesIO(base64.b64decode(picture)))
            file.load()
            assert (file.format, file.info) == ("PNG", {})


def test_files_of_different_sizes_are_brought_to_one_and_one_that_is_gone_is_named(
    asked_about, finished
):
    for number, path in enumerate(sorted((asked_about / "test" / "fake").iterdir())[:6]):
        PIL.Image.new("RGB", (90, 60), (number, 0, 0)).save(path)
    study = finished(data=asked_about)
    show.quiz(study, 0)
    assert measure.drawn(study, 0)["width"].nunique() == 2
    assert {decoded(picture).shape for picture in pictures(study)[1]} == {(48, 48, 3)}
    assert "in one common size" in page_of(study).read_text()
    shutil.rmtree(asked_about / "test" / "fake")
    with pytest.raises(StudyError, match=r"portraits has changed: run notebooks/01_dataset"):
        show.quiz(study, 1)


def test_sealing_is_undone_by_the_same_pictures_alone():
    shown = ["abcdefgh", "ABCDEFGH"]
    once = sealed("fake, 0.998 ž", shown)
    key = [ord(shown[i % 2][7 - i * 31 % 8]) for i in range(40)]
    back = bytes(a ^ b for a, b in zip(base64.b64decode(once), key, strict=False))
    assert back.decode() == "fake, 0.998 ž"
    assert sealed("fake, 0.998 ž", shown[::-1]) != once


def test_a_perfect_person_and_one_who_always_says_real(study, asked, folder):
    faces, name, right = asked
    (folder / "late").mkdir()
    (folder / "a.csv").write_text(answers(faces, name, right, sure="3"))
    (folder / "late" / "b.CSV").write_text(answers(faces, name, dict.fromkeys(right, "real")))
    table, refused = pooled(study, folder)
    assert refused == {}
    numbers = ["right", "called_fake", "same"]
    for number, side in ((1, 32), (2, 48)):
        own = table.loc[number]
        assert set(own["pixels"]) == {side}
        assert own.loc["people", ["answers", *numbers[:2]]].tolist() == [40, 0.75, 0.25]
        assert own.loc["majority vote", "right"] == 0.75  # real: both right; fake: a tie, half
        assert own.loc["guessing", "answers"] == 0
        assert np.isnan(own.loc["guessing", "right"])
        assert own.loc["fairly sure", ["answers", "right"]].tolist() == [20, 0.5]
        assert own.loc["sure", ["answers", "right"]].tolist() == [20, 1.0]
        # The custom CNN knows all: it agrees with 30 of 40 answers.
        assert own.loc["custom_cnn", numbers].tolist() == [1.0, 0.5, 0.75]
        assert own.loc["vgg16", numbers].tolist() == [0.5, 1.0, 0.25]
    hardest = people.of(study).read("images.csv")
    assert hardest["round"].tolist() == [1] * 20 + [2] * 20
    assert hardest["accuracy"].tolist() == [0.5] * 10 + [1.0] * 10 + [0.5] * 10 + [1.0] * 10
    assert hardest["label"].tolist()[:10] == [1] * 10
    section = show.section(study).data
    assert "majority vote" in section
    assert "custom CNN" in section


def test_rounds_are_told_apart(study, asked, folder):
    faces, name, right = asked
    later = {(2, image): "fake" for image in right}
    (folder / "a.csv").write_text(answers(faces, name, right | later))
    table, _ = pooled(study, folder)
    assert table.loc[(1, "people"), "right"] == 1.0
    assert table.loc[(2, "people"), "right"] == 0.5


def test_a_person_counts_once_however_the_file_was_saved(study, asked, folder):
    faces, name, right = asked
    good = answers(faces, name, right)
    lines = good.splitlines(keepends=True)
    copies = [good, good + "\n", "\ufeff" + good, good.replace("\n", "\r\n")]
    copies += [good.replace(",1500", ",1501", 1), "".join([lines[0], *lines[:0:-1]])]
    for number, text in enumerate(copies):
        (folder / f"{number}.csv").write_bytes(text.encode())
    (folder / "other.csv").write_text(answers(faces, name, right, sure="3"))
    table, refused = read_answers(folder, name, faces)
    assert table["person"].nunique() == 2
    assert refused == {f"{number}.csv": "the same answers as 0.csv" for number in range(1, 6)}


def test_files_that_do_not_count_are_named_with_the_reason(study, asked, folder, capsys):
    faces, name, right = asked
    good = answers(faces, name, right)
    lines = good.splitlines(keepends=True)
    half = "not one answer for each of 20 images in each round"
    files = {
        "1.csv": (good, None),
        "binary.csv": (b"\xff\xfe\x00\x01", ""),
        "empty.csv": ("", ""),
        "excel.csv": (good.replace(",", ";"), "its columns are not quiz, round, item"),
        "foreign.csv": (answers(faces, "0123456789ab", right), "of another quiz (0123456789ab, n"),
        "half.csv": ("".join(lines[:30]), half),
        "letter.csv": (good.replace(",real,", ",maybe,", 1), "an answer is neither real nor fake"),
        "line.csv": (good.replace("fake", 'fake"', 1), ""),
        "notes.txt": ("hello", "not a CSV file"),
        "sure.csv": (good.replace(",2,1500", ",4,1500", 1), "how sure is not 1, 2 or 3 everywhere"),
        "twice.csv": ("".join([*lines[:-1], lines[1]]), half),
        "x\x1b[2J.csv": ("a,b\n1,2\n", "its columns are not"),
        "huge.csv": (good * 40, "too large for a person's answers"),
    }
    for file, (text, _) in files.items():
        (folder / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    command("asked", 0, folder)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("not counted: ") == len(files) - 1
    for file, (_, why) in files.items():
        shown = file.replace("\x1b", "\\x1b")
        assert (f"not counted: {shown}: {why}" in out) == (why is not None)


def test_a_folder_without_answers_is_a_sentence(study, asked, tmp_path, folder):
    faces, name, right = asked
    with pytest.raises(StudyError, match="there is no folder"):
        read_answers(tmp_path / "none", name, faces)
    with pytest.raises(StudyError, match=f"no file in .* answers quiz {name}: it is empty"):
        read_answers(folder, name, faces)
    (folder / "a.csv").write_text(answers(faces, "0123456789ab", right))
    with pytest.raises(StudyError, match=r"a.csv \(of another quiz .*--seed"):
        measure.pool(study, folder, 0)
    assert not answers_csv(study).exists()


def made_up(people, accuracy, spread=0.0, seed=0):
    rng = np.random.default_rng(seed)
    rates = np.clip(accuracy + spread * rng.standard_normal((people, 1)), 0, 1)
    return rng.random((people, 20)) < rates


def test_the_interval_is_wider_with_fewer_people_and_holds_what_is_true():
    labels = np.repeat([0, 1], 10)
    widths = []
    for number in (3, 12, 48):
        low, high = two_way_interval(made_up(number, 0.6), labels)
        assert low < 0.6 < high
        widths.append(high - low)
    assert widths[0] > 1.5 * widths[1] > 2 * widths[2]
    assert two_way_interval(np.ones((4, 20), bool), labels) == (1.0, 1.0)


def test_the_interval_varies_images_within_their_class_and_people():
    labels = np.repeat([0, 1], 10)
    always_real = np.tile(labels == 0, (9, 1))
    assert two_way_interval(always_real, labels) == (0.5, 0.5)  # half and half by design
    some_images = np.tile(np.arange(20) % 2 == 0, (1000, 1))  # all people alike
    low, high = two_way_interval(some_images, labels)
    # 20 images of variance 1/4: the binomial's 0.5 +- 0.22.
    assert (low, high) == pytest.approx((0.28, 0.72), abs=0.05)
    some_people = np.tile(np.arange(20)[:, None] % 2 == 0, (1, 20))
    assert two_way_interval(some_people, labels) == pytest.approx((0.28, 0.72), abs=0.05)


def pooled_as(low, high, count=12):
    values = {"who": "people", "answers": 20 * count}
    rows = [
        {"pixels": 224, "right": 0.9, "low": 0.85, "high": 0.95},
        {"pixels": 256, "right": (low + high) / 2, "low": low, "high": high},
    ]
    return pd.DataFrame([values | row for row in rows])


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.45, HARDLY - 0.01, "reproduced"),
        (HARDLY + 0.01, 0.8, "not reproduced"),
        (0.5, 0.8, "undecided"),
    ],
)
def test_the_claim_that_people_can_hardly_tell(low, high, verdict):
    claim = hardly_told_apart(pooled_as(low, high))
    assert (claim["verdict"], claim["basis"]) == (verdict, "measured: 12 people")
    assert claim["section"] == "abstract, 1, 2"
    interval = f"{(low + high) / 2:.3f} right (95 % interval {low:.3f} to {high:.3f})"
    assert f"at 256 x 256 pixels {interval}" in claim["here"]
    assert "224 x 224 pixels, 0.900 (0.850 to 0.950)" in claim["here"]
    few = hardly_told_apart(pooled_as(low, high, FEWEST - 1))
    assert few["verdict"] == f"not comparable (fewer than {FEWEST} people)"
    drawn = hardly_told_apart(pooled_as(low, high), "generated data")
    assert drawn["verdict"] == "not comparable (generated data)"


def test_the_claim_takes_its_place_and_answers_about_other_images_are_not_this_runs(
    study, asked, folder
):
    faces, name, right = asked
    claim = EXTENSION.claims(study)[0]
    assert (claim["verdict"], claim["basis"]) == ("not comparable (other images)", "not measured")
    assert "nobody was asked" in EXTENSION.why_stale(study)
    assert hardly_told_apart(None)["verdict"] == "not measured"
    (folder / "a.csv").write_text(answers(faces, name, right))
    measure.pool(study, folder, 0)
    assert not EXTENSION.why_stale(study)
    assert "dataset/dataset.json" in people.of(study).depends_on()["inputs"]
    assert EXTENSION.claims(study)[0]["basis"] == "measured: 1 person"
    PIL.Image.new("RGB", (48, 48)).save(f"{study.data}/{faces['path'][0]}")
    done(*table1.of(study).before())
    assert EXTENSION.claims(study)[0]["basis"] == "not measured"
    assert EXTENSION.why_stale(study)
    with pytest.raises(StudyError, match="are about other images than run 'asked' has now"):
        people(study)


def test_the_pair_that_is_shown_with_its_answer_is_not_asked_about(study, asked):
    faces = asked[0]
    real, fake = measure.examples(study, faces)
    assert manifest(study, "test")["label"].iloc[[real, fake]].tolist() == [0, 1]
    assert not {real, fake} & {*faces["place"]}
    show.quiz(study, 0)
    page = html(page_of(study).read_text())
    assert page.find(id="examples").get_text().split() == ["real", "fake"]
    for place, picture in zip((real, fake), json.loads(page.find(id="pair").string), strict=True):
        np.testing.assert_array_equal(decoded(picture), images(study, "test")[place])


@pytest.fixture
def drawn_images(monkeypatch):
    for module in (measure, show):
        monkeypatch.setattr(module, "about", lambda study: {"generated": True})


@pytest.mark.usefixtures("drawn_images")
def test_drawn_images_have_one_round_and_no_published_studies(study, asked, folder):
    faces, name, right = asked
    show.quiz(study, 0)
    assert len(pictures(study)) == 1
    text = page_of(study).read_text()
    assert "published studies" not in text
    assert "Nightingale" not in text
    lines = answers(faces, name, right).splitlines(keepends=True)
    (folder / "a.csv").write_text("".join(lines[:21]))
    (folder / "two.csv").write_text("".join(lines))
    table, refused = pooled(study, folder)
    assert refused == {"two.csv": "not one answer for each of 20 images in each round"}
    assert table.loc[(1, "people"), ["answers", "right", "pixels"]].tolist() == [20, 1.0, 32]
    words = hardly_told_apart(people.of(study).read())["here"]
    assert words.startswith("of 20 test images at 32 x 32 pixels 1.000 right")
    assert "round" not in words


@pytest.mark.usefixtures("drawn_images")
def test_one_round_is_played_to_its_end_by_keyboard(study, asked, browser):
    show.quiz(study, 0)
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(page_of(study).as_uri())
    sizes = "[...document.querySelectorAll('#examples img')].map(i => i.naturalWidth)"
    assert page.evaluate(sizes) == [32, 32]
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.locator(".keys").is_visible()
    page.keyboard.press("ArrowRight")
    for place, label in enumerate(asked[0]["label"]):
        assert page.inner_text("#count") == f"Face {place + 1} of 20"
        by_keyboard(page, label, 2)
    assert page.inner_text("#score").startswith("You were right on 20 of 20 faces. 10 were fake")
    assert page.locator("#scores tr").first.inner_text().startswith("you\t20 of 20")
    told = page.locator("#faces li").all_inner_texts()
    assert [face.splitlines()[1] for face in told] == [
        "fake" if label else "real" for label in asked[0]["label"]
    ]
    lines = "[...document.querySelectorAll('#faces dd')].map(d => d.offsetHeight)"
    assert len(set(page.evaluate(lines))) == 1


def by_keyboard(page, fake, sure):
    page.keyboard.press("f" if fake else "r")
    page.keyboard.press(str(sure))
    page.keyboard.press("ArrowRight")


def by_touch(page, fake, sure):
    page.tap(f"[data-answer={'fake' if fake else 'real'}]")
    page.tap(f"[data-sure='{sure}']")
    page.tap("#question [data-go='1']")


def test_two_rounds_are_played_on_a_phone_saved_and_put_together(study, asked, browser, folder):
    faces, name, _ = asked
    show.quiz(study, 0)
    address, phone = page_of(study).as_uri(), {"width": 390, "height": 664}
    page = browser.new_context(viewport=phone, is_mobile=True, has_touch=True).new_page()
    requests, errors = watched(page)
    page.goto(address)

    def fits():
        assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]

    fits()
    assert page.locator(".keys").is_hidden()
    page.tap("#start [data-go='1']")
    page.tap("#question [data-go='1']")  # nothing is answered yet
    assert page.inner_text("#count") == "Round 1 of 2, face 1 of 20"
    assert "First say real or fake" in page.inner_text("#hint")
    heights = "[...document.querySelectorAll('#question button')].map(b => b.offsetHeight)"
    assert len(set(page.evaluate(heights))) == 1  # what a button says stays on one line
    by_keyboard(page, True, 1)
    page.click("#question [data-go='-1']")  # the answer is there again and may be changed
    assert page.get_attribute("[data-answer=fake]", "aria-pressed") == "true"
    labels = faces["label"].tolist()
    order = [range(20), faces["second"]]
    for number in range(2):
        for place in range(20):
            assert page.inner_text("#count") == f"Round {number + 1} of 2, face {place + 1} of 20"
            assert page.get_attribute("#face", "alt") == f"face {place + 1} of 20"
            size = page.evaluate("[face.naturalWidth, face.clientWidth, face.clientHeight]")
            side = (32, 48)[number]
            assert size[0] == side
            assert size[1] == size[2] >= 150
            assert size[1] % side == 0  # whole screen pixels
            fits()
            bottom = page.locator("#question [data-go='1']").bounding_box()
            assert bottom["y"] + bottom["height"] <= phone["height"]
            assert bottom["height"] >= 44
            fake = labels[order[number][place]] == 1
            if number == 1 and place < 5:
                fake = not fake
            by_touch(page, fake, place % 3 + 1)
        if number == 0:
            assert page.locator("#pause").is_visible()
            assert page.locator("#result").is_hidden()
            page.tap("#pause [data-go='1']")
    assert page.inner_text("#score").startswith(
        "You were right on 20 of 20 faces in round 1 and on 15 in round 2. 10 were fake"
    )
    scores = [row.split("\t") for row in page.inner_text("#scores").splitlines()]
    # Wilson: 20 of 20 is 0.839 to 1, 15 of 20 is 0.531 to 0.888, 10 of 20 is 0.299 to 0.701.
    assert [row[1:] for row in scores] == [
        ["20 of 20", "1.00", "0.84 to 1.00"],
        ["15 of 20", "0.75", "0.53 to 0.89"],
        ["20 of 20", "1.00", "0.84 to 1.00"],
        ["10 of 20", "0.50", "0.30 to 0.70"],
    ]
    told = page.locator("#faces li").all_inner_texts()
    assert [("fake" in face.splitlines()[1]) for face in told] == [label == 1 for label in labels]
    for face, label in zip(told, labels, strict=True):
        assert f"right ({0.1 + 0.8 * label:.3f})" in face
    assert "wrong (" in told[faces["second"][0]]
    picture = page.locator("#faces img").first
    assert picture.evaluate("p => getComputedStyle(p).imageRendering") == "pixelated"
    fits()
    with page.expect_download() as download:
        page.click("#save")
    assert re.fullmatch(rf"quiz-{name}-\w+\.csv", download.value.suggested_filename)
    download.value.save_as(folder / download.value.suggested_filename)
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [address]
    assert errors == []

    table = pd.read_csv(next(folder.iterdir()))
    assert table.columns.tolist() == measure.COLUMNS
    assert table["item"].tolist() == [*range(1, 21)] * 2
    assert (table["ms"] >= 0).all()
    table, refused = pooled(study, folder)
    assert refused == {}
    assert table.loc[(1, "people"), ["answers", "right"]].tolist() == [20, 1.0]
    assert table.loc[(2, "people"), "right"] == 0.75
    assert table.loc[(1, "sure"), "answers"] == 6
