// A client's address for back-channel logouts: answers, goes away, comes back on the same port, keeps what it was told in order.
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

export class Receiver {
  static async start() {
    const receiver = new Receiver();
    receiver.told = [];
    await receiver.open(0);
    receiver.uri = `http://127.0.0.1:${receiver.port}/out`;
    return receiver;
  }

  /// Answers from now on, each after `slow` ms.
  async open(port = this.port, slow = 0) {
    this.listener = http.createServer(async (request, response) => {
      let body = '';
      for await (const part of request.setEncoding('utf8')) body += part;
      if (slow) await pause(slow);
      // What is kept was answered, or the connection was lost on the way: then it comes again.
      this.told.push(new URLSearchParams(body).get('logout_token'));
      response.writeHead(200).end();
    }).listen(port, '127.0.0.1');
    await once(this.listener, 'listening');
    this.port = this.listener.address().port;
  }

  /// Nobody listens any more.
  async close() {
    if (!this.listener) return;
    this.listener.closeAllConnections();
    this.listener.close();
    await once(this.listener, 'close');
    this.listener = undefined;
  }
}
