// Life of an access token with an unmodified OAuth2 client: `node oauth.mjs CLIENT STEP…`.
//
// Each step prints one line of JSON. `token` and the form of the client's own error come from the client
// itself; the other steps hold the token that the first one got.

import { createInterface } from 'node:readline';
import * as oauth4webapi from 'oauth4webapi';
import * as openid from 'openid-client';
import simple from 'simple-oauth2';
import { OAuth2Client, OAuth2Fetch } from '@badgateway/oauth2-client';

const { ISSUER, CLIENT_ID, CLIENT_SECRET } = process.env;
const insecure = { [oauth4webapi.allowInsecureRequests]: true };

const clients = {
  async oauth4webapi() {
    const server = await oauth4webapi
      .discoveryRequest(new URL(ISSUER), { algorithm: 'oauth2', ...insecure })
      .then((response) => oauth4webapi.processDiscoveryResponse(new URL(ISSUER), response));
    const client = { client_id: CLIENT_ID };
    const proof = oauth4webapi.ClientSecretBasic(CLIENT_SECRET);
    return {
      async token(scope) {
        const asked = await oauth4webapi.clientCredentialsGrantRequest(
          server, client, proof, new URLSearchParams(scope ? { scope } : {}), insecure,
        );
        return oauth4webapi.processClientCredentialsResponse(server, client, asked);
      },
      async introspect(token) {
        const asked = await oauth4webapi.introspectionRequest(server, client, proof, token, insecure);
        return oauth4webapi.processIntrospectionResponse(server, client, asked);
      },
      async revoke(token) {
        const asked = await oauth4webapi.revocationRequest(server, client, proof, token, insecure);
        return oauth4webapi.processRevocationResponse(asked);
      },
    };
  },

  async openid() {
    // It sends the secret in the body unless told otherwise.
    const options = { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] };
    const server = await openid.discovery(
      new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, undefined, options,
    );
    return {
      token: (scope) => openid.clientCredentialsGrant(server, scope ? { scope } : {}),
      introspect: (token) => openid.tokenIntrospection(server, token),
      revoke: (token) => openid.tokenRevocation(server, token),
    };
  },

  async simple() {
    const grant = new simple.ClientCredentials({
      client: { id: CLIENT_ID, secret: CLIENT_SECRET },
      auth: { tokenHost: ISSUER, tokenPath: '/oauth/token', revokePath: '/oauth/revoke' },
      options: { bodyFormat: 'json' },
    });
    let held;
    return {
      async token(scope) {
        held = await grant.getToken(scope ? { scope } : {});
        return held.token;
      },
      revoke: () => held.revoke('access_token'),
    };
  },

  async badgateway() {
    const client = new OAuth2Client({
      server: ISSUER,
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      discoveryEndpoint: '/.well-known/oauth-authorization-server',
    });
    const token = (scope) => client.clientCredentials(scope ? { scope: scope.split(' ') } : {});
    let held;
    return {
      async token(scope) {
        held = await token(scope);
        const { accessToken, expiresAt } = held;
        return { access_token: accessToken, expires_in: Math.round((expiresAt - Date.now()) / 1000) };
      },
      introspect: () => client.introspect(held),
      revoke: () => client.revoke(held),
      // Its own fetch gets and sends the token by itself.
      async fetch(url) {
        const wrapped = new OAuth2Fetch({ client, getNewToken: () => token() });
        const response = await wrapped.fetch(url);
        return response.status;
      },
    };
  },
};

const [name] = process.argv.slice(2);
const client = await clients[name]();
for await (const line of createInterface({ input: process.stdin })) {
  const [step, ...values] = JSON.parse(line);
  let ending;
  try {
    ending = { value: (await client[step](...values)) ?? null };
  } catch (error) {
    const told = error.cause?.error ?? error.error ?? error.oauth2Code ?? error.data?.payload?.error;
    ending = { error: told ?? String(error), class: error.constructor.name };
  }
  process.stdout.write(`${JSON.stringify(ending)}\n`);
}
process.exit(0);
