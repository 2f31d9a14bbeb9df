"""Running a workflow: ComfyUI's list semantics, order, hidden inputs, failures, and what is kept in memory."""

import gc
import weakref
from typing import Any

import pytest
import torch
from sample_nodes import ADD, COUNT, NUMBER, SUM, Recorder, make_node, node, required
from senga.headless.errors import NodeError
from senga.headless.workflow.execute import call_node, execute
from senga.headless.workflow.graph import Workflow

BASE = {"Number": NUMBER, "Add": ADD, "Count": COUNT, "Sum": SUM}


def run(nodes: dict[str, type] | None = None, /, **prompt: dict[str, Any]) -> list[Any]:
    """What reaches the recorder `Out` when this prompt runs."""
    out = Recorder()
    execute(Workflow(prompt), {**BASE, "Out": out.node_class, **(nodes or {})})
    return out.calls


def test_a_value_goes_through_once() -> None:
    assert run(a=node("Number", value=4), b=node("Add", a=["a", 0], b=3), c=node("Out", value=["b", 0])) == [7]


def test_a_list_runs_the_next_node_once_per_element() -> None:
    assert run(a=node("Count", n=3), b=node("Add", a=["a", 0], b=10), c=node("Out", value=["b", 0])) == [10, 11, 12]


def test_a_shorter_list_repeats_its_last_element() -> None:
    prompt = {
        "a": node("Count", n=4),
        "b": node("Count", n=2),
        "c": node("Add", a=["a", 0], b=["b", 0]),
        "d": node("Out", value=["c", 0]),
    }
    assert run(**prompt) == [0 + 0, 1 + 1, 2 + 1, 3 + 1]


def test_input_is_list_gets_whole_lists_and_single_values_as_lists() -> None:
    seen: list[Any] = []
    taker = make_node(
        required(values=("INT",), other=("INT",)),
        ("INT",),
        lambda values, other: (seen.append((values, other)), (sum(values),))[1],
        INPUT_IS_LIST=True,
    )
    prompt = {"a": node("Count", n=3), "b": node("Taker", values=["a", 0], other=7), "c": node("Out", value=["b", 0])}
    assert run({"Taker": taker}, **prompt) == [3]
    assert seen == [([0, 1, 2], [7])]


def test_lists_of_several_calls_are_joined() -> None:
    prompt = {"a": node("Count", n=3), "b": node("Count", n=["a", 0]), "c": node("Out", value=["b", 0])}
    assert run(**prompt) == [0, 0, 1]  # Count(0), Count(1), Count(2)


def test_a_plain_output_that_holds_a_list_stays_one_value() -> None:
    whole = make_node(required(n=("INT",)), ("*",), lambda n: (list(range(n)),))
    assert run({"Whole": whole}, a=node("Whole", n=2), b=node("Out", value=["a", 0])) == [[0, 1]]


def test_output_is_list_is_told_per_output() -> None:
    both = make_node(required(n=("INT",)), ("INT", "*"), lambda n: ([n, n], [n, n]), OUTPUT_IS_LIST=(True, False))
    assert run({"Both": both}, a=node("Both", n=5), b=node("Out", value=["a", 0])) == [5, 5]
    assert run({"Both": both}, a=node("Both", n=5), b=node("Out", value=["a", 1])) == [[5, 5]]


def test_an_empty_list_calls_the_node_once_without_arguments() -> None:
    calls: list[str] = []
    lenient = make_node(required(n=("INT",)), ("INT",), lambda n=None: (calls.append(f"n={n}"), (1,))[1])
    assert run({"L": lenient}, a=node("Count", n=0), b=node("L", n=["a", 0]), c=node("Out", value=["b", 0])) == [1]
    assert calls == ["n=None"]


def test_an_empty_list_among_others_is_an_error_that_names_the_input() -> None:
    with pytest.raises(NodeError, match=r"node b \(Add\): input a got an empty list"):
        run(a=node("Count", n=0), b=node("Add", a=["a", 0], b=1), c=node("Out", value=["b", 0]))


def test_a_missing_later_output_arrives_as_none() -> None:
    short = make_node({}, ("INT", "INT"), lambda: (1,))
    assert run({"Short": short}, a=node("Short"), b=node("Out", value=["a", 1])) == [None]


def test_ui_results_of_all_calls_are_joined_and_returned_by_node() -> None:
    out = Recorder()
    prompt = {"a": node("Count", n=2), "z": node("Out", value=["a", 0])}
    seen: list[Any] = []
    result = execute(
        Workflow(prompt), {**BASE, "Out": out.node_class}, on_result=lambda node_id, ui: seen.append((node_id, ui))
    )
    assert result == {"z": {"text": ["0", "1"]}}
    assert seen == [("z", {"text": ["0", "1"]})]


def test_a_node_may_return_ui_and_result_together() -> None:
    both = make_node({}, ("INT",), lambda: {"ui": {"text": ["shown"]}, "result": (8,)})
    out = Recorder()
    prompt = {"a": node("Both"), "b": node("Out", value=["a", 0])}
    result = execute(Workflow(prompt), {"Both": both, "Out": out.node_class})
    assert out.calls == [8]
    assert result["a"] == {"text": ["shown"]}


def test_only_what_the_outputs_need_runs_and_each_node_once() -> None:
    started: list[str] = []
    prompt = {
        "unused": node("Number", value=1),
        "a": node("Number", value=2),
        "b": node("Add", a=["a", 0], b=["a", 0]),
        "x": node("Out", value=["b", 0]),
        "y": node("Out", value=["a", 0]),
    }
    out = Recorder()
    execute(Workflow(prompt), {**BASE, "Out": out.node_class}, on_start=started.append)
    assert started == ["a (Number)", "b (Add)", "x (Out)", "y (Out)"]
    assert out.calls == [4, 2]


def test_hidden_inputs() -> None:
    seen: list[Any] = []
    hidden = {"required": {}, "hidden": {"p": "PROMPT", "e": "EXTRA_PNGINFO", "u": "UNIQUE_ID", "other": "DYNPROMPT"}}
    end = make_node(hidden, (), lambda **given: (seen.append(given), ())[1], OUTPUT_NODE=True)
    prompt = {"7": node("End")}
    execute(Workflow(prompt, {"workflow": {"nodes": []}}), {"End": end})
    assert seen == [{"p": prompt, "e": {"workflow": {"nodes": []}}, "u": "7"}]


def test_optional_inputs_may_be_absent_and_unknown_values_are_passed_over() -> None:
    declared = {"required": {"a": ("INT",)}, "optional": {"b": ("INT",)}}
    end = make_node(declared, ("INT",), lambda a, b=100: (a + b,))
    assert run({"E": end}, a=node("E", a=1, upload="image"), z=node("Out", value=["a", 0])) == [101]
    assert run({"E": end}, a=node("E", a=1, b=2), z=node("Out", value=["a", 0])) == [3]


def test_a_failure_names_the_node_and_keeps_the_cause() -> None:
    def fail(value: int) -> None:
        raise KeyError(f"no {value}\nat all")

    bad = make_node(required(value=("INT",)), ("INT",), fail)
    with pytest.raises(NodeError) as caught:
        run({"Bad": bad}, a=node("Bad", value=3), z=node("Out", value=["a", 0]))
    assert str(caught.value) == r"node a (Bad): KeyError: 'no 3\nat all'"
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("returned", "message"),
    [(None, "returned a NoneType"), ({"expand": {}, "result": ()}, "only ComfyUI itself can run")],
)
def test_a_result_of_the_wrong_form_is_an_error(returned: object, message: str) -> None:
    bad = make_node({}, ("INT",), lambda: returned)
    with pytest.raises(NodeError, match=message):
        run({"Bad": bad}, a=node("Bad"), z=node("Out", value=["a", 0]))


def test_results_are_dropped_once_no_later_node_needs_them() -> None:
    class Thing:
        pass

    alive: list[weakref.ref[Thing]] = []

    def make() -> tuple[Thing]:
        thing = Thing()
        alive.append(weakref.ref(thing))
        return (thing,)

    counts: list[int] = []

    def count(thing: Thing | None = None, after: int = 0) -> tuple[int]:
        gc.collect()
        counts.append(sum(ref() is not None for ref in alive))
        return (0,)

    nodes = {
        "Make": make_node({}, ("THING",), make),
        "Use": make_node({"optional": {"thing": ("THING",), "after": ("INT",)}}, ("INT",), count),
        "Out": Recorder().node_class,
    }
    prompt = {
        "m": node("Make"),
        "u1": node("Use", thing=["m", 0]),
        "u2": node("Use", thing=["m", 0], after=["u1", 0]),
        "u3": node("Use", after=["u2", 0]),
        "z": node("Out", value=["u3", 0]),
    }
    execute(Workflow(prompt), nodes)
    assert counts == [1, 1, 0]


def test_nodes_run_without_gradients() -> None:
    modes: list[bool] = []
    end = make_node({}, (), lambda: (modes.append(torch.is_inference_mode_enabled()), ())[1], OUTPUT_NODE=True)
    execute(Workflow({"a": node("End")}), {"End": end})
    assert modes == [True]


def test_a_chain_longer_than_the_recursion_limit() -> None:
    chain = {"n0": node("Number", value=0)}
    chain |= {f"n{i}": node("Add", a=[f"n{i - 1}", 0], b=1) for i in range(1, 1500)}
    assert run(**dict(reversed(chain.items())), z=node("Out", value=["n1499", 0])) == [1499]


def test_call_node_fills_in_declared_defaults() -> None:
    declared = required(a=("INT", {"default": 5}), mode=(["first", "second"],), image=("IMAGE",))
    assert call_node(make_node(declared, ("X",), lambda **given: (given,)), image="i") == (
        {"a": 5, "mode": "first", "image": "i"},
    )
