// A wallet that others wrote gets credentials here (OpenID4VCI 1.0): @openid4vc/openid4vci asks for them, by an operator's offer and by the code
// flow, @sd-jwt/sd-jwt-vc verifies and presents them.
//
// There is no notification endpoint, no deferred issuance, no signed metadata and no encryption here: the wallet is told of none.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { clientAuthenticationDynamic } from '@openid4vc/oauth2';
import { Agent } from './harness/agent.mjs';
import { audit } from './harness/auditor.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { Server } from './harness/server.mjs';
import { Key, PROVIDER, Wallet, WalletProvider, byAttestation, byDpop, refusal, verifier } from './harness/wallet.mjs';

const PRE_AUTHORIZED = 'urn:ietf:params:oauth:grant-type:pre-authorized_code';
const REDIRECT_URI = 'https://wallet.example/back'; // never called: the agent stops before it
const ADA = { email: 'ada@example.com', password: 'correct horse battery staple' };
const BATCH = 3;
const VCT = 'https://id.example/credentials/identity';

const provider = await WalletProvider.make('meadow-wallet');
const HIGH = ['iso_18045_high'];

const SETTINGS = `
[dpop]
nonces = true

[credentials]
batch_size = ${BATCH}
issuer_name = "Meadow"
anonymous_access = true

[[credential]]
id = "identity"
format = "dc+sd-jwt"
vct = "${VCT}"
name = "Meadow identity"
claims = ["given_name", "family_name", "birthdate", "address"]
scope = "identity"

[[credential]]
id = "badge"
format = "dc+sd-jwt"
vct = "urn:example:badge"
name = "Meadow badge"
claims = ["name", "email"]
lifetime = "1h"
subject = true

[[credential]]
id = "guarded"
format = "dc+sd-jwt"
vct = "urn:example:guarded"
name = "Meadow key"
claims = ["name"]
scope = "guarded"
key_attesters = ["${provider.name}"]
key_attestations_required = { key_storage = ${JSON.stringify(HIGH)} }

[[key_attester]]
name = "${provider.name}"
jwks = '${JSON.stringify(provider.jwks)}'

[[client]]
client_id = "copies"
redirect_uris = ["${REDIRECT_URI}"]
grant_types = ["authorization_code", "refresh_token", "${PRE_AUTHORIZED}"]
scope = "openid identity"
token_endpoint_auth_method = "attest_jwt_client_auth"

[[client]]
client_id = "copies-of-one-key"
redirect_uris = ["${REDIRECT_URI}"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid identity"
token_endpoint_auth_method = "attest_jwt_client_auth_dpop"

[[client_attester_draft12]]
issuer = "${PROVIDER}"
jwks = '${JSON.stringify(provider.jwks)}'
clients = ["copies", "copies-of-one-key"]

[[user]]
email = "${ADA.email}"
password = "${ADA.password}"
name = "Ada Lovelace"
claims = { given_name = "Ada", family_name = "Lovelace", birthdate = "1815-12-10", address = { locality = "London" } }
`;

const checks = new Checks('wallet');

const refused = (action, error) => assert.rejects(action, (fault) => {
  assert.equal(refusal(fault), error);
  return true;
});

/// A wallet that is registered, and has read the metadata.
async function registered(server, metadata = {}) {
  const answer = await fetch(`${server.origin}/clients`, {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'wallet', redirect_uris: [REDIRECT_URI], grant_types: ['authorization_code', 'refresh_token', PRE_AUTHORIZED], scope: 'openid identity guarded',
      token_endpoint_auth_method: 'none', authorization_details_types: ['openid_credential'], ...metadata,
    }),
  });
  assert.equal(answer.status, 201, await answer.clone().text());
  const wallet = new Wallet({ clientId: (await answer.json()).client_id });
  await wallet.meet(server.issuer);
  return wallet;
}

/// An offer by the operator, as the command prints it.
async function offered(server, ...args) {
  return JSON.parse(await server.cli('credential', 'offer', ADA.email, '--json', '--config', config, ...args));
}

/// The offer on a web page of somebody: what is issued, and that the person signs in for it.
const invitation = (server, ...configurations) => `openid-credential-offer://?${new URLSearchParams({
  credential_offer: JSON.stringify({ credential_issuer: server.issuer, credential_configuration_ids: configurations, grants: { authorization_code: {} } }),
})}`;

/// The code flow from an offer to the token response.
async function allowed(server, wallet, configurations, { scope, additionalRequestPayload, dpop } = {}) {
  const { vci, issuerMetadata, clientId, authorizationServerMetadata } = wallet;
  const credentialOffer = await vci.resolveCredentialOffer(invitation(server, ...configurations));
  const begun = await vci.initiateAuthorization({ credentialOffer, issuerMetadata, clientId, redirectUri: REDIRECT_URI, scope, additionalRequestPayload, dpop });
  const back = await new Agent().authorize(begun.authorizationRequestUrl, { redirectUri: REDIRECT_URI, account: ADA });
  const answer = vci.parseAndVerifyAuthorizationResponseRedirectUrl({ url: back.href, authorizationServerMetadata });
  assert.ok(answer.code, back.href);
  return vci.retrieveAuthorizationCodeAccessTokenFromOffer({
    credentialOffer, issuerMetadata, authorizationCode: answer.code, pkceCodeVerifier: begun.pkce.codeVerifier, redirectUri: REDIRECT_URI, dpop: begun.dpop,
  });
}

async function metadata(check, server) {
  const wallet = new Wallet();
  const { credentialIssuer, originalDraftVersion, knownCredentialConfigurations, authorizationServers } = await check('the wallet reads the metadata, as OpenID4VCI 1.0',
    () => wallet.meet(server.issuer));
  await check.also('of the credential issuer', () => {
    assert.equal(originalDraftVersion, 'V1');
    assert.deepEqual(Object.keys(knownCredentialConfigurations).sort(), ['badge', 'guarded', 'identity']);
    const { identity, guarded } = knownCredentialConfigurations;
    assert.deepEqual([identity.format, identity.vct, identity.scope], ['dc+sd-jwt', VCT, 'identity']);
    assert.deepEqual(identity.proof_types_supported.jwt.proof_signing_alg_values_supported, ['ES256']);
    assert.deepEqual(identity.credential_metadata.claims[0], { path: ['given_name'] });
    for (const type of ['jwt', 'attestation']) assert.deepEqual(guarded.proof_types_supported[type].key_attestations_required, { key_storage: HIGH });
    assert.equal(credentialIssuer.batch_credential_issuance.batch_size, BATCH);
    assert.equal(credentialIssuer.display[0].name, 'Meadow');
    for (const absent of ['notification_endpoint', 'deferred_credential_endpoint', 'credential_response_encryption']) assert.equal(credentialIssuer[absent], undefined);
  });
  await check.also('of the authorization server', () => {
    const [own] = authorizationServers;
    assert.equal(own.issuer, server.issuer);
    assert.ok(own.grant_types_supported.includes(PRE_AUTHORIZED) && own.authorization_details_types_supported.includes('openid_credential'));
    assert.ok(wallet.oauth.isDpopSupported(wallet).dpopSigningAlgValuesSupported.includes('ES256'));
  });
}

/// OpenID4VCI §3.5: the operator knows the person, who need not sign in.
async function offers(check, server) {
  const wallet = await check('a wallet registers', () => registered(server));
  const { vci, issuerMetadata } = wallet;
  const made = await check('the operator offers a credential with a transaction code', () => offered(server, '--credential', 'identity', '--tx-code'));
  const credentialOffer = await check('the wallet reads the offer', () => vci.resolveCredentialOffer(made.credential_offer));
  assert.deepEqual(credentialOffer.grants[PRE_AUTHORIZED].tx_code, { input_mode: 'numeric', length: 6 });
  await check.also('the same by reference', async () => assert.deepEqual(await vci.resolveCredentialOffer(made.credential_offer_uri), credentialOffer));
  const redeem = async (txCode, options = {}) => vci.retrievePreAuthorizedCodeAccessTokenFromOffer({ credentialOffer, issuerMetadata, txCode, ...options });
  const wrong = made.tx_code === '000000' ? '000001' : '000000';
  await check.also('a wrong transaction code is refused', () => refused(redeem(wrong), 'invalid_grant'));
  const { accessTokenResponse: tokens } = await check('with the right one it gets a token', () => redeem(made.tx_code));
  await check.also('the token lives five minutes and no refresh token comes with it', () => {
    assert.deepEqual([tokens.token_type, tokens.expires_in, tokens.refresh_token], ['Bearer', 300, undefined]);
  });
  await check.also('the code counts once', () => refused(redeem(made.tx_code), 'invalid_grant'));
  await check.also('nor is the offer shown any more', () => assert.rejects(vci.resolveCredentialOffer(made.credential_offer_uri), /404/));
  const key = await wallet.key();
  const [credential] = await check('the token brings the credential', () => wallet.fetch(tokens.access_token, 'identity', [key]));
  await check('which is Ada\'s', async () => {
    const { payload } = await (await verifier(server.issuer)).verify(credential);
    assert.deepEqual([payload.vct, payload.family_name], [VCT, 'Lovelace']);
  });
  await check.also('another credential it does not bring', () => assert.rejects(wallet.fetch(tokens.access_token, 'badge', [key])));
}

/// One of two that are offered (OpenID4VCI §6.1.1).
async function chosen(check, server) {
  const wallet = await registered(server);
  const { vci, issuerMetadata } = wallet;
  const made = await check('the operator offers two credentials', () => offered(server, '--credential', 'identity', '--credential', 'badge'));
  const credentialOffer = await vci.resolveCredentialOffer(made.credential_offer_uri);
  assert.deepEqual(credentialOffer.credential_configuration_ids, ['badge', 'identity']);
  const details = [{ type: 'openid_credential', credential_configuration_id: 'badge' }];
  const { accessTokenResponse: tokens } = await check('the wallet redeems it for one of them', () => vci.retrievePreAuthorizedCodeAccessTokenFromOffer({
    credentialOffer, issuerMetadata, additionalRequestPayload: { authorization_details: details },
  }));
  const [detail, ...more] = tokens.authorization_details;
  assert.deepEqual([detail.credential_configuration_id, more], ['badge', []]);
  await check('and gets that', async () => {
    const [credential] = await wallet.fetchIdentified(tokens.access_token, detail.credential_identifiers[0], 'badge', [await wallet.key()]);
    const { payload } = await (await verifier(server.issuer)).verify(credential);
    assert.deepEqual([payload.vct, payload.email, typeof payload.sub], ['urn:example:badge', ADA.email, 'string']);
  });
}

/// The code flow, asked for by scope; several keys at once.
async function byScope(check, server) {
  const wallet = await check('a wallet registers', () => registered(server));
  const { accessTokenResponse: tokens } = await check('the person signs in and allows the credential, asked for by scope',
    () => allowed(server, wallet, ['identity'], { scope: 'identity' }));
  assert.equal(tokens.authorization_details, undefined);
  const keys = await Promise.all(Array.from({ length: BATCH }, () => wallet.key()));
  const nonce = await check('the nonce endpoint gives a nonce', () => wallet.nonce());
  const credentials = await check(`${BATCH} proofs bring ${BATCH} credentials`, () => wallet.fetch(tokens.access_token, 'identity', keys, { nonce }));
  await check.also('each for its key', async () => {
    const held = await Promise.all(credentials.map(async (one) => (await (await verifier(server.issuer)).verify(one)).payload.cnf.jwk));
    assert.deepEqual(held, keys.map((key) => key.publicJwk));
  });
  const more = [await wallet.key()];
  await check.also('the nonce counts once', () => refused(wallet.fetch(tokens.access_token, 'identity', more, { nonce }), 'invalid_nonce'));
  await check.also('without a nonce a proof is none', async () => {
    const bare = await wallet.proof(more[0], undefined, { configuration: 'identity' });
    await refused(wallet.send(tokens.access_token, 'identity', { jwt: [bare] }), 'invalid_proof');
  });
  await check.also('a proof for another issuer is refused', async () => {
    const credentialIssuer = { ...wallet.issuerMetadata.credentialIssuer, credential_issuer: 'https://other.example' };
    await refused(wallet.fetch(tokens.access_token, 'identity', more, { issuerMetadata: { credentialIssuer } }), 'invalid_proof');
  });
  await check.also('so is one of another client', () => refused(wallet.fetch(tokens.access_token, 'identity', more, { clientId: 'other' }), 'invalid_proof'));
  await check.also('one key twice is refused', () => refused(wallet.fetch(tokens.access_token, 'identity', [more[0], more[0]]), 'invalid_proof'));
  await check.also('a refresh brings a token that opens the endpoint', async () => {
    const { authorizationServerMetadata } = wallet;
    const { accessTokenResponse: fresh } = await wallet.oauth.retrieveRefreshTokenAccessToken({ authorizationServerMetadata, refreshToken: tokens.refresh_token });
    assert.equal((await wallet.fetch(fresh.access_token, 'identity', more)).length, 1);
  });
}

/// The same by authorization details (RFC 9396), which say how much of it.
async function byDetails(check, server) {
  const wallet = await registered(server);
  const details = [{ type: 'openid_credential', credential_configuration_id: 'identity', claims: [{ path: ['birthdate'], mandatory: true }] }];
  const { accessTokenResponse: tokens } = await check('the person allows one claim of it, asked for by authorization details',
    () => allowed(server, wallet, ['identity'], { additionalRequestPayload: { authorization_details: details } }));
  const [identifier] = tokens.authorization_details[0].credential_identifiers;
  const key = await wallet.key();
  const [credential] = await check('its identifier brings the credential', () => wallet.fetchIdentified(tokens.access_token, identifier, 'identity', [key]));
  await check('with that claim and no other', async () => {
    const own = await verifier(server.issuer);
    assert.deepEqual(await own.presentableKeys(credential), ['birthdate']);
    assert.equal((await own.verify(credential)).payload.birthdate, '1815-12-10');
  });
  await check.also('another identifier is refused', () => refused(wallet.fetchIdentified(tokens.access_token, 'other', 'identity', [key]), 'unknown_credential_identifier'));
  await check.also('so is the configuration where there are identifiers', () => refused(wallet.fetch(tokens.access_token, 'identity', [key]), 'invalid_credential_request'));
}

/// Tokens bound to a key of the wallet, with the server's nonces in its proofs (RFC 9449).
async function bound(check, server) {
  const wallet = await registered(server, { dpop_bound_access_tokens: true });
  const [{ signer }, other, key] = [await wallet.key(), await wallet.key(), await wallet.key()];
  const { accessTokenResponse: tokens, dpop } = await check('a code is redeemed with a proof of possession', () => allowed(server, wallet, ['identity'], { scope: 'identity', dpop: { signer } }));
  assert.equal(tokens.token_type, 'DPoP');
  await check('token and proof bring the credential', async () => {
    const [credential] = await wallet.fetch(tokens.access_token, 'identity', [key], { dpop });
    assert.equal((await (await verifier(server.issuer)).verify(credential)).payload.given_name, 'Ada');
  });
  await check.also('without a proof it is refused', () => refused(wallet.fetch(tokens.access_token, 'identity', [key]), 'invalid_token'));
  await check.also('so it is with another key', () => refused(wallet.fetch(tokens.access_token, 'identity', [key], { dpop: { signer: other.signer } }), 'invalid_token'));
  const made = await offered(server, '--credential', 'identity');
  await check('the token of an offer is bound, too', async () => {
    const { vci, issuerMetadata } = wallet;
    const credentialOffer = await vci.resolveCredentialOffer(made.credential_offer);
    const answer = await vci.retrievePreAuthorizedCodeAccessTokenFromOffer({ credentialOffer, issuerMetadata, dpop: { signer } });
    assert.equal(answer.accessTokenResponse.token_type, 'DPoP');
    const token = answer.accessTokenResponse.access_token;
    await refused(wallet.fetch(token, 'identity', [key]), 'invalid_token');
    assert.equal((await wallet.fetch(token, 'identity', [key], { dpop: answer.dpop })).length, 1);
  });
}

/// Offers for whatever wallet comes (§6.1, §12.3).
async function anonymous(check, server) {
  // The library leaves its name out where the metadata allow it, and only there.
  const wallet = new Wallet({ clientAuthentication: clientAuthenticationDynamic({ clientId: 'somebody', clientSecret: 'something' }) });
  const { authorizationServers: [as] } = await wallet.meet(server.issuer);
  await check('the metadata let in wallets without a name', () => assert.equal(as['pre-authorized_grant_anonymous_access_supported'], true));
  const { vci, issuerMetadata } = wallet;
  const made = await offered(server, '--credential', 'identity', '--tx-code');
  const credentialOffer = await vci.resolveCredentialOffer(made.credential_offer);
  const redeem = (txCode, dpop) => vci.retrievePreAuthorizedCodeAccessTokenFromOffer({ credentialOffer, issuerMetadata, txCode, dpop });
  await check.also('its wrong transaction code is refused', () => refused(redeem(made.tx_code === '000000' ? '000001' : '000000'), 'invalid_grant'));
  const dpop = { signer: (await wallet.key()).signer };
  const { accessTokenResponse: tokens, dpop: next } = await check('a wallet without a name redeems an offer, with a key', () => redeem(made.tx_code, dpop));
  assert.deepEqual([tokens.token_type, tokens.refresh_token], ['DPoP', undefined]);
  const key = await wallet.key();
  const [credential] = await check('and gets the credential with proofs that name no client', () => wallet.fetch(tokens.access_token, 'identity', [key], { dpop: next }));
  await check.also('which is Ada\'s, for that key', async () => {
    const { payload } = await (await verifier(server.issuer)).verify(credential);
    assert.deepEqual([payload.given_name, payload.cnf.jwk], ['Ada', key.publicJwk]);
  });
  await check.also('a proof that names one is refused', () => refused(wallet.fetch(tokens.access_token, 'identity', [key], { dpop: next, clientId: 'somebody' }), 'invalid_proof'));
}

/// Keys for which the wallet's provider vouches (Appendices D, F.1, F.3).
async function attested(check, server) {
  const wallet = await registered(server);
  const { accessTokenResponse: { access_token: token } } = await allowed(server, wallet, ['guarded'], { scope: 'guarded' });
  const keys = await Promise.all(Array.from({ length: 2 }, () => wallet.key()));
  const jwks = keys.map((key) => key.publicJwk);
  const holders = async (credentials) => Promise.all(credentials.map(async (one) => (await (await verifier(server.issuer)).verify(one)).payload.cnf.jwk));
  const beside = async (said = {}, own = provider) => {
    const nonce = await wallet.nonce();
    const keyAttestationJwt = await own.attest(keys, { use: 'proof_type.jwt', nonce, keyStorage: HIGH, ...said });
    return { jwt: [await wallet.proof(keys[0], nonce, { configuration: 'guarded', keyAttestationJwt })] };
  };
  const alone = async (said = {}) => ({ attestation: [await provider.attest(keys, { use: 'proof_type.attestation', nonce: await wallet.nonce(), keyStorage: HIGH, ...said })] });
  const send = async (proofs) => wallet.send(token, 'guarded', proofs);
  await check('a proof with an attestation brings a credential for each attested key', async () => assert.deepEqual(await holders(await send(await beside())), jwks));
  const proofs = await alone();
  await check('so does the attestation alone', async () => assert.deepEqual(await holders(await send(proofs)), jwks));
  await check.also('its nonce counts once', () => refused(send(proofs), 'invalid_nonce'));
  await check.also('without an attestation the library asks for none', () => assert.rejects(wallet.fetch(token, 'guarded', keys), /requires key attestations/));
  await check.also('and the server refuses', async () => {
    const bare = await wallet.proof(keys[0], await wallet.nonce(), { configuration: 'identity' });
    await refused(send({ jwt: [bare] }), 'invalid_proof');
  });
  await check.also('a provider that nobody named is refused', async () => refused(send(await beside({}, await WalletProvider.make(provider.name))), 'invalid_proof'));
  await check.also('so is a lower level', async () => refused(send(await beside({ keyStorage: ['iso_18045_basic'] })), 'invalid_proof'));
  await check.also('so is one that has ended', async () => refused(send(await alone({ expiresAt: new Date(Date.now() - 120_000) })), 'invalid_proof'));
  await check.also('so is the type of draft 15', async () => refused(send(await alone({ typ: null })), 'invalid_proof'));
  await check.also('so are more keys than a batch has', async () => {
    const many = await Promise.all(Array.from({ length: BATCH + 1 }, () => wallet.key()));
    await refused(send({ attestation: [await provider.attest(many, { use: 'proof_type.attestation', nonce: await wallet.nonce(), keyStorage: HIGH })] }), 'invalid_proof');
  });
}

/// Copies of a wallet that share its client_id; the provider vouches for each (Appendix E).
async function copies(check, server) {
  const copy = async (clientId, proven, own = provider) => {
    const key = await Key.make();
    const wallet = new Wallet({ clientId, clientAuthentication: proven(await own.attestCopy(clientId, key), key) });
    wallet.keys.push(key);
    await wallet.meet(server.issuer);
    return { wallet, key };
  };
  const { wallet } = await copy('copies', byAttestation);
  await check('the metadata say that copies are told apart', () => assert.ok(wallet.oauth.isClientAttestationSupported(wallet).supported));
  const { accessTokenResponse: tokens } = await check('a copy gets a token by the code flow', () => allowed(server, wallet, ['identity'], { scope: 'identity' }));
  await check('and the credential', async () => assert.equal((await wallet.fetch(tokens.access_token, 'identity', [await wallet.key()])).length, 1));
  const refresh = (own) => own.oauth.retrieveRefreshTokenAccessToken({ authorizationServerMetadata: own.authorizationServerMetadata, refreshToken: tokens.refresh_token });
  await check.also('another copy cannot use its refresh token', async () => refused(refresh((await copy('copies', byAttestation)).wallet), 'invalid_grant'));
  await check.also('it can itself', async () => assert.ok((await refresh(wallet)).accessTokenResponse.access_token));
  const made = await offered(server, '--credential', 'identity');
  const { vci, issuerMetadata } = wallet;
  const credentialOffer = await vci.resolveCredentialOffer(made.credential_offer);
  await check.also('a copy of somebody else redeems no offer', async () => {
    const { wallet: other } = await copy('copies', byAttestation, await WalletProvider.make(provider.name));
    await refused(other.vci.retrievePreAuthorizedCodeAccessTokenFromOffer({ credentialOffer, issuerMetadata }), 'invalid_client');
  });
  await check.also('this one does', async () => {
    const { accessTokenResponse: own } = await vci.retrievePreAuthorizedCodeAccessTokenFromOffer({ credentialOffer, issuerMetadata });
    assert.equal((await wallet.fetch(own.access_token, 'identity', [await wallet.key()])).length, 1);
  });
  const one = await copy('copies-of-one-key', byDpop);
  const bound = await check('a copy whose proof of possession says so gets a token', () => allowed(server, one.wallet, ['identity'], { scope: 'identity', dpop: { signer: one.key.signer } }));
  await check('and the credential with that key', async () => {
    assert.equal(bound.accessTokenResponse.token_type, 'DPoP');
    assert.equal((await one.wallet.fetch(bound.accessTokenResponse.access_token, 'identity', [await one.wallet.key()], { dpop: bound.dpop })).length, 1);
  });
  await check.also('a proof with another key is none', async () => {
    const other = await one.wallet.key();
    await refused(allowed(server, one.wallet, ['identity'], { scope: 'identity', dpop: { signer: other.signer } }), 'invalid_client');
  });
}

/// What a verifier sees who knows the issuer's name and nothing else.
async function presented(check, server) {
  const wallet = await registered(server);
  const { accessTokenResponse: tokens } = await allowed(server, wallet, ['identity'], { scope: 'identity' });
  const key = await wallet.key();
  const [credential] = await wallet.fetch(tokens.access_token, 'identity', [key]);
  const [holder, keyBindingNonce] = [await verifier(server.issuer, key), 'of-the-verifier'];
  await check('the holder can disclose each claim by itself', async () => {
    assert.deepEqual(await holder.presentableKeys(credential), ['address', 'birthdate', 'family_name', 'given_name']);
  });
  const kb = { payload: { iat: Math.floor(Date.now() / 1000), aud: 'https://verifier.example', nonce: keyBindingNonce } };
  const shown = await holder.present(credential, { given_name: true }, { kb });
  const stranger = await verifier(server.issuer);
  await check('a verifier finds the issuer\'s key, the holder\'s signature, and what was disclosed', async () => {
    const { header, payload, kb: binding } = await stranger.verify(shown, { keyBindingNonce, requiredClaimKeys: ['given_name'] });
    assert.deepEqual([header.typ, header.alg, payload.iss, payload.vct], ['dc+sd-jwt', 'ES256', server.issuer, VCT]);
    assert.deepEqual([payload.given_name, payload.family_name, payload.birthdate, payload.sub], ['Ada', undefined, undefined, undefined]);
    assert.deepEqual([payload.cnf.jwk, binding.payload.aud], [key.publicJwk, 'https://verifier.example']);
  });
  await check.also('another nonce is seen', () => assert.rejects(stranger.verify(shown, { keyBindingNonce: 'other' }), /Invalid Nonce/));
  await check.also('the key of somebody else is seen', async () => {
    const thief = await verifier(server.issuer, await wallet.key());
    await assert.rejects(stranger.verify(await thief.present(credential, { given_name: true }, { kb }), { keyBindingNonce }), /Invalid JWT Signature/);
  });
  await check.also('a claim that was changed is seen', async () => {
    const parts = shown.split('~');
    const [salt, name] = JSON.parse(Buffer.from(parts[1], 'base64url'));
    parts[1] = Buffer.from(JSON.stringify([salt, name, 'Eve'])).toString('base64url');
    await assert.rejects(stranger.verify(parts.join('~'), { keyBindingNonce, requiredClaimKeys: ['given_name'] }));
  });
  await check.also('the signature of another issuer is seen', async () => {
    const [header, payload] = credential.split('.');
    const forged = `${header}.${payload}.${await key.signature(`${header}.${payload}`)}${credential.slice(credential.indexOf('~'))}`;
    await assert.rejects(stranger.verify(forged), /Invalid JWT Signature/);
  });
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'chancery-wallet-'));
const config = path.join(folder, 'chancery.toml');
writeFileSync(config, SETTINGS);
for (const backend of backends()) {
  let server;
  await checks.group(`${backend} start`, async (check) => {
    server = await check('the server starts on empty data', () => Server.start({ backend, config }));
  });
  if (!server) continue;
  const group = (name, body) => checks.group(`${backend} ${name}`, (check) => body(check, server), server.explain());
  await group('metadata', metadata);
  await group('code flow by scope', byScope);
  await group('code flow by details', byDetails);
  // After somebody signed in: the people of the file come after the server's first answer, and a command on PostgreSQL does not wait for them.
  await group('offers', offers);
  await group('a choice', chosen);
  await group('bound tokens', bound);
  await group('no name', anonymous);
  await group('attested keys', attested);
  await group('copies', copies);
  await group('presentation', presented);
  await checks.group(`${backend} audit`, (check) => audit(check, server));
  await server.dispose();
}
rmSync(folder, { recursive: true, force: true });
checks.end();
