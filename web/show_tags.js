// Shows the result of Tag Image (Senga) on the node. ComfyUI sends it, but draws it only for its own nodes.
import { app } from "../../scripts/app.js";
import { ComfyWidgets } from "../../scripts/widgets.js";

app.registerExtension({
  name: "senga.show_tags",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "SengaTagImage") return;
    const onExecuted = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (message) {
      onExecuted?.apply(this, arguments);
      let widget = this.widgets?.find((w) => w.name === "found");
      if (!widget) {
        widget = ComfyWidgets["STRING"](this, "found", ["STRING", { multiline: true }], app).widget;
        if (widget.inputEl) widget.inputEl.readOnly = true;
        // Not an input of the node: it must not be saved among the workflow's positional values, nor be sent.
        widget.serialize = false;
        widget.options.serialize = false;
        // Grow the node by the least height of the new widget.
        const [width, height] = this.computeSize();
        this.setSize([Math.max(this.size[0], width), Math.max(this.size[1], height)]);
      }
      widget.value = (message?.text ?? []).join("\n\n");
      this.setDirtyCanvas?.(true, true);
    };
  },
});
