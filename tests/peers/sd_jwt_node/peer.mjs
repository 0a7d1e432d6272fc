// Issues and presents credentials, and judges presentations, with a library that knows nothing of the other side.
import { createHash, webcrypto } from "node:crypto";
import { SDJwtVcInstance } from "@sd-jwt/sd-jwt-vc";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const task = JSON.parse(Buffer.concat(chunks));
const curve = { name: "ECDSA", namedCurve: "P-256" };
const signature = { name: "ECDSA", hash: "SHA-256" };

async function signer(jwk) {
  const key = await webcrypto.subtle.importKey("jwk", { ...jwk, key_ops: undefined }, curve, false, ["sign"]);
  return async (data) => Buffer.from(await webcrypto.subtle.sign(signature, key, Buffer.from(data))).toString("base64url");
}

async function verifier(jwk) {
  const { kty, crv, x, y } = jwk;
  const key = await webcrypto.subtle.importKey("jwk", { kty, crv, x, y }, curve, false, ["verify"]);
  return (data, sig) => webcrypto.subtle.verify(signature, key, Buffer.from(sig, "base64url"), Buffer.from(data));
}

const issued = await verifier(task.issuer);
const library = new SDJwtVcInstance({
  signer: await signer(task.issuer),
  signAlg: "ES256",
  verifier: issued,
  kbSigner: await signer(task.holder),
  kbSignAlg: "ES256",
  kbVerifier: async (data, sig, payload) => (await verifier(payload.cnf.jwk))(data, sig),
  hasher: (data, algorithm) => createHash(algorithm.replace("-", "")).update(Buffer.from(data)).digest(),
  hashAlg: "sha-256",
  saltGenerator: async (length) => webcrypto.getRandomValues(Buffer.alloc(length)).toString("base64url"),
  statusListFetcher: async () => task.status,
  statusVerifier: issued,
});

async function make({ claims, disclosable, shown, nonce, aud, iat }) {
  const credential = await library.issue(claims, disclosable, { header: { kid: "issuer-1" } });
  return library.present(credential, shown, { kb: { payload: { nonce, aud, iat } } });
}

async function judge({ presentation, nonce, now }) {
  try {
    const { payload } = await library.verify(presentation, { keyBindingNonce: nonce, currentDate: now });
    return { accepted: true, claims: payload };
  } catch (error) {
    return { accepted: false, why: String(error.message) };
  }
}

const made = [];
for (const one of task.make) made.push(await make(one));
const judged = [];
for (const one of task.judge) judged.push(await judge(one));
console.log(JSON.stringify({ made, judged }));
