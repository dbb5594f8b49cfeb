// Attested clients beside oidc-provider, which implements a draft of attestation-based client authentication (12) whose text could not be had here:
// the same requests, good and bad, go to both servers, and status and error of each answer are the same, or the difference is listed with its
// reason. Codes and refresh tokens need a person at both; tests/spec/abca_combined.rs has those.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import * as jose from 'jose';
import Provider from 'oidc-provider';
import { Checks, backends } from './harness/checks.mjs';
import { freePort } from './harness/port.mjs';
import { Server } from './harness/server.mjs';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const CIBA = 'urn:openid:params:grant-type:ciba';
const REDIRECT_URI = 'https://app.example/cb';
const SECRET = 'a-secret-of-forty-characters-for-the-test';
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
const PERSON = { email: 'alice@example.com', password: 'correct horse battery staple', name: 'Alice' };
const METHODS = { normal: 'attest_jwt_client_auth', combined: 'attest_jwt_client_auth_dpop', web: 'client_secret_basic' };
const GRANTS = ['authorization_code', 'refresh_token', 'client_credentials', DEVICE, CIBA];
const SIGNALS = ['off', 'optional', 'required'];

/// What differs on purpose: [what Chancery says, what the peer says, why].
const DIFFERENCES = {
  'an attestation that has expired': ['400 use_fresh_attestation', '401 invalid_client', 'draft 10 §7.4: use_fresh_attestation MUST be used'],
  'an attestation about another client than client_id': ['401 invalid_client', '400 invalid_request', 'a credential of somebody else, and evidence'],
  'a proof whose aud is a list of one': ['200', '401 invalid_client', 'RFC 7519 §4.1.3: the same as a string'],
  'a proof of an hour ago with a challenge of now': ['401 invalid_client', '200', 'both are looked at, so that a jti has to be remembered no longer than that'],
  'a challenge as the nonce': ['200', '400 use_dpop_nonce', 'draft 10 §7.3 (5): a challenge of the server MUST match the nonce'],
  'two DPoP header fields': ['401 invalid_client', '400 invalid_dpop_proof', 'draft 10 §7.3 (2): there is no attestation with precisely one of them'],
  'a secret and an attestation that nobody asked for': ['200', '400 invalid_request', 'draft 10 §7.6: without the metadata presenting one is OPTIONAL'],
  'optional: an attestation that has expired': ['400 use_fresh_attestation', '400 invalid_client_attestation', 'draft 10 §7.4'],
  'required: an attestation that has expired': ['400 use_fresh_attestation', '400 invalid_client_attestation', 'draft 10 §7.4'],
  'optional: an attestation about another client at introspection': ['200', '400 invalid_client_attestation', 'no grant begins or goes on there'],
  'required: an attestation about another client at introspection': ['200', '400 invalid_client_attestation', 'the same'],
  'required: introspection without': ['200', '400 invalid_client_attestation', 'resource servers ask there, which no attester knows'],
};

const checks = new Checks('attestation');

async function newKey() {
  const { privateKey, publicKey } = await jose.generateKeyPair('ES256', { extractable: true });
  const { kty, crv, x, y } = await jose.exportJWK(publicKey);
  return { privateKey, publicKey, jwk: { kty, crv, x, y }, secret: await jose.exportJWK(privateKey) };
}

const attester = await newKey();
const [instance, stranger] = [await newKey(), await newKey()];
const now = () => Math.floor(Date.now() / 1000);

function signed(key, header, claims) {
  return new jose.SignJWT(claims).setProtectedHeader({ alg: 'ES256', ...header }).sign(key.privateKey);
}

/// A request as node sends it: a field may stand there twice.
function send(url, { headers = {}, fields }) {
  return new Promise((resolve, reject) => {
    const body = new URLSearchParams(fields).toString();
    const own = { 'content-type': 'application/x-www-form-urlencoded', ...headers };
    const request = http.request(url, { method: 'POST', agent: false, headers: own }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part) => { text += part; }).on('end', () => {
        let told = {};
        try { told = JSON.parse(text); } catch { /* an empty answer says nothing */ }
        resolve({ status: answer.statusCode, headers: answer.headers, body: told });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/// One of the two servers, as a client sees it.
class Side {
  constructor(name, issuer, stop) { Object.assign(this, { name, issuer, stop }); }

  async discover() {
    this.metadata = await (await fetch(`${this.issuer}/.well-known/openid-configuration`)).json();
    this.to = (name) => this.metadata[`${name}_endpoint`];
    return this;
  }

  async challenge() {
    return (await send(this.to('challenge'), {})).body.attestation_challenge;
  }

  /// As a client comes by one: it is told.
  async nonce() {
    const proof = await this.dpop({ jti: randomUUID() });
    const told = await send(this.to('token'), { headers: { ...await this.attested('combined', {}), dpop: proof }, fields: token('combined') });
    return told.headers['dpop-nonce'];
  }

  /// The header field with an attestation; `claims` over the usual ones, `undefined` removes one.
  async attested(client, claims, { key = attester, typ = 'oauth-client-attestation+jwt', of = instance } = {}) {
    const said = { sub: client, iat: now(), exp: now() + 600, cnf: { jwk: of.jwk }, ...claims };
    return { 'oauth-client-attestation': await signed(key, { typ }, said) };
  }

  async pop(claims = {}, { key = instance, typ = 'oauth-client-attestation-pop+jwt' } = {}) {
    const said = { aud: this.issuer, jti: randomUUID(), iat: now(), ...('challenge' in claims ? {} : { challenge: await this.challenge() }), ...claims };
    return { 'oauth-client-attestation-pop': await signed(key, { typ }, said) };
  }

  dpop(claims, { key = instance, at = 'token' } = {}) {
    const said = { htm: 'POST', htu: this.to(at), iat: now(), jti: randomUUID(), ...claims };
    return signed(key, { typ: 'dpop+jwt', jwk: key.jwk }, said);
  }
}

const token = (client) => ({ grant_type: 'client_credentials', client_id: client });
const basic = { authorization: `Basic ${btoa(`web:${encodeURIComponent(SECRET).replace(/%20/g, '+')}`)}` };

async function ours(backend, signal) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'chancery-attestation-'));
  const config = path.join(folder, 'chancery.toml');
  const client = ([id, method]) => `[[client]]\nclient_id = "${id}"\ntoken_endpoint_auth_method = "${method}"\nredirect_uris = ["${REDIRECT_URI}"]\n`
    + `grant_types = ${JSON.stringify(GRANTS)}\nscope = "openid"\nbackchannel_token_delivery_mode = "poll"\n${id === 'web' ? `client_secret = "${SECRET}"\n` : ''}`;
  // Nearly every request here fails on purpose.
  const limits = ['token_failures_per_address', 'token_failures_per_client', 'device_requests_per_address', 'backchannel_requests_per_client'];
  writeFileSync(config, `[rate_limits]\n${limits.map((name) => `${name} = "off"\n`).join('')}[ciba]\nenabled = true\n[client_attestation]\nsignal = "${signal}"\n[[client_attester_draft12]]\nissuer = "https://attester.example"\n`
    + `jwks = '${JSON.stringify({ keys: [attester.jwk] })}'\nclients = ${JSON.stringify(Object.keys(METHODS))}\n${Object.entries(METHODS).map(client).join('')}`);
  const server = await Server.start({ backend, config });
  rmSync(folder, { recursive: true, force: true });
  const made = await fetch(`${server.origin}/auth/register`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(PERSON) });
  assert.equal(made.status, 201);
  return Object.assign(new Side('chancery', server.issuer, () => server.dispose()), { server });
}

async function peer(signal) {
  const port = await freePort();
  const issuer = `http://localhost:${port}`;
  const quiet = { info: console.info, warn: console.warn };
  Object.assign(console, { info() {}, warn() {} }); // it says that it is not for production
  const provider = new Provider(issuer, {
    clients: Object.entries(METHODS).map(([id, method]) => ({
      client_id: id, token_endpoint_auth_method: method, redirect_uris: [REDIRECT_URI], response_types: ['code'], grant_types: GRANTS, scope: 'openid',
      backchannel_token_delivery_mode: 'poll', ...(id === 'web' ? { client_secret: SECRET } : {}),
    })),
    clientAuthMethods: [...Object.values(METHODS), 'client_secret_post'],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      attestClientAuth: {
        enabled: true, ack: 'draft-12', challengeSecret: randomBytes(32), additionalSecuritySignal: signal === 'off' ? false : signal,
        getAttestationSignaturePublicKey: () => attester.publicKey, assertAttestationJwtAndPop() {},
      },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      ciba: {
        enabled: true, deliveryModes: ['poll'], processLoginHint: (_, hint) => hint, validateBindingMessage() {}, validateRequestContext() {},
        verifyUserCode() {}, triggerAuthenticationDevice() {},
      },
      introspection: { enabled: true },
      revocation: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
    },
  });
  const listening = await new Promise((resolve) => { const server = provider.listen(port, () => resolve(server)); });
  Object.assign(console, quiet);
  return new Side('oidc-provider', issuer, () => new Promise((resolve) => { listening.close(resolve); listening.closeAllConnections(); }));
}

/// The same request for both: [sentence, what is sent to a side]. `at` names another endpoint than that for tokens.
const own = (fields = token('normal')) => ({ fields });
const normal = (attestation, proof, options = {}) => async (side) => ({
  headers: { ...await side.attested('normal', attestation ?? {}, options.attestation), ...await side.pop(proof ?? {}, options.proof) }, ...own(options.fields),
});
const combined = (proof, options = {}) => async (side) => ({
  headers: {
    ...await side.attested('combined', options.claims ?? {}, options.attestation),
    dpop: await side.dpop('nonce' in proof ? proof : { nonce: await side.nonce(), ...proof }, options.proof),
  },
  ...own(token('combined')),
});

const NORMAL = [
  ['attestation and proof', normal()],
  ['no attestation', async (side) => ({ headers: await side.pop(), ...own() })],
  ['no proof', async (side) => ({ headers: await side.attested('normal', {}), ...own() })],
  ['neither', async () => own()],
  ['an attestation without iat', normal({ iat: undefined })],
  ['an attestation without exp', normal({ exp: undefined })],
  ['an attestation without cnf', normal({ cnf: undefined })],
  ['an attestation with a private key', async (side) => normal({ cnf: { jwk: instance.secret } })(side)],
  ['an attestation of nobody known', normal({}, {}, { attestation: { key: stranger } })],
  ['an attestation of another type', normal({}, {}, { attestation: { typ: 'JWT' } })],
  ['an attestation that has expired', normal({ iat: now() - 7200, exp: now() - 3600 })],
  ['an attestation about another client than client_id', normal({ sub: 'combined' })],
  ['a proof for another server', normal({}, { aud: 'https://other.example' })],
  ['a proof for the token endpoint', async (side) => normal({}, { aud: side.to('token') })(side)],
  ['a proof for two servers', async (side) => normal({}, { aud: [side.issuer, 'https://other.example'] })(side)],
  ['a proof whose aud is a list of one', async (side) => normal({}, { aud: [side.issuer] })(side)],
  ['a proof of another key', normal({}, {}, { proof: { key: stranger } })],
  ['a proof of another type', normal({}, {}, { proof: { typ: 'JWT' } })],
  ['a proof without jti', normal({}, { jti: undefined })],
  ['a proof without iat', normal({}, { iat: undefined })],
  ['a proof without aud', normal({}, { aud: undefined })],
  ['a proof of an hour ago with a challenge of now', normal({}, { iat: now() - 3600 })],
  ['a proof without a challenge', normal({}, { challenge: undefined })],
  ['a proof with a challenge of nobody', normal({}, { challenge: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' })],
  ['a secret beside it', async (side) => ({ ...await normal()(side), fields: { ...token('normal'), client_secret: 'x' } })],
  ['another DPoP key beside it, without a nonce', async (side) => {
    const sent = await normal()(side);
    return { ...sent, headers: { ...sent.headers, dpop: await side.dpop({}, { key: stranger }) } };
  }],
  ['a DPoP proof in place of the proof', async (side) => ({
    headers: { ...await side.attested('normal', {}), dpop: await side.dpop({ nonce: await side.nonce() }) }, ...own(),
  })],
  ['a secret and an attestation that nobody asked for', async (side) => ({
    headers: { ...basic, ...await side.attested('web', {}), ...await side.pop() }, ...own(token('web')),
  })],
];

const COMBINED = [
  ['one DPoP proof for both', combined({})],
  ['no nonce', combined({ nonce: undefined })],
  ['a nonce of nobody', combined({ nonce: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' })],
  ['a challenge as the nonce', async (side) => combined({ nonce: await side.challenge() })(side)],
  ['a proof of another key', combined({}, { proof: { key: stranger } })],
  ['a proof for another endpoint', async (side) => combined({ htu: side.to('introspection') })(side)],
  ['a proof for another method', combined({ htm: 'GET' })],
  ['a proof without jti', combined({ jti: undefined })],
  ['an attestation without iat', combined({}, { claims: { iat: undefined } })],
  ['an attestation of nobody known', combined({}, { attestation: { key: stranger } })],
  ['no DPoP proof', async (side) => ({ headers: await side.attested('combined', {}), ...own(token('combined')) })],
  ['a DPoP proof without an attestation', async (side) => ({ headers: { dpop: await side.dpop({ nonce: await side.nonce() }) }, ...own(token('combined')) })],
  ['a proof of the other mode', async (side) => ({ headers: { ...await side.attested('combined', {}), ...await side.pop() }, ...own(token('combined')) })],
  ['proofs of both modes', async (side) => {
    const sent = await combined({})(side);
    return { ...sent, headers: { ...sent.headers, ...await side.pop() } };
  }],
  ['two DPoP header fields', async (side) => {
    const sent = await combined({})(side);
    return { ...sent, headers: { ...sent.headers, dpop: [sent.headers.dpop, await side.dpop({ nonce: await side.nonce() })] } };
  }],
];

const web = (more) => async (side) => ({ headers: { ...basic, ...await more?.(side) }, ...own(token('web')) });
const beside = (claims = {}, proof = {}, options = {}) => async (side) => ({
  ...await side.attested('web', claims, options.attestation), ...await side.pop(proof, options.proof),
});
const SIGNAL = [
  ['a secret alone', web()],
  ['attestation and proof beside it', web(beside())],
  ['one DPoP proof beside it', web(async (side) => ({ ...await side.attested('web', {}), dpop: await side.dpop({ nonce: await side.nonce() }) }))],
  ['an attestation without a proof', web((side) => side.attested('web', {}))],
  ['a proof without an attestation', web((side) => side.pop())],
  ['an attestation without iat', web(beside({ iat: undefined }))],
  ['an attestation that has expired', web(beside({ iat: now() - 7200, exp: now() - 3600 }))],
  ['an attestation about another client', web(beside({ sub: 'normal' }))],
  ['an attestation of nobody known', web(beside({}, {}, { attestation: { key: stranger } }))],
  ['a proof of another key', web(beside({}, {}, { proof: { key: stranger } }))],
  ['a proof for another server', web(beside({}, { aud: 'https://other.example' }))],
  ['a proof without a challenge', web(beside({}, { challenge: undefined }))],
  ['a DPoP proof of another key', web(async (side) => ({ ...await side.attested('web', {}), dpop: await side.dpop({ nonce: await side.nonce() }, { key: stranger }) }))],
  ['a DPoP proof without a nonce', web(async (side) => ({ ...await side.attested('web', {}), dpop: await side.dpop({}) }))],
  ['a wrong secret beside it', async (side) => ({ headers: { authorization: `Basic ${btoa('web:x')}`, ...await beside()(side) }, ...own(token('web')) })],
  ['an attested client needs none', normal()],
  ['a combined one neither', combined({})],
  ['introspection without', async () => ({ at: 'introspection', headers: basic, fields: { token: 'x' } })],
  ['an attestation about another client at introspection', async (side) => ({ at: 'introspection', headers: { ...basic, ...await beside({ sub: 'normal' })(side) }, fields: { token: 'x' } })],
  ['a pushed request without', async () => ({ at: 'pushed_authorization_request', headers: basic, fields: authorization('web') })],
  ['a pushed request with both', async (side) => ({ at: 'pushed_authorization_request', headers: { ...basic, ...await beside()(side) }, fields: authorization('web') })],
  ['a device without', async () => ({ at: 'device_authorization', headers: basic, fields: { client_id: 'web', scope: 'openid' } })],
  ['the back channel without', async () => ({ at: 'backchannel_authentication', headers: basic, fields: { client_id: 'web', scope: 'openid', login_hint: PERSON.email } })],
];

function authorization(client) {
  return {
    client_id: client, response_type: 'code', redirect_uri: REDIRECT_URI, scope: 'openid', state: 's', nonce: 'n', code_challenge: CHALLENGE, code_challenge_method: 'S256',
  };
}

const word = ({ status, body }) => (status < 300 ? String(status) : `${status} ${body.error}`);

/// What belongs to an answer besides its status and error.
function complete({ headers, body }, name) {
  if (body.error === 'use_attestation_challenge') assert.ok(headers['oauth-client-attestation-challenge'], `${name}: a challenge`);
  if (body.error === 'use_dpop_nonce') assert.ok(headers['dpop-nonce'], `${name}: a nonce`);
}

async function compare(check, sides, sentence, sentTo) {
  await check.also(sentence, async () => {
    const words = [];
    for (const side of sides) {
      const { at = 'token', ...request } = await sentTo(side);
      const answer = await send(side.to(at), request);
      complete(answer, side.name);
      words.push(word(answer) + (answer.body.token_type ? ` ${answer.body.token_type}` : ''));
    }
    const [own, theirs, why] = DIFFERENCES[sentence] ?? [];
    if (!why) return assert.equal(words[0], words[1], `Chancery says ${words[0]}, the peer ${words[1]}`);
    used.add(sentence);
    return assert.deepEqual(words.map((one) => one.replace(/ Bearer$/, '')), [own, theirs].map((one, index) => (one === '200' ? words[index].replace(/ Bearer$/, '') : one)), why);
  });
}

/// A proof that comes again: one counts.
async function replays(check, sides, sentence, sentTo) {
  await check.also(sentence, async () => {
    const words = [];
    for (const side of sides) {
      const request = await sentTo(side);
      words.push([word(await send(side.to('token'), request)), word(await send(side.to('token'), request))]);
    }
    assert.equal(words[0][0], '200');
    assert.deepEqual(words[0], words[1]);
  });
}

/// What an instance asked for is not for another one of the same client, although nobody has answered yet.
async function bindings(check, sides) {
  const places = [
    ['a device code', 'device_authorization', DEVICE, 'device_code', { scope: 'openid' }, '400 invalid_grant'],
    // The peer looks at the instance when the person has answered; here the other one does not learn whether they have.
    ['an auth_req_id', 'backchannel_authentication', CIBA, 'auth_req_id', { scope: 'openid', login_hint: PERSON.email }, '400 authorization_pending'],
  ];
  for (const [what, at, grant, name, more, theirs] of places) {
    for (const [mode, proofs] of [
      ['normal', (side, of) => side.pop({}, { key: of })],
      ['combined', async (side, of, to) => ({ dpop: await side.dpop({ nonce: await side.nonce() }, { key: of, at: to }) })],
    ]) {
      await check.also(`${what} is for the instance that asked (${mode})`, async () => {
        const words = [];
        for (const side of sides) {
          const as = async (of, to, fields) => send(side.to(to), {
            headers: { ...await side.attested(mode, {}, { of }), ...await proofs(side, of, to) }, fields: { client_id: mode, ...fields },
          });
          const asked = await as(instance, at, more);
          assert.ok(asked.body[name], `${side.name}: ${word(asked)} ${asked.body.error_description}`);
          const polling = { grant_type: grant, [name]: asked.body[name] };
          words.push([word(await as(stranger, 'token', polling)), word(await as(instance, 'token', polling))]);
        }
        assert.deepEqual(words[0], ['400 invalid_grant', '400 authorization_pending']);
        assert.deepEqual(words[1], [theirs, '400 authorization_pending']);
      });
    }
  }
}

/// Where else clients authenticate.
async function elsewhere(check, sides) {
  for (const [at, fields] of [['pushed_authorization_request', authorization], ['introspection', () => ({ token: 'x' })], ['revocation', () => ({ token: 'x' })]]) {
    const bare = async () => ({ at, fields: { ...fields('normal'), client_id: 'normal' } });
    await compare(check, sides, `${at}: attestation and proof`, async (side) => ({
      at, headers: { ...await side.attested('normal', {}), ...await side.pop() }, fields: { ...fields('normal'), client_id: 'normal' },
    }));
    await compare(check, sides, `${at}: one DPoP proof for both`, async (side) => ({
      at, headers: { ...await side.attested('combined', {}), dpop: await side.dpop({ nonce: await side.nonce() }, { at }) }, fields: { ...fields('combined'), client_id: 'combined' },
    }));
    if (at !== 'introspection') await compare(check, sides, `${at}: neither`, bare);
  }
}

async function metadata(check, sides, signal) {
  await check('both say the same of it in their metadata', async () => {
    for (const side of sides) {
      for (const method of Object.values(METHODS)) assert.ok(side.metadata.token_endpoint_auth_methods_supported.includes(method), `${side.name}: ${method}`);
      for (const list of ['client_attestation_signing_alg_values_supported', 'client_attestation_pop_signing_alg_values_supported', 'dpop_signing_alg_values_supported']) {
        assert.ok(side.metadata[list].includes('ES256'), `${side.name}: ${list}`);
      }
      assert.ok(side.metadata.challenge_endpoint.startsWith(side.issuer));
    }
    const methods = { off: undefined, optional: ['attestation_pop_jwt', 'dpop_combined', 'none'], required: ['attestation_pop_jwt', 'dpop_combined'] }[signal];
    assert.deepEqual(sides.map((side) => side.metadata.client_attestation_pop_methods_supported), [methods, methods]);
  });
}

const used = new Set();
for (const backend of backends()) {
  for (const signal of SIGNALS) {
    let sides;
    await checks.group(`${backend} ${signal} start`, async (check) => {
      sides = await check('both servers start', async () => [await (await ours(backend, signal)).discover(), await (await peer(signal)).discover()]);
    });
    if (!sides) continue;
    const group = (name, body) => checks.group(`${backend} ${name}`, (check) => body(check, sides), sides[0].server.explain());
    await group(`${signal}: metadata`, (check) => metadata(check, sides, signal));
    if (signal === 'off') {
      await group('normal mode', async (check) => {
        for (const [sentence, sentTo] of NORMAL) await compare(check, sides, sentence, sentTo);
        await replays(check, sides, 'a proof that comes again', normal());
      });
      await group('combined mode', async (check) => {
        for (const [sentence, sentTo] of COMBINED) await compare(check, sides, sentence, sentTo);
        await replays(check, sides, 'a proof that comes again', combined({}));
      });
      await group('other endpoints', elsewhere);
      await group('bindings', bindings);
    } else {
      await group(`signal ${signal}`, async (check) => {
        for (const [sentence, sentTo] of SIGNAL) await compare(check, sides, DIFFERENCES[`${signal}: ${sentence}`] ? `${signal}: ${sentence}` : sentence, sentTo);
        await replays(check, sides, 'a proof that comes again', web(beside()));
      });
    }
    for (const side of sides) await side.stop();
  }
}
await checks.group('differences', async (check) => {
  await check('each that is listed was seen', () => assert.deepEqual(Object.keys(DIFFERENCES).filter((one) => !used.has(one)), []));
});
checks.end();
