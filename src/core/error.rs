//! The one registry of protocol refusals.
//!
//! | Column | Meaning |
//! |---|---|
//! | code | what the client reads in `error` |
//! | status | the HTTP status of a direct (not redirected) answer |
//! | redirect | whether it may travel in the query of a verified `redirect_uri` |
//! | sentence | the public `error_description` unless a check says something more useful |
//!
//! Sources: RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 7009 §2.2.1, RFC 7591 §3.2.2, RFC 8628 §3.5, RFC 8707 §2, CIBA Core 1.0 §13, OpenID Connect Core 1.0 §3.1.2.6, RFC 9101 §7, RFC 9449 §5, §8, RFC 9701 §5, OpenID4VCI §8.3.1.2,
//! OpenID Connect Core Unmet Authentication Requirements 1.0 §2;
//! `invalid_credentials`, `slow_down` and those named after HTTP statuses are our own, for routes that no specification covers.
//!
//! Out of scope: headers (`http`), pages (`pages`).

use alloc::borrow::Cow;
use alloc::string::String;

/// A refusal: a code of the registry, a public sentence, and a detail for the log line and the event only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    pub code: Code,
    /// For the client. Only %x20-21 / %x23-5B / %x5D-7E (RFC 6749 §5.2); never tells unknown from wrong from expired.
    pub description: Cow<'static, str>,
    /// For the operator. Never holds a secret.
    pub detail: Cow<'static, str>,
}

macro_rules! registry {
    ($($variant:ident $function:ident $text:literal $status:literal $redirect:literal $sentence:literal;)*) => {
        /// The error codes that Chancery sends.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($variant),* }

        impl Code {
            /// Every code, for tables and documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The value of `error`.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text),* } }

            /// HTTP status of a direct answer.
            pub const fn status(self) -> u16 { match self { $(Self::$variant => $status),* } }

            /// Whether it may be sent to a verified `redirect_uri`.
            pub const fn may_redirect(self) -> bool { match self { $(Self::$variant => $redirect),* } }

            /// The sentence used when a check has none of its own.
            pub const fn sentence(self) -> &'static str { match self { $(Self::$variant => $sentence),* } }
        }

        impl OAuthError {
            $(
                #[doc = concat!("`", $text, "` with its standard sentence; `detail` stays private.")]
                pub fn $function(detail: impl Into<Cow<'static, str>>) -> Self { Self::new(Code::$variant, detail) }
            )*
        }
    };
}

registry! {
    InvalidRequest invalid_request "invalid_request" 400 true "The request is missing a parameter, repeats one, or is malformed.";
    InvalidClient invalid_client "invalid_client" 401 false "Client authentication failed.";
    NotAuthenticated not_authenticated "invalid_client" 400 false "This needs client authentication, and the request has none.";
    InvalidGrant invalid_grant "invalid_grant" 400 false "The code or refresh token is invalid, expired, used, or was issued to another client.";
    UnauthorizedClient unauthorized_client "unauthorized_client" 400 true "The client is not registered for this grant or response type.";
    UnsupportedGrantType unsupported_grant_type "unsupported_grant_type" 400 false "This grant_type is not supported.";
    UnsupportedResponseType unsupported_response_type "unsupported_response_type" 400 true "This response_type is not supported; use response_type=code.";
    UnsupportedTokenType unsupported_token_type "unsupported_token_type" 400 false "This token type cannot be revoked.";
    InvalidScope invalid_scope "invalid_scope" 400 true "The scope is malformed, unknown, or more than was granted.";
    InvalidTarget invalid_target "invalid_target" 400 true "The resource is unknown, malformed, or was not granted.";
    InvalidAuthorizationDetails invalid_authorization_details "invalid_authorization_details" 400 true "The authorization_details are malformed, of an unknown type, or more than was granted.";
    InvalidToken invalid_token "invalid_token" 401 false "The access token is invalid, expired or revoked.";
    InsufficientScope insufficient_scope "insufficient_scope" 403 false "The access token lacks the scope that this needs.";
    InvalidCredentials invalid_credentials "invalid_credentials" 401 false "The e-mail address or password is wrong.";
    AccessDenied access_denied "access_denied" 403 true "The request was denied.";
    LoginRequired login_required "login_required" 400 true "Nobody is signed in.";
    ConsentRequired consent_required "consent_required" 400 true "The person has not consented yet.";
    InteractionRequired interaction_required "interaction_required" 400 true "The person has to do something first.";
    AccountSelectionRequired account_selection_required "account_selection_required" 400 true "The person has to choose an account.";
    UnmetAuthenticationRequirements unmet_authentication_requirements "unmet_authentication_requirements" 400 true "The level of authentication that was demanded cannot be reached here.";
    AuthorizationPending authorization_pending "authorization_pending" 400 false "Nobody has answered yet; ask again after the interval.";
    PollSlowDown poll_slow_down "slow_down" 400 false "Too fast; wait five seconds longer between two requests from now on.";
    ExpiredToken expired_token "expired_token" 400 false "The device code has expired; ask for a new one.";
    UnknownUserId unknown_user_id "unknown_user_id" 400 false "The hint names nobody here.";
    ExpiredLoginHintToken expired_login_hint_token "expired_login_hint_token" 400 false "The login_hint_token has expired.";
    MissingUserCode missing_user_code "missing_user_code" 400 false "This person set a code for such requests; send it as user_code, with a client that is registered to.";
    InvalidUserCode invalid_user_code "invalid_user_code" 400 false "The user_code is wrong, or there were too many wrong ones.";
    InvalidBindingMessage invalid_binding_message "invalid_binding_message" 400 false "A binding_message has at most 128 characters, and no control characters.";
    DeniedByPerson denied_by_person "access_denied" 400 false "The person denied the request.";
    InvalidDpopProof invalid_dpop_proof "invalid_dpop_proof" 400 false "The DPoP proof is missing, malformed, or does not belong to this request.";
    UseDpopNonce use_dpop_nonce "use_dpop_nonce" 400 false "Send the DPoP proof again with the nonce of the DPoP-Nonce header.";
    UseAttestationChallenge use_attestation_challenge "use_attestation_challenge" 400 false "Make the proof again with the challenge of the OAuth-Client-Attestation-Challenge header.";
    InvalidClientAttestation invalid_client_attestation "invalid_client_attestation" 400 false "The client attestation or its proof is missing, malformed, or does not hold.";
    UseFreshAttestation use_fresh_attestation "use_fresh_attestation" 400 false "The client attestation has expired; get a fresh one.";
    InvalidRequestObject invalid_request_object "invalid_request_object" 400 true "The request object is malformed, or its signature or claims do not hold.";
    InvalidRequestUri invalid_request_uri "invalid_request_uri" 400 true "The request_uri is unknown, expired or used, or what it names could not be read; go back to the application and start again.";
    RequestUriNotSupported request_uri_not_supported "request_uri_not_supported" 400 true "The request_uri parameter is not supported.";
    RegistrationNotSupported registration_not_supported "registration_not_supported" 400 true "The registration parameter is not supported.";
    InvalidRedirectUri invalid_redirect_uri "invalid_redirect_uri" 400 false "A redirect_uri is not acceptable.";
    InvalidSoftwareStatement invalid_software_statement "invalid_software_statement" 400 false "The software statement is malformed, expired, or its signature does not hold.";
    UnapprovedSoftwareStatement unapproved_software_statement "unapproved_software_statement" 400 false "The issuer of the software statement is not registered here.";
    InvalidClientMetadata invalid_client_metadata "invalid_client_metadata" 400 false "The client metadata is not acceptable.";
    InvalidCredentialRequest invalid_credential_request "invalid_credential_request" 400 false "The credential request is missing a parameter, repeats one, or is malformed.";
    UnknownCredentialConfiguration unknown_credential_configuration "unknown_credential_configuration" 400 false "There is no such credential configuration.";
    UnknownCredentialIdentifier unknown_credential_identifier "unknown_credential_identifier" 400 false "This access token has no such credential identifier.";
    InvalidProof invalid_proof "invalid_proof" 400 false "A proof is missing, malformed, or does not belong to this request.";
    InvalidNonce invalid_nonce "invalid_nonce" 400 false "The nonce of a proof is old, was used before, or is none of this issuer's; get a new one at the nonce endpoint.";
    InvalidEncryptionParameters invalid_encryption_parameters "invalid_encryption_parameters" 400 false "The encryption parameters are not supported.";
    CredentialRequestDenied credential_request_denied "credential_request_denied" 400 false "This credential cannot be issued.";
    ServerError server_error "server_error" 500 true "Something went wrong on our side; it has been logged.";
    TemporarilyUnavailable temporarily_unavailable "temporarily_unavailable" 503 true "The server cannot record anything right now; try again shortly.";
    SlowDown slow_down "slow_down" 429 false "Too many requests; wait before trying again.";
    NotFound not_found "not_found" 404 false "There is nothing here.";
    MethodNotAllowed method_not_allowed "method_not_allowed" 405 false "This method is not allowed here.";
    PayloadTooLarge payload_too_large "payload_too_large" 413 false "The request body is too large.";
    UnsupportedMediaType unsupported_media_type "unsupported_media_type" 415 false "The Content-Type is not supported here.";
    Conflict conflict "conflict" 409 false "Somebody changed this at the same time, or it exists already.";
}

impl OAuthError {
    /// A refusal with the standard sentence of its code.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: Cow::Borrowed(code.sentence()), detail: detail.into() }
    }

    /// Replaces the public sentence; characters outside RFC 6749 §5.2 become `?`, so that no input can break a header.
    #[must_use]
    pub fn saying(mut self, sentence: impl Into<String>) -> Self {
        let sentence: String = sentence.into();
        self.description =
            Cow::Owned(sentence.chars().map(|c| if matches!(c, ' '..='!' | '#'..='[' | ']'..='~') { c } else { '?' }).collect());
        self
    }

    /// The value of `error`.
    pub const fn code(&self) -> &'static str {
        self.code.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_5_2_descriptions_hold_only_allowed_characters() {
        for code in Code::ALL {
            let same = OAuthError::new(*code, "").saying(code.sentence());
            assert_eq!(same.description, code.sentence(), "{}", code.as_str());
        }
        assert_eq!(OAuthError::invalid_request("").saying("a\"b\\c\nd\u{e9}").description, "a?b?c?d?");
    }
}
