// What the browser keeps for this site. Where its settings forbid that, a text is kept until the page is closed.

const held = new Map();

/** A kept text, or null. `session`: only as long as the tab is open. */
export function recall(name, { session = false } = {}) {
  try {
    return storage(session).getItem(name);
  } catch {
    return held.get(name) ?? null;
  }
}

/** Keep a text. Whether it is there after the page is loaded again. */
export function remember(name, value, { session = false } = {}) {
  try {
    storage(session).setItem(name, value);
    return true;
  } catch {
    held.set(name, value);
    return false;
  }
}

function storage(session) {
  return session ? sessionStorage : localStorage;
}
