// Keeps the page on the phone: once loaded it works without a network. The version is put in when the page is written
// or served (sync/central/phone_page.py), so every change of a file brings a new worker, which loads all files anew.
const VERSION = "@VERSION@";
const FILES = [
  "./", "base45.js", "cbor.js", "drawing.js", "ep1.js", "icon.svg", "live.js", "livecode.js", "manifest.webmanifest",
  "pass.css", "pass.js", "qrcode.js", "store.js", "words.js",
];
const OURS = `gate-pass ${self.registration.scope} `;
const CACHE = OURS + VERSION;
const HOME = new URL("./", self.location);

self.addEventListener("install", (event) => event.waitUntil((async () => {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((name) => new Request(name, { cache: "reload" })));
  await self.skipWaiting();
})()));

self.addEventListener("activate", (event) => event.waitUntil((async () => {
  const old = (await caches.keys()).filter((name) => name.startsWith(OURS) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
})()));

// All files come from one version of the page; what is not ours goes to the network.
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== HOME.origin) return;
  const page = [HOME.pathname, `${HOME.pathname}index.html`].includes(url.pathname);
  event.respondWith((async () => {
    const cache = await caches.open(CACHE);
    return (await cache.match(page ? HOME.href : event.request, { ignoreSearch: true })) ?? fetch(event.request);
  })());
});
