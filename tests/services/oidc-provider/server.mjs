// server.mjs PORT REDIRECT_URI…: the certified `oidc-provider` with one client, for as long as standard input is open.
//
// Port 0 is any. When it listens it prints `ready ISSUER`. The client is `weir`, its secret `secret-of-the-tests`.
// Whoever says a name at the login page is that person (`sub`), with any password; the name is also the preferred user
// name, and the e-mail address is NAME@example.org. Nobody is asked whether they agree. Keys are made at each start.
import { createServer } from "node:http";
import { generateKeyPairSync, randomUUID, webcrypto } from "node:crypto";

// Node 18 does not have it everywhere by itself.
globalThis.crypto ??= webcrypto;
// Standard output is for whoever started this.
console.info = console.error;
const { default: Provider } = await import("oidc-provider");

const [port, ...redirects] = process.argv.slice(2);

const key = (type, options, alg) => {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: "jwk" }), alg, use: "sig", kid: randomUUID() };
};

const account = (id) => ({
  accountId: id,
  claims: () => ({
    sub: id,
    preferred_username: id,
    name: `${id} of the tests`,
    email: `${id}@example.org`,
    email_verified: true,
  }),
});

const server = createServer();
server.listen(Number(port), "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "weir",
        client_secret: "secret-of-the-tests",
        redirect_uris: redirects,
        grant_types: ["authorization_code"],
        response_types: ["code"],
      },
    ],
    claims: { openid: ["sub"], profile: ["name", "preferred_username"], email: ["email", "email_verified"] },
    cookies: { keys: [randomUUID()] },
    jwks: { keys: [key("rsa", { modulusLength: 2048 }, "RS256"), key("ec", { namedCurve: "P-256" }, "ES256")] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: true } },
    findAccount: (_, id) => account(id),
    async loadExistingGrant(ctx) {
      const { client, session, params } = ctx.oidc;
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope(params.scope);
      await grant.save();
      return grant;
    },
  });
  server.on("request", provider.callback());
  console.log(`ready ${issuer}`);
});

process.stdin.on("end", () => process.exit(0)).resume();
