// oidc-client-ts in a page of its own, in Chromium: what a single-page application does, with CORS and silent renewal.
//
// The application is served from another origin than the server (localhost, another port). It speaks to discovery, token endpoint,
// userinfo and JWKS by script, so that every one of these answers is read across origins. A third one watches the session in a frame of
// the server (OpenID Connect Session Management).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { audit } from './harness/auditor.mjs';
import { Browser } from './harness/browser.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { newAccount } from './harness/client.mjs';
import { Server } from './harness/server.mjs';

const checks = new Checks('oidc_client_ts');
const library = readFileSync(new URL('node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js', import.meta.url));

/// The pages of the application: one that loads the library, for every path.
class Application {
  static async start() {
    const application = new Application();
    application.listener = http.createServer((request, response) => {
      const script = new URL(request.url, 'http://localhost').pathname === '/library.js';
      response.setHeader('content-type', script ? 'text/javascript; charset=utf-8' : 'text/html; charset=utf-8');
      response.end(script ? library : '<!doctype html><title>app</title><script src="/library.js"></script>');
    }).listen(0, 'localhost');
    await once(application.listener, 'listening');
    application.origin = `http://localhost:${application.listener.address().port}`;
    return application;
  }

  dispose() {
    this.listener.closeAllConnections();
    this.listener.close();
  }
}

async function register(server, application, metadata) {
  const answer = await fetch(`${server.issuer}/reg`, {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'spa', token_endpoint_auth_method: 'none', redirect_uris: [`${application.origin}/callback`, `${application.origin}/silent`],
      post_logout_redirect_uris: [`${application.origin}/bye`], scope: 'openid profile email offline_access', ...metadata,
    }),
  });
  assert.equal(answer.status, 201, await answer.clone().text());
  return answer.json();
}

/// A `UserManager` in the page, as the application sets one up.
function setUp(page, server, application, client, scope, more = {}) {
  return page.evaluate((settings) => {
    const { UserManager, WebStorageStateStore } = window.oidc;
    window.manager = new UserManager({ ...settings, userStore: new WebStorageStateStore({ store: window.localStorage }) });
  }, {
    authority: server.issuer, client_id: client.client_id, redirect_uri: `${application.origin}/callback`,
    silent_redirect_uri: `${application.origin}/silent`, post_logout_redirect_uri: `${application.origin}/bye`, scope, loadUserInfo: true,
    automaticSilentRenew: false, includeIdTokenInSilentRenew: true, ...more,
  });
}

async function singlePage(check, server, browser, application, { grants, scope, name }) {
  const client = await check(`${name}: the application registers`, () => register(server, application, { grant_types: grants }));
  const visitor = await browser.visitor();
  const { page } = visitor;
  // The frame of a silent renewal: what the application's page in it does.
  await page.evaluateOnNewDocument((settings) => {
    window.addEventListener('DOMContentLoaded', () => {
      if (location.pathname === '/silent' && window.oidc) new window.oidc.UserManager(settings).signinSilentCallback();
    });
  }, { authority: server.issuer, client_id: client.client_id, redirect_uri: `${application.origin}/callback` });
  await visitor.go(application.origin);
  await setUp(page, server, application, client, scope);
  await check(`${name}: discovery is read across origins and the person signs in`, async () => {
    await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.evaluate(() => void window.manager.signinRedirect())]);
    await visitor.until(`${application.origin}/callback`, { account: newAccount(), register: true });
  });
  await setUp(page, server, application, client, scope);
  const user = await check(`${name}: code, tokens and userinfo by script`, () => page.evaluate(async () => {
    const found = await window.manager.signinRedirectCallback();
    return { access: found.access_token, refresh: found.refresh_token, profile: found.profile };
  }));
  await check.also(`${name}: the claims are the person's`, () => assert.ok(user.profile.email.includes('@') && user.profile.sub));
  await check.also(`${name}: a refresh token comes to whoever asked for one`, () => assert.equal(typeof user.refresh === 'string', grants.includes('refresh_token')));
  const renewed = await check(`${name}: it renews silently`, () => page.evaluate(async () => {
    const found = await window.manager.signinSilent();
    return { access: found.access_token, sub: found.profile.sub };
  }));
  await check.also(`${name}: with another access token of the same person`, () => {
    assert.notEqual(renewed.access, user.access);
    assert.equal(renewed.sub, user.profile.sub);
  });
  await check.also(`${name}: userinfo answers the renewed token across origins`, async () => {
    const status = await page.evaluate(async ([url, token]) => (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status,
      [`${server.issuer}/userinfo`, renewed.access]);
    assert.equal(status, 200);
  });
  await check.also(`${name}: a script of a foreign origin reads no token`, async () => {
    const stranger = await Application.start();
    const other = await browser.visitor();
    await other.go(stranger.origin);
    const outcome = await other.page.evaluate(([url, token]) => fetch(url, { headers: { authorization: `Bearer ${token}` } }).then((a) => a.status, () => 'refused'),
      [`${server.issuer}/userinfo`, renewed.access]);
    await other.close();
    stranger.dispose();
    assert.equal(outcome, 'refused');
  });
  await check(`${name}: signing out comes back`, async () => {
    await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.evaluate(() => void window.manager.signoutRedirect())]);
    await visitor.press('button[name=logout][value=yes]');
    assert.ok(await visitor.arrives(`${application.origin}/bye`, 10), page.url());
  });
  await setUp(page, server, application, client, scope);
  await check.also(`${name}: afterwards it renews no more`, async () => {
    const error = await page.evaluate(() => window.manager.signinSilent({ prompt: 'none' }).then(() => 'renewed', (fault) => fault.error ?? fault.message));
    assert.notEqual(error, 'renewed');
  });
  await visitor.close();
}

/// The application watches the session: its script asks the server's frame each second.
async function watching(check, server, browser, application) {
  const scope = 'openid profile email';
  const client = await check('the application registers', () => register(server, application, { grant_types: ['authorization_code'] }));
  const visitor = await browser.visitor();
  const { page } = visitor;
  await page.evaluateOnNewDocument((settings) => {
    window.addEventListener('DOMContentLoaded', () => {
      if (location.pathname === '/silent' && window.oidc) new window.oidc.UserManager(settings).signinSilentCallback();
    });
  }, { authority: server.issuer, client_id: client.client_id, redirect_uri: `${application.origin}/callback` });
  await visitor.go(application.origin);
  await setUp(page, server, application, client, scope);
  await check('the person signs in', async () => {
    await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.evaluate(() => void window.manager.signinRedirect())]);
    await visitor.until(`${application.origin}/callback`, { account: newAccount(), register: true });
  });
  await setUp(page, server, application, client, scope, { monitorSession: true, checkSessionIntervalInSeconds: 1 });
  await check('the answer carries session_state, and the library watches', async () => {
    const state = await page.evaluate(async () => {
      window.heard = [];
      window.manager.events.addUserSignedOut(() => window.heard.push('signed out'));
      window.manager.events.addUserSessionChanged(() => window.heard.push('changed'));
      return (await window.manager.signinRedirectCallback()).session_state;
    });
    assert.match(state ?? '', /^[\w-]+\.[\w-]+$/);
  });
  await check.also('while the person is signed in nothing is heard', async () => {
    await pause(3500);
    assert.deepEqual(await page.evaluate(() => window.heard), []);
  });
  await check('the person signs out in another tab', async () => {
    const tab = await visitor.context.newPage();
    await tab.goto(`${server.issuer}/session/end`, { waitUntil: 'load' });
    await Promise.all([tab.waitForNavigation({ waitUntil: 'load' }), tab.click('button[name=logout][value=yes]')]);
    await tab.close();
    await page.bringToFront();
  });
  await check('the watching application hears of it', async () => {
    const deadline = Date.now() + 15_000;
    while (!(await page.evaluate(() => window.heard)).includes('signed out')) {
      assert.ok(Date.now() < deadline, `heard: ${await page.evaluate(() => window.heard.join())}`);
      await pause(200);
    }
  });
  await visitor.close();
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'chancery-watch-'));
const config = path.join(folder, 'chancery.toml');
writeFileSync(config, '[logout]\nsession_management = true\n');
for (const backend of backends()) {
  let server;
  let browser;
  let application;
  await checks.group(`${backend} start`, async (check) => {
    server = await check('the server starts on empty data', () => Server.start({ backend, config }));
    browser = await check('Chromium starts', () => Browser.start());
    application = await Application.start();
  });
  if (server && application) {
    const group = (name, body) => checks.group(`${backend} ${name}`, body, server.explain());
    await group('in a frame', (check) => singlePage(check, server, browser, application, {
      name: 'frame', grants: ['authorization_code'], scope: 'openid profile email',
    }));
    await group('by refresh token', (check) => singlePage(check, server, browser, application, {
      name: 'refresh', grants: ['authorization_code', 'refresh_token'], scope: 'openid profile email offline_access',
    }));
    await group('watching', (check) => watching(check, server, browser, application));
    await group('audit', (check) => audit(check, server));
    await group('stop', (check) => check('the server ends on SIGTERM', () => server.stop()));
  }
  application?.dispose();
  await browser?.dispose();
  await server?.dispose();
}
rmSync(folder, { recursive: true, force: true });
checks.end();
