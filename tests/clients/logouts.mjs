// Back-channel logout while receivers are down and the server is killed: every client is told of every session, in order, none is lost.
//
// | Rule | Source |
// |---|---|
// | both receivers are down for a minute while all sessions end, and the server is killed (SIGKILL) twice meanwhile | OpenID Connect Back-Channel Logout 1.0 §2.5 |
// | once they are up, each is told of each session, in the order in which the sessions ended, over one more SIGKILL in the middle | our own |
// | every message is a logout token that verifies with the server's keys | Back-Channel Logout 1.0 §2.4, §2.6 |
// | sessions end by logout, and at last by disabling the account | Back-Channel Logout 1.0 §2.3 |
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { Agent, pickForm } from './harness/agent.mjs';
import { audit } from './harness/auditor.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { Client, json, newAccount } from './harness/client.mjs';
import { Receiver } from './harness/receiver.mjs';
import { Server } from './harness/server.mjs';

const SESSIONS = 24;
const BY_LOGOUT = 20;
const DOWN_SECONDS = 60;
/// The longest wait between two attempts in the first minutes is one minute.
const DELIVERED_WITHIN_SECONDS = 150;
const REDIRECT_URI = 'http://127.0.0.1:9/callback'; // never called: the agent stops before it

const checks = new Checks('logouts');

async function signOut(server, agent) {
  const page = await agent.send(`${server.issuer}/session/end`);
  const { url, form } = pickForm(page.body).fill(page.url, { logout: 'yes' });
  const answer = await agent.send(url, { form });
  if (answer.status >= 400) throw new Error(`signing out: ${answer.status}`);
}

async function outbox(check, server) {
  const receivers = [await Receiver.start(), await Receiver.start()];
  const account = newAccount();
  const clients = [];
  for (const receiver of receivers) {
    clients.push(await Client.register(server, {
      client_name: 'logouts', redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'client_secret_basic',
      scope: 'openid profile email', backchannel_logout_uri: receiver.uri, backchannel_logout_session_required: true,
    }));
  }
  const agents = [];
  const sids = [[], []];
  await check(`${SESSIONS} browsers sign in at both clients`, async () => {
    for (let session = 0; session < SESSIONS; session += 1) {
      const agent = new Agent();
      agents.push(agent);
      for (const [index, client] of clients.entries()) {
        const attempt = await client.code(agent, account, { register: session === 0 && index === 0 });
        const tokens = await json(await client.redeem(attempt), 200);
        sids[index].push(decodeJwt(tokens.id_token).sid);
      }
    }
  });
  for (const receiver of receivers) await receiver.close();
  const down = Date.now();
  await check(`${BY_LOGOUT} sign out, the server is killed twice, the others end with their account`, async () => {
    for (const [index, agent] of agents.slice(0, BY_LOGOUT).entries()) {
      await signOut(server, agent);
      if (index === 7 || index === 15) {
        await server.kill();
        await server.restart();
      }
    }
    await server.cli('user', 'disable', account.email);
  });
  await pause(Math.max(0, DOWN_SECONDS * 1000 - (Date.now() - down)));
  await check.also('nobody was told while nobody listened', () => assert.deepEqual(receivers.map(({ told }) => told.length), [0, 0]));
  for (const receiver of receivers) await receiver.open(undefined, 30);
  const up = Date.now();
  await check(`${2 * SESSIONS} messages are delivered, over one more SIGKILL in the middle`, async () => {
    let killed = false;
    const heard = (receiver) => new Set(receiver.told.map((token) => decodeJwt(token).sid)).size;
    while (receivers.some((receiver) => heard(receiver) < SESSIONS)) {
      if (!killed && receivers.some((receiver) => heard(receiver) >= 5)) {
        killed = true;
        await server.kill();
        await server.restart();
      }
      const late = Date.now() - up > DELIVERED_WITHIN_SECONDS * 1000;
      assert.ok(!late, `after ${DELIVERED_WITHIN_SECONDS} s: ${receivers.map(heard).join(' and ')} of ${SESSIONS}`);
      await pause(50);
    }
    assert.ok(killed, 'the messages came at once: the kill was not in their middle');
  });
  const seconds = ((Date.now() - up) / 1000).toFixed(1);
  const doubles = receivers.map(({ told }) => told.length - SESSIONS);
  checks.note(`${server.backend}: down ${DOWN_SECONDS} s, 3 kills; ${2 * SESSIONS} of ${2 * SESSIONS} sessions told ${seconds} s after the receivers were up, ${doubles.join(' and ')} doubles`);
  for (const [index, receiver] of receivers.entries()) {
    await check.also(`client ${index + 1} was told in order, and everything verifies`, async () => {
      const keys = createRemoteJWKSet(new URL(clients[index].endpoints.jwks_uri));
      const told = [];
      for (const token of receiver.told) {
        const { payload } = await jwtVerify(token, keys, { issuer: server.issuer, audience: clients[index].metadata.client_id, typ: 'logout+jwt' });
        if (!told.includes(payload.sid)) told.push(payload.sid);
      }
      assert.deepEqual(told.slice(0, BY_LOGOUT), sids[index].slice(0, BY_LOGOUT), 'in the order in which the sessions ended');
      // Those of the account ended in one and the same append.
      assert.deepEqual(told.slice(BY_LOGOUT).sort(), sids[index].slice(BY_LOGOUT).sort());
    });
    await receiver.close();
  }
}

async function run(backend) {
  let server;
  await checks.group(`${backend} start`, async (check) => {
    server = await check('the server starts on empty data', () => Server.start({ backend }));
  });
  if (!server) return;
  await checks.group(backend, (check) => outbox(check, server), server.explain());
  await checks.group(`${backend} audit`, (check) => audit(check, server));
  await server.dispose();
}

// Side by side: most of the time is waiting.
await Promise.all(backends().map(run));
checks.end();
