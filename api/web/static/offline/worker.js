// Keeps the offline page, what it is made of and its data; the network comes first, so that nobody sees an old page online.
const SHELL = "hufu-offline-shell";
const PAGE = "/v/offline";
const PARTS = [PAGE, "/static/hufu.css", "/static/mark.svg", ...["page", "codes", "judge", "format", "keep"].map((name) => `/static/offline/${name}.js`)];

const READER = ["es/reader/index.js", "es/share.js", "reader/zxing_reader.wasm"].map((part) => `/static/offline/reader/node_modules/zxing-wasm/dist/${part}`);

const PACK = "/api/v1/offline-pack", DATA = "hufu-offline-data";
const UNASKED = 8 * 1024 * 1024, FRESH = 6 * 3_600_000;

// Who only opened the verify page asked for no download: a large pack waits for the offline page, which fetches its own.
async function keepPack() {
  const answer = await fetch(PACK);
  const small = Number(answer.headers.get("content-length") ?? Infinity) <= UNASKED;
  if (answer.ok && small) await (await caches.open(DATA)).put(PACK, answer);
  else await answer.body?.cancel();
}

// Earlier releases kept the page once for every address it was opened by.
async function forgetCodes(shell) {
  const codes = (await shell.keys()).filter(({ url }) => new URL(url).pathname === PAGE && url !== new URL(PAGE, url).href);
  await Promise.all(codes.map((request) => shell.delete(request, { ignoreVary: true })));
}

// The reader of codes is not installed everywhere: the page does without what is not there.
async function keep() {
  const shell = await caches.open(SHELL);
  await shell.addAll(PARTS);
  await forgetCodes(shell);
  const more = navigator.connection?.saveData ? [] : [keepPack()];
  await Promise.allSettled([...more, ...READER.map((part) => shell.add(part))]);
  await skipWaiting();
}

// What is kept follows the service where the verify page is opened again.
async function freshen() {
  const held = await (await caches.open(DATA)).match(PACK);
  if (!held || Date.now() - Date.parse(held.headers.get("date")) < FRESH) return;
  await (await caches.open(SHELL)).addAll(PARTS);
  await keepPack();
}

addEventListener("install", (event) => event.waitUntil(keep()));
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

async function kept(address) {
  const shell = await caches.open(SHELL);
  const match = (ignoreSearch) => shell.match(address, { ignoreVary: true, ignoreSearch });
  return (await match(false)) ?? match(true);
}

// The page is kept under its bare address: behind it may stand a code, which is nobody's to keep.
async function networkFirst(request, address = request) {
  try {
    const answer = await fetch(request);
    if (answer.ok) await (await caches.open(SHELL)).put(address, answer.clone());
    return answer;
  } catch (error) {
    const found = await kept(address);
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
  if (pathname === "/v") {
    event.respondWith(verifyPage(event.request));
    event.waitUntil(freshen().catch(() => {}));
  } else if (pathname === PAGE) event.respondWith(networkFirst(event.request, PAGE));
  else if (pathname.startsWith("/static/")) event.respondWith(networkFirst(event.request));
});
