"""example_workflows/*.json: the workflows of ComfyUI's template browser, drawn from a table of nodes and links.

    python -m benchmarks.templates

A file's name is its title there. Values and links are given by name here and written by position, as the editor does;
`prompt` gives the same workflow by name, as the front end posts it, for the tests to compare. benchmarks/thumbnails.py
makes the pictures.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from senga.headless.workflow.core_files import Folders
from senga.headless.workflow.graph import Socket, is_output, sockets
from senga.headless.workflow.node_classes import TITLES, all_nodes
from senga.headless.workflow.widgets import EMPTY, is_widget

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "example_workflows"
PICTURE = "example.png"  # in the input folder of every fresh ComfyUI
MUTED = 2
OPTIONAL, LIST = 7, 6  # shapes of sockets
NOTE = {"color": "#432", "bgcolor": "#653"}


class SaveAnimatedWEBP:
    """ComfyUI's own node, as far as a drawing needs it; nothing here runs it."""

    OUTPUT_NODE = True
    RETURN_TYPES = ()

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "images": ("IMAGE",),
                "filename_prefix": ("STRING", {"default": "ComfyUI"}),
                "fps": ("FLOAT", {"default": 6.0, "min": 0.01, "max": 1000.0, "step": 0.01}),
                "lossless": ("BOOLEAN", {"default": True}),
                "quality": ("INT", {"default": 80, "min": 0, "max": 100}),
                "method": (["default", "fastest", "slowest"],),
            }
        }


NOWHERE = Path("nowhere")
CLASSES: dict[str, type] = {**all_nodes(Folders(NOWHERE, NOWHERE, NOWHERE)), "SaveAnimatedWEBP": SaveAnimatedWEBP}
SHOWN = {**TITLES, "SaveAnimatedWEBP": "Save the animation"}


@dataclass(frozen=True)
class Box:
    """One node of a drawing."""

    type: str
    pos: tuple[int, int]
    size: tuple[int, int]
    values: Mapping[str, Any] = field(default_factory=dict)  # those that are not the defaults
    links: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # input -> (node id, output)
    title: str = ""
    muted: bool = False
    text: str = ""  # of a Note


def _note(pos: tuple[int, int], size: tuple[int, int], text: str) -> Box:
    return Box("Note", pos, size, title="About this example", text=text)


def _load(pos: tuple[int, int]) -> Box:
    return Box("LoadImage", pos, (320, 380), {"image": PICTURE})


OWN_PICTURE = "Choose a picture of your own in Load Image, or run it as it is."

WORKING = (400, 600)  # an upscaler's size: while it works, it shows the picture so far and the time left

# The first three nodes of what upscales a picture with its transparency.
UPSCALED = {
    1: _load((40, 300)),
    2: Box("SengaLoadUpscaleModel", (40, 80), (320, 160)),
    3: Box("SengaUpscale", (440, 80), WORKING, links={"upscale_model": (2, 0), "image": (1, 0), "mask": (1, 1)}),
}

# title: node id -> node. Columns are 80 apart.
TEMPLATES: dict[str, dict[int, Box]] = {
    "Upscale a picture with its mask": {
        **UPSCALED,
        4: Box("JoinImageWithAlpha", (920, 80), (260, 60), links={"image": (3, 0), "alpha": (3, 1)}),
        5: Box("SaveImage", (920, 220), (420, 460), {"filename_prefix": "senga/upscaled"}, {"images": (4, 0)}),
        6: _note(
            (40, 760),
            (800, 170),
            f"{OWN_PICTURE}\n\nLoad Image gives the transparency as a mask. The upscaler enlarges it together with the"
            " picture; Join Image with Alpha puts the two together again. scale 0 means what the"
            " model gives; with width"
            " and height the result has exactly that size.",
        ),
    },
    "Upscale an animation or a batch": {
        **UPSCALED,
        4: Box(
            "SaveAnimatedWEBP",
            (920, 80),
            (420, 600),
            {"filename_prefix": "senga/animation", "fps": 12.0, "quality": 90},
            {"images": (3, 0)},
            title="Save the animation",
        ),
        5: _note(
            (40, 760),
            (800, 170),
            "Choose an animated GIF, WebP or PNG in Load Image: its frames come as a batch and are"
            " upscaled one by one, so"
            " that the memory holds one at a time. A still picture gives an animation of one frame."
            " Set fps to that of your"
            " animation.\n\nFor a folder of pictures use Load Images from a Folder (Senga) in place of Load Image.",
        ),
    },
    "Turn a picture into a prompt": {
        1: _load((40, 340)),
        2: Box("SengaLoadTagger", (40, 80), (320, 160)),
        3: Box(
            "SengaTagImage",
            (440, 80),
            (380, 700),
            {"sort": "people first"},
            {"tagger": (2, 0), "image": (1, 0), "mask": (1, 1)},
        ),
        4: Box("PreviewAny", (900, 80), (400, 200), links={"source": (3, 0)}, title="The prompt"),
        5: Box(
            "SengaSaveTags",
            (900, 360),
            (400, 420),
            links={"images": (1, 0), "tags": (3, 0), "mask": (1, 1)},
        ),
        6: _note(
            (40, 800),
            (320, 280),
            f"{OWN_PICTURE}\n\nConnect tags to the text of a CLIP Text Encode node to use them as a"
            " prompt. Save Image with"
            " Tags writes the picture, on white where it is transparent, and beside it the tags as a caption for"
            " training.\n\nFor Danbooru's whole vocabulary put a WD14 tagger (NAME.onnx and NAME.csv) into"
            " models/senga_taggers, press R and choose it in Load Tagger; it needs onnxruntime.",
        ),
    },
    "Damage, upscale, then compare it": {
        1: _load((40, 300)),
        2: Box("SengaLoadUpscaleModel", (40, 80), (320, 160)),
        3: Box("SengaDegradeImage", (440, 80), (340, 300), {"seed": 7}, {"image": (1, 0)}),
        4: Box("SengaUpscale", (440, 460), WORKING, links={"upscale_model": (2, 0), "image": (3, 0)}),
        5: Box("SengaCompareImages", (920, 80), (460, 500), links={"image_a": (1, 0), "image_b": (4, 0)}),
        6: Box("SaveImage", (1460, 80), (420, 500), {"filename_prefix": "senga/compared"}, {"images": (5, 0)}),
        7: _note(
            (920, 660),
            (460, 150),
            "The picture is made half as large and damaged as the web does, upscaled to its first"
            " size, and compared with"
            " itself: move the mouse over the comparison. Another preset or seed damages it in another way.",
        ),
    },
    "Swap models with the built-in nodes": {
        1: _load((40, 300)),
        2: Box("SengaLoadUpscaleModel", (40, 80), (320, 160)),
        3: Box("ImageUpscaleWithModel", (440, 80), (400, 80), links={"upscale_model": (2, 0), "image": (1, 0)}),
        4: Box("SaveImage", (920, 80), (420, 380), {"filename_prefix": "senga/built_in"}, {"images": (3, 0)}),
        5: Box("UpscaleModelLoader", (40, 760), (320, 80), {"model_name": "your_model.safetensors"}, muted=True),
        6: Box(
            "SengaUpscale",
            (440, 540),
            WORKING,
            links={"upscale_model": (5, 0), "image": (1, 0), "mask": (1, 1)},
            muted=True,
        ),
        7: Box("JoinImageWithAlpha", (920, 540), (260, 60), links={"image": (6, 0), "alpha": (6, 1)}, muted=True),
        8: Box(
            "SaveImage", (920, 680), (420, 460), {"filename_prefix": "senga/your_model"}, {"images": (7, 0)}, muted=True
        ),
        9: _note(
            (440, 240),
            (400, 220),
            "Above: a Senga model in ComfyUI's own upscaler.\n\nBelow, muted until you have one: put"
            " a model of your own"
            " (.pth or .safetensors: ESRGAN, SPAN, DAT, SwinIR, HAT and what else spandrel knows) into"
            " models/upscale_models, press R, choose it in Load Upscale Model, select the four grey nodes and press"
            " Ctrl+M.",
        ),
    },
}


def _default(socket: Socket) -> Any:
    return socket.options.get("default", (socket.choices or [EMPTY.get(str(socket.kind))])[0])


def _value(box: Box, socket: Socket) -> Any:
    return box.values.get(socket.name, _default(socket))


def drawing(boxes: Mapping[int, Box]) -> dict[str, Any]:
    """The workflow as the editor saves it: values and links by position."""
    links: list[list[Any]] = []
    nodes = [_drawn(number, box, boxes, links) for number, box in boxes.items()]
    for node in nodes:
        for slot, output in enumerate(node["outputs"]):
            output["links"] = [link[0] for link in links if link[1:3] == [node["id"], slot]] or None
    return {
        "revision": 0,
        "last_node_id": max(boxes),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {"ds": {"scale": 0.8, "offset": [60, 60]}, "frontendVersion": "1.32.9"},
        "version": 0.4,
    }


def _drawn(number: int, box: Box, boxes: Mapping[int, Box], links: list[list[Any]]) -> dict[str, Any]:
    node: dict[str, Any] = {
        "id": number,
        "type": box.type,
        "pos": list(box.pos),
        "size": list(box.size),
        "flags": {},
        "order": number - 1,
        "mode": MUTED if box.muted else 0,
        "inputs": [],
        "outputs": [],
        **({"title": box.title} if box.title else {}),
        "properties": {} if box.type == "Note" else {"Node name for S&R": box.type},
    }
    if box.type == "Note":
        return {**node, **NOTE, "widgets_values": [box.text]}
    node_class = CLASSES[box.type]
    values: list[Any] = []
    for socket in sockets(node_class).values():
        if is_widget(socket):
            values.append(_value(box, socket))
            values += ["image"] if socket.options.get("image_upload") else []
            values += ["fixed"] if socket.options.get("control_after_generate") else []
            continue
        entry: dict[str, Any] = {"name": socket.name, "type": socket.kind, "link": None}
        if not socket.required:
            entry["shape"] = OPTIONAL
        if socket.name in box.links:
            source, slot = box.links[socket.name]
            kind = CLASSES[boxes[source].type].RETURN_TYPES[slot]  # type: ignore[attr-defined]
            entry["link"] = len(links) + 1
            links.append([len(links) + 1, source, slot, number, len(node["inputs"]), kind])
        node["inputs"].append(entry)
    kinds = node_class.RETURN_TYPES  # type: ignore[attr-defined]
    names = getattr(node_class, "RETURN_NAMES", kinds)
    lists = getattr(node_class, "OUTPUT_IS_LIST", [False] * len(kinds))
    for name, kind, listed in zip(names, kinds, lists, strict=True):
        node["outputs"].append({"name": name, "type": kind, **({"shape": LIST} if listed else {})})
    return {**node, "widgets_values": values}


def prompt(boxes: Mapping[int, Box]) -> dict[str, Any]:
    """The workflow as the front end posts it: values and links by name, without what is muted."""
    found: dict[str, Any] = {}
    for number, box in boxes.items():
        if box.type == "Note" or box.muted:
            continue
        widgets = [socket for socket in sockets(CLASSES[box.type]).values() if is_widget(socket)]
        inputs = {socket.name: _value(box, socket) for socket in widgets}
        inputs |= {name: [str(source), slot] for name, (source, slot) in box.links.items()}
        found[str(number)] = {
            "inputs": inputs,
            "class_type": box.type,
            "_meta": {"title": box.title or SHOWN[box.type]},
        }
    return found


def least_size(box: Box) -> tuple[int, int]:
    """(width, height) below which the editor would enlarge a node over what is beside it; with what it shows."""
    if box.type == "Note":
        return 200, 100
    node_class = CLASSES[box.type]
    declared = list(sockets(node_class).values())
    rows = max(sum(not is_widget(socket) for socket in declared), len(node_class.RETURN_TYPES))  # type: ignore[attr-defined]
    widgets = [socket for socket in declared if is_widget(socket)]
    height = 20 * rows + 24 * len(widgets) + 26 * sum(bool(s.options.get("multiline")) for s in widgets)
    shown = {"LoadImage": 220, "SaveImage": 220, "SaveAnimatedWEBP": 220, "PreviewAny": 80, "SengaCompareImages": 280}
    shown |= {"SengaUpscale": 280}  # while it works
    text = 70 if box.type in ("SengaLoadUpscaleModel", "SengaLoadTagger", "SengaTagImage") else 0
    return 220, height + shown.get(box.type, 0) + text + (150 if box.type == "SengaSaveTags" else 0)


def text_of(boxes: Mapping[int, Box]) -> str:
    """A drawing as a file: a line for each node and link."""
    whole = drawing(boxes)
    nodes = ",\n".join("    " + json.dumps(node, ensure_ascii=False) for node in whole["nodes"])
    links = ",\n".join("    " + json.dumps(link) for link in whole["links"])
    rest = [
        f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in whole.items() if key not in ("nodes", "links")
    ]
    return "{\n" + ",\n".join([f'  "nodes": [\n{nodes}\n  ]', f'  "links": [\n{links}\n  ]', *rest]) + "\n}\n"


def main() -> None:
    for title, boxes in TEMPLATES.items():
        assert any(is_output(CLASSES[box.type]) for box in boxes.values() if box.type in CLASSES)
        (FOLDER / f"{title}.json").write_text(text_of(boxes), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
