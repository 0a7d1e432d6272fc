// A FAPI 2.0 relying party: pushed requests, private_key_jwt, DPoP with the server's nonce.
import * as openid from "openid-client";
import * as oauth from "oauth4webapi";

const task = JSON.parse(await new Promise((resolve) => {
  let text = "";
  process.stdin.on("data", (chunk) => (text += chunk)).on("end", () => resolve(text));
}));
const algorithm = { name: "ECDSA", namedCurve: "P-256" };
const key = { key: await crypto.subtle.importKey("jwk", task.private_jwk, algorithm, false, ["sign"]), kid: task.private_jwk.kid };
const keys = await crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);

async function browse(address) {
  let next = new URL(address);
  for (let step = 0; step < 5; step += 1) {
    const answer = await fetch(next, { redirect: "manual", headers: { cookie: task.cookie } });
    if (answer.status !== 303) throw new Error(`unexpected ${answer.status}: ${await answer.text()}`);
    next = new URL(answer.headers.get("location"), next);
    if (next.origin !== new URL(task.issuer).origin) return next;
  }
  throw new Error("too many redirects");
}

async function withOpenidClient() {
  const config = await openid.discovery(new URL(task.issuer), task.client_id, undefined,
    openid.PrivateKeyJwt(key), { execute: [openid.allowInsecureRequests] });
  const DPoP = openid.getDPoPHandle(config, keys);
  const verifier = openid.randomPKCECodeVerifier();
  const state = openid.randomState();
  const address = await openid.buildAuthorizationUrlWithPAR(config, {
    redirect_uri: task.redirect_uri, scope: task.scope, state,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  }, { DPoP });
  const tokens = await openid.authorizationCodeGrant(config, await browse(address.href), {
    pkceCodeVerifier: verifier, expectedState: state, idTokenExpected: true,
  }, undefined, { DPoP });
  const claims = tokens.claims();
  const userinfo = await openid.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP });
  const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
  return { claims, userinfo, token_type: tokens.token_type, refreshed: refreshed.token_type };
}

async function withOauth4webapi() {
  const insecure = { [oauth.allowInsecureRequests]: true };
  const issuer = new URL(task.issuer);
  const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
  const client = { client_id: task.client_id };
  const authentication = oauth.PrivateKeyJwt(key);
  const DPoP = oauth.DPoP(client, keys);
  const verifier = oauth.generateRandomCodeVerifier();
  const again = async (act) => {
    // The server answers the first proof with its nonce; the library keeps it for the second try.
    try { return await act(); } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error;
      return act();
    }
  };
  const parameters = {
    redirect_uri: task.redirect_uri, response_type: "code", scope: task.scope, state: "state",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  };
  const pushed = await again(async () => oauth.processPushedAuthorizationResponse(server, client,
    await oauth.pushedAuthorizationRequest(server, client, authentication, parameters, { DPoP, ...insecure })));
  const address = new URL(server.authorization_endpoint);
  address.searchParams.set("client_id", task.client_id);
  address.searchParams.set("request_uri", pushed.request_uri);
  const answer = oauth.validateAuthResponse(server, client, await browse(address.href), "state");
  const tokens = await again(async () => oauth.processAuthorizationCodeResponse(server, client,
    await oauth.authorizationCodeGrantRequest(server, client, authentication, answer, task.redirect_uri, verifier,
      { DPoP, ...insecure }), { requireIdToken: true }));
  const claims = oauth.getValidatedIdTokenClaims(tokens);
  const userinfo = await again(async () => oauth.processUserInfoResponse(server, client, claims.sub,
    await oauth.userInfoRequest(server, client, tokens.access_token, { DPoP, ...insecure })));
  const refreshed = await again(async () => oauth.processRefreshTokenResponse(server, client,
    await oauth.refreshTokenGrantRequest(server, client, authentication, tokens.refresh_token, { DPoP, ...insecure })));
  return { claims, userinfo, token_type: tokens.token_type, refreshed: refreshed.token_type };
}

const plays = { "openid-client": withOpenidClient, oauth4webapi: withOauth4webapi };
process.stdout.write(JSON.stringify(await plays[task.library]()));
