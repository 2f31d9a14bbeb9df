// Shows what Tag Image (Senga) found on the node itself: ComfyUI sends it along, and draws it for its own nodes alone.
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
        // No input of the node: it must not stand among the values that a workflow saves by place, nor be posted.
        widget.serialize = false;
        widget.options.serialize = false;
        // A widget added last is drawn last; the node grows by its least height.
        const [width, height] = this.computeSize();
        this.setSize([Math.max(this.size[0], width), Math.max(this.size[1], height)]);
      }
      widget.value = (message?.text ?? []).join("\n\n");
      this.setDirtyCanvas?.(true, true);
    };
  },
});
