"""The report's results as HTML: Table 1, claims, McNemar, the paper against itself."""

import pandas as pd
from IPython.display import HTML

from ..evaluation.caveats import not_comparable
from ..evaluation.claims import claims
from ..evaluation.memory import leaked_accuracy
from ..evaluation.metrics import metrics
from ..evaluation.paper_itself import paper_against_itself, paper_sizes
from ..evaluation.table1 import claim_better, seed_by_seed, table1
from ..evaluation.verdicts import RULE
from ..study.artefacts import read_predictions
from ..study.names import METRICS, MODELS, TITLES
from ..study.settings import Study
from .html_pieces import as_table, piece
from .leak import leak_sentences


def _rounded(value: float) -> str:
    return f"{value:.4f}"


def rule() -> HTML:
    """The rule of the verdicts and the two intervals, as the report shows them."""
    ruled = piece("fold", "The rule of the verdicts, fixed before any result", piece("terms", RULE))
    return HTML(ruled + piece("fold", "The two intervals", piece("intervals")))


def _range(lows: pd.Series, highs: pd.Series) -> list[str]:
    """Both ends in words, cut at 0 and 1; a dash where there is none."""
    return [
        "-" if pd.isna(low) else f"{_rounded(max(low, 0))} to {_rounded(min(high, 1))}"
        for low, high in zip(lows, highs, strict=True)
    ]


def verdicts(study: Study) -> HTML:
    """Table 1, ours beside the paper's with intervals, a verdict per cell, and the main claim.

    A column that would say the same in every row is left out: the spread of one seed, no verdict.
    """
    table, several = table1(study), len(study.seeds) > 1
    reason = not_comparable(study)
    columns = {
        "model": table["model"].map(TITLES),
        "metric": table["metric"],
        "ours": table["ours_mean"].map(_rounded),
        "paper": table["paper"].map(_rounded),
        "verdict": table["verdict"],
        "one more run (95 %)": _range(table["predicted_low"], table["predicted_high"]),
        "interval of the mean (95 %)": _range(table["ci_low"], table["ci_high"]),
        "sd over seeds": table["ours_sd"].map(_rounded),
    }
    left_out = ["verdict"] if reason else []
    left_out += [] if several else ["one more run (95 %)", "sd over seeds"]
    shown = pd.DataFrame(columns).drop(columns=left_out)
    caption = "Table 1: shares of test images, or of a class; ours is the mean over seeds"
    better = claim_better(study)
    sentences = [
        f"Mean accuracy, custom CNN minus VGG16: {better['difference']:+.4f}, 95 % interval "
        f"{better['low']:+.4f} to {better['high']:+.4f}. The paper's claim that the custom CNN is "
        f"better: {better['verdict']}."
    ]
    if reason:
        sentences.append(f"No cell has a verdict: not comparable ({reason}).")
    return HTML(
        as_table(shown, caption, by="model", csv="table1.csv") + piece("paragraphs", sentences)
    )


def other_class(study: Study) -> HTML:
    """Table 1 with the other class as the positive one, folded."""
    other = "real" if study.positive_class == "fake" else "fake"
    rows = []
    for model in MODELS:
        values = [
            metrics(t["label"], t["p_fake"], other)
            for t in (read_predictions(study, model, seed) for seed in study.seeds)
        ]
        means = {name: _rounded(pd.DataFrame(values)[name].mean()) for name in METRICS}
        rows.append({"model": TITLES[model], **means})
    return HTML(
        piece("fold", f"The same predictions with {other} as the positive class",
              as_table(pd.DataFrame(rows)))
    )  # fmt: skip


def text_claims(study: Study) -> HTML:
    """The claims of the paper's text, what this run finds, and the verdicts.

    What can't be compared is said once, over the claims that it concerns.
    """
    table = claims(study)
    apart = table["verdict"].str.startswith("not comparable")
    shown = table.assign(
        about=table["verdict"].where(apart, table["basis"]),
        verdict=table["verdict"].mask(apart, "-"),
    )
    caption = "The paper's claims in our words"
    return HTML(as_table(shown.drop(columns="basis"), caption, by="about", csv="claims.csv"))


def mcnemar_table(study: Study) -> HTML:
    """Both models on the same test images, seed by seed."""
    table = seed_by_seed(study)
    small = table["p_value"].map(lambda p: "below 0.0001" if p < 0.0001 else f"{p:.4f}")
    titles = {
        "both": "both right",
        "only_custom_cnn": "only custom CNN right",
        "only_vgg16": "only VGG16 right",
        "neither": "both wrong",
        "p_value": "McNemar's p",
    }
    caption = "Both networks of a seed on the same test images"
    shown = table.assign(p_value=small).rename(columns=titles)
    return HTML(as_table(shown, caption, csv="mcnemar.csv"))


def seen_in_training(study: Study) -> HTML:
    """The leak in words, and accuracy on leaked test images against the others."""
    text = piece("paragraphs", leak_sentences(study))
    table = leaked_accuracy(study)
    if table.empty:
        return HTML(text)
    shown = pd.DataFrame(
        {
            "class": table["class"],
            "model": table["model"].map(TITLES),
            "leaked test images": table["leaked"],
            "others": table["others"],
            "accuracy on leaked": table["leaked_mean"].map("{:.3f}".format),
            "on others": table["others_mean"].map("{:.3f}".format),
            "difference, 95 % interval": [
                f"{row.difference:+.3f} ({row.low:+.3f} to {row.high:+.3f})"
                for row in table.itertuples()
            ],
        }
    )
    caption = "Accuracy on leaked test images against the others of their class, mean over seeds"
    return HTML(text + as_table(shown, caption, csv="leaked.csv"))


def paper_itself() -> HTML:
    """The confusion matrices behind the paper's Table 1, and the sizes of its networks."""
    table = paper_against_itself()
    shown = pd.DataFrame({"model": table["model"].map(TITLES)})
    shown = shown.assign(**{cell.upper(): table[cell] for cell in ("tp", "fn", "fp", "tn")})
    shown = shown.assign(**{name: table[name].map("{:.5f}".format) for name in METRICS})
    shown["differs from print"] = table["differs"].replace("", "none")
    caption = "Confusion matrices that agree with three or four of the printed numbers, best first"
    sizes = paper_sizes()[["parameters", "multiply_adds", "trained"]].reset_index(names="network")
    titles = {
        "custom_cnn": "custom CNN",
        "vgg16": "VGG16 of Table 1: frozen base, new head",
        "published": "VGG16 as published",
    }
    sizes["network"] = sizes["network"].map(titles)
    sizes = sizes.rename(
        columns={"multiply_adds": "multiply-adds per image", "trained": "trained parameters"}
    )
    by_size = "Smaller and lighter: the three comparisons, at the paper's settings"
    return HTML(as_table(shown, caption) + as_table(sizes, by_size))
