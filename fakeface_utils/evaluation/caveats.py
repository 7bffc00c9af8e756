"""What a reader must know before believing a number: generated data, leaks, failed runs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..study.artefacts import read_audit, read_dataset, read_history, read_predictions
from ..study.names import MODELS, TITLES
from ..study.paper import PAPER_COUNTS
from ..study.plan import audit_step
from ..study.settings import Study


def notices(study: Study) -> list[str]:
    """A sentence each on generated data, random weights, unreadable images and leaks, if any."""
    dataset = read_dataset(study)
    sentences = []
    if dataset["generated"]:
        sentences.append("Generated data: these numbers say nothing about the paper.")
    if study.vgg16_weights == "random":
        sentences.append("VGG16 has random weights, not ImageNet's: its numbers mean nothing.")
    if dataset["unreadable"]:
        sentences.append(f"{len(dataset['unreadable'])} unreadable images were left out.")
    if dataset["left_out"]:
        sentences.append(f"Not read: {dataset['left_out']}.")
    if audit_step(study).is_done() and (leaked := leak(study)):
        sentences.append(leaked)
    return sentences


def leak(study: Study) -> str:
    """A sentence on test images with a duplicate in training or validation; '' without any."""
    leaked = len(read_audit(study)["leaked"])
    tests = sum(read_dataset(study)["counts"]["test"].values())
    return (
        f"Possible leak: {leaked:,} of {tests:,} test images have a duplicate or near-duplicate in "
        "training or validation (see the most similar pairs)."
        if leaked
        else ""
    )


def not_comparable(study: Study, dataset: Mapping[str, Any] | None = None) -> str:
    """Why a run's numbers can't be compared with the paper's; '' where they can.

    The first that applies: generated data, other image counts, other settings, one seed.

    Args:
        study: the settings and seeds.
        dataset: `generated` and `counts` of its images; of the prepared ones where it is None.
    """
    dataset = read_dataset(study) if dataset is None else dataset
    if dataset["generated"]:
        return "generated data"
    if any(set(dataset["counts"][split].values()) != {n} for split, n in PAPER_COUNTS.items()):
        return "other image counts"
    apart = ("data", "deterministic")  # judged above; changes only the last digits
    differing = [name for name in study.differences()["setting"] if name not in apart]
    if differing:
        return f"other settings: {', '.join(differing)}"
    return "one seed" if len(study.seeds) < 2 else ""


def other_images(study: Study) -> str:
    """Why this run's images are not the paper's, if only a part of them; '' where they are."""
    dataset = read_dataset(study)
    if dataset["generated"]:
        return "generated data"
    counts = [set(dataset["counts"][split].values()) == {n} for split, n in PAPER_COUNTS.items()]
    return "" if study.data == "kaggle" or all(counts) else "other images"


def failed_seeds(study: Study) -> list[str]:
    """Name the seeds whose training run diverged, or ended in one output for all test images."""
    sentences = []
    for model in MODELS:
        losses = {s: read_history(study, model, s)[["loss", "val_loss"]] for s in study.seeds}
        seeds = [str(s) for s, loss in losses.items() if not np.isfinite(loss).all(axis=None)]
        if seeds:
            sentences.append(
                f"{TITLES[model]}: {len(seeds)} of {len(study.seeds)} seeds diverged "
                f"({', '.join(seeds)}): the loss was no finite number, and the weights before that "
                "are scored; they count in every mean."
            )
        outputs = {seed: read_predictions(study, model, seed)["p_fake"] for seed in study.seeds}
        seeds = [str(s) for s, p_fake in outputs.items() if not p_fake.max() - p_fake.min() > 1e-6]
        if seeds:
            sentences.append(
                f"{TITLES[model]}: {len(seeds)} of {len(study.seeds)} seeds collapsed "
                f"({', '.join(seeds)}), with one output for all test images; they count in every "
                "mean."
            )
    return sentences
