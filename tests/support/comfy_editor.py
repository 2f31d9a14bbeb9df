"""ComfyUI's editor in a browser: what the tests do in it, for each front end and kind of nodes."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chromium
from comfy_server import PLUGIN, Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SIZE = {"width": 1600, "height": 1000}
RUN_TIMEOUT = 240.0  # seconds for one workflow
SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Minimap.Visible": False,
    "Comfy.VersionCompatibility.DisableWarnings": True,
}
READY = """() => window.app?.graph && window.app.extensionManager?.command
  && window.LiteGraph?.registered_node_types["SengaUpscale"]"""
# What the server tells the front end, from now on.
LISTEN = """() => {
  const first = !window.seen;
  window.seen = [];
  const kinds = ["execution_success", "execution_error", "executed", "progress_text", "b_preview"];
  if (first) for (const kind of kinds) window.app.api.addEventListener(kind, ({ detail }) =>
    window.seen.push({ kind, text: detail.text, node: detail.node, blob: detail instanceof Blob }));
}"""
ENDED = """() => window.seen.find(({ kind }) => ["execution_success", "execution_error"].includes(kind))?.kind"""
# Whether the pictures on nodes are loaded, those that nodes draw and those in the page.
PICTURES = """() => [...document.images, ...window.app.graph.nodes.flatMap(({ imgs }) => imgs ?? [])]
  .every(({ complete }) => complete)"""
# Nodes that cover each other: pairs of types. A title is above a node's position.
OVERLAPPING = """() => {
  const title = window.LiteGraph.NODE_TITLE_HEIGHT;
  const box = ({ pos, size }) => [pos[0], pos[1] - title, pos[0] + size[0], pos[1] + size[1]];
  const pairs = [], nodes = window.app.graph.nodes;
  for (const [i, a] of nodes.entries()) for (const b of nodes.slice(i + 1)) {
    const [p, q] = [box(a), box(b)];
    if (p[0] < q[2] && q[0] < p[2] && p[1] < q[3] && q[1] < p[3]) pairs.push([a.type, b.type]);
  }
  return pairs;
}"""


@dataclass
class Editor:
    page: "Page"
    console: chromium.Console
    server: Server
    name: str  # of the front end and its nodes, for screenshots

    def command(self, name: str) -> None:
        self.page.evaluate("(name) => window.app.extensionManager.command.execute(name)", name)

    def template(self, title: str) -> "Locator":
        """The card of a template in the template browser, which opens."""
        self.command("Comfy.BrowseTemplates")
        return self.page.get_by_test_id(f"template-workflow-{title}")

    def open_template(self, title: str) -> None:
        """Click a template, as a user does, and wait for its nodes."""
        self.template(title).click()
        self.wait_for_template()

    def wait_for_template(self) -> None:
        self.page.get_by_test_id(re.compile("^template-workflow-")).first.wait_for(state="hidden")
        self.page.wait_for_function("() => window.app.graph.nodes.some(({ type }) => type === 'LoadImage')")

    def start(self) -> None:
        """Click on Run."""
        self.page.evaluate(LISTEN)
        self.page.get_by_test_id("queue-button").click()

    def end(self) -> None:
        """Wait until the run has ended; fails where it has not succeeded."""
        ended = self.page.wait_for_function(ENDED, timeout=RUN_TIMEOUT * 1000).json_value()
        assert ended == "execution_success", self.server.log_tail()

    def run(self) -> None:
        self.start()
        self.end()

    def seen(self, kind: str) -> list[dict[str, Any]]:
        """What the server has said since the run began."""
        return self.page.evaluate("(kind) => window.seen.filter((one) => one.kind === kind)", kind)

    def open_prompt(self, prompt: dict[str, Any], name: str) -> None:
        """Open a workflow of the API format, as dropping its file onto the editor does."""
        self.page.evaluate("([prompt, name]) => window.app.loadApiJson(prompt, name)", [prompt, name])

    def prompt(self) -> dict[str, Any]:
        """What the editor would post, and what it exports in the API format."""
        return self.page.evaluate("async () => (await window.app.graphToPrompt()).output")

    def clear(self) -> None:
        self.page.evaluate("() => window.app.graph.clear()")

    def add(self, node_type: str) -> None:
        """Add a node to the workflow and select it."""
        self.page.evaluate(
            """(type) => {
              const node = window.LiteGraph.createNode(type);
              node.pos = [200, 200];
              window.app.graph.add(node);
              window.app.canvas.selectNode(node);
            }""",
            node_type,
        )

    def set(self, node_type: str, **values: Any) -> None:
        """Give widgets of the first node of a type other values."""
        self.page.evaluate(
            """([type, values]) => {
              const node = window.app.graph.nodes.find((one) => one.type === type);
              for (const [name, value] of Object.entries(values)) {
                const widget = node.widgets.find((one) => one.name === name);
                widget.value = value;
                widget.callback?.(value);
              }
            }""",
            [node_type, values],
        )

    def text(self, node_type: str, name: str) -> str:
        """What one of our own widgets shows on the first node of a type; "" where there is none."""
        return self.page.evaluate(
            """([type, name]) => {
              const node = window.app.graph.nodes.find((one) => one.type === type);
              return node?.widgets?.find((one) => one.name === name)?.element?.innerText ?? "";
            }""",
            [node_type, name],
        )

    def overlapping(self) -> list[list[str]]:
        return self.page.evaluate(OVERLAPPING)

    def shoot(self, what: str) -> None:
        """Keep a screenshot in the folder $SENGA_SCREENSHOTS, if it is given."""
        if folder := os.environ.get("SENGA_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{self.name}, {what}.png")

    def fit(self) -> None:
        """Show the whole workflow, when its pictures are there; the view glides."""
        self.command("Comfy.Canvas.FitView")
        self.page.wait_for_function(PICTURES)
        self.page.wait_for_timeout(700)

    def complaints(self) -> list[str]:
        """Warnings and errors of our files. The editor itself looks for NODE/en.md before NODE.md, which we have."""
        found = self.console.bad(f"extensions/{PLUGIN}/") + self.console.bad("senga.")
        return [line for line in found if not line.endswith("/en.md)")]


@contextmanager
def opened(browser: "Browser", server: Server, name: str, **settings: Any) -> Iterator[Editor]:
    """The editor of a server, ready for use, with these settings of the front end (Comfy.Locale as `Comfy__Locale`)."""
    given = {key.replace("__", "."): value for key, value in settings.items()}
    server.client.post("/settings", {**SETTINGS, "Comfy.Locale": "en", **given})
    with chromium.page_of(browser, viewport=SIZE, locale="en-US") as (page, console):
        page.goto(f"http://{server.client.host}:{server.client.port}")
        editor = Editor(page, console, server, name)
        wait_until_ready(editor)
        yield editor


def wait_until_ready(editor: Editor) -> None:
    editor.page.wait_for_function(READY)
    editor.page.wait_for_function("() => window.app.graph.nodes.length > 0")  # the workflow of a first visit
