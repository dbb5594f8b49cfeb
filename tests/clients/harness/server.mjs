// A Chancery of its own for a test: started, stopped, restarted on the same data.
//
// | Rule | Why |
// |---|---|
// | data, log and port are fresh | programs may run side by side |
// | the environment is built, not inherited | a developer's OIDC_ISSUER or DATABASE_URL must not reach the test |
// | ready means /health/ready answers 200, tried again every 10 ms | no sleep decides whether a test passes |
// | SIGTERM first, SIGKILL after 15 s, which is a failure | graceful shutdown is a promise |
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './port.mjs';
import { PostgresCluster } from './postgres.mjs';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const START_SECONDS = 60;
const STOP_SECONDS = 15;

/// The program under test: CHANCERY_BIN, else the release build, else the debug build.
export function chanceryBinary() {
  const named = process.env.CHANCERY_BIN;
  const target = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target');
  const places = named ? [named] : ['release', 'debug'].map((profile) => path.join(target, profile, 'chancery'));
  const found = places.find(existsSync);
  if (!found) throw new Error(`no chancery program at ${places.join(' or ')}: build it, or set CHANCERY_BIN`);
  return path.resolve(found);
}

export class Server {
  /// Starts one. `config`: path of a TOML file; `env` is added to the environment.
  static async start({ backend = 'sqlite', config, env = {} } = {}) {
    const server = new Server();
    server.binary = chanceryBinary();
    server.backend = backend;
    server.folder = mkdtempSync(path.join(os.tmpdir(), 'chancery-test-'));
    server.dataDir = path.join(server.folder, 'data');
    server.logFile = path.join(server.folder, 'log');
    server.port = await freePort();
    server.origin = env.OIDC_ISSUER ?? `http://localhost:${server.port}`;
    server.issuer = `${server.origin}/oidc`;
    server.args = ['--listen', `127.0.0.1:${server.port}`, '--data-dir', server.dataDir, ...(config ? ['--config', config] : [])];
    server.env = { PATH: process.env.PATH, HOME: server.folder, TZ: 'UTC', OIDC_ISSUER: server.origin, ...env };
    process.once('exit', () => server.child?.exitCode === null && server.child.kill('SIGKILL'));
    try {
      if (backend === 'postgres') {
        server.cluster = await PostgresCluster.start();
        server.env.DATABASE_URL = server.cluster.createDatabase();
        await server.cli('migrate');
      }
      await server.#launch();
    } catch (error) {
      await server.dispose();
      throw error;
    }
    return server;
  }

  async #launch() {
    const log = openSync(this.logFile, 'a');
    const begun = performance.now();
    this.child = spawn(this.binary, this.args, { env: this.env, cwd: this.folder, stdio: ['ignore', log, log] });
    closeSync(log);
    let failure;
    this.child.once('error', (error) => { failure = error; });
    const deadline = Date.now() + START_SECONDS * 1000;
    while (!(await answers(`http://127.0.0.1:${this.port}/health/ready`, new URL(this.origin).host))) {
      const ended = this.child.exitCode ?? this.child.signalCode;
      if (failure || ended !== null) throw new Error(`chancery ended (${failure?.message ?? ended}) before it was ready\n${this.logTail()}`);
      if (Date.now() > deadline) throw new Error(`chancery is not ready after ${START_SECONDS} s\n${this.logTail()}`);
      await pause(10);
    }
    this.startMs = Math.round(performance.now() - begun);
  }

  get pid() { return this.child.pid; }

  async stop() {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_SECONDS * 1000);
    const [, signal] = await ended;
    clearTimeout(late);
    if (signal === 'SIGKILL') throw new Error(`chancery did not end within ${STOP_SECONDS} s of SIGTERM\n${this.logTail()}`);
  }

  /// SIGKILL: as a crash or a lost machine leaves it.
  async kill() {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }

  /// The same data, port and settings in a new process.
  async restart() {
    await this.stop();
    await this.#launch();
  }

  /// A command of the CLI against this server's data; gives its standard output.
  async cli(...args) {
    const { code, stdout, stderr } = await this.tryCli(...args);
    if (code !== 0) throw new Error(`chancery ${args.join(' ')} ended with ${code}\n${(stderr || stdout).slice(-2000)}`);
    return stdout;
  }

  async tryCli(...args) {
    const child = spawn(this.binary, [...args, '--data-dir', this.dataDir], { env: this.env, cwd: this.folder });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => { output[name] += text; });
    const [code] = await once(child, 'close');
    return { code, ...output };
  }

  log() { return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : ''; }

  logTail(lines = 15, from = 0) {
    const tail = this.log().slice(from).trimEnd().split('\n').slice(-lines).map((line) => `  ${line.slice(0, 400)}`);
    return `last lines of the server's log:\n${tail.join('\n')}`;
  }

  /// For a group of checks: what the server logged since now.
  explain() {
    const from = this.log().length;
    return () => this.logTail(15, from);
  }

  /// Ends the process and removes everything. Never throws: it stands in `finally`.
  async dispose() {
    await this.stop().catch((error) => console.log(`# ${error.message.split('\n')[0]}`));
    this.cluster?.dispose();
    if (!process.env.CHANCERY_KEEP) rmSync(this.folder, { recursive: true, force: true });
    else console.log(`# kept ${this.folder}`);
  }
}

/// By node:http, whose sockets are ours to close: fetch would keep one open into the next start.
function answers(url, host) {
  return new Promise((resolve) => {
    const request = http.get(url, { agent: false, timeout: 2000, headers: { host } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    request.on('error', () => resolve(false));
    request.on('timeout', () => request.destroy());
  });
}
