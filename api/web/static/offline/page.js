// The offline page: keeps a pack, reads a code from text, a picture or the camera, shows the verdict.
import { judge, openPack } from "./judge.js";

const PACK = "/api/v1/offline-pack", KEPT = "hufu-offline-data";
const element = (id) => document.getElementById(id);
let pack = null;

function day(number, language) {
  if (number === undefined) return element("long-term").textContent;
  return new Date(number * 86_400_000).toLocaleDateString(language, { timeZone: "UTC", dateStyle: "long" });
}

async function load() {
  const kept = await caches.open(KEPT);
  try {
    const fresh = await fetch(PACK, { cache: "no-cache" });
    if (!fresh.ok) throw new Error("refused");
    const opened = await openPack(new Uint8Array(await fresh.clone().arrayBuffer()));
    await kept.put(PACK, fresh);
    return opened;
  } catch {
    const old = await kept.match(PACK);
    return old ? openPack(new Uint8Array(await old.arrayBuffer())) : null;
  }
}

function showPack() {
  const current = pack && Date.now() < pack.expiresAt;
  element("pack-none").hidden = Boolean(pack);
  element("pack-stale").hidden = !pack || current;
  element("pack-ready").hidden = !current;
  if (pack) for (const place of document.querySelectorAll("[data-as-of]")) place.textContent = new Date(pack.dataAsOf).toLocaleString(document.documentElement.lang, { timeZone: "Asia/Shanghai", dateStyle: "long", timeStyle: "short" });
  element("check").disabled = !pack;
}

function show({ verdict, reason, facts }) {
  const language = document.documentElement.lang;
  element("result").hidden = false;
  element("verdict").className = `verdict ${verdict}`;
  for (const sign of document.querySelectorAll("[data-sign]")) sign.toggleAttribute("hidden", sign.dataset.sign !== verdict);
  element("word").textContent = document.querySelector(`[data-verdict="${verdict}"]`).textContent;
  element("why").textContent = document.querySelector(`[data-reason="${reason}"]`).textContent;
  element("todo").textContent = document.querySelector(`[data-advice="${verdict}"]`).textContent;
  element("facts").hidden = !facts;
  if (facts) {
    element("type-name").textContent = pack.types[facts.identifier.split(".")[5]] ?? facts.typeName;
    element("holders").textContent = facts.names.join("、");
    element("tail").textContent = facts.tail;
    element("issuer").textContent = facts.issuer;
    element("period").textContent = `${day(facts.from, language)} — ${day(facts.to, language)}`;
    element("identifier").textContent = facts.identifier;
  }
  element("verdict").scrollIntoView({ block: "start" });
}

async function check(text) {
  show(await judge(text, pack, Date.now()));
}

element("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  check(element("text").value);
});

// What reads codes here: the browser, or a module that was installed beside this page. null: neither.
async function reader() {
  if ("BarcodeDetector" in window) {
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    return async (picture) => (await detector.detect(picture)).map((code) => code.rawValue);
  }
  const place = element("picture-part").dataset.reader;
  if (!place) return null;
  const { prepareZXingModule, readBarcodes } = await import(`${place}es/reader/index.js`);
  await prepareZXingModule({ overrides: { locateFile: () => `${place}reader/zxing_reader.wasm` }, fireImmediately: true });
  return async (picture) => (await readBarcodes(picture, { formats: ["QRCode"], tryHarder: true })).map((code) => code.text);
}

function pixels(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0);
  return context.getImageData(0, 0, width, height);
}

async function scan(read) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  const view = element("camera-view");
  element("camera").hidden = false;
  view.srcObject = stream;
  await view.play();
  const look = async () => {
    const found = (await read(pixels(view, view.videoWidth, view.videoHeight))).find((text) => text.includes("HF1"));
    if (!found) return void requestAnimationFrame(look);
    for (const track of stream.getTracks()) track.stop();
    element("camera").hidden = true;
    check(found);
  };
  look();
}

const read = await reader().catch(() => null);
if (read) {
  element("picture-part").hidden = false;
  element("camera-open").hidden = !navigator.mediaDevices;
  element("camera-open").addEventListener("click", () => scan(read).catch(() => { element("camera-open").hidden = true; }));
  element("picture").addEventListener("change", async () => {
    const picture = await createImageBitmap(element("picture").files[0]).catch(() => null);
    const found = picture ? await read(pixels(picture, picture.width, picture.height)) : [];
    check(found.find((text) => text.includes("HF1")) ?? found[0] ?? "");
  });
}

if ("serviceWorker" in navigator) navigator.serviceWorker.register("/v/worker.js", { scope: "/v/" });
pack = await load().catch(() => null);
showPack();
addEventListener("online", async () => { pack = (await load().catch(() => null)) ?? pack; showPack(); });
document.documentElement.dataset.ready = "yes";
