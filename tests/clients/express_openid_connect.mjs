// express-openid-connect, the middleware with which most Express applications sign people in.
//
// Its default is the implicit flow, which this server does not speak: the application's author gets a sentence that names the
// setting to change. With `response_type: 'code'` it works end to end, a restart of the server in the middle included.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import express from 'express';
import eoc from 'express-openid-connect';
import { Browser } from './harness/browser.mjs';
import { audit } from './harness/auditor.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { json, newAccount } from './harness/client.mjs';
import { freePort } from './harness/port.mjs';
import { Server } from './harness/server.mjs';

const checks = new Checks('express_openid_connect');

/// An application of its own port: `/profile` demands a person and shows what the library knows.
async function startApplication(server, settings = {}) {
  const port = await freePort();
  const baseURL = `http://127.0.0.1:${port}`;
  const client = await json(await fetch(`${server.origin}/clients`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Express application', redirect_uris: [`${baseURL}/callback`], post_logout_redirect_uris: [baseURL],
      grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'client_secret_basic', scope: 'openid profile email',
    }),
  }), 201);
  const app = express();
  app.use(eoc.auth({
    issuerBaseURL: server.issuer, baseURL, clientID: client.client_id, clientSecret: client.client_secret,
    clientAuthMethod: 'client_secret_basic', secret: randomBytes(32).toString('hex'), authRequired: false, idpLogout: true, ...settings,
  }));
  app.get('/', (request, response) => response.send(`<!doctype html><title>home</title>${request.oidc.isAuthenticated() ? 'signed in' : 'signed out'}`));
  app.get('/profile', eoc.requiresAuth(), async (request, response) => {
    response.json({ claims: request.oidc.idTokenClaims, userinfo: await request.oidc.fetchUserInfo() });
  });
  app.get('/refresh', eoc.requiresAuth(), async (request, response) => {
    const before = request.oidc.accessToken.access_token;
    const { access_token: after } = await request.oidc.accessToken.refresh();
    response.json({ changed: before !== after });
  });
  app.use((error, _request, response, _next) => {
    response.status(error.status ?? 500).json({ message: error.message, error: error.error, error_description: error.error_description });
  });
  const listener = app.listen(port, '127.0.0.1');
  await once(listener, 'listening');
  return { baseURL, client, stop: () => { listener.closeAllConnections(); listener.close(); } };
}

const shown = async (visitor) => JSON.parse(await visitor.page.evaluate(() => document.body.innerText));

async function signIn(check, server) {
  const application = await check('the application registers at /clients', () => startApplication(server, {
    authorizationParams: { response_type: 'code', scope: 'openid profile email' },
  }));
  const visitor = await browser.visitor();
  const account = newAccount();
  try {
    await check('/profile sends the browser to the sign-in page', async () => {
      await visitor.go(`${application.baseURL}/profile`);
      assert.equal(await visitor.kind(), 'login', await visitor.describe());
    });
    await check('a new account, then the consent page', async () => {
      await visitor.toRegistration();
      await visitor.register(account);
      if (await visitor.kind() === 'login') await visitor.signIn(account);
      assert.equal(await visitor.kind(), 'consent', await visitor.describe());
    });
    await check('the server restarts while the consent page is open', () => server.restart());
    await check('consent leads back to /profile with the person\'s claims', async () => {
      await visitor.decide('allow');
      assert.equal(visitor.page.url(), `${application.baseURL}/profile`, await visitor.describe());
      const { claims, userinfo } = await shown(visitor);
      assert.equal(claims.iss, server.issuer);
      assert.equal(claims.aud, application.client.client_id);
      assert.equal(userinfo.sub, claims.sub);
      assert.equal(userinfo.email, account.email);
      assert.equal(userinfo.name, account.name);
    });
    await check.also('the access token refreshes', async () => {
      await visitor.go(`${application.baseURL}/refresh`);
      assert.deepEqual(await shown(visitor), { changed: true });
    });
    await check.also('no complaint of the browser', () => assert.deepEqual(visitor.takeComplaints(), []));
    await check('/logout asks at the server, then comes home', async () => {
      await visitor.go(`${application.baseURL}/logout`);
      assert.ok(visitor.page.url().startsWith(server.origin), await visitor.describe());
      await visitor.press('form[method=post] :is(button[value=allow], button[name=logout], button:not([type=button]))');
      assert.equal(new URL(visitor.page.url()).origin, application.baseURL, await visitor.describe());
    });
    await check('both sessions are gone: /profile asks for the password', async () => {
      await visitor.go(`${application.baseURL}/profile`);
      assert.equal(await visitor.kind(), 'login', await visitor.describe());
    });
    await check('signing in again needs no second consent', async () => {
      const seen = await visitor.until(application.baseURL, { account });
      assert.deepEqual(seen, ['login']);
      assert.equal((await shown(visitor)).userinfo.email, account.email);
    });
  } finally {
    application.stop();
    await visitor.close();
  }
}

async function implicitDefault(check, server) {
  const application = await startApplication(server, { clientSecret: undefined, clientAuthMethod: undefined, idpLogout: false });
  const visitor = await browser.visitor();
  try {
    const request = await check('without the setting the library asks for response_type=id_token', async () => {
      const answer = await fetch(`${application.baseURL}/login`, { redirect: 'manual' });
      const url = new URL(answer.headers.get('location'));
      assert.equal(url.searchParams.get('response_type'), 'id_token');
      return url;
    });
    await check.also('the answer is unsupported_response_type with a sentence that names the setting', async () => {
      const error = await refusedRequest(request);
      assert.equal(error.error, 'unsupported_response_type', JSON.stringify(error));
      assert.match(error.description, /response_type/, 'names the setting');
      assert.match(error.description, /code/, 'names the value');
    });
    await check('the person at the browser learns of it too', async () => {
      await visitor.go(`${application.baseURL}/login`);
      const told = async () => /unsupported_response_type/.test(await visitor.describe());
      // The library asked for form_post: the page sends itself, or has a button. A page of the server's own is as good.
      if (!await visitor.arrives(application.baseURL) && !await told()) await visitor.press('form[method=post] :is(button, input[type=submit])');
      checks.note(await visitor.describe());
      assert.ok(visitor.page.url().startsWith(application.baseURL) || await told(), 'neither the application nor the person was told');
    });
  } finally {
    application.stop();
    await visitor.close();
  }
}

/// The refusal, wherever the server puts it: a redirect, a page that posts itself to the client, or a page for the person.
async function refusedRequest(url) {
  const answer = await fetch(url, { redirect: 'manual', headers: { accept: 'text/html' } });
  const location = answer.headers.get('location');
  if (location) {
    const target = new URL(location, url);
    const parameters = target.hash ? new URLSearchParams(target.hash.slice(1)) : target.searchParams;
    return { error: parameters.get('error'), description: parameters.get('error_description') ?? '' };
  }
  const page = await answer.text();
  const field = (name) => page.match(new RegExp(`name="${name}"[^>]*value="([^"]*)"`))?.[1];
  return { error: field('error') ?? page.match(/\bunsupported_response_type\b/)?.[0], description: field('error_description') ?? page };
}

const browser = await Browser.start();
for (const backend of backends()) {
  let server;
  await checks.group(`${backend} start`, async (check) => {
    server = await check('the server starts on empty data', () => Server.start({ backend }));
  });
  if (!server) continue;
  await checks.group(`${backend} sign-in`, (check) => signIn(check, server), server.explain());
  await checks.group(`${backend} implicit default`, (check) => implicitDefault(check, server), server.explain());
  await checks.group(`${backend} audit`, (check) => audit(check, server));
  await server.dispose();
}
await browser.dispose();
checks.end();
