// Runs a command against a Chancery of its own: node with_server.mjs [--backend sqlite|postgres] -- <command> [argument...]
//
// The command finds the server in its environment: ORIGIN (http://localhost:PORT), ISSUER (ORIGIN/oidc), BACKEND, DATA_DIR. Its exit
// code is this program's; if it fails, the last lines of the server's log follow.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { backends } from './harness/checks.mjs';
import { Server } from './harness/server.mjs';

const separator = process.argv.indexOf('--');
const [program, ...args] = separator < 0 ? [] : process.argv.slice(separator + 1);
if (!program) {
  console.error('usage: node with_server.mjs [--backend sqlite|postgres] -- <command> [argument...]');
  process.exit(2);
}
let worst = 0;
for (const backend of backends(process.argv.slice(2, separator))) {
  const server = await Server.start({ backend }).catch((error) => {
    console.log(`not ok - ${program} [${backend}] the server starts\n# ${error.message.replaceAll('\n', '\n# ')}`);
    worst = 1;
  });
  if (!server) continue;
  const env = { ...process.env, ORIGIN: server.origin, ISSUER: server.issuer, BACKEND: backend, DATA_DIR: server.dataDir };
  const child = spawn(program, args, { env, stdio: 'inherit' });
  const code = await Promise.race([once(child, 'exit').then(([status]) => status ?? 1), once(child, 'error').then(([error]) => error.message)]);
  if (code !== 0) {
    console.log(`# ${program} ended with ${code} on ${backend}\n# ${server.logTail().replaceAll('\n', '\n# ')}`);
    worst = 1;
  }
  await server.dispose();
}
process.exit(worst);
