"""The networks that are compared: a third is an entry here and `networks/NAME.py`, or a run's own.

No step is made out of date by an edit here. What a step takes from here is among its settings.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Model:
    """What other modules need to know of a network; `networks/` has its layers."""

    title: str
    notebook: str  # the one that trains it
    look: dict[str, Any]  # in every figure
    rate: str = "learning_rate"  # the setting with its learning rate; with `_decay`, its decay
    frozen_base: tuple[str, ...] = ()  # if its first part is frozen: settings of that part
    figure: int | None = None  # the paper's figure of its curves
    best_epoch: int | None = None  # section 5
    table1: dict[str, float] = field(default_factory=dict)  # as printed; empty: not in the paper


MODELS = {
    "custom_cnn": Model(
        "custom CNN",
        "02_custom_cnn",
        {"color": "#0173b2", "marker": "o", "ls": "-"},
        figure=4,
        best_epoch=6,
        table1={"accuracy": 0.9718, "precision": 0.9789, "recall": 0.9644, "f1": 0.9715},
    ),
    "vgg16": Model(
        "VGG16",
        "03_vgg16_transfer",
        {"color": "#c97b00", "marker": "s", "ls": "--", "mfc": "none"},
        rate="vgg16_learning_rate",
        frozen_base=("vgg16_weights", "vgg16_scaling"),
        figure=3,
        best_epoch=7,
        table1={"accuracy": 0.8998, "precision": 0.9038, "recall": 0.8949, "f1": 0.8993},
    ),
}
OWN = (  # looks of a run's own networks, in their order
    {"color": "#02936c", "marker": "^", "ls": "-."},
    {"color": "#a8559a", "marker": "D", "ls": ":"},
    {"color": "#cc4455", "marker": "v", "ls": (0, (8, 2, 1, 2, 1, 2))},
)


def has_head(text: str) -> bool:
    """Whether the source of a network names its last layer so that what is before it is frozen."""
    return bool(re.search("name=[\"']head[\"']", text))


def own_models(folder: Path) -> dict[str, Model]:
    """A run's own networks, a file each: like the paper's that has a frozen base too, or none.

    No file is loaded to know this.
    """
    found: dict[str, Model] = {}
    for path in sorted(folder.glob("[a-z]*.py")):
        frozen = has_head(path.read_text(encoding="utf-8", errors="replace"))
        like = next(model for model in MODELS.values() if bool(model.frozen_base) == frozen)
        look = OWN[len(found) % len(OWN)]
        found[path.stem] = replace(
            like, title=path.stem, look=look, figure=None, best_epoch=None, table1={}
        )
    return found


def titled(model: str) -> str:
    """A network's title; of a run's own it is its name."""
    return MODELS[model].title if model in MODELS else model
