// An Apache of its own: a folder below /tmp, one port on the loopback, the modules of Debian's packages.
//
// | Rule | Why |
// |---|---|
// | the folder can be reached by www-data | as root Apache gives its work to that user |
// | in the foreground, ended by its id | nothing that this machine serves is touched |
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const PROGRAM = '/usr/sbin/apache2';
const MODULES = '/usr/lib/apache2/modules';
const START_SECONDS = 20;

export class Apache {
  /// `settings`: the part of the configuration that is the test's.
  static async start(port, modules, settings) {
    const missing = modules.map((name) => `${MODULES}/mod_${name}.so`).concat(PROGRAM).filter((place) => !existsSync(place));
    if (missing.length > 0) throw new Error(`Apache is not complete: ${missing.join(', ')}; tests/install brings Debian's packages`);
    const apache = new Apache();
    apache.folder = mkdtempSync('/tmp/chancery-apache-');
    chmodSync(apache.folder, 0o755);
    for (const page of ['', 'app/', 'api/jwt/', 'api/asked/', 'api/dpop/', 'api/dpop-asked/', 'api/mtls/', 'api/mtls-asked/']) {
      mkdirSync(path.join(apache.folder, 'pages', page), { recursive: true });
      writeFileSync(path.join(apache.folder, 'pages', page, 'index.html'), `<!doctype html><title>${page || 'home'}</title>here`);
    }
    apache.port = port;
    apache.origin = `http://127.0.0.1:${apache.port}`;
    writeFileSync(path.join(apache.folder, 'apache.conf'), [
      `ServerRoot ${apache.folder}`, 'ServerName 127.0.0.1', `Listen 127.0.0.1:${apache.port}`, `PidFile ${apache.folder}/pid`,
      `ErrorLog ${apache.folder}/log`, 'LogLevel warn', `DefaultRuntimeDir ${apache.folder}`, `DocumentRoot ${apache.folder}/pages`,
      'ServerLimit 2', 'ThreadsPerChild 16', 'MaxRequestWorkers 32', 'StartServers 1',
      ...['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'dir', 'headers', ...modules].map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`),
      ...(process.getuid() === 0 ? ['User www-data', 'Group www-data'] : []),
      'DirectoryIndex index.html', 'Header always set X-Person "expr=%{REMOTE_USER}"', 'Header always set Cache-Control no-store', ...settings, '',
    ].join('\n'));
    await apache.#launch();
    return apache;
  }

  async #launch() {
    this.child = spawn(PROGRAM, ['-f', path.join(this.folder, 'apache.conf'), '-DFOREGROUND'], { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
    let said = '';
    for (const stream of [this.child.stdout, this.child.stderr]) stream.setEncoding('utf8').on('data', (text) => { said += text; });
    process.once('exit', () => this.child.exitCode === null && this.child.kill('SIGTERM'));
    const deadline = Date.now() + START_SECONDS * 1000;
    while (!(await fetch(this.origin).then(({ ok }) => ok, () => false))) {
      if (this.child.exitCode !== null || Date.now() > deadline) throw new Error(`Apache does not start\n${said}\n${this.logTail()}`);
      await pause(50);
    }
  }

  logTail() {
    const file = path.join(this.folder, 'log');
    return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-8).join('\n') : '';
  }

  async dispose() {
    if (this.child?.exitCode === null) {
      const ended = once(this.child, 'exit');
      this.child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
