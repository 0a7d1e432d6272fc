// npm oidc-provider as a peer: PostgreSQL adapter, ES256, JWT access tokens for client credentials.
import pg from "pg";
import Provider, { interactionPolicy } from "oidc-provider";

const task = JSON.parse(process.env.OIDC_BENCH_PEER);
const pool = new pg.Pool({ connectionString: task.database_url, max: 10 });
await pool.query(`CREATE TABLE IF NOT EXISTS peer_payloads (
  id text, model text, payload jsonb NOT NULL, grant_id text, uid text, expires_at timestamptz, consumed_at timestamptz,
  PRIMARY KEY (id, model))`);
await pool.query("CREATE INDEX IF NOT EXISTS peer_payloads_grant ON peer_payloads (grant_id)");
await pool.query("CREATE INDEX IF NOT EXISTS peer_payloads_uid ON peer_payloads (uid)");

class Adapter {
  constructor(model) { this.model = model; }
  async upsert(id, payload, expiresIn) {
    const expires = expiresIn ? new Date(Date.now() + expiresIn * 1000) : null;
    await pool.query(
      `INSERT INTO peer_payloads (id, model, payload, grant_id, uid, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (id, model) DO UPDATE SET payload = $3, grant_id = $4, uid = $5, expires_at = $6`,
      [id, this.model, payload, payload.grantId ?? null, payload.uid ?? null, expires]);
  }
  found(result) {
    const row = result.rows[0];
    if (!row || (row.expires_at && row.expires_at < new Date())) return undefined;
    return { ...row.payload, ...(row.consumed_at ? { consumed: true } : {}) };
  }
  async find(id) {
    return this.found(await pool.query(
      "SELECT payload, expires_at, consumed_at FROM peer_payloads WHERE id = $1 AND model = $2", [id, this.model]));
  }
  async findByUid(uid) {
    return this.found(await pool.query(
      "SELECT payload, expires_at, consumed_at FROM peer_payloads WHERE uid = $1 AND model = $2", [uid, this.model]));
  }
  async findByUserCode() { return undefined; }
  async destroy(id) { await pool.query("DELETE FROM peer_payloads WHERE id = $1 AND model = $2", [id, this.model]); }
  async revokeByGrantId(grantId) { await pool.query("DELETE FROM peer_payloads WHERE grant_id = $1", [grantId]); }
  async consume(id) {
    await pool.query("UPDATE peer_payloads SET consumed_at = now() WHERE id = $1 AND model = $2", [id, this.model]);
  }
}

const { privateKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
const jwk = { ...(await crypto.subtle.exportKey("jwk", privateKey)), use: "sig", alg: "ES256", kid: "bench" };
delete jwk.key_ops;
const client = (id, more) => ({
  client_id: id, client_secret: task.secret, id_token_signed_response_alg: "ES256", ...more,
});
const provider = new Provider(task.issuer, {
  adapter: Adapter,
  jwks: { keys: [jwk] },
  cookies: { keys: ["bench"] },
  clients: [
    client("machine", { grant_types: ["client_credentials"], redirect_uris: [], response_types: [] }),
    client("app", {
      redirect_uris: [task.redirect_uri], grant_types: ["authorization_code", "refresh_token"],
      token_endpoint_auth_method: "none", client_secret: undefined,
    }),
    client("web", { redirect_uris: [task.redirect_uri], grant_types: ["authorization_code", "refresh_token"] }),
  ],
  scopes: ["openid", "offline_access", "profile"],
  claims: { openid: ["sub"], profile: ["preferred_username"] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) => (ctx.oidc.body?.grant_type === "client_credentials" ? "urn:api" : undefined),
      getResourceServerInfo: () => ({
        scope: "licence:issue", audience: "urn:api", accessTokenFormat: "jwt", accessTokenTTL: 300,
        jwt: { sign: { alg: "ES256" } },
      }),
      useGrantedResource: () => false,
    },
  },
  ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 300, RefreshToken: 86400, Session: 43200, Grant: 86400 },
  pkce: { required: () => true },
  issueRefreshToken: (ctx, issuedTo) => issuedTo.grantTypeAllowed("refresh_token"),
  rotateRefreshToken: true,
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: "chenwei" }) }),
  loadExistingGrant: async (ctx) => {
    const known = ctx.oidc.session.grantIdFor(ctx.oidc.client.clientId);
    if (known) return ctx.oidc.provider.Grant.find(known);
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid profile offline_access");
    await grant.save();
    return grant;
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}`, policy: interactionPolicy.base() },
});
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/interaction/")) return next();
  return provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: "acc_chenwei" } });
});
provider.listen(task.port, "127.0.0.1");
