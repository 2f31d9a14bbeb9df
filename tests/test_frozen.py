"""What users and their saved workflows depend on. A failure here means: add something, change nothing that stands."""

import ast
import inspect
import sys
from pathlib import Path

import pytest
import senga.arch
from repository import ROOT
from senga.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

# id: (required inputs, optional inputs, outputs), each in the order that links and widget values are saved in.
NODES = {
    "SengaLoadUpscaleModel": (["model_name"], ["units"], [("upscale_model", "UPSCALE_MODEL")]),
    "SengaUpscale": (
        [
            "upscale_model",
            "image",
            "scale",
            "width",
            "height",
            "tile",
            "halo",
            "precision",
            "self_ensemble",
        ],
        ["mask", "fit"],
        [("image", "IMAGE"), ("mask", "MASK")],
    ),
    "SengaDegradeImage": (
        ["image", "preset", "seed", "scale", "strength"],
        ["recipe"],
        [("image", "IMAGE"), ("report", "STRING")],
    ),
    "SengaRecipeStep": (["step", "parameters", "probability"], ["recipe"], [("recipe", "STRING")]),
    "SengaLoadTagger": (["model_name"], [], [("tagger", "SENGA_TAGGER")]),
    "SengaTagImage": (
        [
            "tagger",
            "image",
            "general_threshold",
            "character_threshold",
            "threshold_mode",
            "max_tags",
            "include_rating",
            "exclude_tags",
            "only_tags",
            "replace_underscore",
            "escape_parentheses",
            "with_scores",
            "sort",
            "separator",
            "prefix",
            "suffix",
        ],
        ["mask"],
        [("tags", "STRING"), ("characters", "STRING"), ("rating", "STRING"), ("scores", "STRING")],
    ),
    "SengaSaveTags": (["images", "tags", "filename_prefix"], ["mask", "names"], []),
    "SengaCompareImages": (
        ["image_a", "image_b", "mode"],
        [],
        [("image", "IMAGE"), ("psnr", "FLOAT"), ("ssim", "FLOAT")],
    ),
    "SengaLoadImages": (
        ["folder", "limit", "start"],
        [],
        [("images", "IMAGE"), ("masks", "MASK"), ("names", "STRING")],
    ),
    "SengaModelInfo": (["model_name"], [], [("info", "STRING")]),
}

SIGNATURES = {
    "load_model": "(path: str | pathlib.Path)",
    "save_model": "(path: str | pathlib.Path, model: senga.arch.upscaler.UpscaleModel | senga.arch.tagger.TaggerModel)",
    "load_upscaler": "(path: str | pathlib.Path)",
    "load_tagger": "(path: str | pathlib.Path, *, vocabulary: senga.arch.vocabulary.TagVocabulary | None = None,"
    " preprocessing: senga.arch.preprocessing.Preprocessing | None = None, **hyperparameters: Any)",
    "preprocess": "(image: torch.Tensor, preprocessing: senga.arch.preprocessing.Preprocessing)",
    "read_header": "(path: str | pathlib.Path)",
    "read_state_dict": "(path: str | pathlib.Path)",
    "tag": "(model: senga.arch.tagger.TaggerModel, image: torch.Tensor,"
    " options: senga.arch.tags.Options | None = None, *,"
    " progress: collections.abc.Callable[[int, int], None] | None = None,"
    " should_stop: collections.abc.Callable[[], bool] | None = None)",
    "upscale": "(model: Any, image: torch.Tensor, *, scale: float | None = None, size: tuple[int, int] | None = None,"
    " tile: int = 0, halo: int = -1, precision: str = 'auto', self_ensemble: bool = False,"
    " progress: collections.abc.Callable[[int, int], None] | None = None,"
    " should_stop: collections.abc.Callable[[], bool] | None = None,"
    " watch: collections.abc.Callable[[senga.arch.tiling.Tile, torch.Tensor, int, int, torch.Tensor | None], None]"
    " | None = None)",
}

CHANGE = "saved workflows hold this by name and by place: add a new node or input at the end instead of changing it"


def test_no_node_is_renamed_or_removed():
    assert set(NODES) <= set(NODE_CLASS_MAPPINGS), CHANGE
    assert set(NODE_CLASS_MAPPINGS) == set(NODE_DISPLAY_NAME_MAPPINGS)
    assert set(NODE_CLASS_MAPPINGS) == set(NODES), "a new node: freeze it here"


@pytest.mark.parametrize("name", NODES)
def test_inputs_and_outputs_keep_their_names_and_order(name):
    node = NODE_CLASS_MAPPINGS[name]
    types = node.INPUT_TYPES()
    required, optional, outputs = NODES[name]
    assert list(types["required"]) == required, CHANGE
    assert list(types.get("optional", {})) == optional, CHANGE
    assert list(zip(node.RETURN_NAMES, node.RETURN_TYPES, strict=True)) == outputs, CHANGE


# Types and defaults: what an old workflow's values and an untouched widget mean.
WIDGETS = {
    "upscale_model": ("UPSCALE_MODEL", None),
    "image": ("IMAGE", None),
    "scale": ("FLOAT", 0.0),
    "width": ("INT", 0),
    "height": ("INT", 0),
    "tile": ("INT", 0),
    "halo": ("INT", -1),
    "precision": (["auto", "fp32", "bf16", "fp16"], "auto"),
    "self_ensemble": ("BOOLEAN", False),
    "mask": ("MASK", None),
    "fit": (["crop", "pad", "stretch"], "crop"),
}


TAGGER_WIDGETS = {
    "tagger": ("SENGA_TAGGER", None),
    "image": ("IMAGE", None),
    "general_threshold": ("FLOAT", 0.35),
    "character_threshold": ("FLOAT", 0.85),
    "threshold_mode": (["fixed", "mcut", "per_tag"], "fixed"),
    "max_tags": ("INT", 0),
    "include_rating": ("BOOLEAN", False),
    "exclude_tags": ("STRING", ""),
    "only_tags": ("STRING", ""),
    "replace_underscore": ("BOOLEAN", True),
    "escape_parentheses": ("BOOLEAN", True),
    "with_scores": ("BOOLEAN", False),
    "sort": (["score", "people first", "alphabetical"], "score"),
    "separator": ("STRING", ", "),
    "prefix": ("STRING", ""),
    "suffix": ("STRING", ""),
    "mask": ("MASK", None),
}


@pytest.mark.parametrize(("name", "widgets"), [("SengaUpscale", WIDGETS), ("SengaTagImage", TAGGER_WIDGETS)])
def test_widgets_keep_their_types_and_defaults(name, widgets):
    types = NODE_CLASS_MAPPINGS[name].INPUT_TYPES()
    found = {
        name: (kind, options.get("default")) for group in types.values() for name, (kind, options) in group.items()
    }
    assert found == widgets, CHANGE


@pytest.mark.parametrize("name", NODES)
def test_every_input_and_output_is_explained(name):
    node = NODE_CLASS_MAPPINGS[name]
    for kind, group in node.INPUT_TYPES().items():
        for socket, (_, options) in group.items() if kind != "hidden" else ():
            assert len(options["tooltip"]) > 20, socket
    assert len(node.OUTPUT_TOOLTIPS) == len(node.RETURN_TYPES)
    assert len(node.DESCRIPTION) > 40
    assert node.SEARCH_ALIASES
    assert node.CATEGORY == "Senga"
    parameters = list(inspect.signature(getattr(node, node.FUNCTION)).parameters)[1:]
    hidden = list(node.INPUT_TYPES().get("hidden", {}))
    assert parameters == [*NODES[name][0], *NODES[name][1], *hidden]


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_public_functions_keep_their_signatures(name):
    signature = inspect.signature(getattr(senga.arch, name))
    text = str(signature.replace(return_annotation=inspect.Signature.empty)).replace("typing.Any", "Any")
    assert text == SIGNATURES[name], "scripts call this; add keywords with defaults at the end"


def test_the_public_names_of_arch():
    assert set(senga.arch.__all__) >= {
        "Header",
        "Options",
        "Preprocessing",
        "Provenance",
        "SengaError",
        "Stopped",
        "TagVocabulary",
        "Tagged",
        "TaggerModel",
        "UpscaleModel",
        *SIGNATURES,
    }


# folder: the folders of ours that it may import
ARROWS = {
    "arch": set(),
    "training": {"arch"},
    "nodes": {"arch", "training.degradation", "training.run.pictures"},  # pictures: the one reader of their files
    "headless": {"nodes", "training", "arch"},
}
NETS = ("espcn", "dcscn", "rrdb", "compact", "drrn", "mobilenetv3", "blocks")


def imports(path: Path) -> list[str]:
    """Modules that a file imports: ours as "folder.module", others by their full name."""
    package = path.relative_to(ROOT).parent.parts
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [f"external:{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append(f"external:{node.module}")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found += [".".join((*base, name)) for name in names]
    return found


@pytest.mark.parametrize("folder", ARROWS)
def test_imports_follow_the_arrows(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert len(files) > 1
    for path in files:
        for name in imports(path):
            if name.startswith("external:"):
                assert not name.startswith(("external:senga", "external:nodes")), f"{path}: {name}: import relatively"
                continue
            target = name.split(".")[0]
            allowed = target == folder or any(name == a or name.startswith(f"{a}.") for a in ARROWS[folder])
            assert allowed, f"{path.relative_to(ROOT)} imports {name}"


def test_the_nets_need_torch_and_einops_alone():
    for net in NETS:
        for name in imports(ROOT / "arch" / f"{net}.py"):
            kind, _, module = name.partition(":")
            ours = kind in ("arch.blocks",)
            assert ours or module.split(".")[0] in ("torch", "einops", "math", "dataclasses"), f"{net} imports {name}"


def test_arch_needs_its_own_dependencies_alone():
    allowed = {"torch", "einops", "numpy", "safetensors", *sys.stdlib_module_names}
    for path in set((ROOT / "arch").rglob("*.py")) - set((ROOT / "arch" / "borrowed").glob("*.py")):
        for name in imports(path):
            kind, _, module = name.partition(":")
            assert kind != "external" or module.split(".")[0] in allowed, f"{path.name} imports {module}"


BORROWED = ("ncnn", "openvino", "spandrel", "spandrel_extra_arches", "timm", "onnx", "onnxruntime", "onnxscript")


def test_borrowed_libraries_have_one_room_and_are_imported_when_used():
    """By `borrow` alone, which is written once: even there no `import` names one."""
    for folder in ARROWS:
        for path in (ROOT / folder).rglob("*.py"):
            where = path.relative_to(ROOT).as_posix()
            for name in imports(path):
                assert name.removeprefix("external:").split(".")[0] not in BORROWED, f"{where}: borrow() it instead"
            if path.parent != ROOT / "arch" / "borrowed":
                assert "borrow(" not in path.read_text(encoding="utf-8"), f"{where}: belongs into arch/borrowed"


def test_only_host_knows_comfyui_and_only_tensor_files_knows_safetensors():
    owners = {"comfy": "nodes/host.py", "folder_paths": "nodes/host.py", "safetensors": "arch/files/tensor_files.py"}
    for folder in ARROWS:
        for path in (ROOT / folder).rglob("*.py"):
            for name in imports(path):
                owner = owners.get(name.removeprefix("external:").split(".")[0])
                assert owner in (None, path.relative_to(ROOT).as_posix()), f"{path}: {name} belongs into {owner}"


def test_layouts_change_in_one_file():
    for folder in ARROWS:
        for path in (ROOT / folder).rglob("*.py"):
            if path != ROOT / "arch" / "image.py":
                text = path.read_text(encoding="utf-8")
                assert ".permute(" not in text, f"{path}: use arch/image.py"
                assert "rearrange(" not in text, f"{path}: use arch/image.py"
