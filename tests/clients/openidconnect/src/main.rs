//! The crate `openidconnect`, the library of most Rust clients, against the server at ISSUER (see ../../with_server.mjs).
//!
//! No browser: the forms of the pages are followed by their fields. Prints one line per check; exit code 1 if one failed.

use std::collections::BTreeMap;
use std::error::Error;

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreClientRegistrationRequest, CoreGrantType, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreResponseType, CoreUserInfoClaims,
};
use openidconnect::registration::EmptyAdditionalClientMetadata;
use openidconnect::{
    AccessTokenHash, AuthorizationCode, CsrfToken, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, RedirectUrl, ResponseTypes,
    Scope, TokenResponse,
};
use reqwest::blocking::Client as Http;
use url::Url;

const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";
const MOST_STEPS: usize = 20;

type Fault = Box<dyn Error>;

fn main() {
    let backend = std::env::var("BACKEND").unwrap_or_else(|_| "server".to_owned());
    let (mut passed, mut failed) = (0, 0);
    let mut ok = |sentence: &str| {
        passed += 1;
        println!("ok - openidconnect [{backend}] {sentence}");
    };
    for (name, alg) in [("RS256", CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256), ("ES256", CoreJwsSigningAlgorithm::EcdsaP256Sha256)] {
        if let Err(fault) = code_flow(name, alg, &mut |sentence| ok(&format!("{name}: {sentence}"))) {
            failed += 1;
            println!("not ok - openidconnect [{backend}] {name}: {fault}");
        }
    }
    println!("# openidconnect [{backend}]: {passed} passed, {failed} failed");
    std::process::exit(i32::from(failed > 0 || passed == 0));
}

fn code_flow(name: &str, alg: CoreJwsSigningAlgorithm, ok: &mut dyn FnMut(&str)) -> Result<(), Fault> {
    let issuer = IssuerUrl::new(std::env::var("ISSUER")?)?;
    let http = Http::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let metadata = CoreProviderMetadata::discover(&issuer, &http)?;
    ok("the discovery document and the key set are read");

    let redirect = RedirectUrl::new(REDIRECT_URI.to_owned())?;
    let wishes = CoreClientRegistrationRequest::new(vec![redirect.clone()], EmptyAdditionalClientMetadata {})
        .set_response_types(Some(vec![ResponseTypes::new(vec![CoreResponseType::Code])]))
        .set_grant_types(Some(vec![CoreGrantType::AuthorizationCode, CoreGrantType::RefreshToken]))
        .set_token_endpoint_auth_method(Some(CoreClientAuthMethod::ClientSecretPost))
        .set_id_token_signed_response_alg(Some(alg.clone()));
    let endpoint = metadata.registration_endpoint().ok_or("no registration endpoint")?;
    let registered = wishes.register(endpoint, &http)?;
    if registered.registration_access_token().is_none() || registered.registration_client_uri().is_none() {
        return Err("the registration cannot be managed".into());
    }
    ok("a client is registered, and can be managed");

    let secret = registered.client_secret().cloned();
    let client = CoreClient::from_provider_metadata(metadata.clone(), registered.client_id().clone(), secret)
        .set_redirect_uri(redirect)
        .set_auth_type(openidconnect::AuthType::RequestBody);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("email".to_owned()))
        .add_scope(Scope::new("profile".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let answer = walk(name, url)?;
    let sent: BTreeMap<_, _> = answer.query_pairs().into_owned().collect();
    if sent.get("state") != Some(state.secret()) {
        return Err("the state came back as another one".into());
    }
    ok("the pages lead to the client, with its state");

    let code = AuthorizationCode::new(sent.get("code").cloned().ok_or("no code")?);
    let tokens = client.exchange_code(code)?.set_pkce_verifier(verifier).request(&http)?;
    let id_token = tokens.id_token().ok_or("no id_token")?;
    let checker = client.id_token_verifier();
    let claims = id_token.claims(&checker, &nonce)?;
    if *id_token.signing_alg()? != alg {
        return Err("the id_token is signed with another algorithm".into());
    }
    ok("the id_token verifies, with its nonce and the registered algorithm");
    if let Some(expected) = claims.access_token_hash() {
        let actual = AccessTokenHash::from_token(tokens.access_token(), id_token.signing_alg()?, id_token.signing_key(&checker)?)?;
        if actual != *expected {
            return Err("at_hash is another one".into());
        }
        ok("at_hash vouches for the access token");
    }
    let person: CoreUserInfoClaims = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone()))?.request(&http)?;
    if person.email().map(|own| own.as_str()).is_none_or(|own| !own.contains('@')) {
        return Err("userinfo has no e-mail address".into());
    }
    ok("userinfo is of the same subject");
    let refreshed = client.exchange_refresh_token(tokens.refresh_token().ok_or("no refresh token")?)?.request(&http)?;
    if refreshed.access_token().secret() == tokens.access_token().secret() {
        return Err("the refreshed access token is the same one".into());
    }
    ok("a refresh brings another access token");
    match client.exchange_refresh_token(tokens.refresh_token().ok_or("no refresh token")?)?.request(&http) {
        Err(openidconnect::RequestTokenError::ServerResponse(refusal)) if refusal.error().to_string() == "invalid_grant" => {}
        other => return Err(format!("a spent refresh token: {other:?}").into()),
    }
    ok("a spent refresh token is invalid_grant");
    Ok(())
}

/// From the authorization request to the redirect to the client, by way of the forms of the pages.
fn walk(name: &str, mut url: Url) -> Result<Url, Fault> {
    let origin = url.origin().ascii_serialization();
    let http = Http::builder().redirect(reqwest::redirect::Policy::none()).cookie_store(true).no_proxy().build()?;
    let mark = format!("{name}-{}", std::process::id());
    let person = [
        ("email", format!("dora-{mark}@example.com")),
        ("login", format!("dora-{mark}@example.com")),
        ("password", format!("correct horse {mark} staple")),
        ("name", "Dora".to_owned()),
        ("decision", "allow".to_owned()),
    ];
    let mut answer = http.get(url.clone()).header("accept", "text/html").send()?;
    for _ in 0..MOST_STEPS {
        if let Some(location) = answer.headers().get("location") {
            url = url.join(location.to_str()?)?;
            if url.as_str().starts_with(REDIRECT_URI) {
                return Ok(url);
            }
            answer = http.get(url.clone()).header("accept", "text/html").send()?;
            continue;
        }
        let page = answer.text()?;
        // Somebody new: from the page for signing in to the one for an account.
        if let Some(link) = attributes(&page, "a", "href").into_iter().find(|href| href.ends_with("/register")) {
            url = url.join(&link)?;
            answer = http.get(url.clone()).header("accept", "text/html").send()?;
            continue;
        }
        let form = page.split("<form").nth(1).and_then(|rest| rest.split("</form>").next()).ok_or_else(|| format!("no form at {url}"))?;
        let action = attribute(form.split('>').next().unwrap_or_default(), "action").unwrap_or_default();
        let mut fields = Vec::new();
        for tag in form.split("<input").skip(1).chain(form.split("<button").skip(1)).filter_map(|rest| rest.split('>').next()) {
            let Some(name) = attribute(tag, "name") else { continue };
            let known = person.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone());
            if !fields.iter().any(|(own, _)| *own == name) {
                fields.push((name, known.or_else(|| attribute(tag, "value")).unwrap_or_default()));
            }
        }
        url = url.join(&action)?;
        answer = http.post(url.clone()).header("origin", &origin).header("accept", "text/html").form(&fields).send()?;
    }
    Err(format!("no answer for the client after {MOST_STEPS} steps, last at {url}").into())
}

fn attributes(page: &str, element: &str, name: &str) -> Vec<String> {
    let opening = format!("<{element} ");
    let tags = page.split(opening.as_str()).skip(1).filter_map(|rest| rest.split('>').next());
    tags.filter_map(|tag| attribute(&format!(" {tag}"), name)).collect()
}

/// The value of an attribute, with the references that the pages write.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split_once(&format!(" {name}=\""))?.1.split('"').next()?;
    Some(value.replace("&#38;", "&").replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">"))
}
