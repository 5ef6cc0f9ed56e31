//! THE TABLE of pages: every path, for whom it is, and who serves it. The router and the tests
//! read it; what is not in it is not there.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;

use http::Method;
use keyway_domain::grant::Action;
use keyway_domain::scheme::Act;

use super::visit::Visit;
use super::{
    Answer, acts, alerts, approvals, asked_in, audit, bulk, codes, edit, ends, incident, key, keys,
    mailbox, me, new_key, newcomers, notices, operator, reference, replace, requests, reveal,
    security, settings, sign_in, team, webhooks,
};

pub(crate) type Handler = fn(Visit) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

/// For whom a page is. What a role may do, the scheme says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Also for strangers.
    Anyone,
    /// Whoever is signed in.
    Member,
    /// Whoever is signed in, while the platform has not suspended the account.
    Active,
    /// Who may change the team.
    Managers,
    /// Who may read the audit log.
    Auditors,
    /// Who may change the settings.
    Settlers,
    /// The platform's operator, whose token may do this to this resource.
    Operator(&'static str, Action),
    /// Whose role may do this to credentials of some kind. Of which kind, the act itself checks.
    Act(Act),
}

/// A page.
pub struct Page {
    /// The method.
    pub method: Method,
    /// The path; `{name}` is one segment.
    pub path: &'static str,
    /// For whom.
    pub for_whom: For,
    pub(crate) handler: Handler,
}

impl Page {
    /// Whether it is for members without an authenticator too, where a rule asks for one: what sets
    /// it up, and the way out.
    pub(crate) fn is_without_factor(&self) -> bool {
        let open = ["/sign-out", "/you", "/you/authenticator", "/you/codes/{reveal}"];
        self.for_whom == For::Anyone || open.contains(&self.path)
    }
}

macro_rules! pages {
    ($($method:ident $path:literal $whom:expr => $handler:path;)*) => {
        vec![$(Page {
            method: Method::$method,
            path: $path,
            for_whom: $whom,
            handler: |visit| Box::pin($handler(visit)),
        },)*]
    };
}

/// Every page.
pub fn pages() -> &'static [Page] {
    static PAGES: OnceLock<Vec<Page>> = OnceLock::new();
    PAGES.get_or_init(|| {
        let mut pages = door_pages();
        pages.extend(key_pages());
        pages.extend(account_pages());
        pages.extend(operator_pages());
        pages
    })
}

fn door_pages() -> Vec<Page> {
    use For::{Anyone, Member};
    pages! {
        GET "/" Anyone => sign_in::start;
        GET "/sign-in" Anyone => sign_in::form;
        POST "/sign-in" Anyone => sign_in::submit;
        GET "/sign-in/code" Anyone => sign_in::code_form;
        POST "/sign-in/code" Anyone => sign_in::code;
        POST "/sign-out" Member => sign_in::sign_out;
        POST "/theme" Anyone => sign_in::theme;
        GET "/sign-up" Anyone => newcomers::sign_up_form;
        POST "/sign-up" Anyone => newcomers::sign_up;
        GET "/sign-up/{token}" Anyone => asked_in::confirm_form;
        POST "/sign-up/{token}" Anyone => asked_in::confirm;
        GET "/set-up/{token}" Anyone => newcomers::set_up_form;
        POST "/set-up/{token}" Anyone => newcomers::set_up;
        GET "/join/{token}" Anyone => newcomers::join_form;
        POST "/join/{token}" Anyone => newcomers::join;
        GET "/mailbox" Anyone => mailbox::page;
        GET "/docs/api" Anyone => reference::overview;
        GET "/docs/api/{group}" Anyone => reference::group;
        GET "/forgot" Anyone => newcomers::forgot_form;
        POST "/forgot" Anyone => newcomers::forgot;
        GET "/reset/{token}" Anyone => newcomers::reset_form;
        POST "/reset/{token}" Anyone => newcomers::reset;
    }
}

fn key_pages() -> Vec<Page> {
    use For::{Act as By, Member};
    pages! {
        GET "/{environment}/keys" Member => keys::list;
        GET "/{environment}/keys/new" By(Act::Create) => new_key::form;
        POST "/{environment}/keys/new" By(Act::Create) => new_key::submit;
        GET "/{environment}/keys/bulk/revoke" By(Act::Revoke) => bulk::revoke_form;
        POST "/{environment}/keys/bulk/revoke" By(Act::Revoke) => bulk::revoke;
        GET "/{environment}/keys/bulk/rotate" By(Act::Rotate) => bulk::rotate_form;
        POST "/{environment}/keys/bulk/rotate" By(Act::Rotate) => bulk::rotate;
        GET "/{environment}/keys/bulk/expire" By(Act::Expire) => bulk::expire_form;
        POST "/{environment}/keys/bulk/expire" By(Act::Expire) => bulk::expire;
        GET "/{environment}/keys/{credential}" Member => key::detail;
        GET "/{environment}/keys/{credential}/usage.csv" Member => key::usage_csv;
        GET "/{environment}/keys/{credential}/duplicate" By(Act::Duplicate) => new_key::duplicate_form;
        POST "/{environment}/keys/{credential}/duplicate" By(Act::Duplicate) => new_key::duplicate;
        GET "/{environment}/keys/{credential}/replace" By(Act::Create) => replace::form;
        POST "/{environment}/keys/{credential}/replace" By(Act::Create) => replace::submit;
        GET "/{environment}/keys/{credential}/edit" By(Act::Edit) => edit::form;
        POST "/{environment}/keys/{credential}/edit" By(Act::Edit) => edit::submit;
        GET "/{environment}/keys/{credential}/rename" By(Act::Rename) => edit::rename_form;
        POST "/{environment}/keys/{credential}/rename" By(Act::Rename) => edit::rename;
        GET "/{environment}/keys/{credential}/expire" By(Act::Expire) => edit::expire_form;
        POST "/{environment}/keys/{credential}/expire" By(Act::Expire) => edit::expire;
        GET "/{environment}/keys/{credential}/owner" By(Act::Rename) => edit::owner_form;
        POST "/{environment}/keys/{credential}/owner" By(Act::Rename) => edit::owner;
        GET "/{environment}/keys/{credential}/rotate" By(Act::Rotate) => acts::rotate_form;
        POST "/{environment}/keys/{credential}/rotate" By(Act::Rotate) => acts::rotate;
        GET "/{environment}/keys/{credential}/regenerate" By(Act::Regenerate) => acts::regenerate_form;
        POST "/{environment}/keys/{credential}/regenerate" By(Act::Regenerate) => acts::regenerate;
        GET "/{environment}/keys/{credential}/rollback" By(Act::Rollback) => acts::rollback_form;
        POST "/{environment}/keys/{credential}/rollback" By(Act::Rollback) => acts::rollback;
        GET "/{environment}/keys/{credential}/finish" By(Act::Finish) => acts::finish_form;
        POST "/{environment}/keys/{credential}/finish" By(Act::Finish) => acts::finish;
        GET "/{environment}/keys/{credential}/extend" By(Act::Extend) => acts::extend_form;
        POST "/{environment}/keys/{credential}/extend" By(Act::Extend) => acts::extend;
        GET "/{environment}/keys/{credential}/revoke" By(Act::Revoke) => ends::revoke_form;
        POST "/{environment}/keys/{credential}/revoke" By(Act::Revoke) => ends::revoke;
        GET "/{environment}/keys/{credential}/delete" By(Act::Delete) => ends::delete_form;
        POST "/{environment}/keys/{credential}/delete" By(Act::Delete) => ends::delete;
        POST "/{environment}/keys/{credential}/reveal" By(Act::Reveal) => acts::reveal;
        GET "/incident" By(Act::Revoke) => incident::form;
        POST "/incident" By(Act::Revoke) => incident::submit;
        GET "/reveal/{reveal}" Member => reveal::page;
        GET "/reveal/{reveal}/used" Member => reveal::used;
        POST "/reveal/{reveal}/env" Member => reveal::env_file;
        POST "/reveal/{reveal}/finish" Member => reveal::finish;
    }
}

fn account_pages() -> Vec<Page> {
    use For::{Active, Auditors, Managers, Member, Settlers};
    pages! {
        GET "/requests" Member => requests::page;
        GET "/requests.csv" Member => requests::csv;
        GET "/requests.jsonl" Member => requests::json_lines;
        GET "/approvals" Member => approvals::list;
        GET "/approvals/{approval}" Member => approvals::page;
        POST "/approvals/{approval}/approve" Active => approvals::approve;
        POST "/approvals/{approval}/decline" Member => approvals::decline;
        POST "/approvals/{approval}/withdraw" Member => approvals::withdraw;
        POST "/approvals/{approval}/take" Active => approvals::take;
        GET "/audit" Auditors => audit::page;
        GET "/audit/verify" Auditors => audit::verify;
        GET "/audit.csv" Auditors => audit::csv;
        GET "/audit.jsonl" Auditors => audit::json_lines;
        GET "/team" Member => team::page;
        GET "/team/invite" Managers => team::invite_form;
        POST "/team/invite" Managers => team::invite;
        POST "/team/invitations/{link}/withdraw" Managers => team::withdraw;
        GET "/team/{member}/role" Managers => team::role_form;
        POST "/team/{member}/role" Managers => team::role;
        GET "/team/{member}/remove" Managers => team::remove_form;
        POST "/team/{member}/remove" Managers => team::remove;
        GET "/settings" Member => settings::start;
        GET "/settings/alerts" Member => alerts::form;
        POST "/settings/alerts" Settlers => alerts::save;
        POST "/settings/alerts/test" Settlers => alerts::test;
        GET "/settings/webhooks" Member => webhooks::list;
        GET "/settings/webhooks/new" Settlers => webhooks::new_form;
        POST "/settings/webhooks/new" Settlers => webhooks::create;
        GET "/settings/webhooks/{endpoint}" Member => webhooks::detail;
        GET "/settings/webhooks/{endpoint}/edit" Settlers => webhooks::edit_form;
        POST "/settings/webhooks/{endpoint}/edit" Settlers => webhooks::edit;
        POST "/settings/webhooks/{endpoint}/switch" Settlers => webhooks::switch;
        POST "/settings/webhooks/{endpoint}/test" Settlers => webhooks::test;
        GET "/settings/webhooks/{endpoint}/rotate" Settlers => webhooks::rotate_form;
        POST "/settings/webhooks/{endpoint}/rotate" Settlers => webhooks::rotate;
        GET "/settings/webhooks/{endpoint}/secret/{reveal}" Settlers => webhooks::secret;
        POST "/settings/webhooks/{endpoint}/secret/{reveal}" Settlers => webhooks::secret_saved;
        GET "/settings/webhooks/{endpoint}/remove" Settlers => webhooks::remove_form;
        POST "/settings/webhooks/{endpoint}/remove" Settlers => webhooks::remove;
        GET "/settings/webhooks/{endpoint}/replay" Settlers => webhooks::replay_form;
        POST "/settings/webhooks/{endpoint}/replay" Settlers => webhooks::replay;
        GET "/settings/webhooks/{endpoint}/{delivery}" Member => webhooks::delivery;
        POST "/settings/webhooks/{endpoint}/{delivery}/replay" Settlers => webhooks::replay_one;
        GET "/settings/notices" Member => notices::form;
        POST "/settings/notices" Settlers => notices::submit;
        GET "/settings/security" Member => security::form;
        POST "/settings/security" Settlers => security::submit;
        GET "/you" Member => me::page;
        POST "/you/name" Member => me::rename;
        GET "/you/password" Member => me::password_form;
        POST "/you/password" Member => me::password;
        GET "/you/authenticator" Member => me::enrol_form;
        POST "/you/authenticator" Member => me::enrol;
        GET "/you/authenticator/remove" Member => me::remove_form;
        POST "/you/authenticator/remove" Member => me::remove_factor;
        GET "/you/codes" Member => codes::new_form;
        POST "/you/codes" Member => codes::renew;
        GET "/you/codes/{reveal}" Member => codes::page;
        POST "/you/codes/{reveal}" Member => codes::saved;
        POST "/you/sessions/{session}/end" Member => me::end_session;
        POST "/you/sessions/end-others" Member => me::end_others;
    }
}

fn operator_pages() -> Vec<Page> {
    use For::{Anyone, Operator};
    const LOOK: For = Operator("accounts", Action::Read);
    const CHANGE: For = Operator("accounts", Action::Write);
    pages! {
        GET "/operator" LOOK => operator::accounts;
        GET "/operator/enter/{token}" Anyone => operator::enter_form;
        POST "/operator/enter/{token}" Anyone => operator::enter;
        POST "/operator/leave" LOOK => operator::leave;
        GET "/operator/rules" LOOK => operator::rules;
        GET "/operator/{account}" LOOK => operator::account;
        GET "/operator/{account}/suspend" CHANGE => operator::suspend_form;
        POST "/operator/{account}/suspend" CHANGE => operator::suspend;
        GET "/operator/{account}/resume" CHANGE => operator::resume_form;
        POST "/operator/{account}/resume" CHANGE => operator::resume;
    }
}

/// Which page a request is for.
pub(crate) enum Matched {
    /// This one, and what its placeholders matched.
    Page(&'static Page, HashMap<&'static str, String>),
    /// The path has pages, but not for this method; these it has.
    OtherMethod(String),
    /// None.
    Nothing,
}

/// What placeholders are called.
const PLACEHOLDERS: [&str; 12] = [
    "environment",
    "credential",
    "reveal",
    "member",
    "link",
    "session",
    "token",
    "endpoint",
    "delivery",
    "group",
    "approval",
    "account",
];

/// Finds the page of a request. `HEAD` is served as `GET` is.
pub(crate) fn find(method: &Method, path: &str) -> Matched {
    static TABLE: OnceLock<matchit::Router<Vec<usize>>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut by_path: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, page) in pages().iter().enumerate() {
            by_path.entry(page.path).or_default().push(place);
        }
        let mut table = matchit::Router::new();
        for (path, places) in by_path {
            table.insert(path, places).expect("the table's paths don't contradict each other");
        }
        table
    });
    let Ok(matched) = table.at(path) else { return Matched::Nothing };
    let wanted = if method == Method::HEAD { &Method::GET } else { method };
    let of_path = || matched.value.iter().filter_map(|place| pages().get(*place));
    let Some(page) = of_path().find(|page| page.method == *wanted) else {
        let allowed: Vec<&str> = of_path().map(|page| page.method.as_str()).collect();
        return Matched::OtherMethod(allowed.join(", "));
    };
    let params = PLACEHOLDERS
        .into_iter()
        .filter_map(|name| Some((name, matched.params.get(name)?.to_owned())))
        .collect();
    Matched::Page(page, params)
}
