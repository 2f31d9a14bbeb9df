"""Videos with transparency: VP9 keeps it in WebM and Matroska; where it is lost, a sentence says so."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sample_nodes import MADE, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from sample_videos import look
from senga.headless.cli import INTERRUPTED, OK, main
from senga.headless.commands import upscale_work
from senga.headless.files import video, video_parts

pytestmark = pytest.mark.usefixtures("own_folder")

LEVELS = (0, 60, 130, 200, 255, 90, 10)  # alpha of each frame's left half; the right one is opaque
MILLISECOND = Fraction(1, 1000)


def draw(path: Path, *, marked: bool = True) -> Path:
    with av.open(str(path), "w", format={".webm": "webm", ".mkv": "matroska"}[path.suffix]) as out:
        stream: Any = out.add_stream("libvpx-vp9", rate=25, options={"crf": "1"})
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = 48, 32, "yuva420p"
        context.time_base = MILLISECOND
        if marked:
            stream.metadata["alpha_mode"] = "1"
        for number, level in enumerate(LEVELS):
            frame = av.VideoFrame(48, 32, "yuva420p")
            values = (80 + 10 * number, 128, 128, 255)
            for plane, value, left in zip(frame.planes, values, (*values[:3], level), strict=True):
                rows = np.full((plane.height, plane.line_size), value, np.uint8)
                rows[:, : plane.width // 2] = left
                plane.update(rows.tobytes())
            frame.pts, frame.time_base = 40 * number, MILLISECOND
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def alphas(path: Path) -> list[NDArray[np.uint8]]:
    """The alpha of each frame, (H, W), by the decoder that reads it; none where there is none."""
    with av.open(str(path)) as file:
        stream: Any = file.streams.video[0]
        decoder: Any = av.CodecContext.create("libvpx-vp9", "r")
        frames = [one for packet in file.demux(stream) for one in decoder.decode(packet if packet.size else None)]
    return [plane_of(frame) for frame in frames if len(frame.planes) == 4]


def plane_of(frame: Any) -> NDArray[np.uint8]:
    plane = frame.planes[3]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In place of the network: every pixel four times. The channels of each frame it gets."""
    seen: list[int] = []

    def enlarge(node_class: type, image: torch.Tensor, **inputs: Any) -> tuple[Any]:
        seen.append(image.shape[-1])
        return (image.repeat_interleave(2, 1).repeat_interleave(2, 2),)

    monkeypatch.setattr(upscale_work, "call_node", enlarge)
    return seen


def upscale(source: str, target: str, *options: str) -> int:
    return main(["upscale", source, "-o", target, "--model", f"models/{MADE}", *options])


def assert_kept(path: Path) -> None:
    found = alphas(path)
    assert [plane.shape for plane in found] == [(64, 96)] * len(LEVELS)
    for plane, level in zip(found, LEVELS, strict=True):
        assert abs(int(plane[20, 10]) - level) <= 4
        assert plane[20, 90] >= 251


@pytest.mark.parametrize(
    ("source", "target"), [("in.webm", "out.webm"), ("in.mkv", "out.webm"), ("in.webm", "out.mkv")]
)
def test_transparency_is_kept_frame_by_frame(
    source: str, target: str, network: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    draw(Path(source))
    assert upscale(source, target, "--codec", "vp9") == OK
    assert set(network) == {4}
    assert_kept(Path(target))
    assert look(Path(target)).seconds == pytest.approx([0.04 * number for number in range(len(LEVELS))], abs=0.0006)
    with av.open(target) as file:
        assert {key.lower(): value for key, value in file.streams.video[0].metadata.items()}["alpha_mode"] == "1"
    assert "transparency" not in capsys.readouterr().err


def test_a_killed_run_goes_on_with_its_transparency(network: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_parts, "FRAMES", 2)
    draw(Path("in.webm"))
    enlarge = upscale_work.call_node

    def failing(*args: Any, **inputs: Any) -> tuple[Any]:
        if len(network) == 5:
            raise KeyboardInterrupt
        return enlarge(*args, **inputs)

    monkeypatch.setattr(upscale_work, "call_node", failing)
    assert upscale("in.webm", "out.webm") == INTERRUPTED
    assert not Path("out.webm").exists()
    monkeypatch.setattr(upscale_work, "call_node", enlarge)
    assert upscale("in.webm", "out.webm") == OK
    assert len(network) < 5 + len(LEVELS)
    assert_kept(Path("out.webm"))


@pytest.mark.parametrize(("target", "codec"), [("out.mp4", "h264"), ("out.webm", "av1"), ("out.mp4", "vp9")])
def test_where_transparency_is_lost_one_sentence_says_so(
    target: str, codec: str, network: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    draw(Path("in.webm"))
    assert upscale("in.webm", target, "--codec", codec) == OK
    assert set(network) == {3}
    said = f"{target}: {codec} has no transparency here; the video's is left out: vp9 in webm or mkv keeps it"
    assert capsys.readouterr().err.count(said) == 1
    assert alphas(Path(target)) == [] if codec == "vp9" else True


def test_without_a_decoder_for_it_a_sentence_says_so(
    network: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(video.CLEAR_DECODERS, "vp9", "no_such_decoder")
    draw(Path("in.webm"))
    assert upscale("in.webm", "out.webm") == OK
    assert set(network) == {3}
    assert "in.webm: its transparency cannot be read by this build of FFmpeg" in capsys.readouterr().err
