// The README, done as it is written: its commands in a shell, its programs as files beside the packages that they name.
//
// | Taken from the README | Changed before it runs |
// |---|---|
// | every `bash` and `js` block below the first heading of each section used here | the ports of the server and of the application, the address of PostgreSQL |
// | the person and the client are those of its curl commands | nothing |
//
// A block that is missing, renamed or does not work fails a check, so that the README cannot drift from the program.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Browser } from './harness/browser.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { freePort } from './harness/port.mjs';
import { PostgresCluster } from './harness/postgres.mjs';
import { Server, chanceryBinary } from './harness/server.mjs';

const checks = new Checks('readme');
const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const WAIT_MS = 30_000;

/// The code blocks of one `## ` section, in order, by language.
function blocks(section) {
  const body = README.split(/^## /m).find((text) => text.startsWith(`${section}\n`));
  assert.ok(body, `the README has no section "${section}"`);
  const found = { bash: [], js: [] };
  for (const [, language, code] of body.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)) found[language]?.push(code);
  return found;
}

/// A child process whose output is kept (`answer` is what went to standard output); `said(pattern)` waits for a line.
function start(program, args, options) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  Object.assign(child, { output: '', answer: '' });
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { child.output += text; });
  child.stdout.on('data', (text) => { child.answer += text; });
  child.said = async (pattern) => {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const match = child.output.match(pattern);
      if (match) return match;
      const ended = child.exitCode ?? child.signalCode;
      if (ended !== null || Date.now() > deadline) throw new Error(`${program} ${ended === null ? 'is silent' : `ended with ${ended}`} before ${pattern}: ${child.output.slice(-1500)}`);
      await pause(20);
    }
  };
  child.end = async () => {
    if ((child.exitCode ?? child.signalCode) !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(late);
  };
  return child;
}

/// A shell that stops at the first failing command; gives its standard output.
async function shell(script, env, cwd) {
  const child = start('bash', ['-euo', 'pipefail', '-c', script], { env, cwd });
  const late = setTimeout(() => child.kill('SIGKILL'), WAIT_MS);
  const [code] = await once(child, 'close');
  clearTimeout(late);
  assert.equal(code, 0, `${script}\nended with ${code}: ${child.output.slice(-1500)}`);
  return child.answer;
}

/// Where the README's words are at home in this run.
class Place {
  constructor(server) {
    this.server = server;
    this.folder = mkdtempSync(path.join(os.tmpdir(), 'chancery-readme-'));
    symlinkSync(fileURLToPath(new URL('./node_modules', import.meta.url)), path.join(this.folder, 'node_modules'));
    this.env = { ...server.env, CHANCERY_DATA_DIR: server.dataDir, PATH: `${path.dirname(chanceryBinary())}:${process.env.PATH}` };
  }

  here(code, port) {
    return code.replaceAll('localhost:3000', `localhost:${this.server.port}`)
      .replaceAll('localhost:8080', `localhost:${port}`).replaceAll('listen(8080)', `listen(${port})`);
  }

  shell(script, port, env = {}) { return shell(this.here(script, port), { ...this.env, ...env }, this.folder); }

  program(name, code, port, env) {
    writeFileSync(path.join(this.folder, name), this.here(code, port));
    return start(process.execPath, [name], { env: { ...this.env, ...env }, cwd: this.folder });
  }

  dispose() { rmSync(this.folder, { recursive: true, force: true }); }
}

async function fiveMinutes(check, place) {
  const { bash: [commands, exports], js: [openidClient, express] } = blocks('Five minutes');
  const port = await freePort();
  const answers = await check('the three curl commands', async () => {
    const output = await place.shell(commands.replaceAll('curl ', 'curl -sS --fail-with-body -w "\\n--\\n" '), port);
    return output.split('\n--\n').filter((text) => text.trim()).map((text) => JSON.parse(text));
  });
  await check.also('answer with the discovery document, the account and the client', () => {
    assert.equal(answers.length, 3, JSON.stringify(answers));
    assert.equal(answers[0].issuer, place.server.issuer);
    assert.equal(answers[2].client_name, 'demo-app');
  });
  const [, , client] = answers;
  const account = { email: commands.match(/"email":"([^"]+)"/)[1], password: commands.match(/"password":"([^"]+)"/)[1] };
  const names = [...exports.matchAll(/(\w+)=\.\.\./g)].map(([, name]) => name);
  const env = await check('its two exports have places in the answer', () => {
    assert.deepEqual(names, ['CLIENT_ID', 'CLIENT_SECRET']);
    return Object.fromEntries(names.map((name) => [name, client[name.toLowerCase()]]));
  });
  await check('client.mjs signs alice in with openid-client and shows her', async () => {
    const program = place.program('client.mjs', openidClient, port, env);
    const visitor = await browser.visitor();
    try {
      const [, address] = await program.said(/^open (http\S+)$/m);
      await visitor.go(address);
      await visitor.until(`http://localhost:${port}/callback`, { account });
      const { claims, person } = JSON.parse(await visitor.text());
      assert.equal(claims.iss, place.server.issuer);
      assert.deepEqual([person.sub, person.name, person.email], [claims.sub, 'Alice', account.email]);
    } finally {
      await visitor.close();
      await program.end();
    }
  });
  await check('app.mjs signs alice in with express-openid-connect and shows her sub', async () => {
    const program = place.program('app.mjs', express, port, env);
    const visitor = await browser.visitor();
    try {
      const deadline = Date.now() + WAIT_MS;
      while (!(await fetch(`http://localhost:${port}/`, { redirect: 'manual' }).catch(() => undefined)) && Date.now() < deadline) await pause(20);
      await visitor.go(`http://localhost:${port}/`);
      await visitor.until(`http://localhost:${port}/`, { account });
      const user = JSON.parse(await visitor.text());
      assert.ok(user.sub, JSON.stringify(user));
      assert.equal(user.email, undefined, 'the README says that a code puts it into userinfo');
    } catch (error) {
      throw new Error(`${error.message}\n${program.output.slice(-800)}`);
    } finally {
      await visitor.close();
      await program.end();
    }
  });
}

async function readingTheLog(check, place) {
  const { bash: [tail, query] } = blocks('Reading the log');
  await check('the tail shows alice\'s registration and goes on', async () => {
    const child = start('bash', ['-c', `exec ${place.here(tail)}`], { env: place.env, cwd: place.folder });
    try {
      await child.said(/AccountRegistered/);
      assert.equal(child.exitCode, null, '--follow waits for more');
    } finally {
      await child.end();
    }
  });
  await check('curl reads the log with a token from the machine', async () => {
    const output = await place.shell(query.replaceAll('curl ', 'curl -sS --fail-with-body '));
    const { events } = JSON.parse(output);
    assert.ok(events.some(({ type }) => type === 'AccountRegistered'), output.slice(0, 600));
  });
}

async function postgres(check) {
  const { bash: [commands] } = blocks('PostgreSQL');
  const lines = commands.trim().split('\n');
  const cluster = await check('a cluster with the two users that the README names', async () => {
    const started = await PostgresCluster.start();
    started.sql('postgres', 'CREATE ROLE owner LOGIN CREATEROLE');
    started.sql('postgres', 'CREATE ROLE chancery LOGIN');
    started.sql('postgres', 'CREATE DATABASE chancery OWNER owner');
    return started;
  });
  const folder = mkdtempSync(path.join(os.tmpdir(), 'chancery-readme-'));
  const port = await freePort();
  const env = {
    HOME: folder, TZ: 'UTC', PATH: `${path.dirname(chanceryBinary())}:${cluster.bin}:${process.env.PATH}`,
    OIDC_ISSUER: `http://localhost:${port}`, CHANCERY_LISTEN: `127.0.0.1:${port}`,
  };
  const here = (line) => line.replaceAll('@localhost/', `@127.0.0.1:${cluster.port}/`);
  try {
    await check('migrate as the owner, then let the server\'s user in', () => shell(lines.slice(0, -1).map(here).join('\n'), env, folder));
    await check('serve as a user that cannot change an event', async () => {
      const server = start('bash', ['-c', `export ${here(lines.at(-1)).replace(' chancery serve', '; exec chancery serve')}`], { env, cwd: folder });
      try {
        const deadline = Date.now() + WAIT_MS;
        let answer;
        while (answer?.status !== 200 && Date.now() < deadline && server.exitCode === null) {
          answer = await fetch(`http://127.0.0.1:${port}/health/ready`, { headers: { host: `localhost:${port}` } }).catch(() => undefined);
          await pause(20);
        }
        assert.equal(answer?.status, 200, server.output.slice(-1500));
        const may = (right) => cluster.sql('chancery', `SELECT bool_or(has_table_privilege('chancery', c.oid, '${right}')) FROM pg_class c WHERE c.relname = 'events'`).trim();
        assert.deepEqual(['INSERT', 'UPDATE', 'DELETE'].map(may), ['t', 'f', 'f']);
      } finally {
        await server.end();
      }
    });
  } finally {
    cluster.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

const browser = await Browser.start();
for (const backend of backends()) {
  let server;
  await checks.group(`${backend} start`, async (check) => {
    server = await check('the server starts on empty data', () => Server.start({ backend }));
  });
  if (!server) continue;
  const place = new Place(server);
  await checks.group(`${backend} five minutes`, (check) => fiveMinutes(check, place), server.explain());
  await checks.group(`${backend} reading the log`, (check) => readingTheLog(check, place), server.explain());
  if (backend === 'postgres') await checks.group('postgres section', (check) => postgres(check));
  place.dispose();
  await server.dispose();
}
await browser.dispose();
checks.end();
