"""The workflow that ComfyUI writes into its pictures: PNG texts, or EXIF texts of WebP and other files."""

from pathlib import Path

from ...arch.files.reading import PICTURE_ENDINGS
from ...training.run.pictures import open_picture
from ..errors import UsageError, one_line

KEYS = ("prompt", "workflow")  # the API's format, as it ran, and the editor's


def may_embed(path: Path) -> bool:
    """Whether a file is a picture, by its name."""
    return path.suffix.lower() in PICTURE_ENDINGS


def embedded(path: Path) -> dict[str, str]:
    """The JSON texts of a picture under "prompt" and "workflow". Raises UsageError where it has neither."""
    try:
        with open_picture(path) as picture:
            texts = [(key, picture.info.get(key)) for key in KEYS]
            # SaveAnimatedWEBP and other nodes: EXIF entries such as "prompt:{...}".
            parts = [value.partition(":") for value in picture.getexif().values() if isinstance(value, str)]
    except Exception as error:  # Pillow's readers raise whatever their parsing runs into
        raise UsageError(f"{path}: the picture cannot be read ({one_line(error)}); give a workflow's .json") from error
    found = {key: text for key, _, text in parts if key in KEYS}
    found |= {key: text for key, text in texts if isinstance(text, str)}
    if not found:
        raise UsageError(
            f"{path}: holds no workflow of ComfyUI; give a picture that ComfyUI saved with its workflow (of up to"
            " 1 MB), or the workflow's .json"
        )
    return found
