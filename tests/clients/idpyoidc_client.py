"""idpyoidc, the library behind Python's OpenID certification tools, against the server at ISSUER (see with_server.mjs).

It registers by itself, names an address for its keys, signs its requests with them, and reads its registration again. No browser: see harness/walk.py. Prints one line per check; exit code 1 if one failed.
"""

import json
import logging
import os
import secrets
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

import requests
from cryptojwt.key_jar import init_key_jar
from idpyoidc.client.claims.oidc import Claims
from idpyoidc.client.rp_handler import RPHandler

from harness.walk import REDIRECT_URI, Checks, follow

logging.disable(logging.CRITICAL)  # the library logs what it raises, too

ISSUER = os.environ["ISSUER"]
SCOPES = ["openid", "profile", "email", "address", "phone", "offline_access"]
KEYS = [{"type": "RSA", "use": ["sig"], "kid": "r1"}, {"type": "EC", "crv": "P-256", "use": ["sig"], "kid": "e1"}]
SERVICES = {
    name: {"class": f"idpyoidc.client.oidc.{name if module is None else module}"}
    for name, module in {
        "discovery": "provider_info_discovery.ProviderInfoDiscovery",
        "registration": "registration.Registration",
        "registration_read": "read_registration.RegistrationRead",
        "authorization": "authorization.Authorization",
        "access_token": "access_token.AccessToken",
        "refresh_access_token": "refresh_access_token.RefreshAccessToken",
        "userinfo": "userinfo.UserInfo",
    }.items()
}


# The library compares the `scope` that comes back, which is one text (RFC 7591 section 2), with each of these.
Claims._supports["scopes_supported"] = [*SCOPES, " ".join(sorted(SCOPES))]


class Keys:
    """The client's own web server: its JWK set, and how often somebody asked for it."""

    def __init__(self, jwks):
        keys = self
        keys.jwks, keys.asked = jwks, 0

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                keys.asked += 1
                body = json.dumps(keys.jwks).encode()
                self.send_response(200)
                self.send_header("content-type", "application/jwk-set+json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def client(keyjar, jwks_uri, claims, add_ons=None):
    """A client as the library sets one up: discovery and registration included."""
    pkce = {"function": "idpyoidc.client.oauth2.add_on.pkce.add_support", "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"}}
    config = {
        "client_type": "oidc",
        "issuer": ISSUER,
        "redirect_uris": [REDIRECT_URI],
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "scopes_supported": SCOPES,
        "jwks_uri": jwks_uri,
        "services": SERVICES,
        "add_ons": {"pkce": pkce, **(add_ons or {})},
        **claims,
    }
    handler = RPHandler(base_url="http://127.0.0.1:9", client_configs={ISSUER: config}, services=SERVICES, keyjar=keyjar)
    handler.jwks_uri = jwks_uri
    return handler, handler.client_setup(ISSUER)


def account():
    mark = secrets.token_hex(6)
    return {"email": f"carol-{mark}@example.com", "password": f"correct horse {mark} staple", "name": f"Carol {mark}"}


def sign_in(checks, title, rp, person, **request):
    """The whole way; gives what the library made of it."""
    browser = requests.Session()
    browser.headers["accept"] = "text/html"
    url = rp.init_authorization(req_args={"scope": ["openid", "profile", "email"], **request})
    url = url["url"] if isinstance(url, dict) else url
    answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(follow(browser, url, person, register=True)).query))
    checks.ok(f"{title}: the pages lead to the client", "code" in answer and answer["iss"] == ISSUER, answer)
    result = rp.finalize(answer)
    checks.ok(f"{title}: the library accepts answer, tokens and userinfo", "error" not in result, result.get("error"))
    same = (result["userinfo"]["email"], result["userinfo"]["name"]) == (person["email"], person["name"])
    checks.ok(f"{title}: userinfo is the person's", same, result["userinfo"])
    return url, result


def with_secret(checks):
    keyjar = init_key_jar(key_defs=KEYS, issuer_id="")
    _, rp = client(keyjar, "", {"token_endpoint_auth_methods_supported": ["client_secret_basic"]})
    context = rp.get_context()
    registered = context.registration_response
    checks.ok("secret: the library discovers and registers", bool(registered.get("client_secret")), registered)
    sign_in(checks, "secret", rp, account())
    answer = requests.get(registered["registration_client_uri"], timeout=20,
                          headers={"authorization": f"Bearer {registered['registration_access_token']}"})
    checks.ok("secret: the registration is read again", answer.status_code == 200 and answer.json()["client_id"] == registered["client_id"], answer.text)


def with_algorithms(checks, alg):
    keyjar = init_key_jar(key_defs=KEYS, issuer_id="")
    _, rp = client(keyjar, Keys(keyjar.export_jwks(private=False, issuer_id="")).url, {
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "id_token_signing_alg_values_supported": [alg],
        "userinfo_signing_alg_values_supported": [alg],
    })
    registered = rp.get_context().registration_response
    checks.ok(f"{alg}: registered for id_token and userinfo", registered.get("id_token_signed_response_alg") == alg, registered)
    sign_in(checks, alg, rp, account())


def with_request_objects(checks):
    keyjar = init_key_jar(key_defs=KEYS, issuer_id="")
    keys = Keys(keyjar.export_jwks(private=False, issuer_id=""))
    jar = {"function": "idpyoidc.client.oauth2.add_on.jar.add_support",
           "kwargs": {"request_type": "request_parameter", "request_object_signing_alg": "ES256", "expires_in": 300}}
    _, rp = client(keyjar, keys.url, {
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "request_object_signing_alg_values_supported": ["ES256"],
    }, {"jar": jar})
    url, _ = sign_in(checks, "request object", rp, account())
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    checks.ok("request object: the server fetched the keys once", keys.asked == 1, keys.asked)
    checks.ok("request object: the library sent one", query.get("request", "").count(".") == 2, sorted(query))


def main():
    checks = Checks("idpyoidc_client")
    checks.group("secret", lambda: with_secret(checks))
    for alg in ("RS256", "ES256"):
        checks.group(f"algorithm {alg}", lambda: with_algorithms(checks, alg))
    checks.group("request objects", lambda: with_request_objects(checks))
    checks.end()


if __name__ == "__main__":
    main()
