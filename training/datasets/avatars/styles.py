"""How a drawing style's attributes become tags: families of tags, what implies what, the notation of the tables.

A tag is said of a picture (tags), known to be absent, or not decided (unknown). Within a family a style that decides it
names every tag that can be seen; where the eye hesitates the tag is unknown, and the loss has to leave it out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

HAIR_COLOURS = ("black", "brown", "blonde", "red", "orange", "pink", "purple", "blue", "aqua", "green", "grey", "white")
SHIRT_COLOURS = ("black", "white", "grey", "red", "orange", "yellow", "green", "aqua", "blue", "purple", "pink")
GROUND_COLOURS = (*SHIRT_COLOURS, "brown")

FAMILIES: dict[str, tuple[str, ...]] = {
    "hair_colour": tuple(f"{colour}_hair" for colour in HAIR_COLOURS),
    "hair_length": ("bald", "short_hair", "medium_hair", "long_hair"),
    "hair_shape": (
        *("bob_cut", "bowl_cut", "afro", "mohawk", "flattop", "undercut", "spiked_hair", "curly_hair", "wavy_hair"),
        *("blunt_bangs", "hair_over_one_eye"),
    ),
    "hair_tied": (
        *("ponytail", "twintails", "low_twintails", "braid", "single_braid"),
        *("hair_bun", "single_hair_bun", "double_bun"),
    ),
    "headwear": (
        *(
            "hat",
            "baseball_cap",
            "beanie",
            "beret",
            "mortarboard",
            "hijab",
            "turban",
            "tiara",
            "animal_ears",
            "cat_ears",
        ),
        *("hairband", "hair_ornament", "hair_flower", "head_wreath"),
    ),
    "eyes": (
        *("closed_eyes", "one_eye_closed", "half-closed_eyes", "sparkling_eyes", "symbol-shaped_pupils"),
        *("star-shaped_pupils", "heart-shaped_pupils", ">_<"),
    ),
    "mouth": (
        *("smile", "open_mouth", "closed_mouth", "frown", "grin", "teeth", "clenched_teeth", "tongue", "tongue_out"),
        *(":3", "wavy_mouth", "red_lips"),
    ),
    "emotion": ("angry", "v-shaped_eyebrows"),
    "eyewear": ("glasses", "sunglasses", "round_eyewear", "eyepatch", "sleep_mask"),
    "mask": ("mask", "mouth_mask", "surgical_mask"),
    "jewelry": ("jewelry", "earrings"),
    "facial_hair": ("facial_hair", "beard", "mustache", "goatee", "stubble"),
    "marks": ("freckles", "blush", "mole", "red_nose"),
    "skin": ("dark_skin", "colored_skin", "blue_skin", "green_skin", "purple_skin"),
    "shirt": ("shirt", "collared_shirt", *(f"{colour}_shirt" for colour in SHIRT_COLOURS)),
    "clothes": ("turtleneck", "jacket", "open_jacket", "hoodie", "necktie", "backpack", "bare_shoulders"),
    "hands": ("ok_sign", "waving", "index_finger_raised", "phone", "cellphone"),
    # These speak of the whole picture, not of one figure in it:
    "look": ("monochrome", "greyscale", "sepia", "no_lineart", "pixel_art", "silhouette"),
    "count": ("solo", "1other", "2others", "3others", "4others", "5others", "multiple_others"),
    "framing": ("close-up", "upside-down", "border", "white_border", "black_border", "outline", "drop_shadow"),
    "ground": (
        "simple_background",
        *(f"{colour}_background" for colour in GROUND_COLOURS),
        *("gradient_background", "two-tone_background"),
        *("striped_background", "checkered_background", "polka_dot_background"),
    ),
}
WHOLE_PICTURE = ("look", "count", "framing", "ground")
DETAIL = ("eyes", "mouth", "emotion", "jewelry", "marks")  # too small to be seen in a crowd
FAMILY_OF = {tag: family for family, tags in FAMILIES.items() for tag in tags}

# Danbooru's implications as far as they touch the tags above: the left one never stands without the right ones.
IMPLIED = {
    "low_twintails": ("twintails",),
    "single_braid": ("braid",),
    "single_hair_bun": ("hair_bun",),
    "double_bun": ("hair_bun",),
    "baseball_cap": ("hat",),
    "beanie": ("hat",),
    "beret": ("hat",),
    "mortarboard": ("hat",),
    "cat_ears": ("animal_ears",),
    "hair_flower": ("hair_ornament",),
    ">_<": ("closed_eyes",),
    "star-shaped_pupils": ("symbol-shaped_pupils",),
    "heart-shaped_pupils": ("symbol-shaped_pupils",),
    "grin": ("smile", "teeth"),
    "clenched_teeth": ("teeth",),
    "tongue_out": ("tongue",),
    "surgical_mask": ("mouth_mask", "mask"),
    "mouth_mask": ("mask",),
    "earrings": ("jewelry",),
    "beard": ("facial_hair",),
    "mustache": ("facial_hair",),
    "goatee": ("facial_hair",),
    "stubble": ("facial_hair",),
    "blue_skin": ("colored_skin",),
    "green_skin": ("colored_skin",),
    "purple_skin": ("colored_skin",),
    "collared_shirt": ("shirt",),
    **{f"{colour}_shirt": ("shirt",) for colour in SHIRT_COLOURS},
    "open_jacket": ("jacket",),
    "cellphone": ("phone",),
    "greyscale": ("monochrome",),
    "sepia": ("monochrome",),
    "2others": ("multiple_others",),
    "3others": ("multiple_others",),
    "4others": ("multiple_others",),
    "5others": ("multiple_others",),
    "white_border": ("border",),
    "black_border": ("border",),
    **{f"{colour}_background": ("simple_background",) for colour in GROUND_COLOURS},
    "gradient_background": ("simple_background",),
    "two-tone_background": ("simple_background",),
}


@dataclass(frozen=True)
class Says:
    """What one variant of an attribute says: tags that are seen, tags that are in doubt, a garment of chosen colour."""

    tags: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    coloured: frozenset[str] = frozenset()  # "shirt": the tag is the chosen colour's, e.g. "red_shirt"

    def __or__(self, other: "Says") -> "Says":
        return Says(self.tags | other.tags, self.unknown | other.unknown, self.coloured | other.coloured)


def read(words: str) -> Says:
    """One entry of a table: `smile` is seen, `teeth?` is in doubt, `~mouth` leaves a family undecided (hidden),
    `@shirt` stands for the tag of the chosen colour; beside "~shirt" a "collared_shirt" is still seen. Raises KeyError
    for a tag or a family that is not in FAMILIES."""
    tags, unknown, hidden, coloured = set[str](), set[str](), set[str](), set[str]()
    for word in words.split():
        if word.startswith("~"):
            hidden.update(FAMILIES[word[1:]])
        elif word.startswith("@"):
            coloured.add(word[1:])
        else:
            tag = word.removesuffix("?")
            FAMILY_OF[tag]  # a slip of the pen must not become a tag
            (unknown if word.endswith("?") else tags).add(tag)
    return Says(frozenset(tags), frozenset(unknown | (hidden - tags)), frozenset(coloured))


@dataclass(frozen=True)
class Attribute:
    """One option of a style: its variants that may be drawn, and what each says."""

    variants: dict[str, Says]
    weights: dict[str, int]
    chance: float = 1.0  # that it is there at all
    absent: Says = Says()  # what its absence says
    only_with: tuple[str, frozenset[str]] | None = None  # (other option, its variants beside which this one is seen)


def attribute(
    entries: Mapping[str, str], chance: float = 1.0, absent: str = "", only_with: tuple[str, str] | None = None
) -> Attribute:
    """From {"what it says": "variant variant*3"}: a variant's entries add up; `*3` draws it three times as often.
    Only variants that are named are drawn."""
    variants: dict[str, Says] = {}
    weights: dict[str, int] = {}
    for words, names in entries.items():
        for name in names.split():
            variant, _, weight = name.partition("*")
            variants[variant] = variants.get(variant, Says()) | read(words)
            weights[variant] = max(weights.get(variant, 1), int(weight or 1))
    beside = (only_with[0], frozenset(only_with[1].split())) if only_with else None
    return Attribute(variants, weights, chance, read(absent), beside)


@dataclass(frozen=True)
class Style:
    """A drawing style: what is chosen, what colours, and what its pictures say whatever is chosen."""

    attributes: dict[str, Attribute]
    hair: str | None = "hairColor"  # the options that take the chosen colours; None: the style has no such colour
    skin: str | None = "skinColor"
    shirt: str | None = None
    fixed: dict[str, object] = field(default_factory=dict)  # further options of the package
    always: str = ""  # in the notation of the tables
    face: tuple[float, float, float, float] = (0.1, 0.15, 0.9, 0.95)  # left, top, right, bottom, of the whole drawing
    has_body: bool = True  # the drawing is cut off at its lower edge

    @property
    def hair_option(self) -> str:
        """The attribute that tells characters apart."""
        return next(name for name in ("hair", "head", "top") if name in self.attributes)


def close(tags: frozenset[str], unknown: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Add what the tags imply. What is in doubt is not said, and nothing that implies it is said either."""
    doubted = unknown | {tag for tag, implied in IMPLIED.items() if tag in tags and unknown.intersection(implied)}
    said = tags - doubted
    said |= {implied for tag in said for implied in IMPLIED.get(tag, ())}
    return said, doubted - said
