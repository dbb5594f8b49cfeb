// A client by hand, for programs that need to see or race single requests; what client libraries do is checked with them.
import { createHash, randomBytes } from 'node:crypto';

const random = () => randomBytes(32).toString('base64url');

/// A new account's data; unlike any other's.
export function newAccount() {
  const mark = randomBytes(6).toString('hex');
  return { email: `alice-${mark}@example.com`, password: `correct horse ${mark} battery staple`, name: `Alice Liddell-${mark}` };
}

export class Client {
  /// Registers at `/clients` and reads the discovery document.
  static async register(server, metadata) {
    const client = new Client();
    client.server = server;
    client.endpoints = await json(await fetch(`${server.issuer}/.well-known/openid-configuration`), 200);
    client.metadata = await json(await fetch(`${server.origin}/clients`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(metadata),
    }), 201);
    [client.redirectUri] = metadata.redirect_uris;
    return client;
  }

  /// An authorization request with PKCE, state and nonce.
  request(parameters = {}) {
    const attempt = { verifier: random(), state: random(), nonce: random() };
    attempt.url = new URL(this.endpoints.authorization_endpoint);
    attempt.url.search = new URLSearchParams({
      response_type: 'code', client_id: this.metadata.client_id, redirect_uri: this.redirectUri, scope: 'openid profile email',
      state: attempt.state, nonce: attempt.nonce, code_challenge_method: 'S256',
      code_challenge: createHash('sha256').update(attempt.verifier).digest('base64url'), ...parameters,
    });
    return attempt;
  }

  /// A code for `account`, by way of `agent`.
  async code(agent, account, options = {}) {
    const attempt = this.request(options.parameters);
    const answer = await agent.authorize(attempt.url, { redirectUri: this.redirectUri, account, register: options.register });
    attempt.code = answer.searchParams.get('code');
    if (!attempt.code) throw new Error(`no code in ${answer}`);
    if (answer.searchParams.get('state') !== attempt.state) throw new Error('the state came back changed');
    return attempt;
  }

  post(endpoint, fields) {
    const { client_id: id, client_secret: secret } = this.metadata;
    const authorization = `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`;
    return fetch(this.endpoints[endpoint], { method: 'POST', headers: { authorization }, body: new URLSearchParams(fields) });
  }

  redeem(attempt) {
    return this.post('token_endpoint', {
      grant_type: 'authorization_code', code: attempt.code, redirect_uri: this.redirectUri, code_verifier: attempt.verifier,
    });
  }

  refresh(token) { return this.post('token_endpoint', { grant_type: 'refresh_token', refresh_token: token }); }

  async isActive(token) { return (await json(await this.post('introspection_endpoint', { token }), 200)).active; }

  userinfo(token) { return fetch(this.endpoints.userinfo_endpoint, { headers: { authorization: `Bearer ${token}` } }); }
}

/// The body as JSON if the status is the one that was due, else an error that shows both.
export async function json(answer, status) {
  const text = await answer.text();
  if (answer.status !== status) throw new Error(`${answer.status} where ${status} was due at ${answer.url}: ${text.slice(0, 500)}`);
  return text ? JSON.parse(text) : undefined;
}
