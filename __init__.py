"""Senga: upscale, tag and degrade anime and illustration pictures in ComfyUI or from a shell.

ComfyUI imports this file by its path; everything else imports the package `senga`.
"""

# pytest imports this file as a top-level module (the folder's name may hold a hyphen): then there is no package to
# import from, and the tests load the root themselves.
if __package__:
    from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

    WEB_DIRECTORY = "web"  # served to ComfyUI's front end

    __all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]
