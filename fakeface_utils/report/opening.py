"""The report's first screen: the answer in a sentence, ours beside the paper's, one picture."""

import pandas as pd
from IPython.display import HTML
from markupsafe import Markup

from ..evaluation.caveats import failed_seeds, leak, not_comparable, notices
from ..evaluation.claims import claims
from ..evaluation.table1 import claim_better, table1
from ..study.artefacts import read_audit, read_dataset
from ..study.names import MODELS, TITLES
from ..study.paper import PAPER_COUNTS
from ..study.record import record
from ..study.settings import Study
from .html_pieces import as_download, figure, piece

PAPER_SIZE = "256 x 256"  # of its images, as audit.json writes sizes
SOURCES = {"the paper": "paper", "our reading": "our reading", "ours": "default"}
CAPTION = "Table 1 of the paper and here."


def opening(study: Study) -> HTML:
    """The first screen; what is told in full further down is only named."""
    table = table1(study)
    return HTML(
        piece(
            "opening",
            answer(study),
            [_card(table, model, not_comparable(study)) for model in MODELS],
            Markup(figure(study, "table1_forest", CAPTION)),
            notices(study) + failed_seeds(study),
            "Limits" if read_dataset(study)["generated"] else "Data and leaks",
            differing(study),
            _about(study),
            [as_download("table1.csv", table.to_csv(index=False), "text/csv")],
        )
    )


def answer(study: Study) -> tuple[str, str]:
    """Was the paper reproduced? A sentence made from the verdicts, and which network is better."""
    reason = not_comparable(study)
    return _no_verdict(study, reason) if reason else _verdicts(study), _better(study)


def _verdicts(study: Study) -> str:
    counts = table1(study)["verdict"].value_counts()
    of_one_kind = {
        "reproduced": "Yes: all eight numbers of Table 1 are reproduced.",
        "not reproduced": "No: none of the eight numbers of Table 1 is reproduced.",
        "undecided": "Undecided: our training runs differ too much among themselves.",
    }
    if len(counts) == 1:
        return of_one_kind[counts.index[0]]
    words = ", ".join(f"{counts[kind]} {kind}" for kind in of_one_kind if kind in counts)
    return f"In part: of Table 1's eight numbers {words}."


def _better(study: Study) -> str:
    better = claim_better(study)
    interval = f"95 % interval {better['low']:+.3f} to {better['high']:+.3f}"
    if len(study.seeds) == 1:
        interval += ", of these two networks alone"
    if better["low"] <= 0 <= better["high"]:
        return f"Here it stays open which network is better ({interval})."
    name = "the custom CNN" if better["low"] > 0 else "VGG16"
    return f"The better one here is {name}, by {abs(better['difference']):.3f} ({interval})."


def _no_verdict(study: Study, reason: str) -> str:
    dataset = read_dataset(study)
    if dataset["generated"]:
        return "No verdict on the paper: this run's images are drawn by a program."
    number, theirs = sum(dataset["counts"]["train"].values()), 2 * PAPER_COUNTS["train"]
    paper = Study()
    if (number, study.image_size) == (theirs, paper.image_size):
        return f"No verdict on the paper: {reason}."
    return (
        f"No verdict on the paper: learned from {number:,} images at {study.image_size} pixels, "
        f"there {theirs:,} at {paper.image_size}."
    )


def _card(table: pd.DataFrame, model: str, reason: str) -> dict[str, str]:
    """Accuracy of one model, ours and the paper's, and how sure ours is."""
    row = table[(table["metric"] == "accuracy") & (table["model"] == model)].iloc[0]
    low, high = max(row["predicted_low"], 0), min(row["predicted_high"], 1)
    several = pd.notna(row["predicted_low"])
    sure = f"one more run: {low:.3f} to {high:.3f}" if several else "one training run"
    return {
        "model": TITLES[model],
        "ours": f"{row['ours_mean']:.4f}",
        "sure": sure,
        "paper": f"{row['paper']:.4f}",
        "verdict": "" if reason else row["verdict"],
    }


def differing(study: Study) -> list[tuple[str, str]]:
    """What differs from the paper: name, and both values in words."""
    counts = read_dataset(study)["counts"]
    here, paper = (
        ", ".join(f"{count:,} {split}" for split, count in numbers.items())
        for numbers in (
            {split: sum(classes.values()) for split, classes in counts.items()},
            {split: 2 * count for split, count in PAPER_COUNTS.items()},
        )
    )
    sizes = ", ".join(list(read_audit(study)["sizes"])[:3])
    return [
        *([("images", f"{here} (paper: {paper})")] if here != paper else []),
        *([("stored size", f" {sizes} (paper: {PAPER_SIZE})")] if sizes != PAPER_SIZE else []),
        *(
            (row.setting, f"{row.here} ({SOURCES[row.source]}: {row.paper})")
            for row in study.differences().itertuples()
            if here == paper or row.setting != "images_per_class"  # said by the images
        ),
    ]


def _about(study: Study) -> list[str]:
    """The run's name, seeds, data, day, code and time."""
    known = record(study)
    computed = [about for name, about in known["computed"].items() if name.startswith("train ")]
    days = sorted({about["when"][:10] for about in computed})
    codes = sorted({str(about["git"]) for about in computed if about["git"]})
    minutes = sum(known["seconds"].values()) / 60
    return [
        f"run '{study.run}'",
        "1 training run of each model" if len(study.seeds) == 1
        else f"{len(study.seeds)} training runs of each model",
        f"data '{study.data_name}'",
        f"trained {' to '.join(days[:1] + days[1:][-1:])}"
        + (f" by code {', '.join(codes)}" if codes else ""),
        f"{minutes:.0f} min of computing",
    ]  # fmt: skip


def in_short(study: Study) -> HTML:
    """What this run says of the paper's claims in words, and of the leak, a sentence each."""
    table, in_words = table1(study), claims(study)
    arithmetic = in_words["basis"] == "arithmetic"
    measured = in_words[~arithmetic]
    sentences = []
    if reason := not_comparable(study):
        sentences.append(
            f"The paper's numbers stand beside ours, but without a verdict ({reason})."
        )
    else:
        counts = measured["verdict"].value_counts()
        words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        sentences.append(f"The paper's {len(measured)} claims that depend on a run: {words}.")
    for verdict, group in in_words[arithmetic].groupby("verdict", sort=False):
        listed = "; ".join(f"“{claim}”" for claim in group["claim"])
        sentences.append(f"By arithmetic, whatever ran here, {verdict}: {listed}.")
    if leak(study):
        accuracy = table[table["metric"] == "accuracy"].set_index("model")
        means = ", ".join(
            f"{TITLES[model]} {accuracy.loc[model, 'without_leaked']:.3f}" for model in MODELS
        )
        sentences.append(f"Without the leaked test images accuracy is: {means}.")
    return HTML(piece("items", sentences))
