"""What is behind the figures: flat colours, gradients, patterns and parts of drawings, each with its tags."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageOps

from . import palette
from .styles import GROUND_COLOURS

GROUND_TAGS = frozenset(f"{colour}_background" for colour in GROUND_COLOURS)


@dataclass(frozen=True)
class Clip:
    """A drawing that may be behind the figures."""

    image: Image.Image  # RGBA
    author: str
    licence: str


@dataclass(frozen=True)
class Ground:
    image: Image.Image  # RGB
    tags: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    clip: Clip | None = None
    colour: str = ""  # of a flat ground


def ground_colour(draw: random.Random, avoid: frozenset[str], white: float = 0.0) -> str:
    allowed = [colour for colour in palette.GROUND if colour not in avoid]
    return "white" if "white" in allowed and draw.random() < white else draw.choice(allowed)


def shade(draw: random.Random, colour: str) -> tuple[int, int, int]:
    return palette.rgb(palette.colour(palette.GROUND[colour], draw))


def two_colours(draw: random.Random, avoid: frozenset[str]) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    first = ground_colour(draw, avoid)
    return shade(draw, first), shade(draw, ground_colour(draw, avoid | {first}, white=0.4))


def flat(size: tuple[int, int], draw: random.Random, avoid: frozenset[str]) -> Ground:
    colour = ground_colour(draw, avoid, white=0.42)
    return Ground(Image.new("RGB", size, shade(draw, colour)), frozenset({f"{colour}_background"}), colour=colour)


def gradient(size: tuple[int, int], draw: random.Random, avoid: frozenset[str]) -> Ground:
    first, second = two_colours(draw, avoid)
    ramp = Image.linear_gradient("L").rotate(draw.choice((0, 90, 180, 270)))
    image = ImageOps.colorize(ramp, first, second).resize(size, Image.Resampling.BICUBIC)
    return Ground(image, frozenset({"gradient_background"}), GROUND_TAGS)


def patterned(size: tuple[int, int], draw: random.Random, avoid: frozenset[str]) -> Ground:
    """Two halves, stripes, squares or dots in two colours."""
    first, second = two_colours(draw, avoid)
    kind = draw.choice(("two-tone", "striped", "checkered", "polka_dot"))
    image = Image.new("RGB", size, first)
    pen = ImageDraw.Draw(image)
    width, height = size
    step = draw.randint(14, 36)
    lean = draw.choice((0, 0, 1))
    if kind == "two-tone":
        middle, slope = draw.randint(height // 3, 2 * height // 3), draw.randint(-height // 3, height // 3)
        pen.polygon([(0, middle + slope), (width, middle - slope), (width, height), (0, height)], fill=second)
    elif kind == "striped":
        for x in range(-height, width + height, 2 * step):
            pen.polygon(
                [(x, 0), (x + step, 0), (x + step + lean * height, height), (x + lean * height, height)], second
            )
    else:
        for row, y in enumerate(range(0, height, step)):
            for x in range(step * (row % 2), width, 2 * step):
                if kind == "checkered":
                    pen.rectangle((x, y, x + step - 1, y + step - 1), second)
                else:
                    pen.ellipse((x, y, x + 0.7 * step, y + 0.7 * step), second)
    if kind != "two-tone" and draw.random() < 0.5:
        image = image.transpose(Image.Transpose.ROTATE_90).resize(size)
    # Nobody agrees whether a pattern is simple.
    doubt = GROUND_TAGS if kind == "two-tone" else GROUND_TAGS | {"simple_background"}
    return Ground(image, frozenset({f"{kind}_background"}), doubt)


def scene(size: tuple[int, int], draw: random.Random, clips: Sequence[Clip]) -> Ground:
    """Part of a drawing, enlarged until it fills the picture."""
    clip = draw.choice(clips)
    paper = Image.new("RGBA", clip.image.size, (*shade(draw, ground_colour(draw, frozenset(), white=0.2)), 255))
    paper.alpha_composite(clip.image)
    zoom = draw.uniform(0.5, 0.8)
    part = min(clip.image.width / size[0], clip.image.height / size[1]) * zoom
    box_size = (size[0] * part, size[1] * part)
    left, top = (draw.uniform(0, whole - cut) for whole, cut in zip(clip.image.size, box_size, strict=True))
    image = paper.convert("RGB").resize(
        size, Image.Resampling.BICUBIC, box=(left, top, left + box_size[0], top + box_size[1])
    )
    return Ground(image, frozenset(), GROUND_TAGS, clip)


def make_ground(size: tuple[int, int], draw: random.Random, avoid: frozenset[str], clips: Sequence[Clip]) -> Ground:
    kind = draw.random()
    if kind < 0.14 and clips:
        return scene(size, draw, clips)
    if kind < 0.24:
        return gradient(size, draw, avoid)
    if kind < 0.42:
        return patterned(size, draw, avoid)
    return flat(size, draw, avoid)
