"""Words that mean nothing, in several scripts: what text looks like without anybody's text."""

from collections.abc import Callable
from functools import cache

import numpy as np

from .canvas import choose

__all__ = ["NARROW", "SCRIPTS", "line_of", "word"]


@cache
def _plane(encoding: str, first: int, last: int) -> str:
    """The characters of the rows `first` to `last` of a two-byte character set, by its encoding."""
    pairs = (bytes((row, column)) for row in range(first, last + 1) for column in range(0xA1, 0xFF))
    return "".join(pair.decode(encoding, "ignore") for pair in pairs)


def _some(rng: np.random.Generator, characters: str, count: int) -> str:
    return "".join(characters[k] for k in rng.integers(len(characters), size=count))


def _syllables(rng: np.random.Generator, starts: str, vowels: str, ends: str) -> str:
    parts = []
    for _ in range(int(rng.integers(1, 4))):
        parts.append(_some(rng, starts, 1) + _some(rng, vowels, 1))
        if rng.random() < 0.4:
            parts.append(_some(rng, ends, 1))
    return "".join(parts)


def _latin(rng: np.random.Generator) -> str:
    form = choose(rng, {"word": 8, "number": 1, "code": 0.7})
    if form == "number":
        return str(rng.integers(10 ** int(rng.integers(1, 5)))) + _some(rng, "  %.:-", 1).strip()
    if form == "code":
        return (
            _some(rng, "abcdefxyz_", 3)
            + _some(rng, "([{<=+*/&|", 1)
            + _some(rng, "0123456789ijk", 2)
            + _some(rng, ")]};,", 1)
        )
    found = _syllables(rng, "bcdfghjklmnprstvwyz", "aeiouaeiouy", "nrstlmkx")
    return found.capitalize() if rng.random() < 0.2 else found


def _accented(rng: np.random.Generator) -> str:
    return _syllables(rng, "bcçdfghjlmnñprstvz", "aeiouáàâäéèêëíïóôöúüåø", "nrstlß")


def _greek(rng: np.random.Generator) -> str:
    return _syllables(rng, "βγδζθκλμνξπρστφχψ", "αεηιουωάέί", "ςνρξ")


def _cyrillic(rng: np.random.Generator) -> str:
    return _syllables(rng, "бвгджзклмнпрстфхцчшщ", "аеиоуыэюяё", "йнрстльк")


def _japanese(rng: np.random.Generator) -> str:
    """Kanji with kana after them, or katakana; the kanji are the 2,965 common ones of JIS X 0208."""
    hiragana, katakana, kanji = _plane("euc_jp", 0xA4, 0xA4), _plane("euc_jp", 0xA5, 0xA5), _plane("euc_jp", 0xB0, 0xCF)
    form = choose(rng, {"mixed": 6, "hiragana": 3, "katakana": 2})
    if form == "katakana":
        return _some(rng, katakana, int(rng.integers(2, 6)))
    kana = _some(rng, hiragana, int(rng.integers(1, 4)))
    return (_some(rng, kanji, int(rng.integers(1, 3))) if form == "mixed" else "") + kana


def _korean(rng: np.random.Generator) -> str:
    return _some(rng, _plane("euc_kr", 0xB0, 0xC8), int(rng.integers(1, 5)))


def _chinese(rng: np.random.Generator) -> str:
    return _some(rng, _plane("gb2312", 0xB0, 0xD6), int(rng.integers(1, 4)))


NARROW = ("latin", "accented", "greek", "cyrillic")  # about half as wide as high
SCRIPTS: dict[str, Callable[[np.random.Generator], str]] = {
    "latin": _latin,
    "accented": _accented,
    "greek": _greek,
    "cyrillic": _cyrillic,
    "japanese": _japanese,
    "korean": _korean,
    "chinese": _chinese,
}
SPACED = (*NARROW, "korean")


def word(rng: np.random.Generator, script: str) -> str:
    """One word of a script."""
    return SCRIPTS[script](rng)


def line_of(rng: np.random.Generator, script: str, length: int) -> str:
    """About `length` characters: words with spaces and marks as the script has them."""
    shout = rng.random() < 0.15
    parts: list[str] = []
    while sum(map(len, parts)) < length:
        parts.append(word(rng, script))
        if script in SPACED:
            parts.append(choose(rng, {" ": 8, ", ": 1, ". ": 1, "! ": 0.4, "? ": 0.3, " - ": 0.2}))
        else:
            parts.append(choose(rng, {"": 5, "、": 1, "。": 1, "!": 0.3, "?": 0.3}))
    text = "".join(parts)[:length].strip()
    return text.upper() if shout else text
