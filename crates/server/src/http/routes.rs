//! THE TABLE: every route of the management API, with what it needs and who serves it. The router,
//! the OpenAPI document and the tests read it.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;

use http::Method;
use keyway_domain::grant::Action;
use keyway_domain::limits;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::admit::Caller;
use super::api::{
    accounts, credentials, events, imports, members, requests, revoke_all, scheme, usage,
};
use super::problem::Problem;
use super::{Call, Reply};

// Before the modules that use them.
macro_rules! handler {
    ($function:path) => {
        |call, caller| Box::pin($function(call, caller))
    };
}

macro_rules! under {
    (credential $rest:literal) => {
        concat!("/v1/accounts/{account}/credentials/{credential}", $rest)
    };
    (member $rest:literal) => {
        concat!("/v1/accounts/{account}/members/{member}", $rest)
    };
    (token $rest:literal) => {
        concat!("/v1/operator-tokens/{credential}", $rest)
    };
}

mod secrets;
mod telling;

type Answering = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;

/// What serves a route.
pub type Handler = fn(Call, Caller) -> Answering;

/// A route.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; `{name}` is one segment.
    pub path: &'static str,
    /// Its name in the OpenAPI document.
    pub operation: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// What an operator token needs for it: a resource of the operator's scheme.
    pub resource: &'static str,
    /// The schema of its body.
    pub body: Option<fn() -> Schema>,
    /// The parameters of its query.
    pub query: &'static [&'static str],
    /// The status of success.
    pub status: u16,
    /// Whether it may take something away: then the answer waits until no node accepts it.
    pub takes_away: bool,
    /// The largest body it takes.
    pub body_bytes_max: usize,
    /// Who serves it.
    pub handler: Handler,
}

impl Route {
    /// The action that a token needs: looking or changing.
    pub fn action(&self) -> Action {
        if self.method == Method::GET { Action::Read } else { Action::Write }
    }

    fn query(mut self, names: &'static [&'static str]) -> Self {
        self.query = names;
        self
    }

    fn created(mut self) -> Self {
        self.status = 201;
        self
    }

    /// It may take something away: see [`Call::mutate`].
    fn takes_away(mut self) -> Self {
        self.takes_away = true;
        self.query = WAIT;
        self
    }

    fn batch(mut self) -> Self {
        self.body_bytes_max = limits::BATCH_BYTES_MAX;
        self
    }
}

fn get(
    path: &'static str,
    operation: &'static str,
    resource: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Route {
    Route {
        method: Method::GET,
        path,
        operation,
        summary,
        resource,
        body: None,
        query: &[],
        status: 200,
        takes_away: false,
        body_bytes_max: limits::BODY_BYTES_MAX,
        handler,
    }
}

fn post<B: JsonSchema>(
    path: &'static str,
    operation: &'static str,
    resource: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Route {
    let body = Some(schema_of::<B> as fn() -> Schema);
    Route { method: Method::POST, body, ..get(path, operation, resource, summary, handler) }
}

fn patch<B: JsonSchema>(
    path: &'static str,
    operation: &'static str,
    resource: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Route {
    Route { method: Method::PATCH, ..post::<B>(path, operation, resource, summary, handler) }
}

fn schema_of<B: JsonSchema>() -> Schema {
    let mut settings = schemars::generate::SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    SchemaGenerator::new(settings).into_root_schema_for::<B>()
}

const ACCOUNT: &str = "/v1/accounts/{account}";
const CREDENTIALS: &str = "/v1/accounts/{account}/credentials";
const PAGE: &[&str] = &["limit", "cursor"];
const WAIT: &[&str] = &["wait"];

/// Every route.
pub fn routes() -> &'static [Route] {
    static ROUTES: OnceLock<Vec<Route>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        let mut routes = account_routes();
        routes.extend(record_routes());
        routes.extend(member_routes());
        routes.extend(credential_routes());
        routes.extend(secrets::secret_routes());
        routes.extend(telling::webhook_routes());
        routes.extend(telling::watch_routes());
        routes.extend(secrets::token_routes());
        routes
    })
}

fn account_routes() -> Vec<Route> {
    use accounts::{Create, Nothing, Update};
    vec![
        get(
            "/v1/scheme",
            "getScheme",
            "accounts",
            "The rules this Keyway runs.",
            handler!(scheme::get),
        ),
        get(
            "/v1/accounts",
            "listAccounts",
            "accounts",
            "Accounts, newest first.",
            handler!(accounts::list),
        )
        .query(&["limit", "cursor", "external_id"]),
        post::<Create>(
            "/v1/accounts",
            "createAccount",
            "accounts",
            "Registers a merchant, with the credentials that the scheme gives at registration.",
            handler!(accounts::create),
        )
        .created(),
        get(ACCOUNT, "getAccount", "accounts", "One account.", handler!(accounts::get)),
        patch::<Update>(
            ACCOUNT,
            "updateAccount",
            "accounts",
            "Renames an account or gives it another external id.",
            handler!(accounts::update),
        )
        .takes_away(),
        post::<Nothing>(
            "/v1/accounts/{account}/suspend",
            "suspendAccount",
            "accounts",
            "Refuses all credentials of an account, from the answer on.",
            handler!(accounts::suspend),
        )
        .takes_away(),
        post::<Nothing>(
            "/v1/accounts/{account}/resume",
            "resumeAccount",
            "accounts",
            "Lets a suspended account in again.",
            handler!(accounts::resume),
        ),
    ]
}

/// What happened, and what was asked.
fn record_routes() -> Vec<Route> {
    vec![
        get(
            "/v1/accounts/{account}/events",
            "listAccountEvents",
            "events",
            "What happened in an account, newest first.",
            handler!(events::of_account),
        )
        .query(&["limit", "cursor", "subject", "type", "since", "until"]),
        get(
            "/v1/events",
            "listEvents",
            "events",
            "What happened, newest first.",
            handler!(events::list),
        )
        .query(PAGE),
        get(
            "/v1/accounts/{account}/requests",
            "listRequests",
            "requests",
            "Requests of an account's credentials and what was decided, newest first.",
            handler!(requests::list),
        )
        .query(&[
            "limit",
            "cursor",
            "credential",
            "outcome",
            "route",
            "address",
            "since",
            "until",
        ]),
        get(
            "/v1/requests/{request}",
            "getRequest",
            "requests",
            "Who asked, for what, and what was decided, found by a Request-Id.",
            handler!(requests::get),
        ),
    ]
}

fn member_routes() -> Vec<Route> {
    use accounts::Nothing;
    use members::{ChangeRole, Invite, Remove};
    const MEMBERS: &str = "/v1/accounts/{account}/members";
    vec![
        get(
            MEMBERS,
            "listMembers",
            "members",
            "The people of an account.",
            handler!(members::list),
        ),
        post::<Invite>(
            MEMBERS,
            "inviteMember",
            "members",
            "Invites a person. The path of the page where they join is in this answer only.",
            handler!(members::invite),
        )
        .created(),
        post::<ChangeRole>(
            under!(member "/role"),
            "changeMemberRole",
            "members",
            "Gives a person another role.",
            handler!(members::change_role),
        ),
        post::<Remove>(
            under!(member "/remove"),
            "removeMember",
            "members",
            "Removes a person; what they had care of goes to another.",
            handler!(members::remove),
        ),
        post::<Nothing>(
            under!(member "/reset-factor"),
            "resetMemberFactor",
            "members",
            "Removes a person's authenticator app and recovery codes, and ends their sessions.",
            handler!(members::reset_factor),
        ),
        post::<Nothing>(
            under!(member "/reset-password"),
            "resetMemberPassword",
            "members",
            "Makes a link to set a new password. Its path is in this answer only.",
            handler!(members::reset_password),
        ),
        post::<Nothing>(
            under!(member "/end-sessions"),
            "endMemberSessions",
            "members",
            "Ends every session of a person.",
            handler!(members::end_sessions),
        ),
    ]
}

fn credential_routes() -> Vec<Route> {
    use credentials::{Create, Update};
    vec![
        get(
            CREDENTIALS,
            "listCredentials",
            "credentials",
            "An account's credentials, newest first.",
            handler!(credentials::list),
        )
        .query(&["limit", "cursor", "environment", "kind", "revoked"]),
        post::<Create>(
            CREDENTIALS,
            "createCredential",
            "credentials",
            "Makes a credential. Its secret is in this answer and nowhere else.",
            handler!(credentials::create),
        )
        .created(),
        post::<imports::Batch>(
            "/v1/accounts/{account}/credentials/import",
            "importCredentials",
            "credentials",
            "Takes over keys that another system issued, by their hashes.",
            handler!(imports::import),
        )
        .created()
        .batch(),
        post::<revoke_all::RevokeAll>(
            "/v1/accounts/{account}/credentials/revoke-all",
            "revokeAllCredentials",
            "credentials",
            "Ends every credential of an account, or those of a sort, from the answer on.",
            handler!(revoke_all::revoke_all),
        )
        .takes_away(),
        get(
            under!(credential ""),
            "getCredential",
            "credentials",
            "One credential.",
            handler!(credentials::get),
        ),
        get(
            under!(credential "/usage"),
            "getCredentialUsage",
            "credentials",
            "Requests by secret, hour and outcome.",
            handler!(usage::of_credential),
        )
        .query(&["hours", "format"]),
        patch::<Update>(
            under!(credential ""),
            "updateCredential",
            "credentials",
            "Changes a credential's name, access or expiry. Its secret stays.",
            handler!(credentials::update),
        )
        .takes_away(),
    ]
}

/// Which route a request is for.
pub enum Matched {
    /// This one, and what its placeholders matched.
    Route(&'static Route, HashMap<&'static str, String>),
    /// The path has routes, but not for this method; these it has.
    OtherMethod(String),
    /// No route.
    Nothing,
}

/// Finds the route of a request.
pub fn find(method: &Method, path: &str) -> Matched {
    static TABLE: OnceLock<matchit::Router<Vec<usize>>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut by_path: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, route) in routes().iter().enumerate() {
            by_path.entry(route.path).or_default().push(place);
        }
        let mut table = matchit::Router::new();
        for (path, places) in by_path {
            table.insert(path, places).expect("the table's paths don't contradict each other");
        }
        table
    });
    let Ok(matched) = table.at(path) else { return Matched::Nothing };
    let of_path = || matched.value.iter().filter_map(|place| routes().get(*place));
    let Some(route) = of_path().find(|route| route.method == *method) else {
        let allowed: Vec<&str> = of_path().map(|route| route.method.as_str()).collect();
        return Matched::OtherMethod(allowed.join(", "));
    };
    let names = ["account", "credential", "delivery", "endpoint", "member", "request"];
    let params = names
        .into_iter()
        .filter_map(|name| Some((name, matched.params.get(name)?.to_owned())))
        .collect();
    Matched::Route(route, params)
}
