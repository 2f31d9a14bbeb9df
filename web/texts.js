// What our other files share: a text on a node, and the words of the front end's language.
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

// Shows read-only lines on a node, in classic nodes and in Nodes 2.0. Not an input: it is neither saved nor sent.
export function textOnNode(node, name, lines, { numbered = false } = {}) {
  let widget = node.widgets?.find((w) => w.name === name);
  if (!widget) {
    if (!lines.length) return;
    const box = document.createElement("div");
    box.className = "senga-text";
    Object.assign(box.style, {
      overflow: "auto",
      boxSizing: "border-box",
      padding: "4px 8px",
      borderRadius: "4px",
      fontSize: "12px",
      lineHeight: "1.35",
      userSelect: "text",
      color: "var(--input-text, inherit)",
      background: "var(--comfy-input-bg, transparent)",
    });
    widget = node.addDOMWidget(name, "senga_text", box, {
      serialize: false,
      hideOnZoom: false,
      getMinHeight: () => 64,
      getValue: () => box.innerText,
    });
    widget.serialize = false;
    const [width, height] = node.computeSize();
    node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)]);
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
