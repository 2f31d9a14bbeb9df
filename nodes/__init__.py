"""The nodes for ComfyUI.

Ids, names of inputs and outputs and their order are public: saved workflows refer to them.
"""

from . import degrade_image, host, model_info
from .compare_images import SengaCompareImages
from .degrade_image import SengaDegradeImage, SengaRecipeStep
from .load_images import SengaLoadImages
from .load_model import SengaLoadTagger, SengaLoadUpscaleModel
from .model_info import SengaModelInfo
from .save_tags import SengaSaveTags
from .tag_image import SengaTagImage
from .upscale import SengaUpscale

NODE_CLASS_MAPPINGS: dict[str, type] = {
    "SengaLoadUpscaleModel": SengaLoadUpscaleModel,
    "SengaUpscale": SengaUpscale,
    "SengaDegradeImage": SengaDegradeImage,
    "SengaRecipeStep": SengaRecipeStep,
    "SengaLoadTagger": SengaLoadTagger,
    "SengaTagImage": SengaTagImage,
    "SengaSaveTags": SengaSaveTags,
    "SengaModelInfo": SengaModelInfo,
    "SengaCompareImages": SengaCompareImages,
    "SengaLoadImages": SengaLoadImages,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "SengaLoadUpscaleModel": "Load Upscale Model (Senga)",
    "SengaUpscale": "Upscale Anime Image (ESRGAN, waifu2x, Senga)",
    "SengaDegradeImage": "Degrade Image (Senga, JPEG)",
    "SengaRecipeStep": "Degradation Recipe Step (Senga)",
    "SengaLoadTagger": "Load Tagger (Senga, WD14)",
    "SengaTagImage": "Tag Image (Senga, danbooru)",
    "SengaSaveTags": "Save Image with Tags (Senga, captions)",
    "SengaModelInfo": "Model Info (Senga)",
    "SengaCompareImages": "Compare Images (Senga)",
    "SengaLoadImages": "Load Images from a Folder (Senga)",
}

host.serve(model_info.ROUTE, model_info.describe)
host.serve(degrade_image.STEPS_ROUTE, degrade_image.step_examples)
