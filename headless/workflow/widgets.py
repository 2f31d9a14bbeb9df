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
COMMENT = re.compile(r"/\*|//")
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
    return re.sub(r"\\([{}])", r"\1", _chosen(_uncommented(text)))


def _uncommented(text: str) -> str:
    """Without `/* ... */` and `// ...`; one pass, however many comments have no end."""
    kept: list[str] = []
    last, begin, place = text.rfind("*/"), 0, 0
    while (found := COMMENT.search(text, place)) is not None:
        place = found.start() + 1
        if found[0] == "//":
            end = text.find("\n", found.end())
            end = len(text) if end < 0 else end
        elif found.end() <= last:
            end = text.index("*/", found.end()) + 2
        else:
            continue  # it has no end, and is text
        kept.append(text[begin : found.start()])
        begin = place = end
    return "".join([*kept, text[begin:]])


def _chosen(text: str) -> str:
    """One random part of each `{a|b}`, of inner ones first; one pass. A backslash before a brace makes it text."""
    kept: list[str] = []
    groups: list[tuple[int, list[int]]] = []  # of each open brace its place in `kept`, and those of its bars
    escaped = False
    for part in re.split(r"([{}|])", text):
        if part in ("{", "}") and escaped:
            groups.clear()  # as in the editor, a group with a brace in it is text
        elif part == "{":
            groups.append((len(kept), []))
        elif part == "|" and groups:
            groups[-1][1].append(len(kept))
        elif part == "}" and groups:
            start, bars = groups.pop()
            ends = [start, *bars, len(kept)]
            which = random.randrange(len(ends) - 1)
            kept[start:] = kept[ends[which] + 1 : ends[which + 1]]
            escaped = bool(kept) and kept[-1].endswith("\\")
            continue
        if part:
            kept.append(part)
            escaped = part.endswith("\\")
    return "".join(kept)


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
