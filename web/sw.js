// Keeps the page itself, so that it opens without a network, and nothing else: no call's answer is ever kept. Where the
// server answers, the page is always the server's; a newer one takes the place of the kept one as a whole.
const KEPT = "portcullis-page";
/** The server may hang: then the kept page is better than none, after this long, in ms. */
const PATIENCE_MS = 4000;

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim().then(() => fetch("/", { cache: "no-cache" })).then(keep).catch(() => {}));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (!isCall(pathname)) event.respondWith(page(event));
  } else if (isFile(pathname)) {
    event.respondWith(file(request, pathname));
  }
});

// Phones let only a service worker notify.
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const open = event.notification.data;
  event.waitUntil(
    self.clients.matchAll({ type: "window" }).then(([client]) => {
      if (!client) return self.clients.openWindow(open);
      client.postMessage({ open });
      return client.focus();
    }),
  );
});

function isCall(path) {
  return path.startsWith("/v1") || path === "/healthz" || path === "/metrics";
}

/** A file of the page: those with a hash in their name never change. */
function isFile(path) {
  return /-[0-9a-f]{16}(_bg)?\.(js|wasm|css)$/.test(path) || path === "/boot.js" || path.startsWith("/assets/");
}

async function page(event) {
  try {
    const answer = await fetch(event.request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.ok) event.waitUntil(keep(answer.clone()).catch(() => {}));
    return answer;
  } catch (error) {
    const kept = await (await caches.open(KEPT)).match("/");
    if (kept) return kept;
    throw error;
  }
}

async function file(request, path) {
  const cache = await caches.open(KEPT);
  if (/-[0-9a-f]{16}/.test(path)) return (await cache.match(path)) ?? fetch(request);
  return fetch(request).catch(async (error) => {
    const kept = await cache.match(path);
    if (kept) return kept;
    throw error;
  });
}

/** Keeps `answer` as the page, with every file it names; the files first, so that the kept page is never half a page. */
async function keep(answer) {
  const text = await answer.clone().text();
  // Another program serves this origin now.
  if (!text.includes('id="boot"')) return self.registration.unregister();
  const cache = await caches.open(KEPT);
  const named = [...text.matchAll(/(?:href|src|data-module|data-wasm|data-later)="(\/[^"]+)"/g)];
  const names = named.flatMap(([, names]) => names.split(" "));
  const wanted = new Set(names.filter(isFile));
  const known = new Set((await cache.keys()).map(({ url }) => new URL(url).pathname));
  const hashed = (name) => /-[0-9a-f]{16}/.test(name);
  await cache.addAll([...wanted].filter((name) => !known.has(name) || !hashed(name)));
  await cache.put("/", answer);
  const old = [...known].filter((name) => name !== "/" && !wanted.has(name));
  await Promise.all(old.map((name) => cache.delete(name)));
}
