"""Nodes that live only on the editor's screen: the server never hears of them.

What they do to a workflow was found by experiment, as the front end and these packs of nodes do it.
"""

REROUTES = ("Reroute", "Reroute (rgthree)")  # what comes in goes out
PRIMITIVE = "PrimitiveNode"
SET_NODES = ("SetNode", "easy setNode")  # KJNodes, EasyUse: name what comes in
GET_NODES = ("GetNode", "easy getNode")  # gives out what the setter of the same name takes in
NOTES = (
    *("Note", "MarkdownNote", "Label (rgthree)", "Bookmark (rgthree)"),
    # Buttons that mute and bypass other nodes; what they did is in the other nodes' mode.
    *("Fast Groups Bypasser (rgthree)", "Fast Groups Muter (rgthree)", "Fast Bypasser (rgthree)"),
    *("Fast Muter (rgthree)", "Fast Actions Button (rgthree)", "Random Unmuter (rgthree)"),
    *("Mute / Bypass Repeater (rgthree)", "Mute / Bypass Relay (rgthree)"),
    *("Node Collector (rgthree)", "Node Combiner (rgthree)"),
)
SCREEN_ONLY = frozenset((*REROUTES, PRIMITIVE, *SET_NODES, *GET_NODES, *NOTES))
