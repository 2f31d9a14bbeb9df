// What our other files share: a box or a text on a node, what happens after a choice or a run, and the words of the
// front end's language.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

let messages;

// The texts of locales/LANGUAGE/main.json under "senga", in the language of the front end, else in English.
export async function words() {
  messages ??= api
    .fetchApi("/i18n")
    .then((answer) => answer.json())
    .catch(() => ({}));
  const found = await messages;
  const language = app.extensionManager?.setting?.get("Comfy.Locale") ?? "en";
  return { ...found.en?.senga, ...found[language]?.senga };
}

// Calls `then` after each change of a widget's value.
export function follow(widget, then) {
  const callback = widget.callback;
  widget.callback = function () {
    const result = callback?.apply(this, arguments);
    then();
    return result;
  };
}

// Calls `then(node, result)` after each run of a node of this type.
export function afterRun(nodeType, then) {
  const onExecuted = nodeType.prototype.onExecuted;
  nodeType.prototype.onExecuted = function (message) {
    onExecuted?.apply(this, arguments);
    then(this, message ?? {});
  };
}

// Lets the editor see what a run has written into the workflow: by itself it looks after clicks and keys alone, and a
// reload would lose it. The first name is the newer one; the other warns there.
export function noticeChange() {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  if (tracker?.captureCanvasState) tracker.captureCanvasState();
  else tracker?.checkState?.();
}

// Adds an element to a node, which grows to hold it. Not an input: it is neither saved nor sent.
export function boxOnNode(node, name, type, style, { height, ...options }) {
  const box = document.createElement("div");
  box.className = type.replace("_", "-");
  Object.assign(box.style, style);
  const widget = node.addDOMWidget(name, type, box, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => height,
    ...options,
  });
  widget.serialize = false;
  const [width, least] = node.computeSize();
  node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], least)]);
  return widget;
}

// Shows read-only lines on a node, in classic nodes and in Nodes 2.0. `height`: at least; `most`: at most, else what the
// node has left.
export function textOnNode(node, name, lines, { numbered = false, height = 64, most } = {}) {
  let widget = node.widgets?.find((w) => w.name === name);
  if (!widget) {
    if (!lines.length) return;
    const style = {
      overflow: "auto",
      boxSizing: "border-box",
      padding: "4px 8px",
      borderRadius: "4px",
      fontSize: "12px",
      lineHeight: "1.35",
      userSelect: "text",
      color: "var(--input-text, inherit)",
      background: "var(--comfy-input-bg, transparent)",
      ...(most && { maxHeight: `${most}px` }),
    };
    widget = boxOnNode(node, name, "senga_text", style, {
      height,
      ...(most && { getMaxHeight: () => most }),
      getValue: () => widget?.element.innerText,
    });
  }
  const list = document.createElement(numbered && lines.length > 1 ? "ol" : "div");
  Object.assign(list.style, { margin: 0, paddingInlineStart: numbered && lines.length > 1 ? "2em" : 0 });
  for (const line of lines) {
    const entry = document.createElement(list.tagName === "OL" ? "li" : "div");
    entry.style.whiteSpace = "pre-wrap";
    entry.textContent = line;
    list.append(entry);
  }
  widget.element.replaceChildren(list);
  node.setDirtyCanvas?.(true, true);
}
