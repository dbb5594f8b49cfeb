// The log that a client program left behind, as an auditor takes it: checked in place, then exported and checked offline by both verifiers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PYTHON = fileURLToPath(new URL('../../../src/verify/python/chancery_verify.py', import.meta.url));

/// The events of a replay are those of the checkpoint: RFC 6962 §2.1 over the leaves that it holds.
const SAME_ROOT = `
import base64, hashlib, sqlite3, sys
leaves = [hashlib.sha256(b"\\0" + leaf.encode()).digest() for leaf, in sqlite3.connect(sys.argv[1]).execute("SELECT leaf FROM events ORDER BY position")]
def root(hashes):
    if len(hashes) == 1: return hashes[0]
    middle = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\\1" + root(hashes[:middle]) + root(hashes[middle:])).digest()
size, signed = sys.argv[2:]
assert len(leaves) == int(size), f"{len(leaves)} events, the checkpoint has {size}"
assert base64.b64encode(root(leaves)).decode() == signed, "another root"
`;

/// While the server runs. What real clients did must be a history that no verifier objects to.
export async function audit(check, server) {
  await check.also('the log verifies in place', () => server.cli('audit', 'verify', '--schemas'));
  const folder = path.join(server.folder, 'export');
  await check('the log is exported', () => server.cli('audit', 'export', '--to', folder));
  await check.also('the export verifies offline', () => succeeds(path.join(path.dirname(server.binary), 'chancery-verify'), ['--schemas', folder]));
  await check.also('the verifier in Python agrees', () => succeeds('python3', [PYTHON, folder]));
  const [, size, root] = readFileSync(path.join(folder, 'checkpoint'), 'utf8').split('\n');
  await check('the log is replayed up to its checkpoint', () => server.cli('replay', '--until', String(size - 1), '--to', 'sqlite:then.db'));
  await check.also('the replay holds what the checkpoint signs', () => succeeds('python3', ['-c', SAME_ROOT, path.join(server.folder, 'then.db'), size, root]));
}

async function succeeds(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { said += text; });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${path.basename(program)} ended with ${code}\n${said.slice(-2000)}`);
  return said;
}
