"""Crash rounds: the server is killed (SIGKILL) in the middle of load, again and again, with the audit index and a feed following.

    python3 crash.py [--rounds 10] [--seconds 2] [--threads 8] [--program PATH]

With DATABASE_URL set it runs on that (migrated, empty) PostgreSQL database, without it on SQLite in a directory of its own. At the end:
every token that a client was given is in the log; the log verifies; the read models are what the log says, row by row and by their digests;
and the feed has every event, in the order of the log, doubles with the same id. Standard library only.
"""

import argparse
import base64
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request


def free_port():
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return own.getsockname()[1]


class Server:
    def __init__(self, program, home):
        self.program, self.home, self.port = program, home, free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.feed = os.path.join(home, "feed.jsonl")
        self.config = os.path.join(home, "chancery.toml")
        with open(self.config, "w") as file:
            file.write(f'[[feed]]\nname = "all"\nformat = "jsonl"\nto = "file:{self.feed}"\nfrom = "beginning"\n')
        off = {f"CHANCERY_RATE_LIMITS_{name}": "off" for name in (
            "TOKEN_FAILURES_PER_ADDRESS", "TOKEN_FAILURES_PER_CLIENT", "LOGIN_FAILURES_PER_ADDRESS",
            "LOGIN_FAILURES_PER_ACCOUNT", "ACCOUNT_REGISTRATIONS_PER_ADDRESS", "CLIENT_REGISTRATIONS_PER_ADDRESS")}
        self.env = {**os.environ, **off, "OIDC_ISSUER": self.base, "CHANCERY_SCRYPT_LN": "4", "CHANCERY_LOG_LEVEL": "warn"}
        self.arguments = ["--data-dir", os.path.join(home, "data"), "--config", self.config]
        self.process = None

    def start(self):
        log = open(os.path.join(self.home, "server.log"), "a")
        self.process = subprocess.Popen([self.program, "--listen", f"127.0.0.1:{self.port}", *self.arguments], env=self.env, stdout=log, stderr=log)
        for _ in range(600):
            if self.process.poll() is not None:
                sys.exit(f"the server does not start again; see {self.home}/server.log")
            try:
                if urllib.request.urlopen(self.base + "/health/ready", timeout=2).status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        sys.exit("the server is not ready after 30 s")

    def stop(self, how):
        self.process.send_signal(how)
        self.process.wait()

    def command(self, *arguments):
        done = subprocess.run([self.program, *self.arguments, *arguments], env=self.env, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


class Load(threading.Thread):
    """Asks for tokens and fails logins until the server is gone; keeps what it was given."""

    def __init__(self, server, client, given):
        super().__init__(daemon=True)
        self.server, self.client, self.given, self.asked = server, client, given, 0

    def run(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=5)
            basic = base64.b64encode(":".join(self.client).encode()).decode()
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            while True:
                self.asked += 1
                if self.asked % 10 == 0:
                    body = json.dumps({"email": f"nobody{random.randrange(50)}@example.com", "password": "a-wrong-password"})
                    connection.request("POST", "/auth/login", body, {"Content-Type": "application/json", "Origin": self.server.base})
                    connection.getresponse().read()
                    continue
                connection.request("POST", "/oidc/token", "grant_type=client_credentials", {**form, "Authorization": "Basic " + basic})
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 200:
                    self.given.append(json.loads(body)["access_token"])
        except (OSError, http.client.HTTPException, ValueError):
            pass


def register(server):
    body = json.dumps({"client_name": "Load", "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": []})
    request = urllib.request.Request(server.base + "/clients", body.encode(), {"Content-Type": "application/json"})
    answer = json.load(urllib.request.urlopen(request))
    return answer["client_id"], answer["client_secret"]


def read_feed(path):
    ids, torn = [], 0
    with open(path, "rb") as file:
        for line in file.read().split(b"\n"):
            try:
                ids.append(json.loads(line)["id"])
            except ValueError:
                torn += bool(line)
    return ids, torn


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--program", default=os.environ.get("CHANCERY_BIN") or "../../target/debug/chancery")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chancery-crash") as home:
        server, given = Server(os.path.abspath(asked.program), home), []
        server.start()
        client = register(server)
        for number in range(asked.rounds):
            threads = [Load(server, client, given) for _ in range(asked.threads)]
            for thread in threads:
                thread.start()
            # At any moment: between the append and the answer, a delivery and its checkpoint, a page of the index and the next.
            time.sleep(asked.seconds * random.uniform(0.5, 1.5))
            server.stop(signal.SIGKILL)
            for thread in threads:
                thread.join()
            server.start()
            print(f"round {number + 1}: {len(given)} tokens were given", flush=True)
        for _ in range(1200):
            code, text = server.command("feeds", "status", "--json")
            ready = json.load(urllib.request.urlopen(server.base + "/health/ready"))
            sizes = {own["events"] for own in ready["projections"].values()}
            if code == 0 and json.loads(text)["behind"] == 0 and len(sizes) == 1:
                break
            time.sleep(0.1)
        server.stop(signal.SIGTERM)

        failed = []
        for name, command in [("the log", ["audit", "verify"]), ("the read models", ["projections", "check"])]:
            code, text = server.command(*command)
            print(text.strip())
            if code != 0:
                failed.append(name)
        code, text = server.command("audit", "export", "--out", os.path.join(home, "export"))
        if code != 0:
            sys.exit(text)
        with open(os.path.join(home, "export", "events.jsonl")) as file:
            events = [json.loads(line) for line in file]
        log = [event["id"] for event in events]
        digests = {event["data"]["access"]["digest"] for event in events if event["type"] == "ClientCredentialsGranted"}
        lost = [token for token in given if base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=") not in digests]
        fed, torn = read_feed(server.feed)
        first = list(dict.fromkeys(fed))
        # The events after the last look are those of the stop itself, of which the feed may have none.
        if first != log[: len(first)] or len(log) - len(first) > 5:
            failed.append("the feed")
        if lost:
            failed.append("tokens")
        print(
            f"{asked.rounds} kills; {len(log)} events; {len(given)} tokens given, {len(lost)} of them not in the log; "
            f"feed: {len(first)} events in order, {len(fed) - len(first)} doubles, {torn} torn lines"
        )
        if failed:
            sys.exit("wrong: " + ", ".join(failed))


if __name__ == "__main__":
    main()
