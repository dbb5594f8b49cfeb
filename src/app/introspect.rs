//! Introspection (RFC 7662) and everything else that asks whether a token is alive. Reads fresh; appends nothing but a misuse.
//!
//! | Rule | Source |
//! |---|---|
//! | active only for the token's own client, its resource server, or one with the `introspect` permission | RFC 7662 §4 |
//! | everybody else, and every dead or unknown token, gets `{"active":false}` and nothing more | RFC 7662 §2.2 |
//! | a public client cannot ask | RFC 7662 §2.1 |
//! | signed for the asker, if it names the media type; encrypted to it, if it registered that, and then never in clear | RFC 9701 §4, §5, §6; our own |

use std::sync::Arc;

use chancery_core::account::Account;
use chancery_core::acr;
use chancery_core::client::Client;
use chancery_core::consent::Consent;
use chancery_core::dpop::{Confirmation, Held};
use chancery_core::error::OAuthError;
use chancery_core::grant::event::{Misuse, MisuseRefused};
use chancery_core::grant::standing::{self, Dead, Origin, Parents};
use chancery_core::grant::{Grant, GrantEvent, GrantKind};
use chancery_core::id::{GrantId, consent_stream};
use chancery_core::resource::ResourceServer;
use chancery_core::scope::Scope;
use chancery_core::session::Session;
use chancery_core::stream::Stream as _;
use chancery_core::time::Timestamp;
use chancery_core::token::opaque::{Kind, Opaque, digest};
use chancery_ledger::recorded::Freshness;
use chancery_ledger::write::Row;
use chancery_projections::inline::Inline;
use serde_json::{Value, json};

use super::App;
use super::access::Known;
use super::client_auth::Authenticated;
use super::context::Context;
use super::work::{Seal, Stop, Work, decide, unreadable};

/// What an access token speaks for.
pub struct Bearer {
    pub grant: Arc<Grant>,
    pub scope: Scope,
    pub issued_at: i64,
    pub expires_at: i64,
    /// The key or certificate that its bearer has proven.
    pub cnf: Option<Confirmation>,
    pub account: Option<Arc<Account>>,
    pub client: Option<Arc<Client>>,
}

/// Why a token opens nothing.
enum Unfit {
    Refused(OAuthError),
    /// It lives, and whoever brought it does not hold its key.
    OtherKey(Arc<Grant>),
}

impl From<OAuthError> for Unfit {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error)
    }
}

async fn note_other_key(mut work: Work<'_>, grant: &Grant, at: Timestamp) -> Result<(), Stop> {
    let mut loaded = work.load::<Grant>(&grant.id.stream()).await?;
    let misuse = Misuse::AccessTokenWithOtherKey;
    if loaded.state.as_deref().is_none_or(|own| own.misused.contains(&misuse)) {
        return Ok(());
    }
    let event = MisuseRefused { misuse, by: grant.client.clone(), at };
    let seal = Seal { key: None, subject: grant.account().map(|account| account.to_string()) };
    work.record(&mut loaded, vec![GrantEvent::from(event).into()], &seal)?;
    work.commit().await.map(drop)
}

/// The states that a grant rests on.
struct Rest {
    client: Option<Arc<Client>>,
    account: Option<Arc<Account>>,
    session: Option<Arc<Session>>,
    consent: Option<Arc<Consent>>,
    resource: Option<Arc<ResourceServer>>,
    /// Of the fruit of an exchange: where the first token came from.
    origin: (Option<Arc<Grant>>, Option<Arc<Client>>),
}

impl Rest {
    fn parents(&self) -> Parents<'_> {
        Parents {
            client: self.client.as_deref(),
            account: self.account.as_deref(),
            session: self.session.as_deref(),
            consent: self.consent.as_deref(),
            resource: self.resource.as_deref(),
            origin: Origin { grant: self.origin.0.as_deref(), client: self.origin.1.as_deref() },
        }
    }
}

/// May this caller have the answer as JSON? Whoever registered that answers are encrypted gets none that others on the way can read, though the
/// media type was left out (RFC 9701 §6 leaves it to the server).
///
/// # Errors
/// `invalid_request`.
pub fn may_be_read_by_all(caller: &Authenticated) -> Result<(), OAuthError> {
    let encrypts = |client: &Client| client.metadata.introspection_encrypted_response_alg.is_some();
    if caller.client.state.as_deref().is_some_and(encrypts) {
        return Err(OAuthError::invalid_request("an answer in clear")
            .saying("Answers for this client are encrypted: ask with Accept: application/token-introspection+jwt."));
    }
    Ok(())
}

impl App {
    /// Reads an access token, with what its bearer proved. A living one without its key is in the wrong hands: its grant remembers that, once.
    ///
    /// # Errors
    /// `invalid_token` for everything that is not alive; `temporarily_unavailable`.
    pub(super) async fn living(&self, context: &Context, token: &str, held: &Held) -> Result<Bearer, OAuthError> {
        match self.judge_bearer(token, held).await {
            Ok(bearer) => Ok(bearer),
            Err(Unfit::Refused(error)) => Err(error),
            Err(Unfit::OtherKey(grant)) => {
                if !grant.misused.contains(&Misuse::AccessTokenWithOtherKey) {
                    decide!(self, context, |work| note_other_key(work, &grant, self.now()))?;
                }
                Err(OAuthError::invalid_token("the token is bound to another key, or to none"))
            }
        }
    }

    async fn judge_bearer(&self, token: &str, held: &Held) -> Result<Bearer, Unfit> {
        let refuse = |dead: Dead| OAuthError::invalid_token(dead.as_str());
        let opaque = Opaque::parse(Kind::AccessToken, token).ok_or_else(|| refuse(Dead::Unknown))?;
        let (grant, rest) = self.resting(GrantId(opaque.stream)).await?.ok_or_else(|| refuse(Dead::Unknown))?;
        let (access, scope) = standing::of_access(&grant, &digest(token), &rest.parents(), self.now()).map_err(refuse)?;
        // RFC 9068 §4, RFC 9700 §2.3: a token for somebody else opens nothing here.
        if access.audience.is_some() {
            return Err(OAuthError::invalid_token("the token is for a resource server").into());
        }
        // RFC 9449 §7.1, RFC 8705 §3.
        if !held.opens(access.cnf.as_ref()) {
            // A bearer token with a proof is a mistake of who holds it (RFC 9449 §7.2), and nothing is stolen.
            return Err(match access.cnf {
                Some(_) => Unfit::OtherKey(grant.clone()),
                None => OAuthError::invalid_token("a proof for a token that is bound to no key").into(),
            });
        }
        let (scope, issued_at, expires_at) = (scope.clone(), access.issued_at.numeric_date(), access.expires_at.numeric_date());
        let cnf = access.cnf;
        Ok(Bearer { scope, issued_at, expires_at, cnf, account: rest.account, client: rest.client, grant })
    }

    /// An operator's token with a management scope. Tokens of clients never have one, whatever their scope says.
    ///
    /// # Errors
    /// `invalid_token`, `insufficient_scope`.
    pub async fn operator(&self, token: Option<&str>, scope: &'static str) -> Result<Bearer, OAuthError> {
        let token = token.ok_or_else(|| OAuthError::invalid_token("no token"))?;
        let bearer = match self.judge_bearer(token, &Held::default()).await {
            Ok(bearer) => bearer,
            Err(Unfit::Refused(error)) => return Err(error),
            Err(Unfit::OtherKey(_)) => return Err(OAuthError::invalid_token("a bound token")),
        };
        if bearer.grant.kind != GrantKind::Operator {
            return Err(OAuthError::insufficient_scope("not an operator's token"));
        }
        if !bearer.scope.has(scope) {
            return Err(OAuthError::insufficient_scope(scope).saying(format!("This needs a token with the scope {scope}.")));
        }
        Ok(bearer)
    }

    /// Answers an introspection request of an authenticated client.
    ///
    /// # Errors
    /// `invalid_client` for a public one, `temporarily_unavailable`.
    pub async fn introspect(&self, caller: &Authenticated, token: &str) -> Result<Value, OAuthError> {
        let asker = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        if asker.is_public() {
            // RFC 9701 §5: a name alone is no authentication.
            return Err(OAuthError::not_authenticated("public clients cannot introspect"));
        }
        let inactive = json!({ "active": false });
        let Some(known) = self.known_token(token).await? else { return Ok(inactive) };
        let Some((grant, mut rest)) = self.resting(known.grant()).await? else { return Ok(inactive) };
        let presented = match &known {
            Known::Access { digest, .. } => grant.access.iter().find(|own| own.digest.matches(digest)),
            Known::Refresh { .. } => None,
        };
        let audience = presented.and_then(|own| own.audience.clone());
        if let Some(audience) = &audience {
            rest.resource = self.read::<ResourceServer>(&audience.stream()).await?;
        }
        let serves_it = rest.resource.as_ref().is_some_and(|server| server.settings.introspected_by.contains(&asker.id));
        if grant.client != asker.id && !asker.metadata.introspect && !serves_it {
            return Ok(inactive);
        }
        let (parents, at) = (rest.parents(), self.now());
        let (scope, issued_at, expires_at, kind, cnf) = match &known {
            Known::Access { digest, .. } => match standing::of_access(&grant, digest, &parents, at) {
                Ok((access, scope)) => {
                    let kind = Confirmation::token_type(access.cnf.as_ref());
                    (scope, Some(access.issued_at.numeric_date()), access.expires_at.numeric_date(), Some(kind), access.cnf)
                }
                Err(_) => return Ok(inactive),
            },
            Known::Refresh { digest, .. } => match standing::of_refresh(&grant, digest, &parents, at) {
                Ok(expires_at) => {
                    let cnf = grant.refresh.as_ref().and_then(|family| family.cnf);
                    (&grant.scope, None, expires_at.numeric_date(), None, cnf)
                }
                Err(_) => return Ok(inactive),
            },
        };
        let mut answer = json!({
            "active": true,
            "scope": scope.to_string(),
            "client_id": grant.client,
            "exp": expires_at,
            "iss": self.endpoints.issuer,
        });
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                answer[name] = value;
            }
        };
        set("iat", issued_at.map(|at| json!(at)));
        set("token_type", kind.map(|kind| json!(kind)));
        // RFC 9396 §9.2: what is for whom the token is for.
        if let Some(access) = presented {
            let details = self.details_in(grant.details_of(access)).await?;
            let seen = details.and_then(|own| own.for_audience(access.audience.as_ref().map(|own| own.as_str())));
            set("authorization_details", seen.map(|own| own.value()));
        }
        // RFC 9470 §6.2: so that a resource server can tell whether this sign-in is good enough for it.
        if let (GrantKind::Person(person), Known::Access { .. }) = (&grant.kind, &known)
            && !person.amr.is_empty()
        {
            set("auth_time", Some(json!(person.auth_time.numeric_date())));
            set("acr", Some(json!(acr::of(&person.amr))));
        }
        // RFC 8693 §4.1, §4.4: who acts, and who may.
        if let Some(client) = rest.client.as_deref().filter(|_| matches!(known, Known::Access { .. })) {
            set("act", self.act(&grant, client)?);
            set("may_act", self.may_act(&grant));
        }
        // RFC 9449 §6.2, RFC 8705 §3.2.
        set("cnf", cnf.map(|cnf| json!(cnf)));
        set("aud", audience.map(|audience| json!(audience)));
        // RFC 7662 §2.2: the subject of a client's own token is the client.
        let sub = match (grant.account(), &rest.client) {
            (Some(account), Some(client)) => self.subject(account, client)?,
            _ => grant.allowed_client().to_string(),
        };
        set("sub", Some(json!(sub)));
        Ok(answer)
    }

    /// An answer as a JWT for whoever asked (RFC 9701 §5). What is said of the token stands in a member of its own, so that the JWT passes
    /// for no access token and no id_token.
    ///
    /// # Errors
    /// `server_error` when nothing can be signed; `temporarily_unavailable` when the asker's key cannot be read.
    pub async fn signed_introspection(&self, caller: &Authenticated, answer: &Value) -> Result<String, OAuthError> {
        let asker = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        let claims = json!({
            "iss": self.endpoints.issuer,
            "aud": asker.id,
            "iat": self.now().numeric_date(),
            "token_introspection": answer,
        });
        let alg = asker.metadata.introspection_signed_response_alg.unwrap_or_else(|| self.policy().usual_alg(asker));
        // RFC 8725 §3.11: of a nested JWT the inner one says what it is.
        let signed = self.keys.current().await?.sign_as(alg, "token-introspection+jwt", &claims).await?;
        let metadata = &asker.metadata;
        self.nested_for(asker, (metadata.introspection_encrypted_response_alg, metadata.introspection_encrypted_response_enc), signed).await
    }

    /// A grant and what it rests on, as of one moment.
    ///
    /// What a grant rests on is settled when it begins. So a state of any age names the rows, and one read of all of them decides.
    async fn resting(&self, id: GrantId) -> Result<Option<(Arc<Grant>, Rest)>, OAuthError> {
        let stream = id.stream();
        let Some(named) = self.load::<Grant>(&stream, Freshness::Cached).await?.state else {
            // Perhaps only this node does not know it yet. A grant that is found now is read again with its parents.
            return match self.read::<Grant>(&stream).await? {
                Some(named) => self.read_resting(&stream, &named).await.map(Some),
                None => Ok(None),
            };
        };
        self.read_resting(&stream, &named).await.map(Some)
    }

    async fn read_resting(&self, stream: &str, named: &Grant) -> Result<(Arc<Grant>, Rest), OAuthError> {
        let client = (named.kind != GrantKind::Operator).then(|| named.client.stream());
        let account = named.account().map(|account| account.stream());
        let session = named.bound_session().map(|session| session.stream());
        let consent = named.account().map(|account| consent_stream(account, named.allowed_client()));
        let source = named.exchanged.as_deref().map(|exchanged| &exchanged.source);
        let (from, of) = (source.and_then(|own| Some(own.grant?.stream())), source.map(|own| own.client.stream()));
        let parents = [
            (Client::KIND, &client),
            (Account::KIND, &account),
            (Session::KIND, &session),
            (Consent::KIND, &consent),
            (Grant::KIND, &from),
            (Client::KIND, &of),
        ];
        let mut keys = vec![(Grant::KIND, stream)];
        keys.extend(parents.iter().filter_map(|(kind, stream)| Some((*kind, stream.as_deref()?))));
        let rows = self.ledger.rows(&keys, Freshness::Fresh).await.map_err(unreadable)?;
        let mut rows = rows.iter().map(Option::as_deref);
        // In the order of `keys`; each stream that was asked for has its place.
        let grant = self.loaded::<Grant>(stream, rows.next().flatten()).await?.state;
        let grant = grant.ok_or_else(|| OAuthError::server_error(format!("{stream} is gone")))?;
        let rest = Rest {
            client: self.parent(client.as_deref(), &mut rows).await?,
            account: self.parent(account.as_deref(), &mut rows).await?,
            session: self.parent(session.as_deref(), &mut rows).await?,
            consent: self.parent(consent.as_deref(), &mut rows).await?,
            resource: None,
            origin: (self.parent(from.as_deref(), &mut rows).await?, self.parent(of.as_deref(), &mut rows).await?),
        };
        Ok((grant, rest))
    }

    async fn parent<'a, S: Inline>(
        &self,
        stream: Option<&str>,
        rows: &mut impl Iterator<Item = Option<&'a Row>>,
    ) -> Result<Option<Arc<S>>, OAuthError> {
        match stream {
            Some(stream) => Ok(self.loaded::<S>(stream, rows.next().flatten()).await?.state),
            None => Ok(None),
        }
    }
}
