"""Manga pages: line drawings with screentones; and colour printing in halftone dots."""

from dataclasses import replace

import numpy as np
from PIL import Image

from .canvas import THIN, Canvas, Field, Picture, bezier, choose, fill, log_uniform, mix, noise, ramp, strip, to_levels
from .colours import BLACK, WHITE, draw_colour, draw_pair, luma, palette
from .scenes import INK, Areas, cover, draw_areas, draw_scene, painted
from .screens import Screen, draw_screen, sand, screen

__all__ = ["halftone", "page", "screentone"]

# Dots first, as in shops for tones; the rest now and then.
MANGA = {
    **{"round": 9, "hexagonal": 3, "cosine": 3, "line": 3, "grid": 0.8, "square": 0.6, "diamond": 0.8, "ellipse": 0.5},
    **{"ring": 0.2, "flower": 0.2, "star": 0.15, "heart": 0.15, "brick": 0.25},
}
PRINT = {"round": 5, "cosine": 3, "ellipse": 2, "diamond": 1, "line": 1.5}


def screentone(canvas: Canvas) -> Picture:
    """A line drawing whose areas are white, black, toned evenly or from dark to light; some pages tinted or bilevel."""
    rng = canvas.rng
    form = choose(rng, {"drawing": 8, "gradient": 1.5, "shapes": 0.7})
    if form == "gradient":
        ink = _tone(canvas, gradient=True)
    elif form == "shapes":
        ink = _tone(canvas)
        for _ in range(int(rng.integers(1, 3))):
            mask = fill(canvas.size, [layer.points for layer in draw_scene(canvas, {"things": 1})[:3]])
            ink = mix(ink, _tone(canvas), mask)
    else:
        ink = page(canvas)
    if rng.random() < 0.3:
        ink = np.minimum(ink, 1 - _scratches(canvas))
    if rng.random() < 0.2:
        ink = (ink > 0.5).astype(np.float32)
    return _printed(canvas, ink)


def page(canvas: Canvas) -> Field:
    """Ink (size, size) in [0, 1]: a drawing in black lines, some of its areas black or toned."""
    rng = canvas.rng
    areas = draw_areas(canvas.size, draw_scene(canvas))
    bases = sorted({role for role in areas.roles if role != INK})
    ink = cover(areas, {INK})
    dark = {role for role in bases if role.split(".")[0] in ("hair", "pupil", "brow") and rng.random() < 0.15}
    dark |= {role for role in bases if role != "skin" and rng.random() < 0.06} | ({"pupil"} & set(bases))
    ink = ink + cover(areas, dark)
    left = [role for role in bases if role not in dark and role not in ("eye", "glint")]
    # One tone for shades is what most pages have, and one or two for hair, clothes or the background.
    shades = {role for role in left if ".shade" in role or (role.endswith(".back") and rng.random() < 0.5)}
    plain = [role for role in left if role not in shades and role != "skin"]
    groups = [shades] if rng.random() < 0.8 else []
    order = [plain[k] for k in rng.permutation(len(plain))]
    for k in range(int(rng.integers(1, 3))):
        groups.append(set(order[k::3]))
    if "ground" in plain and rng.random() < 0.4:
        groups = [group - {"ground"} for group in groups] + [{"ground"}]
    for group in groups[:3]:
        tone = _tone(canvas, gradient=group == {"ground"} or rng.random() < 0.3)
        ink = ink + tone * cover(areas, group)
    return np.minimum(ink, 1)


def _tone(canvas: Canvas, gradient: bool = False) -> Field:
    """Ink of one tone over the whole canvas."""
    rng = canvas.rng
    if not gradient and rng.random() < 0.12:
        return sand(rng, canvas.size, log_uniform(rng, 1.0, 4) * canvas.scale, rng.uniform(0.1, 0.7))
    which = draw_screen(canvas, MANGA)
    if which.spot in ("ring", "flower", "star", "heart", "brick"):
        which = replace(which, pitch=which.pitch * 2.5)
    low, high = sorted(rng.uniform(0.05, 0.8, 2))
    if not gradient:
        return screen(canvas.size, which, float(low if rng.random() < 0.8 else high))
    low, high = low - 0.12 * (rng.random() < 0.5), max(high, low + 0.3)
    return screen(canvas.size, which, np.float32(low) + ramp(rng, canvas.size) * np.float32(high - low))


def _scratches(canvas: Canvas) -> Field:
    """Light scraped out of a tone: bundles of thin tapered white strokes, or a soft stripe of light."""
    rng, size = canvas.rng, canvas.size
    if rng.random() < 0.4:
        return np.clip(noise(rng, size, size * 0.4) * np.float32(2) - np.float32(1.2), 0, 1)
    count = int(rng.integers(10, 60))
    start, way = rng.uniform(0, size, 2), rng.normal(0, size * 0.25, 2)
    across = np.array((-way[1], way[0])) * rng.uniform(-1, 1, (count, 1)) + rng.normal(0, 4, (count, 2))
    lines = bezier(
        start + across[:, None] + way * np.linspace(0, 1, 4)[None, :, None] * rng.uniform(0.3, 1.2, (count, 1, 1))
    )
    widths = rng.uniform(0.3, 1.2, (count, 1)) * canvas.scale * np.linspace(1, 0.1, lines.shape[1])
    return fill(size, list(strip(lines, widths, THIN)))


def _printed(canvas: Canvas, ink: Field) -> Picture:
    """Black on white mostly; else another ink, yellowed paper, or a scan's greys."""
    rng = canvas.rng
    form = choose(rng, {"pure": 6, "scan": 1.5, "tinted": 1, "coloured": 2.5})
    if form == "pure":
        return to_levels(1 - ink)
    dark, light = BLACK, WHITE
    if form == "scan":
        dark, light = dark + np.float32(rng.uniform(0, 0.2)), light - np.float32(rng.uniform(0, 0.12))
    elif form == "tinted":
        dark, light = draw_colour(rng) * np.float32(0.3), 1 - (1 - draw_colour(rng)) * np.float32(0.25)
    else:
        dark, light = draw_pair(rng, plain=0, contrast=0.35)
    picture = mix(light.astype(np.float32), dark.astype(np.float32), ink)
    if form == "scan":
        picture = picture + noise(rng, canvas.size, 1.5)[..., None] * np.float32(rng.uniform(0, 0.02))
    return to_levels(picture, rng)


# --- colour halftone ---


def halftone(canvas: Canvas) -> Picture:
    """Printed colours: four screens of inks, coloured dots over flat colours, or two inks."""
    form = choose(canvas.rng, {"four inks": 2, "dots": 5, "two inks": 3})
    return {"four inks": _four_inks, "dots": _pop_art, "two inks": _two_inks}[form](canvas)


def _subject(canvas: Canvas) -> tuple[Areas, Picture]:
    areas = draw_areas(canvas.size, draw_scene(canvas))
    return areas, painted(areas, palette(canvas.rng, areas.roles))


def _four_inks(canvas: Canvas) -> Picture:
    rng, size = canvas.rng, canvas.size
    picture = _subject(canvas)[1].astype(np.float32) / np.float32(255)
    picture = mix(picture, np.full(3, rng.random(), np.float32), ramp(rng, size) * np.float32(rng.uniform(0, 0.5)))
    pitch = log_uniform(rng, 2.2, 4.5) * canvas.scale
    spot = choose(rng, PRINT)
    inks = 1 - picture
    black = inks.min(axis=2) * np.float32(rng.uniform(0.3, 1))
    result = np.ones((size, size, 3), np.float32)
    turn = rng.uniform(0, np.pi / 2)
    for k, degrees in enumerate((15, 75, 0)):
        phase = (float(rng.random()), float(rng.random()))
        which = Screen(spot, pitch, turn + float(np.deg2rad(degrees)), phase)
        # Real inks are not pure: cyan takes a little green and blue as well.
        spill = np.full(3, 0.94, np.float32)
        spill[k] = 0.05
        result *= mix(WHITE, spill, screen(size, which, inks[..., k] - black))
    result *= (1 - screen(size, Screen(spot, pitch, turn + float(np.pi / 4)), black) * np.float32(0.95))[..., None]
    return to_levels(result)


def _pop_art(canvas: Canvas) -> Picture:
    """Flat colours; in some areas dots of one more colour, even or shrinking."""
    rng, size = canvas.rng, canvas.size
    areas, flat = _subject(canvas)
    picture = flat.astype(np.float32) / np.float32(255)
    roles = [role for role in areas.roles if role not in (INK, "eye", "glint")]
    for _ in range(int(rng.integers(1, 3))):
        chosen = {role for role in roles if rng.random() < 0.4} or {roles[0]}
        which = draw_screen(canvas, MANGA, 2.5, 12)
        top = rng.uniform(0.15, 0.6)
        darkness = float(top) if rng.random() < 0.6 else ramp(rng, size) * np.float32(top * 1.4) - np.float32(0.08)
        colour = WHITE if rng.random() < 0.3 else draw_colour(rng)
        picture = mix(picture, colour, screen(size, which, darkness) * cover(areas, chosen))
    return to_levels(picture)


def _two_inks(canvas: Canvas) -> Picture:
    """A grey picture in dots of one colour on another."""
    rng, size = canvas.rng, canvas.size
    grey = np.asarray(Image.fromarray(_subject(canvas)[1]).convert("L"), dtype=np.float32) / np.float32(255)
    grey = grey * np.float32(rng.uniform(0.5, 0.9)) + ramp(rng, size) * np.float32(rng.uniform(0.1, 0.5))
    dark, light = draw_pair(rng, plain=0.3, contrast=0.35)
    if luma(dark) > luma(light):
        dark, light = light, dark
    return to_levels(mix(light, dark, screen(size, draw_screen(canvas, PRINT, 2.3, 7), 1 - grey)))
