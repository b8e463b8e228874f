"""Tensor names are JSON paths joined by dots, a layer by its number: here they become a document, and back.

`gradient.2.weights` is the `weights` of the entry with `"layer": 2` in the list `gradient`. A network's own parameters
are bare: `2.weights` is in the list `layers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from service.codecs.pointers import excerpt, pointer
from service.codecs.strict import REPEATED
from service.errors import Fault, InvalidInput

__all__ = ["flatten", "is_name", "locate", "nest", "require_names"]

Array = npt.NDArray[Any]

_FIELD = r"[a-z][a-z0-9_]{0,63}"
_NAME = re.compile(rf"(?:(?:{_FIELD}\.){{0,6}}[1-9][0-9]{{0,8}}\.{_FIELD}|(?:{_FIELD}\.){{0,6}}{_FIELD})")
_PARAMETER = frozenset({"weights", "biases"})


def is_name(name: str) -> bool:
    """Whether a tensor name is a path of a document."""
    return _NAME.fullmatch(name) is not None


def require_names(names: Iterable[str]) -> None:
    """Raise InvalidInput for a name that is no path of a document."""
    for name in names:
        if not is_name(name):
            detail = f"The tensor name {excerpt(name)!r} is not a path of field names joined by dots."
            raise InvalidInput(detail, (Fault(pointer(name), detail),))


def nest(tensors: Mapping[str, Array], options: dict[str, Any]) -> dict[str, Any]:
    """The document of well-named tensors and of the fields that are not arrays.

    Raises:
        InvalidInput: a field is there twice, as two tensors or as a tensor and in `options`.
    """
    tree: dict[str | int, Any] = {}
    for name, array in tensors.items():
        node = tree
        *parents, leaf = _parts(name)
        for depth, part in enumerate(parents, 1):
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise _repeated(locate(".".join(map(str, parents[:depth])), tensors))
        if leaf in node or leaf == "layer":
            raise _repeated(locate(name, tensors))
        node[leaf] = array
    return _merge(options, tree, ())


def locate(name: str, names: Iterable[str]) -> str:
    """The JSON pointer of the tensor `name` in the document of `names`: a layer is at its place in the list."""
    all_parts = [_parts(other) for other in names]
    path: list[str | int] = []
    parts = _parts(name)
    for depth, part in enumerate(parts):
        if isinstance(part, int):
            layers = {other[depth] for other in all_parts if len(other) > depth and other[:depth] == parts[:depth]}
            path.append(sorted(layer for layer in layers if isinstance(layer, int)).index(part))
        else:
            path.append(part)
    return pointer(*path)


def flatten(document: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The named tensors of a document, and the rest of it, which is not arrays."""
    tensors: dict[str, Array] = {}
    return tensors, _without_arrays(document if type(document) is dict else dict(document), (), tensors)


def _parts(name: str) -> tuple[str | int, ...]:
    parts = tuple(int(part) if part.isdigit() else part for part in name.split("."))
    return ("layers", *parts) if isinstance(parts[0], int) else parts


def _merge(options: dict[str, Any], tree: Mapping[str | int, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    merged = dict(options)
    for key, node in tree.items():
        field = str(key)
        here = (*path, field)
        if not isinstance(node, dict):
            if field in merged:
                raise _repeated(pointer(*here))
            merged[field] = node
        elif any(isinstance(part, int) for part in node):
            merged[field] = _merge_layers(merged.get(field, []), node, here)
        else:
            inner = merged.get(field, {})
            if not isinstance(inner, dict):
                raise _repeated(pointer(*here))
            merged[field] = _merge(inner, node, here)
    return merged


def _merge_layers(entries: object, node: Mapping[Any, Any], path: tuple[str | int, ...]) -> list[dict[str, Any]]:
    """The list of per-layer objects, ascending; what the metadata says of a layer is joined to its tensors."""
    if any(not isinstance(part, int) for part in node) or not isinstance(entries, list):
        raise _repeated(pointer(*path))
    by_layer: dict[int, dict[str, Any]] = {}
    for entry in entries:
        layer = entry.get("layer") if isinstance(entry, dict) else None
        if type(layer) is not int or layer in by_layer:
            raise _repeated(pointer(*path))
        by_layer[layer] = entry
    places = {layer: place for place, layer in enumerate(sorted({*by_layer, *node}))}
    return [
        _merge(by_layer.get(layer, {"layer": layer}), node.get(layer, {}), (*path, place))
        for layer, place in places.items()
    ]


def _repeated(place: str) -> InvalidInput:
    return InvalidInput.of(Fault(place, REPEATED))


def _without_arrays(value: Any, path: tuple[str, ...], tensors: dict[str, Array]) -> Any:
    if isinstance(value, dict):
        rest = {}
        for key, item in value.items():
            if isinstance(item, np.ndarray) and item.ndim:
                tensors[_name(path, key) if path else key] = item
            elif isinstance(item, (dict, list)):
                inner = _without_arrays(item, (*path, key), tensors)
                if inner or not item:
                    rest[key] = inner
            else:
                rest[key] = item
        return rest
    if isinstance(value, list) and value and isinstance(value[0], dict) and "layer" in value[0]:
        entries = [(entry, _without_arrays(entry, (*path, str(entry["layer"])), tensors)) for entry in value]
        return [rest for entry, rest in entries if len(rest) == len(entry) or rest.keys() != {"layer"}]
    return value


def _name(path: tuple[str, ...], leaf: str) -> str:
    bare = path[1:] if len(path) == 2 and path[0] == "layers" and leaf in _PARAMETER else path
    return ".".join((*bare, leaf))
