"""Which files make up a tagger of another program, and what its published script does that no file says.

Next to a weights file these are looked for, `{stem}` being its name without ending:

    tags        {stem}.csv, {stem}-metadata.json, {stem}_metadata.json, selected_tags.csv, tags.json, metadata.json,
                top_tags.txt
    settings    {stem}.config.json, config.json: as timm writes it, or the fields of Preprocessing by name
    thresholds  each tag's own: a column best_threshold(s) of the CSV, or {stem}.best_thresholds.csv or .json,
                best_thresholds.csv or .json
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import SengaError
from ..files.reading import beside, is_file, read_json
from ..foreign_taggers import SETTINGS, read_settings, timm_preprocessing
from ..header import Header, Provenance
from ..preprocessing import Preprocessing
from ..registry import Architecture
from ..vocabulary import TagVocabulary, csv_rows
from .tag_lists import COLUMNS, camie_tables, read_tags, read_thresholds, with_thresholds

TAGS = (
    "{stem}.csv",
    "{stem}-metadata.json",
    "{stem}_metadata.json",
    "selected_tags.csv",
    "tags.json",
    "metadata.json",
    "top_tags.txt",
)
THRESHOLDS = (
    "{stem}.best_thresholds.csv",
    "{stem}.best_thresholds.json",
    "best_thresholds.csv",
    "best_thresholds.json",
)
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
LEVELS = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}  # 0 to 255
PILLOW = {"eight_bit": True, "resize": "bicubic"}
SQUARED = {**PILLOW, "pad_first": True}


@dataclass(frozen=True)
class Layout:
    """How the taggers of one author are prepared for, as their published script does it."""

    name: str
    preprocessing: dict[str, Any] = field(default_factory=dict)  # fields of Preprocessing
    settled: bool = True  # nothing of a config.json is needed besides


# Channel orders are those of the published scripts. SmilingWolf's taggers take BGR in every form: their training read
# pictures with OpenCV. A channel order of the user's comes before this table.
WD = Layout("WD tagger", {**SQUARED, **LEVELS, "order": "bgr"})
WD_NORMALISED = Layout("WD tagger", {**SQUARED, "order": "bgr"}, settled=False)  # timm's forms
ANIMETIMM = Layout("animetimm", {**SQUARED, **IMAGENET, "order": "rgb"}, settled=False)
JOYTAG = Layout("JoyTag", {**SQUARED, **CLIP, "order": "rgb"})
CAMIE_1 = Layout("camie-tagger", {**PILLOW, "mean": (0.0,) * 3, "std": (1.0,) * 3, "pad_colour": (0.0,) * 3})
CAMIE_2 = Layout("camie-tagger v2", {**PILLOW, **IMAGENET, "pad_colour": (124 / 255, 116 / 255, 104 / 255)})
OTHER = Layout("", {**SQUARED, **IMAGENET, "order": "rgb"}, settled=False)


@dataclass(frozen=True)
class TagList:
    """A list of tags, and whose layout it is part of."""

    path: Path | None
    vocabulary: TagVocabulary
    layout: Layout


@dataclass(frozen=True)
class BorrowedHeader(Header):
    """The header that a file of another library would have; `architecture` is "library/name"."""

    def row(self) -> Architecture:
        return Architecture(self.architecture, "tag", type(None), _none, half=False, bf16=False)

    def config(self) -> Any:
        return None

    def check(self) -> None:
        """Nothing to compare: the file has no hyperparameters of its own."""


def _none(config: Any) -> Any:
    raise SengaError("a tagger of another library cannot be built from its header; load its file")


def header(
    library: str, name: str, tags: TagList, preprocessing: Preprocessing, hyperparameters: dict[str, Any] | None = None
) -> BorrowedHeader:
    return BorrowedHeader(
        f"{library}/{name}",
        hyperparameters or {},
        None,
        Provenance(source=tags.layout.name or library),
        vocabulary=tags.vocabulary,
        preprocessing=preprocessing,
    )


def tags_beside(
    path: Path, outputs: int | None, given: TagVocabulary | None = None, *, levels: bool = False
) -> TagList:
    """The tags of a weights file, of its folder or given by the caller.

    Args:
        outputs: of the network, if that is known.
        levels: the network takes levels of 0 to 255, which is WD14's form.

    Raises:
        SengaError: there is no list, it cannot be read, or it has not one name for each output.
    """
    found = beside(path, TAGS)
    if given is not None:
        tags = TagList(found, given, _layout(found, given, levels=levels))
    elif found is None:
        names = ", ".join(name.format(stem=path.stem) for name in TAGS)
        count = "" if outputs is None else f" of {outputs} outputs"
        raise SengaError(
            f"is a tagger{count} without a list of its tags; put the list that it was trained with in the same folder,"
            f" as one of {names}"
        )
    else:
        vocabulary = read_tags(found)
        tags = TagList(found, vocabulary, _layout(found, vocabulary, levels=levels))
        if (own := beside(path, THRESHOLDS)) is not None:
            tags = dataclasses.replace(tags, vocabulary=with_thresholds(vocabulary, read_thresholds(own)))
    if outputs is not None and outputs != len(tags.vocabulary):
        where = f" in {found.name}" if found is not None and given is None else ""
        raise SengaError(
            f"the head has {outputs} outputs, the vocabulary{where} {len(tags.vocabulary)} tags; expected as many:"
            " take the list of tags that the network was trained with"
        )
    return tags


def _layout(path: Path | None, vocabulary: TagVocabulary, *, levels: bool) -> Layout:
    """Whose layout a list of tags is part of."""
    if levels:
        return WD
    if path is None:
        return OTHER
    if path.suffix.lower() == ".txt":
        return JOYTAG
    if path.suffix.lower() == ".json":
        if camie_tables(path) is None:
            return OTHER
        return CAMIE_2 if "dataset_info" in read_json(path) else CAMIE_1
    columns = next(iter(csv_rows(path)), {}).keys()
    if is_file(path.with_name("preprocess.json")) or not {*COLUMNS}.isdisjoint(columns):
        return ANIMETIMM
    return WD_NORMALISED if "tag_id" in columns and vocabulary.indices("rating") else OTHER


def settings_beside(path: Path) -> dict[str, Any]:
    """The table of settings next to a weights file; empty where there is none. Raises SengaError for a damaged one."""
    return read_settings(beside(path, SETTINGS))


def preprocessing_of(
    layout: Layout, settings: dict[str, Any], size: int | None, given: Preprocessing | None = None
) -> Preprocessing:
    """How pictures are prepared: the caller's, else fields of the settings by name, timm's own, and the layout's.

    Args:
        size: pixels of the network's input, where the network itself says so.

    Raises:
        SengaError: nothing says what an input looks like, or values are impossible.
    """
    if given is not None:
        return given
    timm = timm_preprocessing(settings)
    own = {f.name: settings[f.name] for f in dataclasses.fields(Preprocessing) if f.name in settings}
    if not layout.settled and not timm.keys() & {"mean", "std", "size"} and not own.keys() & {"mean", "std"}:
        raise SengaError(
            "nothing says how pictures are prepared for this tagger; put its config.json in the same folder, or"
            ' NAME.config.json with {"size": 448, "mean": [r, g, b], "std": [r, g, b], "order": "rgb" or "bgr"}'
        )
    values = dict(layout.preprocessing)
    if not layout.settled:
        values |= timm
    if type(settings.get("image_size")) is int:  # JoyTag's name for it
        values["size"] = settings["image_size"]
    values |= own
    if size is not None:
        values["size"] = size
    if "size" not in values:
        raise SengaError("nothing says how many pixels this tagger takes; add input_size to its config.json")
    return Preprocessing(**values)
