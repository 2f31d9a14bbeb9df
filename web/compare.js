// Draws the result of Compare Images (Senga) on the node: two pictures and a slider that follows the pointer, or one.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { afterRun, boxOnNode, textOnNode } from "./texts.js";

function address({ filename, subfolder, type }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
}

function picture(source) {
  const image = document.createElement("img");
  image.src = source;
  image.draggable = false;
  Object.assign(image.style, { position: "absolute", inset: 0, width: "100%", height: "100%", objectFit: "contain" });
  return image;
}

// One picture is drawn over the other and is cut at the pointer. The left part is A.
function slider(box, a, b) {
  const upper = picture(a);
  const line = document.createElement("div");
  Object.assign(line.style, { position: "absolute", top: 0, bottom: 0, width: "1px", background: "white" });
  const place = (share) => {
    upper.style.clipPath = `inset(0 ${100 - share * 100}% 0 0)`;
    line.style.left = `${share * 100}%`;
  };
  place(0.5);
  box.onpointermove = (event) => {
    const { left, width } = box.getBoundingClientRect();
    if (width) place(Math.min(1, Math.max(0, (event.clientX - left) / width)));
  };
  box.replaceChildren(picture(b), upper, line);
}

app.registerExtension({
  name: "senga.compare",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "SengaCompareImages") return;
    afterRun(nodeType, (node, { senga_compared, text }) => {
      const files = (senga_compared ?? []).map(address);
      let widget = node.widgets?.find((w) => w.name === "compared");
      if (!widget && files.length) {
        const style = { position: "relative", overflow: "hidden", cursor: "col-resize" };
        widget = boxOnNode(node, "compared", "senga_compare", style, { height: 240 });
      }
      if (widget) {
        widget.element.onpointermove = null;
        if (files.length === 2) slider(widget.element, ...files);
        else widget.element.replaceChildren(...files.map(picture));
      }
      textOnNode(node, "numbers", text ?? [], { height: 48, most: 48 });
    });
  },
});
