// Runs web/*.js against a small stand-in of the front end and prints what they did: `node front_end.mjs FOLDER`.
// FOLDER/extensions/senga holds copies of the files, FOLDER/scripts the two modules that they import.
import { pathToFileURL } from "node:url";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

const folder = process.argv[2];

class Element {
  constructor(tag) {
    this.tagName = tag.toUpperCase();
    this.style = {};
    this.children = [];
  }
  append(...others) {
    this.children.push(...others);
  }
  replaceChildren(...others) {
    this.children = others;
  }
  getBoundingClientRect() {
    return { left: 100, width: 200 };
  }
  get innerText() {
    return this.textContent ?? this.children.map((child) => child.innerText).join("\n");
  }
}

const asked = [];
globalThis.document = { createElement: (tag) => new Element(tag) };
globalThis.extensions = [];
globalThis.answers = {
  "/i18n": { en: { senga: { default: "The default", upscale_with: "Upscale" } }, ja: { senga: { default: "既定" } } },
};
globalThis.fetchApi = async (path) => {
  asked.push(path);
  const found = globalThis.answers[path.split("?")[0]];
  return { ok: found !== undefined, json: async () => (typeof found === "function" ? found(path) : found) };
};
globalThis.answers["/senga/model"] = (path) => {
  const query = new URLSearchParams(path.split("?")[1]);
  return { line: `about ${query.get("task")} ${query.get("name")}`, default: query.get("name") === "a" };
};

class Node {
  constructor(comfyClass, widgets = []) {
    Object.assign(this, { comfyClass, widgets, properties: {}, size: [100, 50], pos: [0, 0], outputs: [], inputs: [] });
    this.linked = [];
  }
  addDOMWidget(name, type, element, options) {
    const widget = { name, type, element, options };
    this.widgets.push(widget);
    return widget;
  }
  computeSize() {
    return [210, 300];
  }
  setSize(size) {
    this.size = size;
  }
  setDirtyCanvas() {}
  isInputConnected(slot) {
    return this.inputs[slot].connected ?? false;
  }
  connect(slot, node, place) {
    this.linked.push([slot, node.comfyClass, place]);
  }
}

const added = [];
const captured = [];
globalThis.window = {
  LiteGraph: {
    createNode: (type) => {
      const node = new Node(type);
      node.inputs = ["upscale_model", "tagger", "image", "mask"].map((name) => ({ name }));
      return node;
    },
  },
};
globalThis.app = {
  registerExtension: (extension) => globalThis.extensions.push(extension),
  extensionManager: {
    setting: { get: () => "ja" },
    workflow: { activeWorkflow: { changeTracker: { captureCanvasState: () => captured.push("new") } } },
  },
  canvas: { graph: { add: (node) => added.push(node) }, setDirty() {} },
};

const files = (await readdir(join(folder, "extensions", "senga"))).filter((name) => name.endsWith(".js"));
for (const file of files) await import(pathToFileURL(join(folder, "extensions", "senga", file)));
const named = (name) => globalThis.extensions.find((extension) => extension.name === name);
const settle = () => new Promise((resolve) => setTimeout(resolve, 20));
const shown = (node, name) => node.widgets.find((w) => w.name === name)?.element.innerText;

const found = { extensions: globalThis.extensions.map((extension) => extension.name).sort() };

// A load node: shown at once, after choosing, and after loading a workflow.
const load = new Node("SengaLoadUpscaleModel", [{ name: "model_name", value: "a" }]);
named("senga.model_info").nodeCreated(load);
await settle();
found.first = shown(load, "about");
load.widgets[0].value = "b&c";
load.widgets[0].callback("b&c");
await settle();
found.chosen = shown(load, "about");
load.widgets[0].value = "d";
named("senga.model_info").loadedGraphNode(load);
await settle();
found.loaded = shown(load, "about");
load.widgets[0].value = "e";
load.widgets[0].callback("e");
load.widgets[0].value = "f"; // before the answer about e
await settle();
found.late = shown(load, "about");
found.widgets = load.widgets.map((w) => [w.name, w.serialize, w.options?.serialize]);
found.size = load.size;
const other = new Node("KSampler", [{ name: "model_name", value: "a" }]);
named("senga.model_info").nodeCreated(other);
named("senga.model_info").loadedGraphNode(other);
await settle();
found.other = other.widgets.length;

// Tags: numbered for several pictures, kept in the workflow.
class Tagged extends Node {}
named("senga.show_tags").beforeRegisterNodeDef(Tagged, { name: "SengaTagImage" });
const tagged = new Tagged("SengaTagImage");
tagged.onExecuted({ text: ["one", "two"] });
found.list = tagged.widgets[0].element.children[0].tagName;
found.tags = shown(tagged, "found");
tagged.onExecuted({ text: ["alone"] });
found.alone = [tagged.widgets[0].element.children[0].tagName, shown(tagged, "found"), tagged.widgets.length];
tagged.onExecuted({ text: Array(60).fill("many") });
const { activeWorkflow } = globalThis.app.extensionManager.workflow;
activeWorkflow.changeTracker = { checkState: () => captured.push("old") };
tagged.onExecuted({ text: ["alone"] });
activeWorkflow.changeTracker = null;
tagged.onExecuted({ text: Array(60).fill("many") });
found.captured = captured;
found.kept = tagged.properties.senga_tags.length;
tagged.onExecuted({ text: ["alone"] });
const again = new Tagged("SengaTagImage");
again.properties = JSON.parse(JSON.stringify(tagged.properties));
named("senga.show_tags").loadedGraphNode(again);
found.again = shown(again, "found");

// The comparison: a slider for two pictures, and one picture without it.
class Compared extends Node {}
named("senga.compare").beforeRegisterNodeDef(Compared, { name: "SengaCompareImages" });
const compared = new Compared("SengaCompareImages");
const file = (filename) => ({ filename, subfolder: "", type: "temp" });
compared.onExecuted({ senga_compared: [file("a.png"), file("b.png")], text: ["PSNR"] });
const box = compared.widgets[0].element;
box.onpointermove({ clientX: 150 });
found.slider = box.children.map((child) => [child.tagName, child.src, child.style.clipPath, child.style.left]);
found.numbers = shown(compared, "numbers");
compared.onExecuted({ senga_compared: [file("c.png")], text: ["equal"] });
found.single = [box.children.map((child) => child.src), box.onpointermove];

// The menu.
await named("senga.menu").setup();
const source = new Node("LoadImage");
source.outputs = [{ type: "IMAGE" }, { type: "MASK" }];
const items = named("senga.menu").getNodeMenuItems(source);
items[1].callback();
found.menu = items.map((item) => item?.content);
found.none = named("senga.menu").getNodeMenuItems(load);
found.added = added.map((node) => [node.comfyClass, node.linked, node.pos]);
found.source = source.linked;
// Recipes: an example for the chosen step, never over what somebody wrote; the preset is grey beside a recipe.
globalThis.answers["/senga/steps"] = { jpeg: '{"quality": 75}', webp: '{"quality": 80}' };
const step = new Node("SengaRecipeStep", [
  { name: "step", value: "jpeg" },
  { name: "parameters", value: "{}" },
]);
named("senga.recipes").nodeCreated(step);
found.steps = [];
for (const [kind, written] of [["jpeg"], ["webp"], ["jpeg", '{"quality": 5}'], ["other"]]) {
  step.widgets[0].value = kind;
  if (written) step.widgets[1].value = written;
  step.widgets[0].callback(kind);
  await settle();
  found.steps.push(step.widgets[1].value);
}
const degrade = new Node("SengaDegradeImage", [
  { name: "preset", value: "x" },
  { name: "recipe", value: "" },
]);
degrade.inputs = [{ name: "image" }, { name: "recipe" }];
named("senga.recipes").nodeCreated(degrade);
found.grey = [];
for (const [text, connected] of [["", false], ["{}", false], ["", true]]) {
  degrade.widgets[1].value = text;
  degrade.inputs[1].connected = connected;
  if (connected) degrade.onConnectionsChange();
  else degrade.widgets[1].callback(text);
  found.grey.push(degrade.widgets[0].disabled);
}
found.asked = [...new Set(asked)];
console.log(JSON.stringify(found));
