"""Every kind of fault is reported before anything runs, with the node's id and the input's name."""

from typing import Any

import pytest
from sample_nodes import ADD, NUMBER, Recorder, make_node, node, required
from senga.headless.errors import UsageError
from senga.headless.workflow.graph import Workflow
from senga.headless.workflow.validate import check, validate

COMBO = make_node(required(mode=(["fast", "good"], {"default": "good"})), ("INT",), lambda mode: (0,))
TYPED = make_node(
    {
        "required": {},
        "optional": {
            "int": ("INT", {"min": -2, "max": 10}),
            "float": ("FLOAT", {"min": 0.0, "max": 1.0}),
            "text": ("STRING", {"multiline": True}),
            "flag": ("BOOLEAN",),
            "image": ("IMAGE",),
            "either": ("INT,STRING",),
            "new_combo": ("COMBO", {"options": ["a", "b"]}),
            "any": ("*",),
        },
    },
    ("INT", "IMAGE", "INT,FLOAT", "*"),
    lambda **given: (0, 0, 0, 0),
)
NODES = {"Number": NUMBER, "Add": ADD, "Combo": COMBO, "Typed": TYPED, "Out": Recorder().node_class}


def faults(nodes: dict[str, type] | None = None, /, **prompt: dict[str, Any]) -> list[str]:
    return [str(fault) for fault in check(prompt, {**NODES, **(nodes or {})})[1]]


def of_input(**inputs: Any) -> list[str]:
    """The faults of a Typed node with these inputs."""
    return faults(t=node("Typed", **inputs), z=node("Out", value=["t", 0]))


def test_a_sound_workflow_has_no_fault() -> None:
    assert faults(a=node("Number", value=9), b=node("Add", a=["a", 0], b=1), z=node("Out", value=["b", 0])) == []


def test_unknown_node_lists_what_is_known() -> None:
    (fault,) = faults(a=node("Numbr", value=1), z=node("Out", value=["a", 0]))
    assert fault.startswith("node a (Numbr): unknown class; choose from: ")
    assert "Number" in fault


def test_of_many_classes_only_the_close_ones_are_named() -> None:
    many = {f"Class{i}": NUMBER for i in range(30)}
    (fault,) = faults(many, a=node("Numbr", value=1), z=node("Out", value=["a", 0]))
    assert fault == "node a (Numbr): unknown class; choose from 35, such as: Number"


def test_an_unknown_node_that_nothing_needs_is_a_fault_too() -> None:
    assert faults(a=node("Nothing"), z=node("Out", value=1)) == [
        "node a (Nothing): unknown class; choose from: Number, Add, Combo, Typed, Out"
    ]


def test_missing_required_input() -> None:
    assert faults(a=node("Add", a=1), z=node("Out", value=["a", 0])) == ["a.b (Add): missing (expected INT)"]


@pytest.mark.parametrize(
    ("link", "message"),
    [
        (["nowhere", 0], "the link leads to node nowhere, which does not exist; choose from: t, n, z"),
        (["n", 1], "the link leads to output 1 of node n (Number), which has only outputs 0 to 0"),
        (["n", -1], "the link leads to output -1 of node n (Number), which has only outputs 0 to 0"),
        (["z", 0], "the link leads to output 0 of node z (Out), which has no outputs"),
        ([5, 0], "[5, 0] is not a link (expected [node id as text, output number])"),
        (["n", 0.5], "['n', 0.5] is not a link (expected [node id as text, output number])"),
        (["n", True], "['n', True] is not a link (expected [node id as text, output number])"),
        (["n"], "['n'] is not a link (expected [node id as text, output number])"),
        ([], "[] is not a link (expected [node id as text, output number])"),
    ],
)
def test_bad_links(link: list[Any], message: str) -> None:
    found = faults(t=node("Typed", int=link), n=node("Number", value=1), z=node("Out", value=["t", 0]))
    assert f"t.int (Typed): {message}" in found


def test_wrong_link_type() -> None:
    found = faults(n=node("Number", value=1), t=node("Typed", image=["n", 0]), z=node("Out", value=["t", 0]))
    assert found == ["t.image (Typed): output 0 of node n (Number) is INT (expected a link of type IMAGE)"]


def test_a_link_into_a_list_of_choices_is_a_wrong_type() -> None:
    found = faults(n=node("Number", value=1), c=node("Combo", mode=["n", 0]), z=node("Out", value=["c", 0]))
    assert found == ["c.mode (Combo): output 0 of node n (Number) is INT (expected a choice from its list)"]


@pytest.mark.parametrize(
    ("slot", "name"), [(0, "int"), (1, "image"), (2, "int"), (2, "float"), (0, "either"), (1, "any"), (3, "image")]
)
def test_link_types_may_be_lists_with_commas_or_anything(slot: int, name: str) -> None:
    found = faults(s=node("Typed"), t=node("Typed", **{name: ["s", slot]}), z=node("Out", value=["t", 0]))
    assert found == []


def test_a_type_that_overrides_unequal_is_asked() -> None:
    class Anything(str):
        __slots__ = ()

        def __ne__(self, other: object) -> bool:
            return False

    taker = make_node(required(x=(Anything("ANY"),)), ("INT",), lambda x: (0,))
    assert faults({"Taker": taker}, s=node("Typed"), t=node("Taker", x=["s", 1]), z=node("Out", value=["t", 0])) == []


@pytest.mark.parametrize(
    ("name", "value", "converted"),
    [
        ("int", 3.7, 3),
        ("int", "7", 7),
        ("int", -2, -2),
        ("int", 10, 10),
        ("float", 1, 1.0),
        ("float", "0.5", 0.5),
        ("text", 5, "5"),
        ("flag", 1, True),
        ("flag", False, False),
        ("either", "5", "5"),
        ("either", 5, 5),
        ("any", None, None),
        ("any", {"a": 1}, {"a": 1}),
        ("any", {"__value__": [1, 2]}, [1, 2]),
        ("new_combo", "b", "b"),
    ],
)
def test_values_are_converted_to_the_declared_type(name: str, value: object, converted: object) -> None:
    prompt = {"t": node("Typed", **{name: value}), "z": node("Out", value=["t", 0])}
    workflow = validate(Workflow(prompt), NODES)
    result = workflow.prompt["t"]["inputs"][name]
    assert result == converted
    assert type(result) is type(converted)
    assert prompt["t"]["inputs"][name] == value, "the given prompt is left as it was"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("int", "many", "'many' is not a whole number (expected INT, -2 to 10)"),
        ("int", None, "None is not a whole number (expected INT, -2 to 10)"),
        ("int", {"a": 1}, "{'a': 1} is not a whole number (expected INT, -2 to 10)"),
        ("int", float("inf"), "inf is not a whole number (expected INT, -2 to 10)"),
        ("float", "nan", "'nan' is not a number (expected FLOAT, 0 to 1)"),
        ("text", None, "None is not text (expected STRING)"),
        ("flag", "false", "'false' is not true or false (expected BOOLEAN)"),
        ("image", "x.png", "'x.png' is not valid (expected a link of type IMAGE)"),
        ("either", None, "None is not valid (expected INT,STRING)"),
        ("int", -3, "-3 is below the minimum of -2"),
        ("int", 11, "11 is above the maximum of 10"),
        ("float", 1.5, "1.5 is above the maximum of 1.0"),
        ("new_combo", "c", "'c' is not in the list; choose from: a, b"),
    ],
)
def test_bad_values(name: str, value: object, message: str) -> None:
    assert of_input(**{name: value}) == [f"t.{name} (Typed): {message}"]


def test_a_value_that_is_not_in_the_list() -> None:
    assert faults(c=node("Combo", mode="best"), z=node("Out", value=["c", 0])) == [
        "c.mode (Combo): 'best' is not in the list; choose from: fast, good"
    ]


def test_a_long_value_is_cut_in_the_message() -> None:
    (fault,) = of_input(int="x" * 500)
    assert len(fault) < 200


def test_a_cycle_names_its_nodes() -> None:
    (fault,) = faults(
        a=node("Add", a=["c", 0], b=1),
        b=node("Add", a=["a", 0], b=1),
        c=node("Add", a=["b", 0], b=1),
        z=node("Out", value=["c", 0]),
    )
    assert "its result depends on itself, a cycle: " in fault
    assert all(f"{name} (Add)" in fault for name in "abc")
    assert "(Out)" not in fault


def test_a_node_linked_to_itself_is_a_cycle() -> None:
    assert faults(a=node("Add", a=["a", 0], b=1), z=node("Out", value=["a", 0])) == [
        "node a (Add): its result depends on itself, a cycle: a (Add) -> a (Add); remove one link"
    ]


def test_each_of_two_cycles_is_reported() -> None:
    found = faults(
        a=node("Add", a=["a", 0], b=1),
        b=node("Add", a=["b", 0], b=["a", 0]),
        z=node("Out", value=["b", 0]),
    )
    assert len(found) == 2


def test_no_output_node() -> None:
    assert faults(a=node("Number", value=1)) == ["workflow: no output node, so nothing would run; choose from: Out"]


def test_nodes_that_no_output_needs_are_not_checked() -> None:
    assert faults(a=node("Number", value=99), z=node("Out", value=1)) == []


def test_a_link_into_an_input_that_the_class_lacks() -> None:
    found = faults(
        n=node("Number", value=1), a=node("Add", a=1, b=1, c=["n", 0], note="kept"), z=node("Out", value=["a", 0])
    )
    assert found == ["a.c (Add): the node has no input of this name; choose from: a, b"]


def test_all_faults_are_reported_at_once_one_a_line() -> None:
    prompt = {
        "n": node("Number", value=10),
        "c": node("Combo", mode="best"),
        "u": node("Unknown"),
        "a": node("Add", a=["n", 0], b=["c", 7]),
        "z": node("Out", value=["a", 0]),
    }
    with pytest.raises(UsageError) as caught:
        validate(Workflow(prompt), NODES, source="w.json")
    lines = str(caught.value).split("\n")
    assert len(lines) == 4
    assert [line.partition(" (")[0] for line in lines] == [
        f"w.json: {at}" for at in ("node u", "n.value", "c.mode", "a.b")
    ]


def own_check(answer: Any) -> type:
    """A node whose VALIDATE_INPUTS takes `n` alone and answers this, or raises it."""
    declared = required(n=("INT", {"min": 0, "max": 5}), m=("INT", {"min": 0, "max": 5}))

    def validate_inputs(cls: type, n: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return make_node(declared, ("INT",), lambda n, m: (0,), VALIDATE_INPUTS=classmethod(validate_inputs))


def of_own(answer: Any, n: Any, m: Any) -> list[str]:
    return faults({"Own": own_check(answer)}, o=node("Own", n=n, m=m), z=node("Out", value=["o", 0]))


def test_an_input_named_in_validate_inputs_loses_the_core_limits_and_no_other() -> None:
    assert of_own(True, n=99, m=1) == []
    assert of_own(True, n=1, m=99) == ["o.m (Own): 99 is above the maximum of 5"]


def test_what_validate_inputs_says_is_the_fault() -> None:
    assert of_own("n has to be odd", n=2, m=1) == ["o.n (Own): n has to be odd"]
    assert of_own(False, n=2, m=1) == ["o.n (Own): the node refuses it"]
    assert of_own(TypeError("bad"), n=2, m=1) == ["o.n (Own): the node's own check failed with TypeError: bad"]


def test_validate_inputs_is_asked_only_about_values_of_the_right_type() -> None:
    assert of_own(TypeError("never asked"), n="text", m=1) == [
        "o.n (Own): 'text' is not a whole number (expected INT, 0 to 5)"
    ]


def test_validate_inputs_sees_none_for_a_link_and_every_name_with_kwargs() -> None:
    seen: list[dict[str, Any]] = []

    def validate_inputs(cls: type, **given: Any) -> bool:
        seen.append(given)
        return True

    declared = required(n=("INT", {"max": 5}), m=("INT", {"max": 5}))
    own = make_node(declared, ("INT",), lambda n, m: (0,), VALIDATE_INPUTS=classmethod(validate_inputs))
    prompt = {"s": node("Number", value=1), "o": node("Own", n=["s", 0], m=50), "z": node("Out", value=["o", 0])}
    assert faults({"Own": own}, **prompt) == []
    assert seen == [{"n": None, "m": 50}]


def test_validate_inputs_with_input_types_replaces_the_check_of_link_types() -> None:
    def validate_inputs(cls: type, input_types: dict[str, str]) -> bool | str:
        return True if input_types == {"n": "IMAGE"} else f"got {input_types}"

    own = make_node(required(n=("INT",)), ("INT",), lambda n: (0,), VALIDATE_INPUTS=classmethod(validate_inputs))
    assert faults({"Own": own}, s=node("Typed"), o=node("Own", n=["s", 1]), z=node("Out", value=["o", 0])) == []
    found = faults({"Own": own}, s=node("Typed"), o=node("Own", n=["s", 0]), z=node("Out", value=["o", 0]))
    assert found == ["node o (Own): got {'n': 'INT'}"]
