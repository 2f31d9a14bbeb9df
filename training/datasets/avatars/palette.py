"""Colours that go with their names: ranges in which a colour has one name only."""

import colorsys
import random

# hue in degrees, saturation and value in 0..1, each as (lowest, highest). A tag may have several ranges.
Range = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

HAIR: dict[str, tuple[Range, ...]] = {
    "black": (((0, 360), (0.0, 0.25), (0.05, 0.14)),),
    "brown": (((16, 30), (0.5, 0.75), (0.28, 0.5)),),
    "blonde": (((42, 52), (0.35, 0.75), (0.88, 1.0)),),
    "red": (((352, 366), (0.7, 0.92), (0.6, 0.85)),),
    "orange": (((20, 32), (0.75, 0.95), (0.9, 1.0)),),
    "pink": (((325, 350), (0.28, 0.55), (0.92, 1.0)),),
    "purple": (((268, 290), (0.4, 0.7), (0.45, 0.8)),),
    "blue": (((210, 232), (0.5, 0.85), (0.55, 0.95)),),
    "aqua": (((172, 188), (0.4, 0.7), (0.72, 0.92)),),
    "green": (((95, 145), (0.4, 0.75), (0.45, 0.8)),),
    "grey": (((200, 240), (0.0, 0.06), (0.48, 0.66)),),
    "white": (((200, 240), (0.0, 0.03), (0.95, 1.0)),),
}
SHIRT: dict[str, tuple[Range, ...]] = {
    **{name: HAIR[name] for name in ("black", "red", "orange", "pink", "purple", "blue", "aqua", "green")},
    "white": (((200, 240), (0.0, 0.03), (0.95, 1.0)),),
    "grey": (((200, 240), (0.0, 0.05), (0.48, 0.7)),),
    "yellow": (((48, 56), (0.6, 0.9), (0.93, 1.0)),),
}
GROUND: dict[str, tuple[Range, ...]] = {
    "white": (((0, 360), (0.0, 0.01), (0.985, 1.0)),),
    "grey": (((200, 240), (0.0, 0.05), (0.55, 0.8)),),
    "black": (((0, 360), (0.0, 0.2), (0.0, 0.1)),),
    "red": (((354, 366), (0.6, 0.9), (0.6, 0.9)),),
    "orange": (((24, 34), (0.5, 0.9), (0.93, 1.0)),),
    "yellow": (((48, 56), (0.4, 0.85), (0.95, 1.0)),),
    "green": (((95, 145), (0.25, 0.7), (0.55, 0.9)),),
    "aqua": (((172, 188), (0.25, 0.7), (0.8, 0.95)),),
    "blue": (((206, 232), (0.3, 0.8), (0.6, 1.0)),),
    "purple": (((266, 290), (0.25, 0.65), (0.55, 0.92)),),
    "pink": (((325, 350), (0.16, 0.5), (0.95, 1.0)),),
    "brown": (((18, 28), (0.45, 0.65), (0.35, 0.52)),),
}
SKIN: dict[str, tuple[Range, ...]] = {
    "": (((20, 32), (0.16, 0.34), (0.93, 0.98)), ((24, 32), (0.36, 0.48), (0.84, 0.92))),
    "dark_skin": (((18, 28), (0.5, 0.66), (0.36, 0.55)),),
    "blue_skin": (((205, 225), (0.3, 0.5), (0.8, 0.95)),),
    "green_skin": (((95, 135), (0.3, 0.5), (0.65, 0.85)),),
    "purple_skin": (((266, 285), (0.25, 0.45), (0.7, 0.85)),),
}
SKIN_WEIGHTS = {"": 72, "dark_skin": 20, "blue_skin": 3, "green_skin": 3, "purple_skin": 3}


def colour(ranges: tuple[Range, ...], draw: random.Random) -> str:
    """One colour out of the ranges, as six hexadecimal digits."""
    hue, saturation, value = (draw.uniform(*limits) for limits in draw.choice(ranges))
    return "".join(f"{round(255 * part):02x}" for part in colorsys.hsv_to_rgb(hue / 360 % 1.0, saturation, value))


def rgb(digits: str) -> tuple[int, int, int]:
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
