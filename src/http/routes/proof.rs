//! Proofs of the log: checkpoint, inclusion, consistency.
//!
//! | Rule | Source |
//! |---|---|
//! | the checkpoint is text, and not cached | C2SP tlog-tiles, checkpoints |
//! | proofs hold hashes only, and are for everybody unless `proof.public` says otherwise | docs/adr/0023 |
//! | who shows no token is counted against its address | - |
//!
//! Tiles are `tiles`, since their paths have any number of segments.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_tree::Hash;
use poem::http::{HeaderValue, header};
use poem::{IntoResponse, Request, Response};
use poem_openapi::param::{Path, Query};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::{ApiResponse, OpenApi};
use serde_json::json;

use super::Group;
use crate::http::credentials;
use crate::http::error::Refused;
use crate::http::reply::{Describe, Reply};
use crate::http::server::Server;

/// Purpose of the limit on questions without a token.
const PROOFS: &str = "proof";

pub struct Proof(pub Server);

/// A signed note as it stands.
pub struct NoteText(String);

impl IntoResponse for NoteText {
    fn into_response(self) -> Response {
        let mut response = Response::builder().content_type("text/plain; charset=utf-8").body(self.0);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

impl ApiResponse for NoteText {
    fn meta() -> MetaResponses {
        let schema = MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Origin, size and root, signed (C2SP tlog-checkpoint); with the signatures of witnesses where there are some.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType { content_type: "text/plain; charset=utf-8", schema }],
                headers: Vec::new(),
            }],
        }
    }

    fn register(_: &mut Registry) {}
}

pub struct InclusionAnswer;

impl Describe for InclusionAnswer {
    const DESCRIPTION: &'static str = "That the entry is in the tree (RFC 6962 section 2.1.1). Hashes are in base64.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("position", "integer", "Index of the entry."),
        ("leaf_hash", "string", "SHA-256 of 0x00 and the entry."),
        ("size", "integer", "Size of the tree."),
        ("hashes", "array", "From the neighbour of the leaf up."),
        ("checkpoint", "string", "The signed note of the tree, where it is the latest one."),
    ];
}

pub struct ConsistencyAnswer;

impl Describe for ConsistencyAnswer {
    const DESCRIPTION: &'static str =
        "That the smaller tree is the beginning of the larger one (RFC 6962 section 2.1.2). Hashes are in base64.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("from", "integer", "Size of the smaller tree."),
        ("to", "integer", "Size of the larger tree."),
        ("hashes", "array", "In the order of RFC 6962."),
        ("checkpoint", "string", "The signed note of the larger tree, where it is the latest one."),
    ];
}

/// Everybody within the limit, or a bearer of `audit:read`.
pub(super) async fn admit(server: &Server, request: &Request) -> Result<(), Refused> {
    let token = credentials::bearer(request, None)?;
    if token.is_none() && server.app.config.proof.public {
        return server.count(PROOFS, request, server.app.config.rate_limits.proofs_per_address);
    }
    server.app.operator(token.as_deref(), "audit:read").await?;
    Ok(())
}

fn text(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
}

#[OpenApi(tag = "Group::Audit")]
impl Proof {
    /// Latest checkpoint
    ///
    /// The tiles of the tree are at `/audit/tile/...`, with the paths of C2SP tlog-tiles; bundles of entries need `audit:read`.
    #[oai(path = "/audit/checkpoint", method = "get", operation_id = "auditCheckpoint")]
    async fn checkpoint(
        &self,
        request: &Request,
        /// The newest one that witnesses and other places outside have seen, with their signatures; the latest is usually younger.
        anchored: Query<Option<bool>>,
    ) -> Result<NoteText, Refused> {
        admit(&self.0, request).await?;
        if anchored.0 == Some(true) {
            return Ok(NoteText(self.0.app.anchored_checkpoint().await?));
        }
        Ok(NoteText(self.0.app.latest_checkpoint().await?.note.to_string()))
    }

    /// Inclusion proof
    #[oai(path = "/audit/proof/:position", method = "get", operation_id = "auditProof")]
    async fn proof(
        &self,
        request: &Request,
        /// Position of the event.
        position: Path<u64>,
        /// Size of the tree; that of the latest checkpoint when it is absent.
        size: Query<Option<u64>>,
    ) -> Result<Reply<InclusionAnswer>, Refused> {
        admit(&self.0, request).await?;
        let proof = self.0.app.prove_inclusion(position.0, size.0).await?;
        let mut answer = json!({
            "position": proof.position,
            "leaf_hash": STANDARD.encode(proof.leaf_hash),
            "size": proof.size,
            "hashes": text(&proof.hashes),
        });
        if let Some(signed) = proof.signed {
            answer["checkpoint"] = json!(&*signed.note);
        }
        Ok(Reply::new(&answer))
    }

    /// Consistency proof
    #[oai(path = "/audit/consistency", method = "get", operation_id = "auditConsistency")]
    async fn consistency(
        &self,
        request: &Request,
        /// Size of the smaller tree.
        from: Query<u64>,
        /// Size of the larger tree; that of the latest checkpoint when it is absent.
        to: Query<Option<u64>>,
    ) -> Result<Reply<ConsistencyAnswer>, Refused> {
        admit(&self.0, request).await?;
        let proof = self.0.app.prove_consistency(from.0, to.0).await?;
        let mut answer = json!({ "from": proof.from, "to": proof.to, "hashes": text(&proof.hashes) });
        if let Some(signed) = proof.signed {
            answer["checkpoint"] = json!(&*signed.note);
        }
        Ok(Reply::new(&answer))
    }
}
