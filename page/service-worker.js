// Keeps the page working offline, and adds the headers that let it use threads to hosts that cannot.
// Registered as service-worker.js?version=...: a new site is installed beside the old one, and used once the old one's
// pages are closed. Until then they keep their networks, which activate() removes.

const VERSION = new URL(location.href).searchParams.get("version");
const SHELL = `senga-shell-${VERSION}`;
const FILES = "senga-files"; // kept by engine/fetching.js
const MANIFEST = "manifest.json";
const HEADERS = "headers.json";
let headers = null;

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method === "GET" && url.origin === location.origin) event.respondWith(answer(event.request, url));
});

async function install() {
  const manifest = await (await fetch(MANIFEST, { cache: "no-cache" })).json();
  // A browser also looks for a new script under the old address: it would fill the old pages' cache with new files.
  if (manifest.version !== VERSION) throw new Error(`the site is version ${manifest.version}, this worker ${VERSION}`);
  const shell = await caches.open(SHELL);
  await Promise.all(
    ["./", MANIFEST, ...manifest.shell].map(async (place) => {
      const response = await fetch(place, { cache: "no-cache" });
      if (!response.ok) throw new Error(`${place}: ${response.status}`);
      await shell.put(place, response);
    }),
  );
}

async function activate() {
  for (const name of await caches.keys()) if (name.startsWith("senga-shell-") && name !== SHELL) await caches.delete(name);
  const { files } = await (await (await caches.open(SHELL)).match(MANIFEST)).json();
  const known = new Set(Object.values(files).map((facts) => facts.sha256.slice(0, 16)));
  const store = await caches.open(FILES);
  for (const request of await store.keys())
    if (!known.has(new URL(request.url).searchParams.get("sha256"))) await store.delete(request);
  await self.clients.claim();
}

async function answer(request, url) {
  // The question whether there is a newer site goes to the host.
  const fresh = url.searchParams.has("fresh");
  const kept = fresh ? undefined : await (await caches.open(SHELL)).match(request, { ignoreSearch: true });
  return withHeaders(kept ?? (await fetch(request)));
}

async function withHeaders(response) {
  if (response.status === 0 || response.type === "opaque") return response;
  headers ??= await (await (await caches.open(SHELL)).match(HEADERS)).json();
  const added = new Headers(response.headers);
  for (const name of ["Content-Encoding", "Content-Length"]) added.delete(name); // the body is unpacked already
  for (const [name, value] of Object.entries(headers)) added.set(name, value);
  const { status, statusText } = response;
  return new Response([204, 205, 304].includes(status) ? null : response.body, { status, statusText, headers: added });
}
