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
from bs4 import BeautifulSoup
from PIL.PngImagePlugin import PngInfo

from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.files import write_csv
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.evaluation import quiz
from fakeface_utils.evaluation.claims import hardly_told_apart
from fakeface_utils.evaluation.verdicts import FEWEST, HARDLY
from fakeface_utils.report.quiz import sealed, write_quiz
from fakeface_utils.study.artefacts import predictions_csv, read_images, read_manifest
from fakeface_utils.study.beyond_artefacts import quiz_answers_csv, quiz_html, quiz_json
from fakeface_utils.study.names import MODELS
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import report_step
from fakeface_utils.study.quiz import quiz_step
from fakeface_utils.study.step import Step

chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed")


@pytest.fixture
def study(places, monkeypatch):
    """Twelve test images of each class, fakes smaller in bytes, and what two networks said."""
    root, rng = places / "faces", np.random.default_rng(0)
    for split, count in (("train", 1), ("valid", 1), ("test", 12)):
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
    study = load_study(data=str(root), run="asked", overrides="image_size=32")
    prepare(study)
    test = read_manifest(study, "test")[["path", "label"]]
    for model, p_fake in zip(MODELS, (test["label"] * 0.8 + 0.1, 0.9), strict=True):
        write_csv(predictions_csv("asked", model, 0), test.assign(p_fake=p_fake))
    monkeypatch.setattr(Step, "check_inputs", lambda step: None)
    return study


def pictures(study) -> list[list[str]]:
    page = BeautifulSoup(quiz_html(study).read_text(), "html.parser")
    return json.loads(page.find(id="pictures").string)


def decoded(picture: str) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(picture))))


def answers(images: pd.DataFrame, name: str, says: dict, sure="2") -> str:
    """A person's file; `says` is the answer by round and image, or by image."""
    rows = [
        [name, number, place + 1, image, says.get((number, image), says.get(image)), sure, 1500]
        for number in (1, 2)
        for place, image in enumerate(images["sha256"])
    ]
    return pd.DataFrame(rows, columns=quiz.COLUMNS).to_csv(index=False)


@pytest.fixture
def asked(study):
    """The images, the quiz's name, and the answers of someone who knows."""
    images = quiz.drawn(study, 0)
    right = {row.sha256: ("real", "fake")[row.label] for row in images.itertuples()}
    return images, quiz.quiz_name(study, images), right


def test_images_are_drawn_by_the_seed_ten_of_each(study):
    images = quiz.drawn(study, 3)
    assert images["label"].value_counts().to_dict() == {0: 10, 1: 10}
    assert images["sha256"].nunique() == 20
    assert sorted(images["second"]) == list(range(20))
    assert images["second"].tolist() != list(range(20))
    assert images.equals(quiz.drawn(study, 3))
    assert not images.equals(quiz.drawn(study, 4))
    assert images["label"].diff().abs().sum() > 4  # not one class after the other
    manifest = read_manifest(study, "test").iloc[images["place"]]
    assert manifest["sha256"].tolist() == images["sha256"].tolist()
    assert quiz.quiz_name(study, images) == quiz.quiz_name(study, images[::-1])
    larger = study.model_copy(update={"image_size": 28})
    assert quiz.quiz_name(larger, images) != quiz.quiz_name(study, images)


def test_images_that_are_there_twice_are_not_asked_and_too_few_are_an_error(study, monkeypatch):
    manifest = read_manifest(study, "test")
    fakes = manifest.index[manifest["label"] == 1]
    manifest.loc[fakes[:2], "sha256"] = "same"
    monkeypatch.setattr(quiz, "read_manifest", lambda study, split: manifest)
    assert "same" not in quiz.drawn(study, 0)["sha256"].tolist()
    manifest.loc[fakes[:3], "sha256"] = "same"
    with pytest.raises(StudyError, match="needs 10 different fake test images and faces has 9"):
        quiz.drawn(study, 0)


def test_nothing_can_be_read_off_the_page(study, asked):
    images, name, _ = asked
    message = write_quiz(study, 0)
    assert "don't publish it" in message
    assert "fakeface quiz --run asked --seed 0 --answers FOLDER" in message
    page = quiz_html(study).read_text()
    for word in (name, *images["sha256"], *images["path"], "test/", ".png", '"label"', "p_fake"):
        assert word not in page, word
    text = re.sub(r'"pictures">.*?</script>', "", page, flags=re.DOTALL)
    assert max(len(line) for line in text.splitlines()) < 6000  # the sealed answers are left
    for tag in BeautifulSoup(text, "html.parser").find_all("img"):
        assert set(tag.attrs) <= {"id", "alt"}
    for shown in pictures(study):
        assert len(shown) == 20
        assert len(set(map(len, shown))) == 1
        assert not any(picture.endswith("=") for picture in shown)
    for scheme in ("http:", "https:", "src=", "@import"):
        assert scheme not in text.replace("data:", ""), scheme


def test_round_1_shows_the_networks_pixels_and_round_2_the_files(study, asked):
    images = asked[0]
    write_quiz(study, 0)
    first, second = pictures(study)
    test = read_images(study, "test")
    for place, row in enumerate(images.itertuples()):
        np.testing.assert_array_equal(decoded(first[place]), test[row.place])
        stored = np.asarray(PIL.Image.open(f"{study.data}/{images['path'][row.second]}"))
        np.testing.assert_array_equal(decoded(second[place]), stored)
        for picture in (first[place], second[place]):
            file = PIL.Image.open(io.BytesIO(base64.b64decode(picture)))
            file.load()
            assert file.format == "PNG"
            assert not file.info


def test_files_of_different_sizes_are_brought_to_one(study, asked):
    images = asked[0]
    odd = images["path"][4]
    PIL.Image.new("RGB", (90, 60)).save(f"{study.data}/{odd}")
    prepare(study)
    write_quiz(study, 0)
    assert odd in quiz.drawn(study, 0)["path"].tolist()
    assert {decoded(picture).shape for picture in pictures(study)[1]} == {(48, 48, 3)}
    assert "in one common size" in quiz_html(study).read_text()


def test_a_file_that_is_gone_is_a_sentence(study, asked):
    shutil.rmtree(f"{study.data}/test/fake")
    with pytest.raises(StudyError, match=r"test/fake/\d+.png in .* can't be read any more"):
        write_quiz(study, 0)
    assert not quiz_html(study).exists()


def test_sealing_is_undone_by_the_same_pictures_alone():
    shown = ["abcdefgh", "ABCDEFGH"]
    once = sealed("fake, 0.998 ž", shown)
    key = [ord(shown[i % 2][7 - i * 31 % 8]) for i in range(40)]
    back = bytes(a ^ b for a, b in zip(base64.b64decode(once), key, strict=False))
    assert back.decode() == "fake, 0.998 ž"
    assert sealed("fake, 0.998 ž", shown[::-1]) != once


def test_the_pages_step_reads_predictions_and_template(study):
    step = quiz_step(study, 0)
    read = {path.name for path in (*step.inputs, *(p for s in step.after for p in s.outputs))}
    assert {"quiz.html.j2", "predictions.csv", "test.npy", "test.csv"} <= read
    assert {"report/quiz.py", "evaluation/quiz.py", "dataset/decode.py"} <= set(step.code)
    assert step.settings != quiz_step(study, 1).settings
    other = study.model_copy(update={"seeds": (4, 7)})
    assert quiz_step(other, 0).settings["compared"] == 4


def test_a_perfect_person_and_one_who_always_says_real(study, asked, tmp_path):
    images, name, right = asked
    folder = tmp_path / "class"
    (folder / "late").mkdir(parents=True)
    (folder / "a.csv").write_text(answers(images, name, right, sure="3"))
    (folder / "late" / "b.CSV").write_text(answers(images, name, dict.fromkeys(right, "real")))
    pooled = quiz.pool(study, folder, 0)
    assert pooled == json.loads(quiz_json(study).read_text())
    assert (pooled["people"], pooled["refused"]) == (2, {})
    for number, side in (("1", 32), ("2", 48)):
        values = pooled["rounds"][number]
        assert values["pixels"] == side
        assert values["accuracy"] == 0.75
        assert values["called_fake"] == 0.25
        assert values["majority"] == 0.75  # real: both right; fake: a tie, half right
        assert values["by_sure"]["1"] == {"answers": 0, "accuracy": None}
        assert values["by_sure"]["2"] == {"answers": 20, "accuracy": 0.5}
        assert values["by_sure"]["3"] == {"answers": 20, "accuracy": 1.0}
        # The custom CNN knows all: it agrees with 30 of 40 answers. By chance 0.5 would.
        assert values["networks"]["custom_cnn"] == {"accuracy": 1.0, "same": 0.75, "kappa": 0.5}
        assert values["networks"]["vgg16"] == {"accuracy": 0.5, "same": 0.25, "kappa": 0.0}
    table = pd.read_csv(quiz_answers_csv(study))
    assert table["round"].tolist() == [1] * 20 + [2] * 20
    assert table["accuracy"].tolist() == [0.5] * 10 + [1.0] * 10 + [0.5] * 10 + [1.0] * 10
    assert table["label"].tolist()[:10] == [1] * 10
    text = quiz.summary(study, pooled)
    assert "2 people, 20 images" in text
    assert "right: 0.750 (95 % interval" in text
    assert "sure: 20 answers, 1.000 right" in text
    assert "custom CNN: 1.000 right; same answer as people 0.75, Cohen's kappa 0.50" in text


def test_rounds_are_told_apart(study, asked, tmp_path):
    images, name, right = asked
    later = {(2, image): "fake" for image in right}
    (tmp_path / "a.csv").write_text(answers(images, name, right | later))
    rounds = quiz.pool(study, tmp_path, 0)["rounds"]
    assert (rounds["1"]["accuracy"], rounds["2"]["accuracy"]) == (1.0, 0.5)
    assert rounds["2"]["networks"]["vgg16"]["kappa"] is None  # both say one thing only


def test_files_that_do_not_count_are_named_with_the_reason(study, asked, tmp_path):
    images, name, right = asked
    good = answers(images, name, right)
    lines = good.splitlines(keepends=True)
    files = {
        "1.csv": good,
        "bom.csv": "\ufeff" + good.replace(",1500", ",1501"),
        "again.csv": good,
        "binary.csv": b"\xff\xfe\x00\x01",
        "empty.csv": "",
        "excel.csv": good.replace(",", ";"),
        "foreign.csv": answers(images, "0123456789ab", right),
        "half.csv": "".join(lines[:30]),
        "letter.csv": good.replace(",real,", ",maybe,", 1),
        "line.csv": good.replace("fake", 'fake"', 1),
        "notes.txt": "hello",
        "sure.csv": good.replace(",2,1500", ",4,1500", 1),
        "twice.csv": "".join([*lines[:-1], lines[1]]),
        "x\x1b[2J.csv": "a,b\n1,2\n",
        "huge.csv": good * 40,
    }
    for file, text in files.items():
        raw = text if isinstance(text, bytes) else text.encode()
        (tmp_path / file).write_bytes(raw)
    folders = ("data", "cache", "results", "figures", "faces")
    inside = tmp_path / "class"
    inside.mkdir()
    for path in tmp_path.iterdir():
        if path.name not in (*folders, "class"):
            path.rename(inside / path.name)
    pooled = quiz.pool(study, inside, 0)
    assert pooled["people"] == 2
    refused = pooled["refused"]
    assert len(refused) == len(files) - 2
    assert refused["again.csv"] == "the same as 1.csv"
    assert refused["foreign.csv"] == f"of another quiz (0123456789ab, not {name})"
    assert refused["notes.txt"] == "not a CSV file"
    assert refused["huge.csv"] == "too large for a person's answers"
    assert refused["half.csv"] == "not one answer for each of 20 images in both rounds"
    assert refused["twice.csv"] == refused["half.csv"]
    assert refused["letter.csv"] == "an answer is neither real nor fake"
    assert refused["sure.csv"] == "how sure is not 1, 2 or 3 everywhere"
    assert refused["excel.csv"].startswith("its columns are not quiz, round, item")
    assert refused["x\\x1b[2J.csv"].startswith("its columns are not")
    text = quiz.summary(study, pooled)
    assert "\x1b" not in text
    for file, why in refused.items():
        assert f"not counted: {file}: {why}" in text


def test_a_folder_without_answers_is_a_sentence(study, asked, tmp_path):
    images, name, right = asked
    with pytest.raises(StudyError, match="there is no folder"):
        quiz.read_answers(tmp_path / "none", name, images)
    folder = tmp_path / "class"
    folder.mkdir()
    with pytest.raises(StudyError, match=f"no file in .* answers quiz {name}: it is empty"):
        quiz.read_answers(folder, name, images)
    (folder / "a.csv").write_text(answers(images, "0123456789ab", right))
    with pytest.raises(StudyError, match=r"a.csv \(of another quiz .*--seed"):
        quiz.pool(study, folder, 0)
    assert not quiz_json(study).exists()


def made_up(people, accuracy, spread=0.0, seed=0):
    rng = np.random.default_rng(seed)
    rates = np.clip(accuracy + spread * rng.standard_normal((people, 1)), 0, 1)
    return rng.random((people, 20)) < rates


def test_the_interval_is_wider_with_fewer_people_and_holds_what_is_true():
    labels = np.repeat([0, 1], 10)
    widths = []
    for people in (3, 12, 48):
        low, high = quiz.two_way_interval(made_up(people, 0.6), labels)
        assert low < 0.6 < high
        widths.append(high - low)
    assert widths[0] > 1.5 * widths[1] > 2 * widths[2]
    assert quiz.two_way_interval(np.ones((4, 20), bool), labels) == (1.0, 1.0)


def test_the_interval_varies_images_within_their_class_and_people():
    labels = np.repeat([0, 1], 10)
    always_real = np.tile(labels == 0, (9, 1))
    assert quiz.two_way_interval(always_real, labels) == (0.5, 0.5)  # half and half by design
    some_images = np.tile(np.arange(20) % 2 == 0, (1000, 1))  # all people alike
    low, high = quiz.two_way_interval(some_images, labels)
    # 20 images of variance 1/4: the binomial's 0.5 +- 0.22.
    assert (low, high) == pytest.approx((0.28, 0.72), abs=0.05)
    some_people = np.tile(np.arange(20)[:, None] % 2 == 0, (1, 20))
    assert quiz.two_way_interval(some_people, labels) == pytest.approx((0.28, 0.72), abs=0.05)


def pooled_as(low, high, people=12):
    values = {"pixels": 256, "accuracy": (low + high) / 2, "low": low, "high": high}
    first = {"pixels": 224, "accuracy": 0.9, "low": 0.85, "high": 0.95}
    return {"people": people, "rounds": {"1": first, "2": values}}


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
    assert claim.verdict == verdict
    assert claim.basis == "measured: 12 people"
    assert claim.section == "abstract, 1, 2"
    interval = f"{(low + high) / 2:.3f} right (95 % interval {low:.3f} to {high:.3f})"
    assert f"at 256 x 256 pixels {interval}" in claim.found
    assert "224 x 224 pixels, 0.900 (0.850 to 0.950)" in claim.found
    few = hardly_told_apart(pooled_as(low, high, FEWEST - 1))
    assert few.verdict == f"not comparable (fewer than {FEWEST} people)"
    drawn = hardly_told_apart(pooled_as(low, high), "generated data")
    assert drawn.verdict == "not comparable (generated data)"


def test_a_claim_that_nobody_measured():
    assert hardly_told_apart(None)[3:] == ("not measured", "not measured")
    assert hardly_told_apart(None, "generated data").verdict == "not comparable (generated data)"


def test_answers_about_other_images_are_not_this_runs(study, asked, tmp_path):
    images, name, right = asked
    assert quiz.pooled_answers(study) is None
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "a.csv").write_text(answers(images, name, right))
    before = report_step(study).dependencies()["inputs"]
    quiz.pool(study, tmp_path / "class", 0)
    assert quiz.pooled_answers(study)["quiz"] == name
    after = report_step(study).dependencies()["inputs"]
    changed = [path for path in after if before[path] != after[path]]
    assert len(changed) == 1
    assert changed[0].endswith("asked/quiz.json")
    record = json.loads(quiz_json(study).read_text())
    quiz_json(study).write_text(json.dumps(record | {"seed": 1}))
    assert quiz.pooled_answers(study) is None


@pytest.fixture
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chrome = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield chrome
        chrome.close()


def by_keyboard(page, fake, sure):
    page.keyboard.press("f" if fake else "r")
    page.keyboard.press(str(sure))
    page.keyboard.press("ArrowRight")


def by_touch(page, fake, sure):
    page.tap(f"[data-answer={'fake' if fake else 'real'}]")
    page.tap(f"[data-sure='{sure}']")
    page.tap("#question [data-go='1']")


@chromium
@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"viewport": {"width": 1280, "height": 800}}, by_keyboard),
        (
            {"viewport": {"width": 390, "height": 664}, "is_mobile": True, "has_touch": True},
            by_touch,
        ),
    ],
    ids=["keyboard", "touch"],
)
def test_it_is_played_saved_and_put_together(study, asked, places, browser, options, answer):
    images, name, _ = asked
    write_quiz(study, 0)
    address, requests, errors = quiz_html(study).as_uri(), [], []
    page = browser.new_context(**options).new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    width = options["viewport"]["width"]

    def fits():
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    def go_on(section):
        selector = f"{section} [data-go='1']"
        page.tap(selector) if answer is by_touch else page.keyboard.press("ArrowRight")

    fits()
    assert page.locator(".keys").is_visible() == (answer is by_keyboard)
    go_on("#start")
    go_on("#question")  # nothing is answered yet
    assert page.inner_text("#count") == "Round 1 of 2, face 1 of 20"
    assert "First say real or fake" in page.inner_text("#hint")
    heights = "[...document.querySelectorAll('#question button')].map(b => b.offsetHeight)"
    assert len(set(page.evaluate(heights))) == 1  # what a button says stays on one line
    by_keyboard(page, True, 1)
    page.click("#question [data-go='-1']")  # the answer is there again and may be changed
    assert page.get_attribute("[data-answer=fake]", "aria-pressed") == "true"
    labels = images["label"].tolist()
    order = [range(20), images["second"]]
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
            assert bottom["y"] + bottom["height"] <= options["viewport"]["height"]
            assert bottom["height"] >= 44
            fake = labels[order[number][place]] == 1
            if number == 1 and place < 5:
                fake = not fake
            answer(page, fake, place % 3 + 1)
        if number == 0:
            assert page.locator("#pause").is_visible()
            assert page.locator("#result").is_hidden()
            go_on("#pause")
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
    faces = page.locator("#faces li").all_inner_texts()
    assert [("fake" in face.splitlines()[1]) for face in faces] == [label == 1 for label in labels]
    for face, label in zip(faces, labels, strict=True):
        assert f"right ({0.1 + 0.8 * label:.3f})" in face
    assert "wrong (" in faces[images["second"][0]]
    if answer is by_keyboard:
        lines = "[...document.querySelectorAll('#faces dd')].map(d => d.offsetHeight)"
        assert len(set(page.evaluate(lines))) == 1
    picture = page.locator("#faces img").first
    assert picture.evaluate("p => getComputedStyle(p).imageRendering") == "pixelated"
    fits()
    with page.expect_download() as download:
        page.click("#save")
    folder = places / "class"
    assert re.fullmatch(rf"quiz-{name}-\w+\.csv", download.value.suggested_filename)
    download.value.save_as(folder / download.value.suggested_filename)
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [address]
    assert errors == []

    table = pd.read_csv(next(folder.iterdir()))
    assert table.columns.tolist() == list(quiz.COLUMNS)
    assert table["item"].tolist() == [*range(1, 21)] * 2
    assert (table["ms"] >= 0).all()
    pooled = quiz.pool(study, folder, 0)
    assert (pooled["people"], pooled["refused"]) == (1, {})
    rounds = pooled["rounds"]
    assert (rounds["1"]["accuracy"], rounds["2"]["accuracy"]) == (1.0, 0.75)
    assert rounds["1"]["by_sure"]["3"]["answers"] == 6
