"""The networks that are compared: a third is an entry here and `networks/NAME.py`, or a run's own.

No step is made out of date by an edit here. What a step takes from here is among its settings. What
the paper prints of a network is in `paper.py`, its look in `figures.py`.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Model:
    """What other modules need to know of a network; `networks/` has its layers."""

    title: str
    notebook: str  # the one that trains it
    rate: str = "learning_rate"  # the setting with its learning rate; with `_decay`, its decay
    frozen_base: tuple[str, ...] = ()  # if its first part is frozen: settings of that part


MODELS = {
    "custom_cnn": Model("custom CNN", "02_custom_cnn"),
    "vgg16": Model(
        "VGG16",
        "03_vgg16_transfer",
        rate="vgg16_learning_rate",
        frozen_base=("vgg16_weights", "vgg16_scaling"),
    ),
}


def has_head(text: str) -> bool:
    """Whether the source of a network names its last layer so that what is before it is frozen."""
    return bool(re.search("name=[\"']head[\"']", text))


def own_models(folder: Path) -> dict[str, Model]:
    """A run's own networks, a file each: like the paper's that has a frozen base too, or none."""
    found: dict[str, Model] = {}
    for path in sorted(folder.glob("[a-z]*.py")):
        frozen = has_head(path.read_text(encoding="utf-8", errors="replace"))
        like = next(model for model in MODELS.values() if bool(model.frozen_base) == frozen)
        found[path.stem] = replace(like, title=path.stem)
    return found


def titled(model: str) -> str:
    """A network's title; of a run's own it is its name."""
    return MODELS[model].title if model in MODELS else model
