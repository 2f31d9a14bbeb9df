"""One picture out of figures, a ground and effects, together with what can be said of it.

Everything is drawn from one random.Random, so a picture follows from its name alone.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageFilter, ImageOps

from .figures import Avatar
from .grounds import GROUND_TAGS, Clip, make_ground, shade
from .styles import DETAIL, FAMILIES, WHOLE_PICTURE, close
from .tables import STYLES

LONG_SIDE = 256  # px
DETAIL_SIDE = 100  # px, of a figure; below it nothing is said of its eyes or its mouth
COLOURLESS = ("white", "grey", "black")


@dataclass(frozen=True)
class Composed:
    image: Image.Image  # RGB
    tags: frozenset[str]
    unknown: frozenset[str]
    clip: Clip | None


# --- the figures ------------------------------------------------------------------------------------------------------


def colours_to_avoid(figures: Sequence[Avatar]) -> frozenset[str]:
    """Grounds on which a figure would melt away."""
    names = set[str]()
    for figure in figures:
        names |= {tag.removesuffix("_hair") for tag in figure.tags.intersection(FAMILIES["hair_colour"])}
        names |= {tag.removesuffix("_skin") for tag in figure.tags.intersection(FAMILIES["skin"])}
        if not figure.tags.intersection(FAMILIES["hair_colour"]):
            names |= {"black", "brown"}  # ink
    if "white" in names:
        names.add("grey")
    if "blonde" in names:
        names.add("yellow")
    return frozenset(names)


@dataclass(frozen=True)
class Place:
    """Where a figure stands: its square, in px, and how it is cut."""

    left: float
    top: float
    side: float
    angle: float = 0.0  # degrees
    tags: frozenset[str] = frozenset()
    hidden: tuple[str, ...] = ()  # families that the cut makes undecidable
    unknown: frozenset[str] = frozenset()


def place_alone(figure: Avatar, size: tuple[int, int], draw: random.Random) -> Place:
    """A single figure: whole, cut closer, or so close that the face fills the picture."""
    style = STYLES[figure.style]
    width, height = size
    left, top, right, bottom = style.face
    kind = draw.random()
    if kind < 0.72:
        side = min(size) * draw.uniform(0.62, 1.0)
        x = draw.uniform(-0.04, 0.04) * width + draw.random() * (width - side)
        y = height - side if style.has_body else draw.random() * (height - side)
        angle = draw.uniform(-4, 4) if style.has_body else draw.uniform(-14, 14)
        doubt = frozenset() if side < 0.8 * max(size) else frozenset({"close-up"})
        return Place(x, y + (0.04 * side if style.has_body else 0), side, angle, unknown=doubt)
    if kind < 0.88:
        side = max(size) * draw.uniform(1.02, 1.25)
        x = width * draw.uniform(0.45, 0.55) - side * (left + right) / 2
        y = height * draw.uniform(0.47, 0.55) - side * (top + bottom) / 2
        hidden = ("hair_length", "hair_tied", "shirt", "clothes", "hands", "headwear")
        return Place(x, y, side, draw.uniform(-6, 6), hidden=hidden, unknown=frozenset({"close-up"}))
    side = max(width / (right - left), height / (bottom - top)) * draw.uniform(0.98, 1.2)
    x = width * draw.uniform(0.46, 0.54) - side * (left + right) / 2
    y = height * draw.uniform(0.46, 0.54) - side * (top + bottom) / 2
    hidden = ("hair_length", "hair_tied", "hair_shape", "shirt", "clothes", "hands", "headwear", "jewelry")
    return Place(x, y, side, draw.uniform(-6, 6), frozenset({"close-up"}), hidden)


# number of figures -> rows of a picture, as figures a row
ROWS = {2: [(2,), (2,), (1, 1)], 3: [(3,), (3,), (1, 2), (2, 1)], 4: [(4,), (2, 2)], 5: [(5,), (2, 3), (3, 2)]}


def place_group(figures: Sequence[Avatar], draw: random.Random) -> tuple[tuple[int, int], list[Place]]:
    """Several figures in rows, hardly touching one another; gives the picture's size too."""
    rows = draw.choice(ROWS[len(figures)])
    cell = LONG_SIDE / max(*rows, len(rows))
    size = round(cell * max(rows)), round(cell * len(rows))
    if len(rows) == 1 and draw.random() < 0.6:
        size = size[0], round(cell * draw.uniform(1.0, 1.5))
    places: list[Place] = []
    for row, count in enumerate(rows):
        for column in range(count):
            figure = figures[len(places)]
            side = cell * draw.uniform(0.82, 1.0)
            middle = size[0] * (column + 0.5) / count + draw.uniform(-0.04, 0.04) * cell
            floor = size[1] - cell * (len(rows) - 1 - row)
            lift = 0.0 if STYLES[figure.style].has_body else draw.random() * (floor - cell * row - side)
            hidden = DETAIL if side < DETAIL_SIDE else ()
            places.append(Place(middle - side / 2, floor - side - lift, side, hidden=hidden))
    return size, places


def draw_figure(drawing: Image.Image, place: Place, size: tuple[int, int]) -> Image.Image:
    """One figure on an empty picture, RGBA."""
    side = max(1, round(place.side))
    figure = drawing.resize((side, side), Image.Resampling.LANCZOS)
    if place.angle:
        figure = figure.rotate(place.angle, Image.Resampling.BILINEAR)
    layer = Image.new("RGBA", size)
    layer.paste(figure, (round(place.left), round(place.top)))
    return layer


def seen_of(figure: Avatar, place: Place) -> tuple[frozenset[str], frozenset[str]]:
    hidden = frozenset(tag for family in place.hidden for tag in FAMILIES[family])
    return close((figure.tags - hidden) | place.tags, figure.unknown | hidden | place.unknown)


def said_together(seen: Sequence[tuple[frozenset[str], frozenset[str]]]) -> tuple[frozenset[str], frozenset[str]]:
    """What is said of all figures: a tag is there if one has it; of the whole look, if all have it."""
    tags = frozenset[str]().union(*(tags for tags, _ in seen))
    unknown = frozenset[str]().union(*(unknown for _, unknown in seen)) - tags
    look = frozenset(FAMILIES["look"]) & tags
    shared = look.intersection(*(tags for tags, _ in seen))
    return tags - (look - shared), unknown | (look - shared)


# --- effects ----------------------------------------------------------------------------------------------------------


def outline(layer: Image.Image) -> Image.Image:
    """White around the figures, as on a sticker."""
    grown = layer.getchannel("A").point([0] * 128 + [255] * 128).filter(ImageFilter.MaxFilter(7))
    under = Image.merge("RGBA", [*Image.new("RGB", layer.size, "white").split(), grown])
    under.alpha_composite(layer)
    return under


def drop_shadow(layer: Image.Image, draw: random.Random) -> Image.Image:
    alpha = Image.new("L", layer.size)
    alpha.paste(layer.getchannel("A"), (draw.choice((-1, 1)) * draw.randint(5, 9), draw.randint(4, 8)))
    alpha = alpha.filter(ImageFilter.GaussianBlur(draw.uniform(0, 3)))
    dark = Image.new("L", layer.size)
    under = Image.merge("RGBA", [dark, dark, dark, alpha.point([value * 6 // 10 for value in range(256)])])
    under.alpha_composite(layer)
    return under


def add_border(image: Image.Image, draw: random.Random) -> tuple[Image.Image, str]:
    colour = draw.choice(("white", "black", "blue", "pink"))
    edge = draw.randint(9, 20)
    small = image.resize((image.width - 2 * edge, image.height - 2 * edge), Image.Resampling.LANCZOS)
    return ImageOps.expand(small, edge, shade(draw, colour)), f"{colour}_border" if colour in COLOURLESS else "border"


COLOUR_TAGS = frozenset(
    tag for family in ("hair_colour", "skin", "shirt", "marks") for tag in FAMILIES[family] if tag != "shirt"
) | {"red_lips"}


def without_colour(image: Image.Image, draw: random.Random) -> tuple[Image.Image, str]:
    grey = image.convert("L")
    if draw.random() < 0.6:
        return grey.convert("RGB"), "greyscale"
    return ImageOps.colorize(grey, (38, 22, 8), (250, 234, 204), (160, 118, 74)), "sepia"


# --- the whole --------------------------------------------------------------------------------------------------------


def compose(
    figures: Sequence[Avatar], drawings: Sequence[Image.Image], clips: Sequence[Clip], draw: random.Random
) -> Composed:
    """Bring the figures, drawn as square RGBA pictures, into one picture."""
    if len(figures) == 1:
        size = draw.choice(
            ((256, 256), (256, 256), (256, 256), (draw.randint(176, 240), 256), (256, draw.randint(176, 240)))
        )
        places = [place_alone(figures[0], size, draw)]
    else:
        size, places = place_group(figures, draw)
    ground = make_ground(size, draw, colours_to_avoid(figures), clips)
    tags, unknown = said_together([seen_of(*pair) for pair in zip(figures, places, strict=True)])
    tags |= ground.tags | count_tags(len(figures))
    unknown |= ground.unknown
    if tags & {"monochrome", "greyscale"} and ground.colour not in COLOURLESS:
        tags, unknown = tags - {"monochrome", "greyscale"}, unknown | {"monochrome", "greyscale"}

    layer = Image.new("RGBA", size)
    for drawing, place in zip(drawings, places, strict=True):
        layer.alpha_composite(draw_figure(drawing, place, size))
    known = any(figure.character for figure in figures)  # a character has to stay recognisable
    effect = draw.random()
    if effect < 0.04 and not known:
        dark = Image.new("RGB", size, shade(draw, "black"))
        if ground.colour not in ("", "black", "brown"):
            layer = Image.merge("RGBA", [*dark.split(), layer.getchannel("A")])
            said = frozenset(tag for family in WHOLE_PICTURE if family != "look" for tag in FAMILIES[family])
            everything = frozenset(tag for tags_ in FAMILIES.values() for tag in tags_)
            tags, unknown = (tags & said) | {"silhouette"}, (unknown | everything) - said - {"silhouette"}
    elif effect < 0.09 and ground.colour not in ("white", "grey"):
        layer, tags = outline(layer), tags | {"outline"}
    elif effect < 0.14 and ground.colour != "black":
        layer, tags = drop_shadow(layer, draw), tags | {"drop_shadow"}
    image = ground.image.copy()
    image.paste(layer, mask=layer.getchannel("A"))

    after = draw.random()
    if after < 0.05:
        image, border = add_border(image, draw)
        tags |= {border, "border"}
    elif after < 0.08:
        image, tags = ImageOps.flip(image) if draw.random() < 0.5 else image.rotate(180), tags | {"upside-down"}
    elif after < 0.14 and not known and "silhouette" not in tags:
        image, look = without_colour(image, draw)
        doubt = COLOUR_TAGS | (GROUND_TAGS if look == "sepia" or ground.colour not in COLOURLESS else frozenset())
        tags, unknown = (
            (tags - doubt - {"greyscale"}) | {look, "monochrome"},
            (unknown | doubt) - {look, "monochrome", "greyscale"},
        )
    return Composed(image, *close(tags, unknown - tags), ground.clip)


def count_tags(figures: int) -> frozenset[str]:
    return frozenset({"solo", "1other"}) if figures == 1 else frozenset({f"{figures}others"})
