// "Upscale with Senga" and "Tag with Senga" in the menu of each node that gives pictures.
import { app } from "../../scripts/app.js";
import { words } from "./texts.js";

const GAP = 60; // between the node and what is added beside it

let texts = { upscale_with: "Upscale with Senga", tag_with: "Tag with Senga" };

function add(type, x, y) {
  const node = window.LiteGraph.createNode(type);
  node.pos = [x, y];
  app.canvas.graph.add(node);
  return node;
}

// Adds a load node and a working node to the right of `source`, linked to its first output of pictures.
function attach(source, loader, worker, input) {
  const image = source.outputs.findIndex((output) => output.type === "IMAGE");
  const mask = source.outputs.findIndex((output) => output.type === "MASK");
  const x = source.pos[0] + source.size[0] + GAP;
  const load = add(loader, x, source.pos[1]);
  const work = add(worker, x, source.pos[1] + load.size[1] + GAP);
  const slot = (name) => work.inputs.findIndex((entry) => entry.name === name);
  load.connect(0, work, slot(input));
  source.connect(image, work, slot("image"));
  if (mask >= 0) source.connect(mask, work, slot("mask"));
  app.canvas.setDirty(true, true);
}

app.registerExtension({
  name: "senga.menu",
  async setup() {
    texts = { ...texts, ...(await words()) };
  },
  getNodeMenuItems(node) {
    if (!node.outputs?.some((output) => output.type === "IMAGE")) return [];
    return [
      null,
      {
        content: texts.upscale_with,
        callback: () => attach(node, "SengaLoadUpscaleModel", "SengaUpscale", "upscale_model"),
      },
      { content: texts.tag_with, callback: () => attach(node, "SengaLoadTagger", "SengaTagImage", "tagger") },
    ];
  },
});
