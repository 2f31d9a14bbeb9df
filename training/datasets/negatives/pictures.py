"""Pictures without people, with what is known of each. Everything is drawn from one random.Random.

Danbooru's `no_humans` is true of all of them but `drawing`, which may show anything: of that, only its colour is known.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..avatars.composites import LONG_SIDE, without_colour
from ..avatars.grounds import GROUND_TAGS, Clip, Ground, make_ground, scene, two_colours
from ..avatars.styles import FAMILIES, close
from ..procedural import draw
from ..procedural.canvas import Canvas
from ..procedural.colours import palette
from ..procedural.scenes import draw_areas, draw_scene, painted

NOBODY = frozenset({"no_humans"})
COLOUR = frozenset({"monochrome", "greyscale", "sepia"})  # the tags that follow from a picture's colours alone
GROUNDS = frozenset(FAMILIES["ground"])
UNCOLOURED = 6  # levels by which the channels of a grey pixel differ at most
COLOURED = 40  # from this difference on, a pixel has a colour
SHARE = 0.02  # of the pixels: less colour than this may be a speck
GREY = 0.12  # share of the drawings that lose their colour


@dataclass(frozen=True)
class Negative:
    """A picture and its labels: tags that it has, tags in doubt, and, if any, the only tags that are known."""

    image: Image.Image  # RGB
    tags: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()  # empty: all but `unknown`
    clips: tuple[Clip, ...] = ()


def colour_of(image: Image.Image) -> tuple[frozenset[str], frozenset[str]]:
    """(tags of COLOUR that a picture has, those in doubt), measured: two hues are neither monochrome nor sepia."""
    hue, chroma = _hue_and_chroma(np.asarray(image, dtype=np.int16))
    coloured = chroma >= COLOURED
    if not (chroma > UNCOLOURED).any():
        return frozenset({"monochrome", "greyscale"}), frozenset()
    if coloured.mean() < SHARE:
        return frozenset(), COLOUR
    counts = np.bincount((hue[coloured] // 60).astype(int) % 6, minlength=6)
    pairs = counts + np.roll(counts, -1)  # one hue may be on both sides of a border
    many = pairs.max() < 0.9 * counts.sum()
    return frozenset(), frozenset() if many else frozenset({"monochrome", "sepia"})


def _hue_and_chroma(pixels: NDArray[np.int16]) -> tuple[NDArray[np.floating], NDArray[np.int16]]:
    """(H, W, 3) -> hue in degrees, chroma in levels."""
    red, green, blue = (pixels[..., c] for c in range(3))
    top, chroma = pixels.max(-1), pixels.max(-1) - pixels.min(-1)
    part = np.maximum(chroma, 1)
    sector = np.select(
        [top == red, top == green], [(green - blue) / part % 6, (blue - red) / part + 2], (red - green) / part + 4
    )
    return sector * 60, chroma


def _size(rng: random.Random) -> tuple[int, int]:
    short = rng.choice((LONG_SIDE, LONG_SIDE, rng.randint(144, 240)))
    return rng.choice(((LONG_SIDE, short), (short, LONG_SIDE)))


def _nobody(ground: Ground, image: Image.Image | None = None, *, content: bool, clips: Sequence[Clip] = ()) -> Negative:
    """A picture without people. `content`: there is something on it to call greyscale or coloured."""
    image = image or ground.image
    found, doubt = colour_of(image)
    if not content:  # whether a plain grey square is greyscale nobody says
        found, doubt = frozenset(), COLOUR & (found | doubt)
    if found and ground.tags & GROUND_TAGS:  # the ground may have lost its colour
        tags = ground.tags - GROUND_TAGS | {"simple_background"}
        ground = Ground(image, tags, ground.unknown | GROUND_TAGS, ground.clip)
    tags, unknown = close(NOBODY | ground.tags | found, ground.unknown | doubt)
    used = (*clips, *((ground.clip,) if ground.clip else ()))
    return Negative(image, tags, unknown - tags, clips=used)


def _faded(image: Image.Image, rng: random.Random) -> Image.Image:
    return image.convert("L").convert("RGB") if rng.random() < GREY else image


def _numbers(rng: random.Random) -> np.random.Generator:
    return np.random.default_rng(rng.getrandbits(64))


# --- the kinds --------------------------------------------------------------------------------------------------------


def empty(rng: random.Random, clips: Sequence[Clip]) -> Negative:
    """A flat colour, often pure white or black, a gradient or a pattern."""
    size = _size(rng)
    if rng.random() < 0.25:
        colour = rng.choice(("white", "white", "black"))
        return _nobody(
            Ground(Image.new("RGB", size, colour), frozenset({f"{colour}_background"}), colour=colour), content=False
        )
    return _nobody(make_ground(size, rng, frozenset(), ()), content=False)


def noise(rng: random.Random, clips: Sequence[Clip]) -> Negative:
    """Grey or coloured noise, fine or coarse."""
    numbers, (width, height) = _numbers(rng), _size(rng)
    step = rng.choice((1, 1, 2, 4, 16))
    shape = (-(-height // step), -(-width // step), rng.choice((1, 3)))
    mean, spread = rng.uniform(60, 200), rng.uniform(10, 90)
    levels = numbers.normal(mean, spread, shape) if rng.random() < 0.5 else numbers.uniform(0, 256, shape)
    pixels = np.broadcast_to(levels.clip(0, 255).astype(np.uint8), (*shape[:2], 3))
    image = Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), rng.choice((0, 2, 3)))
    return _nobody(Ground(image, unknown=GROUNDS), content=True)


def things(rng: random.Random, clips: Sequence[Clip]) -> Negative:
    """Procedural leaves, blobs, stars, streets, dead leaves with textures."""
    if rng.random() < 0.35:
        pixels = draw("leaves", rng.getrandbits(31), 0, LONG_SIDE)
    else:
        canvas = Canvas(_numbers(rng), LONG_SIDE)
        areas = draw_areas(LONG_SIDE, draw_scene(canvas, {"things": 1, "street": 1}))
        pixels = painted(areas, palette(canvas.rng, areas.roles))
    return _nobody(Ground(_faded(Image.fromarray(pixels), rng), unknown=GROUNDS), content=True)


def objects(rng: random.Random, clips: Sequence[Clip]) -> Negative:
    """One to four drawings of things on a ground."""
    size = _size(rng)
    ground = make_ground(size, rng, frozenset(), ())
    image, chosen = ground.image.convert("RGBA"), _some(clips, rng.choice((1, 1, 1, 2, 3, 4)), rng)
    for clip in chosen:
        share = rng.uniform(0.55, 0.95) if len(chosen) == 1 else rng.uniform(0.25, 0.55)
        _put(image, clip, share, (rng.random(), rng.random()))
    return _nobody(ground, _faded(image.convert("RGB"), rng), content=True, clips=chosen)


def landscape(rng: random.Random, clips: Sequence[Clip]) -> Negative:
    """Part of a drawing that fills the picture, or drawings of things in rows below a sky."""
    size = _size(rng)
    if rng.random() < 0.4:
        part = scene(size, rng, clips)
        return _nobody(Ground(part.image, unknown=GROUNDS, clip=part.clip), _faded(part.image, rng), content=True)
    width, height = size
    above, below = two_colours(rng, frozenset())
    ramp = Image.linear_gradient("L").resize(size)
    image = Image.composite(Image.new("RGB", size, below), Image.new("RGB", size, above), ramp)
    horizon = rng.uniform(0.4, 0.8)
    land = Image.new("RGB", (width, height - round(horizon * height)), two_colours(rng, frozenset())[0])
    image.paste(land, (0, round(horizon * height)))
    image = image.convert("RGBA")
    chosen = _some(clips, rng.randint(2, 6), rng)
    for number, clip in enumerate(chosen):  # the nearer, the lower and larger
        near = (number + 1) / len(chosen)
        _put(image, clip, 0.15 + 0.4 * near, (rng.random(), horizon - 0.2 + near * (1.1 - horizon)))
    return _nobody(
        Ground(image.convert("RGB"), unknown=GROUNDS), _faded(image.convert("RGB"), rng), content=True, clips=chosen
    )


def drawing(rng: random.Random, clips: Sequence[Clip]) -> Negative:
    """A drawing of anything, people too, on a ground: coloured, grey or sepia. Nothing but that is known of it."""
    size = _size(rng)
    ground, clip = make_ground(size, rng, frozenset(), ()), rng.choice(list(clips))
    image = ground.image.convert("RGBA")
    _put(image, clip, rng.uniform(0.7, 1.3), (rng.random(), rng.random()))
    picture = image.convert("RGB")
    if rng.random() < GREY:
        picture, look = without_colour(picture, rng)
        tags, doubt = frozenset({look, "monochrome"}), frozenset()
    else:
        tags, doubt = colour_of(picture)
    return Negative(picture, tags, known=COLOUR - doubt, clips=(clip,))


def _some(clips: Sequence[Clip], count: int, rng: random.Random) -> list[Clip]:
    """So many, or all where there are fewer."""
    return rng.sample(list(clips), min(count, len(clips)))


def _put(image: Image.Image, clip: Clip, share: float, at: tuple[float, float]) -> None:
    """Paste a clip whose longer side is `share` of the picture's shorter one; `at`: of the room that is left."""
    side = share * min(image.size)
    part = side / max(clip.image.size)
    small = clip.image.resize(
        (max(1, round(clip.image.width * part)), max(1, round(clip.image.height * part))), Image.Resampling.LANCZOS
    )
    left, top = (round(place * (whole - cut)) for place, whole, cut in zip(at, image.size, small.size, strict=True))
    layer = Image.new("RGBA", image.size)
    layer.paste(small, (left, top))
    image.alpha_composite(layer)


Maker = Callable[[random.Random, Sequence[Clip]], Negative]


@dataclass(frozen=True)
class Kind:
    """A row of KINDS."""

    make: Maker
    count: int
    clips: str = ""  # "things": drawings without people; "all": of anything; "": none are needed


KINDS: dict[str, Kind] = {
    "empty": Kind(empty, 700),
    "noise": Kind(noise, 150),
    "things": Kind(things, 450),
    "objects": Kind(objects, 800, "things"),
    "landscape": Kind(landscape, 600, "things"),
    "drawing": Kind(drawing, 900, "all"),
}
