// Keeps the offline page and what it is made of; the network comes first, so that nobody sees an old page online.
const SHELL = "hufu-offline-shell";
const PAGE = "/v/offline";
const PARTS = [PAGE, "/static/hufu.css", "/static/mark.svg", ...["page", "codes", "judge", "format"].map((name) => `/static/offline/${name}.js`)];

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

async function kept(address) {
  const shell = await caches.open(SHELL);
  const match = (ignoreSearch) => shell.match(address, { ignoreVary: true, ignoreSearch });
  return (await match(false)) ?? match(true);
}

async function networkFirst(request) {
  try {
    const answer = await fetch(request);
    if (answer.ok) await (await caches.open(SHELL)).put(request, answer.clone());
    return answer;
  } catch (error) {
    const found = await kept(request);
    if (found) return found;
    throw error;
  }
}

// A code's link leads to the verify page: without a network the offline page stands in for it and reads the code.
async function verifyPage(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const found = await kept(PAGE);
    if (found) return found;
    throw error;
  }
}

addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.method !== "GET") return;
  if (pathname === "/v") event.respondWith(verifyPage(event.request));
  else if (pathname === PAGE || pathname.startsWith("/static/")) event.respondWith(networkFirst(event.request));
});
