"""Figures whose attributes we choose, so that their tags are known: single ones, and characters that come again."""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from . import palette
from .styles import FAMILIES, Attribute, Style, close, read
from .tables import STYLES, UNSEEN

# Characters of our own, so many of each style. A character has its hair, its colours and its lasting marks for ever;
# its mood, what it wears and where it is differ from picture to picture.
CHARACTERS: dict[str, tuple[str, ...]] = {
    "adventurer": ("arlo_pemberwick", "brisa_calloway", "cosmin_vale", "dagny_fenwick", "edda_marlowe", "fio_tamsin"),
    "lorelei": ("galen_thistle", "hesper_quill", "ilka_rowan", "jorin_ashgrove", "kaia_lindqvist", "lune_averill"),
    "bigSmile": ("maru_pippin", "nell_bramble", "odo_tanager", "pim_larkin"),
    "toonHead": (
        *("quill_harrow", "rilla_monette", "soren_blythe", "tamsa_orel", "umi_castell", "veda_northam"),
        *("wim_sorrel", "xanthe_pryor"),
    ),
    "openPeeps": ("yorick_dunn", "zola_merrit", "anouk_ferris", "bertil_crane"),
    "bigEars": ("cleo_wexley", "dov_hartle", "elin_sparrow", "fenn_oakley"),
    "dylan": ("gus_plover", "hana_birdwell", "ivo_tuck"),
    "miniavs": ("jette_moss", "koa_finch"),
    "pixelArt": ("lark_eightbit", "mio_tileson", "nix_palette"),
}
LASTING = ("features", "freckles", "facialHair", "beard", "mustache", "cheek")  # marks that a character keeps


@dataclass(frozen=True)
class Avatar:
    """One figure: how it is drawn, what is seen of it, and where it belongs."""

    style: str
    options: str  # JSON for the package
    tags: frozenset[str]
    unknown: frozenset[str]
    key: str  # of everything that is seen but shades of colour: equal keys are near-duplicates
    character: str = ""

    @property
    def split(self) -> str:
        return "unseen" if self.style in UNSEEN else split_of(self.key)


def split_of(key: str) -> str:
    """Train, validation or test, from a hash of what is seen, so that near-duplicates stay on one side."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 100
    return "val" if number < 8 else "test" if number < 16 else "train"


@dataclass(frozen=True)
class Choice:
    """The chosen attributes of a figure before they become tags. A variant of None: the attribute is absent."""

    variants: dict[str, str | None]
    colours: dict[str, tuple[str, str]]  # "hair" | "skin" | "shirt" -> (name, hexadecimal digits)
    inked: bool = False


def pick(attribute: Attribute, draw: random.Random) -> str:
    return draw.choices(list(attribute.variants), list(attribute.weights.values()))[0]


def choose(style: Style, draw: random.Random, inked: bool = False) -> Choice:
    """Choose every attribute of a style; one that could not be seen beside the others stays away."""
    variants: dict[str, str | None] = {}
    for option, attribute in style.attributes.items():
        other = attribute.only_with
        seen = other is None or variants[other[0]] in other[1]
        variants[option] = pick(attribute, draw) if seen and draw.random() < attribute.chance else None
    hair = draw.choice(list(palette.HAIR))
    skin = draw.choices(list(palette.SKIN_WEIGHTS), list(palette.SKIN_WEIGHTS.values()))[0]
    shirt = draw.choice(list(palette.SHIRT))
    colours = {
        "hair": ("black", "000000") if inked else (hair, palette.colour(palette.HAIR[hair], draw)),
        "skin": ("", "ffffff") if inked else (skin, palette.colour(palette.SKIN[skin], draw)),
        "shirt": (shirt, palette.colour(palette.SHIRT[shirt], draw)),
    }
    return Choice(variants, colours, inked)


def says(style: Style, choice: Choice) -> tuple[frozenset[str], frozenset[str]]:
    """The tags that are seen and those in doubt."""
    said = read(style.always)
    for option, variant in choice.variants.items():
        attribute = style.attributes[option]
        said |= attribute.absent if variant is None else attribute.variants[variant]
    tags, unknown = set(said.tags), set(said.unknown)
    shade = FAMILIES["hair_colour"]
    if choice.inked:
        # An uncoloured drawing: its hair is black or white ink, which nobody calls a colour of hair.
        said |= read("monochrome greyscale ~hair_colour")
        tags, unknown = set(said.tags), set(said.unknown)
    elif style.hair and "bald" not in tags and not tags.intersection(shade) and not unknown.issuperset(shade):
        tags.add(f"{choice.colours['hair'][0]}_hair")
    if style.skin and choice.colours["skin"][0]:
        tags.add(choice.colours["skin"][0])
    if style.shirt:
        tags.update(f"{choice.colours['shirt'][0]}_{garment}" for garment in said.coloured)
    return close(frozenset(tags), frozenset(unknown))


def avatar(name: str, choice: Choice, seed: str, flip: bool, character: str = "") -> Avatar:
    """`seed` settles what no table speaks of: noses, eyebrows, the shape of a head."""
    style = STYLES[name]
    options: dict[str, object] = {"seed": seed, "backgroundColor": ["transparent"], "flip": flip, **style.fixed}
    for option, variant in choice.variants.items():
        if variant is not None:
            options[option] = [variant]
        if style.attributes[option].chance < 1.0:
            options[f"{option}Probability"] = 0 if variant is None else 100
    for option, chosen in ((style.hair, "hair"), (style.skin, "skin"), (style.shirt, "shirt")):
        if option:
            options[option] = [choice.colours[chosen][1]]
    tags, unknown = says(style, choice)
    names = {chosen: colour for chosen, (colour, _) in choice.colours.items()}
    key = json.dumps([name, choice.variants, names if style.hair else ""], sort_keys=True)
    return Avatar(name, json.dumps(options, sort_keys=True), tags, unknown, key, character)


def choose_character(style: Style, draw: random.Random, taken: set[tuple[str, str]]) -> Choice:
    """Attributes for a character: hair that no other figure of this style has in this colour."""
    while True:
        choice = choose(style, draw)
        mark = hair_of(style, choice)
        variant = style.attributes[style.hair_option].variants[mark[0]]
        # A head that is always black may not be a character's, or nobody else could have it.
        if mark[1] and mark not in taken and mark[1] not in variant.tags:
            return choice


def hair_of(style: Style, choice: Choice) -> tuple[str, str]:
    """The variant of the hair, and the tag of its colour, empty where none is said."""
    colour = says(style, choice)[0].intersection(FAMILIES["hair_colour"])
    return choice.variants[style.hair_option] or "", "".join(colour)


def characters() -> dict[str, tuple[str, Choice]]:
    """Every character's style and lasting attributes."""
    found: dict[str, tuple[str, Choice]] = {}
    for name, names in CHARACTERS.items():
        taken = set[tuple[str, str]]()
        for character in names:
            choice = choose_character(STYLES[name], random.Random(f"character {character}"), taken)
            taken.add(hair_of(STYLES[name], choice))
            found[character] = (name, choice)
    return found


def in_another_mood(style: Style, lasting: Choice, draw: random.Random) -> Choice:
    """The same character with another face and other things on it."""
    fresh = choose(style, draw)
    kept = {style.hair_option, "rearHair", *LASTING} & set(lasting.variants)
    variants = {
        option: lasting.variants[option] if option in kept else fresh.variants[option] for option in fresh.variants
    }
    for option, attribute in style.attributes.items():
        if attribute.only_with and variants[attribute.only_with[0]] not in attribute.only_with[1]:
            variants[option] = None
    colours = {**lasting.colours, "shirt": fresh.colours["shirt"]}
    return replace(lasting, variants=variants, colours=colours)


def crowd(name: str) -> Iterator[Avatar]:
    """Endless figures of one style that are not characters: each is new, and the order is always the same."""
    style = STYLES[name]
    taken = {hair_of(style, choice) for other, choice in characters().values() if other == name}
    number = 0
    while True:
        draw = random.Random(f"{name} {number}")
        number += 1
        choice = choose(style, draw, inked=name == "lorelei" and draw.random() < 0.2)
        if choice.inked or hair_of(style, choice) not in taken:
            yield avatar(name, choice, f"{name} {number}", draw.random() < 0.5)


def appearances(character: str) -> Iterator[Avatar]:
    """The same character again and again."""
    name, lasting = characters()[character]
    number = 0
    while True:
        draw = random.Random(f"{character} {number}")
        number += 1
        yield avatar(name, in_another_mood(STYLES[name], lasting, draw), character, draw.random() < 0.5, character)
