// Client certificates (RFC 8705) with clients that others wrote: openid-client 6 through an https agent of its own, and curl on TLS 1.2
// and 1.3, HTTP/1.1 and HTTP/2. The certificates are made by openssl.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate, createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import * as oidc from 'openid-client';
import { Agent } from './harness/agent.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { newAccount } from './harness/client.mjs';
import { freePort } from './harness/port.mjs';
import { Server } from './harness/server.mjs';

const REDIRECT_URI = 'http://127.0.0.1:9/callback'; // nobody listens: the redirect is read and not followed
const INSECURE = { execute: [oidc.allowInsecureRequests] }; // the usual address is plain http on the loopback

const checks = new Checks('mutual_tls');
const folder = mkdtempSync(path.join(os.tmpdir(), 'chancery-mtls-'));
const file = (name) => path.join(folder, name);
const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });

function makeCertificates() {
  const ca = (name) => openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.pem`,
    '-days', '2', '-subj', `/CN=${name}`, '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign');
  const leaf = (name, issuer, subject, extensions) => {
    writeFileSync(file(`${name}.ext`), extensions);
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject);
    openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`, '-CAcreateserial', '-days', '2', '-out', `${name}.pem`, '-extfile', `${name}.ext`);
  };
  ca('web');
  ca('clients');
  ca('strangers');
  leaf('server', 'web', '/CN=localhost', 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n');
  leaf('app', 'clients', '/C=GB/O=Example, Ltd/CN=app', 'subjectAltName=DNS:app.example.com\nextendedKeyUsage=clientAuth\n');
  ca('later');
  leaf('newer', 'web', '/CN=localhost', 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n');
  leaf('successor', 'later', '/C=GB/O=Example, Ltd/CN=app', 'subjectAltName=DNS:app.example.com\nextendedKeyUsage=clientAuth\n');
  leaf('thief', 'strangers', '/C=GB/O=Example, Ltd/CN=app', 'subjectAltName=DNS:app.example.com\nextendedKeyUsage=clientAuth\n');
}

/// `fetch` for openid-client over an https agent with this certificate; plain http goes the usual way.
function fetchWith(name) {
  const own = name ? { cert: readFileSync(file(`${name}.pem`)), key: readFileSync(file(`${name}.key`)) } : {};
  const agent = new https.Agent({ ca: readFileSync(file('web.pem')), ...own });
  return (url, options) => {
    if (!String(url).startsWith('https:')) return fetch(url, options);
    return new Promise((resolve, reject) => {
      const request = https.request(url, { method: options.method, headers: Object.fromEntries(new Headers(options.headers)), agent }, (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('end', () => resolve(new Response(Buffer.concat(parts), { status: answer.statusCode, headers: answer.headers })));
      });
      request.on('error', reject);
      request.end(options.body?.toString());
    });
  };
}

const thumbprint = (name) => createHash('sha256').update(new X509Certificate(readFileSync(file(`${name}.pem`))).raw).digest('base64url');

async function register(server, metadata) {
  const answer = await fetch(`${server.origin}/clients`, {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ scope: 'openid email api', redirect_uris: [REDIRECT_URI], grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      tls_client_certificate_bound_access_tokens: true, ...metadata }),
  });
  assert.equal(answer.status, 201, await answer.clone().text());
  return answer.json();
}

async function discovered(server, registered, name) {
  const metadata = { ...registered, use_mtls_endpoint_aliases: true };
  const config = await oidc.discovery(new URL(server.issuer), registered.client_id, metadata, oidc.TlsClientAuth(), INSECURE);
  config[oidc.customFetch] = fetchWith(name);
  return config;
}

async function library(check, server) {
  const registered = await check('a client registers the name in its certificate', () => register(server, {
    token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=app,O=Example\\, Ltd,C=GB',
  }));
  const config = await discovered(server, registered, 'app');
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const parameters = { redirect_uri: REDIRECT_URI, scope: 'openid email', code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256' };
  const url = await check('it pushes its request at the alias', () => oidc.buildAuthorizationUrlWithPAR(config, parameters));
  const answer = await new Agent().authorize(url, { redirectUri: REDIRECT_URI, account: newAccount(), register: true });
  const tokens = await check('the code is redeemed', () => oidc.authorizationCodeGrant(config, answer, { pkceCodeVerifier, idTokenExpected: true }));
  const seen = await check('introspection names the certificate', () => oidc.tokenIntrospection(config, tokens.access_token));
  await check.also('it is the one that was shown', () => assert.equal(seen.cnf['x5t#S256'], thumbprint('app')));
  await check('userinfo opens with it', () => oidc.fetchUserInfo(config, tokens.access_token, oidc.skipSubjectCheck));
  for (const name of ['thief', undefined]) {
    const stolen = await discovered(server, registered, name);
    await check.also(`userinfo stays closed with ${name ?? 'no'} certificate`, () => assert.rejects(oidc.fetchUserInfo(stolen, tokens.access_token, oidc.skipSubjectCheck)));
    await check.also(`nobody authenticates with ${name ?? 'no'} certificate`, async () => {
      const error = await oidc.clientCredentialsGrant(stolen, { scope: 'api' }).catch((one) => one);
      assert.equal(error.error ?? error.cause?.[0]?.parameters?.error ?? (await error.response?.json())?.error, 'invalid_client');
    });
  }
  await check('a refresh brings tokens', () => oidc.refreshTokenGrant(config, tokens.refresh_token));
}

async function curl(check, server) {
  const registered = await register(server, { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'app.example.com' });
  const endpoint = (await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()).mtls_endpoint_aliases.token_endpoint;
  const call = (name, ...more) => execFileSync('curl', ['-sS', '--max-time', '20', '--cacert', file('web.pem'), ...(name ? ['--cert', file(`${name}.pem`), '--key', file(`${name}.key`)] : []),
    '-w', '\n%{http_code} %{http_version}', '-d', `grant_type=client_credentials&scope=api&client_id=${registered.client_id}`, ...more, endpoint], { encoding: 'utf8' }).split('\n').at(-1);
  for (const [tls, flags] of [['1.2', ['--tlsv1.2', '--tls-max', '1.2']], ['1.3', ['--tlsv1.3']]]) {
    for (const [http, flag] of [['1.1', '--http1.1'], ['2', '--http2']]) {
      await check.also(`TLS ${tls}, HTTP/${http}: a token`, () => assert.equal(call('app', ...flags, flag), `200 ${http}`));
      await check.also(`TLS ${tls}, HTTP/${http}: another authority's certificate`, () => assert.equal(call('thief', ...flags, flag), `401 ${http}`));
      await check.also(`TLS ${tls}, HTTP/${http}: no certificate`, () => assert.equal(call(undefined, ...flags, flag), `401 ${http}`));
    }
  }
}

/// The digest of the certificate that is shown to whoever connects now.
const shown = (port) => new Promise((resolve, reject) => {
  const socket = tls.connect({ host: 'localhost', port, ca: readFileSync(file('web.pem')) }, () => {
    resolve(createHash('sha256').update(socket.getPeerCertificate().raw).digest('base64url'));
    socket.end();
  });
  socket.on('error', reject);
});

/// Waits until it is so: the server looks at its files every ten seconds.
async function until(what) {
  for (let left = 60; !(await what()); left -= 1) {
    assert.ok(left > 0, 'it did not come about within 30 s');
    await new Promise((resolve) => { setTimeout(resolve, 500); });
  }
}

/// Other files while the server serves: certificate, key, and the authorities of its clients.
async function replaced(check, server, port) {
  const registered = await register(server, { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'app.example.com' });
  const status = async (name) => {
    const config = await discovered(server, registered, name);
    return oidc.clientCredentialsGrant(config, { scope: 'api' }).then(() => 200, () => 401);
  };
  await check('the first certificate is shown', async () => assert.equal(await shown(port), thumbprint('server')));
  await check('only the first authority counts', async () => assert.deepEqual([await status('app'), await status('successor')], [200, 401]));
  const from = server.log().length;
  copyFileSync(file('newer.pem'), file('served.pem'));
  copyFileSync(file('newer.key'), file('served.key'));
  copyFileSync(file('later.pem'), file('trusted.pem'));
  await check('the new certificate is shown to whoever connects', () => until(async () => await shown(port) === thumbprint('newer')));
  await check('the new authority counts', () => until(async () => await status('successor') === 200));
  await check('the old one does not', async () => assert.equal(await status('app'), 401));
  writeFileSync(file('served.pem'), 'no certificate');
  await check('a broken file is said in the log', () => until(() => server.log().slice(from).includes('a changed TLS file is not taken')));
  await check('and the certificate before it stays', async () => assert.equal(await shown(port), thumbprint('newer')));
  await check('so do the clients', async () => assert.equal(await status('successor'), 200));
}

makeCertificates();
for (const backend of backends()) {
  const port = await freePort();
  for (const [own, from] of [['served.pem', 'server.pem'], ['served.key', 'server.key'], ['trusted.pem', 'clients.pem']]) copyFileSync(file(from), file(own));
  const env = {
    CHANCERY_MTLS_LISTEN: `127.0.0.1:${port}`, CHANCERY_MTLS_URL: `https://localhost:${port}`, CHANCERY_MTLS_CERT: file('served.pem'),
    CHANCERY_MTLS_KEY: file('served.key'), CHANCERY_MTLS_CLIENT_CA: file('trusted.pem'),
  };
  const server = await Server.start({ backend, env });
  const explain = () => server.logTail();
  await checks.group(`${backend}: openid-client`, (check) => library(check, server), explain);
  await checks.group(`${backend}: curl`, (check) => curl(check, server), explain);
  await checks.group(`${backend}: other files`, (check) => replaced(check, server, port), explain);
  await server.dispose();
}
rmSync(folder, { recursive: true });
checks.end();
