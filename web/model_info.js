// Says on the load nodes what the chosen file is for, and shows the result of Model Info (Senga).
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { afterRun, follow, textOnNode, words } from "./texts.js";

const TASKS = { SengaLoadUpscaleModel: "upscale", SengaLoadTagger: "tag" };

async function describe(node) {
  const name = node.widgets?.find((w) => w.name === "model_name")?.value;
  if (typeof name !== "string") return;
  const query = new URLSearchParams({ task: TASKS[node.comfyClass], name });
  const answer = await api.fetchApi(`/senga/model?${query}`).catch(() => null);
  if (!answer?.ok) return; // a server that runs an older Senga
  const { line, default: isDefault } = await answer.json();
  if (node.widgets.find((w) => w.name === "model_name").value !== name) return; // chosen again in the meantime
  const mark = isDefault ? [(await words()).default ?? "The default"] : [];
  textOnNode(node, "about", line ? [...mark, line] : []);
}

app.registerExtension({
  name: "senga.model_info",
  nodeCreated(node) {
    if (!(node.comfyClass in TASKS)) return;
    const widget = node.widgets?.find((w) => w.name === "model_name");
    if (!widget) return;
    follow(widget, () => describe(node));
    describe(node);
  },
  loadedGraphNode(node) {
    if (node.comfyClass in TASKS) describe(node); // a saved value is set without the callback
  },
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "SengaModelInfo") return;
    afterRun(nodeType, (node, { text = [] }) => {
      textOnNode(
        node,
        "about",
        text.flatMap((page) => page.split("\n")),
      );
    });
  },
});
