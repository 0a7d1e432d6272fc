// Reads a status list token as a relying party does, with a library that knows nothing of its issuer.
import { webcrypto } from "node:crypto";
import { getListFromStatusListJWT, StatusList } from "@sd-jwt/jwt-status-list";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { token, key, places } = JSON.parse(Buffer.concat(chunks));

const [header, payload, signature] = token.split(".");
const imported = await webcrypto.subtle.importKey("jwk", key, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
const genuine = await webcrypto.subtle.verify(
  { name: "ECDSA", hash: "SHA-256" }, imported, Buffer.from(signature, "base64url"), Buffer.from(`${header}.${payload}`));
const list = getListFromStatusListJWT(token);
const claims = JSON.parse(Buffer.from(payload, "base64url"));
const again = StatusList.decompressStatusList(claims.status_list.lst, claims.status_list.bits);
console.log(JSON.stringify({
  genuine,
  typ: JSON.parse(Buffer.from(header, "base64url")).typ,
  bits: list.getBitsPerStatus(),
  ttl: claims.ttl,
  subject: claims.sub,
  values: places.map((place) => list.getStatus(place)),
  same: places.every((place) => again.getStatus(place) === list.getStatus(place)),
}));
