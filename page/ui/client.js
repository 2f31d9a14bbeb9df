// Calls to the worker that computes: each is a promise, with progress on the way and a way to stop it.

export class TaskError extends Error {
  constructor({ kind, text }) {
    super(text);
    this.kind = kind; // "cancelled", "unreadable", "too_large" or "failed"
  }
}

export class Client {
  #worker;
  #calls = new Map();
  #next = 1;

  constructor(base) {
    this.#worker = new Worker(new URL("engine/worker.js", base), { type: "module" });
    this.#worker.addEventListener("message", ({ data }) => this.#receive(data));
    this.#worker.addEventListener("error", (event) => this.#fail(event.message));
  }

  /** { done, cancel }: the promise of a task's result, and a function that stops it. */
  call(task, values = {}, progress = () => {}) {
    const id = this.#next++;
    const done = new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject, progress }));
    this.#worker.postMessage({ id, task, ...values });
    return { done, cancel: () => this.#worker.postMessage({ cancel: id }) };
  }

  /** End the worker; what it was doing is lost. */
  close() {
    this.#worker.terminate();
  }

  #receive({ id, result, error, ...progress }) {
    const call = this.#calls.get(id);
    if (!call) return;
    if (error) call.reject(new TaskError(error));
    else if (result !== undefined || !Object.keys(progress).length) call.resolve(result);
    else return call.progress(progress);
    this.#calls.delete(id);
  }

  #fail(text) {
    for (const { reject } of this.#calls.values()) reject(new TaskError({ kind: "failed", text: text ?? "worker" }));
    this.#calls.clear();
  }
}
