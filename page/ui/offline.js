// The service worker: offline use, and the headers for threads on hosts that cannot set them.

import { recall, remember } from "./storage.js";

const RELOADED = "senga.reloaded";

/** Install the worker for this version of the site. idle() says whether the page may be loaded again. */
export async function goOffline(base, idle) {
  if (!("serviceWorker" in navigator)) return;
  try {
    const { version } = await (await fetch(new URL("manifest.json?fresh", base), { cache: "no-cache" })).json();
    await navigator.serviceWorker.register(new URL(`service-worker.js?version=${version}`, base));
    await navigator.serviceWorker.ready;
  } catch {
    return; // offline, or the browser does not allow it: the page works as it is
  }
  const session = true;
  if (crossOriginIsolated || recall(RELOADED, { session }) || !idle()) return;
  if (remember(RELOADED, "1", { session })) location.reload(); // once: the headers come with the next load
}
