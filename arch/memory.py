"""How much memory a device has free, and the tile size that fits into it."""

import math
from pathlib import Path

import torch

from .tiling import MIN_TILE

# Larger cores save little: at a halo of 56, cores of 384 do 1.7 times the work and cores of 512 still 1.5 times.
LARGEST_TILE = {"cpu": 384}
LARGEST_TILE_ELSEWHERE = 1024
SHARE = 0.5  # of the free memory; the rest is for the libraries' own workspaces
BYTES_PER_FLOAT = 4
BUDGET = 400 * 2**20  # bytes of activations of a prepared network: larger tiles would hardly be faster
REUSED = 32 * 2**20  # bytes up to which the C library hands out memory that is already mapped; fresh pages take time
STRIP = 64 * 2**20  # bytes of a row of tiles that is resized or goes through the network again
UNKNOWN_FREE = 2 * 2**30  # bytes assumed where the system does not report them


def free_memory(device: torch.device) -> int:
    """Bytes that new tensors on the device can take without evicting anything."""
    if device.type == "cuda":
        # What torch has reserved but does not use is free as well.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type == "cpu":
        table = Path("/proc/meminfo")
        if table.is_file():
            for line in table.read_text(encoding="ascii", errors="replace").splitlines():
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    return UNKNOWN_FREE


def tile_that_fits(free: int, floats_per_pixel: int, halo: int, device: torch.device, largest: int = 0) -> int:
    """Side of the largest core whose window (core and halo) fits into a share of the free memory.

    Args:
        free: bytes.
        floats_per_pixel: activations alive at the peak, per input pixel of the window.
        halo: input pixels around the core on each side.
        largest: side that is of use; 0 is 384 on a CPU, 1024 elsewhere.

    Returns:
        16 to `largest`.
    """
    window = math.isqrt(int(free * SHARE / (floats_per_pixel * BYTES_PER_FLOAT)))
    largest = largest or LARGEST_TILE.get(device.type, LARGEST_TILE_ELSEWHERE)
    return max(MIN_TILE, min(window - 2 * halo, largest))
