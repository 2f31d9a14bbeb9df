"""The values of a node as the editor saves them: a plain list, in the order of the node's widgets on the screen.

Some widgets on the screen are not inputs of the node: the choice of what happens to a seed after each run, the filter
of such a choice on a list, and the upload button. Their values are in the list too.
"""

import random
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from .graph import Socket

VALUE_KINDS = ("INT", "FLOAT", "STRING", "BOOLEAN")
EMPTY = {"INT": 0, "FLOAT": 0.0, "STRING": "", "BOOLEAN": False}
SEEDS = ("seed", "noise_seed")
AFTER_GENERATE = ("fixed", "increment", "decrement", "increment-wrap", "randomize", True, False)
UPLOADS = ("image_upload", "animated_image_upload", "video_upload", "audio_upload", "mesh_upload")
UPLOADED = ("image", "video", "audio", "mesh", "upload", None, "")
# Inputs whose number grows with choices or links; the file alone does not say which there are.
GROWING = ("COMFY_DYNAMICCOMBO_V3", "COMFY_AUTOGROW_V3", "COMFY_DYNAMICSLOT_V3")


def is_widget(socket: Socket) -> bool:
    """Whether the editor shows a field for it, so that its value is in the saved list."""
    if socket.options.get("forceInput"):
        return False
    kind = socket.options.get("widgetType", socket.kind)
    return socket.choices is not None or kind == "COMBO" or kind in VALUE_KINDS


def widget_values(sockets: Mapping[str, Socket], saved: object) -> dict[str, Any]:
    """The value of each widget by its input's name; values missing in the file are the declared defaults.

    `saved` is the node's `widgets_values`: a list, or, from some custom nodes, a dict by name. Surplus values are
    ignored, as by the editor.
    """
    widgets = [socket for socket in sockets.values() if is_widget(socket)]
    if isinstance(saved, dict):
        return {socket.name: saved.get(socket.name, default(socket)) for socket in widgets}
    values = list(saved) if isinstance(saved, list) else []
    found: dict[str, Any] = {}
    upload = any(socket.options.get(key) for socket in widgets for key in UPLOADS)
    for socket, following in _with_next(widgets):
        found[socket.name] = values.pop(0) if values else default(socket)
        if _has_control(socket) and values and _is_one_of(values[0], AFTER_GENERATE):
            values.pop(0)
            if socket.kind != "INT" and values and isinstance(values[0], str):
                values.pop(0)  # the filter of a list's choices
        # The button follows the required widgets. Some versions of the editor do not save it.
        if upload and socket.required and (following is None or not following.required):
            upload = False
            if values and _is_one_of(values[0], UPLOADED):
                values.pop(0)
    return found


def _with_next(widgets: list[Socket]) -> Iterator[tuple[Socket, Socket | None]]:
    yield from zip(widgets, [*widgets, None][1:], strict=True)


def _is_one_of(value: object, known: tuple[object, ...]) -> bool:
    return any(value is item or (isinstance(value, str) and value == item) for item in known)  # 1 is not True here


def _has_control(socket: Socket) -> bool:
    asked = socket.options.get("control_after_generate")
    return bool(asked) if asked is not None else socket.kind == "INT" and socket.name in SEEDS


def default(socket: Socket) -> Any:
    choices = socket.choices or [None]
    return socket.options.get("default", EMPTY.get(str(socket.kind), choices[0]))


def without_comments(text: str) -> str:
    """A `dynamicPrompts` text as it is posted: without comments, and one random part of each `{a|b}`."""
    text = re.sub(r"/\*[\s\S]*?\*/|//.*", "", text)
    innermost = re.compile(r"(?<!\\)\{([^{}]*)(?<!\\)\}")
    while (found := innermost.search(text)) is not None:
        text = text[: found.start()] + random.choice(found[1].split("|")) + text[found.end() :]
    return re.sub(r"\\([{}])", r"\1", text)


def date_text(layout: str, now: time.struct_time) -> str:
    """A date in a layout such as `yyyy-MM-dd`, as the editor fills in `%date:yyyy-MM-dd%`."""
    parts = {"d": now.tm_mday, "M": now.tm_mon, "h": now.tm_hour, "m": now.tm_min, "s": now.tm_sec}

    def fill(found: re.Match[str]) -> str:
        word = found[0]
        if word.startswith("y"):
            return str(now.tm_year)[-len(word) :]
        return str(parts[word[0]]).zfill(len(word))

    return re.sub(r"yyyy|yy|dd?|MM?|hh?|mm?|ss?", fill, layout)


def file_safe(value: object) -> str:
    """A widget's value for use in a file name, escaped as by the editor."""
    return re.sub(r'[/?<>\\:*|"\x00-\x1f\x7f]', "_", "" if value is None else str(value))
