"""Time per output megapixel in a browser: the page's default network, and WaifuXL's way, which is RRDB-6B x4.

python -m benchmarks.page --threads 1

WaifuXL runs RRDB-6B x4 by onnxruntime-web, in tiles of 1024 pixels with 32 pixels around them, and smaller pictures in
one piece. Both run here in the page's own worker, by the same build of onnxruntime-web in the same Chromium with the
same number of threads, one after the other; the least of the runs of each counts. Needs Chromium, playwright and
`npm ci` in page/.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from senga.arch import SengaError
from senga.headless.site.folder import PAGE, build
from senga.headless.site.runtime import find_runtime
from senga.headless.site.serving import address, server

from .command import exit_code

ROOT = Path(__file__).resolve().parent.parent
OURS, THEIRS = "senga_compact_x2", "senga_rrdb_6b_x4"
THEIR_TILE, THEIR_HALO = 1024, 32
CHROMIUM = "/usr/bin/chromium"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

# A picture without flat parts, which the page would not compute, and one call of the worker.
SCRIPT = """async ({ threads, name, side, scale, tile, halo }) => {
  const base = new URL("./", location.href);
  const { Client } = await import(new URL("ui/client.js", base).href);
  const manifest = await (await fetch("manifest.json")).json();
  const entry = manifest.upscalers.find((one) => one.name === name);
  if (halo !== null) entry.speeds[0].halo = halo;
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext("2d");
  const picture = context.createImageData(side, side);
  for (let i = 0; i < picture.data.length; i++) picture.data[i] = i % 4 === 3 ? 255 : (i * 2654435761) >>> 24;
  context.putImageData(picture, 0, 0);
  const file = await canvas.convertToBlob({ type: "image/png" });
  const client = new Client(base, { manifest, options: { kind: "wasm", threads } });
  await client.call("measure", { choice: { name, units: 0 } }).done;
  const task = { file, choice: { name, units: 0 }, size: { scale }, tile };
  const { took, width, height, threads: used } = await client.call("upscale", task).done;
  client.close();
  return { seconds: took / ((width * height) / 1e6), threads: used };
}"""


def ways(side: int) -> list[tuple[str, dict[str, Any]]]:
    """What is measured: a row of the table, and the arguments of SCRIPT."""
    whole = side <= THEIR_TILE
    theirs = {"name": THEIRS, "side": side, "scale": 4, "tile": THEIR_TILE, "halo": 0 if whole else THEIR_HALO}
    ours = {"name": OURS, "tile": None, "halo": None}
    return [
        ("WaifuXL's way: RRDB-6B, x4", theirs),
        ("the page: compact, x2", ours | {"side": 2 * side, "scale": 2}),
        ("the page: compact, x4 in two passes", ours | {"side": side, "scale": 4}),
    ]


def table(found: dict[str, list[float]], threads: int) -> str:
    """Seconds per output megapixel, the least of the runs, and how many times the first row's speed that is."""
    best = {name: min(values) for name, values in found.items()}
    first = next(iter(best.values()))
    lines = [
        f"| {threads} thread{'s' if threads > 1 else ''} | s per output megapixel | times as fast |",
        "|---|---|---|",
    ]
    return "\n".join([*lines, *(f"| {name} | {value:.1f} | {first / value:.2f} |" for name, value in best.items())])


def measure(call: Callable[[dict[str, Any]], dict[str, Any]], side: int, threads: int, runs: int) -> str:
    """Run each way `runs` times by `call`, alternating, and give the table."""
    found: dict[str, list[float]] = {}
    used = threads
    for _ in range(runs):
        for name, arguments in ways(side):
            answer = call({"threads": threads, **arguments})
            found.setdefault(name, []).append(answer["seconds"])
            used = answer["threads"]
    return table(found, used)


def run(args: argparse.Namespace) -> None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise SengaError(f"playwright is missing ({error}): pip install playwright") from error
    weights = [ROOT / "weights" / f"{name}.safetensors" for name in (OURS, THEIRS)]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        site = Path(folder) / "site"
        build(site, weights, None, find_runtime(PAGE, args.runtime))
        with server(site, 0) as running:
            Thread(target=running.serve_forever, daemon=True).start()
            browser = playwright.chromium.launch(executable_path=args.chromium, args=OPTIONS)
            page = browser.new_page()
            page.goto(address(running))
            page.wait_for_selector("html[data-ready=true]")
            text = measure(lambda values: page.evaluate(SCRIPT, values), args.side, args.threads, args.runs)
            version = browser.version
            browser.close()
            running.shutdown()
    runtime = json.loads((PAGE / "package.json").read_text(encoding="utf-8"))["dependencies"]["onnxruntime-web"]
    print(f"Chromium {version}, onnxruntime-web {runtime}, pictures of {args.side} and {2 * args.side} pixels a side\n")  # noqa: T201
    print(text)  # noqa: T201


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="of onnxruntime-web (default: 1)")
    parser.add_argument("--side", type=int, default=128, help="of WaifuXL's picture in pixels (default: 128)")
    parser.add_argument("--runs", type=int, default=3, help="of each, of which the least counts (default: 3)")
    parser.add_argument("--chromium", default=CHROMIUM, help=f"the browser (default: {CHROMIUM})")
    parser.add_argument("--runtime", type=Path, help="a node_modules folder (default: page/node_modules)")
    return exit_code(run, parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
