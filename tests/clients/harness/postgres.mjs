// A throw-away PostgreSQL cluster: data and socket in a short folder below /tmp, one port on the loopback.
//
// | Rule | Why |
// |---|---|
// | as root its programs run as the user `postgres` | the server refuses root |
// | the folder is short and belongs to that user | a socket path has 107 bytes; the user must be able to reach it |
// | databases belong to a role that is no superuser | privileges that a test relies on are not checked for a superuser |
// | stopped and removed when the program ends, however it ends | |
import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { freePort } from './port.mjs';

const OWNER = 'chancery_owner';
const DEBIAN = '/usr/lib/postgresql';

function binFolder() {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).map(Number).filter(Boolean).sort((a, b) => b - a) : [];
  const found = versions.map((version) => `${DEBIAN}/${version}/bin`).find((bin) => existsSync(`${bin}/initdb`));
  if (found) return found;
  const asked = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' });
  if (asked.status === 0 && existsSync(`${asked.stdout.trim()}/initdb`)) return asked.stdout.trim();
  throw new Error(`PostgreSQL is not on this machine: install Debian's package postgresql (looked in ${DEBIAN}/*/bin and pg_config)`);
}

function postgresUser() {
  const line = readFileSync('/etc/passwd', 'utf8').split('\n').find((entry) => entry.startsWith('postgres:'));
  if (!line) throw new Error('PostgreSQL refuses root and there is no user postgres: install Debian\'s package postgresql');
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

export class PostgresCluster {
  static async start() {
    const cluster = new PostgresCluster();
    cluster.bin = binFolder();
    cluster.folder = mkdtempSync('/tmp/chancery-pg-');
    if (process.getuid() === 0) {
      const { uid, gid } = postgresUser();
      chownSync(cluster.folder, uid, gid);
    }
    cluster.data = path.join(cluster.folder, 'data');
    cluster.port = await freePort();
    cluster.databases = 0;
    cluster.onExit = () => cluster.dispose();
    process.once('exit', cluster.onExit);
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
    cluster.#run('initdb', '-D', cluster.data, '-A', 'trust', '-U', 'postgres', '-N', '-E', 'UTF8', '--locale=C');
    cluster.resume();
    cluster.sql('postgres', `CREATE ROLE ${OWNER} LOGIN CREATEROLE`);
    return cluster;
  }

  /// Starts the stopped server again.
  resume() {
    const options = `-p ${this.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${this.folder} -c fsync=off`;
    this.#run('pg_ctl', '-D', this.data, '-l', `${this.folder}/log`, '-w', '-o', options, 'start');
  }

  stop(mode = 'fast') { this.#run('pg_ctl', '-D', this.data, '-w', '-m', mode, 'stop'); }

  /// Makes an empty database; gives its URL as the owner.
  createDatabase() {
    this.databases += 1;
    this.database = `chancery_${this.databases}`;
    this.sql('postgres', `CREATE DATABASE ${this.database} OWNER ${OWNER}`);
    return `postgres://${OWNER}@127.0.0.1:${this.port}/${this.database}`;
  }

  sql(database, statement) {
    return this.#run('psql', '-qAtX', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-p', String(this.port), '-U', 'postgres', '-d', database, '-c', statement);
  }

  /// All rows of the newest database as text.
  dump() {
    return this.#run('pg_dump', '-h', '127.0.0.1', '-p', String(this.port), '-U', 'postgres', '-d', this.database);
  }

  #run(program, ...args) {
    const command = [path.join(this.bin, program), ...args];
    if (process.getuid() === 0) command.unshift('runuser', '-u', 'postgres', '--');
    // pg_ctl's server would hold a pipe open for as long as it lives.
    const stdio = program === 'pg_ctl' ? 'ignore' : ['ignore', 'pipe', 'pipe'];
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
    try {
      return execFileSync(command[0], command.slice(1), { cwd: '/tmp', env, stdio, encoding: 'utf8', maxBuffer: 1 << 30 }) ?? '';
    } catch (error) {
      throw new Error(`${program} failed: ${error.stderr || error.message}`);
    }
  }

  dispose() {
    process.removeListener('exit', this.onExit);
    try {
      this.stop('immediate');
    } catch {
      // Not running: nothing to stop.
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
