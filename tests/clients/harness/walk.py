"""What the Python programs have in common: one line per check, and the way through the pages without a browser.

No browser: the forms of the pages are followed with `requests` and `html.parser`, as any simple program would, so this also shows
that the pages need no script.
"""

import html.parser
import os
import sys
import urllib.parse

ORIGIN = os.environ["ORIGIN"]
BACKEND = os.environ.get("BACKEND", "server")
REDIRECT_URI = "http://127.0.0.1:9/callback"  # never called: the forms are followed until the redirect that leads there
MAX_STEPS = 20


class Checks:
    """One line per check; the first failure ends its group."""

    def __init__(self, program):
        self.program = program
        self.passed = self.failed = 0

    def ok(self, sentence, holds=True, cause=""):
        if not holds:
            raise AssertionError(f"{sentence}\n# {cause}")
        self.passed += 1
        print(f"ok - {self.program} [{BACKEND}] {sentence}", flush=True)

    def group(self, title, body):
        try:
            body()
        except Exception as error:  # whatever went wrong is the result of the check
            self.failed += 1
            what = str(error) if isinstance(error, AssertionError) else f"{title}: {type(error).__name__}: {error}"
            print(f"not ok - {self.program} [{BACKEND}] {what}", flush=True)
            trace = error.__traceback__
            while trace.tb_next and trace.tb_next.tb_frame.f_code.co_filename == sys.argv[0]:
                trace = trace.tb_next
            print(f"# in {title}, line {trace.tb_lineno}; the rest of it was not run", flush=True)

    def end(self):
        print(f"# {self.program} [{BACKEND}]: {self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)


class Page(html.parser.HTMLParser):
    """The forms and links of a page."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form":
            self.forms.append({"action": given.get("action") or "", "fields": {}, "buttons": []})
        elif tag == "a":
            self.links.append(given.get("href") or "")
        elif self.forms and tag == "input" and given.get("name"):
            self.forms[-1]["fields"][given["name"]] = given.get("value") or ""
        elif self.forms and tag == "button" and given.get("name"):
            self.forms[-1]["buttons"].append(given["name"])

    def form_with(self, field):
        return next((form for form in self.forms if field in form["fields"] or field in form["buttons"]), None)


def follow(browser, url, account, register=False):
    """From an authorization request to the redirect to the client, by way of the pages."""
    answer = browser.get(url, allow_redirects=False)
    for _ in range(MAX_STEPS):
        location = answer.headers.get("location")
        if location:
            url = urllib.parse.urljoin(answer.url, location)
            if url.startswith(REDIRECT_URI):
                return url
            answer = browser.get(url, allow_redirects=False)
            continue
        if answer.status_code != 200:
            raise AssertionError(f"{answer.status_code} at {answer.url}\n# {answer.text[:500]}")
        page = Page(answer.text)
        link = next((href for href in page.links if "register" in href or "prompt=create" in href), None)
        if form := page.form_with("email"):
            register, values = False, account
        elif register and link:
            answer = browser.get(urllib.parse.urljoin(answer.url, link), allow_redirects=False)
            continue
        elif form := page.form_with("login"):
            values = {"login": account["email"], "password": account["password"]}
        elif form := page.form_with("decision"):
            values = {"decision": "allow"}
        else:
            raise AssertionError(f"nothing to fill in at {answer.url}\n# {answer.text[:500]}")
        target = urllib.parse.urljoin(answer.url, form["action"] or answer.url)
        answer = browser.post(target, data={**form["fields"], **values}, headers={"origin": ORIGIN}, allow_redirects=False)
    raise AssertionError(f"no answer for the client after {MAX_STEPS} steps, last at {answer.url}")
