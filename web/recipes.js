// Degradation Recipe Step: fills in a valid example for the step chosen. Degrade Image: greys the preset out while a
// recipe is used in its place.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { follow } from "./texts.js";

const named = (node, name) => node.widgets?.find((widget) => widget.name === name);

let examples;

async function fill(node) {
  examples ??= api
    .fetchApi("/senga/steps")
    .then((answer) => (answer.ok ? answer.json() : {}))
    .catch(() => ({}));
  const known = await examples;
  const step = named(node, "step")?.value;
  const parameters = named(node, "parameters");
  if (!parameters || !(step in known)) return;
  // Never over what somebody wrote.
  if (["", "{}", ...Object.values(known)].includes(parameters.value.trim())) parameters.value = known[step];
}

function grey(node) {
  const preset = named(node, "preset");
  const slot = node.inputs?.findIndex((input) => input.name === "recipe") ?? -1;
  const linked = slot >= 0 && node.isInputConnected(slot);
  if (preset) preset.disabled = linked || Boolean(named(node, "recipe")?.value?.trim());
  node.setDirtyCanvas?.(true, true);
}

app.registerExtension({
  name: "senga.recipes",
  nodeCreated(node) {
    if (node.comfyClass === "SengaRecipeStep" && named(node, "step")) follow(named(node, "step"), () => fill(node));
    if (node.comfyClass !== "SengaDegradeImage") return;
    if (named(node, "recipe")) follow(named(node, "recipe"), () => grey(node));
    const changed = node.onConnectionsChange;
    node.onConnectionsChange = function () {
      changed?.apply(this, arguments);
      grey(this);
    };
  },
  loadedGraphNode(node) {
    if (node.comfyClass === "SengaDegradeImage") grey(node);
  },
});
