"""Authlib, the library of most Python clients, against the server at ISSUER (see with_server.mjs).

No browser: see harness/walk.py. Prints one line per check; exit code 1 if one failed.
"""

import os
import secrets
import warnings

import requests

warnings.showwarning = lambda *_: None  # Authlib announces that its `jose` will move to a package of its own
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken

from harness import walk
from harness.walk import REDIRECT_URI, follow

ISSUER = os.environ["ISSUER"]
SCOPE = "openid profile email"


class Checks(walk.Checks):
    """And what Authlib says of a refusal."""

    def refused(self, sentence, code, action):
        try:
            result = action()
        except OAuthError as error:
            return self.ok(sentence, error.error == code, f"{error.error} ({error.description}) where {code} was due")
        raise AssertionError(f"{sentence}\n# was not refused: {sorted(result)}")


def register_client(**metadata):
    answer = requests.post(f"{ISSUER}/reg", json={"client_name": "Authlib", "scope": SCOPE, **metadata}, timeout=20)
    if answer.status_code != 201:
        raise AssertionError(f"registration answered {answer.status_code}\n# {answer.text[:500]}")
    return answer.json()


def session(client, **options):
    return OAuth2Session(
        client["client_id"],
        client.get("client_secret"),
        token_endpoint_auth_method=client["token_endpoint_auth_method"],
        revocation_endpoint_auth_method=client["token_endpoint_auth_method"],
        introspection_endpoint_auth_method=client["token_endpoint_auth_method"],
        redirect_uri=REDIRECT_URI,
        **options,
    )


def code_flow(checks, metadata, alg):
    client = register_client(
        redirect_uris=[REDIRECT_URI],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="client_secret_basic",
        id_token_signed_response_alg=alg,
    )
    checks.ok(f"{alg}: dynamic registration", len(client["client_secret"]) >= 32)
    mark = secrets.token_hex(6)
    account = {"email": f"bob-{mark}@example.com", "password": f"correct horse {mark} staple", "name": f"Bob {mark}"}
    browser = requests.Session()
    browser.headers["accept"] = "text/html"
    oauth = session(client, scope=SCOPE, code_challenge_method="S256")

    verifier, nonce = secrets.token_urlsafe(40), secrets.token_urlsafe(16)
    url, state = oauth.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
    answer = follow(browser, url, account, register=True)
    checks.ok(f"{alg}: the forms lead from registration and consent to the client", "code=" in answer, answer)
    token = oauth.fetch_token(metadata["token_endpoint"], authorization_response=answer, state=state, code_verifier=verifier)
    checks.ok(f"{alg}: the code gives access, refresh and id_token", {"access_token", "refresh_token", "id_token"} <= set(token))

    keys = JsonWebKey.import_key_set(requests.get(metadata["jwks_uri"], timeout=20).json())
    expected = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": client["client_id"]}}
    claims = jwt.decode(token["id_token"], keys, claims_cls=CodeIDToken, claims_options=expected,
                        claims_params={"nonce": nonce, "client_id": client["client_id"]})
    claims.validate(leeway=5)
    checks.ok(f"{alg}: Authlib verifies the id_token and its claims", claims.header["alg"] == alg, claims.header)

    person = oauth.get(metadata["userinfo_endpoint"]).json()
    same = (person["sub"], person["email"], person["name"]) == (claims["sub"], account["email"], account["name"])
    checks.ok(f"{alg}: userinfo gives the person", same, sorted(person))

    old = token["refresh_token"]
    token = oauth.refresh_token(metadata["token_endpoint"], refresh_token=old)
    checks.ok(f"{alg}: refresh rotates", token["refresh_token"] != old)
    state_of = oauth.introspect_token(metadata["introspection_endpoint"], token=token["access_token"]).json()
    checks.ok(f"{alg}: introspection says active", state_of["active"] is True and state_of["sub"] == claims["sub"], state_of)
    oauth.revoke_token(metadata["revocation_endpoint"], token=token["access_token"]).raise_for_status()
    state_of = oauth.introspect_token(metadata["introspection_endpoint"], token=token["access_token"]).json()
    checks.ok(f"{alg}: after revocation only active=false is said", state_of == {"active": False}, state_of)
    checks.ok(f"{alg}: userinfo refuses the revoked token", oauth.get(metadata["userinfo_endpoint"]).status_code == 401)
    checks.refused(f"{alg}: the spent refresh token is refused", "invalid_grant",
                   lambda: oauth.refresh_token(metadata["token_endpoint"], refresh_token=old))
    checks.refused(f"{alg}: and has ended its family", "invalid_grant",
                   lambda: oauth.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"]))


def client_credentials(checks, metadata):
    for method in ("client_secret_basic", "client_secret_post"):
        client = register_client(redirect_uris=[], response_types=[], grant_types=["client_credentials"], token_endpoint_auth_method=method)
        token = session(client).fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        checks.ok(f"{method}: client credentials give an access token alone", "access_token" in token and "refresh_token" not in token, sorted(token))
        wrong = session({**client, "client_secret": "wrong"})
        checks.refused(f"{method}: a wrong secret is refused", "invalid_client",
                       lambda: wrong.fetch_token(metadata["token_endpoint"], grant_type="client_credentials"))


def private_key_jwt(checks, metadata):
    key = JsonWebKey.generate_key("RSA", 2048, is_private=True)
    public = {**key.as_dict(is_private=False), "use": "sig", "alg": "RS256"}
    client = register_client(redirect_uris=[], response_types=[], grant_types=["client_credentials"],
                             token_endpoint_auth_method="private_key_jwt", jwks={"keys": [public]})
    oauth = session({**client, "client_secret": key.as_pem(is_private=True)})
    oauth.register_client_auth_method(PrivateKeyJWT(metadata["token_endpoint"]))
    token = oauth.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    checks.ok("private_key_jwt: Authlib's assertion gives a token", "access_token" in token, sorted(token))


def main():
    checks = Checks("authlib_client")
    metadata = {}
    checks.group("discovery", lambda: metadata.update(requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=20).json()))
    for alg in ("RS256", "ES256"):
        checks.group(f"code flow {alg}", lambda: code_flow(checks, metadata, alg))
    checks.group("client credentials", lambda: client_credentials(checks, metadata))
    checks.group("private_key_jwt", lambda: private_key_jwt(checks, metadata))
    checks.end()


if __name__ == "__main__":
    main()
