"""`fakeface predict`: a table of answers on the terminal, and the same as CSV and JSON."""

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from ..common.errors import StudyError
from ..common.files import check_writable, write_csv, write_json
from ..common.paths import escaped
from ..common.progress import stderr_to
from ..dataset.given import RESAVINGS, given_files
from ..evaluation.judge import Answer, judge
from ..study.names import SUFFIXES

WIDE = 200  # columns where the output is no terminal


def predict(
    names: Sequence[str],
    run: str,
    model: str,
    seed: int | None = None,
    csv: Path | None = None,
    json: Path | None = None,
    stability: bool = False,
) -> None:
    """Judge image files and print a row for each; one that can't be read stops no other.

    Args:
        names: as `dataset.given.given_files` takes them.
        run, model, seed: whose network judges, see `judge`.
        csv, json: files for the answers, see `Answer`; a JSON has the network's facts besides.
        stability: judge each image's re-savings too.

    Raises:
        StudyError: a name, the run or an option is wrong, before any image is judged; or, at the
            end, some files can't be read.
    """
    paths = given_files(names)
    targets = [target for target in (csv, json) if target]
    for target in targets:  # a name left out would make the first image the table's place
        if target.suffix.lower() in SUFFIXES or target.is_dir():
            raise StudyError(f"{target} is no place for a table: name a .csv or .json file")
    chosen = judge(run, model, seed)
    check_writable(*(target.parent for target in targets))
    print(chosen.header(), flush=True)  # Keras takes seconds to load
    width = _name_width(paths)
    columns = ("file", "p(fake)", "answer", "same word" if stability else "")
    print(f"\n{_row(width, *columns)}")
    rows = []
    with stderr_to(os.devnull):
        from ..networks.predict_files import answers

        for answer in answers(chosen, paths, stability):
            rows.append(answer)
            print(_printed(answer, width, stability), flush=True)
    unreadable = sum(row.p_fake is None for row in rows)
    for note in _notes(rows):
        print(note)
    table = pd.DataFrame([asdict(row) | {"notes": "; ".join(row.notes)} for row in rows])
    if csv:
        write_csv(csv, table)
    if json:
        write_json(json, chosen.about() | {"answers": [asdict(row) for row in rows]})
    if unreadable:
        raise StudyError(
            f"{unreadable} of {len(rows)} files can't be read: give JPEG, PNG, BMP or WebP files"
        )


def _name_width(paths: Sequence[Path]) -> int:
    """Letters for names: what the terminal leaves, at most what the longest needs."""
    room = max(shutil.get_terminal_size((WIDE, 24)).columns - 35, 20)
    return min(max(len(escaped(str(path))) for path in paths), room)


def _row(width: int, name: str, p_fake: str, word: str, same: str) -> str:
    if len(name) > width:  # its end tells more than its beginning
        front = (width - 3) // 3
        name = f"{name[:front]}...{name[front + 3 - width :]}"
    return f"{name:<{width}}  {p_fake:>7}  {word:<9}  {same}".rstrip()


def _printed(answer: Answer, width: int, stability: bool) -> str:
    if answer.p_fake is None:
        return f"{_row(width, answer.file, '-', '-', '')}  {answer.notes[0]}"
    same = "-" if stability else ""
    if answer.stability is not None:
        same = f"{round(answer.stability * RESAVINGS)} of {RESAVINGS}"
    return _row(width, answer.file, f"{answer.p_fake:.3f}", answer.word, same)


def _notes(rows: Sequence[Answer]) -> list[str]:
    """Each note on readable files once, with the file it is about, or how many."""
    readable = [row for row in rows if row.p_fake is not None]
    counts = Counter(note for row in readable for note in row.notes)
    first = {note: row.file for row in reversed(readable) for note in row.notes}
    return [
        f"note on {first[note] if count == 1 else f'{count} of {len(rows)} files'}: {note}"
        for note, count in counts.most_common()
    ]
