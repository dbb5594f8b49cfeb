// Signing keys in a token of SoftHSM: made there, never outside of it, asked by the server through chancery-signer. What is signed is verified by
// jose, a library that knows nothing of it.
//
// | Rule | Source |
// |---|---|
// | RS256, PS256, ES256, ES384 and ES512 are signed by the token; the JWKS has its public halves | RFC 7515, RFC 7518 §3 |
// | programs that are killed are started again, and nobody notices | our own |
// | without the token there is no token of ours, health says so, and everything else goes on | our own |
// | a new key of the token is published first; `chancery keys rotate --now` has it sign | OpenID Connect Core 1.0 §10.1.1 |
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { calculateJwkThumbprint, createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { Agent } from './harness/agent.mjs';
import { audit } from './harness/auditor.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { Client, json, newAccount } from './harness/client.mjs';
import { Server, chanceryBinary } from './harness/server.mjs';

const MODULES = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so', '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so'];
const ALGS = ['RS256', 'PS256', 'ES256', 'ES384', 'ES512'];
const REDIRECT_URI = 'http://127.0.0.1:9/callback'; // never called: the agent stops before it
const SIGNER = path.join(path.dirname(chanceryBinary()), 'chancery-signer');

const checks = new Checks('hsm');

/// A token of SoftHSM in a directory of its own.
class Hsm {
  constructor() {
    this.folder = mkdtempSync(path.join(os.tmpdir(), 'chancery-hsm-'));
    this.tokens = path.join(this.folder, 'tokens');
    mkdirSync(this.tokens);
    this.module = MODULES.find(existsSync);
    assert.ok(this.module, `SoftHSM is not installed: none of ${MODULES.join(', ')}`);
    const conf = path.join(this.folder, 'softhsm2.conf');
    writeFileSync(conf, `directories.tokendir = ${this.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
    this.env = { PATH: process.env.PATH, SOFTHSM2_CONF: conf };
    this.pin = path.join(this.folder, 'pin');
    writeFileSync(this.pin, '274951\n', { mode: 0o600 });
    execFileSync('softhsm2-util', ['--init-token', '--free', '--label', 'chancery', '--so-pin', '918273', '--pin', '274951'], { env: this.env, stdio: 'pipe' });
  }

  get command() { return [SIGNER, '--module', this.module, '--token', 'chancery', '--pin-file', this.pin]; }

  run(...args) { return JSON.parse(execFileSync(SIGNER, [...this.command.slice(1), ...args], { env: this.env, encoding: 'utf8', stdio: 'pipe' })); }

  generate(alg, key) { return this.run('generate', '--alg', alg, '--key', key).jwk; }

  config(keys) {
    const file = path.join(this.folder, 'chancery.toml');
    writeFileSync(file, `[signer]\ncommand = ${JSON.stringify(this.command)}\nkeys = ${JSON.stringify(keys)}\n`);
    return file;
  }

  /// The token is pulled, and put back.
  pull() { renameSync(this.tokens, `${this.tokens}.away`); }

  putBack() { renameSync(`${this.tokens}.away`, this.tokens); }

  dispose() { rmSync(this.folder, { recursive: true, force: true }); }
}

/// The programs that the server runs.
function children(pid) {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    const file = `/proc/${pid}/task/${task}/children`;
    return existsSync(file) ? readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number) : [];
  });
}

async function readiness(server) {
  const answer = await fetch(`${server.origin}/health/ready`);
  return [answer.status, (await answer.json()).signer];
}

/// Until `condition` holds, for 20 seconds.
async function until(condition) {
  for (const end = Date.now() + 20_000; !(await condition()); await pause(100)) assert.ok(Date.now() < end, 'not within 20 s');
}

async function run(check, server, hsm, jwks) {
  const account = newAccount();
  const clients = new Map();
  for (const alg of ALGS) {
    clients.set(alg, await Client.register(server, {
      client_name: `hsm ${alg}`, redirect_uris: [REDIRECT_URI], grant_types: ['authorization_code', 'refresh_token'], scope: 'openid profile email',
      id_token_signed_response_alg: alg, userinfo_signed_response_alg: alg,
    }));
  }
  const agent = new Agent();
  const uri = new URL(clients.get('ES256').endpoints.jwks_uri);
  // Fetched anew for each: a key that is unknown is never one that was not fetched yet.
  const verify = async (token, alg) => {
    const { protectedHeader } = await jwtVerify(token, createRemoteJWKSet(uri), { issuer: server.issuer, algorithms: [alg] });
    return protectedHeader.kid;
  };
  let known = false;
  const tokens = async (alg) => {
    const client = clients.get(alg);
    const attempt = await client.code(agent, account, { register: !known });
    known = true;
    return json(await client.redeem(attempt), 200);
  };
  const first = new Map();
  for (const alg of ALGS) {
    const { id_token: idToken, access_token: access } = await check(`${alg}: a code is redeemed`, () => tokens(alg));
    first.set(alg, idToken);
    const userinfo = await (await clients.get(alg).userinfo(access)).text();
    await check(`${alg}: id_token and userinfo are signed by the token, says jose`, async () => {
      const kid = await calculateJwkThumbprint(jwks.get(alg));
      assert.deepEqual([await verify(idToken, alg), await verify(userinfo, alg)], [kid, kid]);
      assert.deepEqual(hsm.run('public', '--key', `${alg}-1`), jwks.get(alg));
    });
  }
  await check.also('EdDSA, which the token does not have, is signed with a key of the vault', async () => {
    const listed = JSON.parse(await server.cli('keys', 'list', '--json')).keys;
    const source = (wanted) => listed.find(({ alg, phase }) => alg === wanted && phase === 'active').source;
    assert.deepEqual([...ALGS.map(source), source('EdDSA')], [...ALGS.map(() => 'external'), 'generated']);
  });
  await check('chancery doctor has each key sign', async () => {
    const said = await server.cli('doctor');
    for (const alg of ALGS) assert.ok(said.includes(`the signer signs ${alg} with ${alg}-1`), said);
  });
  const begun = performance.now();
  const many = 40;
  await check(`${many} refreshes, two at a time`, async () => {
    const client = clients.get('ES256');
    await Promise.all([0, 1].map(async () => {
      let own = await tokens('ES256');
      for (let round = 0; round < many / 2; round += 1) own = await json(await client.refresh(own.refresh_token), 200);
      await verify(own.id_token, 'ES256');
    }));
  });
  checks.note(`${server.backend}: ${Math.round((performance.now() - begun) / many)} ms for a refresh with an id_token of ES256`);

  await check('programs that are killed are started again, and nobody notices', async () => {
    const before = children(server.pid);
    assert.ok(before.length > 0 && before.length <= 2, `${before.length} programs`);
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await verify((await tokens('ES256')).id_token, 'ES256');
  });
  const client = clients.get('PS256');
  const waiting = await client.code(agent, account);
  await check('without the token there is none of ours, and the server says so', async () => {
    hsm.pull();
    for (const pid of children(server.pid)) process.kill(pid, 'SIGKILL');
    const refused = await json(await client.redeem(waiting), 503);
    assert.equal(refused.error, 'temporarily_unavailable');
    assert.deepEqual(await readiness(server), [503, 'not ready']);
    assert.equal((await fetch(uri)).status, 200);
  });
  await check.also('chancery doctor names the keys', async () => {
    const { code, stdout } = await server.tryCli('doctor');
    assert.equal(code, 1);
    for (const alg of ALGS) assert.ok(stdout.includes(`the signer: the key ${alg}-1 for ${alg}: `), stdout);
  });
  await check('when it is back, so is everything, the code too', async () => {
    hsm.putBack();
    await until(async () => (await readiness(server))[0] === 200);
    await verify((await json(await client.redeem(waiting), 200)).id_token, 'PS256');
  });

  const next = hsm.generate('ES256', 'ES256-2');
  const nextKid = await calculateJwkThumbprint(next);
  await check('a new key is named and published; the old one signs', async () => {
    // No command makes a key where the token is to have it.
    const { code, stderr } = await server.tryCli('keys', 'rotate', '--alg', 'ES256');
    assert.ok(code !== 0 && stderr.includes('signer.keys'), stderr);
    hsm.config([...ALGS.filter((alg) => alg !== 'ES256').map((alg) => `${alg}=${alg}-1`), 'ES256=ES256-2']);
    await server.restart();
    const { keys } = await (await fetch(uri)).json();
    assert.ok(keys.some(({ kid }) => kid === nextKid));
    assert.notEqual(decodeProtectedHeader((await tokens('ES256')).id_token).kid, nextKid);
  });
  await check('keys rotate --now has it sign, and old tokens verify', async () => {
    await server.cli('keys', 'rotate', '--alg', 'ES256', '--now');
    // On PostgreSQL the command is another node, and the server reads the keys again within seconds.
    await until(async () => (await verify((await tokens('ES256')).id_token, 'ES256')) === nextKid);
    for (const alg of ALGS) await verify(first.get(alg), alg);
  });
}

for (const backend of backends()) {
  let server;
  let hsm;
  const jwks = new Map();
  await checks.group(`${backend} start`, async (check) => {
    hsm = await check('a token is made', () => new Hsm());
    await check('it makes a key for each algorithm', () => { for (const alg of ALGS) jwks.set(alg, hsm.generate(alg, `${alg}-1`)); });
    await check.also('a name is one key\'s', () => assert.throws(() => hsm.generate('ES256', 'ES256-1')));
    const config = hsm.config(ALGS.map((alg) => `${alg}=${alg}-1`));
    server = await check('the server starts on empty data', () => Server.start({
      backend, env: { CHANCERY_CONFIG: config, SOFTHSM2_CONF: hsm.env.SOFTHSM2_CONF },
    }));
  });
  if (server) {
    await checks.group(backend, (check) => run(check, server, hsm, jwks), server.explain());
    await checks.group(`${backend} audit`, (check) => audit(check, server));
    await server.dispose();
  }
  hsm?.dispose();
}
checks.end();
