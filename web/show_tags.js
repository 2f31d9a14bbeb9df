// Shows the result of Tag Image (Senga) on the node, a numbered line for each picture, and keeps it in the workflow.
import { app } from "../../scripts/app.js";
import { afterRun, noticeChange, textOnNode } from "./texts.js";

const KEPT = 50; // pictures whose tags a saved workflow holds

app.registerExtension({
  name: "senga.show_tags",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "SengaTagImage") return;
    afterRun(nodeType, (node, { text: tags = [] }) => {
      node.properties.senga_tags = tags.slice(0, KEPT);
      textOnNode(node, "found", tags, { numbered: true });
      noticeChange();
    });
  },
  loadedGraphNode(node) {
    const tags = node.comfyClass === "SengaTagImage" && node.properties?.senga_tags;
    if (Array.isArray(tags)) textOnNode(node, "found", tags.map(String), { numbered: true });
  },
});
