// The verdict on a code without a network; the same rules as `hufu verify --pack`.
import { Malformed, Tagged, base32, base64, cbor, cborBytes, concatenate, hex, inflate, unzip } from "./format.js";

const COSE_SIGN1 = 18, ES256 = -7, LICENCE = -65537;
const MAX_TEXT = 4000, MAX_CONTENT = 8192, MAX_PACK = 64 * 1024 * 1024;
const MAX_BASE32_SLACK = [1, 3, 6];
const FIRST_SECOND = -62135596800, LAST_SECOND = 253402300799, FIRST_DAY = -719162, LAST_DAY = 2932896; // of the years 1 to 9999
const DAY = 86_400_000, CHINA = 8 * 3_600_000;
const SIGNATURE1 = concatenate([Uint8Array.of(0x84, 0x6a), new TextEncoder().encode("Signature1")]);
const LINK = /^(https?):\/\/([^/?#\\\s]+)(?:[/?][^#\\\s]*)?$/, USUAL_PORT = { http: /:80$/, https: /:443$/ };
const LEFT_OUT = ["not_fetched", "over_limit"];
const BY_VALUE = ["all_checks_passed", "licence_not_in_force", "licence_suspended", "licence_pending"];

const imported = new Map();

const importKey = async (spki) => crypto.subtle.importKey("spki", base64(spki), { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);

// By a key that is none of P-256 nothing was signed.
async function holds(spki, signature, signed) {
  if (!imported.has(spki)) imported.set(spki, await importKey(spki).catch(() => null));
  const key = imported.get(spki);
  return key !== null && crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, signature, signed);
}

const isBytes = (value, size) => value instanceof Uint8Array && value.length === size;
const within = (value, first, last) => Number.isInteger(value) && value >= first && value <= last;

// Some readers of zlib pass over what follows a stream: then it is whole without its last byte, too.
async function inflateAlone(bytes, most) {
  const content = await inflate(bytes, most);
  if (await inflate(bytes.subarray(0, -1), most).then(() => true, () => false)) throw new Malformed("loose ends");
  return content;
}

function takeApart(value) {
  if (!(value instanceof Tagged) || value.tag !== COSE_SIGN1 || value.value.length !== 4) throw new Malformed("no COSE_Sign1");
  const [protectedBytes, unprotected, payload, signature] = value.value;
  const header = cbor(protectedBytes);
  if (header.get(1) !== ES256 || !isBytes(signature, 64) || unprotected.size !== 0) throw new Malformed("another kind of token");
  const signed = concatenate([SIGNATURE1, cborBytes(protectedBytes), cborBytes(new Uint8Array()), cborBytes(payload)]);
  return { keyId: hex(header.get(4)), type: header.get(16), headers: header.size, claims: cbor(payload), signature, signed };
}

async function readList(bytes, keys) {
  const { keyId, type, claims, signature, signed } = takeApart(cbor(bytes));
  const key = keys.find((item) => item.key_id === keyId);
  if (!key || !(await holds(key.der, signature, signed))) throw new Malformed("a status list is not signed");
  const list = claims.get(65533), moments = [6, 4].map((name) => claims.get(name));
  const right = type === "application/statuslist+cwt" && list.get("bits") === 2 && moments.every((item) => within(item, FIRST_SECOND, LAST_SECOND));
  if (!right) throw new Malformed("another kind of list");
  const [issuedAt, expiresAt] = moments.map((item) => item * 1000);
  return { address: claims.get(2), issuedAt, expiresAt, packed: await inflateAlone(list.get("lst"), MAX_PACK) };
}

// What trust.json says of a trusted city; its lists are believed when a code needs one.
function readCity({ list, left_out }, place, files) {
  const keys = list.status_list_keys.map((item) => ({ key_id: item.id, der: item.der }));
  const leftOut = new Map(LEFT_OUT.flatMap((why) => (left_out[why] ?? []).map((number) => [number, why])));
  const file = (number) => files.get(`cities/${place}/${number}.cwt`);
  return [list.iss, { keys, leftOut, file, base: list.status_lists, issuedAt: list.iat * 1000, expiresAt: list.exp * 1000 }];
}

export async function openPack(bytes) {
  const files = await unzip(bytes, MAX_PACK);
  const [header, payload, signature] = new TextDecoder().decode(files.get("manifest.jws")).split(".");
  files.delete("manifest.jws");
  const text = new TextDecoder();
  const [head, claims] = [header, payload].map((part) => JSON.parse(text.decode(base64(part))));
  const signed = new TextEncoder().encode(`${header}.${payload}`);
  if (head.typ !== "hufu-pack+jwt" || head.alg !== "ES256" || !(await holds(claims.key, base64(signature), signed))) {
    throw new Malformed("the pack is not signed");
  }
  const digests = Object.entries(claims.files);
  if (digests.length !== files.size) throw new Malformed("the pack is not whole");
  for (const [name, digest] of digests) {
    const found = files.get(name);
    if (!found || hex(new Uint8Array(await crypto.subtle.digest("SHA-256", found))) !== digest) throw new Malformed("the pack is damaged");
  }
  const trust = JSON.parse(text.decode(files.get("trust.json")));
  const pack = {
    service: claims.iss, issuedAt: claims.iat * 1000, expiresAt: claims.exp * 1000,
    dataAsOf: Math.min(claims.iat * 1000, Date.parse(trust.revocation_as_of)),
    verifyPages: claims.verify_page ? [claims.verify_page, ...(trust.other_pages ?? [])] : [], codeKeys: trust.code_keys, types: JSON.parse(text.decode(files.get("catalogue.json"))), lists: new Map(),
    leftOut: new Map(), cities: new Map((trust.cities ?? []).map((city, place) => readCity(city, place, files))),
  };
  for (const [name, data] of files) {
    if (!name.startsWith("status/")) continue;
    const list = await readList(data, trust.status_list_keys), number = list.address.split("/").pop();
    if (name !== `status/${number}.cwt`) throw new Malformed("a status list under another number");
    pack.dataAsOf = Math.min(pack.dataAsOf, list.issuedAt);
    pack.expiresAt = Math.min(pack.expiresAt, list.expiresAt);
    pack.lists.set(Number(number), list.packed);
  }
  return pack;
}

async function readCode(unverified) {
  const whole = unverified.replaceAll(/\s/g, "");
  const text = whole.split("#").pop().toUpperCase();
  if (whole.length > MAX_TEXT || !text.startsWith("HF1")) throw new Malformed("no code");
  const encoded = text.slice(3);
  if (!encoded || MAX_BASE32_SLACK.includes(encoded.length % 8)) throw new Malformed("cut off");
  const code = takeApart(cbor(await inflateAlone(base32(encoded), MAX_CONTENT)));
  if (code.headers !== 2 || code.keyId.length !== 16) throw new Malformed("another kind of token");
  const licence = code.claims.get(LICENCE);
  const wanted = { identifier: 1, typeName: 2, names: 3, tail: 4, from: 5, to: 6, list: 7, index: 8, issuer: 9, copy: 10 };
  const facts = Object.fromEntries(Object.entries(wanted).map(([name, key]) => [name, licence.get(key)]));
  facts.names = [...facts.names];
  const [service, issuedAt, expiresAt] = [1, 6, 4].map((key) => code.claims.get(key));
  const texts = [service, facts.identifier, facts.typeName, facts.tail, facts.issuer, ...facts.names];
  const moments = expiresAt === undefined ? [issuedAt] : [issuedAt, expiresAt];
  const days = facts.to === undefined ? [facts.from] : [facts.from, facts.to];
  const right = texts.every((item) => typeof item === "string") && moments.every((item) => within(item, 0, LAST_SECOND))
    && days.every((item) => within(item, FIRST_DAY, LAST_DAY)) && [facts.list, facts.index].every((item) => within(item, 0, Infinity));
  if (!right) throw new Malformed("a field is missing");
  return { ...code, facts, service, issuedAt: issuedAt * 1000, expiresAt: expiresAt * 1000 };
}

// What a pack holds of a city's status list as a pack of that city's: its key, its dates.
async function about(pack, service, number) {
  if (service === pack.service) return pack;
  const city = pack.cities.get(service);
  if (!city) return { ...pack, types: {}, lists: new Map() };
  const found = await readList(city.file(number), city.keys).catch(() => null);
  const list = found?.address === `${city.base}/${number}` ? found : null;
  const dataAsOf = Math.min(city.issuedAt, list?.issuedAt ?? Infinity);
  return {
    ...pack, types: {}, lists: new Map(list ? [[number, list.packed]] : []), leftOut: city.leftOut, dataAsOf,
    issuedAt: Math.max(pack.issuedAt, dataAsOf), expiresAt: Math.min(pack.expiresAt, city.expiresAt, list?.expiresAt ?? Infinity),
  };
}

function statusOf({ facts, issuedAt }, pack) {
  const byte = pack.lists.get(facts.list)?.[Math.floor(facts.index / 4)];
  if (byte === undefined) return "data_missing";
  const status = BY_VALUE[(byte >> (2 * (facts.index % 4))) & 3];
  // Issued since: the code is genuine, and the pack is of before.
  return status === "licence_pending" && issuedAt > pack.dataAsOf ? "data_stale" : status;
}

function datesOf(code, now) {
  const today = Math.floor((now + CHINA) / DAY);
  const over = (code.facts.copy === 1 || code.facts.copy === true) && Number.isFinite(code.expiresAt) && now >= code.expiresAt;
  if ((code.facts.to !== undefined && today > code.facts.to) || over) return "licence_expired";
  return today < code.facts.from ? "licence_not_yet_valid" : "all_checks_passed";
}

// Scheme and host of a plain web address; empty for what two readers could take for two addresses.
function origin(link) {
  const found = LINK.exec(link.toLowerCase());
  return found ? `${found[1]}://${found[2].replace(USUAL_PORT[found[1]], "")}` : "";
}

// The link before a code, empty where there is none to judge.
const linkOf = (text, pages) => (pages.length ? text.trim().split("#").slice(0, -1).join("#") : "");

function verdictOf(reason) {
  if (["all_checks_passed", "code_leads_elsewhere"].includes(reason)) return "VALID";
  return ["data_stale", "data_missing", "code_issuer_unknown"].includes(reason) ? "UNDETERMINED" : "INVALID";
}

const PASSED = "all_checks_passed";

// One thing that was looked at, named as in the service's own reports; a reason says why it did not pass.
function check(name, reason = PASSED, unknown = false) {
  const outcome = reason === PASSED ? "passed" : unknown ? "unknown" : "failed";
  return { name, outcome, reason };
}

async function open(text, pack) {
  let code;
  try {
    code = await readCode(text);
  } catch {
    return { refused: check("code.form", "code_malformed") };
  }
  const key = pack.codeKeys.find((item) => item.key_id === code.keyId && (item.service ?? pack.service) === code.service);
  if (!key) return { refused: check("code.key", "code_issuer_unknown", true) };
  if (!(await holds(key.der, code.signature, code.signed))) return { refused: check("code.signature", "code_forged") };
  const compromised = key.not_trusted_from && code.issuedAt >= Date.parse(key.not_trusted_from);
  return compromised ? { refused: check("code.key", "key_compromised") } : { code };
}

function weigh(code, pack, now) {
  const current = pack.issuedAt <= now && now < pack.expiresAt;
  const dates = datesOf(code, now), status = statusOf(code, pack);
  const checks = [
    check("code.signature"), check("pack.fresh", current ? PASSED : "data_stale", true),
    status === "data_missing" ? check("licence.status", pack.leftOut.get(code.facts.list) ?? status, true) : check("licence.status", status, status === "data_stale"),
    check("licence.dates", dates),
  ];
  // What has ended stays ended however old the pack is; only "valid" needs fresh data.
  const reason = dates === "licence_expired" || (status === PASSED && dates !== PASSED) ? dates : status;
  const changeable = [PASSED, "licence_suspended", "licence_pending"].includes(reason);
  return { reason: !current && changeable ? "data_stale" : reason, checks };
}

function nameOf({ facts }, pack) {
  return { ...facts, typeName: pack.types[facts.identifier.split(".")[5]] ?? facts.typeName };
}

export async function judge(text, pack, now) {
  const { code, refused } = await open(text, pack);
  const theirs = code ? await about(pack, code.service, code.facts.list) : pack;
  let { reason, checks } = refused ? { reason: refused.reason, checks: [refused] } : weigh(code, theirs, now);
  const link = linkOf(text, pack.verifyPages);
  if (link) {
    const known = pack.verifyPages.map(origin).includes(origin(link));
    checks = [...checks, check("code.link", known ? PASSED : "code_leads_elsewhere")];
    if (!known && reason === PASSED) reason = "code_leads_elsewhere";
  }
  return { verdict: verdictOf(reason), reason, checks, facts: code ? nameOf(code, theirs) : null, dataAsOf: theirs.dataAsOf };
}
