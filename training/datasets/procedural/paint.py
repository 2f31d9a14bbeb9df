"""Painted surfaces: dead leaves with textures, and strokes of a bristle brush; paper, canvas and grain over them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from .canvas import (
    Canvas,
    Field,
    Picture,
    Points,
    choose,
    coordinates,
    fractal,
    log_uniform,
    mix,
    noise,
    ramp,
    resized,
    strokes,
    to_levels,
)
from .colours import draw_colour, palette
from .scenes import draw_areas, draw_scene, painted

__all__ = ["brush", "leaves"]

FINE = 2  # dead leaves are drawn so many times as large
TEXTURES = 4


def leaves(canvas: Canvas) -> Picture:
    """Shapes that hide one another, their sizes by a power law (Lee, Mumford and Huang 2001), each with its texture.

    Such pictures have edges at all sizes and the spectrum of photographs; a network trained on them alone restores
    these well (Achddou, Gousseau and Ladjal 2021, arXiv 2106.08830).
    """
    rng, size = canvas.rng, canvas.size
    smallest = log_uniform(rng, 1.2, 5) * canvas.scale
    largest = size * rng.uniform(0.25, 0.7)
    count = int(min(60 + 6 * (size / smallest) ** 1.2, 550))
    # Radii whose density falls as their cube, between the two ends: the model's own law.
    share = rng.random(count)
    radii = 1 / np.sqrt(share / smallest**2 + (1 - share) / largest**2)
    # Large ones first would hide nothing; in any order the last ones are whole.
    centres = rng.uniform(-0.1, 1.1, (count, 2)) * size
    form = choose(rng, {"discs": 2, "corners": 2, "mixed": 2, "strokes": 1.5})
    outlines = _outlines(rng, form, centres, radii)
    colours = [tuple(colour) for colour in np.rint(_leaf_colours(rng, count + 1) * 255).astype(int).tolist()]
    sheet = Image.new("RGB", (size * FINE, size * FINE), colours[-1])
    strokes(ImageDraw.Draw(sheet), outlines, colours[:-1], FINE)
    numbers = Image.new("I", (size, size), count)
    drawing = ImageDraw.Draw(numbers)
    for k, outline in enumerate((outlines - 0.5).reshape(count, -1).tolist()):
        drawing.polygon(outline, fill=k)
    picture = np.asarray(sheet.reduce(FINE), dtype=np.float32) / np.float32(255)
    picture *= (1 + _leaf_light(rng, np.asarray(numbers), centres, radii))[..., None]
    if rng.random() < 0.25:
        soft = Image.fromarray(to_levels(picture)).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1) * canvas.scale))
        picture = np.asarray(soft, dtype=np.float32) / np.float32(255)
    return to_levels(_surface(canvas, picture), rng)


def _outlines(rng: np.random.Generator, form: str, centres: Points, radii: Points) -> Points:
    """(count, corners, 2) around centres (count, 2) with radii (count,)."""
    count = len(radii)
    corners = 14
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)[None, :] + rng.uniform(0, 6.3, (count, 1))
    out = np.ones((count, corners))
    if form in ("corners", "mixed"):
        # Three to seven of the corners stay where they are; the others go onto the chords between them.
        few = rng.integers(3, 8, (count, 1))
        step = np.arange(corners)[None, :] * few / corners
        inside = np.cos(np.pi / few) / np.cos((step - np.floor(step) - 0.5) * 2 * np.pi / few)
        out = np.where(rng.random((count, 1)) < (1 if form == "corners" else 0.5), inside, out)
        out = out * (1 + rng.normal(0, 0.08, (count, corners)) * (rng.random((count, 1)) < 0.5))
    squash = np.exp(rng.uniform(np.log(0.12 if form == "strokes" else 0.5), 0, (count, 1)))
    if form == "strokes":
        squash, turn = squash * 0.6, rng.normal(rng.uniform(0, 3.1), 0.4, (count, 1))
    else:
        turn = rng.uniform(0, np.pi, (count, 1))
    x, y = np.cos(angle) * out * radii[:, None], np.sin(angle) * out * radii[:, None] * squash
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack((x * cos - y * sin, x * sin + y * cos), axis=2) + centres[:, None]


def _leaf_colours(rng: np.random.Generator, count: int) -> NDArray[np.floating]:
    """(count, 3): a few colours and much between them, or the colours of anything."""
    if rng.random() < 0.12:
        return rng.random((count, 3), dtype=np.float32)
    few = np.stack([draw_colour(rng) for _ in range(int(rng.integers(2, 6)))])
    one, other = few[rng.integers(len(few), size=count)], few[rng.integers(len(few), size=count)]
    mixed = one + (other - one) * rng.beta(0.5, 0.5, (count, 1)) + rng.normal(0, rng.uniform(0.02, 0.12), (count, 3))
    grey = mixed.mean(axis=1, keepdims=True)
    return np.clip(grey + (mixed - grey) * rng.uniform(0.3, 1), 0, 1).astype(np.float32)  # paint is rarely vivid


def _leaf_light(
    rng: np.random.Generator, ids: NDArray[np.int32], centres: NDArray[np.floating], radii: NDArray[np.floating]
) -> Field:
    """Each leaf's own slope of light and texture, as a share to be added to its colour."""
    size, count = len(ids), len(radii) + 1
    at = np.arange(size, dtype=np.float32)
    middle = np.concatenate((centres, ((size / 2, size / 2),))).astype(np.float32)
    reach = np.append(radii, size / 2).astype(np.float32)
    slope = rng.normal(0, 0.15, (count, 2)).astype(np.float32) / reach[:, None]
    offset = -(slope * middle).sum(axis=1)
    light = slope[ids, 0] * at[None, :] + slope[ids, 1] * at[:, None] + offset[ids]
    fields = np.stack([_texture(rng, size) for _ in range(TEXTURES)])
    strength = (np.exp(rng.normal(-3.2, 1.0, count)) * (rng.random(count) < 0.7)).astype(np.float32)
    which = rng.integers(TEXTURES, size=count)[ids]
    texture = np.take_along_axis(fields, which[None], axis=0)[0]
    return np.clip(light, -0.4, 0.4) + np.clip(strength[ids] * texture, -0.5, 0.5)


def _texture(rng: np.random.Generator, size: int) -> Field:
    """Deviation about 1: clouds, grain, streaks in one direction, or weave."""
    form = choose(rng, {"clouds": 2, "grain": 2, "streaks": 2, "waves": 1})
    if form == "clouds":
        return fractal(rng, size, log_uniform(rng, 6, 40), 3, 0.6)
    if form == "grain":
        return noise(rng, size, rng.uniform(1, 2.5))
    if form == "streaks":
        return streaks(rng, size, rng.uniform(1, 4), rng.uniform(15, 80))
    along, across = coordinates(size, rng.uniform(0, np.pi))
    wave = np.sin(
        along * np.float32(2 * np.pi / log_uniform(rng, 4, 16)) + np.float32(0.3) * np.sin(across * np.float32(0.1))
    )
    return wave.astype(np.float32)


def streaks(rng: np.random.Generator, size: int, across: float, along: float) -> Field:
    """Noise drawn out along the rows or the columns."""
    tall, wide = max(2, round(size / across)), max(2, round(size / along))
    field = rng.standard_normal((tall, wide), dtype=np.float32)
    return resized(field if rng.random() < 0.5 else np.ascontiguousarray(field.T), size)


# --- brush strokes ---


def brush(canvas: Canvas) -> Picture:
    """A picture laid down in strokes of a bristle brush, large ones first; each bristle has a shade of its own."""
    rng, size = canvas.rng, canvas.size
    subject = _subject(canvas)
    sheet = Image.fromarray(subject)
    if rng.random() < 0.8:  # the first coat, blurred: strokes cover most of it
        sheet = sheet.filter(ImageFilter.BoxBlur(size / 64))
    sheet = sheet.resize((size * FINE, size * FINE), Image.Resampling.BILINEAR)
    drawing = ImageDraw.Draw(sheet)
    flow = noise(rng, size, size * rng.uniform(0.3, 1)) * np.float32(rng.uniform(0.4, 1.6)) + np.float32(
        rng.uniform(0, 6.3)
    )
    widest = size * rng.uniform(0.05, 0.12)
    coats = ((widest, 32), (widest / 2, 90), (widest / 4.5, 180))
    for width, count in coats[int(rng.integers(2)) :]:
        _coat(canvas, drawing, subject, flow, width, count)
    picture = np.asarray(sheet.reduce(FINE))
    if rng.random() < 0.3:  # worked over: some of what was painted shows through
        picture = np.asarray(Image.blend(Image.fromarray(picture), Image.fromarray(subject), rng.uniform(0.15, 0.5)))
    return to_levels(_surface(canvas, picture.astype(np.float32) / np.float32(255)), rng)


def _subject(canvas: Canvas) -> Picture:
    rng, size = canvas.rng, canvas.size
    if rng.random() < 0.35:
        field = fractal(rng, size, size * rng.uniform(0.2, 0.7), 4, 0.55)
        light = mix(draw_colour(rng), draw_colour(rng), np.clip(field * np.float32(0.35) + np.float32(0.5), 0, 1))
        return to_levels(mix(light, draw_colour(rng), ramp(rng, size) * np.float32(0.6)))
    areas = draw_areas(size, draw_scene(canvas), FINE)
    flat = painted(areas, palette(rng, areas.roles, ink=0.6), FINE).astype(np.float32) / np.float32(255)
    return to_levels(flat * (np.float32(0.6) + np.float32(0.5) * ramp(rng, size))[..., None])


def _coat(
    canvas: Canvas, drawing: ImageDraw.ImageDraw, subject: Picture, flow: Field, width: float, count: int
) -> None:
    """`count` strokes along the flow, in the subject's colours where each begins."""
    rng, size = canvas.rng, canvas.size
    steps, bristles = 7, int(np.clip(width * FINE / 3, 2, 7))
    at = rng.uniform(0, size, (count, 2))
    pace = width * rng.uniform(0.3, 0.9, count)
    path = np.empty((count, steps, 2))
    for k in range(steps):
        path[:, k] = at
        column, row = np.clip(at.astype(int), 0, size - 1).T
        angle = flow[row, column]
        at = at + np.stack((np.cos(angle), np.sin(angle)), axis=1) * pace[:, None]
    middle = np.clip(path[:, steps // 2].astype(int), 0, size - 1)
    colour = subject[middle[:, 1], middle[:, 0]].astype(np.float64) + rng.normal(0, 8, (count, 3))
    along = np.gradient(path, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-6)
    across = np.stack((-along[..., 1], along[..., 0]), axis=2)
    shift = np.linspace(-0.5, 0.5, bristles) * width
    # (strokes, bristles, steps, 2), each bristle lifted off a little sooner or later than its neighbours.
    lines = path[:, None] + across[:, None] * shift[None, :, None, None]
    lines = lines + along[:, None] * rng.normal(0, width * 0.35, (count, bristles, 1, 1))
    shade = colour[:, None] + rng.normal(0, 9, (count, bristles, 1)) + rng.normal(0, 3, (count, bristles, 3))
    thick = max(1, round(width * FINE / bristles * 1.25))
    shades = np.clip(np.rint(shade), 0, 255).astype(int).tolist()
    for bundle, own in zip((lines * FINE).reshape(count, bristles, -1).tolist(), shades, strict=True):
        for line, tone in zip(bundle, own, strict=True):
            drawing.line(line, fill=tuple(tone), width=thick)


# --- surfaces ---


def _surface(canvas: Canvas, picture: NDArray[np.floating]) -> NDArray[np.floating]:
    """Paper, woven canvas, grain, or nothing, at a low amplitude."""
    rng, size = canvas.rng, canvas.size
    form = choose(rng, {"none": 4, "paper": 2, "canvas": 1.5, "grain": 2.5})
    if form == "none":
        return picture
    amplitude = np.float32(log_uniform(rng, 0.004, 0.04))
    if form == "grain":
        pitch = rng.uniform(0.8, 2) * canvas.scale / 2
        if rng.random() < 0.3:
            return picture + np.stack([noise(rng, size, pitch) for _ in range(3)], axis=2) * amplitude
        return picture + (noise(rng, size, pitch) * amplitude)[..., None]
    if form == "paper":
        relief = noise(rng, size, rng.uniform(1.5, 4)) + np.float32(0.6) * noise(rng, size, rng.uniform(6, 20))
    else:
        x, y = coordinates(size, rng.normal(0, 0.03))
        pitch = np.float32(2 * np.pi / (rng.uniform(2.2, 5) * canvas.scale))
        relief = np.sin(x * pitch) * np.cos(y * pitch) + np.float32(0.5) * noise(rng, size, 2)
    return picture * (1 + relief * amplitude * np.float32(1.5))[..., None]
