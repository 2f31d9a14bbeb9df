"""Node classes as a running ComfyUI describes them at /object_info: their sockets, without code."""

from collections.abc import Mapping
from typing import Any


def classes_of(object_info: Mapping[str, Mapping[str, Any]]) -> dict[str, type]:
    """A class with INPUT_TYPES, RETURN_TYPES and OUTPUT_NODE for each node of the server."""
    return {name: _class(name, info) for name, info in object_info.items()}


def titles_of(object_info: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The display names of the node classes."""
    return {name: str(info.get("display_name") or name) for name, info in object_info.items()}


def _class(name: str, info: Mapping[str, Any]) -> type:
    declared = {
        group: {socket: _spec(spec) for socket, spec in inputs.items()}
        for group, inputs in info.get("input", {}).items()
        if group in ("required", "optional")
    }
    return type(
        name,
        (),
        {
            "INPUT_TYPES": classmethod(lambda cls: declared),
            "RETURN_TYPES": tuple(info.get("output") or ()),
            "OUTPUT_NODE": bool(info.get("output_node")),
        },
    )


def _spec(spec: Any) -> tuple[Any, ...]:
    """Some nodes declare `("IMAGE", None)` or a bare type."""
    parts = list(spec) if isinstance(spec, list | tuple) else [spec]
    options = parts[1] if len(parts) > 1 and isinstance(parts[1], dict) else {}
    return (parts[0], options)
