"""What is known of spandrel's networks without importing it: licences, and the keys that tell what a file holds."""

from collections.abc import Container

PREFIX = "spandrel/"  # of an architecture's name in the header of a file that spandrel runs

# Of the code of each network, from the LICENSE files in spandrel's repository (its wheels do not carry them). A file of
# weights has a licence of its own, which no format records.
CODE_LICENCES = {
    "ATD": "Apache-2.0",
    "AuraSR": "CC-BY-SA-4.0",
    "CRAFT": "Apache-2.0",
    "Compact": "BSD-3-Clause",
    "DAT": "Apache-2.0",
    "DCTLSA": "Apache-2.0",
    "DITN": "Apache-2.0",
    "DRCT": "MIT",
    "DRUNet": "MIT",
    "DnCNN": "MIT",
    "ESRGAN": "Apache-2.0",
    "FBCNN": "Apache-2.0",
    "FDAT": "MIT",
    "FFTformer": "MIT",
    "GFPGAN": "Apache-2.0",
    "GRL": "MIT",
    "HAT": "MIT",
    "HVICIDNet": "MIT",
    "IPT": "Apache-2.0",
    "KBNet": "MIT",
    "LaMa": "Apache-2.0",
    "MMRealSR": "BSD-3-Clause",
    "MixDehazeNet": "MIT",
    "MoESR": "MIT",
    "MoSR": "MIT",
    "NAFNet": "MIT",
    "OmniSR": "Apache-2.0",
    "PLKSR": "MIT",
    "RCAN": "MIT",
    "RGT": "Apache-2.0",
    "RealCUGAN": "MIT",
    "RestoreFormer": "Apache-2.0",
    "RetinexFormer": "MIT",
    "SAFMN": "Apache-2.0",
    "SAFMNBCIE": "Apache-2.0",
    "SCUNet": "Apache-2.0",
    "SPAN": "Apache-2.0",
    "SeemoRe": "Apache-2.0",
    "SwiftSRGAN": "CC0-1.0",
    "Swin2SR": "Apache-2.0",
    "SwinIR": "Apache-2.0",
    "Uformer": "MIT",
}

# architecture, keys that it has and no row above it; in this order
MARKERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ESRGAN+", ("model.1.sub.0.RDB1.conv1x1.weight",)),
    ("SPAN", ("block_1.c1_r.sk.weight",)),
    ("SRFormer", ("layers.0.residual_group.blocks.0.attn.aligned_relative_position_index",)),
    ("HAT", ("layers.0.residual_group.overlap_attn.qkv.weight",)),
    ("Swin2SR", ("layers.0.residual_group.blocks.0.attn.logit_scale",)),
    ("SwinIR", ("layers.0.residual_group.blocks.0.attn.relative_position_bias_table",)),
    ("GRL", ("layers.0.blocks.0.attn.window_attn.attn_transform.logit_scale",)),
    ("DAT", ("layers.0.blocks.0.attn.dwconv.0.weight", "layers.0.blocks.0.ffn.sg.norm.weight")),
    ("OmniSR", ("residual_layer.0.residual_layer.0.layer.0.fn.0.weight",)),
    ("PLKSR", ("feats.0.weight", "feats.1.refine.weight")),
    ("RealCUGAN", ("unet1.conv2.seblock.conv1.weight",)),
    ("SCUNet", ("m_head.0.weight", "m_down1.0.trans_block.ln1.weight")),
    ("waifu2x SwinUNet", ("unet.swin1.block.0.attn.qkv.weight",)),
    ("waifu2x CUNet", ("unet1.conv1.conv.0.weight", "unet2.conv1.conv.0.weight")),
)


def name_by_keys(keys: Container[str]) -> str:
    """The network whose keys these are, "" for none of the table."""
    return next((name for name, markers in MARKERS if all(marker in keys for marker in markers)), "")


def code_licence(architecture: str) -> str:
    """Of a header's architecture: the licence of the borrowed code that runs it; "" for a network of Senga's."""
    return CODE_LICENCES.get(architecture.removeprefix(PREFIX), "unknown") if architecture.startswith(PREFIX) else ""
