// The log that a client program left behind, as an auditor takes it: checked in place, then exported and checked offline by both verifiers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PYTHON = fileURLToPath(new URL('../../../src/verify/python/chancery_verify.py', import.meta.url));

/// While the server runs. What real clients did must be a history that no verifier objects to.
export async function audit(check, server) {
  await check.also('the log verifies in place', () => server.cli('audit', 'verify', '--schemas'));
  const folder = path.join(server.folder, 'export');
  await check('the log is exported', () => server.cli('audit', 'export', '--to', folder));
  await check.also('the export verifies offline', () => succeeds(path.join(path.dirname(server.binary), 'chancery-verify'), ['--schemas', folder]));
  await check.also('the verifier in Python agrees', () => succeeds('python3', [PYTHON, folder]));
}

async function succeeds(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { said += text; });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${path.basename(program)} ended with ${code}\n${said.slice(-2000)}`);
  return said;
}
