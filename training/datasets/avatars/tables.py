"""The drawing styles of the tagger's training set."""

from .styles import Style
from .tables_bust import MICAH, NOTIONISTS, OPEN_PEEPS
from .tables_flat import BIG_SMILE, MINIAVS, PERSONAS, TOON_HEAD
from .tables_ink import ADVENTURER, CROODLES, LORELEI
from .tables_plain import BIG_EARS, DYLAN, PIXEL_ART

# By the names of the package @dicebear/collection. avataaars and bottts are left out: their licences are not open.
STYLES: dict[str, Style] = {
    "adventurer": ADVENTURER,
    "lorelei": LORELEI,
    "bigSmile": BIG_SMILE,
    "toonHead": TOON_HEAD,
    "openPeeps": OPEN_PEEPS,
    "notionists": NOTIONISTS,
    "croodles": CROODLES,
    "miniavs": MINIAVS,
    "dylan": DYLAN,
    "bigEars": BIG_EARS,
    "pixelArt": PIXEL_ART,
    "micah": MICAH,
    "personas": PERSONAS,
}
UNSEEN = ("micah", "personas")  # never trained on: they tell what is learnt from what is known by heart
