"""Senga: upscale, tag and degrade anime and illustration pictures in ComfyUI or from a shell.

ComfyUI imports this file by its path; everything else imports the package `senga`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

WEB_DIRECTORY = "web"  # served to ComfyUI's front end

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]


def __getattr__(name: str) -> Any:
    """The tables of nodes, imported when they are asked for: `senga --help` needs no torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from . import nodes
    except AttributeError as error:  # ComfyUI would take it for a package without nodes
        raise ImportError(f"the nodes cannot be imported: {error}") from error
    return getattr(nodes, name)
