// openid-client 6 beyond the code flow: what OpenID Connect Core does not ask for. Pages are filled in without a browser.
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as jose from 'jose';
import * as oidc from 'openid-client';
import { Agent, pickForm } from './harness/agent.mjs';
import { audit } from './harness/auditor.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { newAccount } from './harness/client.mjs';
import { Server } from './harness/server.mjs';

const SCOPE = 'openid profile email';
const REDIRECT_URI = 'http://127.0.0.1:9/callback'; // nobody listens: the redirect is read and not followed
const INSECURE = { execute: [oidc.allowInsecureRequests] }; // plain http on the loopback

const checks = new Checks('openid_client_beyond');

function register(server, metadata, auth) {
  const usual = { client_name: 'beyond', scope: SCOPE, redirect_uris: [REDIRECT_URI], grant_types: ['authorization_code', 'refresh_token'] };
  return oidc.dynamicClientRegistration(new URL(server.issuer), { ...usual, ...metadata }, auth, INSECURE);
}

/// What a careful client sends, and what it expects back.
async function attempt() {
  const expected = { pkceCodeVerifier: oidc.randomPKCECodeVerifier(), expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce() };
  const parameters = {
    redirect_uri: REDIRECT_URI, scope: SCOPE, state: expected.expectedState, nonce: expected.expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(expected.pkceCodeVerifier), code_challenge_method: 'S256',
  };
  return { parameters, expected: { ...expected, idTokenExpected: true } };
}

/// The OAuth error code with which `promise` fails.
async function refusal(promise) {
  const result = await promise.catch((error) => error);
  assert.ok(result instanceof Error, 'it was not refused');
  if (result.code === 'OAUTH_WWW_AUTHENTICATE_CHALLENGE') return (await result.response.json()).error;
  return result.error ?? result.cause?.error ?? result.message;
}

async function pushed(check, server) {
  for (const [name, metadata, auth] of [['confidential', {}, undefined], ['public', { token_endpoint_auth_method: 'none' }, oidc.None()]]) {
    const config = await register(server, { ...metadata, require_pushed_authorization_requests: true }, auth);
    const { parameters, expected } = await attempt();
    const url = await check(`${name}: the request is pushed`, () => oidc.buildAuthorizationUrlWithPAR(config, parameters));
    await check.also(`${name}: the URL holds a reference and nothing else`, () => {
      assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request_uri']);
    });
    const agent = new Agent();
    const answer = await check(`${name}: the person signs in and consents`, () => agent.authorize(url, {
      redirectUri: REDIRECT_URI, account: newAccount(), register: true,
    }));
    await check(`${name}: the code is redeemed`, () => oidc.authorizationCodeGrant(config, answer, expected));
    await check.also(`${name}: the reference is spent`, async () => assert.equal((await agent.send(url)).status, 400));
    await check.also(`${name}: a request that was not pushed is refused`, async () => {
      const plain = await attempt();
      const location = (await agent.send(oidc.buildAuthorizationUrl(config, plain.parameters))).headers.get('location');
      assert.equal(new URL(location).searchParams.get('error'), 'invalid_request');
    });
    await check.also(`${name}: what would be refused is refused at the push`, async () => {
      const wrong = await attempt();
      const push = oidc.buildAuthorizationUrlWithPAR(config, { ...wrong.parameters, redirect_uri: 'http://127.0.0.1:1/elsewhere' });
      assert.equal(await refusal(push), 'invalid_request');
    });
  }
}

/// The same client, which from here on proves a key with everything that it sends.
async function proving(check, server) {
  for (const [name, metadata, auth] of [['confidential', {}, undefined], ['public', { token_endpoint_auth_method: 'none' }, oidc.None()]]) {
    const config = await register(server, { ...metadata, dpop_bound_access_tokens: true }, auth);
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'));
    const { parameters, expected } = await attempt();
    const url = await check(`${name}: a push with a proof`, () => oidc.buildAuthorizationUrlWithPAR(config, parameters, { DPoP }));
    const answer = await new Agent().authorize(url, { redirectUri: REDIRECT_URI, account: newAccount(), register: true });
    const tokens = await check(`${name}: the code is redeemed with the key`, () => oidc.authorizationCodeGrant(config, answer, expected, undefined, { DPoP }));
    await check.also(`${name}: the tokens are bound`, async () => {
      assert.equal(tokens.token_type.toLowerCase(), 'dpop');
      if (auth) return;
      const seen = await oidc.tokenIntrospection(config, tokens.access_token);
      assert.equal(seen.cnf.jkt, await DPoP.calculateThumbprint());
    });
    const { sub } = tokens.claims();
    await check(`${name}: userinfo with the key`, () => oidc.fetchUserInfo(config, tokens.access_token, sub, { DPoP }));
    await check.also(`${name}: userinfo without it is refused`, async () => {
      await assert.rejects(oidc.fetchUserInfo(config, tokens.access_token, sub));
    });
    const thief = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'));
    await check.also(`${name}: userinfo with another key is refused`, async () => {
      await assert.rejects(oidc.fetchUserInfo(config, tokens.access_token, sub, { DPoP: thief }));
    });
    if (auth) {
      await check.also(`${name}: the refresh token is nothing without its key`, async () => {
        assert.equal(await refusal(oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP: thief })), 'invalid_grant');
      });
    }
    const fresh = await check(`${name}: refresh with the key`, () => oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP }));
    await check.also(`${name}: and the new token works`, () => oidc.fetchUserInfo(config, fresh.access_token, sub, { DPoP }));
    await check.also(`${name}: without a proof nothing is issued`, async () => {
      assert.equal(await refusal(oidc.refreshTokenGrant(config, fresh.refresh_token)), 'invalid_dpop_proof');
    });
  }
}

/// Answers of the authorization endpoint as signed JWTs.
async function signed(check, server) {
  const config = await register(server, { authorization_signed_response_alg: 'ES256' });
  oidc.useJwtResponseMode(config);
  const { parameters, expected } = await attempt();
  const url = oidc.buildAuthorizationUrl(config, parameters);
  await check.also('the mode is asked for', () => assert.equal(url.searchParams.get('response_mode'), 'jwt'));
  const agent = new Agent();
  const answer = await check('the person signs in and consents', () => agent.authorize(url, {
    redirectUri: REDIRECT_URI, account: newAccount(), register: true,
  }));
  await check.also('the answer is one parameter', () => assert.deepEqual([...answer.searchParams.keys()], ['response']));
  await check('it is verified and redeemed', () => oidc.authorizationCodeGrant(config, answer, expected));
  await check.also('a changed one is refused', async () => {
    const changed = new URL(answer);
    changed.searchParams.set('response', answer.searchParams.get('response').replace(/\.[^.]+$/, `.${'A'.repeat(86)}`));
    await assert.rejects(oidc.authorizationCodeGrant(config, changed, expected));
  });
}

/// The same, and introspection as a JWT, encrypted to the client after that: the library opens both.
async function sealed(check, server) {
  const { publicKey, privateKey } = await jose.generateKeyPair('ECDH-ES+A128KW', { extractable: true });
  const jwk = { ...(await jose.exportJWK(publicKey)), kid: 'own', alg: 'ECDH-ES+A128KW', use: 'enc' };
  const config = await register(server, {
    jwks: { keys: [jwk] },
    authorization_signed_response_alg: 'ES256', authorization_encrypted_response_alg: 'ECDH-ES+A128KW', authorization_encrypted_response_enc: 'A256GCM',
    introspection_signed_response_alg: 'ES256', introspection_encrypted_response_alg: 'ECDH-ES+A128KW',
  });
  const { authorization_encryption_alg_values_supported: algs, introspection_encryption_enc_values_supported: encs } = config.serverMetadata();
  await check.also('discovery names what answers are encrypted with', () => assert.ok(algs.includes('ECDH-ES+A128KW') && encs.includes('A128CBC-HS256')));
  oidc.useJwtResponseMode(config);
  const key = await crypto.subtle.importKey('jwk', await jose.exportJWK(privateKey), { name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits']);
  oidc.enableDecryptingResponses(config, ['A256GCM', 'A128CBC-HS256'], { key, alg: 'ECDH-ES+A128KW', kid: 'own' });
  const { parameters, expected } = await attempt();
  const answer = await check('the person signs in and consents', () => new Agent().authorize(oidc.buildAuthorizationUrl(config, parameters), {
    redirectUri: REDIRECT_URI, account: newAccount(), register: true,
  }));
  await check.also('the answer is an envelope, and no code can be read', () => {
    assert.deepEqual([...answer.searchParams.keys()], ['response']);
    assert.equal(answer.searchParams.get('response').split('.').length, 5);
  });
  const tokens = await check('it is opened, verified and redeemed', () => oidc.authorizationCodeGrant(config, answer, expected));
  await check('introspection is opened and verified', async () => {
    const seen = await oidc.tokenIntrospection(config, tokens.access_token);
    assert.deepEqual([seen.active, seen.sub], [true, tokens.claims().sub]);
  });
}

/// Request objects (RFC 9101), in the browser's URL and pushed (RFC 9126 §3), with each algorithm that the library signs with.
async function requested(check, server) {
  for (const alg of ['ES256', 'PS256', 'RS256', 'ES384', 'ES512', 'Ed25519']) {
    const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await jose.exportJWK(publicKey)), kid: 'own', alg, use: 'sig' };
    const config = await register(server, { jwks: { keys: [jwk] }, require_signed_request_object: true, request_object_signing_alg: alg });
    for (const [way, send] of [['in the URL', (jar) => jar], ['pushed', (jar) => oidc.buildAuthorizationUrlWithPAR(config, jar.searchParams)]]) {
      const { parameters, expected } = await attempt();
      const jar = await oidc.buildAuthorizationUrlWithJAR(config, parameters, { key: privateKey, kid: 'own' });
      await check.also(`${alg} ${way}: everything is in the object`, () => assert.deepEqual([...jar.searchParams.keys()].sort(), ['client_id', 'request']));
      const url = await check(`${alg} ${way}: the request is taken`, () => send(jar));
      const answer = await check(`${alg} ${way}: the person signs in and consents`, () => new Agent().authorize(url, {
        redirectUri: REDIRECT_URI, account: newAccount(), register: true,
      }));
      await check(`${alg} ${way}: the code is redeemed`, () => oidc.authorizationCodeGrant(config, answer, expected));
    }
    await check.also(`${alg}: a request that nobody signed is refused`, async () => {
      const { parameters } = await attempt();
      assert.ok(['invalid_request', 'invalid_request_object'].includes(await refusal(oidc.buildAuthorizationUrlWithPAR(config, parameters))));
    });
    await check.also(`${alg}: one that another key signed is refused`, async () => {
      const stranger = await jose.generateKeyPair(alg);
      const jar = await oidc.buildAuthorizationUrlWithJAR(config, (await attempt()).parameters, { key: stranger.privateKey, kid: 'own' });
      assert.equal(await refusal(oidc.buildAuthorizationUrlWithPAR(config, jar.searchParams)), 'invalid_request_object');
    });
  }
}

/// Request objects that are signed by the client and encrypted to the server, by a library that knows nothing of it.
async function encrypted(check, server) {
  const { publicKey, privateKey } = await jose.generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await jose.exportJWK(publicKey)), kid: 'own', alg: 'ES256', use: 'sig' };
  const config = await register(server, { jwks: { keys: [jwk] }, require_signed_request_object: true, request_object_encryption_alg: 'RSA-OAEP-256' });
  const { jwks_uri: address, request_object_encryption_alg_values_supported: algs } = config.serverMetadata();
  await check.also('discovery names what requests may be encrypted with', () => assert.ok(algs.includes('RSA-OAEP-256') && algs.includes('ECDH-ES+A128KW')));
  const { keys } = await (await fetch(address)).json();
  for (const [alg, enc] of [['RSA-OAEP-256', 'A256GCM'], ['RSA-OAEP', 'A128CBC-HS256'], ['ECDH-ES+A128KW', 'A256CBC-HS512'], ['ECDH-ES', 'A128GCM']]) {
    const key = keys.find((one) => one.use === 'enc' && one.kty === (alg.startsWith('RSA') ? 'RSA' : 'EC'));
    const { parameters, expected } = await attempt();
    const url = await oidc.buildAuthorizationUrlWithJAR(config, parameters, { key: privateKey, kid: 'own' });
    const seal = async (text) => new jose.CompactEncrypt(new TextEncoder().encode(text))
      .setProtectedHeader({ alg, enc, kid: key.kid, cty: 'oauth-authz-req+jwt' }).encrypt(await jose.importJWK(key, alg));
    const sealed = await seal(url.searchParams.get('request'));
    url.searchParams.set('request', sealed);
    const answer = await check(`${alg} ${enc}: the server opens the request`, () => new Agent().authorize(url, {
      redirectUri: REDIRECT_URI, account: newAccount(), register: true,
    }));
    await check(`${alg} ${enc}: the code is redeemed`, () => oidc.authorizationCodeGrant(config, answer, expected));
    await check.also(`${alg} ${enc}: a changed one is refused`, async () => {
      url.searchParams.set('request', `${sealed.slice(0, -6)}AAAAAA`);
      assert.equal((await new Agent().send(url)).status, 400);
    });
  }
}

/// Authorization details (RFC 9396), on a server that knows a type of them.
async function details(check, server) {
  const config = await register(server, { authorization_details_types: ['payment', 'account_information'] });
  await check.also('discovery lists the type', () => assert.deepEqual(config.serverMetadata().authorization_details_types_supported, ['account_information', 'payment']));
  const asked = [{ type: 'payment', to: 'Ann', actions: ['initiate', 'status'] }];
  const { parameters, expected } = await attempt();
  const url = await check('a push with details', () => oidc.buildAuthorizationUrlWithPAR(config, { ...parameters, authorization_details: JSON.stringify(asked) }));
  const agent = new Agent();
  const answer = await check('the person consents', () => agent.authorize(url, { redirectUri: REDIRECT_URI, account: newAccount(), register: true }));
  const tokens = await check('the code is redeemed', () => oidc.authorizationCodeGrant(config, answer, expected));
  await check.also('the answer says what was granted', () => assert.deepEqual(tokens.authorization_details, asked));
  const less = [{ ...asked[0], actions: ['status'] }];
  const fresh = await check('a refresh asks for less', () => oidc.refreshTokenGrant(config, tokens.refresh_token, { authorization_details: JSON.stringify(less) }));
  await check.also('introspection says so', async () => {
    assert.deepEqual((await oidc.tokenIntrospection(config, fresh.access_token)).authorization_details, less);
  });
  await check.also('more is refused', async () => {
    const more = JSON.stringify([{ ...asked[0], to: 'Bob' }]);
    assert.equal(await refusal(oidc.refreshTokenGrant(config, fresh.refresh_token, { authorization_details: more })), 'invalid_authorization_details');
  });
  await enriched(check, config);
}

/// The client names no account, the person does, and the answer says which (RFC 9396 §7.1).
async function enriched(check, config) {
  const { parameters, expected } = await attempt();
  const asked = JSON.stringify([{ type: 'account_information', access: { accounts: [] } }]);
  const url = oidc.buildAuthorizationUrl(config, { ...parameters, authorization_details: asked });
  // The second of two boxes.
  const choose = (html) => ({ [html.match(/type="checkbox" name="([^"]+)"/g)[1].match(/name="([^"]+)"/)[1]]: 'on' });
  const answer = await check('the person chooses an account', () => new Agent().authorize(url, { redirectUri: REDIRECT_URI, account: CAROL, choose }));
  const tokens = await check('the code is redeemed', () => oidc.authorizationCodeGrant(config, answer, expected));
  const whole = [{ type: 'account_information', access: { accounts: [{ iban: 'DE02120300000000202051' }] }, country: 'DE' }];
  await check.also('the answer has more than was asked for', () => assert.deepEqual(tokens.authorization_details, whole));
  const fresh = await check('a refresh asks as it did at first', () => oidc.refreshTokenGrant(config, tokens.refresh_token, { authorization_details: asked }));
  await check.also('and gets what was chosen', () => assert.deepEqual(fresh.authorization_details, whole));
  await check.also('introspection says so', async () => {
    assert.deepEqual((await oidc.tokenIntrospection(config, fresh.access_token)).authorization_details, whole);
  });
  await check.also('an account that was not chosen is refused', async () => {
    const other = JSON.stringify([{ type: 'account_information', access: { accounts: [{ iban: 'DE40100100103307118608' }] } }]);
    assert.equal(await refusal(oidc.refreshTokenGrant(config, fresh.refresh_token, { authorization_details: other })), 'invalid_authorization_details');
  });
}

const CAROL = { email: 'carol@example.org', password: 'correct horse battery staple' };

const TOML = `[request_objects]
encrypted = true

[[authorization_details_type]]
name = "payment"
schema = '{"properties":{"to":{"type":"string"},"actions":{"type":"array","items":{"enum":["initiate","status"]}}},"required":["to","actions"],"additionalProperties":false}'
words = "Pay {to} ({actions})"

[[authorization_details_type]]
name = "account_information"
schema = '{"properties":{"access":{"properties":{"accounts":{"type":"array"}},"additionalProperties":false}},"required":["access"],"additionalProperties":false}'
words = "See your accounts"
enrichment = '{"access.accounts":{"choose":"accounts","words":"Which accounts?"},"country":{"const":"DE"}}'

[[user]]
email = "${CAROL.email}"
password = "${CAROL.password}"
[user.claims]
_lists = '{"accounts":[{"label":"Current account","value":{"iban":"DE40100100103307118608"}},{"label":"Savings","value":{"iban":"DE02120300000000202051"}}]}'
`;

const PAYMENT = [{ type: 'payment', to: 'Ann', actions: ['initiate'] }];

/// A device without a browser, and a person beside it.
async function device(check, server) {
  const metadata = {
    client_name: 'Television', redirect_uris: [], response_types: [],
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'], token_endpoint_auth_method: 'none',
    authorization_details_types: ['payment'],
  };
  const config = await register(server, metadata, oidc.None());
  const account = newAccount();
  // The account comes to be in some other sign-in.
  const web = await register(server, {});
  const { parameters } = await attempt();
  const agent = new Agent();
  await agent.authorize(oidc.buildAuthorizationUrl(web, parameters), { redirectUri: REDIRECT_URI, account, register: true });
  const answer = async (codes, decision) => {
    const page = await agent.send(codes.verification_uri_complete);
    assert.ok(page.body.includes(codes.user_code) && page.body.includes('Television'), page.body);
    const { url, form } = pickForm(page.body).fill(page.url, { decision });
    return agent.send(url, { form });
  };
  const codes = await check('the device gets its codes', () => oidc.initiateDeviceAuthorization(config, { scope: SCOPE }));
  const waiting = oidc.pollDeviceAuthorizationGrant(config, codes);
  await check('the person sees code and client, and allows', async () => assert.equal((await answer(codes, 'allow')).status, 303));
  const tokens = await check('the device gets its tokens', () => waiting);
  await check.also('they are the person\'s', async () => {
    assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)).email, account.email);
  });
  await check.also('they refresh', () => oidc.refreshTokenGrant(config, tokens.refresh_token));
  const wish = { scope: SCOPE, authorization_details: JSON.stringify(PAYMENT), claims: JSON.stringify({ id_token: { email: null } }), max_age: '3600' };
  const paying = await check('a device asks for details and claims', () => oidc.initiateDeviceAuthorization(config, wish));
  await check('the person reads them, and allows', async () => {
    assert.ok((await agent.send(paying.verification_uri_complete)).body.includes('Pay Ann'));
    assert.equal((await answer(paying, 'allow')).status, 303);
  });
  const paid = await check('the device gets tokens with them', () => oidc.pollDeviceAuthorizationGrant(config, paying));
  await check.also('they say so', () => {
    assert.deepEqual(paid.authorization_details, PAYMENT);
    assert.deepEqual([paid.claims().email, typeof paid.claims().auth_time], [account.email, 'number']);
  });
  const denied = await oidc.initiateDeviceAuthorization(config, { scope: SCOPE });
  await answer(denied, 'deny');
  await check('a denied device is told', async () => {
    assert.equal(await refusal(oidc.pollDeviceAuthorizationGrant(config, denied)), 'access_denied');
  });
}

/// A client that proves its secret and never sends it.
async function secret(check, server) {
  const metadata = { token_endpoint_auth_method: 'client_secret_jwt', grant_types: ['client_credentials'], response_types: [], redirect_uris: [], scope: 'api' };
  const config = await check('it registers', () => register(server, metadata, oidc.ClientSecretJwt()));
  await check('and gets a token', () => oidc.clientCredentialsGrant(config, { scope: 'api' }));
  const { client_id, client_secret } = config.clientMetadata();
  const sending = await oidc.discovery(new URL(server.issuer), client_id, undefined, oidc.ClientSecretBasic(client_secret), INSECURE);
  await check.also('the secret itself is no proof', async () => assert.equal(await refusal(oidc.clientCredentialsGrant(sending)), 'invalid_client'));
}

/// A bank that asks a person on their own screen.
async function ciba(check, server) {
  const metadata = {
    client_name: 'Meadow Bank', redirect_uris: [], response_types: [], grant_types: ['urn:openid:params:grant-type:ciba', 'refresh_token'],
    backchannel_token_delivery_mode: 'poll', authorization_details_types: ['payment'],
  };
  const config = await check('it registers', () => register(server, metadata));
  const account = newAccount();
  const web = await register(server, {});
  const { parameters } = await attempt();
  const agent = new Agent();
  await agent.authorize(oidc.buildAuthorizationUrl(web, parameters), { redirectUri: REDIRECT_URI, account, register: true });
  const answer = async (decision) => {
    const page = await agent.send(`${server.origin}/account/requests`);
    assert.ok(page.body.includes('Meadow Bank') && page.body.includes('W4SCT'), page.body);
    const { url, form } = pickForm(page.body).fill(page.url, { decision });
    return agent.send(url, { form });
  };
  const wish = { scope: SCOPE, login_hint: account.email, binding_message: 'W4SCT' };
  const asked = await check('it asks', () => oidc.initiateBackchannelAuthentication(config, wish));
  const waiting = oidc.pollBackchannelAuthenticationGrant(config, asked);
  await check('the person sees client and message, and allows', async () => assert.equal((await answer('allow')).status, 303));
  const tokens = await check('it gets its tokens', () => waiting);
  await check.also('they are the person\'s', async () => {
    assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)).email, account.email);
  });
  const more = { ...wish, authorization_details: JSON.stringify(PAYMENT), claims: JSON.stringify({ id_token: { email: null } }), max_age: '3600' };
  const paying = await check('it asks for details and claims', () => oidc.initiateBackchannelAuthentication(config, more));
  await check('the person reads them, and allows', async () => {
    assert.ok((await agent.send(`${server.origin}/account/requests`)).body.includes('Pay Ann'));
    assert.equal((await answer('allow')).status, 303);
  });
  const paid = await check('it gets tokens with them', () => oidc.pollBackchannelAuthenticationGrant(config, paying));
  await check.also('they say so', async () => {
    assert.deepEqual(paid.authorization_details, PAYMENT);
    assert.deepEqual([paid.claims().email, typeof paid.claims().auth_time], [account.email, 'number']);
    assert.deepEqual((await oidc.tokenIntrospection(config, paid.access_token)).authorization_details, PAYMENT);
  });
  const denied = await oidc.initiateBackchannelAuthentication(config, wish);
  await answer('deny');
  await check('a denial is told', async () => {
    assert.equal(await refusal(oidc.pollBackchannelAuthenticationGrant(config, denied)), 'access_denied');
  });
  await check.also('a hint that names nobody is refused', async () => {
    assert.equal(await refusal(oidc.initiateBackchannelAuthentication(config, { ...wish, login_hint: 'nobody@example.org' })), 'unknown_user_id');
  });
}

/// A gateway that passes a person's token on.
async function exchanged(check, server) {
  const find = (id, auth) => oidc.discovery(new URL(server.issuer), id, undefined, auth, INSECURE);
  const [spa, gateway] = [await find('spa', oidc.None()), await find('gateway', oidc.ClientSecretPost('a-secret-of-forty-characters-for-the-test'))];
  const { parameters, expected } = await attempt();
  parameters.scope = `${SCOPE} stock.read`;
  const answer = await new Agent().authorize(oidc.buildAuthorizationUrl(spa, parameters), { redirectUri: REDIRECT_URI, account: newAccount(), register: true });
  const first = await oidc.authorizationCodeGrant(spa, answer, expected);
  const own = await oidc.clientCredentialsGrant(gateway);
  const type = 'urn:ietf:params:oauth:token-type:access_token';
  const wish = { subject_token: first.access_token, subject_token_type: type, actor_token: own.access_token, actor_token_type: type, audience: 'https://stock.example' };
  const grant = 'urn:ietf:params:oauth:grant-type:token-exchange';
  const fruit = await check('a token is exchanged', () => oidc.genericGrantRequest(gateway, grant, wish));
  await check.also('it says what it is', () => assert.equal(fruit.issued_token_type, type));
  await check.also('introspection says for whom, and who acts', async () => {
    const seen = await oidc.tokenIntrospection(gateway, fruit.access_token);
    assert.deepEqual([seen.active, seen.sub, seen.aud, seen.act], [true, first.claims().sub, 'https://stock.example', { sub: 'gateway' }]);
  });
  await check.also('more is refused', async () => {
    assert.equal(await refusal(oidc.genericGrantRequest(gateway, grant, { ...wish, scope: 'admin' })), 'invalid_scope');
  });
}

const EXCHANGE_TOML = `
[ciba]
enabled = true

[[resource]]
identifier = "https://stock.example"
scope = "stock.read"
token_format = "opaque"
introspected_by = ["gateway"]

[[client]]
client_id = "spa"
token_endpoint_auth_method = "none"
scope = "openid profile email stock.read"
redirect_uris = ["${REDIRECT_URI}"]

[[client]]
client_id = "gateway"
client_secret = "a-secret-of-forty-characters-for-the-test"
grant_types = ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
response_types = []

[[token_exchange]]
client_id = "gateway"
subject_clients = ["spa"]
resources = ["https://stock.example"]
`;

for (const backend of backends()) {
  let server;
  await checks.group(`${backend} start`, async (check) => {
    // With nonces on one of them, so that both ways are walked.
    // Each group has people of its own, more than one address would bring.
    const env = { CHANCERY_RATE_LIMITS_ACCOUNT_REGISTRATIONS_PER_ADDRESS: 'off', ...(backend === 'postgres' ? { CHANCERY_DPOP_NONCES: 'true' } : {}) };
    const config = path.join(mkdtempSync(path.join(os.tmpdir(), 'chancery-beyond-')), 'chancery.toml');
    writeFileSync(config, TOML + EXCHANGE_TOML);
    server = await check('the server starts on empty data', () => Server.start({ backend, env, config }));
  });
  if (!server) continue;
  const group = (name, body) => checks.group(`${backend} ${name}`, body, server.explain());
  await group('pushed requests', (check) => pushed(check, server));
  await group('DPoP', (check) => proving(check, server));
  await group('JARM', (check) => signed(check, server));
  await group('encrypted answers', (check) => sealed(check, server));
  await group('signed requests', (check) => requested(check, server));
  await group('encrypted requests', (check) => encrypted(check, server));
  await group('authorization details', (check) => details(check, server));
  await group('device', (check) => device(check, server));
  await group('client_secret_jwt', (check) => secret(check, server));
  await group('CIBA', (check) => ciba(check, server));
  await group('token exchange', (check) => exchanged(check, server));
  await group('audit', (check) => audit(check, server));
  await group('stop', (check) => check('the server ends on SIGTERM', () => server.stop()));
  await server.dispose();
}
checks.end();
