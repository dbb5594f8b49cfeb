// Apache as it stands in many companies: mod_auth_openidc signs people in, mod_oauth2 guards what lies behind, by the token's own
// signature (RFC 9068) and by asking (RFC 7662), bound to keys and certificates too (RFC 9449, RFC 8705).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as oauth from 'oauth4webapi';
import { Agent } from './harness/agent.mjs';
import { Apache } from './harness/apache.mjs';
import { audit } from './harness/auditor.mjs';
import { Browser } from './harness/browser.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { Client, json, newAccount } from './harness/client.mjs';
import { freePort } from './harness/port.mjs';
import { Server } from './harness/server.mjs';

const SCOPE = 'openid profile email';
const API = 'https://api.example';
const BACKEND = { id: 'backend', secret: 'backend-secret-backend-secret-backend' };
const REDIRECT_URI = 'http://127.0.0.1:9/callback'; // never called: the agent stops before it
const TOLD_SECONDS = 10;

const SETTINGS = `
[[resource]]
identifier = "${API}"
scope = "api"
signing_alg = "RS256"
introspected_by = ["${BACKEND.id}"]

[[client]]
client_id = "${BACKEND.id}"
client_secret = "${BACKEND.secret}"
grant_types = ["client_credentials"]
`;

const checks = new Checks('apache');

async function relyingParty(check, server) {
  const visitor = await browser.visitor();
  const account = newAccount();
  let apache;
  try {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const callback = `${origin}/app/callback`;
    const client = await check('it is registered at /clients', async () => json(await fetch(`${server.origin}/clients`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({
        client_name: 'Apache', redirect_uris: [callback], post_logout_redirect_uris: [`${origin}/`],
        grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'client_secret_basic', scope: SCOPE,
        backchannel_logout_uri: `${callback}?logout=backchannel`, backchannel_logout_session_required: true,
      }),
    }), 201));
    apache = await check('Apache starts with mod_auth_openidc', () => Apache.start(port, ['auth_openidc'], [
      `OIDCProviderMetadataURL ${server.issuer}/.well-known/openid-configuration`, `OIDCClientID ${client.client_id}`,
      `OIDCClientSecret ${client.client_secret}`, `OIDCRedirectURI ${callback}`, 'OIDCCryptoPassphrase a-passphrase-of-this-test-alone',
      `OIDCScope "${SCOPE}"`, 'OIDCPKCEMethod S256', 'OIDCRemoteUserClaim email', 'OIDCProviderTokenEndpointAuth client_secret_basic',
      `OIDCDefaultLoggedOutURL ${origin}/`, '<Location /app>', 'AuthType openid-connect', 'Require valid-user', '</Location>',
    ]));
    await check('a page behind it leads to sign-in, consent, and back', async () => {
      await visitor.go(`${apache.origin}/app/`);
      assert.equal(await visitor.kind(), 'login', await visitor.describe());
      await visitor.until(`${apache.origin}/app/`, { account, register: true });
    });
    const seen = async () => {
      const answer = await visitor.go(`${apache.origin}/app/`);
      return { at: visitor.page.url(), person: answer.headers()['x-person'] };
    };
    await check('Apache knows the person by their e-mail address', async () => assert.deepEqual(await seen(), { at: `${apache.origin}/app/`, person: account.email }));
    await check('a logout elsewhere reaches it by the back channel: the next page asks for the password', async () => {
      await server.cli('user', 'disable', account.email);
      const deadline = Date.now() + TOLD_SECONDS * 1000;
      for (;;) {
        const { at } = await seen();
        if (at.startsWith(server.origin)) break;
        assert.ok(Date.now() < deadline, 'Apache still lets the person in');
        await pause(200);
      }
      await server.cli('user', 'enable', account.email);
    });
    await check('signing in again needs no second consent', async () => {
      assert.deepEqual(await visitor.until(`${apache.origin}/app/`, { account }), ['login']);
      assert.equal((await seen()).person, account.email);
    });
    await check('its logout asks at the server and comes home', async () => {
      await visitor.go(`${callback}?logout=${encodeURIComponent(`${apache.origin}/`)}`);
      assert.ok(visitor.page.url().startsWith(`${server.issuer}/session/end`), await visitor.describe());
      await visitor.press('button[name=logout][value=yes]');
      assert.ok(visitor.page.url().startsWith(`${apache.origin}/`), await visitor.describe());
      assert.ok((await seen()).at.startsWith(server.origin), 'signed out at both');
    });
  } finally {
    await apache?.dispose();
    await visitor.close();
  }
}

async function resourceServer(check, server) {
  const account = newAccount();
  const agent = new Agent();
  let apache;
  try {
    apache = await check('Apache starts with mod_oauth2', async () => Apache.start(await freePort(), ['oauth2'], [
      '<Location /api/jwt>', 'AuthType oauth2',
      `OAuth2TokenVerify jwks_uri ${server.issuer}/jwks jwks_uri.ssl_verify=false&expiry=1`, 'Require valid-user', '</Location>',
      '<Location /api/asked>', 'AuthType oauth2',
      `OAuth2TokenVerify introspect ${server.issuer}/introspection introspect.ssl_verify=false&introspect.auth=client_secret_basic&client_id=${BACKEND.id}&client_secret=${BACKEND.secret}&expiry=1`,
      'Require valid-user', '</Location>',
    ]));
    const client = await Client.register(server, {
      client_name: 'app', redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'client_secret_basic', scope: `${SCOPE} api`,
      grant_types: ['authorization_code', 'refresh_token'],
    });
    const tokens = await check('a person allows an app to use the resource', async () => {
      const attempt = await client.code(agent, account, { register: true, parameters: { scope: `${SCOPE} api`, resource: API } });
      return json(await client.redeem(attempt), 200);
    });
    const ask = (place, token) => fetch(`${apache.origin}/api/${place}/`, { headers: token ? { authorization: `Bearer ${token}` } : {} });
    const claims = JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url'));
    for (const place of ['jwt', 'asked']) {
      await check.also(`${place}: the token opens the resource, and Apache knows its person`, async () => {
        const answer = await ask(place, tokens.access_token);
        assert.equal(answer.status, 200, apache.logTail());
        assert.equal(answer.headers.get('x-person'), claims.sub);
      });
      await check.also(`${place}: no token, a changed one and an opaque one of another place are refused`, async () => {
        const [head, body, signature] = tokens.access_token.split('.');
        const elsewhere = await json(await client.redeem(await client.code(agent, account)), 200);
        for (const token of [undefined, `${head}.${body}.${signature.split('').reverse().join('')}`, elsewhere.access_token]) {
          assert.equal((await ask(place, token)).status, 401, String(token));
        }
      });
    }
    await check('the token is revoked', async () => assert.equal((await client.post('revocation_endpoint', { token: tokens.access_token })).status, 200));
    await check.also('who asks hears of it at once, or when its cache of a second (of what both places found) ends', async () => {
      const deadline = Date.now() + TOLD_SECONDS * 1000;
      while ((await ask('asked', tokens.access_token)).status !== 401) {
        assert.ok(Date.now() < deadline, 'a revoked token opens the resource');
        await pause(200);
      }
    });
  } finally {
    await apache?.dispose();
  }
}

/// Certificates that nobody issued: the server's, a client's and a stranger's. The tokens are bound to the certificate, not to who issued it.
const folder = mkdtempSync(path.join(os.tmpdir(), 'chancery-apache-config-'));
const file = (name) => path.join(folder, name);
for (const name of ['server', 'app', 'stranger']) {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`),
    '-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost'], { stdio: 'ignore' });
}
const certificate = (name) => (name ? { cert: readFileSync(file(`${name}.pem`)), key: readFileSync(file(`${name}.key`)) } : {});

/// One https request with that certificate, or none.
function call(url, name, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = https.request(url, { method, headers, agent: false, ca: readFileSync(file('server.pem')), ...certificate(name) }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString() }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

/// Tokens that are bound to a key (RFC 9449) or a certificate (RFC 8705): the module checks what the server says about them.
async function boundTokens(check, server) {
  const [port, secure] = [await freePort(), await freePort()];
  const verify = {
    '': (more) => `OAuth2TokenVerify jwks_uri ${server.issuer}/jwks jwks_uri.ssl_verify=false&expiry=1&${more}`,
    '-asked': (more) => `OAuth2TokenVerify introspect ${server.issuer}/introspection introspect.ssl_verify=false&introspect.auth=client_secret_basic&client_id=${BACKEND.id}&client_secret=${BACKEND.secret}&expiry=1&${more}`,
  };
  const place = (name, kind, type, by) => [`<Location /api/${name}${by}>`, 'AuthType oauth2', `OAuth2AcceptTokenIn header name=Authorization&type=${type}`, verify[by](`type=${kind}`),
    'Require valid-user', '</Location>'];
  let apache;
  try {
    apache = await check('Apache starts with mod_oauth2 and mod_ssl', () => Apache.start(port, ['oauth2', 'ssl', 'setenvif'], [
      ...Object.keys(verify).flatMap((by) => [...place('dpop', 'dpop', 'DPoP', by), ...place('mtls', 'mtls', 'Bearer', by)]),
      `Listen 127.0.0.1:${secure}`, `<VirtualHost 127.0.0.1:${secure}>`, 'SSLEngine on', `SSLCertificateFile ${file('server.pem')}`, `SSLCertificateKeyFile ${file('server.key')}`,
      'SSLVerifyClient optional_no_ca', 'SSLOptions +StdEnvVars +ExportCertData', '</VirtualHost>',
    ]));
    const metadata = (more) => ({
      client_name: 'bound', grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_post', scope: 'api', redirect_uris: [], ...more,
    });
    const register = async (more) => json(await fetch(`${server.origin}/clients`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(metadata(more)),
    }), 201);

    const issuer = new URL(server.issuer);
    const insecure = { [oauth.allowInsecureRequests]: true };
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
    const client = await register({ dpop_bound_access_tokens: true });
    const auth = oauth.ClientSecretPost(client.client_secret);
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
    const { access_token: bound } = await check('a client gets a token for its key', async () => oauth.processClientCredentialsResponse(as, client,
      await oauth.clientCredentialsGrantRequest(as, client, auth, { scope: 'api', resource: API }, { ...insecure, DPoP })));
    const ask = async (name, token, proof) => (await oauth.protectedResourceRequest(token, 'GET', new URL(`${apache.origin}/api/${name}/`), undefined, undefined,
      { ...insecure, DPoP: proof }).catch((error) => error.response ?? Promise.reject(error))).status;
    for (const name of ['dpop', 'dpop-asked']) {
      await check.also(`${name}: opens with a proof of the key`, async () => assert.equal(await ask(name, bound, DPoP), 200, apache.logTail()));
      await check.also(`${name}: stays closed with another key's and with none`, async () => {
        assert.equal(await ask(name, bound, oauth.DPoP(client, await oauth.generateKeyPair('ES256'))), 401);
        assert.equal((await fetch(`${apache.origin}/api/${name}/`, { headers: { authorization: `DPoP ${bound}` } })).status, 401);
      });
    }

    const { mtls_endpoint_aliases: aliases } = await json(await fetch(`${server.issuer}/.well-known/openid-configuration`), 200);
    const certified = await register({ tls_client_certificate_bound_access_tokens: true });
    const body = new URLSearchParams({ grant_type: 'client_credentials', scope: 'api', resource: API, client_id: certified.client_id, client_secret: certified.client_secret }).toString();
    const tokens = await check('a client gets a token for its certificate', async () => {
      const answer = await call(aliases.token_endpoint, 'app', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body });
      assert.equal(answer.status, 200, answer.body);
      return JSON.parse(answer.body);
    });
    const open = async (name, shown) => (await call(`https://localhost:${secure}/api/${name}/`, shown, { headers: { authorization: `Bearer ${tokens.access_token}` } })).status;
    for (const name of ['mtls', 'mtls-asked']) {
      await check.also(`${name}: opens with the certificate`, async () => assert.equal(await open(name, 'app'), 200, apache.logTail()));
      await check.also(`${name}: stays closed with another's and with none`, async () => assert.deepEqual([await open(name, 'stranger'), await open(name)], [401, 401]));
    }
  } finally {
    await apache?.dispose();
  }
}

const browser = await Browser.start();
const config = path.join(folder, 'chancery.toml');
writeFileSync(config, SETTINGS);
for (const backend of backends()) {
  let server;
  await checks.group(`${backend} start`, async (check) => {
    const port = await freePort();
    const env = {
      CHANCERY_MTLS_LISTEN: `127.0.0.1:${port}`, CHANCERY_MTLS_URL: `https://localhost:${port}`, CHANCERY_MTLS_CERT: file('server.pem'), CHANCERY_MTLS_KEY: file('server.key'),
    };
    server = await check('the server starts on empty data', () => Server.start({ backend, config, env }));
  });
  if (!server) continue;
  await checks.group(`${backend} mod_auth_openidc`, (check) => relyingParty(check, server), server.explain());
  await checks.group(`${backend} mod_oauth2`, (check) => resourceServer(check, server), server.explain());
  await checks.group(`${backend} mod_oauth2, bound tokens`, (check) => boundTokens(check, server), server.explain());
  await checks.group(`${backend} audit`, (check) => audit(check, server));
  await server.dispose();
}
rmSync(folder, { recursive: true, force: true });
await browser.dispose();
checks.end();
