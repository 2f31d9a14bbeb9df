"""Soft light: cel shading with soft shadow edges, airbrush, gradients, glow, and what is out of focus.

Nothing here has steps of whole levels in a slow gradient: `to_levels` rounds up or down by chance.
"""

import numpy as np
from PIL import Image, ImageFilter

from .canvas import (
    Canvas,
    Field,
    Light,
    Picture,
    blob,
    choose,
    coordinates,
    fill,
    fractal,
    log_uniform,
    mix,
    noise,
    ramp,
    to_levels,
)
from .colours import BLACK, WHITE, draw_colour, hsv, palette
from .scenes import INK, cover, draw_areas, draw_scene, painted

__all__ = ["focus", "shading"]


def shading(canvas: Canvas) -> Picture:
    """A drawing with soft shadows and airbrushed colour, gradients with or without lines over them, or a sky."""
    form = choose(canvas.rng, {"cel": 6, "gradients": 3, "sky": 1})
    return to_levels({"cel": _cel, "gradients": _gradients, "sky": _sky}[form](canvas), canvas.rng)


def _light(picture: Picture) -> Light:
    return picture.astype(np.float32) / np.float32(255)


def _cel(canvas: Canvas) -> Light:
    """Flat colours, then in each of a few areas a shadow with an edge from sharp to very soft, and a bloom of light."""
    rng, size = canvas.rng, canvas.size
    areas = draw_areas(size, draw_scene(canvas))
    colours = palette(rng, areas.roles, ink=0.5)
    coloured_lines = rng.random() < 0.4
    light = _light(painted(areas, colours))
    ink = cover(areas, {INK})
    bases = sorted({role for role in areas.roles if role not in (INK, "eye", "glint", "pupil")})
    for _ in range(int(rng.integers(1, 4))):
        group = {role for role in bases if rng.random() < 0.5} or {bases[0]}
        part = cover(areas, group)
        tint = hsv(rng.uniform(0.5, 1.05), rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.85))
        shade = _soft_edge(canvas) * part
        if rng.random() < 0.65:
            light = light * (1 - (1 - tint) * shade[..., None])
        else:
            glow = hsv(rng.uniform(0, 0.2), rng.uniform(0, 0.4), 1)
            light = 1 - (1 - light) * (1 - glow * np.float32(rng.uniform(0.2, 0.8)) * shade[..., None])
    if coloured_lines:  # lines a deep shade of what is around them
        light = mix(light, light * np.float32(0.4), ink)
    return light


def _soft_edge(canvas: Canvas) -> Field:
    """A shape in [0, 1] whose border is 1 HR pixel to a third of the canvas wide."""
    rng, size = canvas.rng, canvas.size
    width = log_uniform(rng, 1, size / 3)
    form = choose(rng, {"clouds": 3, "plane": 2, "disc": 2, "spray": 1})
    if form == "clouds":
        pitch = size * rng.uniform(0.15, 0.7)
        return np.clip(noise(rng, size, pitch) * np.float32(pitch / width / 2) + np.float32(rng.uniform(0, 1)), 0, 1)
    if form == "spray":
        return np.clip(ramp(rng, size) * np.float32(1.5) - np.float32(0.25), 0, 1) ** 2
    x, y = coordinates(size, rng.uniform(0, 2 * np.pi))
    x, y = x - x.mean() + np.float32(rng.normal(0, size * 0.2)), y - y.mean() + np.float32(rng.normal(0, size * 0.2))
    if form == "disc":
        x = np.sqrt(x * x + y * y * np.float32(rng.uniform(0.4, 1))) - np.float32(size * rng.uniform(0.1, 0.5))
    else:
        x = x + np.float32(size * rng.uniform(0, 0.08)) * np.sin(y * np.float32(rng.uniform(2, 9) / size))
    edge = np.clip(x / np.float32(width) + np.float32(0.5), 0, 1)
    return edge * edge * (3 - 2 * edge)


def _gradients(canvas: Canvas) -> Light:
    """Two to four colours that pass into one another; perhaps lines, sparkles or shapes with hard edges over them."""
    rng, size = canvas.rng, canvas.size
    first = draw_colour(rng)
    near = rng.random() < 0.5
    light = np.broadcast_to(first, (size, size, 3))
    for _ in range(int(rng.integers(1, 4))):
        other = np.clip(first + rng.normal(0, 0.15, 3), 0, 1).astype(np.float32) if near else draw_colour(rng)
        light = mix(np.ascontiguousarray(light), other, ramp(rng, size) * np.float32(rng.uniform(0.5, 1)))
    form = choose(rng, {"lines": 4, "shapes": 3, "nothing": 1.5})
    if form == "lines":
        line = BLACK if rng.random() < 0.5 else draw_colour(rng)
        while np.abs(line - first).max() < 0.25:
            line = draw_colour(rng)
        areas = draw_areas(size, draw_scene(canvas))
        return mix(light, line, cover(areas, {INK}) * np.float32(rng.uniform(0.4, 1)))
    for _ in range(int(rng.integers(1, 6)) if form == "shapes" else 0):
        outline = blob(rng, rng.uniform(0, 1, 2) * size, size * log_uniform(rng, 0.03, 0.4), rng.uniform(0, 0.5))
        inner = mix(draw_colour(rng), draw_colour(rng), ramp(rng, size))
        light = mix(light, inner, fill(size, [outline]) * np.float32(rng.uniform(0.3, 1)))
    return light


def _sky(canvas: Canvas) -> Light:
    """Clouds with edges from soft to crisp on a gradient."""
    rng, size = canvas.rng, canvas.size
    hue = rng.uniform(0.5, 0.65) if rng.random() < 0.6 else rng.random()
    top, low = hsv(hue, rng.uniform(0.3, 0.8), rng.uniform(0.4, 0.9)), hsv(hue + 0.05, rng.uniform(0, 0.4), 1)
    _, y = coordinates(size)
    light = mix(top, low, y / np.float32(size))
    for _ in range(int(rng.integers(1, 3))):
        heap = fractal(rng, size, size * rng.uniform(0.2, 0.6), 5, rng.uniform(0.4, 0.6))
        share = np.clip(heap * np.float32(log_uniform(rng, 0.6, 8)) + np.float32(rng.uniform(-0.5, 1)), 0, 1)
        lit = mix(
            hsv(hue, rng.uniform(0.05, 0.3), rng.uniform(0.6, 0.9)),
            WHITE,
            np.clip(heap * np.float32(0.5) + np.float32(0.3), 0, 1),
        )
        light = mix(light, lit, share * np.float32(rng.uniform(0.6, 1)))
    return light


# --- depth of field ---


def focus(canvas: Canvas) -> Picture:
    """Something sharp in front of or behind what is out of focus; discs of light; glow; a blur over all of it."""
    rng, size = canvas.rng, canvas.size
    form = choose(rng, {"behind": 4, "front": 2, "bokeh": 3, "glow": 2, "whole": 2})
    if form == "bokeh":
        return to_levels(_bokeh(canvas), rng)
    picture = Image.fromarray(_drawing(canvas))
    if form == "whole":
        return np.asarray(picture.filter(ImageFilter.GaussianBlur(log_uniform(rng, 0.4, 3) * canvas.scale)))
    if form == "glow":
        soft = picture.filter(ImageFilter.GaussianBlur(log_uniform(rng, 1.5, 8) * canvas.scale))
        share = np.float32(rng.uniform(0.3, 0.9))
        return to_levels(1 - (1 - _light(np.asarray(picture))) * (1 - _light(np.asarray(soft)) * share), rng)
    blurred = picture.filter(ImageFilter.GaussianBlur(log_uniform(rng, 0.8, 8) * canvas.scale))
    layers = draw_scene(canvas, {"figure": 3, "things": 2})
    areas = draw_areas(size, layers)
    sharp = painted(areas, palette(rng, areas.roles))
    share = cover(areas, set(areas.roles) - {"ground"})
    if form == "behind":
        return to_levels(mix(_light(np.asarray(blurred)), _light(sharp), share))
    radius = log_uniform(rng, 0.8, 6) * canvas.scale
    near = Image.fromarray(np.dstack((sharp, (share * 255).astype(np.uint8)))).convert("RGBa")
    both = np.asarray(near.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32) / np.float32(255)
    return to_levels(_light(np.asarray(picture)) * (1 - both[..., 3:]) + both[..., :3])


def _drawing(canvas: Canvas) -> Picture:
    rng = canvas.rng
    areas = draw_areas(canvas.size, draw_scene(canvas, {"figure": 2, "things": 3, "street": 3}))
    flat = _light(painted(areas, palette(rng, areas.roles)))
    tint = np.float32(0.6) + np.float32(0.4) * ramp(rng, canvas.size)
    return to_levels(flat * tint[..., None])


def _bokeh(canvas: Canvas) -> Light:
    """Discs of light, brighter at the rim or not, over a blurred ground; some sharp sparks."""
    rng, size = canvas.rng, canvas.size
    light = mix(draw_colour(rng) * np.float32(0.6), draw_colour(rng) * np.float32(0.4), ramp(rng, size))
    x, y = coordinates(size)
    hue, rim, corners = rng.random(), rng.uniform(0, 0.5), rng.random() < 0.3
    for _ in range(int(rng.integers(6, 25))):
        radius = size * log_uniform(rng, 0.015, 0.16)
        cx, cy = rng.uniform(-0.05, 1.05, 2) * size
        rows = slice(max(int(cy - radius - 4), 0), max(int(cy + radius + 4), 1))
        columns = slice(max(int(cx - radius - 4), 0), max(int(cx + radius + 4), 1))
        u, v = x[rows, columns] - np.float32(cx), y[rows, columns] - np.float32(cy)
        if corners:
            away = np.maximum(np.abs(u) * np.float32(0.866) + np.abs(v) * np.float32(0.5), np.abs(v))
        else:
            away = np.sqrt(u * u + v * v)
        soft = np.float32(log_uniform(rng, 1, max(radius, 1.5)))
        disc = np.clip((np.float32(radius) - away) / soft + np.float32(0.5), 0, 1)
        disc = disc * (1 - np.float32(rim) + np.float32(rim) * np.square(np.minimum(away / np.float32(radius), 1)))
        colour = hsv(hue + rng.normal(0, 0.08), rng.uniform(0.1, 0.8), 1) * np.float32(rng.uniform(0.15, 0.8))
        light[rows, columns] = 1 - (1 - light[rows, columns]) * (1 - colour * disc[..., None])
    if rng.random() < 0.4:
        areas = draw_areas(size, draw_scene(canvas, {"figure": 1}))
        light = mix(
            light, _light(painted(areas, palette(rng, areas.roles))), cover(areas, set(areas.roles) - {"ground"})
        )
    return light
