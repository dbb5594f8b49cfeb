// Nothing that must stay secret is on disk: after a whole flow every file of the data directory, the database, the server's log and the
// export are searched for each secret and each personal datum, plain and in the encodings in which software tends to leave things.
//
// | Searched | Source |
// |---|---|
// | passwords, tokens, codes, client secrets, the session cookie | DESIGN.md rule 7: as digests or ciphertext only |
// | e-mail, name, login_hint, user agent, state, nonce | DESIGN.md §5: as ciphertext under a key of their own only |
//
// The search proves itself first: it must find planted values, and must find in the data what is known to be there.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Agent } from './harness/agent.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { Client, json, newAccount } from './harness/client.mjs';
import { Needles } from './harness/needles.mjs';
import { Server } from './harness/server.mjs';

const REDIRECT_URI = 'http://127.0.0.1:9/callback';
const checks = new Checks('secrets');

/// A whole flow with distinctive values; gives all of them by name.
async function liveThrough(server) {
  const mark = () => randomBytes(8).toString('hex');
  const account = newAccount();
  const secrets = {
    password: account.password, 'e-mail': account.email, 'e-mail, local part': account.email.split('@')[0], name: account.name,
    'user agent': `canary-agent-${mark()}`, 'wrong password': `wrong-${mark()}-horse`, login_hint: `hint-${mark()}@example.com`,
  };
  const client = await Client.register(server, {
    client_name: 'secrets', redirect_uris: [REDIRECT_URI], grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_basic', scope: 'openid profile email',
  });
  secrets['client secret'] = client.metadata.client_secret;
  const agent = new Agent({ userAgent: secrets['user agent'] });
  const keep = (name, attempt) => Object.assign(secrets, { [`${name}: code`]: attempt.code, [`${name}: state`]: attempt.state, [`${name}: nonce`]: attempt.nonce, [`${name}: code_verifier`]: attempt.verifier });

  const first = await client.code(agent, account, { register: true, parameters: { login_hint: secrets.login_hint } });
  keep('first flow', first);
  const keepTokens = (name, tokens) => {
    for (const kind of ['access_token', 'refresh_token', 'id_token']) if (tokens[kind]) secrets[`${name}: ${kind}`] = tokens[kind];
  };
  const keepCookies = (name) => {
    for (const [cookie, value] of agent.cookies) secrets[`${name}: cookie ${cookie}`] = value;
  };
  const tokens = await json(await client.redeem(first), 200);
  keepTokens('first flow', tokens);
  await json(await client.userinfo(tokens.access_token), 200);
  await client.isActive(tokens.access_token);
  const fresh = await json(await client.refresh(tokens.refresh_token), 200);
  keepTokens('refreshed', fresh);
  keepCookies('first flow');

  // What goes wrong is written down with more zeal than what goes right.
  await client.refresh(tokens.refresh_token); // reuse
  const second = await client.code(agent, account);
  keep('second flow', second);
  keepCookies('second flow');
  keepTokens('second flow', await json(await client.redeem(second), 200));
  await client.redeem(second); // replay
  await client.post('introspection_endpoint', { token: fresh.refresh_token });
  await client.post('revocation_endpoint', { token: fresh.access_token });
  const wrong = { email: account.email, password: secrets['wrong password'] };
  await fetch(`${server.origin}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json', 'user-agent': secrets['user agent'] }, body: JSON.stringify(wrong) });
  await fetch(`${server.origin}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: `{"password":"${account.password}"` });
  await fetch(`${client.endpoints.token_endpoint}?refresh_token=${fresh.refresh_token}`, { method: 'POST', body: new URLSearchParams({ client_secret: client.metadata.client_secret }) });
  await fetch(`${client.endpoints.userinfo_endpoint}?access_token=${fresh.access_token}`);
  return { secrets, clientId: client.metadata.client_id };
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true }).map((name) => path.join(folder, name)).filter((file) => existsSync(file) && statSync(file).isFile());
}

const read = (folder, files) => files.map((file) => ({ name: path.relative(folder, file), bytes: readFileSync(file) }));

async function search(check, server) {
  const { secrets, clientId } = await check('a whole flow, with its refusals', () => liveThrough(server));
  const needles = new Needles(secrets);
  const places = read(server.folder, [...filesBelow(server.dataDir), server.logFile]);
  if (server.cluster) {
    places.push({ name: 'pg_dump', bytes: Buffer.from(server.cluster.dump()) });
    server.cluster.sql(server.cluster.database, 'CHECKPOINT');
    places.push(...read(server.cluster.data, filesBelow(server.cluster.data)).map(({ name, bytes }) => ({ name: `postgres/${name}`, bytes })));
  }
  await server.stop(); // What a running process keeps in memory only is written at its end.
  places.push(...read(server.folder, [...filesBelow(server.dataDir), server.logFile]).map(({ name, bytes }) => ({ name: `${name} after the end`, bytes })));
  const folder = path.join(server.folder, 'export');
  mkdirSync(folder);
  const exported = await server.tryCli('audit', 'export', '--out', path.join(folder, 'roll'));
  writeFileSync(path.join(folder, 'output'), exported.stdout + exported.stderr);
  if (exported.code === 0) places.push(...read(server.folder, filesBelow(folder)));
  else checks.note(exported.code === 2 ? 'this build has no `audit export`: not searched' : `audit export ended with ${exported.code}: ${exported.stderr.slice(0, 300)}`);

  const size = places.reduce((sum, { bytes }) => sum + bytes.length, 0);
  await check('the search finds what is known to be there: the client id', () => {
    const found = new Needles({ 'client id': clientId }).findIn(places.filter(({ name }) => !name.startsWith('log')));
    assert.ok(found.length > 0, `the client id is in none of ${places.map(({ name }) => name).slice(0, 20).join(', ')}`);
  });
  checks.note(`${Object.keys(secrets).length} values, ${needles.count} forms, ${places.length} files, ${(size / 1e6).toFixed(1)} MB`);
  for (const [name] of Object.entries(secrets)) {
    await check.also(`not on disk: ${name}`, () => assert.deepEqual(needles.findIn(places, name), []));
  }
}

await checks.group('self-test', async (check) => {
  await check('planted values are found in every form and at every offset', () => {
    const value = 'correct horse ü battery';
    const needles = new Needles({ value });
    for (const lead of ['', 'a', 'ab', 'abc']) {
      const text = Buffer.from(`${lead}${value}zz`);
      for (const form of ['utf8', 'base64', 'base64url', 'hex', 'utf16le']) {
        const bytes = form === 'utf16le' ? Buffer.from(`${lead}${value}`, form) : Buffer.from(text.toString(form));
        assert.equal(needles.findIn([{ name: 'planted', bytes }]).length > 0, true, `${form} after "${lead}"`);
      }
    }
    for (const form of [encodeURIComponent(value), new URLSearchParams({ value }).toString(), JSON.stringify([...Buffer.from(value)])]) {
      assert.ok(needles.findIn([{ name: 'planted', bytes: Buffer.from(`x${form}y`) }]).length > 0, form);
    }
  });
});
for (const backend of backends()) {
  let server;
  await checks.group(`${backend} start`, async (check) => {
    server = await check('the server starts on empty data', () => Server.start({ backend, env: { RUST_LOG: 'debug' } }));
  });
  if (!server) continue;
  await checks.group(backend, (check) => search(check, server));
  await server.dispose();
}
checks.end();
