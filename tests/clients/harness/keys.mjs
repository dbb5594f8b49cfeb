// Key pairs of a client that authenticates with private_key_jwt.
const PARAMETERS = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
};

export const generateKeyPair = (alg) => crypto.subtle.generateKey(PARAMETERS[alg], true, ['sign', 'verify']);

export async function exportJWK(publicKey) {
  const { ext: _ext, key_ops: _use, alg: _alg, ...jwk } = await crypto.subtle.exportKey('jwk', publicKey);
  return jwk;
}
