//! Clients, people, and the way from an authorization request to tokens.

use serde_json::{Value, json};

use super::browser::Browser;
use super::call::{Answer, Call};
use super::server::{Server, web_client};

/// RFC 7636 Appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub const PASSWORD: &str = "correct horse battery staple";

#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    /// Absent for clients without one.
    pub secret: Option<String>,
    pub redirect_uri: String,
}

#[derive(Clone, Debug)]
pub struct Person {
    pub email: String,
    pub account: String,
}

/// A token response that was 200.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: Option<String>,
    pub id_token: Option<String>,
    pub whole: Value,
}

impl Server {
    pub async fn register(&self, metadata: Value) -> Value {
        let answer = self.post("/clients").json(&metadata).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    /// A client with the usual metadata and these members over it.
    pub async fn client(&self, members: Value) -> Client {
        let mut metadata = web_client();
        metadata.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        Client::of(&self.register(metadata).await)
    }

    pub async fn web_client(&self) -> Client {
        self.client(json!({})).await
    }

    pub async fn public_client(&self) -> Client {
        self.client(json!({ "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"] })).await
    }

    pub async fn person(&self, email: &str) -> Person {
        let body = json!({ "email": email, "password": PASSWORD, "name": "Alice Liddell" });
        let mut call = self.post("/auth/register").json(&body);
        if self.app.is_production() {
            call = call.bearer(&self.operator_token("admin").await);
        }
        let answer = call.send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        Person { email: email.to_owned(), account: answer.json()["account_id"].as_str().unwrap().to_owned() }
    }

    pub async fn alice(&self) -> Person {
        self.person("alice@example.com").await
    }

    /// A token request of this client, authenticated as it is registered.
    pub async fn token(&self, client: &Client, fields: &[(&str, &str)]) -> Answer {
        self.as_client("/oidc/token", client, fields).send().await
    }

    pub async fn introspect(&self, client: &Client, token: &str) -> Value {
        let answer = self.as_client("/oidc/introspection", client, &[("token", token)]).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    pub async fn is_active(&self, client: &Client, token: &str) -> bool {
        self.introspect(client, token).await["active"] == true
    }

    pub async fn revoke(&self, client: &Client, token: &str) -> Answer {
        self.as_client("/oidc/revocation", client, &[("token", token)]).send().await
    }

    pub async fn userinfo(&self, access: &str) -> Answer {
        self.get("/oidc/userinfo").bearer(access).send().await
    }

    pub fn as_client(&self, path: &str, client: &Client, fields: &[(&str, &str)]) -> Call<'_> {
        match &client.secret {
            Some(secret) => self.post(path).basic(&client.id, secret).form(fields),
            None => self.post(path).form(&[fields, &[("client_id", client.id.as_str())]].concat()),
        }
    }

    pub async fn redeem(&self, client: &Client, code: &str) -> Answer {
        let fields =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &client.redirect_uri), ("code_verifier", VERIFIER)];
        self.token(client, &fields).await
    }

    pub async fn refresh(&self, client: &Client, token: &str) -> Answer {
        self.token(client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }
}

impl Client {
    pub fn of(registered: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            id: text(&registered["client_id"]).unwrap_or_else(|| panic!("no client: {registered}")),
            secret: text(&registered["client_secret"]),
            redirect_uri: text(&registered["redirect_uris"][0]).unwrap_or_default(),
        }
    }

    /// An authorization request; `changes` replace parameters, an empty value removes one.
    pub fn request(&self, changes: &[(&str, &str)]) -> String {
        let usual = [
            ("client_id", self.id.as_str()),
            ("redirect_uri", &self.redirect_uri),
            ("response_type", "code"),
            ("scope", "openid profile email"),
            ("state", "af0ifjsldkj"),
            ("nonce", "n-0S6_WzA2Mj"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in usual.iter().filter(|(name, _)| !changes.iter().any(|(own, _)| own == name)).chain(changes) {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        format!("/oidc/auth?{}", query.finish())
    }
}

impl Tokens {
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let whole = answer.json();
        let text = |name: &str| whole[name].as_str().map(str::to_owned);
        Self { access: text("access_token").unwrap(), refresh: text("refresh_token"), id_token: text("id_token"), whole: whole.clone() }
    }

    pub fn refresh(&self) -> &str {
        self.refresh.as_deref().unwrap()
    }

    pub fn id_token(&self) -> &str {
        self.id_token.as_deref().unwrap()
    }
}

impl Browser<'_> {
    /// Goes through whatever pages come: signs in, allows. Ends at the redirect to the client or at a page of another kind.
    pub async fn pass(&mut self, mut answer: Answer, person: &Person) -> Answer {
        for _ in 0..3 {
            answer = match page_of(&answer) {
                "login" => self.submit(&answer, &[("login", &person.email), ("password", PASSWORD)]).await,
                "consent" => self.submit(&answer, &[("decision", "allow")]).await,
                _ => return answer,
            };
        }
        answer
    }

    /// The whole way to the answer for the client.
    pub async fn authorize(&mut self, client: &Client, person: &Person, changes: &[(&str, &str)]) -> Answer {
        let page = self.open(&client.request(changes)).await;
        self.pass(page, person).await
    }

    /// The whole way to tokens.
    pub async fn tokens(&mut self, client: &Client, person: &Person, changes: &[(&str, &str)]) -> Tokens {
        let code = self.authorize(client, person, changes).await.code();
        Tokens::of(&self.server.redeem(client, &code).await)
    }
}

/// Which page an answer is.
pub fn page_of(answer: &Answer) -> &'static str {
    if (300..400).contains(&answer.status) {
        return "redirect";
    }
    let text = answer.text();
    if text.contains("name=\"choose\"") {
        "choose"
    } else if text.contains("name=\"password\"") && text.contains("name=\"login\"") {
        "login"
    } else if text.contains("value=\"allow\"") {
        "consent"
    } else if text.contains("name=\"logout\"") {
        "logout"
    } else {
        "other"
    }
}
