//! The dashboard: pages rendered here, forms that work without script, one table of routes.
//!
//! A page is a query, a view and its forms. What is done goes through the same commands as the
//! management API.

mod acts;
mod alerts;
mod approvals;
mod asked_in;
mod assets;
mod audit;
mod bulk;
mod chart;
mod codes;
mod dialog;
mod edit;
mod ends;
mod fields;
mod grants;
mod icons;
mod incident;
mod key;
mod keys;
mod layout;
mod leak;
mod limits;
mod mailbox;
mod me;
mod narrowing;
mod new_key;
mod newcomers;
mod notices;
mod operator;
mod problems;
mod quotas;
mod reach;
mod reference;
mod replace;
mod reply;
mod reported;
mod requests;
mod reveal;
pub mod routes;
mod said;
mod security;
mod settings;
mod shown_once;
mod sign_in;
mod step_up;
mod team;
mod ui;
mod visit;
mod webhooks;

use std::sync::Arc;

use http::{Method, StatusCode};

use super::{Call, Reply};
use crate::commands::repeats;
use problems::Stop;
use routes::{For, Matched, Page};
use visit::{Signed, Visit};

/// What a handler answers with.
pub(crate) type Answer = Result<Reply, Stop>;

/// Serves a page or takes a form.
pub async fn serve(call: Call) -> Reply {
    if let Some(reply) = assets::serve(&call) {
        return reply;
    }
    let secure = call.app.site.is_secure();
    let mut reply = match routes::find(&call.method, call.uri.path()) {
        Matched::Page(page, params) => {
            let call = Call { params, ..call };
            let (method, request_id) = (call.method.clone(), call.request_id.clone());
            let reply = run(call, page).await;
            let status = reply.status().as_u16();
            // The pattern, never the path: links that are good once are in paths.
            tracing::info!(%method, path = page.path, status, request_id, "page");
            reply
        }
        Matched::OtherMethod(allowed) => reply::other_method(&allowed),
        Matched::Nothing => match Visit::open(call).await {
            Ok(visit) => problems::page(&visit, Stop::NotFound),
            Err(reply) => *reply,
        },
    };
    reply::protect(reply.headers_mut(), secure);
    reply
}

async fn run(call: Call, page: &'static Page) -> Reply {
    let misplaced = super::serve::holds_no_credential(&call).err();
    let visit = match Visit::open(call).await {
        Ok(visit) => visit,
        Err(reply) => return *reply,
    };
    if let Some(problem) = misplaced {
        return problems::misplaced(&visit, &problem.detail);
    }
    if visit.is_post() && !visit.is_same_origin() {
        return problems::page(&visit, Stop::Forged);
    }
    if let Err(stop) = admit(&visit, page) {
        note_refusal(&visit, page, &stop);
        return problems::page(&visit, stop);
    }
    // Two clicks are two requests at once: the second waits, and is then the same form again.
    let key = visit.form_key().filter(|_| visit.is_post());
    let turn = key.as_ref().map(|key| visit.app().turns.take(key));
    let _turn = match &turn {
        Some(turn) => Some(turn.lock().await),
        None => None,
    };
    if let (Some(signed), Some(key)) = (&visit.signed, &key) {
        match visit.taken_before(signed, key).await {
            Ok(Some(reply)) => return reply,
            Ok(None) => {}
            Err(stop) => return problems::page(&visit, stop),
        }
    }
    // What a page of an error needs, should the handler fail.
    let spare = visit.spare();
    match (page.handler)(visit).await {
        Ok(reply) => reply,
        Err(stop) => {
            note_refusal(&spare, page, &stop);
            problems::page(&spare, stop)
        }
    }
}

/// That somebody tried what they may not do is an event of their account.
fn note_refusal(visit: &Visit, page: &Page, stop: &Stop) {
    let (Some(signed), Stop::Forbidden(why)) = (&visit.signed, stop) else { return };
    if visit.is_post() {
        let (account, member) = (signed.account.id, signed.member.id.to_string());
        let refused = repeats::act_refused(page.path, why);
        visit.app().refuse(account, member, &visit.moment(), refused);
    }
}

/// Whether this visitor may have the page at all. What exactly may be done to which credential is
/// decided where it is done, by the scheme.
fn admit(visit: &Visit, page: &Page) -> Result<(), Stop> {
    if page.for_whom == For::Anyone {
        return Ok(());
    }
    if let For::Operator(resource, action) = page.for_whom {
        return operator::admit(visit, (resource, action));
    }
    let Some(signed) = &visit.signed else { return Err(Stop::SignIn) };
    if visit.is_post() && !visit.has_form_token(signed) {
        return Err(Stop::Forged);
    }
    if signed.account.suspended && page.for_whom != For::Member {
        let why = "This account is suspended by the platform. Its credentials are refused, and nothing can be changed until it is let in again.";
        return Err(Stop::Forbidden(why.to_owned()));
    }
    let needs_factor = visit.standing().second_factor().is_some();
    if needs_factor && signed.member.totp.is_none() && !page.is_without_factor() {
        return Err(Stop::Factor);
    }
    let scheme = &visit.app().platform.rules.scheme;
    let role = signed.member.role;
    let may = |roles: &[keyway_domain::actor::Role]| roles.contains(&role);
    let allowed = match page.for_whom {
        For::Anyone | For::Member | For::Active | For::Operator(..) => true,
        For::Managers => may(&scheme.people.manage),
        For::Auditors => may(&scheme.people.audit),
        For::Settlers => may(&scheme.people.settings),
        For::Act(act) => {
            scheme.kinds.iter().filter_map(|kind| kind.act(act)).any(|rule| may(&rule.by))
        }
    };
    if allowed { Ok(()) } else { Err(Stop::Forbidden(not_your_role(signed, page))) }
}

fn not_your_role(signed: &Signed, page: &Page) -> String {
    let what = match page.for_whom {
        For::Managers => "change who is in the team",
        For::Auditors => "read the audit log",
        For::Settlers => "change the settings",
        For::Act(act) => {
            return format!(
                "Your role, {}, may not {} credentials here. Ask an owner of the account.",
                ui::role_word(signed.member.role),
                act.verb()
            );
        }
        For::Anyone | For::Member | For::Active | For::Operator(..) => "do this",
    };
    format!(
        "Your role, {}, may not {what}. Ask an owner of the account.",
        ui::role_word(signed.member.role)
    )
}

/// Whether the visitor may read the audit log.
fn is_auditor(visit: &Visit) -> bool {
    let role = visit.signed.as_ref().map(|signed| signed.member.role);
    role.is_some_and(|role| visit.scheme().people.audit.contains(&role))
}

/// Whether a request is for a page and not for a program: what its errors should look like.
pub(crate) fn is_page(method: &Method, path: &str) -> bool {
    !matches!(routes::find(method, path), Matched::Nothing) || assets::is_asset(path)
}

/// Answers a request whose body could not be read.
pub(crate) fn unreadable(status: StatusCode, detail: &str, secure: bool) -> Reply {
    let mut reply =
        reply::html(status, &layout::bare("The form could not be read", &ui::sentence(detail)));
    reply::protect(reply.headers_mut(), secure);
    reply
}

/// Everything a page needs of the running Keyway.
pub(crate) type SharedApp = Arc<crate::app::App>;
