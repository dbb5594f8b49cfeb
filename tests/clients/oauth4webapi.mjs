// oauth4webapi, the library below openid-client: requests signed by the client (JAR), pushed or not, keys in place of secrets, proofs of
// possession, the answers of FAPI 1.0, and a resource server that checks bound tokens (RFC 9068, RFC 9449) by itself.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as oauth from 'oauth4webapi';
import { Agent } from './harness/agent.mjs';
import { audit } from './harness/auditor.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { newAccount } from './harness/client.mjs';
import { Server } from './harness/server.mjs';

const SCOPE = 'openid profile email';
const REDIRECT_URI = 'https://app.example/callback'; // never called: the agent stops before it
const API = 'https://api.example';
const INSECURE = { [oauth.allowInsecureRequests]: true }; // plain http on the loopback

const SETTINGS = `
[response_types]
front_channel = true

[[resource]]
identifier = "${API}"
scope = "api"
signing_alg = "ES256"
`;

const checks = new Checks('oauth4webapi');

async function discovered(server) {
  const issuer = new URL(server.issuer);
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, INSECURE));
}

/// A client that has a key and no secret, and signs its requests with it.
async function register(as, metadata) {
  const keys = await oauth.generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await crypto.subtle.exportKey('jwk', keys.publicKey)), kid: 'own', use: 'sig', alg: 'ES256' };
  const asked = {
    client_name: 'signing', redirect_uris: [REDIRECT_URI], grant_types: ['authorization_code', 'refresh_token'], scope: `${SCOPE} api`,
    token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256', request_object_signing_alg: 'ES256',
    require_signed_request_object: true, id_token_signed_response_alg: 'ES256', jwks: { keys: [jwk] }, ...metadata,
  };
  const client = await oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(as, asked, INSECURE));
  const key = { key: keys.privateKey, kid: 'own' };
  return { client, key, auth: oauth.PrivateKeyJwt(key) };
}

/// A request as a signed object, and what belongs to it.
async function signed(as, { client, key }, parameters = {}) {
  const verifier = oauth.generateRandomCodeVerifier();
  const attempt = { verifier, state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce() };
  const wish = {
    response_type: 'code', redirect_uri: REDIRECT_URI, scope: SCOPE, state: attempt.state, nonce: attempt.nonce, code_challenge_method: 'S256',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), ...parameters,
  };
  attempt.request = await oauth.issueRequestObject(as, client, wish, key);
  return attempt;
}

function address(as, parameters) {
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams(parameters);
  return url;
}

const asPerson = (url, account = newAccount()) => new Agent().authorize(url, { redirectUri: REDIRECT_URI, account, register: true });

async function redeemed(as, { client, auth }, attempt, answer, options = {}) {
  const answered = await oauth.authorizationCodeGrantRequest(as, client, auth, answer, REDIRECT_URI, attempt.verifier, { ...INSECURE, ...options });
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answered, { expectedNonce: attempt.nonce, requireIdToken: true });
  await oauth.validateApplicationLevelSignature(as, answered, INSECURE);
  return tokens;
}

/// Requests that the client signed, sent through the browser.
async function requests(check, server) {
  const as = await check('discovery', () => discovered(server));
  const own = await check('a client with a key registers', () => register(as, {}));
  const attempt = await signed(as, own);
  const url = address(as, { client_id: own.client.client_id, request: attempt.request });
  const answer = await check('the person signs in and consents', () => asPerson(url));
  const parameters = oauth.validateAuthResponse(as, own.client, answer, attempt.state);
  const tokens = await check('the code is redeemed by assertion, and the id_token verifies', () => redeemed(as, own, attempt, parameters));
  await check.also('userinfo is the person\'s', async () => {
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);
    const answered = await oauth.userInfoRequest(as, own.client, tokens.access_token, INSECURE);
    assert.ok((await oauth.processUserInfoResponse(as, own.client, sub, answered)).email);
  });
  await check.also('a refresh brings tokens, a revocation ends them', async () => {
    const answered = await oauth.refreshTokenGrantRequest(as, own.client, own.auth, tokens.refresh_token, INSECURE);
    const fresh = await oauth.processRefreshTokenResponse(as, own.client, answered);
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, own.client, own.auth, fresh.refresh_token, INSECURE));
    const seen = await oauth.processIntrospectionResponse(as, own.client, await oauth.introspectionRequest(as, own.client, own.auth, fresh.access_token, INSECURE));
    assert.equal(seen.active, false);
  });
  await check.also('a request that is not signed is refused', async () => {
    const plain = await new Agent().send(address(as, {
      client_id: own.client.client_id, response_type: 'code', redirect_uri: REDIRECT_URI, scope: SCOPE, state: 's', code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    }));
    assert.ok(new URL(plain.headers.get('location')).searchParams.get('error'), plain.body);
  });
  await check.also('an object of another client\'s key is refused', async () => {
    const other = await register(as, {});
    const { request } = await signed(as, { client: own.client, key: other.key });
    const refused = await new Agent().send(address(as, { client_id: own.client.client_id, request }));
    assert.notEqual(refused.status, 200);
    assert.ok(!/code=/.test(refused.headers.get('location') ?? ''));
  });
}

/// The same pushed, with tokens bound to a key; and a resource server that looks at them.
async function pushed(check, server) {
  const as = await discovered(server);
  const own = await check('a client registers for bound tokens', () => register(as, { dpop_bound_access_tokens: true, require_pushed_authorization_requests: true }));
  const keys = await oauth.generateKeyPair('ES256', { extractable: true });
  const DPoP = oauth.DPoP(own.client, keys);
  const attempt = await signed(as, own, { resource: API, scope: `${SCOPE} api` });
  const place = await check('the signed request is pushed with a proof', async () => oauth.processPushedAuthorizationResponse(as, own.client,
    await oauth.pushedAuthorizationRequest(as, own.client, own.auth, { request: attempt.request }, { ...INSECURE, DPoP })));
  const answer = await check('the person signs in and consents', () => asPerson(address(as, { client_id: own.client.client_id, request_uri: place.request_uri })));
  const parameters = oauth.validateAuthResponse(as, own.client, answer, attempt.state);
  const tokens = await check('the code is redeemed with the key', () => redeemed(as, own, attempt, parameters, { DPoP, additionalParameters: { resource: API } }));
  assert.equal(tokens.token_type, 'dpop');
  /// The request of a client to the resource server, as it arrives there.
  const arriving = async (token, proof) => {
    let arrived;
    const [customFetch, url] = [(target, init) => { arrived = new Request(target, init); return new Response('', { status: 200 }); }, new URL(`${API}/things`)];
    await oauth.protectedResourceRequest(token, 'GET', url, undefined, undefined, { DPoP: proof, [oauth.customFetch]: customFetch });
    return arrived;
  };
  const allowed = (request) => oauth.validateJwtAccessToken(as, request, API, INSECURE);
  await check('a resource server takes token and proof', async () => {
    const claims = await allowed(await arriving(tokens.access_token, DPoP));
    assert.deepEqual([claims.aud, claims.client_id, claims.scope.includes('api')], [API, own.client.client_id, true]);
    assert.equal(claims.sub, oauth.getValidatedIdTokenClaims(tokens).sub);
  });
  await check.also('with another key\'s proof it refuses', async () => {
    await assert.rejects(allowed(await arriving(tokens.access_token, oauth.DPoP(own.client, await oauth.generateKeyPair('ES256')))));
  });
  await check.also('without a proof it refuses', async () => {
    await assert.rejects(allowed(new Request(`${API}/things`, { headers: { authorization: `Bearer ${tokens.access_token}` } })));
  });
  await check('a refresh needs the key and brings tokens that it takes', async () => {
    const answered = await oauth.refreshTokenGrantRequest(as, own.client, own.auth, tokens.refresh_token, { ...INSECURE, DPoP, additionalParameters: { resource: API } });
    const fresh = await oauth.processRefreshTokenResponse(as, own.client, answered);
    await allowed(await arriving(fresh.access_token, DPoP));
  });
}

/// FAPI 1.0 Part 2 §5.2.2.1: the id_token beside the code signs the answer.
async function detached(check, server) {
  const as = await discovered(server);
  const own = await check('a client registers for code id_token', () => register(as, {
    response_types: ['code id_token'], grant_types: ['authorization_code', 'implicit', 'refresh_token'],
  }));
  const attempt = await signed(as, own, { response_type: 'code id_token' });
  const answer = await check('the person signs in and consents', () => asPerson(address(as, { client_id: own.client.client_id, request: attempt.request })));
  const parameters = await check('the id_token beside the code signs code and state', () => oauth.validateDetachedSignatureResponse(as, own.client, answer,
    attempt.nonce, attempt.state, undefined, INSECURE));
  await check('the code is redeemed', () => redeemed(as, own, attempt, parameters));
  await check.also('another state is seen', () => assert.rejects(oauth.validateDetachedSignatureResponse(as, own.client, new URL(answer.href.replace(attempt.state, 'other')),
    attempt.nonce, 'other', undefined, INSECURE)));
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'chancery-signing-'));
const config = path.join(folder, 'chancery.toml');
writeFileSync(config, SETTINGS);
for (const backend of backends()) {
  let server;
  await checks.group(`${backend} start`, async (check) => {
    server = await check('the server starts on empty data', () => Server.start({ backend, config }));
  });
  if (!server) continue;
  const group = (name, body) => checks.group(`${backend} ${name}`, (check) => body(check, server), server.explain());
  await group('signed requests', requests);
  await group('pushed and bound', pushed);
  await group('detached signature', detached);
  await checks.group(`${backend} audit`, (check) => audit(check, server));
  await server.dispose();
}
rmSync(folder, { recursive: true, force: true });
checks.end();
