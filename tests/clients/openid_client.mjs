// openid-client 6, the reference library for JavaScript back ends, from discovery to logout, with a real browser in between.
//
// What it shows: a client that was written for other servers needs nothing special here, and a restart of the server between the
// person's consent and the client's redemption of the code loses nothing.
import assert from 'node:assert/strict';
import * as oidc from 'openid-client';
import { Browser } from './harness/browser.mjs';
import { Callback } from './harness/callback.mjs';
import { audit } from './harness/auditor.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { newAccount } from './harness/client.mjs';
import { exportJWK, generateKeyPair } from './harness/keys.mjs';
import { Server } from './harness/server.mjs';

const SCOPE = 'openid profile email';
const INSECURE = { execute: [oidc.allowInsecureRequests] }; // plain http on the loopback

const checks = new Checks('openid_client');

/// Registers with openid-client's own dynamic registration.
function register(server, metadata, auth) {
  return oidc.dynamicClientRegistration(new URL(server.issuer), { client_name: 'openid-client', scope: SCOPE, ...metadata }, auth, INSECURE);
}

/// A request with everything a careful client sends.
async function request(config, redirectUri, parameters = {}) {
  const attempt = { pkceCodeVerifier: oidc.randomPKCECodeVerifier(), expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce() };
  attempt.url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri, scope: SCOPE, state: attempt.expectedState, nonce: attempt.expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(attempt.pkceCodeVerifier), code_challenge_method: 'S256', ...parameters,
  });
  return attempt;
}

function redeem(config, answer, { url: _, ...expected }) {
  return oidc.authorizationCodeGrant(config, answer, { ...expected, idTokenExpected: true });
}

/// Visits a request that needs no page; gives the answer that reaches the client.
async function direct(visitor, callback, attempt) {
  await visitor.go(attempt.url);
  if (!visitor.page.url().startsWith(callback.url)) throw new Error(`the browser was not sent back but is at ${await visitor.describe()}`);
  return callback.next();
}

/// The OAuth error code with which `promise` fails.
async function refusal(promise) {
  const result = await promise.catch((error) => error);
  assert.ok(result instanceof Error, 'it was not refused');
  // For a 401 with a challenge the library leaves the body to us.
  if (result.code === 'OAUTH_WWW_AUTHENTICATE_CHALLENGE') return (await result.response.json()).error;
  return result.error ?? result.cause?.error ?? result.message;
}

async function codeFlow(check, server, alg) {
  const callback = await Callback.start();
  const visitor = await browser.visitor();
  const account = newAccount();
  try {
    const config = await check('dynamic registration', () => register(server, {
      redirect_uris: [callback.url], grant_types: ['authorization_code', 'refresh_token'], id_token_signed_response_alg: alg,
    }));
    assert.equal(config.clientMetadata().id_token_signed_response_alg, alg);

    const first = await request(config, callback.url);
    await check('the browser registers, consents, and comes back', async () => {
      await visitor.go(first.url);
      const seen = await visitor.until(callback.url, { account, register: true });
      assert.ok(seen.includes('register') && seen.includes('consent'), `pages on the way: ${seen.join(', ')}`);
    });
    const answer = await callback.next();
    await check.also('the answer names the issuer (RFC 9207)', () => assert.equal(answer.searchParams.get('iss'), server.issuer));
    await check('the server restarts between consent and code', () => server.restart());
    const tokens = await check('the code is redeemed, id_token and nonce are valid', () => redeem(config, answer, first));
    const claims = tokens.claims();
    await check.also(`the id_token is signed with ${alg} by a key of the JWKS`, async () => {
      const header = JSON.parse(Buffer.from(tokens.id_token.split('.')[0], 'base64url'));
      assert.equal(header.alg, alg);
      const { keys } = await (await fetch(config.serverMetadata().jwks_uri)).json();
      assert.ok(keys.some((key) => key.kid === header.kid), `kid ${header.kid} is not among ${keys.map((key) => key.kid)}`);
      assert.ok(keys.every((key) => !('d' in key || 'p' in key)), 'a private key in the JWKS');
    });
    await check.also('the response is complete', () => {
      assert.equal(tokens.token_type.toLowerCase(), 'bearer');
      assert.ok(tokens.expires_in > 0 && tokens.refresh_token, 'expires_in and refresh_token');
      assert.deepEqual(tokens.scope.split(' ').sort(), SCOPE.split(' ').sort());
    });
    await check.also('userinfo gives the person', async () => {
      const person = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
      assert.equal(person.email, account.email);
      assert.equal(person.name, account.name);
    });
    await check.also('introspection: active, with subject and client', async () => {
      const token = await oidc.tokenIntrospection(config, tokens.access_token);
      assert.equal(token.active, true);
      assert.equal(token.sub, claims.sub);
      assert.equal(token.client_id, config.clientMetadata().client_id);
    });

    await check.also('the session outlives the restart: prompt=none answers with a code', async () => {
      const silent = await request(config, callback.url, { prompt: 'none' });
      const again = await redeem(config, await direct(visitor, callback, silent), silent);
      assert.equal(again.claims().sub, claims.sub);
    });

    const second = await check('refresh gives new tokens and a new refresh token', async () => {
      const fresh = await oidc.refreshTokenGrant(config, tokens.refresh_token);
      assert.notEqual(fresh.refresh_token, tokens.refresh_token);
      assert.notEqual(fresh.access_token, tokens.access_token);
      assert.equal(fresh.claims()?.sub, claims.sub);
      return fresh;
    });
    const third = await check('the new one refreshes too', () => oidc.refreshTokenGrant(config, second.refresh_token));
    await check('a spent refresh token is refused', async () => {
      assert.equal(await refusal(oidc.refreshTokenGrant(config, tokens.refresh_token)), 'invalid_grant');
    });
    await check('and has ended the family: newest refresh token and access token are dead', async () => {
      assert.equal(await refusal(oidc.refreshTokenGrant(config, third.refresh_token)), 'invalid_grant');
      assert.equal((await oidc.tokenIntrospection(config, third.access_token)).active, false);
      await assert.rejects(oidc.fetchUserInfo(config, third.access_token, claims.sub));
    });

    const fourth = await check('with the session at hand no page is shown', async () => {
      const again = await request(config, callback.url);
      return redeem(config, await direct(visitor, callback, again), again);
    });
    await check.also('revoking the access token ends it, and only it', async () => {
      await oidc.tokenRevocation(config, fourth.access_token);
      assert.equal((await oidc.tokenIntrospection(config, fourth.access_token)).active, false);
      assert.equal((await oidc.tokenIntrospection(config, fourth.refresh_token)).active, true);
    });
    await check.also('revoking the refresh token ends the grant', async () => {
      await oidc.tokenRevocation(config, fourth.refresh_token);
      assert.equal(await refusal(oidc.refreshTokenGrant(config, fourth.refresh_token)), 'invalid_grant');
    });
    await check.also('prompt=login asks for the password again', async () => {
      const strict = await request(config, callback.url, { prompt: 'login' });
      await visitor.go(strict.url);
      const seen = await visitor.until(callback.url, { account });
      assert.ok(seen.includes('login'), `pages on the way: ${seen.join(', ')}`);
      const later = await redeem(config, await callback.next(), strict);
      assert.equal(later.claims().sub, claims.sub);
    });
    await check.also('a page violates no content security policy', () => assert.deepEqual(visitor.takeComplaints(), []));
  } finally {
    callback.dispose();
    await visitor.close();
  }
}

async function refusals(check, server) {
  const callback = await Callback.start();
  const visitor = await browser.visitor();
  const account = newAccount();
  try {
    const config = await register(server, { redirect_uris: [callback.url], grant_types: ['authorization_code'] });
    await check.also('prompt=none without a session: login_required', async () => {
      const silent = await request(config, callback.url, { prompt: 'none' });
      assert.equal(await refusal(redeem(config, await direct(visitor, callback, silent), silent)), 'login_required');
    });
    await check('a denied consent: access_denied', async () => {
      const asked = await request(config, callback.url);
      await visitor.go(asked.url);
      await visitor.until(callback.url, { account, register: true, decision: 'deny' });
      assert.equal(await refusal(redeem(config, await callback.next(), asked)), 'access_denied');
    });
    await check('a wrong verifier: invalid_grant, and the code still works with the right one', async () => {
      const asked = await request(config, callback.url);
      await visitor.go(asked.url);
      await visitor.until(callback.url, { account });
      const answer = await callback.next();
      const wrong = { ...asked, pkceCodeVerifier: oidc.randomPKCECodeVerifier() };
      assert.equal(await refusal(redeem(config, answer, wrong)), 'invalid_grant');
      await redeem(config, answer, asked);
    });
    await check.also('a foreign redirect_uri is not followed', async () => {
      const asked = await request(config, 'http://127.0.0.1:1/elsewhere');
      const answer = await visitor.go(asked.url);
      assert.equal(answer.status(), 400);
      assert.ok(visitor.page.url().startsWith(server.issuer), `the browser went to ${visitor.page.url()}`);
    });
    await check.also('a client without the grant: unauthorized_client', async () => {
      assert.equal(await refusal(oidc.clientCredentialsGrant(config)), 'unauthorized_client');
    });
    await check.also('a wrong secret: invalid_client', async () => {
      const { client_id: id } = config.clientMetadata();
      const thief = await oidc.discovery(new URL(server.issuer), id, undefined, oidc.ClientSecretBasic('wrong-secret'), INSECURE);
      assert.equal(await refusal(oidc.refreshTokenGrant(thief, 'x')), 'invalid_client');
    });
  } finally {
    callback.dispose();
    await visitor.close();
  }
}

async function clientCredentials(check, server) {
  for (const method of ['client_secret_basic', 'client_secret_post']) {
    const registered = await register(server, {
      redirect_uris: [], response_types: [], grant_types: ['client_credentials'], token_endpoint_auth_method: method,
    });
    const { client_id: id, client_secret: secret } = registered.clientMetadata();
    const auth = method === 'client_secret_post' ? oidc.ClientSecretPost(secret) : oidc.ClientSecretBasic(secret);
    const config = await oidc.discovery(new URL(server.issuer), id, undefined, auth, INSECURE);
    const tokens = await check(`${method}: an access token, no refresh token, no id_token`, async () => {
      const given = await oidc.clientCredentialsGrant(config);
      assert.ok(given.access_token && !given.refresh_token && !given.id_token);
      return given;
    });
    await check(`${method}: active until it is revoked`, async () => {
      assert.equal((await oidc.tokenIntrospection(config, tokens.access_token)).active, true);
      await oidc.tokenRevocation(config, tokens.access_token);
      assert.equal((await oidc.tokenIntrospection(config, tokens.access_token)).active, false);
    });
  }
}

async function privateKeyJwt(check, server) {
  for (const alg of ['ES256', 'RS256']) {
    const { publicKey, privateKey } = await generateKeyPair(alg);
    const jwk = { ...await exportJWK(publicKey), kid: `key-${alg}`, use: 'sig', alg };
    const registered = await check(`${alg}: registration with jwks`, () => register(server, {
      redirect_uris: [], response_types: [], grant_types: ['client_credentials'], token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: alg, jwks: { keys: [jwk] },
    }, oidc.None()));
    const id = registered.clientMetadata().client_id;
    const as = (key) => oidc.discovery(new URL(server.issuer), id, undefined, oidc.PrivateKeyJwt({ key, kid: jwk.kid }), INSECURE);
    await check(`${alg}: an assertion gives a token`, async () => assert.ok((await oidc.clientCredentialsGrant(await as(privateKey))).access_token));
    await check(`${alg}: an assertion by another key is invalid_client`, async () => {
      const stranger = await generateKeyPair(alg);
      assert.equal(await refusal(oidc.clientCredentialsGrant(await as(stranger.privateKey))), 'invalid_client');
    });
  }
}

async function publicClient(check, server) {
  const callback = await Callback.start();
  const visitor = await browser.visitor();
  try {
    const registered = await check('registration with method none gives no secret', async () => {
      const config = await register(server, {
        redirect_uris: [callback.url], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none',
      }, oidc.None());
      assert.equal(config.clientMetadata().client_secret, undefined);
      return config;
    });
    const asked = await request(registered, callback.url);
    await visitor.go(asked.url);
    await visitor.until(callback.url, { account: newAccount(), register: true });
    const tokens = await check('code flow with PKCE alone', async () => redeem(registered, await callback.next(), asked));
    await check.also('refresh rotates', async () => {
      const fresh = await oidc.refreshTokenGrant(registered, tokens.refresh_token);
      assert.notEqual(fresh.refresh_token, tokens.refresh_token);
    });
    await check.also('without PKCE the request is refused', async () => {
      const url = oidc.buildAuthorizationUrl(registered, { redirect_uri: callback.url, scope: SCOPE, state: 'without-pkce' });
      assert.equal((await direct(visitor, callback, { url })).searchParams.get('error'), 'invalid_request');
    });
  } finally {
    callback.dispose();
    await visitor.close();
  }
}

async function logout(check, server) {
  const callback = await Callback.start();
  const visitor = await browser.visitor();
  try {
    const config = await register(server, { redirect_uris: [callback.url], post_logout_redirect_uris: [`${callback.origin}/`], grant_types: ['authorization_code', 'refresh_token'] });
    const asked = await request(config, callback.url);
    await visitor.go(asked.url);
    await visitor.until(callback.url, { account: newAccount(), register: true });
    const tokens = await redeem(config, await callback.next(), asked);
    const leave = oidc.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: `${callback.origin}/`, state: 'good-bye' });
    await check('a page asks before it signs out', async () => {
      await visitor.go(leave);
      assert.ok(visitor.page.url().startsWith(server.origin), visitor.page.url());
      assert.ok(await visitor.has('form[method=post] button'), await visitor.describe());
    });
    await check('confirmed, the browser is sent back with the state', async () => {
      await visitor.press('form[method=post] :is(button[value=allow], button[name=logout], button:not([type=button]))');
      assert.equal(visitor.page.url(), `${callback.origin}/?state=good-bye`);
    });
    await check.also('the session is gone: prompt=none says login_required', async () => {
      const silent = await request(config, callback.url, { prompt: 'none' });
      assert.equal((await direct(visitor, callback, silent)).searchParams.get('error'), 'login_required');
    });
    await check.also('a refresh token without offline_access ended with it', async () => {
      assert.equal(await refusal(oidc.refreshTokenGrant(config, tokens.refresh_token)), 'invalid_grant');
    });
    await check.also('an unregistered post_logout_redirect_uri is not followed', async () => {
      await visitor.go(oidc.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: 'http://127.0.0.1:1/' }));
      assert.ok(visitor.page.url().startsWith(server.origin), visitor.page.url());
    });
    await check.also('no complaint of the browser', () => assert.deepEqual(visitor.takeComplaints(), []));
  } finally {
    callback.dispose();
    await visitor.close();
  }
}

const browser = await Browser.start();
for (const backend of backends()) {
  let server;
  await checks.group(`${backend} start`, async (check) => {
    server = await check('the server starts on empty data', () => Server.start({ backend }));
    checks.note(`${server.binary}: ready after ${server.startMs} ms`);
  });
  if (!server) continue;
  const group = (name, body) => checks.group(`${backend} ${name}`, body, server.explain());
  for (const alg of ['RS256', 'ES256']) await group(`code flow ${alg}`, (check) => codeFlow(check, server, alg));
  await group('refusals', (check) => refusals(check, server));
  await group('client credentials', (check) => clientCredentials(check, server));
  await group('private_key_jwt', (check) => privateKeyJwt(check, server));
  await group('public client', (check) => publicClient(check, server));
  await group('logout', (check) => logout(check, server));
  await group('audit', (check) => audit(check, server));
  await group('stop', (check) => check('the server ends on SIGTERM', () => server.stop()));
  await server.dispose();
}
await browser.dispose();
checks.end();
