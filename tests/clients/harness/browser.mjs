// Chromium as a person uses it: fresh profile, no network but the loopback, everything it complains about kept.
//
// | Rule | Why |
// |---|---|
// | `--no-sandbox` only as root | the sandbox refuses root, and is worth having everywhere else |
// | errors of scripts and of the content security policy are collected | a page that breaks its own policy looks fine in a screenshot |
// | pages are told apart by their fields, not by their addresses | the fields are the contract (`login`, `password`, `email`, `decision`) |
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import puppeteer from 'puppeteer-core';

const MAX_PAGES = 12;
const WAIT_MS = 15_000;

function executable() {
  const places = [process.env.CHROMIUM_BIN, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  const found = places.find((place) => place && existsSync(place));
  if (!found) throw new Error('no Chromium on this machine: install Debian\'s package chromium, or set CHROMIUM_BIN');
  return found;
}

export class Browser {
  /// `certificates: 'any'` for a server whose certificate nobody issued.
  static async start({ certificates } = {}) {
    const browser = new Browser();
    browser.profile = mkdtempSync(path.join(os.tmpdir(), 'chancery-chromium-'));
    browser.chromium = await puppeteer.launch({
      executablePath: executable(),
      userDataDir: browser.profile,
      acceptInsecureCerts: certificates === 'any',
      args: [
        ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
        '--disable-dev-shm-usage', '--disable-gpu', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--lang=en',
      ],
    });
    return browser;
  }

  /// A person with an empty cookie jar.
  async visitor(options) {
    return Visitor.open(await this.chromium.createBrowserContext(), options);
  }

  async dispose() {
    await this.chromium?.close().catch(() => {});
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

export class Visitor {
  static async open(context, { javascript = true } = {}) {
    const visitor = new Visitor();
    visitor.context = context;
    visitor.complaints = [];
    visitor.page = await context.newPage();
    visitor.page.setDefaultTimeout(WAIT_MS);
    await visitor.page.setJavaScriptEnabled(javascript);
    visitor.page.on('pageerror', (error) => visitor.complaints.push(`script: ${error.message}`));
    const log = await visitor.page.createCDPSession();
    await log.send('Log.enable');
    log.on('Log.entryAdded', ({ entry }) => {
      // A page with status 4xx is reported as a failed load of itself: that is its status, not a complaint.
      const ownStatus = entry.source === 'network' && entry.url === visitor.page.url();
      const icon = entry.url?.endsWith('/favicon.ico');
      if (entry.level === 'error' && !ownStatus && !icon) visitor.complaints.push(`${entry.source}: ${entry.text} ${entry.url ?? ''}`);
    });
    visitor.page.on('console', (message) => {
      if (message.type() === 'error') visitor.complaints.push(`console: ${message.text()}`);
    });
    return visitor;
  }

  /// Complaints since the last call.
  takeComplaints() {
    return [...new Set(this.complaints.splice(0))].filter((text) => !/^console: Failed to load resource/.test(text));
  }

  go(url) { return this.page.goto(String(url), { waitUntil: 'load' }); }

  /// Whether the browser gets to `target` by itself in time. Asked from here: a script that waits in the page would need `unsafe-eval`.
  async arrives(target, seconds = 3) {
    const deadline = Date.now() + seconds * 1000;
    while (!this.page.url().startsWith(target) && Date.now() < deadline) await pause(20);
    return this.page.url().startsWith(target);
  }

  async has(selector) { return (await this.page.$(selector)) !== null; }

  /// What the page is, by its fields.
  async kind() {
    if (await this.has('input[name=password]')) return (await this.has('input[name=email]')) ? 'register' : 'login';
    if (await this.has('button[name=decision]')) return 'consent';
    return 'other';
  }

  async fill(values) {
    for (const [name, value] of Object.entries(values)) {
      await this.page.$eval(`:is(input, textarea)[name="${name}"]`, (input, text) => { input.value = text; }, value);
    }
  }

  /// Presses and waits for the page that follows; gives its answer.
  async press(selector) {
    const button = await this.page.$(selector);
    if (!button) throw new Error(`no ${selector} on ${await this.describe()}`);
    const begun = this.page.url();
    try {
      const [answer] = await Promise.all([this.page.waitForNavigation({ waitUntil: 'load' }), button.click()]);
      return answer;
    } catch (error) {
      throw new Error(`pressing ${selector} on ${begun} led nowhere: ${error.message.split('\n')[0]}; ${this.takeComplaints().join('; ')}`);
    }
  }

  /// The button that sends the form around `field`.
  submit(field) { return this.press(`form:has([name=${field}]) :is(button:not([type=button]), input[type=submit])`); }

  async signIn({ email, password }) {
    await this.fill({ login: email, password });
    return this.submit('password');
  }

  async toRegistration() {
    await this.press('a[href*="register"], a[href*="prompt=create"], button[name=register]');
  }

  async register({ email, password, name }) {
    await this.fill({ email, password, name });
    await this.submit('password');
  }

  decide(decision) { return this.press(`button[name=decision][value=${decision}]`); }

  /// Does what each page asks until the browser is at `target`. `seen` names the pages on the way.
  async until(target, { account, register = false, decision = 'allow' }) {
    const seen = [];
    let mayRegister = register;
    while (!this.page.url().startsWith(target)) {
      const kind = await this.kind();
      seen.push(kind);
      if (seen.length > MAX_PAGES) throw new Error(`the pages lead in a circle: ${seen.join(', ')}`);
      if (kind === 'register') {
        mayRegister = false;
        await this.register(account);
      } else if (kind === 'login' && mayRegister) {
        await this.toRegistration();
      } else if (kind === 'login') {
        await this.signIn(account);
      } else if (kind === 'consent') {
        await this.decide(decision);
      } else {
        throw new Error(`expected a page to fill in or ${target} (so far: ${seen.join(', ')}), found ${await this.describe()}`);
      }
    }
    return seen;
  }

  /// What a person reads.
  text() { return this.page.evaluate(() => document.body.innerText); }

  /// Address and text, for messages.
  async describe() {
    const text = await this.page.evaluate(() => document.body?.innerText ?? '').catch(() => '');
    return `${this.page.url()}\n${text.replace(/\s+/g, ' ').slice(0, 500)}`;
  }

  async close() { await this.context.close(); }
}
