// Signing keys are rotated in the middle of load, and no token fails to verify: neither with a library that fetches the JWKS again for a
// `kid` that it does not know, nor with a client that keeps the set for as long as its Cache-Control says and not a moment less.
//
// | Rule | Source |
// |---|---|
// | the next key is published before it signs, longer than the set may be cached | OpenID Connect Core 1.0 §10.1.1 |
// | tokens of the old key verify until they expire | the same |
// | both by command, three times, while code flows and refreshes go on | our own |
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { createLocalJWKSet, createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { Agent } from './harness/agent.mjs';
import { audit } from './harness/auditor.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { Client, json, newAccount } from './harness/client.mjs';
import { Server } from './harness/server.mjs';

const WORKERS = 4;
const ROTATIONS = 3;
/// Published so long before it signs; the set may then be cached for half of that. A sixtieth of what it is by default, and so are the times
/// of the library (it keeps a set for ten minutes, and asks for an unknown key no sooner than after thirty seconds).
const AHEAD_SECONDS = 10;
const LIBRARY = { cacheMaxAge: 10_000, cooldownDuration: 500 };
const ALGS = ['RS256', 'ES256'];
const REDIRECT_URI = 'http://127.0.0.1:9/callback'; // never called: the agent stops before it

const checks = new Checks('rotation');

/// Keeps the set exactly as long as it may, and never asks sooner.
class Patient {
  constructor(uri) { Object.assign(this, { uri, until: 0, fetched: 0 }); }

  async keys() {
    if (Date.now() >= this.until) {
      const answer = await fetch(this.uri);
      const [, seconds] = /max-age=(\d+)/.exec(answer.headers.get('cache-control'));
      this.maxAge = Number(seconds);
      this.until = Date.now() + this.maxAge * 1000;
      this.set = createLocalJWKSet(await json(answer, 200));
      this.fetched += 1;
    }
    return this.set;
  }
}

async function rotate(check, server) {
  const account = newAccount();
  const clients = [];
  for (const alg of ALGS) {
    clients.push(await Client.register(server, {
      client_name: `rotation ${alg}`, redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code', 'refresh_token'], scope: 'openid profile email', id_token_signed_response_alg: alg,
    }));
  }
  for (const [index, client] of clients.entries()) await client.code(new Agent(), account, { register: index === 0 });
  const uri = new URL(clients[0].endpoints.jwks_uri);
  const [library, patient] = [createRemoteJWKSet(uri, LIBRARY), new Patient(uri)];
  const counts = { tokens: 0, old: 0, failures: [], kids: new Map(ALGS.map((alg) => [alg, new Set()])) };
  const kept = [];
  const verify = async (token, client) => {
    const options = { issuer: server.issuer, audience: client.metadata.client_id };
    for (const [name, keys] of [['library', library], ['patient', await patient.keys()]]) {
      await jwtVerify(token, keys, options).catch((error) => counts.failures.push(`${name}: ${error.code} ${decodeProtectedHeader(token).kid}`));
    }
  };
  let goesOn = true;
  const worker = async (own) => {
    const agent = new Agent();
    const client = clients[own % clients.length];
    while (goesOn) {
      let tokens = await json(await client.redeem(await client.code(agent, account)), 200);
      for (let round = 0; round < 3; round += 1) {
        await verify(tokens.id_token, client);
        const { alg, kid } = decodeProtectedHeader(tokens.id_token);
        counts.tokens += 1;
        counts.kids.get(alg).add(kid);
        kept.push([tokens.id_token, client]);
        tokens = await json(await client.refresh(tokens.refresh_token), 200);
      }
      // An old one, of whatever key signed then.
      const [token, owner] = kept[Math.floor(Math.random() * kept.length)];
      await verify(token, owner);
      counts.old += 1;
    }
  };
  // The next rotation comes when the key in force has signed for each: a busy machine may need longer for the first logins.
  const signed = async (many) => {
    for (const until = Date.now() + 60_000; [...counts.kids.values()].some(({ size }) => size < many); await pause(100)) {
      assert.ok(Date.now() < until, `no token of key ${many} within a minute`);
    }
  };
  const workers = Promise.all(Array.from({ length: WORKERS }, (_, own) => worker(own)));
  await check(`the keys of ${ALGS.join(' and ')} are rotated ${ROTATIONS} times by command, in load`, async () => {
    for (let round = 1; round <= ROTATIONS; round += 1) {
      await signed(round);
      await pause(2000);
      for (const alg of ALGS) await server.cli('keys', 'rotate', '--alg', alg);
      await pause((AHEAD_SECONDS + 1) * 1000);
      // Published long enough: the same command puts them into force at once, where housekeeping would within a minute.
      for (;;) {
        const listed = JSON.parse(await server.cli('keys', 'list', '--json')).keys;
        const planned = listed.filter(({ alg, phase }) => ALGS.includes(alg) && phase === 'planned');
        if (planned.length === 0) break;
        for (const { alg } of planned) await server.tryCli('keys', 'rotate', '--alg', alg);
        await pause(200);
      }
    }
    await signed(ROTATIONS + 1);
    await pause(3000);
  });
  goesOn = false;
  await check('the load went on to its end', () => workers);
  checks.note(`${server.backend}: ${counts.tokens} new and ${counts.old} old tokens verified by two clients each, ${counts.failures.length} failures; `
    + `${[...counts.kids].map(([alg, kids]) => `${kids.size} keys of ${alg}`).join(', ')}; the patient client fetched the set ${patient.fetched} times (max-age ${patient.maxAge})`);
  await check.also('no verification failed', () => assert.deepEqual(counts.failures, []));
  await check.also('every rotation was in force while tokens were issued', () => {
    for (const [alg, kids] of counts.kids) assert.ok(kids.size > ROTATIONS, `${alg}: ${kids.size} keys signed`);
  });
  await check.also('the set may be cached for half the time that a key is published ahead', () => assert.equal(patient.maxAge, AHEAD_SECONDS / 2));
}

for (const backend of backends()) {
  let server;
  await checks.group(`${backend} start`, async (check) => {
    server = await check('the server starts on empty data', () => Server.start({ backend, env: { CHANCERY_KEYS_PUBLISH_AHEAD: `${AHEAD_SECONDS}s` } }));
  });
  if (!server) continue;
  await checks.group(backend, (check) => rotate(check, server), server.explain());
  await checks.group(`${backend} audit`, (check) => audit(check, server));
  await server.dispose();
}
checks.end();
