// The offline page: keeps a pack, reads a code from text, a picture or the camera, shows the verdict.
import { canRead, codeInFile, scan } from "./codes.js";
import { judge, openPack } from "./judge.js";
import { keepForOffline } from "./keep.js";

const PACK = "/api/v1/offline-pack", KEPT = "hufu-offline-data";
const element = (id) => document.getElementById(id);
let pack = null;

function day(number, language) {
  if (number === undefined) return element("long-term").textContent;
  return new Date(number * 86_400_000).toLocaleDateString(language, { timeZone: "UTC", dateStyle: "long" });
}

function moment(time) {
  return new Date(time).toLocaleString(document.documentElement.lang, { timeZone: "Asia/Shanghai", dateStyle: "long", timeStyle: "short" });
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
  if (pack) for (const place of document.querySelectorAll("[data-as-of]")) place.textContent = moment(pack.dataAsOf);
  element("check").disabled = !pack;
}

function showChecks(checks) {
  element("check-count").textContent = element("check-count").textContent.replace(/\d+/, checks.length);
  element("checks").replaceChildren(...checks.map(({ name, outcome, reason }) => {
    const row = element(`check-${outcome}`).content.cloneNode(true);
    const known = document.querySelector(`[data-check="${name}"]`);
    const words = outcome === "passed" ? known : document.querySelector(`[data-reason="${reason}"]`);
    row.querySelector("[data-detail]").textContent = words.textContent;
    row.querySelector("small").textContent = known.dataset.standard;
    return row;
  }));
}

function show({ verdict, reason, facts, checks, dataAsOf }) {
  const language = document.documentElement.lang;
  element("no-code").hidden = true;
  element("result").hidden = false;
  element("verdict").className = `verdict ${verdict}`;
  for (const sign of document.querySelectorAll("[data-sign]")) sign.toggleAttribute("hidden", sign.dataset.sign !== verdict);
  element("word").textContent = document.querySelector(`[data-verdict="${verdict}"]`).textContent;
  element("why").textContent = document.querySelector(`[data-reason="${reason}"]`).textContent;
  element("todo").textContent = (document.querySelector(`[data-advice="${reason}"]`) ?? document.querySelector(`[data-advice="${verdict}"]`)).textContent;
  element("details").open = verdict !== "VALID";
  element("checked-at").textContent = moment(Date.now());
  element("result-as-of").textContent = moment(dataAsOf);
  showChecks(checks);
  element("facts").hidden = !facts;
  if (facts) {
    element("type-name").textContent = facts.typeName;
    element("holders").textContent = facts.names.join("、");
    element("tail").textContent = facts.tail;
    element("issuer").textContent = facts.issuer;
    element("period").textContent = `${day(facts.from, language)} — ${day(facts.to, language)}`;
    element("identifier").textContent = facts.identifier;
  }
  element("verdict").scrollIntoView({ block: "start" });
}

// Whatever happens, the verdict on the code before does not stay: what could not be judged is undetermined.
async function check(text) {
  element("result").hidden = true;
  try {
    show(await judge(text, pack, Date.now()));
  } catch {
    show({ verdict: "UNDETERMINED", reason: "data_missing", facts: null, checks: [], dataAsOf: pack?.dataAsOf ?? Date.now() });
  }
}

element("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  check(element("text").value);
});

// A picture without a code says nothing of any licence.
function noCode() {
  element("result").hidden = true;
  element("no-code").hidden = false;
  element("no-code").scrollIntoView({ block: "center" });
}

const place = element("picture-part").dataset.reader;
element("picture-part").hidden = !canRead(place);
element("camera-open").hidden = !navigator.mediaDevices;
element("camera-open").addEventListener("click", async () => {
  const found = await scan(element("camera-view"), place).catch(() => null);
  element("camera-open").hidden = !found;
  if (found) check(found);
});
element("picture").addEventListener("change", async () => {
  const [file] = element("picture").files;
  if (!file) return;
  const found = await codeInFile(file, place);
  element("picture").value = "";
  if (found) check(found);
  else noCode();
});

// A code is a link to the verify page: without a network its worker answers with this page.
function checkFragment() {
  const fragment = location.hash.slice(1);
  if (!pack || !fragment.toUpperCase().startsWith("HF1")) return;
  history.replaceState(null, "", location.pathname);
  check(fragment);
}

keepForOffline();
pack = await load().catch(() => null);
showPack();
checkFragment();
addEventListener("hashchange", checkFragment);
addEventListener("online", async () => { pack = (await load().catch(() => null)) ?? pack; showPack(); });
document.documentElement.dataset.ready = "yes";
