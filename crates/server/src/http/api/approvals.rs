//! What waits for a second person, over HTTP: to look at. People decide in the dashboard, where
//! they prove who they are.

use keyway_domain::approval::Approval;
use keyway_domain::id::{ApprovalId, CredentialId, MemberId};
use keyway_domain::time::Time;
use keyway_store::{accounts, approvals};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Call, Caller, Problem, Reply, said, view};
use crate::commands::Error;
use crate::commands::approvals::Asked;
use crate::http::openapi::shapes as shape;

/// The newest that are shown.
const SHOWN: u32 = 100;

/// Something that a member asked for, and that a second person has to approve.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Approval")]
pub struct Asking {
    /// Its id.
    #[schemars(with = "shape::ApprovalId")]
    id: ApprovalId,
    /// What is asked for, in a few words.
    #[schemars(example = &"Create “Payouts”")]
    asked: String,
    /// The credential that it would change or start from.
    #[schemars(with = "Option<shape::CredentialId>")]
    credential: Option<CredentialId>,
    /// Who asked.
    #[schemars(with = "shape::MemberId")]
    asked_by: MemberId,
    /// When.
    #[schemars(with = "shape::Instant")]
    asked_at: Time,
    /// `waiting`, `approved` (and not done yet), `done`, `declined`, `withdrawn` or `expired`.
    state: String,
    /// Until when it can be approved, or, once it is, done.
    #[schemars(with = "shape::Instant")]
    expires_at: Time,
    /// The second person.
    #[schemars(with = "Option<shape::MemberId>")]
    decided_by: Option<MemberId>,
    /// When they decided.
    #[schemars(with = "Option<shape::Instant>")]
    decided_at: Option<Time>,
    /// Why it was declined, in their words.
    why: Option<String>,
}

impl Asking {
    fn of(approval: &Approval, now: Time) -> Option<Self> {
        Some(Self {
            id: approval.id,
            asked: Asked::of(approval)?.say(),
            credential: approval.credential,
            asked_by: approval.asked_by,
            asked_at: approval.asked_at,
            state: approval.word(now).to_owned(),
            expires_at: approval.expires_at,
            decided_by: approval.decided_by,
            decided_at: approval.decided_at,
            why: (!approval.why.is_empty()).then(|| approval.why.clone()),
        })
    }
}

/// `GET /v1/accounts/{account}/approvals`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let (seals, now) = (call.app.platform.rules.seals.clone(), call.app.now());
    let read = call.app.db.read(move |tx| {
        accounts::find(tx, account)?.ok_or(Error::NotFound("account"))?;
        Ok::<_, Error>(approvals::list(tx, &seals, account, SHOWN)?)
    });
    let data = read.await?.iter().filter_map(|one| Asking::of(one, now)).collect();
    Ok(said(&view::Page { data, next_cursor: None }))
}
