//! What a registration says of client certificates.
//!
//! | Rule | Source |
//! |---|---|
//! | `tls_client_auth` names exactly one subject of its certificates | RFC 8705 §2.1.2 |
//! | a self-signed certificate is registered in `x5c` of a key, by value or by reference | RFC 8705 §2.2.2 |
//! | tokens are bound to a certificate or to a DPoP key, not to both: whoever uses one proves one thing | our own |
//! | nothing of it where no certificate can come in | RFC 8414 §2 in spirit |

use alloc::vec::Vec;

use super::Problems;
use crate::client::metadata::{AuthMethod, Metadata, Terms};

/// Bytes of a name.
const LONGEST: usize = 1024;

pub(super) fn check(metadata: &Metadata, terms: Terms, wrong: &mut Problems) {
    let method = metadata.token_endpoint_auth_method;
    let is_on = terms.client_certificates && (method != AuthMethod::TlsClientAuth || terms.client_authorities);
    if method.needs_certificate() && !is_on {
        return wrong
            .add("token_endpoint_auth_method", "This server takes no client certificates of this kind; see its discovery document.");
    }
    let names: Vec<_> = metadata.certificate_names().collect();
    match (method, &names[..]) {
        (AuthMethod::TlsClientAuth, []) => {
            wrong.add("tls_client_auth_subject_dn", "tls_client_auth needs this, or one of tls_client_auth_san_dns, _uri, _ip and _email.");
        }
        (AuthMethod::TlsClientAuth, [(field, name)]) => {
            if name.len() > LONGEST {
                wrong.add(field, "At most 1024 bytes.");
            } else if let Err(problem) = name.check() {
                wrong.add(field, problem);
            }
        }
        (AuthMethod::TlsClientAuth, [_, (second, _), ..]) => wrong.add(second, "Name the certificate in one way only."),
        (_, [(first, _), ..]) => wrong.add(first, "This is for the authentication method tls_client_auth."),
        (_, []) => {}
    }
    if method == AuthMethod::SelfSignedTlsClientAuth && metadata.jwks_uri.is_none() && !terms.jwks_certified {
        wrong.add("jwks", "self_signed_tls_client_auth needs a key with its certificate in x5c, or a jwks_uri.");
    }
    if metadata.use_mtls_endpoint_aliases && !terms.client_certificates {
        wrong.add("use_mtls_endpoint_aliases", "This server takes no client certificates, and has no aliases.");
    }
    let bound = "tls_client_certificate_bound_access_tokens";
    if metadata.tls_client_certificate_bound_access_tokens && !terms.client_certificates {
        wrong.add(bound, "This server takes no client certificates.");
    } else if metadata.tls_client_certificate_bound_access_tokens && metadata.dpop_bound_access_tokens {
        wrong.add(bound, "Tokens are bound to a certificate or to a DPoP key, not to both.");
    }
}
