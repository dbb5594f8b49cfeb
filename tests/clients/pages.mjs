// The pages as people meet them: pictures of each in both sizes and both colour schemes, kept in target/artefacts/pages, and what can
// be checked without eyes.
//
// | Rule | Why |
// |---|---|
// | no error of script or content security policy, no script from elsewhere | a page that needs an exception has no policy |
// | nothing sticks out at 320 px | WCAG 2.2 §1.4.10 |
// | every field has a label, every page a language, a title and one h1; axe finds nothing | WCAG 2.2 §1.3.1, §3.1.1, §2.4.2 |
// | the whole way works with JavaScript off | DESIGN.md §6: server-rendered |
// | dark scheme is dark | |
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { Browser } from './harness/browser.mjs';
import { Callback } from './harness/callback.mjs';
import { audit } from './harness/auditor.mjs';
import { Checks, backends } from './harness/checks.mjs';
import { Client, json, newAccount } from './harness/client.mjs';
import { Server } from './harness/server.mjs';

const ARTEFACTS = process.env.ARTEFACTS ?? fileURLToPath(new URL('../../target/artefacts/', import.meta.url));
const SIZES = { wide: { width: 1280, height: 900 }, phone: { width: 390, height: 844, isMobile: true, hasTouch: true, deviceScaleFactor: 2 } };
const NARROW = { width: 320, height: 640 };
const SCOPE = 'openid profile email';
/// What is left to the person: one account, and some of them (RFC 9396 §7.1).
const WISHES = JSON.stringify([{ type: 'payment', amount: '5.00', to: 'Ann <b>Lee</b>' }, { type: 'account_information' }]);
const TOML = `
[[authorization_details_type]]
name = "payment"
schema = '{"properties":{"amount":{"type":"string"},"to":{"type":"string"}},"required":["amount","to"],"additionalProperties":false}'
words = "Pay {amount} EUR to {to}"
enrichment = '{"account":{"choose_one":"accounts","words":"From which account to {to}?"}}'

[[authorization_details_type]]
name = "account_information"
schema = '{"additionalProperties":false}'
words = "See balances and statements of accounts that you choose"
enrichment = '{"accounts":{"choose":"accounts","words":"Which accounts?","most":2}}'
`;
const ACCOUNTS = ['Current account, DE40 1001 0010 3307 1186 08', 'Savings, DE02 1203 0000 0000 2020 51', 'The household of the Liddells and everybody who lives there, DE02 5001 0517 0137 0750 30'];

const checks = new Checks('pages');

/// The pages by name: how to get there, the status that is due.
function journeys(server, client, { account, viewer, auditor }) {
  const stranger = { url: client.request().url };
  const signedUp = async (visitor, person = account) => {
    await visitor.go(client.request({ prompt: 'login' }).url);
    await visitor.until(client.redirectUri, { account: person });
  };
  const audits = async (visitor) => {
    await visitor.go(`${server.origin}/admin/audit`);
    await visitor.signIn(auditor);
  };
  const follow = async (visitor, selector) => {
    const href = await visitor.page.$eval(selector, (link) => link.getAttribute('href'));
    return visitor.go(`${server.origin}${href}`);
  };
  /// A television asks for its codes.
  const asks = async () => {
    const television = await Client.register(server, {
      client_name: 'Meadow Television', redirect_uris: [], response_types: [], token_endpoint_auth_method: 'none',
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    });
    const fields = { client_id: television.metadata.client_id, scope: `${SCOPE} offline_access` };
    const headers = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' };
    return json(await fetch(television.endpoints.device_authorization_endpoint, { method: 'POST', headers, body: new URLSearchParams(fields) }), 200);
  };
  /// A bank asks somebody whom it knows, on their own screen.
  const wants = async (person) => {
    const { metadata, endpoints } = await Client.register(server, {
      client_name: 'Meadow Bank', redirect_uris: [], response_types: [], grant_types: ['urn:openid:params:grant-type:ciba'],
      backchannel_token_delivery_mode: 'poll',
    });
    const { client_id, client_secret } = metadata;
    const body = new URLSearchParams({ client_id, client_secret, scope: SCOPE, login_hint: person.email, binding_message: 'Pay 5 EUR <b>W4SCT</b>' });
    await json(await fetch(endpoints.backchannel_authentication_endpoint, { method: 'POST', body }), 200);
  };
  const end = (parameters = {}) => `${client.endpoints.end_session_endpoint}?${new URLSearchParams({ client_id: client.metadata.client_id, ...parameters })}`;
  return [
    { name: 'login', go: (visitor) => visitor.go(stranger.url), status: 200, kind: 'login' },
    { name: 'login-wrong-password', status: [200, 400, 401, 403], kind: 'login', go: async (visitor) => {
      await visitor.go(client.request().url);
      await visitor.fill({ login: account.email, password: 'not the password' });
      return submitted(visitor);
    } },
    { name: 'register', status: 200, kind: 'register', go: async (visitor) => {
      await visitor.go(client.request().url);
      await visitor.toRegistration();
    } },
    { name: 'register-refused', status: [200, 400, 422], kind: 'register', go: async (visitor) => {
      await visitor.go(client.request().url);
      await visitor.toRegistration();
      // What a browser would not let through, a script sends.
      await visitor.page.$eval('form:has(input[name=password])', (form) => { form.noValidate = true; });
      await visitor.fill({ email: 'not-an-address', password: 'short', name: '' });
      return submitted(visitor);
    } },
    { name: 'consent', status: 200, kind: 'consent', go: async (visitor) => {
      await visitor.go(client.request({ scope: SCOPE, prompt: 'login consent' }).url);
      await visitor.signIn(account);
    } },
    { name: 'consent-choices', status: 200, kind: 'consent', go: async (visitor) => {
      await visitor.go(client.request({ scope: SCOPE, authorization_details: WISHES }).url);
      return visitor.signIn(viewer);
    } },
    { name: 'consent-choices-wrong', status: 400, kind: 'consent', go: async (visitor) => {
      await visitor.go(client.request({ scope: SCOPE, authorization_details: WISHES }).url);
      await visitor.signIn(viewer);
      await visitor.page.$eval('form:has(button[value=allow])', (form) => { form.noValidate = true; });
      for (const box of await visitor.page.$$('input[type=checkbox]')) await box.click();
      return visitor.press('button[value=allow]');
    } },
    { name: 'logout', status: 200, go: async (visitor) => {
      await signedUp(visitor);
      return visitor.go(end());
    } },
    { name: 'choose', status: 200, go: async (visitor) => {
      await signedUp(visitor);
      await visitor.go(client.request({ prompt: 'select_account' }).url);
      await follow(visitor, 'a[href$="/sign-in"]');
      await visitor.signIn(viewer);
      await visitor.until(client.redirectUri, { account: viewer });
      return visitor.go(client.request({ prompt: 'select_account' }).url);
    } },
    { name: 'logout-beside', status: 200, go: async (visitor) => {
      await signedUp(visitor);
      await visitor.go(client.request({ prompt: 'select_account' }).url);
      await follow(visitor, 'a[href$="/sign-in"]');
      await visitor.signIn(viewer);
      await visitor.until(client.redirectUri, { account: viewer });
      return visitor.go(end());
    } },
    { name: 'logged-out', status: 200, go: async (visitor) => {
      await signedUp(visitor);
      await visitor.go(end());
      await visitor.press('form[method=post] :is(button[value=allow], button[name=logout], button:not([type=button]))');
    } },
    { name: 'account-sign-in', go: (visitor) => visitor.go(`${server.origin}/account`), status: 200, kind: 'login' },
    { name: 'account', status: 200, go: async (visitor) => {
      await signedUp(visitor);
      return visitor.go(`${server.origin}/account`);
    } },
    { name: 'account-withdrawn', status: 200, go: async (visitor) => {
      await signedUp(visitor);
      await visitor.go(`${server.origin}/account`);
      return visitor.press('form[action="/account/apps"] button');
    } },
    { name: 'account-profile', status: 200, go: async (visitor) => {
      await signedUp(visitor);
      return visitor.go(`${server.origin}/account/profile`);
    } },
    { name: 'account-profile-refused', status: 400, go: async (visitor) => {
      await signedUp(visitor);
      await visitor.go(`${server.origin}/account/profile`);
      await visitor.fill({ birthdate: 'yesterday', website: 'javascript:alert(1)', phone_number: '12' });
      return visitor.press('form[action="/account/profile"] button');
    } },
    { name: 'account-password', status: 200, go: async (visitor) => {
      await signedUp(visitor);
      return visitor.go(`${server.origin}/account/password`);
    } },
    { name: 'account-password-refused', status: 400, go: async (visitor) => {
      await signedUp(visitor);
      await visitor.go(`${server.origin}/account/password`);
      await visitor.fill({ current: 'not the password', password: 'a quite different sentence' });
      return visitor.press('form[action="/account/password"] button');
    } },
    { name: 'account-email', status: 200, go: async (visitor) => {
      await signedUp(visitor, viewer);
      return visitor.go(`${server.origin}/account/email`);
    } },
    { name: 'device-sign-in', go: (visitor) => visitor.go(`${server.origin}/device`), status: 200, kind: 'login' },
    { name: 'device', status: 200, go: async (visitor) => {
      await signedUp(visitor, viewer);
      return visitor.go(`${server.origin}/device`);
    } },
    { name: 'device-unknown', status: 400, go: async (visitor) => {
      await signedUp(visitor, viewer);
      await visitor.go(`${server.origin}/device`);
      await visitor.fill({ user_code: 'bbbb bbbb' });
      return visitor.press('form[action="/device"] button');
    } },
    { name: 'device-confirm', status: 200, kind: 'consent', go: async (visitor) => {
      await visitor.go((await asks()).verification_uri_complete);
      return visitor.signIn(viewer);
    } },
    { name: 'device-allowed', status: 200, go: async (visitor) => {
      await signedUp(visitor, viewer);
      await visitor.go((await asks()).verification_uri_complete);
      return visitor.press('button[value=allow]');
    } },
    { name: 'device-denied', status: 200, go: async (visitor) => {
      await signedUp(visitor, viewer);
      await visitor.go((await asks()).verification_uri_complete);
      return visitor.press('button[value=deny]');
    } },
    { name: 'requests-sign-in', go: (visitor) => visitor.go(`${server.origin}/account/requests`), status: 200, kind: 'login' },
    { name: 'requests-nothing', status: 200, go: async (visitor) => {
      await signedUp(visitor, viewer);
      return visitor.go(`${server.origin}/account/requests`);
    } },
    { name: 'requests-allowed', status: 200, go: async (visitor) => {
      await wants(viewer);
      await signedUp(visitor, viewer);
      await visitor.go(`${server.origin}/account/requests`);
      return visitor.press('button[value=allow]');
    } },
    { name: 'requests-denied', status: 200, go: async (visitor) => {
      await wants(viewer);
      await signedUp(visitor, viewer);
      await visitor.go(`${server.origin}/account/requests`);
      return visitor.press('button[value=deny]');
    } },
    { name: 'requests-code', status: 200, go: async (visitor) => {
      await signedUp(visitor, viewer);
      return visitor.go(`${server.origin}/account/requests/code`);
    } },
    // Last of them: what it shows keeps waiting.
    { name: 'requests-confirm', status: 200, kind: 'consent', go: async (visitor) => {
      await wants(viewer);
      await wants(viewer);
      await signedUp(visitor, viewer);
      return visitor.go(`${server.origin}/account/requests`);
    } },
    { name: 'audit-sign-in', go: (visitor) => visitor.go(`${server.origin}/admin/audit`), status: 200, kind: 'login' },
    { name: 'audit-timeline', status: 200, go: async (visitor) => {
      await audits(visitor);
      return visitor.go(`${server.origin}/admin/audit`);
    } },
    { name: 'audit-filtered', status: 200, go: async (visitor) => {
      await audits(visitor);
      return visitor.go(`${server.origin}/admin/audit?subject=${encodeURIComponent(account.email)}`);
    } },
    { name: 'audit-event', status: 200, go: async (visitor) => {
      await audits(visitor);
      await visitor.go(`${server.origin}/admin/audit?type=CodeIssued`);
      return follow(visitor, '.roll .position');
    } },
    { name: 'audit-story', status: 200, go: async (visitor) => {
      await audits(visitor);
      await visitor.go(`${server.origin}/admin/audit?type=CodeIssued`);
      return follow(visitor, '.near a[href^="/admin/audit/tokens/"]');
    } },
    { name: 'audit-stream', status: 200, go: async (visitor) => {
      await audits(visitor);
      await visitor.go(`${server.origin}/admin/audit?type=CodeIssued`);
      return follow(visitor, '.near a[href^="/admin/audit/streams/"]');
    } },
    { name: 'audit-token', status: 200, go: async (visitor) => {
      await audits(visitor);
      await visitor.go(`${server.origin}/admin/audit?type=CodeIssued`);
      const digest = await visitor.page.$eval('.near a[href^="/admin/audit/tokens/"]', (link) => link.getAttribute('href').split('/').pop());
      await visitor.go(`${server.origin}/admin/audit/token`);
      await visitor.fill({ token: digest });
      return visitor.press('form[action="/admin/audit/token"] button');
    } },
    { name: 'error-unknown-client', status: 400, go: (visitor) => visitor.go(client.request({ client_id: 'nobody' }).url) },
    { name: 'error-redirect-uri', status: 400, go: (visitor) => visitor.go(client.request({ redirect_uri: 'http://127.0.0.1:1/elsewhere' }).url) },
    { name: 'error-interaction-gone', status: [400, 403, 404, 410], go: (visitor) => visitor.go(`${server.origin}/auth/interaction/nothing-of-this-name`) },
    { name: 'error-not-found', status: 404, go: (visitor) => visitor.go(`${server.origin}/nowhere`) },
  ];
}

/// Sends the form with the password and gives the answer.
async function submitted(visitor) {
  const [answer] = await Promise.all([visitor.page.waitForNavigation({ waitUntil: 'load' }), visitor.page.$eval('form:has(input[name=password])', (form) => form.requestSubmit())]);
  return answer;
}

async function inspect(check, browser, server, { name, go, status, kind }) {
  const visitor = await browser.visitor();
  try {
    await visitor.page.setViewport(SIZES.wide);
    const answer = await check('is reached', async () => {
      const reached = await go(visitor);
      if (kind) assert.equal(await visitor.kind(), kind, await visitor.describe());
      assert.ok(visitor.page.url().startsWith(server.origin), `the browser is at ${visitor.page.url()}`);
      return reached;
    });
    if (answer) await check.also(`status ${[].concat(status).join(' or ')}`, () => assert.ok([].concat(status).includes(answer.status()), `it is ${answer.status()}`));
    await check.also('pictures, wide and phone, light and dark', async () => {
      for (const scheme of ['light', 'dark']) {
        await visitor.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
        for (const [size, viewport] of Object.entries(SIZES)) {
          await visitor.page.setViewport({ isMobile: false, hasTouch: false, deviceScaleFactor: 1, ...viewport });
          await visitor.page.screenshot({ path: path.join(ARTEFACTS, 'pages', `${name}-${size}-${scheme}.png`) });
        }
      }
    });
    await check.also('the dark scheme is dark, the light one light', async () => {
      assert.ok(await brightness(visitor, 'dark') < 0.3, 'the dark background is bright');
      assert.ok(await brightness(visitor, 'light') > 0.7, 'the light background is dark');
    });
    await check.also('nothing sticks out at 320 px', async () => {
      await visitor.page.setViewport(NARROW);
      const wide = await visitor.page.evaluate(() => [...document.querySelectorAll('body *')]
        .filter((element) => element.getBoundingClientRect().right > window.innerWidth + 1 && getComputedStyle(element).position !== 'absolute')
        .map((element) => `${element.tagName} ${Math.round(element.getBoundingClientRect().right)} px: ${element.textContent.trim().slice(0, 40)}`));
      const scroll = await visitor.page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(scroll <= NARROW.width, `the page is ${scroll} px wide: ${wide.slice(0, 5).join('; ')}`);
    });
    await check.also('language, title, one h1, viewport, labels, autocomplete of passwords, no handler in the markup, no script from elsewhere', async () => {
      assert.deepEqual(await visitor.page.evaluate(flaws), []);
    });
    await check.also('axe finds nothing', async () => {
      await visitor.page.evaluate(axe.source);
      const { violations } = await visitor.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`), []);
    });
    await check.also('no error of script or content security policy', () => assert.deepEqual(visitor.takeComplaints(), []));
  } finally {
    await visitor.close();
  }
}

async function brightness(visitor, scheme) {
  await visitor.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  // The picture decides, not the style sheet: one pixel of the empty corner, drawn by the browser itself.
  const corner = await visitor.page.screenshot({ encoding: 'base64', clip: { x: 1, y: 1, width: 1, height: 1 } });
  const blank = await visitor.context.newPage();
  try {
    return await blank.evaluate(async (png) => {
      const image = new Image();
      image.src = `data:image/png;base64,${png}`;
      await image.decode();
      const canvas = document.createElement('canvas').getContext('2d');
      canvas.drawImage(image, 0, 0);
      const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
      return (red + green + blue) / 765;
    }, corner);
  } finally {
    await blank.close();
  }
}

/// Runs in the page.
function flaws() {
  const found = [];
  if (!document.documentElement.lang) found.push('no language');
  if (!document.title.trim()) found.push('no title');
  const heads = document.querySelectorAll('h1').length;
  if (heads !== 1) found.push(`${heads} h1`);
  if (!document.querySelector('meta[name=viewport]')) found.push('no viewport: phones show it tiny');
  for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
    if (field.labels.length === 0 && !field.ariaLabel) found.push(`${field.name || field.tagName} has no label`);
    if (field.type === 'password' && !/^(current|new)-password$/.test(field.autocomplete)) found.push(`${field.name}: autocomplete is "${field.autocomplete}"`);
  }
  for (const element of document.querySelectorAll('*')) {
    if ([...element.attributes].some(({ name }) => /^on/.test(name))) found.push(`${element.tagName} has an inline handler`);
  }
  for (const script of document.querySelectorAll('script[src]')) {
    if (new URL(script.src).origin !== location.origin) found.push(`script from ${script.src}`);
  }
  return found;
}

async function headers(check, server, client) {
  const addresses = { login: client.request().url, error: client.request({ client_id: 'nobody' }).url };
  for (const [name, address] of Object.entries(addresses)) {
    await check.also(`${name}: security headers`, async () => {
      let answer = await fetch(address, { redirect: 'manual', headers: { accept: 'text/html' } });
      const location = answer.headers.get('location');
      const cookie = answer.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ');
      if (location) answer = await fetch(new URL(location, address), { redirect: 'manual', headers: { accept: 'text/html', cookie } });
      const policy = answer.headers.get('content-security-policy') ?? '';
      for (const part of [/default-src '(none|self)'(;|$)/, /frame-ancestors 'none'/, /form-action /, /base-uri '(none|self)'/]) assert.match(policy, part);
      assert.ok(!/unsafe-inline|unsafe-eval/.test(policy), policy);
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
      assert.equal(answer.headers.get('referrer-policy'), 'same-origin');
      assert.match(answer.headers.get('cache-control') ?? '', /no-store/);
    });
  }
}

async function withoutScripts(check, browser, server, client) {
  const visitor = await browser.visitor({ javascript: false });
  try {
    const account = newAccount();
    const attempt = client.request();
    await check('registration, consent and the way back', async () => {
      await visitor.go(attempt.url);
      await visitor.until(client.redirectUri, { account, register: true });
      attempt.code = new URL(visitor.page.url()).searchParams.get('code');
      await json(await client.redeem(attempt), 200);
    });
    await check.also('sign-in in another browser', async () => {
      const other = await browser.visitor({ javascript: false });
      await other.go(client.request().url);
      assert.deepEqual(await other.until(client.redirectUri, { account }), ['login']);
      await other.close();
    });
    await check.also('the account: data, another browser signed out, access withdrawn, another password', async () => {
      const other = await browser.visitor({ javascript: false });
      await other.go(`${server.origin}/account`);
      await other.signIn(account);
      await visitor.go(`${server.origin}/account/profile`);
      await visitor.fill({ nickname: 'Al', 'address.country': 'UK' });
      await visitor.press('form[action="/account/profile"] button');
      assert.match(await visitor.text(), /Your data was saved/);
      await visitor.press('form[action="/account/sessions"] button');
      assert.match(await visitor.text(), /That browser was signed out/);
      await other.go(`${server.origin}/account`);
      assert.equal(await other.kind(), 'login');
      await other.close();
      await visitor.press('form[action="/account/apps"] button');
      assert.match(await visitor.text(), /The access was withdrawn/);
      await visitor.go(`${server.origin}/account/password`);
      const changed = { ...account, password: 'a quite different sentence' };
      await visitor.fill({ current: account.password, password: changed.password });
      await visitor.press('form[action="/account/password"] button');
      assert.match(await visitor.text(), /Your password was changed/);
      account.password = changed.password;
      await visitor.go(client.request().url);
      await visitor.until(client.redirectUri, { account });
    });
    await check.also('response_mode=form_post has a button to press', async () => {
      await visitor.go(client.request({ response_mode: 'form_post' }).url);
      const field = await visitor.page.$('form[method=post] input[name=code]');
      assert.ok(field, await visitor.describe());
      assert.ok(await visitor.has('form[method=post] :is(button, input[type=submit])'), 'no button');
    });
  } finally {
    await visitor.close();
  }
}

/// What is left to a person is chosen without a mouse and without scripts, and the client reads it.
async function byKeyboard(check, browser, client, viewer) {
  const visitor = await browser.visitor({ javascript: false });
  try {
    const attempt = client.request({ scope: SCOPE, authorization_details: WISHES });
    await visitor.go(attempt.url);
    await visitor.signIn(viewer);
    const { keyboard } = visitor.page;
    const to = async (selector) => {
      for (let step = 0; step < 40; step += 1) {
        await keyboard.press('Tab');
        if (await visitor.page.$eval(':focus', (own, wanted) => own.matches(wanted), selector).catch(() => false)) return;
      }
      throw new Error(`Tab does not reach ${selector}`);
    };
    await check('arrows move between radio buttons, the space bar ticks a box, Enter allows', async () => {
      await to('input[type=radio]');
      await keyboard.press('Space');
      await keyboard.press('ArrowDown');
      await to('input[type=checkbox]');
      await to('input[type=checkbox]');
      await keyboard.press('Space');
      await to('button[value=allow]');
      await Promise.all([visitor.page.waitForNavigation({ waitUntil: 'load' }), keyboard.press('Enter')]);
      attempt.code = new URL(visitor.page.url()).searchParams.get('code');
      assert.ok(attempt.code, await visitor.describe());
    });
    await check('the token response says what was chosen', async () => {
      const { authorization_details: details } = await json(await client.redeem(attempt), 200);
      assert.deepEqual(details.map((own) => own.account ?? own.accounts), [ACCOUNTS[1], [ACCOUNTS[1]]]);
    });
    await check('pressing Deny needs no choice', async () => {
      await visitor.go(client.request({ scope: SCOPE, authorization_details: WISHES }).url);
      await visitor.press('button[value=deny]');
      assert.equal(new URL(visitor.page.url()).searchParams.get('error'), 'access_denied');
    });
  } finally {
    await visitor.close();
  }
}

/// Nobody else's page may send our form: a sign-in without the form's token or from another origin is refused.
async function forgery(check, browser, client, account) {
  const visitor = await browser.visitor();
  try {
    await check('a form without its hidden token is refused', async () => {
      await visitor.go(client.request().url);
      await visitor.page.$$eval('form input[type=hidden]', (fields) => fields.forEach((field) => field.remove()));
      await visitor.fill({ login: account.email, password: account.password });
      const answer = await submitted(visitor);
      assert.ok([400, 403].includes(answer.status()), `status ${answer.status()}; ${await visitor.describe()}`);
    });
  } finally {
    await visitor.close();
  }
}

backends(); // refuses wrong arguments; one back end shows the same pages as the other
rmSync(path.join(ARTEFACTS, 'pages'), { recursive: true, force: true });
mkdirSync(path.join(ARTEFACTS, 'pages'), { recursive: true });
const browser = await Browser.start();
const callback = await Callback.start();
let server, client;
const account = newAccount();
// Nobody may sign in as often as there are pages: attempts for one address are counted.
const viewer = newAccount();
await checks.group('start', async (check) => {
  const config = path.join(mkdtempSync(path.join(os.tmpdir(), 'chancery-pages-')), 'chancery.toml');
  writeFileSync(config, TOML);
  server = await check('the server starts on empty data', () => Server.start({ env: { CHANCERY_CIBA_ENABLED: 'true' }, config }));
  client = await check('a client registers', () => Client.register(server, {
    client_name: 'Photo Album', redirect_uris: [callback.url], grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_basic', scope: SCOPE, authorization_details_types: ['payment', 'account_information'],
  }));
  await check('two people register', async () => {
    for (const person of [account, viewer]) {
      const visitor = await browser.visitor();
      await visitor.go(client.request().url);
      await visitor.until(callback.url, { account: person, register: true });
      await visitor.close();
    }
  });
  await check('one of them has accounts', async () => {
    const file = path.join(server.folder, 'lists.json');
    writeFileSync(file, JSON.stringify({ _lists: { accounts: ACCOUNTS } }));
    await server.cli('user', 'update', viewer.email, '--claims-file', file);
  });
});
const auditor = newAccount();
await checks.group('an auditor', (check) => check('an administrator is made on the machine', async () => {
  const file = path.join(server.folder, 'password');
  writeFileSync(file, auditor.password, { mode: 0o600 });
  await server.cli('user', 'create', '--email', auditor.email, '--admin', '--password-file', file);
}));
if (client) {
  for (const journey of journeys(server, client, { account, viewer, auditor })) {
    await checks.group(journey.name, (check) => inspect(check, browser, server, journey), server.explain());
  }
  await checks.group('headers', (check) => headers(check, server, client), server.explain());
  await checks.group('without JavaScript', (check) => withoutScripts(check, browser, server, client), server.explain());
  await checks.group('choices by keyboard', (check) => byKeyboard(check, browser, client, viewer), server.explain());
  await checks.group('forgery', (check) => forgery(check, browser, client, account), server.explain());
  await checks.group('audit', (check) => audit(check, server));
}
checks.note(`pictures in ${path.join(ARTEFACTS, 'pages')}`);
callback.dispose();
await server?.dispose();
await browser.dispose();
checks.end();
