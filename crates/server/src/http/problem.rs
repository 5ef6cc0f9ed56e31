//! Every error the management API answers with, on one page (RFC 9457).

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use keyway_domain::actor::NotPermitted;
use keyway_domain::lifecycle::Refusal;
use keyway_domain::member::MemberRefusal;
use keyway_store::DbError;
use serde_json::json;

use super::{Reply, json as json_reply};
use crate::commands::Error;

/// What went wrong, for a program (`code`) and for a person (`detail`).
#[derive(Debug, Clone)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable word.
    pub code: &'static str,
    /// A sentence.
    pub detail: String,
    /// The field of the body that is wrong.
    pub field: Option<String>,
}

impl Problem {
    /// A problem without a field.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), field: None }
    }

    /// A wrong field.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let field = Some(field.into()).filter(|field| !field.is_empty());
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { status, code: "invalid_field", detail: detail.into(), field }
    }

    /// There is no such thing here, for this caller.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// The problem as a response.
    pub fn reply(&self, request_id: &str) -> Reply {
        let body = json!({
            "type": format!("urn:keyway:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "field": self.field,
            "request_id": request_id,
        });
        let mut reply = json_reply(self.status, body.to_string());
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Keyway\""));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert("retry-after", HeaderValue::from_static("1"));
        }
        reply
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NotFound(what) => Self::not_found(what),
            Error::Invalid { field, message } => Self::invalid(field, message),
            Error::Conflict { code, message } => Self::new(StatusCode::CONFLICT, code, message),
            Error::Refused(refusal) => {
                let code = match refusal {
                    Refusal::Revoked => "credential_revoked",
                    Refusal::Deleted => "credential_deleted",
                    Refusal::Expired(_) => "credential_expired",
                    Refusal::OverlapRunning(_) => "overlap_running",
                    Refusal::NoOverlap => "no_overlap",
                    Refusal::NotLater(_) => "not_later",
                    Refusal::TooLate(_) => "too_late",
                };
                Self::new(StatusCode::CONFLICT, code, detail)
            }
            Error::Member(refusal) => {
                let code = match refusal {
                    MemberRefusal::LastOwner => "last_owner",
                    MemberRefusal::AboveOwn => "role_not_allowed",
                    MemberRefusal::Removed => "member_removed",
                };
                Self::new(StatusCode::CONFLICT, code, detail)
            }
            Error::NotPermitted(not) => {
                let code = match not {
                    NotPermitted::NotInScheme { .. } => "not_in_scheme",
                    NotPermitted::Role { .. } => "role_not_allowed",
                    NotPermitted::StepUp { .. } => "step_up_required",
                };
                Self::new(StatusCode::FORBIDDEN, code, detail)
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
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail)
    }
}
