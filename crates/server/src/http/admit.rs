//! From a request to a caller: who acts, and whether the route is his.

use std::net::IpAddr;

use http::header::{CONTENT_TYPE, HeaderValue};
use keyway_domain::actor::Actor;
use keyway_domain::grant::Action;
use keyway_guard::Passed;

use super::body::OnBehalfOf;
use super::problem::{MEDIA_TYPE, Problem};
use super::{Call, Door, Reply, answer};
use crate::app::App;
use crate::commands::Moment;
use crate::verify::{Answered, Asked, Headers};

/// Who calls, by which token.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The token's credential id, or `local`.
    pub token: String,
    /// Which of the token's secrets was presented.
    pub secret: Option<u32>,
    /// The headers that tell its rate limit, if it has one.
    pub rate: Vec<(String, String)>,
}

/// What a route needs of an operator token: a resource of the operator's scheme, and an action.
pub type Need = (&'static str, Action);

/// What a token needs to ask about requests.
pub(super) const TO_VERIFY: Need = ("verification", Action::Read);

/// Lets a call in, or answers it.
pub fn admit(call: &Call, door: Door, need: Need) -> Result<Caller, Box<Reply>> {
    if door == Door::Local {
        return Ok(Caller { token: Actor::LOCAL.to_owned(), secret: None, rate: Vec::new() });
    }
    let Passed { identity, response_headers } =
        *by_token(&call.app, &call.headers, call.address, need)?;
    let is_rate = |(name, _): &(String, String)| name.starts_with("ratelimit");
    let rate = response_headers.into_iter().filter(is_rate).collect();
    Ok(Caller { token: identity.credential, secret: Some(identity.secret), rate })
}

/// Lets in who presents an operator token that may do this, or answers with the problem.
pub(super) fn by_token(
    app: &App,
    presented: &impl Headers,
    address: Option<IpAddr>,
    need: Need,
) -> Result<Box<Passed>, Box<Reply>> {
    let engine = &app.operator.engine;
    let asked = Asked { named: Some(need), address, ..Asked::default() };
    let judged = engine.verify(presented, &asked);
    match engine.answer(&judged, presented) {
        Answered::Passed(passed) => Ok(passed),
        Answered::Refused(_, refusal) | Answered::LoggedIn(refusal) => {
            let mut reply = answer(refusal);
            // The operator's dialect writes problems.
            reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
            Err(Box::new(reply))
        }
    }
}

/// The longest name of a member: an address.
const MEMBER_CHARS_MAX: usize = 254;

impl Call {
    /// What a command needs to know of this call.
    pub fn moment(
        &self,
        caller: &Caller,
        realm: &std::sync::Arc<crate::app::Realm>,
        on_behalf_of: Option<OnBehalfOf>,
    ) -> Result<Moment, Problem> {
        let token = caller.token.clone();
        let (actor, step_up) = match on_behalf_of {
            None => (Actor::Operator { token }, None),
            Some(OnBehalfOf { member, role, step_up }) => {
                let fits = (1..=MEMBER_CHARS_MAX).contains(&member.chars().count());
                if !fits || member.chars().any(char::is_control) {
                    let message = format!("1 to {MEMBER_CHARS_MAX} characters");
                    return Err(Problem::invalid("on_behalf_of.member", message));
                }
                (Actor::Member { member, role, id: None, token: Some(token) }, step_up)
            }
        };
        Ok(Moment {
            now: self.app.now(),
            actor,
            step_up,
            request_id: self.request_id.clone(),
            address: self.address.map(|address| address.to_canonical().to_string()),
            client: crate::usage::client(&self.headers),
            reason: None,
            second: None,
            keys: std::sync::Arc::clone(&self.app.keys),
            realm: std::sync::Arc::clone(realm),
            order: self.app.order.clone(),
        })
    }
}
