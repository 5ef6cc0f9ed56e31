//! Every word by which a program tells errors apart: answers are made with them, and the OpenAPI
//! document and `docs/errors.md` are made from them.

use http::StatusCode;
use keyway_domain::verdict::Reason;

use crate::schemes;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal, $status:literal, $meaning:literal, $advice:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = $meaning] $variant,)*
        }

        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word on the wire. It never changes.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The HTTP status: each word has one.
            pub fn status(self) -> StatusCode {
                let status: u16 = match self { $(Self::$variant => $status,)* };
                StatusCode::from_u16(status).expect("the table has statuses")
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to do about it, in a sentence.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }
        }
    };
}

codes! {
    /// What is wrong with a call of the management API, or of the internal listener.
    Code {
        NotJson = "not_json", 400, "The body is not JSON.", "Repair the body at the place that `detail` names.";
        JsonTooDeep = "json_too_deep", 400, "The body's JSON is nested too deep.", "Send what the schema describes.";
        BodyIncomplete = "body_incomplete", 400, "The body could not be read to its end.", "Send the call again.";
        UnknownParameter = "unknown_parameter", 400, "The query has a parameter that the route does not know.", "Use the parameters that `detail` names.";
        DoubledParameter = "doubled_parameter", 400, "A parameter of the query is there twice.", "Send it once.";
        InvalidParameter = "invalid_parameter", 400, "A parameter of the query, `field`, has a wrong value.", "Send a value as `detail` describes it.";
        IdempotencyKeyInvalid = "idempotency_key_invalid", 400, "The `Idempotency-Key` is empty, too long, or not visible ASCII.", "Send 1 to 255 visible ASCII characters, such as a UUID.";
        CredentialMisplaced = "credential_misplaced", 400, "A credential stands in the URL, the body or the `Idempotency-Key`, where logs may keep it. Nothing was done.", "Send it in `Authorization` only, and replace that credential.";
        NotAQuestion = "not_a_question", 400, "The body is no question of verification.", "Repair the body at the place that `detail` names.";
        NotInScheme = "not_in_scheme", 403, "The scheme does not have this act for credentials of this kind.", "`GET /v1/scheme` lists the acts of each kind.";
        RoleNotAllowed = "role_not_allowed", 403, "The member's role may not do this.", "Let a member act whose role may; `detail` says which.";
        StepUpRequired = "step_up_required", 403, "The act wants a proof that it is really the member.", "Ask the member for it, then name it in `on_behalf_of.step_up`.";
        NotFound = "not_found", 404, "There is no such thing, or it is another account's.", "Look at the path and its ids.";
        UnknownFollower = "unknown_follower", 404, "The node does not know this follower, or not as one that is so far.", "Forget everything, and join without an id.";
        MethodNotAllowed = "method_not_allowed", 405, "The path has other methods.", "Use a method of the `Allow` header.";
        BodyTooSlow = "body_too_slow", 408, "The body did not arrive in time.", "Send the call again.";
        AlreadyExists = "already_exists", 409, "The account has its only credential of this kind and environment already.", "Rotate or regenerate that one, or revoke it first.";
        AlreadyImported = "already_imported", 409, "A credential with this hash is known already.", "Leave it out of the batch.";
        CredentialRevoked = "credential_revoked", 409, "The credential was revoked.", "Create another one: nothing brings it back.";
        CredentialDeleted = "credential_deleted", 409, "The credential was deleted.", "Create another one: nothing brings it back.";
        CredentialExpired = "credential_expired", 409, "The credential has expired.", "Give it a later expiry first, or create another one.";
        EndpointOff = "endpoint_off", 409, "The endpoint is switched off.", "Switch it on first: `enabled: true`.";
        ExternalIdTaken = "external_id_taken", 409, "Another account has this external id.", "Find that account by `external_id`, or use another id.";
        KindUnknown = "kind_unknown", 409, "The scheme no longer has the kind of this credential.", "Put the kind back into the scheme.";
        LastOwner = "last_owner", 409, "The person is the account's last owner.", "Make another person owner first.";
        MemberRemoved = "member_removed", 409, "The person is no longer in the account.", "Invite them again.";
        NoFactor = "no_factor", 409, "The person has no authenticator app.", "There is nothing to do.";
        NoOverlap = "no_overlap", 409, "There is no previous secret that is still accepted.", "There is nothing to do: only the current secret counts.";
        NotLater = "not_later", 409, "The previous secret is accepted as long already.", "Choose a later instant.";
        NotReadable = "not_readable", 409, "This credential can't be shown again.", "Rotate or regenerate it to get a new secret.";
        Outdated = "outdated", 409, "What a page of the dashboard showed is no longer so.", "Open the page again.";
        OverlapRunning = "overlap_running", 409, "The previous secret is still accepted.", "Finish or roll back that rotation first, or rotate with `overlap: 0s`.";
        SecondPersonNeeded = "second_person_needed", 409, "A rule wants that a second person approves this first.", "Ask for it in the dashboard, where another member approves it.";
        TooLate = "too_late", 409, "The scheme does not keep the previous secret so long.", "Choose an instant up to the one that `detail` names.";
        TooManyApprovals = "too_many_approvals", 409, "As many things of the account wait for a second person as may.", "Let somebody decide on them, or take some back.";
        TooManyCredentials = "too_many_credentials", 409, "The account has as many live credentials as it may.", "Delete those that nothing uses.";
        TooManyEndpoints = "too_many_endpoints", 409, "The account has as many endpoints as it may.", "Remove one first.";
        TooManyMembers = "too_many_members", 409, "The account has as many people as it may.", "Remove somebody, or withdraw an invitation.";
        BodyTooLarge = "body_too_large", 413, "The body is larger than the route takes.", "Send less at once.";
        LoginMisdirected = "login_misdirected", 421, "A gateway asked about a login, which a decision can't carry.", "Pass logins to the public listener.";
        InvalidField = "invalid_field", 422, "A field of the body, `field`, is wrong, missing or unknown.", "Send a value as `detail` describes it.";
        IdempotencyKeyMismatch = "idempotency_key_mismatch", 422, "This `Idempotency-Key` was used for another call.", "Use a new key for each call, and the same one only to repeat it.";
        GatewayMisconfigured = "gateway_misconfigured", 500, "A gateway's question lacks what its family must set; its client is refused.", "Repair the gateway's configuration as `detail` says.";
        ChangeLost = "change_lost", 503, "The database lost the change after it was kept, as after a fail-over to a server that was behind.", "Do it again.";
        StoreUnavailable = "store_unavailable", 503, "The database could not be reached. Nothing was changed.", "Send the call again, with the same `Idempotency-Key`, after `Retry-After`.";
        TooManyFollowers = "too_many_followers", 503, "As many processes follow this node as it takes.", "Follow another node, or ask this one each time.";
        Unavailable = "unavailable", 503, "The server is not ready yet, or nobody can be sure of the credential now.", "Send the call again after `Retry-After`.";
        WebhooksUnavailable = "webhooks_unavailable", 503, "This server can't call URLs.", "Tell who runs it; `GET /v1/status` says why.";
    }
}

codes! {
    /// Why an OAuth client is refused (RFC 6749 §5.2, RFC 7009 §2.2.1): the answer's `error`.
    OAuthError {
        InvalidRequest = "invalid_request", 400, "A parameter is missing, there twice, or unreadable; or two credentials were sent.", "Send a form with the parameters, and one pair.";
        InvalidScope = "invalid_scope", 400, "The scope is unknown, or more than the client has.", "Ask for scopes of the client, or leave `scope` out.";
        UnauthorizedClient = "unauthorized_client", 400, "The client may not have, or end, this token.", "Use the client that the token was issued to.";
        UnsupportedGrantType = "unsupported_grant_type", 400, "`grant_type` is another one than `client_credentials`.", "Send `grant_type=client_credentials`.";
        UnsupportedTokenType = "unsupported_token_type", 400, "A token of the scheme's own login ends with its time or its credential.", "Revoke its credential.";
        InvalidClient = "invalid_client", 401, "The client's pair, or the operator token, is not accepted.", "Send a pair that is neither revoked nor expired, in `Authorization` or in the body.";
        TooManyRequests = "temporarily_unavailable", 429, "The client sent more requests than its limit.", "Send the call again after `Retry-After`.";
        TemporarilyUnavailable = "temporarily_unavailable", 503, "Nobody can be sure now, or the token is not revoked on every node yet.", "Send the call again after `Retry-After`.";
    }
}

/// One word of an answer that is an error.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The word.
    pub word: String,
    /// The HTTP status.
    pub status: u16,
    /// What it means.
    pub meaning: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl From<Code> for Entry {
    fn from(code: Code) -> Self {
        Self {
            word: code.as_str().to_owned(),
            status: code.status().as_u16(),
            meaning: code.meaning().to_owned(),
            advice: code.advice(),
        }
    }
}

impl From<OAuthError> for Entry {
    fn from(error: OAuthError) -> Self {
        Self {
            word: error.as_str().to_owned(),
            status: error.status().as_u16(),
            meaning: error.meaning().to_owned(),
            advice: error.advice(),
        }
    }
}

/// Why an operator token can be refused: the words are those of the operator's own scheme.
pub fn token_refusals() -> Vec<Entry> {
    let scheme = schemes::operator();
    Reason::ALL
        .iter()
        .filter_map(|reason| Some((reason, advice(*reason)?)))
        .map(|(reason, advice)| {
            let refused = scheme.dialect.refused(*reason);
            Entry {
                word: refused.code.clone(),
                status: refused.status,
                meaning: refused.message.clone(),
                advice,
            }
        })
        .collect()
}

/// What to do about an operator token that is refused; `None` for what can't happen to one.
fn advice(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::Missing => "Send `Authorization: Bearer` with an operator token.",
        Reason::Malformed => "Send the token as it was shown, once, in one header.",
        Reason::Unknown => "Look whether it is a token of this Keyway.",
        Reason::Revoked | Reason::Expired => "Make another: `keyway tokens create`.",
        Reason::InsufficientScope => "Use a token whose grant has the permission.",
        Reason::AddressNotAllowed => {
            "Call from an address of the token's list, or change the list."
        }
        Reason::RateLimited | Reason::Unavailable => "Send the call again after `Retry-After`.",
        Reason::QuotaExceeded
        | Reason::WrongEnvironment
        | Reason::ResourceNotAccessible
        | Reason::AccountSuspended
        | Reason::Replayed
        | Reason::BadSignature
        | Reason::ClockSkew => return None,
    })
}
