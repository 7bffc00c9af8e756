"""Whether the networks do better on test images that they may have seen in training."""

import numpy as np
import pandas as pd

from ..study.artefacts import read_audit, read_predictions
from ..study.names import CLASSES, MODELS
from ..study.settings import Study
from .intervals import interval, proportion_variance


def leaked_accuracy(study: Study) -> pd.DataFrame:
    """Accuracy on leaked test images against the other test images of their class.

    Of the fakes this is the recall. No verdict rests on it: leaked images are few, and they may be
    easier or harder for another reason.

    Returns:
        A row for each class and model, where a class has both kinds of images: class, model; leaked
        and others (how many images); leaked_mean and others_mean (accuracy, the mean over seeds);
        difference, low and high (leaked minus others, with the 95 % `interval`).
    """
    leaked = read_audit(study)["leaked"]
    rows = []
    for label, kind in enumerate(CLASSES):
        for model in MODELS:
            tables = [read_predictions(study, model, seed) for seed in study.seeds]
            members = [table[table["label"] == label] for table in tables]
            seen = members[0]["path"].isin(leaked).to_numpy()
            if not 0 < seen.sum() < len(seen):
                continue
            right = np.array([(t["p_fake"] >= 0.5).to_numpy() == bool(label) for t in members])
            parts = [right[:, chosen].mean(axis=1) for chosen in (seen, ~seen)]
            counts = [int(seen.sum()), int((~seen).sum())]
            variance = sum(
                proportion_variance(part, count).mean()
                for part, count in zip(parts, counts, strict=True)
            )
            low, high = interval(parts[0] - parts[1], variance)
            rows.append(
                {
                    "class": kind,
                    "model": model,
                    "leaked": counts[0],
                    "others": counts[1],
                    "leaked_mean": parts[0].mean(),
                    "others_mean": parts[1].mean(),
                    "difference": (parts[0] - parts[1]).mean(),
                    "low": float(low),
                    "high": float(high),
                }
            )
    return pd.DataFrame(rows)
