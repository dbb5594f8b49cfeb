// A wallet: @openid4vc/openid4vci speaks the protocol, @sd-jwt/sd-jwt-vc reads and presents what it gets. Here are its keys and the functions that
// both libraries ask a wallet for; nothing of the protocol is done here.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Openid4vciClient, Openid4vciWalletProvider } from '@openid4vc/openid4vci';
import { Oauth2Client, clientAuthenticationClientAttestationJwt, clientAuthenticationNone, setGlobalConfig } from '@openid4vc/oauth2';
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc';
import * as jose from 'jose';

setGlobalConfig({ allowInsecureUrls: true }); // plain http on the loopback

const named = (alg) => alg.replace('-', ''); // sha-256 is node's sha256
export const hash = (data, alg) => new Uint8Array(createHash(named(alg)).update(typeof data === 'string' ? data : new Uint8Array(data)).digest());

export const PROVIDER = 'https://provider.example';

/// A key of the wallet, or of whoever vouches for it.
export class Key {
  static async make(alg = 'ES256') {
    const key = new Key();
    key.alg = alg;
    ({ privateKey: key.secret, publicKey: key.open } = await jose.generateKeyPair(alg, { extractable: true }));
    key.publicJwk = await jose.exportJWK(key.open);
    return key;
  }

  /// How the library names a key that stands in the header as `jwk`.
  get signer() { return { method: 'jwk', alg: this.alg, publicJwk: this.publicJwk }; }

  sign(header, payload) { return new jose.SignJWT(payload).setProtectedHeader(header).sign(this.secret); }

  /// As @sd-jwt wants it: the signature alone. ES256.
  async signature(data) {
    return Buffer.from(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, this.secret, Buffer.from(data))).toString('base64url');
  }
}

/// Who makes the wallet and vouches for its keys (OpenID4VCI Appendix D) and its copies (Appendix E).
export class WalletProvider {
  /// An attestation of a copy, which holds this key.
  attestCopy(clientId, key, said = {}) {
    const signJwt = async (_, { header, payload }) => ({ jwt: await this.key.sign(header, payload), signerJwk: this.key.publicJwk });
    return new Openid4vciWalletProvider({ callbacks: { signJwt } }).createWalletAttestationJwt({
      signer: { method: 'custom', alg: this.key.alg, kid: this.name }, issuer: PROVIDER, clientId, confirmation: { jwk: key.publicJwk }, issuedAt: new Date(),
      expiresAt: new Date(Date.now() + 600_000), walletName: this.name, walletLink: PROVIDER, ...said,
    });
  }

  static async make(name) {
    const provider = new WalletProvider();
    [provider.name, provider.key] = [name, await Key.make()];
    return provider;
  }

  get jwks() { return { keys: [{ ...this.key.publicJwk, kid: this.name, alg: this.key.alg, use: 'sig' }] }; }

  /// An attestation of keys. `typ`: the library writes that of draft 15; whoever signs puts the one of the final text.
  attest(keys, { typ = 'key-attestation+jwt', ...said }) {
    const signJwt = async (_, { header, payload }) => ({ jwt: await this.key.sign({ ...header, typ: typ ?? header.typ }, payload), signerJwk: this.key.publicJwk });
    return new Openid4vciWalletProvider({ callbacks: { signJwt } }).createKeyAttestationJwt({
      signer: { method: 'custom', alg: this.key.alg, kid: this.name }, attestedKeys: keys.map((key) => key.publicJwk), issuedAt: new Date(),
      expiresAt: new Date(Date.now() + 60_000), ...said,
    });
  }
}

/// How a copy of the wallet says that it is one, in a proof of its own. The library's proof has no challenge: whoever signs puts it in.
export const byAttestation = (clientAttestationJwt, key) => async (request) => {
  const answer = await fetch(request.authorizationServerMetadata.challenge_endpoint, { method: 'POST' });
  const { attestation_challenge: challenge } = await answer.json();
  const signJwt = async (_, { header, payload }) => ({ jwt: await key.sign(header, { ...payload, challenge }), signerJwk: key.publicJwk });
  const callbacks = { signJwt, generateRandom: (length) => new Uint8Array(randomBytes(length)) };
  await clientAuthenticationClientAttestationJwt({ clientAttestationJwt, callbacks })(request);
};

/// The same where its DPoP proof says so (combined mode): the attestation goes along with it.
export const byDpop = (clientAttestationJwt) => ({ headers }) => headers.set('OAuth-Client-Attestation', clientAttestationJwt);

export class Wallet {
  /// `clientId` may be missing: then it is anonymous, unless `clientAuthentication` says more.
  constructor({ clientId, clientAuthentication = clientId ? clientAuthenticationNone({ clientId }) : () => {} } = {}) {
    this.clientId = clientId;
    this.keys = [];
    this.callbacks = {
      fetch, hash, generateRandom: (length) => new Uint8Array(randomBytes(length)), clientAuthentication,
      signJwt: async (signer, { header, payload }) => {
        const key = this.keys.find((own) => own.publicJwk.x === signer.publicJwk?.x && own.publicJwk.y === signer.publicJwk?.y);
        return { jwt: await key.sign(header, payload), signerJwk: key.publicJwk };
      },
      verifyJwt: async (signer, { compact }) => {
        await jose.compactVerify(compact, await jose.importJWK(signer.publicJwk, signer.alg));
        return { verified: true, signerJwk: signer.publicJwk };
      },
    };
    this.oauth = new Oauth2Client({ callbacks: this.callbacks });
    this.vci = new Openid4vciClient({ callbacks: this.callbacks });
  }

  async key(alg) {
    const key = await Key.make(alg);
    this.keys.push(key);
    return key;
  }

  /// Reads what issuer and authorization server say of themselves.
  async meet(issuer) {
    this.issuerMetadata = await this.vci.resolveIssuerMetadata(issuer);
    [this.authorizationServerMetadata] = this.issuerMetadata.authorizationServers;
    return this.issuerMetadata;
  }

  async nonce() { return (await this.vci.requestNonce({ issuerMetadata: this.issuerMetadata })).c_nonce; }

  /// A proof of a key.
  async proof(key, nonce, { configuration, clientId = this.clientId, issuerMetadata = this.issuerMetadata, keyAttestationJwt }) {
    const asked = { issuerMetadata, signer: key.signer, clientId, nonce, credentialConfigurationId: configuration, keyAttestationJwt };
    return (await this.vci.createCredentialRequestJwtProof(asked)).jwt;
  }

  /// Credentials for a configuration, one for each key.
  async fetch(accessToken, configuration, keys, options = {}) {
    const nonce = options.nonce ?? await this.nonce();
    const jwt = await Promise.all(keys.map((key) => this.proof(key, nonce, { configuration, ...options })));
    return this.send(accessToken, configuration, { jwt }, options.dpop);
  }

  async send(accessToken, credentialConfigurationId, proofs, dpop) {
    const { issuerMetadata } = this;
    const { credentialResponse } = await this.vci.retrieveCredentials({ issuerMetadata, accessToken, credentialConfigurationId, proofs, dpop });
    return credentialResponse.credentials.map((one) => one.credential);
  }

  /// The same by an identifier of the token response, which the library's own function cannot name: its door to resources takes the request.
  async fetchIdentified(accessToken, identifier, configuration, keys) {
    const nonce = await this.nonce();
    const jwt = await Promise.all(keys.map((key) => this.proof(key, nonce, { configuration })));
    const { response } = await this.oauth.resourceRequest({
      accessToken, callbacks: this.callbacks, url: this.issuerMetadata.credentialIssuer.credential_endpoint,
      requestOptions: {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ credential_identifier: identifier, proofs: { jwt } }),
      },
    });
    const answer = await response.json();
    if (!response.ok) throw Object.assign(new Error(JSON.stringify(answer)), { error: answer.error });
    return answer.credentials.map((one) => one.credential);
  }
}

/// A verifier: finds the issuer's keys as draft-ietf-oauth-sd-jwt-vc says, and believes nobody else. With a key it presents, too.
export async function verifier(issuer, holder) {
  const { origin, pathname } = new URL(issuer);
  const published = await (await fetch(`${origin}/.well-known/jwt-vc-issuer${pathname}`)).json();
  assert.equal(published.issuer, issuer);
  const jwks = jose.createRemoteJWKSet(new URL(published.jwks_uri));
  const holds = async (jws, key) => jose.compactVerify(jws, key).then(() => true, () => false);
  return new SDJwtVcInstance({
    hasher: hash, hashAlg: 'sha-256', verifier: (data, signature) => holds(`${data}.${signature}`, jwks),
    kbVerifier: async (data, signature, payload) => holds(`${data}.${signature}`, await jose.importJWK(payload.cnf.jwk, 'ES256')),
    ...(holder && { kbSigner: (data) => holder.signature(data), kbSignAlg: holder.alg }),
  });
}

/// The code with which the server refused what the library asked for.
export function refusal(error) {
  return error.errorResponse?.error ?? error.response?.credentialErrorResponseResult?.data?.error ?? error.error ?? String(error);
}
