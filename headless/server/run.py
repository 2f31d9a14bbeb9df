"""`senga run --server URL`: the same workflow on a running ComfyUI."""

import filecmp
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import Any

from ...arch.files.atomic import publish, temporary_in
from ..errors import NodeError, SengaError, UsageError, brief
from ..log import logger
from ..progress import ProgressLine, progress_line
from ..workflow.core_files import path_inside
from ..workflow.graph import MOST_FAULTS, NodeClasses, Prompt, Workflow, consumed, label, sockets
from ..workflow.overrides import apply_overrides
from ..workflow.read import read_workflow
from ..workflow.validate import Fault
from ..workflow.widgets import UPLOADS
from .answers import MOST_FILES, files, messages, number, optional_object, read_json, texts
from .client import RefusedError, Server
from .definitions import classes_of, titles_of
from .events import Events

LISTEN = 1.0  # seconds; on Windows a waiting socket does not react to Ctrl-C
LOST = 5  # after this many checks with the workflow neither queued nor in the history, the server has lost it
ENDS = ("execution_success", "execution_error", "execution_interrupted")


def run_on_server(
    url: str, path: Path, overrides: list[str], input_dir: Path, output_dir: Path, allow_outside: bool = False
) -> None:
    """Upload inputs, queue, show progress, fetch outputs. Prints the same as a run without a server.

    Raises UsageError for faults of the workflow, including those that the server finds, NodeError where a node fails,
    SengaError where the server does not answer. Ctrl-C interrupts the run on the server.
    """
    server = Server(url)
    info = server.object_info()
    nodes = classes_of(info)
    read = read_workflow(path, nodes, titles_of(info), elsewhere="install it on the server, or ")
    workflow = Workflow(apply_overrides(read.prompt, overrides, nodes), read.extra_pnginfo)
    with progress_line() as line, server.events() or nullcontext() as events:
        line.start("uploading")
        prompt = upload_inputs(server, workflow.prompt, nodes, input_dir, allow_outside=allow_outside)
        try:
            prompt_id = server.submit(prompt, workflow.extra_pnginfo)
        except RefusedError as error:
            raise UsageError("\n".join(f"{path}: {fault}" for fault in faults(error, prompt))) from error
        try:
            line.start("waiting")
            entry = wait(server, events, prompt_id, prompt, line)
        except KeyboardInterrupt:
            try:
                server.cancel(prompt_id)
            except SengaError as error:
                logger.warning("%s", error)
            raise
        used = consumed(prompt)
        results = optional_object(entry.get("outputs"), "the outputs of the run")
        shown = {node_id: optional_object(ui, f"the output of node {node_id}") for node_id, ui in results.items()}
        if (count := sum(len(files(ui)) for ui in shown.values())) > MOST_FILES:
            raise SengaError(f"the server names {count} files (expected at most {MOST_FILES}); nothing was stored")
        for node_id, ui in shown.items():
            for text in fetch(server, ui, output_dir, with_texts=node_id not in used):
                line.result(text)
            if any(file.get("type") == "temp" for file in files(ui)):
                logger.info("node %s: a preview is not kept; use SaveImage to have a file", _label(prompt, node_id))


def upload_inputs(
    server: Server, prompt: Prompt, nodes: NodeClasses, folder: Path, *, allow_outside: bool = False
) -> Prompt:
    """Upload the files of `folder` that upload fields name; returns the prompt with their names on the server.

    A file that is not in `folder` is left to the server, which may have it. Raises UsageError for a name that leads out
    of `folder`, unless `allow_outside`: a workflow from a stranger could fetch any file of ours.
    """
    sent: dict[str, str] = {}
    changed = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in prompt.items()}
    for node in changed.values():
        declared = sockets(nodes[node["class_type"]]) if node["class_type"] in nodes else {}
        for name, value in node["inputs"].items():
            takes_files = name in declared and any(declared[name].options.get(key) for key in UPLOADS)
            if not takes_files or not isinstance(value, str) or re.search(r"\[(output|temp)\]$", value):
                continue
            local = value.removesuffix("[input]").rstrip(" ")
            try:
                file = path_inside(folder, local, allow_outside=allow_outside)
            except SengaError as error:
                raise UsageError(str(error)) from error
            if file.is_file():
                if local not in sent:
                    below = PurePosixPath(local.replace("\\", "/")).parent.as_posix()
                    sent[local] = server.upload(file, "" if below == "." else below)
                node["inputs"][name] = sent[local]
    return changed


def faults(error: RefusedError, prompt: Prompt) -> list[str]:
    """The faults that the server finds in a workflow, in the form of our own: one line each."""
    try:
        body = read_json(error.body, "")
    except SengaError:
        body = None
    if not isinstance(body, dict):
        return [str(error)]
    found: list[str] = []
    node_errors = body.get("node_errors")
    for node_id, node in (node_errors if isinstance(node_errors, dict) else {}).items():
        own = node if isinstance(node, dict) else {}
        listed = own.get("errors")
        for fault in listed if isinstance(listed, list) else []:
            if len(found) < MOST_FAULTS and isinstance(fault, dict):
                extra = fault.get("extra_info")
                name = str(extra.get("input_name") or "") if isinstance(extra, dict) else ""
                class_type = str((prompt.get(node_id) or own).get("class_type"))
                found.append(str(Fault(node_id, class_type, name, _message(fault, name))))
    if not found and isinstance(body.get("error"), dict):
        found.append(str(Fault("", "", "", _message(body["error"], ""))))
    return found or [str(error)]


def _message(fault: Mapping[str, Any], name: str) -> str:
    message, details = (" ".join(str(fault.get(key, ""))[:2000].split()) for key in ("message", "details"))
    message, details = brief(message, 500), brief(details, 500)
    return f"{message} ({details})" if details and details not in (name, message) else message


def wait(server: Server, events: Events | None, prompt_id: str, prompt: Prompt, line: ProgressLine) -> dict[str, Any]:
    """Show progress until the workflow has ended; returns its history. Raises NodeError where a node failed."""
    lost = 0
    heard = events
    while True:
        event: Mapping[str, Any] | None = None
        if heard is None:
            time.sleep(LISTEN)
        else:
            try:
                event = heard.receive(LISTEN)
            except (OSError, SengaError) as error:
                logger.warning("the server sends no more messages (%s); the run continues without progress", error)
                heard = None
        if event is not None:
            data = event["data"]
            mine = data.get("prompt_id") == prompt_id
            if mine:
                _show(event["type"], data, prompt, line)
            if not mine or not _is_end(event["type"], data):
                continue
        if (entry := server.history(prompt_id)) is not None:
            _raise_failure(entry, prompt)
            return entry
        lost = 0 if server.is_queued(prompt_id) else lost + 1
        if lost >= LOST:
            raise SengaError(f"--server {server.url.geturl()}: the workflow is no longer in the queue; run it again")


def _is_end(kind: str, data: Mapping[str, Any]) -> bool:
    return kind in ENDS or (kind == "executing" and data.get("node") is None)  # how old versions end


def _show(kind: str, data: Mapping[str, Any], prompt: Prompt, line: ProgressLine) -> None:
    if kind == "executing" and data.get("node") is not None:
        line.start(_label(prompt, str(data.get("display_node") or data["node"])))
    elif kind == "progress":
        done, total = number(data.get("value")), number(data.get("max"))
        if done is not None and total:
            line.part(int(done), int(total))


def _raise_failure(entry: Mapping[str, Any], prompt: Prompt) -> None:
    found = messages(entry)
    if (error := found.get("execution_error")) is not None:
        kind = brief(str(error.get("exception_type", "")).rpartition(".")[2])
        message = brief(" ".join(str(error.get("exception_message", ""))[:2000].split()), 1000)
        prefix = "" if kind in ("", "ValueError", "SengaError") else f"{kind}: "
        raise NodeError(f"node {_label(prompt, str(error.get('node_id')))}: {prefix}{message}")
    if "execution_interrupted" in found:
        raise SengaError("the run was interrupted on the server; queue it again")


def fetch(server: Server, ui: Mapping[str, Any], folder: Path, *, with_texts: bool = True) -> Iterator[str]:
    """Store the files of a node's result in `folder`; yields their paths, then its texts if `with_texts`."""
    for file in files(ui):
        if file.get("type") == "output":
            yield str(_store(server, file, folder))
    yield from (texts(ui) if with_texts else [])


def _store(server: Server, file: Mapping[str, Any], folder: Path) -> Path:
    """Write a file under the server's name for it. An existing file is kept, and this one gets another name."""
    name = brief(file["filename"])
    try:
        path = folder / str(file.get("subfolder") or "").replace("\\", "/") / file["filename"]
        inside = path.resolve().is_relative_to(folder.resolve()) and path.resolve() != folder.resolve()
        if inside:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # NUL, too long, a file in place of a folder
        reason = brief(getattr(error, "strerror", None) or error)
        raise SengaError(f"the server names a file {name}, which cannot be stored ({reason})") from error
    if not inside:
        raise SengaError(f"the server names a file {brief(path)} outside {folder}; it was not stored")
    with temporary_in(path.parent) as content:
        server.download(file, content)
        number, target = 0, path
        while True:
            try:
                publish(content, target)
                return target
            except FileExistsError:
                if target.is_file() and filecmp.cmp(target, content, shallow=False):
                    return target
            number += 1
            target = path.with_name(f"{path.stem}-{number}{path.suffix}")


def _label(prompt: Prompt, node_id: str) -> str:
    return label(prompt, node_id) if node_id in prompt else brief(node_id)
