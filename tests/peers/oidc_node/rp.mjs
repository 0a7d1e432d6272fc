// One relying party, played by a library that shares no code with Hufu.
// Reads its task as JSON from standard input, writes what it learned as JSON to standard output.
import * as openid from "openid-client";
import * as oauth from "oauth4webapi";

const task = JSON.parse(await new Promise((resolve) => {
  let text = "";
  process.stdin.on("data", (chunk) => (text += chunk)).on("end", () => resolve(text));
}));

async function browse(address) {
  // The person's browser: signed in already, follows redirects until they leave the provider.
  let next = new URL(address);
  for (let step = 0; step < 5; step += 1) {
    const answer = await fetch(next, { redirect: "manual", headers: { cookie: task.cookie } });
    if (answer.status !== 303) throw new Error(`unexpected ${answer.status}: ${await answer.text()}`);
    next = new URL(answer.headers.get("location"), next);
    if (next.origin !== new URL(task.issuer).origin) return next;
  }
  throw new Error("too many redirects");
}

async function leave(address) {
  // Signs out at the provider; tells whether the way back is offered and the session is over.
  const headers = { cookie: task.cookie, accept: "text/html" };
  const page = await (await fetch(address, { headers })).text();
  const again = await fetch(`${task.issuer}/real-name`, { redirect: "manual", headers });
  return page.includes(task.after) && new URL(again.headers.get("location"), task.issuer).pathname === "/sign-in";
}

async function withOpenidClient() {
  const config = await openid.discovery(new URL(task.issuer), task.client_id, undefined,
    openid.ClientSecretBasic(task.client_secret), { execute: [openid.allowInsecureRequests] });
  const verifier = openid.randomPKCECodeVerifier();
  const state = openid.randomState();
  const nonce = openid.randomNonce();
  const address = openid.buildAuthorizationUrl(config, {
    redirect_uri: task.redirect_uri, scope: task.scope, state, nonce,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  });
  const tokens = await openid.authorizationCodeGrant(config, await browse(address.href), {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
  });
  const claims = tokens.claims();
  const userinfo = await openid.fetchUserInfo(config, tokens.access_token, claims.sub);
  const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
  const before = await openid.tokenIntrospection(config, refreshed.access_token);
  await openid.tokenRevocation(config, tokens.refresh_token);
  const after = await openid.tokenIntrospection(config, refreshed.access_token);
  const left = await leave(openid.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token, post_logout_redirect_uri: task.after,
  }));
  return { claims, userinfo, refreshed: refreshed.claims().sub, before: before.active, after: after.active, left };
}

async function withOauth4webapi() {
  const options = { [oauth.allowInsecureRequests]: true };
  const issuer = new URL(task.issuer);
  const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
  const client = { client_id: task.client_id };
  const authentication = oauth.ClientSecretBasic(task.client_secret);
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const address = new URL(server.authorization_endpoint);
  for (const [name, value] of Object.entries({
    client_id: task.client_id, redirect_uri: task.redirect_uri, response_type: "code", scope: task.scope, state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  })) address.searchParams.set(name, value);
  const parameters = oauth.validateAuthResponse(server, client, await browse(address.href), state);
  const tokens = await oauth.processAuthorizationCodeResponse(server, client,
    await oauth.authorizationCodeGrantRequest(server, client, authentication, parameters, task.redirect_uri, verifier, options),
    { expectedNonce: nonce, requireIdToken: true });
  const claims = oauth.getValidatedIdTokenClaims(tokens);
  const userinfo = await oauth.processUserInfoResponse(server, client, claims.sub,
    await oauth.userInfoRequest(server, client, tokens.access_token, options));
  const refreshed = await oauth.processRefreshTokenResponse(server, client,
    await oauth.refreshTokenGrantRequest(server, client, authentication, tokens.refresh_token, options));
  const introspect = async () => oauth.processIntrospectionResponse(server, client,
    await oauth.introspectionRequest(server, client, authentication, refreshed.access_token, options));
  const before = await introspect();
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(server, client, authentication, tokens.refresh_token, options));
  const after = await introspect();
  const away = new URL(server.end_session_endpoint);
  away.searchParams.set("id_token_hint", tokens.id_token);
  away.searchParams.set("post_logout_redirect_uri", task.after);
  const left = await leave(away);
  return {
    claims, userinfo, refreshed: oauth.getValidatedIdTokenClaims(refreshed).sub,
    before: before.active, after: after.active, left,
  };
}

const plays = { "openid-client": withOpenidClient, oauth4webapi: withOauth4webapi };
process.stdout.write(JSON.stringify(await plays[task.library]()));
