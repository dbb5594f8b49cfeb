// One port in front of several nodes, connection by connection: node balance.mjs PORT TARGET-PORT...
// Its own CPU time is nobody's: servers are accounted by their process ids.
import net from 'node:net';

const [port, ...targets] = process.argv.slice(2).map(Number);
let next = 0;
net.createServer({ noDelay: true }, (client) => {
  const node = net.connect({ port: targets[next++ % targets.length], host: '127.0.0.1', noDelay: true });
  client.pipe(node).pipe(client);
  for (const socket of [client, node]) socket.on('error', () => { client.destroy(); node.destroy(); });
}).listen(port, '127.0.0.1');
