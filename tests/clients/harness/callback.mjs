// The client's side of the redirect: a loopback listener that keeps what the browser brings.
import { once } from 'node:events';
import http from 'node:http';

export class Callback {
  static async start() {
    const callback = new Callback();
    callback.arrived = [];
    callback.waiting = [];
    callback.listener = http.createServer((request, response) => {
      const url = new URL(request.url, callback.origin);
      response.setHeader('content-type', 'text/html; charset=utf-8');
      if (url.pathname !== '/callback') return response.writeHead(url.pathname === '/' ? 200 : 404).end('<!doctype html><title>client</title>');
      response.end('<!doctype html><title>callback</title>');
      const waiter = callback.waiting.shift();
      if (waiter) waiter(url);
      else callback.arrived.push(url);
    }).listen(0, '127.0.0.1');
    await once(callback.listener, 'listening');
    callback.origin = `http://127.0.0.1:${callback.listener.address().port}`;
    callback.url = `${callback.origin}/callback`;
    return callback;
  }

  /// The next redirect that reached the client, in order of arrival.
  next(seconds = 15) {
    if (this.arrived.length > 0) return Promise.resolve(this.arrived.shift());
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`nothing reached the client's redirect_uri within ${seconds} s`)), seconds * 1000);
      this.waiting.push((url) => { clearTimeout(late); resolve(url); });
    });
  }

  dispose() {
    this.listener.closeAllConnections();
    this.listener.close();
  }
}
