// auth0-spa-js in a page of its own, in Chromium: people sign in inside a pop-up, and tokens are renewed in a frame, by messages between
// windows (response_mode=web_message).
//
// The library knows one server, whose endpoints have names of their own and which speaks https: a proxy gives ours these names. The
// application is served by https too, from another port: another origin of the same site, so that its frames bring the cookies.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { audit } from './harness/auditor.mjs';
import { Browser, Visitor } from './harness/browser.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { newAccount } from './harness/client.mjs';
import { freePort } from './harness/port.mjs';
import { Server } from './harness/server.mjs';

const checks = new Checks('auth0_spa_js');
const library = readFileSync(new URL('node_modules/@auth0/auth0-spa-js/dist/auth0-spa-js.production.js', import.meta.url));
const folder = mkdtempSync(path.join(os.tmpdir(), 'chancery-message-'));
const file = (name) => path.join(folder, name);
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file('key'), '-out', file('pem'),
  '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'], { stdio: 'ignore' });
const tls = { key: readFileSync(file('key')), cert: readFileSync(file('pem')) };

/// A server that knows the application, and lets answers travel as messages.
const settings = (origin) => `
registration = "open"
trusted_proxies = ["127.0.0.0/8"]
[response_modes]
web_message = true
[[client]]
client_id = "spa"
client_name = "Single page"
token_endpoint_auth_method = "none"
redirect_uris = ["${origin}/callback"]
grant_types = ["authorization_code"]
scope = "openid profile email"
`;

/// What is reached by the name of the key is at the value.
const NAMES = { '/oidc/authorize': '/oidc/auth', '/oidc/oauth/token': '/oidc/token' };

/// Ends TLS before the server, as a proxy does.
async function proxy(port, target) {
  const listener = https.createServer(tls, (request, response) => {
    const [name, query] = request.url.split('?');
    const where = `${NAMES[name] ?? name}${query === undefined ? '' : `?${query}`}`;
    const headers = { ...request.headers, 'x-forwarded-proto': 'https', 'x-forwarded-for': '127.0.0.1' };
    const onward = http.request({ port: target, host: '127.0.0.1', path: where, method: request.method, headers }, (answer) => {
      // The library sends a header of its own, which browsers ask about first.
      const allowed = answer.headers['access-control-allow-headers'];
      if (allowed) answer.headers['access-control-allow-headers'] = `${allowed}, Auth0-Client`;
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  }).listen(port, 'localhost');
  await once(listener, 'listening');
  return listener;
}

/// The application: one page, which loads the library.
async function application() {
  const listener = https.createServer(tls, (request, response) => {
    const script = request.url === '/library.js';
    response.setHeader('content-type', script ? 'text/javascript; charset=utf-8' : 'text/html; charset=utf-8');
    response.end(script ? library : '<!doctype html><title>app</title><script src="/library.js"></script>');
  }).listen(0, 'localhost');
  await once(listener, 'listening');
  return { listener, origin: `https://localhost:${listener.address().port}` };
}

const end = (listener) => { listener?.closeAllConnections(); listener?.close(); };

/// The library's client in the page, as the application sets one up.
function setUp(page, authority, redirect) {
  return page.evaluate(([domain, redirect_uri]) => {
    window.client = new window.auth0.Auth0Client({
      domain, issuer: domain, clientId: 'spa', cacheLocation: 'memory', authorizationParams: { redirect_uri, scope: 'openid profile email' }, authorizeTimeoutInSeconds: 10,
    });
  }, [authority, redirect]);
}

/// What `action` of the page gave: its value, or the error's code.
const outcome = (page, action) => page.evaluate(`(${action})().then((value) => ({ value }), (fault) => ({ fault: fault.error ?? String(fault) }))`);

/// Does `work` in the window that `action` of the page opens, and gives both their results.
async function inPopUp(visitor, action, work) {
  const opened = new Promise((resolve) => { visitor.page.once('popup', resolve); });
  const result = outcome(visitor.page, action).catch((error) => ({ fault: error.message }));
  const popUp = await opened;
  const person = Object.assign(new Visitor(), { context: visitor.context, complaints: [], page: popUp });
  const deadline = Date.now() + 15_000;
  while ((await person.kind().catch(() => 'other')) === 'other' && !popUp.isClosed() && Date.now() < deadline) await pause(50);
  // The window closes in the middle of a step: that is how it ends.
  await work(person).catch((error) => { if (!popUp.isClosed() && !/Target closed|Session closed|detached|destroyed/.test(error.message)) throw error; });
  return result;
}

async function messages(check, server, browser, origin) {
  const visitor = await browser.visitor();
  const { page } = visitor;
  await visitor.go(origin);
  await setUp(page, server.issuer, `${origin}/callback`);
  await check('nobody is signed in: the frame hands the error over', async () => {
    assert.deepEqual(await outcome(page, 'async () => window.client.getTokenSilently()'), { fault: 'login_required' });
  });
  const account = newAccount();
  await check('the person signs in inside a pop-up, which closes', async () => {
    const result = await inPopUp(visitor, 'async () => { await window.client.loginWithPopup(); return window.client.getUser(); }',
      (person) => person.until(`${origin}/never`, { account, register: true }));
    assert.ok(result.value?.sub, JSON.stringify(result));
    const claims = await page.evaluate(async (url) => {
      const authorization = `Bearer ${await window.client.getTokenSilently()}`;
      return (await fetch(url, { headers: { authorization } })).json();
    }, `${server.issuer}/userinfo`);
    assert.deepEqual([claims.sub, claims.email], [result.value.sub, account.email]);
    assert.equal((await visitor.context.pages()).length, 1);
  });
  await check('the frame renews without a question', async () => {
    const tokens = await outcome(page, 'async () => [await window.client.getTokenSilently(), await window.client.getTokenSilently({ cacheMode: "off" })]');
    assert.ok(tokens.value && tokens.value[0] !== tokens.value[1], JSON.stringify(tokens));
  });
  await check('denying comes back as the error', async () => {
    const result = await inPopUp(visitor, 'async () => window.client.loginWithPopup({ authorizationParams: { prompt: "consent" } })',
      (person) => person.until(`${origin}/never`, { account, decision: 'deny' }));
    assert.equal(result.fault, 'access_denied');
  });
  await check('a window of the application hears the same request, one of another origin nothing', async () => {
    const stranger = await application();
    const query = new URLSearchParams({
      client_id: 'spa', response_type: 'code', response_mode: 'web_message', redirect_uri: `${origin}/callback`, scope: 'openid', prompt: 'none', state: 's',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256',
    });
    try {
      for (const [opener, messages] of [[origin, 1], [stranger.origin, 0]]) {
        const tab = await visitor.context.newPage();
        await tab.goto(opener, { waitUntil: 'load' });
        const heard = await tab.evaluate((url) => new Promise((resolve) => {
          const all = [];
          window.addEventListener('message', (event) => all.push(event.data));
          window.open(url);
          setTimeout(() => resolve(all), 2000);
        }), `${server.issuer}/auth?${query}`);
        assert.equal(heard.filter((own) => own.response?.code && own.response.state === 's').length, messages, JSON.stringify(heard));
        assert.equal(heard.length, messages);
        await tab.close();
      }
    } finally {
      end(stranger.listener);
    }
  });
  await visitor.close();
}

for (const backend of backends()) {
  let server;
  let browser;
  let front;
  let app;
  await checks.group(`${backend} start`, async (check) => {
    const port = await freePort();
    app = await application();
    writeFileSync(file('chancery.toml'), settings(app.origin));
    const secret = () => randomBytes(32).toString('base64');
    const env = { OIDC_ISSUER: `https://localhost:${port}`, OIDC_COOKIE_SECRET: secret(), CHANCERY_MASTER_KEY: secret() };
    server = await check('the server starts behind TLS', () => Server.start({ backend, config: file('chancery.toml'), env }));
    front = await proxy(port, server.port);
    browser = await check('Chromium starts', () => Browser.start({ certificates: 'any' }));
  });
  if (server && browser) {
    await checks.group(`${backend} messages`, (check) => messages(check, server, browser, app.origin), server.explain());
    await checks.group(`${backend} audit`, (check) => audit(check, server));
    await checks.group(`${backend} stop`, (check) => check('the server ends on SIGTERM', () => server.stop()));
  }
  end(front);
  end(app?.listener);
  await browser?.dispose();
  await server?.dispose();
}
rmSync(folder, { recursive: true, force: true });
checks.end();
