"""Stand-ins for the parts of ComfyUI that nodes/host.py calls."""

import torch


class Books:
    """ComfyUI's memory management, as far as `host` calls it. Its device is "meta", where weights can be moved."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.interrupted = False

    def get_torch_device(self):
        return torch.device("meta")

    def unet_offload_device(self):
        return torch.device("cpu")

    def load_models_gpu(self, models, memory_required, force_full_load):
        self.calls.append(("load", models, memory_required, force_full_load))

    def free_memory(self, memory, device):
        self.calls.append(("free", memory, device))

    def throw_exception_if_processing_interrupted(self):
        if self.interrupted:
            raise InterruptedError("the user cancelled")


class Patching:
    class ModelPatcher:
        def __init__(self, net, load_device, offload_device):
            self.net, self.load_device, self.offload_device = net, load_device, offload_device


class Bars:
    """comfy.utils, as far as `host` calls it; keeps what its progress bars were given."""

    def __init__(self) -> None:
        self.given: list[tuple] = []

    def ProgressBar(self, total):
        return self

    def update_absolute(self, value, total=None, preview=None):
        self.given.append((value, total, preview))


class Speaker:
    """PromptServer.instance, as far as `host` calls it; keeps the texts."""

    client_id: str | None = "browser"

    def __init__(self) -> None:
        self.said: list[tuple] = []

    def send_progress_text(self, text, node_id, sid=None):
        self.said.append((text, node_id, sid))
