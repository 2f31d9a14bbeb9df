"""SengaTagImage: pictures -> tags as text, characters, rating and scores."""

import logging
from typing import Any, ClassVar

from torch import Tensor

from ..arch import Options, TaggerModel, tag
from ..arch.image import apply_mask
from ..arch.tagger import memory_needed
from ..arch.tags import MODES, SORTS, warnings
from . import host

logger = logging.getLogger("senga")


class SengaTagImage:
    CATEGORY = "Senga"
    DESCRIPTION = (
        "Describes a picture with Danbooru's tags: for prompts, captions and sorting. A batch gives a text for each"
        " frame, the same as for the frame alone. The node shows the tags."
    )
    SEARCH_ALIASES: ClassVar = ["wd14 tagger", "interrogate", "danbooru tags", "caption", "deepdanbooru", "rating"]
    RETURN_TYPES = ("STRING", "STRING", "STRING", "STRING")
    RETURN_NAMES = ("tags", "characters", "rating", "scores")
    OUTPUT_IS_LIST = (True, True, True, True)
    OUTPUT_TOOLTIPS = (
        "The tags, a text for each frame.",
        "Only the characters; 'not trained' if the tagger knows none.",
        "The likeliest rating, whatever its score; 'not trained' if the tagger knows none.",
        "JSON: every tag's score by category, the thresholds used, and the weights file's sha256.",
    )
    FUNCTION = "tag"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        default = Options()
        share = {"min": 0.0, "max": 1.0, "step": 0.01}
        names = {"default": "", "multiline": True}
        return {
            "required": {
                "tagger": ("SENGA_TAGGER", {"tooltip": "From Load Tagger (Senga)."}),
                "image": ("IMAGE", {"tooltip": "A picture or a batch, of any size; nothing is cropped."}),
                "general_threshold": (
                    "FLOAT",
                    {
                        "default": default.general_threshold,
                        **share,
                        "tooltip": "Keep general tags from this score. Lower: more tags.",
                    },
                ),
                "character_threshold": (
                    "FLOAT",
                    {
                        "default": default.character_threshold,
                        **share,
                        "tooltip": "Keep characters from this score. High, because a wrong name is worse than none.",
                    },
                ),
                "threshold_mode": (
                    list(MODES),
                    {
                        "default": default.threshold_mode,
                        "tooltip": "fixed: the two thresholds. mcut: for each picture, the largest gap between its"
                        " scores. per_tag: each tag's own threshold, if the tagger has them.",
                    },
                ),
                "max_tags": (
                    "INT",
                    {
                        "default": default.max_tags,
                        "min": 0,
                        "max": 10000,
                        "tooltip": "Keep at most this many tags, the likeliest. 0: all above the threshold.",
                    },
                ),
                "include_rating": (
                    "BOOLEAN",
                    {"default": default.include_rating, "tooltip": "Append the likeliest rating to the tags."},
                ),
                "exclude_tags": (
                    "STRING",
                    {
                        **names,
                        "tooltip": "Tags to leave out, separated by commas. * matches any text: *_hair. Spaces or"
                        " underscores, capitals and escaped parentheses make no difference.",
                    },
                ),
                "only_tags": (
                    "STRING",
                    {**names, "tooltip": "Keep only these tags, written in the same way. Empty: all."},
                ),
                "replace_underscore": (
                    "BOOLEAN",
                    {
                        "default": default.replace_underscore,
                        "tooltip": "Replace underscores by spaces, except in faces such as ^_^.",
                    },
                ),
                "escape_parentheses": (
                    "BOOLEAN",
                    {
                        "default": default.escape_parentheses,
                        "tooltip": "Write \\( and \\): in a prompt, bare parentheses are weights.",
                    },
                ),
                "with_scores": (
                    "BOOLEAN",
                    {"default": default.with_scores, "tooltip": "Write each tag with its score: (solo:0.93)."},
                ),
                "sort": (
                    list(SORTS),
                    {
                        "default": default.sort,
                        "tooltip": "score: likeliest first. people first: 1girl, solo and similar, then characters,"
                        " then the rest. alphabetical: by name.",
                    },
                ),
                "separator": ("STRING", {"default": default.separator, "tooltip": "Text between two tags."}),
                "prefix": ("STRING", {"default": "", "tooltip": "Text before the tags, including any comma."}),
                "suffix": ("STRING", {"default": "", "tooltip": "Text after the tags, including any comma."}),
            },
            "optional": {
                "mask": (
                    "MASK",
                    {
                        "tooltip": "Transparency of the picture, as Load Image gives it (1 is transparent):"
                        " transparent parts count as background."
                    },
                ),
            },
        }

    def tag(
        self,
        tagger: TaggerModel,
        image: Tensor,
        general_threshold: float,
        character_threshold: float,
        threshold_mode: str,
        max_tags: int,
        include_rating: bool,
        exclude_tags: str,
        only_tags: str,
        replace_underscore: bool,
        escape_parentheses: bool,
        with_scores: bool,
        sort: str,
        separator: str,
        prefix: str,
        suffix: str,
        mask: Tensor | None = None,
    ) -> dict[str, Any]:
        options = Options(
            general_threshold=general_threshold,
            character_threshold=character_threshold,
            threshold_mode=threshold_mode,
            max_tags=max_tags,
            include_rating=include_rating,
            exclude_tags=exclude_tags,
            only_tags=only_tags,
            replace_underscore=replace_underscore,
            escape_parentheses=escape_parentheses,
            with_scores=with_scores,
            sort=sort,
            separator=separator,
            prefix=prefix,
            suffix=suffix,
        )
        for warning in warnings(options, tagger.vocabulary):
            logger.warning("Tag Image (Senga): %s", warning)
        with host.on_device(tagger, memory_needed(tagger, host.compute_device())):
            found = tag(
                tagger,
                apply_mask(image.float(), mask),
                options,
                progress=host.progress(),
                should_stop=host.should_stop,
            )
        tags, characters, ratings, scores = (
            [getattr(one, name) for one in found] for name in ("tags", "characters", "rating", "scores")
        )
        return {"ui": {"text": tags}, "result": (tags, characters, ratings, scores)}
