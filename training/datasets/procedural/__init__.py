"""Drawn pictures for training: what photographs of real drawings have too little of, as a pure function of numbers.

    draw("screentone", seed=1, index=7, size=256) -> (256, 256, 3) uint8

KINDS has a row a kind, with its share among them, whether a picture may be shrunk before it is used, and the filters
that its LR picture may be made with. `validation_patterns` is a fixed list of other pictures. `list_fonts` names the
fonts that text is drawn with, and their licences.
"""

from .canvas import Picture
from .fonts import FontFile, list_fonts
from .kinds import KINDS, Kind, draw, kind_names, kind_of
from .validation import validation_patterns

__all__ = ["KINDS", "FontFile", "Kind", "Picture", "draw", "kind_names", "kind_of", "list_fonts", "validation_patterns"]
