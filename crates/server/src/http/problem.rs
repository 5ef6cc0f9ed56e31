//! Every error the management API answers with, on one page (RFC 9457).

use http::StatusCode;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use keyway_domain::actor::NotPermitted;
use keyway_domain::lifecycle::Refusal;
use keyway_domain::member::MemberRefusal;
use keyway_store::DbError;
use serde_json::json;

use super::{Reply, json as json_reply};
use crate::codes::Code;
use crate::commands::Error;

/// What a problem's body is (RFC 9457 §3).
pub(super) const MEDIA_TYPE: &str = "application/problem+json";
/// What a problem's `type` starts with; its code follows.
pub(super) const TYPE: &str = "urn:keyway:problem:";

/// What went wrong, for a program (`code`) and for a person (`detail`).
#[derive(Debug, Clone)]
pub struct Problem {
    /// A stable word; it has its status.
    pub code: Code,
    /// A sentence.
    pub detail: String,
    /// The field of the body, or the parameter of the query, that is wrong.
    pub field: Option<String>,
}

impl Problem {
    /// A problem without a field.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None }
    }

    /// A wrong field.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let field = Some(field.into()).filter(|field| !field.is_empty());
        Self { field, ..Self::new(Code::InvalidField, detail) }
    }

    /// A wrong parameter of the query.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        Self { field: Some(name.to_owned()), ..Self::new(Code::InvalidParameter, detail) }
    }

    /// There is no such thing here, for this caller.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// The problem's body.
    pub(super) fn body(&self, request_id: &str) -> String {
        let (status, code) = (self.status(), self.code.as_str());
        let body = json!({
            "type": format!("{TYPE}{code}"),
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": self.detail,
            "code": code,
            "field": self.field,
            "request_id": request_id,
        });
        body.to_string()
    }

    /// The problem as a response.
    pub fn reply(&self, request_id: &str) -> Reply {
        let status = self.status();
        let mut reply = json_reply(status, self.body(request_id));
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert("retry-after", HeaderValue::from_static("1"));
        }
        reply
    }
}

/// The answer to another method than a path has (RFC 9110 §15.5.6).
pub(super) fn other_method(allowed: &str, request_id: &str) -> Reply {
    let detail = format!("this path has: {allowed}");
    let mut reply = Problem::new(Code::MethodNotAllowed, detail).reply(request_id);
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        reply.headers_mut().insert(ALLOW, allowed);
    }
    reply
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NotFound(what) => Self::not_found(what),
            Error::Invalid { field, message } => Self::invalid(field, message),
            Error::Conflict { code, message } => Self::new(code, message),
            Error::SecondPerson(_) => Self::new(Code::SecondPersonNeeded, detail),
            Error::Undecidable(_) => Self::new(Code::Outdated, detail),
            Error::Refused(refusal) => {
                let code = match refusal {
                    Refusal::Revoked => Code::CredentialRevoked,
                    Refusal::Deleted => Code::CredentialDeleted,
                    Refusal::Expired(_) => Code::CredentialExpired,
                    Refusal::OverlapRunning(_) => Code::OverlapRunning,
                    Refusal::NoOverlap => Code::NoOverlap,
                    Refusal::NotLater(_) => Code::NotLater,
                    Refusal::TooLate(_) => Code::TooLate,
                };
                Self::new(code, detail)
            }
            Error::Member(refusal) => {
                let code = match refusal {
                    MemberRefusal::LastOwner => Code::LastOwner,
                    MemberRefusal::AboveOwn => Code::RoleNotAllowed,
                    MemberRefusal::Removed => Code::MemberRemoved,
                };
                Self::new(code, detail)
            }
            Error::NotPermitted(not) => {
                let code = match not {
                    NotPermitted::NotInScheme { .. } => Code::NotInScheme,
                    NotPermitted::Role { .. } => Code::RoleNotAllowed,
                    NotPermitted::StepUp { .. } => Code::StepUpRequired,
                };
                Self::new(code, detail)
            }
            Error::Db(error) => error.into(),
        }
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        // Logged here, once; the caller learns what to do, not what the database said.
        tracing::error!(%error, "the database could not serve a call");
        let detail = format!("Nothing was changed: {}.", error.advice());
        Self::new(Code::StoreUnavailable, detail)
    }
}
