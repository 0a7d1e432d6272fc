// Keeps the offline page and what it is made of; the network comes first, so that nobody sees an old page online.
const SHELL = "hufu-offline-shell";
const PARTS = ["/v/offline", "/static/offline/page.js", "/static/offline/judge.js", "/static/offline/format.js", "/static/mark.svg"];

addEventListener("install", (event) => {
  event.waitUntil(caches.open(SHELL).then((shell) => shell.addAll(PARTS)).then(() => skipWaiting()));
});
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

async function networkFirst(request) {
  const shell = await caches.open(SHELL);
  try {
    const answer = await fetch(request);
    if (answer.ok) await shell.put(request, answer.clone());
    return answer;
  } catch (error) {
    const kept = await shell.match(request, { ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
}

addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.method === "GET" && (pathname === "/v/offline" || pathname.startsWith("/static/"))) event.respondWith(networkFirst(event.request));
});
