#!/usr/bin/env bash
# The commands of the tutorial, as operators type them, with curl: discovery, register alice, register demo-app.
# ORIGIN says where the server is (default http://localhost:3000); on empty data, since alice can register only once.
# Needs jq.
set -u
origin=${ORIGIN:-http://localhost:3000}
backend=${BACKEND:-server}
passed=0 failed=0
body=$(mktemp) && trap 'rm -f "$body"' EXIT

# expect <sentence> <status> <curl arguments...>: the answer's body is left in $body.
expect() {
    local sentence=$1 due=$2 status
    shift 2
    status=$(curl -sS -o "$body" -w '%{http_code}' --max-time 20 "$@" 2>&1)
    if [[ " $due " == *" $status "* ]]; then ok "$sentence"; else not_ok "$sentence" "status $status where $due was due: $(head -c 500 "$body")"; fi
}
# holds <sentence> <jq filter that must be true>
holds() {
    if jq -e "$2" "$body" >/dev/null 2>&1; then ok "$1"; else not_ok "$1" "$2 is not true of $(head -c 800 "$body")"; fi
}
ok() { passed=$((passed + 1)); echo "ok - tutorial [$backend] $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok - tutorial [$backend] $1"; echo "# ${2//$'\n'/ }"; }

expect 'discovery answers' 200 "$origin/oidc/.well-known/openid-configuration"
holds 'the issuer is ORIGIN/oidc' ".issuer == \"$origin/oidc\""
holds 'every endpoint is below the issuer' "[.authorization_endpoint, .token_endpoint, .userinfo_endpoint, .jwks_uri] | all(startswith(\"$origin/oidc/\"))"
holds 'the code flow with PKCE S256 is offered' '(.response_types_supported | index("code")) and (.code_challenge_methods_supported == ["S256"])'
expect 'the JWKS answers' 200 "$origin/oidc/jwks"
holds 'it has public keys only' '(.keys | length) >= 1 and ([.keys[] | has("d")] | any | not)'
expect 'RFC 8414 metadata answers' 200 "$origin/.well-known/oauth-authorization-server/oidc"
holds 'with the same issuer' ".issuer == \"$origin/oidc\""

expect 'alice registers' '200 201' -X POST "$origin/auth/register" -H 'Content-Type: application/json' \
    -d '{"email":"alice@example.com","password":"correct horse battery staple","name":"Alice"}'
holds 'the answer has no password' '[.. | strings] | any(test("battery staple")) | not'
expect 'alice can not register twice' '400 409' -X POST "$origin/auth/register" -H 'Content-Type: application/json' \
    -d '{"email":"alice@example.com","password":"correct horse battery staple","name":"Alice"}'
expect 'a bad registration lists each bad field' '400 422' -X POST "$origin/auth/register" -H 'Content-Type: application/json' \
    -d '{"email":"not-an-address","password":"x","name":""}'
holds 'email and password are named' '(tostring | test("email")) and (tostring | test("password"))'
expect 'alice logs in' '200 204 303' -X POST "$origin/auth/login" -H 'Content-Type: application/json' \
    -d '{"email":"alice@example.com","password":"correct horse battery staple"}'
expect 'a wrong password is refused' '400 401' -X POST "$origin/auth/login" -H 'Content-Type: application/json' \
    -d '{"email":"alice@example.com","password":"wrong horse battery staple"}'

expect 'demo-app registers' 201 -X POST "$origin/clients" -H 'Content-Type: application/json' -d '{
    "client_name": "demo-app", "redirect_uris": ["http://localhost:8080/callback"],
    "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "client_secret_basic",
    "scope": "openid profile email"}'
holds 'it gets an id and a secret' '(.client_id | length) > 0 and (.client_secret | length) >= 32'
client_id=$(jq -r .client_id "$body")
client_secret=$(jq -r .client_secret "$body")
expect 'demo-app is shown' 200 "$origin/clients/$client_id"
holds 'as it was registered, without the secret' '.client_name == "demo-app" and (has("client_secret") | not) and .grant_types == ["authorization_code", "refresh_token"]'
expect 'an unknown client is 404' 404 "$origin/clients/nobody"
expect 'its secret is good at the token endpoint: the code is what is refused' 400 "$origin/oidc/token" -u "$client_id:$client_secret" \
    -d grant_type=authorization_code -d code=unknown -d redirect_uri=http://localhost:8080/callback
holds 'with invalid_grant' '.error == "invalid_grant"'
expect 'a wrong secret is 401' 401 "$origin/oidc/token" -u "$client_id:wrong" -d grant_type=authorization_code -d code=unknown
holds 'with invalid_client' '.error == "invalid_client"'
expect 'a page that does not exist is JSON for machines' 404 "$origin/nowhere" -H 'Accept: application/json'
holds 'with an error code' '.error | type == "string"'
expect 'a wrong method is 405' 405 -X DELETE "$origin/oidc/token"
expect 'a broken body is 400' 400 -X POST "$origin/auth/register" -H 'Content-Type: application/json' -d '{"email":'
holds 'with an error code' '.error | type == "string"'

echo "# tutorial [$backend]: $passed passed, $failed failed"
[ "$failed" = 0 ]
