// Many at once: a code and a refresh token are each good for one use, however many requests race for it.
//
// | Rule | Source |
// |---|---|
// | of 20 parallel redemptions of one code exactly one is answered 200 | RFC 6749 §4.1.2 |
// | the others are replays, and a replay ends the tokens that the code gave | RFC 6749 §4.1.2, RFC 9700 §2.1.1 |
// | of 20 parallel refreshes of one token at most one is answered 200; two living families never exist | RFC 9700 §4.14.2 |
import assert from 'node:assert/strict';
import { Agent } from './harness/agent.mjs';
import { audit } from './harness/auditor.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { Client, json, newAccount } from './harness/client.mjs';
import { Server } from './harness/server.mjs';

const PARALLEL = 20;
const ROUNDS = Number(process.env.RACE_ROUNDS ?? 10);
const REDIRECT_URI = 'http://127.0.0.1:9/callback'; // never called: the agent stops before it

const checks = new Checks('races');

async function race(check, server) {
  const agent = new Agent();
  const account = newAccount();
  const client = await Client.register(server, {
    client_name: 'races', redirect_uris: [REDIRECT_URI], grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_basic', scope: 'openid profile email',
  });
  const first = await check('a person signs in and consents', () => client.code(agent, account, { register: true }));
  await check('a lone redemption succeeds', async () => json(await client.redeem(first), 200));

  const redemptions = new Tally();
  for (let round = 0; round < ROUNDS; round += 1) {
    await check(`round ${round + 1}: ${PARALLEL} redemptions of one code, one succeeds, its tokens are dead`, async () => {
      const attempt = await client.code(agent, account);
      const { won } = await redemptions.count(PARALLEL, () => client.redeem(attempt));
      assert.equal(won.length, 1, `${won.length} answers with 200`);
      await assertDead(client, won[0]);
    });
  }
  checks.note(`${server.backend} redemptions, ${ROUNDS} rounds of ${PARALLEL}: ${redemptions}`);

  const refreshes = new Tally();
  for (let round = 0; round < ROUNDS; round += 1) {
    await check(`round ${round + 1}: ${PARALLEL} refreshes of one token, one succeeds, no family lives on`, async () => {
      const tokens = await json(await client.redeem(await client.code(agent, account)), 200);
      const { won } = await refreshes.count(PARALLEL, () => client.refresh(tokens.refresh_token));
      assert.equal(won.length, 1, `${won.length} answers with 200`);
      await assertDead(client, tokens);
      await assertDead(client, won[0]);
    });
  }
  checks.note(`${server.backend} refreshes, ${ROUNDS} rounds of ${PARALLEL}: ${refreshes}`);
  await check('a lone refresh still succeeds', async () => {
    const tokens = await json(await client.redeem(await client.code(agent, account)), 200);
    await json(await client.refresh(tokens.refresh_token), 200);
  });
  await check('different tokens refreshed at once do not disturb one another', async () => {
    const families = [];
    while (families.length < PARALLEL) families.push(await json(await client.redeem(await client.code(agent, account)), 200));
    const answers = await Promise.all(families.map((tokens) => client.refresh(tokens.refresh_token)));
    assert.deepEqual(answers.map((answer) => answer.status), families.map(() => 200));
  });
}

/// How often each answer came, over all rounds.
class Tally {
  constructor() { this.answers = new Map(); }

  async count(parallel, request) {
    const answers = await Promise.all(Array.from({ length: parallel }, request));
    const won = [];
    for (const answer of answers) {
      const body = await answer.json();
      if (answer.status === 200) won.push(body);
      const kind = answer.status === 200 ? '200' : `${answer.status} ${body.error}`;
      this.answers.set(kind, (this.answers.get(kind) ?? 0) + 1);
    }
    const strange = [...this.answers.keys()].filter((kind) => !['200', '400 invalid_grant'].includes(kind));
    assert.deepEqual(strange, [], 'answers that are neither 200 nor invalid_grant');
    return { won };
  }

  toString() { return [...this.answers].map(([kind, times]) => `${times} x ${kind}`).join(', '); }
}

async function assertDead(client, tokens) {
  assert.equal(await client.isActive(tokens.access_token), false, 'the access token is active');
  assert.equal((await client.userinfo(tokens.access_token)).status, 401, 'userinfo takes the access token');
  if (!tokens.refresh_token) return;
  assert.equal(await client.isActive(tokens.refresh_token), false, 'the refresh token is active');
  assert.equal((await client.refresh(tokens.refresh_token)).status, 400, 'the refresh token refreshes');
}

for (const backend of backends()) {
  let server;
  await checks.group(`${backend} start`, async (check) => {
    server = await check('the server starts on empty data', () => Server.start({ backend }));
  });
  if (!server) continue;
  await checks.group(backend, (check) => race(check, server), server.explain());
  await checks.group(`${backend} audit`, (check) => audit(check, server));
  await server.dispose();
}
checks.end();
