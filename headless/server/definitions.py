"""Node classes as a running ComfyUI describes them at /object_info: their sockets, without code."""

from collections.abc import Mapping
from typing import Any

from ..errors import brief
from .answers import a_list, an_object, optional_object


def classes_of(object_info: Mapping[str, Any]) -> dict[str, type]:
    """A class with INPUT_TYPES, RETURN_TYPES and OUTPUT_NODE for each node of the server.

    Raises SengaError that names the class where its description is not one.
    """
    return {name: _class(name, an_object(info, f"the class {name}")) for name, info in object_info.items()}


def titles_of(object_info: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The display names of the node classes."""
    return {name: brief(info.get("display_name") or name, 200) for name, info in object_info.items()}


def _class(name: str, info: Mapping[str, Any]) -> type:
    declared = {
        group: {socket: _spec(spec) for socket, spec in optional_object(inputs, f"the inputs of {name}").items()}
        for group, inputs in optional_object(info.get("input"), f"the input of {name}").items()
        if group in ("required", "optional")
    }
    return type(
        "ServerNode",  # a class's own name may not hold all that a server may send
        (),
        {
            "INPUT_TYPES": classmethod(lambda cls: declared),
            "RETURN_TYPES": tuple(a_list(info.get("output") or [], f"the outputs of {name}")),
            "OUTPUT_NODE": bool(info.get("output_node")),
        },
    )


def _spec(spec: Any) -> tuple[Any, dict[str, Any]]:
    """Some nodes declare `("IMAGE", None)` or a bare type."""
    parts = (list(spec) if isinstance(spec, list | tuple) else [spec]) or ["*"]
    options = parts[1] if len(parts) > 1 and isinstance(parts[1], dict) else {}
    kind = parts[0] if isinstance(parts[0], str | list) else "*"
    if kind == "COMBO" and not isinstance(options.get("options", []), list):
        options = {**options, "options": []}
    return (kind, options)
