// The service worker: offline use, and the headers for threads on hosts that cannot set them.

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
  if (crossOriginIsolated || sessionStorage.getItem(RELOADED) || !idle()) return;
  sessionStorage.setItem(RELOADED, "1"); // once: the headers come with the next load
  location.reload();
}
