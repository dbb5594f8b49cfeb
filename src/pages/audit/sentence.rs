//! Events as sentences. A type that has no sentence here is told by its name, so that a new event is readable from its first day.

use chancery_projections::envelope::Envelope;
use serde_json::Value;

/// What happened, in one sentence without names.
pub fn of(event: &Envelope) -> String {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str).unwrap_or_default();
    let words = |name: &str| text(name).replace('_', " ");
    let scope = || match text("scope") {
        "" => String::new(),
        scope => format!(" for {scope}"),
    };
    match event.kind.as_str() {
        "LogCreated" => format!("The log began, for the issuer {}.", text("issuer")),
        "ServerStarted" => format!("The server started: version {}, {} mode.", text("version"), text("mode")),
        "CatalogueRaised" => {
            let level = |member: &str| event.data.get(member).cloned().unwrap_or_default();
            format!("The catalogue of event types was raised from level {} to {}.", level("from"), level("to"))
        }
        "IssuerChanged" => format!("The issuer moved to {}.", text("issuer")),
        "ExpiredSwept" => "Rows of things that ended long ago left the read models.".to_owned(),
        "HeadSealed" => "The head of the quiet log was signed again.".to_owned(),
        "ClientRegistered" => format!("A client was registered ({}).", words("origin")),
        "ClientRedeclared" => "The configuration file declared a client anew.".to_owned(),
        "ClientDisabled" => "A client was disabled.".to_owned(),
        "ClientEnabled" => "A client was enabled.".to_owned(),
        "ClientReplaced" => "The client replaced its registration.".to_owned(),
        "ClientDeleted" => "The client deleted its registration.".to_owned(),
        "ClientKeysFetched" => "Other keys of the client were found at its address.".to_owned(),
        "ClientDocumentRead" => "The document that the client is was read, and says something new.".to_owned(),
        "RegistrationAccessIssued" => "Another registration access token was handed out.".to_owned(),
        "InitialAccessTokenIssued" => "An initial access token was issued.".to_owned(),
        "InitialAccessTokenUsed" => "A client was registered with an initial access token.".to_owned(),
        "InitialAccessTokenRevoked" => "An initial access token was taken back.".to_owned(),
        "AccountRegistered" => "An account was made.".to_owned(),
        "ClaimSourcesChanged" => "What other providers assert of the person was stated anew.".to_owned(),
        "EmailChanged" => "The person has another e-mail address.".to_owned(),
        "PasswordChanged" => format!("The password was replaced ({}).", words("reason")),
        "AccountDisabled" => "The account was disabled.".to_owned(),
        "AccountEnabled" => "The account was enabled.".to_owned(),
        "LegalHoldPlaced" => "The account was put under a legal hold.".to_owned(),
        "LegalHoldLifted" => "The legal hold of the account was lifted.".to_owned(),
        "StreamHoldPlaced" => format!("The stream {} was put under a legal hold.", text("stream")),
        "StreamHoldLifted" => format!("The legal hold of the stream {} was lifted.", text("stream")),
        "SignalStreamCreated" => "A client began a stream of shared signals.".to_owned(),
        "SignalStreamChanged" => "A client changed its stream of shared signals.".to_owned(),
        "SignalStreamStatusChanged" => format!("A client's stream of shared signals is {} from here on.", text("status")),
        "SignalStreamVerificationRequested" => "A client asked for a verification of its stream of shared signals.".to_owned(),
        "SignalStreamDeleted" => "A client ended its stream of shared signals.".to_owned(),
        "SegmentArchived" => format!("The events before position {} were archived.", event.data.get("until").cloned().unwrap_or_default()),
        "ErasureRefused" => match event.data.get("stream") {
            Some(_) => format!("An erasure of the person was refused, because the stream {} is held.", text("stream")),
            None => "An erasure of the person was refused, because the account is held.".to_owned(),
        },
        "ErasureOrdered" => "The erasure of the person was ordered.".to_owned(),
        "DataKeyDestroyed" => "The person's key was destroyed: what was sealed under it is erased.".to_owned(),
        "SessionStarted" => format!("The person signed in ({}).", methods(event)),
        "SessionExtended" => "The session was used again.".to_owned(),
        "SessionEnded" => format!("The session ended ({}).", words("reason")),
        "AuthorizationRequested" => "A client asked for authorization.".to_owned(),
        "AuthorizationAnsweredAtOnce" => "A client asked for authorization and was answered at once.".to_owned(),
        "AuthorizationRequestPushed" => "A client pushed an authorization request.".to_owned(),
        "PushedRequestOpened" => "A browser brought the pushed request.".to_owned(),
        "PushedRequestSpent" => "The pushed request was answered.".to_owned(),
        "PushedRequestMisused" => format!("A misuse of a pushed request was refused: {}.", words("misuse")),
        "DeviceAuthorizationRequested" => format!("A device asked for authorization{}.", scope()),
        "DevicePollingSlowed" => "A hasty device was told to wait longer.".to_owned(),
        "DeviceApproved" => "The person allowed the device.".to_owned(),
        "DeviceDenied" => "The person denied the device.".to_owned(),
        "DeviceCodeRedeemed" => "The device fetched its tokens.".to_owned(),
        "DeviceCodeMisused" => format!("A misuse of a device code was refused: {}.", words("misuse")),
        "DeviceGranted" => format!("The device got tokens{}.", scope()),
        "AssertionGranted" => format!("An assertion of {} became a token{}.", text("issuer"), scope()),
        "TokenExchanged" => format!("A token was exchanged for another{}.", scope()),
        "SubjectTokenReplayed" => "A token that is good for one exchange came to a second one and was refused.".to_owned(),
        "BackchannelRequested" => format!("A client asked the person on the back channel{}.", scope()),
        "RequestCodeChosen" => "The person set a code for requests on the back channel.".to_owned(),
        "RequestCodeRemoved" => "The person removed their code for requests on the back channel.".to_owned(),
        "RequestCodeRefused" => "A client brought a wrong code for a request on the back channel.".to_owned(),
        "UnknownPersonHinted" => "A client asked on the back channel for somebody who has no account here.".to_owned(),
        "BackchannelPollingSlowed" => "A hasty client was told to wait longer.".to_owned(),
        "BackchannelApproved" => "The person allowed the request on the back channel.".to_owned(),
        "BackchannelDenied" => "The person denied the request on the back channel.".to_owned(),
        "BackchannelApprovedOnDevice" => "The person allowed the request on the back channel in their application.".to_owned(),
        "BackchannelDeniedOnDevice" => "The person denied the request on the back channel in their application.".to_owned(),
        "BackchannelRedeemed" => "The client fetched the tokens of the request on the back channel.".to_owned(),
        "BackchannelNotificationAttempted" => format!("The client is about to be told of the answer: {}.", words("message")),
        "BackchannelNotified" => "The client was told of the answer.".to_owned(),
        "BackchannelNotificationFailed" => format!("The client could not be told of the answer: {}.", words("why")),
        "BackchannelNotificationAbandoned" => format!("Nobody tells the client of the answer any more: {}.", words("reason")),
        "BackchannelMisused" => format!("A misuse of a request on the back channel was refused: {}.", words("misuse")),
        "BackchannelGranted" => format!("The client got tokens that it had asked for on the back channel{}.", scope()),
        "UserCodeRefused" => "The person typed a code that no device shows.".to_owned(),
        "AccountChosen" => "The person was chosen among those signed in in the browser.".to_owned(),
        "PersonAuthenticated" => "The person signed in for the client's request.".to_owned(),
        "AuthorizationGranted" => "The answer left for the client.".to_owned(),
        "AuthorizationRefused" => format!("The client's request was refused ({}).", text("error")),
        "ConsentGiven" => match event.data.get("chosen") {
            Some(_) => format!("The person allowed the client{}, and chose what was left to them.", scope()),
            None => format!("The person allowed the client{}.", scope()),
        },
        "ConsentDenied" => format!("The person denied the client{}.", scope()),
        "ConsentWithdrawn" => "The person's consent was withdrawn.".to_owned(),
        "CodeIssued" => format!("An authorization code was issued{}.", scope()),
        "CodeRedeemed" => "The client redeemed the code and got tokens.".to_owned(),
        "CodeVerifierRefused" => "A wrong code_verifier was refused.".to_owned(),
        "RefreshTokenRotated" => "The client refreshed; its refresh token was replaced.".to_owned(),
        "RefreshTokenUsed" => "The client refreshed.".to_owned(),
        "RefreshTokenRepeated" => "The replaced refresh token came again and got the same successor.".to_owned(),
        "MisuseRefused" => format!("A misuse was refused: {}.", words("misuse")),
        "CredentialOffered" => "An operator offered the person credentials.".to_owned(),
        "TransactionCodeRefused" => "A wrong transaction code came with the code of an offer.".to_owned(),
        "CredentialOfferRedeemed" => "A wallet redeemed the offer of credentials.".to_owned(),
        "CredentialOfferReplayed" => "The code of an offer came again and was refused.".to_owned(),
        "PreAuthorizedGranted" => "The wallet got a token for what was offered.".to_owned(),
        "CredentialsIssued" => format!("Credentials were issued to the wallet ({}).", text("configuration")),
        "AccessTokenRevoked" => "An access token was given back.".to_owned(),
        "GrantEnded" => format!("Everything of the grant ended ({}).", words("reason")),
        "ClientCredentialsGranted" => format!("The client got a token of its own{}.", scope()),
        "OperatorTokenMinted" => format!("An operator's token was minted{}.", scope()),
        "SigningKeyPlanned" => format!("A signing key was made and published ({}).", text("alg")),
        "SigningKeyActivated" => "A signing key began to sign.".to_owned(),
        "SigningKeyRetired" => "A signing key signed for the last time.".to_owned(),
        "SigningKeyRemoved" => "A signing key was destroyed.".to_owned(),
        "EncryptionKeyPublished" => format!("A key was published that requests can be encrypted to ({}).", text("material")),
        "EncryptionKeyWithdrawn" => "A key for encrypted requests gave way to its successor.".to_owned(),
        "EncryptionKeyDestroyed" => "A key for encrypted requests was destroyed.".to_owned(),
        "LoginFailed" => "A sign-in failed.".to_owned(),
        "LoginFailuresCleared" => "A right password came after wrong ones.".to_owned(),
        "ClientAuthenticationFailed" => "A client failed to authenticate.".to_owned(),
        "DpopProofReplayed" => "A proof of a key came a second time and was refused.".to_owned(),
        "AttemptsRefused" => format!("{} attempts were refused ({}).", event.data.get("count").cloned().unwrap_or_default(), text("kind")),
        "AuditQueried" => format!("An auditor asked: {}.", text("question")),
        "AuditTailOpened" => "An auditor began to follow the log.".to_owned(),
        other => by_name(other),
    }
}

fn methods(event: &Envelope) -> String {
    let methods = event.data.get("amr").and_then(Value::as_array);
    let names: Vec<_> = methods.into_iter().flatten().filter_map(Value::as_str).collect();
    names.join(", ")
}

/// `GuestWelcomed` as `Guest welcomed.`
fn by_name(kind: &str) -> String {
    let mut sentence = String::new();
    for (index, c) in kind.chars().enumerate() {
        if c.is_ascii_uppercase() && index > 0 {
            sentence.push(' ');
            sentence.push(c.to_ascii_lowercase());
        } else {
            sentence.push(c);
        }
    }
    sentence.push('.');
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_sentence_is_told_by_its_name() {
        assert_eq!(by_name("GuestWelcomed"), "Guest welcomed.");
        assert_eq!(by_name(""), ".");
    }
}
