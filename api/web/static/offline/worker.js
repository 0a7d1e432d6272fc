// Keeps the offline page and what it is made of; the network comes first, so that nobody sees an old page online.
const SHELL = "hufu-offline-shell";
const PARTS = ["/v/offline", "/static/offline/page.js", "/static/offline/judge.js", "/static/offline/format.js", "/static/mark.svg"];

const READER = ["es/reader/index.js", "es/share.js", "reader/zxing_reader.wasm"].map((part) => `/static/offline/reader/node_modules/zxing-wasm/dist/${part}`);

// The reader of codes is not installed everywhere: the page does without what is not there.
async function keep() {
  const shell = await caches.open(SHELL);
  await shell.addAll(PARTS);
  await Promise.allSettled(READER.map((part) => shell.add(part)));
  await skipWaiting();
}

addEventListener("install", (event) => event.waitUntil(keep()));
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
