// Calls to the worker that computes: each is a promise, with progress on the way and a way to stop it.
//
// A worker that computes hears nothing, so a stop ends it. The next call starts another one, which takes the engine and
// the networks from the browser's cache, and what was measured from here.

export class TaskError extends Error {
  constructor({ kind, text }) {
    super(text);
    this.kind = kind; // "cancelled", "unreadable", "outdated", "too_large" or "failed"
  }
}

export class Client {
  #base;
  #site;
  #known = {}; // file of a network -> { provider, pace, ... }, as measured
  #worker = null;
  #calls = []; // in their order; the first one is with the worker
  #next = 1;

  /** site: { manifest, options } for the engine. The worker is started by the first call. */
  constructor(base, site) {
    this.#base = base;
    this.#site = { base: base.href, ...site };
  }

  /** { done, cancel }: the promise of a task's result, and a function that stops it. */
  call(task, values = {}, progress = () => {}) {
    const call = { message: { id: this.#next++, task, ...values }, progress, sent: false };
    const done = new Promise((resolve, reject) => Object.assign(call, { resolve, reject }));
    this.#calls.push(call);
    this.#advance();
    return { done, cancel: () => this.#cancel(call) };
  }

  /** End the worker; what it was doing is lost. The next call starts another one. */
  close() {
    this.#worker?.terminate();
    this.#worker = null;
  }

  #advance() {
    const [call] = this.#calls;
    if (!call || call.sent) return;
    call.sent = true;
    this.#worker ??= this.#started();
    this.#worker.postMessage(call.message);
  }

  #started() {
    const worker = new Worker(new URL("engine/worker.js", this.#base), { type: "module" });
    worker.addEventListener("message", ({ data }) => this.#receive(data));
    worker.addEventListener("error", ({ message }) => this.#fail(worker, message));
    worker.postMessage({ site: { ...this.#site, known: this.#known } });
    return worker;
  }

  #receive({ id, ...answer }) {
    const [call] = this.#calls;
    if (call?.message.id !== id) return; // of a worker that was ended
    if (answer.opened) this.#known[answer.opened.file] = answer.opened;
    if (answer.error) this.#settle(() => call.reject(new TaskError(answer.error)));
    else if ("result" in answer) this.#settle(() => call.resolve(answer.result));
    else call.progress(answer);
  }

  #cancel(call) {
    const place = this.#calls.indexOf(call);
    if (place < 0) return;
    if (call.sent) this.close();
    this.#calls.splice(place, 1);
    call.reject(new TaskError({ kind: "cancelled", text: call.message.task }));
    this.#advance();
  }

  #fail(worker, text) {
    if (worker !== this.#worker) return;
    this.close();
    const [call] = this.#calls;
    if (call) this.#settle(() => call.reject(new TaskError({ kind: "failed", text: text ?? "worker" })));
  }

  #settle(answer) {
    this.#calls.shift();
    answer();
    this.#advance();
  }
}
