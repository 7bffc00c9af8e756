"""Whether the networks do better on test images that they may have seen in training."""

import itertools

import numpy as np
import pandas as pd

from fakeface_utils.evaluate import predictions
from fakeface_utils.metrics import ANY, known, proportion_variance
from fakeface_utils.models import titled
from fakeface_utils.paper import CLASSES
from fakeface_utils.settings import Study


def leaked_accuracy(study: Study, leaked: list[str]) -> pd.DataFrame:
    """Accuracy on all test images, on leaked ones and without them, means over seeds.

    No verdict rests on it: leaked images are few, and they may be easier or harder for another
    reason. So a difference, with its 95 % interval, is within a class alone: of fakes the recall's.
    """
    table, rows = predictions(study), []
    table["right"] = ((table["p_fake"] >= 0.5) == (table["label"] == 1)).astype(float)
    for model, kind in itertools.product(table["model"].unique(), ("all", *CLASSES)):
        members = table[table["model"] == model]
        if kind != "all":
            members = members[members["label"] == CLASSES.index(kind)]
        right = members.pivot(index="seed", columns="path", values="right")
        seen = right.columns.isin(leaked)
        means = [right.loc[:, chosen].mean(axis=1) for chosen in (seen, ~seen)]
        counts = [int(chosen.sum()) for chosen in (seen, ~seen)]
        row = {"model": titled(model), "class": kind, "leaked": counts[0]}
        row |= {"others": counts[1], "accuracy": right.to_numpy().mean()}
        row |= {"on leaked": means[0].mean(), "without leaked": means[1].mean()}
        if kind != "all" and all(counts):
            variances = map(proportion_variance, means, counts)
            apart = known(means[0] - means[1], sum(map(np.mean, variances)), ANY)
            row |= {"difference": apart.mean, "low": apart.low, "high": apart.high}
        if kind == "all" or all(counts):
            rows.append(row)
    return pd.DataFrame(rows)
