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
use super::api::view::{Account, Credential, Page};
use super::api::{
    Changed, accounts, approvals, credentials, events, imports, members, requests, revoke_all,
    scheme, usage,
};
use super::problem::Problem;
use super::{Call, Reply};
use crate::codes::Code;

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

mod refusals;
mod secrets;
mod telling;

use refusals::{BY_MEMBERS, CHANGING, CREATING};

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
    pub body: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// The schema of what it answers with.
    pub answer: fn(&mut SchemaGenerator) -> Schema,
    /// What can be refused here, beside what can be refused everywhere.
    pub refusals: &'static [Code],
    /// The parameters of its query: others are refused.
    pub query: &'static [&'static str],
    /// Whether who may look may ask for it, though it is no `GET`.
    only_looks: bool,
    /// The status of success.
    pub status: u16,
    /// Under which path that is found which it makes.
    pub made_under: Option<&'static str>,
    /// Whether its answer shows a secret, this once.
    pub shows_secret: bool,
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
        if self.method == Method::GET || self.only_looks { Action::Read } else { Action::Write }
    }

    /// It changes nothing of a merchant's, though it is no `GET`.
    fn only_looks(mut self) -> Self {
        self.only_looks = true;
        self
    }

    fn query(mut self, names: &'static [&'static str]) -> Self {
        self.query = names;
        self
    }

    fn refuses(mut self, codes: &'static [Code]) -> Self {
        self.refusals = codes;
        self
    }

    fn created(mut self) -> Self {
        self.status = 201;
        self
    }

    fn shows_secret(mut self) -> Self {
        self.shows_secret = true;
        self
    }

    fn created_under(mut self, path: &'static str) -> Self {
        self.made_under = Some(path);
        self.created()
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

fn get<A: JsonSchema>(
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
        answer: SchemaGenerator::subschema_for::<A>,
        refusals: &[],
        query: &[],
        only_looks: false,
        status: 200,
        made_under: None,
        shows_secret: false,
        takes_away: false,
        body_bytes_max: limits::BODY_BYTES_MAX,
        handler,
    }
}

fn post<B: JsonSchema, A: JsonSchema>(
    path: &'static str,
    operation: &'static str,
    resource: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Route {
    let body = Some(SchemaGenerator::subschema_for::<B> as fn(&mut SchemaGenerator) -> Schema);
    Route { method: Method::POST, body, ..get::<A>(path, operation, resource, summary, handler) }
}

fn patch<B: JsonSchema, A: JsonSchema>(
    path: &'static str,
    operation: &'static str,
    resource: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Route {
    Route { method: Method::PATCH, ..post::<B, A>(path, operation, resource, summary, handler) }
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
        routes.extend(secrets::end_routes());
        routes.extend(telling::webhook_routes());
        routes.extend(telling::watch_routes());
        routes.extend(secrets::token_routes());
        routes
    })
}

fn account_routes() -> Vec<Route> {
    use accounts::{Create, Update, Why};
    vec![
        get::<scheme::Scheme>(
            "/v1/scheme",
            "getScheme",
            "accounts",
            "The rules this Keyway runs.",
            handler!(scheme::get),
        ),
        get::<Page<Account>>(
            "/v1/accounts",
            "listAccounts",
            "accounts",
            "Accounts, newest first.",
            handler!(accounts::list),
        )
        .query(&["limit", "cursor", "external_id"]),
        post::<Create, Changed<Account>>(
            "/v1/accounts",
            "createAccount",
            "accounts",
            "Registers a merchant, with the credentials that the scheme gives at registration.",
            handler!(accounts::create),
        )
        .created_under("/v1/accounts")
        .refuses(&[Code::ExternalIdTaken, Code::TooManyCredentials]),
        get::<Account>(ACCOUNT, "getAccount", "accounts", "One account.", handler!(accounts::get)),
        patch::<Update, Changed<Account>>(
            ACCOUNT,
            "updateAccount",
            "accounts",
            "Renames an account or gives it another external id.",
            handler!(accounts::update),
        )
        .takes_away()
        .refuses(&[Code::ExternalIdTaken]),
        post::<Why, Changed<Account>>(
            "/v1/accounts/{account}/suspend",
            "suspendAccount",
            "accounts",
            "Refuses all credentials of an account, from the answer on.",
            handler!(accounts::suspend),
        )
        .takes_away(),
        post::<Why, Changed<Account>>(
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
        get::<Page<events::Shape>>(
            "/v1/accounts/{account}/events",
            "listAccountEvents",
            "events",
            "What happened in an account, newest first.",
            handler!(events::of_account),
        )
        .query(&["limit", "cursor", "subject", "type", "since", "until"]),
        get::<Page<events::Shape>>(
            "/v1/events",
            "listEvents",
            "events",
            "What happened, newest first.",
            handler!(events::list),
        )
        .query(PAGE),
        get::<Page<requests::Shown>>(
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
        get::<requests::Found>(
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
        get::<Page<approvals::Asking>>(
            "/v1/accounts/{account}/approvals",
            "listApprovals",
            "members",
            "What waits for a second person, and what became of it; the newest 100.",
            handler!(approvals::list),
        ),
        get::<Page<members::Person>>(
            MEMBERS,
            "listMembers",
            "members",
            "The people of an account.",
            handler!(members::list),
        ),
        post::<Invite, Changed<members::Invitation>>(
            MEMBERS,
            "inviteMember",
            "members",
            "Invites a person. The path of the page where they join is in this answer only.",
            handler!(members::invite),
        )
        .shows_secret()
        .created()
        .refuses(&[Code::TooManyMembers]),
        post::<ChangeRole, Changed<members::Person>>(
            under!(member "/role"),
            "changeMemberRole",
            "members",
            "Gives a person another role.",
            handler!(members::change_role),
        )
        .refuses(&[Code::LastOwner]),
        post::<Remove, Changed<members::Person>>(
            under!(member "/remove"),
            "removeMember",
            "members",
            "Removes a person; what they had care of goes to another.",
            handler!(members::remove),
        )
        .refuses(&[Code::LastOwner]),
        post::<Nothing, Changed<members::Person>>(
            under!(member "/reset-factor"),
            "resetMemberFactor",
            "members",
            "Removes a person's authenticator app and recovery codes, and ends their sessions.",
            handler!(members::reset_factor),
        )
        .refuses(&[Code::NoFactor]),
        post::<Nothing, Changed<members::PersonWithLink>>(
            under!(member "/reset-password"),
            "resetMemberPassword",
            "members",
            "Makes a link to set a new password. Its path is in this answer only.",
            handler!(members::reset_password),
        )
        .shows_secret(),
        post::<Nothing, Changed<members::Person>>(
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
        get::<Page<Credential>>(
            CREDENTIALS,
            "listCredentials",
            "credentials",
            "An account's credentials, newest first.",
            handler!(credentials::list),
        )
        .query(&["limit", "cursor", "environment", "kind", "revoked"]),
        post::<Create, Changed<Credential>>(
            CREDENTIALS,
            "createCredential",
            "credentials",
            "Makes a credential. Its secret is in this answer and nowhere else.",
            handler!(credentials::create),
        )
        .shows_secret()
        .created_under(CREDENTIALS)
        .refuses(CREATING),
        post::<imports::Batch, Changed<imports::Imported>>(
            "/v1/accounts/{account}/credentials/import",
            "importCredentials",
            "credentials",
            "Takes over keys that another system issued, by their hashes.",
            handler!(imports::import),
        )
        .created()
        .batch()
        .refuses(&[
            Code::AlreadyImported,
            Code::TooManyCredentials,
            Code::SecondPersonNeeded,
        ]),
        post::<revoke_all::RevokeAll, Changed<revoke_all::RevokedAll>>(
            "/v1/accounts/{account}/credentials/revoke-all",
            "revokeAllCredentials",
            "credentials",
            "Ends every credential of an account, or those of a sort, from the answer on.",
            handler!(revoke_all::revoke_all),
        )
        .takes_away()
        .refuses(BY_MEMBERS),
        get::<Credential>(
            under!(credential ""),
            "getCredential",
            "credentials",
            "One credential.",
            handler!(credentials::get),
        ),
        get::<usage::OfCredential>(
            under!(credential "/usage"),
            "getCredentialUsage",
            "credentials",
            "Requests by secret, hour and outcome.",
            handler!(usage::of_credential),
        )
        .query(&["hours", "format"]),
        patch::<Update, Changed<Credential>>(
            under!(credential ""),
            "updateCredential",
            "credentials",
            "Changes a credential's name, access or expiry. Its secret stays.",
            handler!(credentials::update),
        )
        .takes_away()
        .refuses(CHANGING),
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
