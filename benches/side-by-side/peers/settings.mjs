// Everything both peers share: command line, signing keys, the bench client(s) and the bench users.
import { parseArgs } from 'node:util';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { fileURLToPath } from 'node:url';

export const { values: args } = parseArgs({
  options: {
    port: { type: 'string', default: '9101' },
    adapter: { type: 'string', default: 'memory' }, // memory (peer A) | pg (peer B)
    workers: { type: 'string', default: '1' }, // processes sharing the port
    'secret-hash': { type: 'string', default: 'none' }, // none | bcrypt (what the tutorial does)
    'bcrypt-rounds': { type: 'string', default: '12' },
    'pool-size': { type: 'string', default: '10' }, // pg's default
    'database-url': { type: 'string', default: 'postgres://postgres@127.0.0.1:5433/oidc' },
  },
});

export const SECRET = 'bench-secret-0123456789abcdef0123456789abcdef';
export const USERNAME = 'alice@example.com';
export const PASSWORD = 'correct horse battery staple';
export const RESOURCES = { 'urn:api:rs256': 'RS256', 'urn:api:es256': 'ES256' };

const clientFor = (alg) => ({
  client_id: `bench-${alg.toLowerCase()}`,
  client_secret: SECRET,
  redirect_uris: ['http://127.0.0.1:9999/callback'],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  response_types: ['code'],
  token_endpoint_auth_method: 'client_secret_basic',
  id_token_signed_response_alg: alg,
  scope: 'openid profile email offline_access api:read',
});
export const CLIENTS = ['RS256', 'ES256'].map(clientFor);

const KEY_FILE = process.env.PEER_KEYS ?? fileURLToPath(new URL('./keys.json', import.meta.url));

// A persistent RSA-2048 and a P-256 key, as a production set-up would have.
export function signingKeys() {
  if (!existsSync(KEY_FILE)) {
    const jwk = (type, options, extra) => ({
      ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), use: 'sig', ...extra,
    });
    writeFileSync(KEY_FILE, JSON.stringify({ keys: [
      jwk('rsa', { modulusLength: 2048 }, { kid: 'rsa', alg: 'RS256' }),
      jwk('ec', { namedCurve: 'P-256' }, { kid: 'ec', alg: 'ES256' }),
    ] }), { mode: 0o600 });
  }
  return JSON.parse(readFileSync(KEY_FILE, 'utf8'));
}
