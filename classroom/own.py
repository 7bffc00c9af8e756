"""A network of a run's own: a function of a notebook's cell becomes a file that is trained."""

import ast
import dis
import importlib
import inspect
import re
import runpy
import sys
import textwrap
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType
from typing import Any

import keras

from fakeface_utils.extension import extensions
from fakeface_utils.models import MODELS, has_head
from fakeface_utils.networks import base_of, head_of
from fakeface_utils.settings import Study
from fakeface_utils.util import StudyError, replacing, shown

TAKEN = ("fake", "networks", "notebooks", "real", "spectrum", "test", "train", "valid")


def own_network(study: Study, name: str, function: Callable[[Study], keras.Model]) -> str:
    """The name by which the network that a cell's function builds is trained.

    A network of the package keeps its name for its own code. Under any other name the function's
    source becomes a file of the run, or takes the place of what this file held.

    Raises:
        StudyError: the function isn't what the package has under this name; uses what a file can't
            hold; or its network can't be trained, or loaded in Keras' safe mode.
    """
    yours = getattr(function, "__name__", "your network")
    if name in MODELS:
        if not _same(function, importlib.import_module(f"fakeface_utils.networks.{name}").build):
            raise StudyError(
                f"{yours} isn't the network that is called '{name}', which stays as it is: to "
                f"train yours, give it a name of its own, as own_network(study, 'mine', {yours})"
            )
        return name
    taken = sorted({*TAKEN, *extensions()})
    if not re.fullmatch("[a-z][a-z0-9_]{0,29}", name) or name in taken:
        raise StudyError(
            f"'{name}' is no name for a network: give small letters, digits and '_', at most 30, "
            f"but not {', '.join(taken)}"
        )
    path, text = study.networks / f"{name}.py", _module(function)
    if not path.exists() or path.read_text("utf-8") != text:
        _check(study, function(study), text)
        with replacing(path) as part:
            part.write_text(text, "utf-8")
            runpy.run_path(str(part))["build"](study)  # without the notebook around it
        print(f"{name} is a network of run '{study.run}' now: {shown(path)}")
    return name


def _source(function: Any) -> str:
    """A function's source.

    Raises:
        StudyError: it was not written with `def` in a cell or a file, or stands on another's
            variables.
    """
    try:
        source = textwrap.dedent(inspect.getsource(function))
        if isinstance(ast.parse(source).body[0], ast.FunctionDef) and not function.__closure__:
            return source
    except (OSError, TypeError, SyntaxError, AttributeError):
        pass
    raise StudyError("give a function that is written with def at the top of a cell")


def _code(function: FunctionType) -> list[str]:
    """What a function's source says, but for its name, comments, docstring and annotations."""
    found: Any = ast.parse(_source(function)).body[0]
    for argument in (node for node in ast.walk(found.args) if isinstance(node, ast.arg)):
        argument.annotation = None
    first = found.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return [ast.dump(node) for node in (found.args, *found.body[documented:])]


def _outside(function: FunctionType) -> dict[str, Any]:
    """What a function takes from around it: in its body, its annotations and its defaults."""
    head: Any = ast.parse(_source(function)).body[0]
    head.body = []
    names = {node.id for node in ast.walk(head) if isinstance(node, ast.Name)}
    codes = [function.__code__]
    for code in codes:  # and the codes inside it
        codes += [part for part in code.co_consts if isinstance(part, CodeType)]
        names |= {one.argval for one in dis.get_instructions(code) if one.opname == "LOAD_GLOBAL"}
    around = function.__globals__
    return {name: around[name] for name in sorted(names) if name in around}


def _same(function: Any, ours: FunctionType) -> bool:
    """Whether a function is the package's, in what it says and in what its names mean."""
    theirs, own = _outside(function), _outside(ours)
    meant = all(theirs[name] is own[name] for name in theirs.keys() & own.keys())
    return meant and _code(function) == _code(ours)


def _module(function: Any) -> str:
    """A file with a function as `build`, and before it all that it stands on.

    Raises:
        StudyError: that is neither an import, a function nor a plain value.
    """
    imports, values, sources, seen = set(), set(), [_source(function)], {function}
    waiting = [function]
    for here in waiting:  # and the functions that it calls
        for name, value in _outside(here).items():
            module = str(getattr(value, "__module__", ""))
            if isinstance(value, ModuleType):
                renamed = f" as {name}" if value.__name__ != name else ""
                imports.add(f"import {value.__name__}{renamed}")
            elif module != "__main__" and getattr(sys.modules.get(module), name, None) is value:
                imports.add(f"from {module} import {name}")
            elif isinstance(value, FunctionType) and value.__name__ == name:
                if value not in seen:
                    seen.add(value)
                    waiting.append(value)
                    sources.insert(0, _source(value))
            elif _is_plain(value):
                values.add(f"{name} = {value!r}")
            else:
                raise StudyError(
                    f"{here.__name__} uses {name}, which a file can't hold: make it inside of "
                    f"{here.__name__}, from Keras' own layers"
                )
    parts = ['"""A network of one run, from a notebook\'s cell."""\n', *sorted(imports)]
    text = "\n".join([*parts, "", *sorted(values), *(f"\n{source}" for source in sources)])
    return f"{text}\n\nbuild = {function.__name__}\n"


def _is_plain(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError):
        return False


def _check(study: Study, network: Any, text: str) -> None:
    """Refuse a network that can't be trained here, or saved and loaded.

    Raises:
        StudyError: with what it must be.
    """
    shapes = (None, study.image_size, study.image_size, 3), (None, 1)
    found = (getattr(network, name, None) for name in ("input_shape", "output_shape"))
    if tuple(found) != shapes:
        raise StudyError(
            "a network here is a keras.Model from images {} to one output {}".format(*shapes)
        )
    head = head_of(network) is not network
    if head != has_head(text) or (head and base_of(network).trainable_weights):
        raise StudyError(
            'a network with a frozen base ends in one layer with name="head", written so, and '
            "nothing before it is trainable; no other network has a layer of this name"
        )
    try:
        config = keras.saving.serialize_keras_object(network)
        keras.saving.deserialize_keras_object(config, safe_mode=True)
    except Exception as error:  # a layer fails in its own way
        raise StudyError(
            "the trained network could not be loaded again in Keras' safe mode: use Keras' own "
            f"layers, and no Lambda ({str(error).partition(chr(10))[0]})"
        ) from error
