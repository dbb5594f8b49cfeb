// A browser without a screen: cookies, redirects followed by hand, forms filled in and sent. For programs that need speed or
// bytes rather than pictures; what a person sees is checked with Chromium.
//
// Out of scope: scripts. Every page must work without them.

const MAX_STEPS = 20;

export class Agent {
  constructor({ userAgent = 'chancery-test-agent' } = {}) {
    this.cookies = new Map();
    this.userAgent = userAgent;
  }

  async send(url, { form, method = form ? 'POST' : 'GET' } = {}) {
    const headers = { accept: 'text/html', 'user-agent': this.userAgent };
    if (this.cookies.size > 0) headers.cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    if (form) {
      headers['content-type'] = 'application/x-www-form-urlencoded';
      headers.origin = new URL(url).origin;
    }
    const answer = await fetch(url, { method, headers, body: form?.toString(), redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(';');
      const at = pair.indexOf('=');
      const gone = attributes.some((text) => /^\s*(max-age=0|expires=thu, 01 jan 1970)/i.test(text));
      if (gone || at + 1 === pair.length) this.cookies.delete(pair.slice(0, at));
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return { status: answer.status, headers: answer.headers, body: await answer.text(), url: String(url) };
  }

  /// From an authorization request to the client: registers, signs in and consents where asked. Gives the URL at the client.
  /// `choose` says what of a consent page is chosen, given its form as HTML.
  async authorize(url, { redirectUri, account, register = false, decision = 'allow', choose = () => ({}) }) {
    let next = { url: String(url) };
    let mayRegister = register;
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const answer = await this.send(next.url, { form: next.form });
      const location = answer.headers.get('location');
      if (location) {
        const target = new URL(location, next.url);
        if (target.href.startsWith(redirectUri)) return target;
        next = { url: target.href };
        continue;
      }
      if (answer.status !== 200) throw new Error(`${answer.status} at ${next.url}\n${textOf(answer.body)}`);
      const link = mayRegister ? registerLink(answer.body) : undefined;
      const form = pickForm(answer.body);
      if (form && 'email' in form.inputs) {
        mayRegister = false;
        next = form.fill(next.url, { email: account.email, password: account.password, name: account.name });
      } else if (link) {
        next = { url: new URL(link, next.url).href };
      } else if (form && 'login' in form.inputs) {
        next = form.fill(next.url, { login: account.email, password: account.password });
      } else if (form && /name="?decision/.test(form.html)) {
        next = form.fill(next.url, { decision, ...choose(form.html) });
      } else {
        throw new Error(`nothing to fill in at ${next.url}\n${textOf(answer.body)}`);
      }
    }
    throw new Error(`no answer for the client after ${MAX_STEPS} steps, last at ${next.url}`);
  }
}

/// A form as a page offers it: where it goes, its named inputs with their values.
class Form {
  constructor(html) {
    this.html = html;
    this.action = attribute(html.slice(0, html.indexOf('>')), 'action') ?? '';
    this.inputs = {};
    for (const tag of html.match(/<input\b[^>]*>/g) ?? []) {
      const name = attribute(tag, 'name');
      const unticked = ['checkbox', 'radio'].includes(attribute(tag, 'type')) && !/\schecked\b/.test(tag);
      if (name && !unticked) this.inputs[name] = attribute(tag, 'value') ?? '';
    }
  }

  fill(page, values) {
    return { url: new URL(this.action || page, page).href, form: new URLSearchParams({ ...this.inputs, ...values }) };
  }
}

/// The form that asks for a password, else the one with a decision, else the first.
export function pickForm(page) {
  const forms = (page.match(/<form\b[\s\S]*?<\/form>/g) ?? []).map((html) => new Form(html));
  return forms.find((form) => /type="?password/.test(form.html)) ?? forms.find((form) => /name="?decision/.test(form.html)) ?? forms[0];
}

function registerLink(page) {
  const tag = (page.match(/<a\b[^>]*>/g) ?? []).find((text) => /register|prompt=create/.test(attribute(text, 'href') ?? ''));
  return tag && attribute(tag, 'href');
}

function attribute(tag, name) {
  const found = tag.match(new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s>]*))`, 'i'));
  return found && plain(found[1] ?? found[2] ?? found[3]);
}

const NAMED = { amp: '&', lt: '<', gt: '>', quot: '"', apos: '\'' };

function plain(text) {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(amp|lt|gt|quot|apos));/gi, (_, hex, decimal, named) => (
    named ? NAMED[named.toLowerCase()] : String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal))));
}

/// What a page says, for messages.
export function textOf(html) {
  return plain(html.replace(/<(style|script|head)\b[\s\S]*?<\/\1>/g, '').replace(/<[^>]*>/g, ' ')).replace(/\s+/g, ' ').trim().slice(0, 500);
}
