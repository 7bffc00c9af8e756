"""`fakeface export`: a trained network as a folder to hand on, without its run and its images."""

import json
import os
import shutil
import tempfile
from pathlib import Path

from fakeface_utils import util
from fakeface_utils.data import about
from fakeface_utils.evaluate import table1
from fakeface_utils.models import titled
from fakeface_utils.run import load_study
from fakeface_utils.util import StudyError

from .ask import ABOUT, MODEL, NO_PROOF, SUMS, Network, open_network

ONNX = "model.onnx"
LICENCE = {
    True: "The images were drawn by this project's demo: MIT, as its code.",
    False: "The paper's photographs are FFHQ's (CC BY-NC-SA 4.0) and its fakes CC BY-NC: no "
    "commercial use. Whether weights inherit that is unsettled, so treat them as if they did. For "
    "other images ask whoever made them.",
}
CARD = """# {title}, run {run}, seed {seed}

{proof}

Learned from {learned_from}. {licence}

| | |
|---|---|
| input | RGB, 0 to 255, (N, {size}, {size}, 3), resized with `{resize_filter}`; scaled inside |
| output | p(fake), 0 to 1; fake above {accused:.3f}, real below {missed:.3f}, between them unsure |
| data | {data}, fingerprint `{fingerprint}` |

On the run's test images, means over its seeds with 95 % intervals; say nothing about other images:

| metric | mean | interval |
|---|---|---|
{rows}

## Use

```
fakeface predict photo.jpg --model-folder {folder}
```

or, with Keras 3.11.3 or newer alone:

```python
model = keras.saving.load_model("{model}", safe_mode=True)
p_fake = model.predict(images)  # uint8
```

{onnx} `sha256sum -c {sums}` checks the files.
"""


def export(to: Path, run: str, model: str, seed: int | None = None) -> None:
    """Write the network, its card, its settings and the digest of each file into a new folder.

    Raises:
        StudyError: the folder is there already, or the run isn't up to date.
    """
    if os.path.lexists(to):
        raise StudyError(f"{util.shown(to)} is there already: name a new folder")
    util.check_writable(to.parent)
    network = open_network(run, model, seed)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=".part-") as made:
        part = Path(made, to.name)
        part.mkdir()
        shutil.copyfile(network.file, part / MODEL)
        onnx = _onnx(network, part / ONNX)
        _describe(network, part, onnx)
        files = sorted(path for path in part.iterdir())
        sums = [f"{util.sha256(path.read_bytes())}  {path.name}\n" for path in files]
        (part / SUMS).write_text("".join(sums), "ascii", newline="\n")
        os.replace(part, to)
    print(
        f"{titled(network.model)} of run {run}, seed {network.seed}, is in {util.shown(to)}. {onnx}"
    )


def _onnx(network: Network, file: Path) -> str:
    """Write it as ONNX, by Keras; what there is to say of that."""
    try:
        import tf2onnx  # noqa: F401  what Keras needs
    except ImportError:
        return f"No {ONNX}: that needs tf2onnx (pip install -e '.[export]')."
    import numpy as np

    model = network.load()
    with util.stderr_to(os.devnull):
        model(np.zeros((1, network.size, network.size, 3), "uint8"))  # Keras asks for one call
        model.export(file, format="onnx", verbose=False)
    return f"`{ONNX}` is the same network for other programs."


def _describe(network: Network, part: Path, onnx: str) -> None:
    """Its settings for `fakeface predict`, and the card for people."""
    study = load_study(run=network.run)
    data, table = about(study), table1(study)
    known = {name: value for name, value in network._asdict().items() if name != "file"}
    settings = study.deciding()
    if study.models[network.model].frozen_base:
        settings["augment"] = "none"  # whatever the run's other network was trained on
    content = {
        "network": known,
        "settings": settings,
        "dataset": {name: data[name] for name in ("name", "counts", "fingerprint")},
        "versions": util.versions(),
    }
    (part / ABOUT).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    own = table[table["model"] == network.model]
    rows = "\n".join(
        f"| {row.metric} | {row.ours_mean:.4f} | {row.ci_low:.4f} to {row.ci_high:.4f} |"
        for row in own.itertuples()
    )
    words = known | network.about() | {"title": titled(network.model), "proof": NO_PROOF}
    words |= {"accused": words["fake_above"], "missed": words["real_below"]}
    words |= {"licence": LICENCE[network.generated], "rows": rows, "onnx": onnx, "sums": SUMS}
    words |= {"data": util.escaped(data["name"]), "fingerprint": data["fingerprint"]}
    card = CARD.format(**words | {"folder": "THIS_FOLDER", "model": MODEL})
    (part / "README.md").write_text(card, "utf-8")
