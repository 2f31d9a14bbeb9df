"""People in other styles than avatars, and the same styles without people. Everything is drawn from one random.Random.

How many people a picture shows is known, and whether it has colour; nothing else is.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from ..avatars.composites import LONG_SIDE
from ..avatars.grounds import Clip, make_ground, scene
from ..negatives.pictures import COLOUR, NOBODY, Negative, colour_of, faded, picture_size, put, some

OTHERS = {2: "2others", 3: "3others", 4: "4others", 5: "5others"}
MANY = -1  # several people that nobody counted
TALL = 1.5  # height to width, from which on a single figure is seen as a whole one and may be cut to its bust
SCENES = 0.35  # share of the pictures with part of a drawing behind
TURN = 0.12  # share of the pictures whose hues are turned


@dataclass(frozen=True)
class Cast:
    """Drawings on transparency, by how many people they show."""

    nobody: list[Clip] = field(default_factory=list)
    one: list[Clip] = field(default_factory=list)
    several: list[tuple[int, Clip]] = field(default_factory=list)  # (how many or MANY, drawing)


def said_of(people: int) -> tuple[frozenset[str], frozenset[str]]:
    """(tags, known tags) of a picture with so many people.

    Danbooru counts others only where sex cannot be seen, and the table does not say where: that stays unknown.
    """
    alone = frozenset({"solo", "no_humans"})
    if people == 0:
        return NOBODY, alone | {"1other", "multiple_others", *OTHERS.values()}
    if people == 1:
        return frozenset({"solo"}), alone | {"multiple_others", *OTHERS.values()}
    if people == MANY:
        return frozenset(), alone
    return frozenset(), alone | {tag for count, tag in OTHERS.items() if count > people}


# --- the kinds --------------------------------------------------------------------------------------------------------


def alone(rng: random.Random, cast: Cast) -> Negative:
    """One figure: whole, cut to the bust, or so close that the picture's edge cuts it."""
    image, behind = _ground(picture_size(rng), rng, cast)
    clip = rng.choice(cast.one)
    figure, bust = _turned(clip, rng), False
    if figure.image.height > TALL * figure.image.width and rng.random() < 0.6:
        figure, bust = _bust(figure, rng), True
    share = rng.choice((rng.uniform(0.45, 0.75), rng.uniform(0.75, 1.0), rng.uniform(0.9, 1.35)))
    put(image, figure, share, (rng.uniform(0.2, 0.8), 1.0 if bust or rng.random() < 0.5 else rng.random()))
    return _finished(image, 1, rng, (clip, *behind))


def together(rng: random.Random, cast: Cast) -> Negative:
    """Two to four single figures side by side."""
    count = rng.choice((2, 2, 2, 3, 4))
    size = LONG_SIDE, round(LONG_SIDE * (rng.uniform(0.6, 1.0) if count == 2 else rng.uniform(0.4, 0.7)))
    image, behind = _ground(size, rng, cast)
    clips = rng.sample(cast.one, count)
    for number, clip in enumerate(clips):
        figure = _turned(clip, rng)
        if figure.image.height > TALL * figure.image.width and rng.random() < 0.4:
            figure = _bust(figure, rng)
        wide, high = figure.image.size
        part = min(1.1 * size[0] / count / wide, size[1] / high) * rng.uniform(0.8, 1.0)
        left = (number + 0.5) * size[0] / count - part * wide / 2
        room = size[0] - part * wide
        put(image, figure, part * max(wide, high) / min(size), (left / room, 1.0))
    return _finished(image, count, rng, (*clips, *behind))


def group(rng: random.Random, cast: Cast) -> Negative:
    """A drawing of several people, whole."""
    image, behind = _ground(picture_size(rng), rng, cast)
    people, clip = rng.choice(cast.several)
    put(image, _turned(clip, rng), rng.uniform(0.65, 1.0), (rng.random(), rng.random()))
    return _finished(image, people, rng, (clip, *behind))


def nobody(rng: random.Random, cast: Cast) -> Negative:
    """Things and animals, alone or a few."""
    image, behind = _ground(picture_size(rng), rng, cast)
    clips = some(cast.nobody, rng.choice((1, 1, 1, 2, 3)), rng)
    for clip in clips:
        share = rng.uniform(0.5, 1.35) if len(clips) == 1 else rng.uniform(0.3, 0.6)
        put(image, _turned(clip, rng), share, (rng.random(), rng.random()))
    return _finished(image, 0, rng, (*clips, *behind))


# --- what they share --------------------------------------------------------------------------------------------------


def _ground(size: tuple[int, int], rng: random.Random, cast: Cast) -> tuple[Image.Image, tuple[Clip, ...]]:
    plain = rng.random() >= SCENES
    ground = make_ground(size, rng, frozenset(), ()) if plain else scene(size, rng, cast.nobody)
    return ground.image.convert("RGBA"), (ground.clip,) if ground.clip else ()


def _turned(clip: Clip, rng: random.Random) -> Clip:
    return Clip(ImageOps.mirror(clip.image), clip.author, clip.licence) if rng.random() < 0.5 else clip


def _bust(clip: Clip, rng: random.Random) -> Clip:
    """The upper part of a whole figure, without the empty margins that the cut leaves."""
    width, height = clip.image.size
    part = clip.image.crop((0, 0, width, round(height * rng.uniform(0.46, 0.75))))
    return Clip(part.crop(part.getbbox()), clip.author, clip.licence)


def _finished(image: Image.Image, people: int, rng: random.Random, clips: tuple[Clip, ...]) -> Negative:
    picture = faded(_restyled(image.convert("RGB"), rng), rng)
    colours, doubt = colour_of(picture)
    tags, known = said_of(people)
    return Negative(picture, tags | colours, known=known | (COLOUR - doubt), clips=clips)


def _restyled(image: Image.Image, rng: random.Random) -> Image.Image:
    """The drawing as it is, as if painted, or in large pixels; its hues and its light may differ."""
    if rng.random() < TURN:
        hue, *others = image.convert("HSV").split()
        turn = rng.randrange(256)
        image = Image.merge("HSV", [hue.point([(h + turn) % 256 for h in range(256)]), *others]).convert("RGB")
    if rng.random() < 0.3:
        gamma = rng.uniform(0.6, 1.9)
        image = image.point([round(255 * (level / 255) ** gamma) for level in range(256)] * 3)
    kind = rng.random()
    if kind < 0.3:
        return _painted(image, rng)
    if kind < 0.42:
        step = rng.choice((2, 3, 4))
        small = image.resize((image.width // step, image.height // step), Image.Resampling.BOX)
        return small.quantize(rng.choice((16, 32, 64))).convert("RGB").resize(image.size, Image.Resampling.NEAREST)
    return image


def _painted(image: Image.Image, rng: random.Random) -> Image.Image:
    """Without hard lines, with the uneven tones of a brush, and light that falls off."""
    image = image.filter(
        rng.choice((ImageFilter.MedianFilter(3), ImageFilter.MedianFilter(5), ImageFilter.ModeFilter(5)))
    )
    numbers = np.random.default_rng(rng.getrandbits(64))
    width, height = image.size
    step = rng.choice((3, 6, 12))
    coarse = numbers.normal(0, rng.uniform(4, 18), (-(-height // step), -(-width // step))).astype(np.float32)
    tones = np.asarray(Image.fromarray(coarse).resize(image.size, Image.Resampling.BICUBIC))
    light = np.linspace(rng.uniform(-40, 20), rng.uniform(-40, 20), width)[None, :, None]
    pixels = np.asarray(image, np.float32) + tones[..., None] + light
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


Maker = Callable[[random.Random, Cast], Negative]


@dataclass(frozen=True)
class Kind:
    """A row of KINDS."""

    make: Maker
    count: int  # of training pictures


KINDS: dict[str, Kind] = {
    "alone": Kind(alone, 1900),
    "together": Kind(together, 350),
    "group": Kind(group, 150),
    "nobody": Kind(nobody, 1100),
}


def ready(cast: Cast) -> Sequence[str]:
    """The kinds that a cast has drawings for."""
    enough = {"alone": len(cast.one) > 0, "together": len(cast.one) > 3, "group": len(cast.several) > 0}
    return [kind for kind in KINDS if cast.nobody and enough.get(kind, True)]
