//! What can be done with any collection: create, list, find, change, remove, end.

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde_json::{Map, Value, json};

use crate::caller::Caller;
use crate::collection::{Collection, Direction, Ending};
use crate::dialect::{Dialect, Idempotency};
use crate::objects::{self, New, Object};
use crate::page::{Listed, Page};
use crate::refusal::Refusal;
use crate::schemes::Scheme;
use crate::store::Payments;
use crate::{body, fields};

const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// What every handler works with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) payments: Payments,
    pub(crate) dialect: &'static Dialect,
}

/// The `{id}` of a path.
pub(crate) struct Id(pub(crate) String);

/// All routes of a scheme, not yet guarded.
pub(crate) fn router(scheme: &'static Scheme, payments: Payments) -> Router {
    let collections = scheme
        .collections
        .iter()
        .fold(Router::new(), |router, collection| collection.mount(router));
    (scheme.more)(collections)
        .fallback(async |State(app): State<App>, caller: Caller| {
            app.finish(&caller, Err(Refusal::NoRoute))
        })
        .method_not_allowed_fallback(async |State(app): State<App>, caller: Caller| {
            app.finish(&caller, Err(Refusal::Method))
        })
        .with_state(App { payments, dialect: scheme.dialect })
}

/// Makes an object; the same idempotency key with the same body finds the one it made before.
pub(crate) async fn create(
    app: &App,
    caller: &Caller,
    collection: &'static Collection,
    under: Option<(&'static str, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let mut given = body::read(body).await?;
    if let Some((field, id)) = under {
        given.insert(field.to_owned(), id.into());
    }
    let mut kept = fields::read(collection.fields, &given)?;
    for (name, value) in collection.defaults {
        kept.entry(*name).or_insert_with(|| (*value).into());
    }
    let idempotency_key = idempotency_key(app.dialect, &parts.headers, &given)?;
    let owner = caller.owner.clone();
    let new = New {
        resource: collection.resource,
        prefix: collection.prefix,
        moved: moved(collection, &kept),
        fields: kept,
        idempotency_key,
    };
    let made = app.payments.run(move |tx| {
        if let Some(refers) = &collection.refers
            && let Some(id) = new.fields.get(refers.field).and_then(Value::as_str)
            && objects::find(tx, &owner, refers.resource, id)?.is_none()
        {
            return Err(Refusal::NotFound { noun: refers.noun, id: id.to_owned() });
        }
        objects::insert(tx, &owner, new)
    });
    let (object, replayed) = made.await?;
    let mut response = one(app, caller, collection, &object);
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    } else {
        *response.status_mut() = StatusCode::from_u16(collection.created).unwrap_or_default();
    }
    Ok(response)
}

/// One page of the caller's objects.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    collection: &'static Collection,
    uri: &Uri,
) -> Result<Response, Refusal> {
    let page = Page::read(uri, &app.dialect.paging, collection.filters)?;
    let owner = caller.owner.clone();
    let read = app.payments.run(move |tx| {
        let total = objects::count(tx, &owner, collection.resource, &page)?;
        let found = objects::list(tx, &owner, collection.resource, &page)?;
        Ok((total, found, page))
    });
    let (total, found, page) = read.await?;
    let limit = page.limit as usize;
    let has_more = found.len() > limit;
    let items = found
        .iter()
        .take(limit)
        .map(|object| Value::Object((collection.view)(object, caller)))
        .collect();
    let listed = Listed { items, total, has_more, page };
    Ok(Json((collection.many)(&listed, caller)).into_response())
}

/// One object.
pub(crate) async fn find(
    app: &App,
    caller: &Caller,
    collection: &'static Collection,
    id: String,
) -> Result<Response, Refusal> {
    let owner = caller.owner.clone();
    let object = app.payments.run(move |tx| {
        objects::find(tx, &owner, collection.resource, &id)?
            .ok_or(Refusal::NotFound { noun: collection.noun, id })
    });
    Ok(one(app, caller, collection, &object.await?))
}

/// Changes the fields that are given.
pub(crate) async fn change(
    app: &App,
    caller: &Caller,
    collection: &'static Collection,
    id: String,
    request: Request,
) -> Result<Response, Refusal> {
    let given = body::read(request.into_body()).await?;
    let changes = fields::read_changes(collection.fields, &given)?;
    let owner = caller.owner.clone();
    let object = app.payments.run(move |tx| {
        let Some(object) = objects::find(tx, &owner, collection.resource, &id)? else {
            return Err(Refusal::NotFound { noun: collection.noun, id });
        };
        let mut fields = object.fields;
        fields.extend(changes);
        objects::save(tx, &owner, &id, fields)
    });
    Ok(one(app, caller, collection, &object.await?))
}

/// Removes an object.
pub(crate) async fn remove(
    app: &App,
    caller: &Caller,
    collection: &'static Collection,
    id: String,
) -> Result<Response, Refusal> {
    let owner = caller.owner.clone();
    let removed = app.payments.run(move |tx| {
        if objects::remove(tx, &owner, collection.resource, &id)? {
            return Ok(id);
        }
        Err(Refusal::NotFound { noun: collection.noun, id })
    });
    let answer = json!({ "id": removed.await?, "deleted": true });
    Ok(Json((app.dialect.one)(answer, caller)).into_response())
}

/// Ends an open object.
pub(crate) async fn end(
    app: &App,
    caller: &Caller,
    collection: &'static Collection,
    id: String,
    ending: Ending,
) -> Result<Response, Refusal> {
    let owner = caller.owner.clone();
    let noun = collection.noun;
    let object = app.payments.run(move |tx| {
        let Some(object) = objects::find(tx, &owner, collection.resource, &id)? else {
            return Err(Refusal::NotFound { noun, id });
        };
        let mut fields = object.fields;
        let status = fields.get("status").and_then(Value::as_str).unwrap_or_default();
        if status != ending.from {
            return Err(Refusal::State { noun, status: status.to_owned(), wanted: ending.to });
        }
        fields.insert("status".to_owned(), ending.to.into());
        objects::release(tx, &owner, &id)?;
        objects::save(tx, &owner, &id, fields)
    });
    Ok(one(app, caller, collection, &object.await?))
}

fn one(app: &App, caller: &Caller, collection: &Collection, object: &Object) -> Response {
    let view = Value::Object((collection.view)(object, caller));
    Json((app.dialect.one)(view, caller)).into_response()
}

/// What a new object does to the balance.
fn moved(collection: &Collection, fields: &Map<String, Value>) -> Option<(String, i64)> {
    let money = collection.money.as_ref()?;
    let amount = fields::hundredths(fields.get(money.amount)?)?;
    let currency = fields.get(money.currency)?.as_str()?.to_owned();
    Some((currency, if money.direction == Direction::In { amount } else { -amount }))
}

fn idempotency_key(
    dialect: &Dialect,
    headers: &HeaderMap,
    body: &Map<String, Value>,
) -> Result<Option<String>, Refusal> {
    let (name, key) = match dialect.idempotency {
        Idempotency::Header(name) => {
            (name, headers.get(name).map(|key| key.to_str().unwrap_or_default()))
        }
        Idempotency::Field(name) => (name, body.get(name).and_then(Value::as_str)),
    };
    let Some(key) = key else { return Ok(None) };
    // A quoted key is the same key: the draft standard quotes, real clients do not.
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    let printable = key.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX || !printable {
        return Err(Refusal::invalid(name, "must be 1 to 255 printable characters"));
    }
    Ok(Some(key.to_owned()))
}

impl App {
    /// An answer, or the refusal in the platform's words.
    pub(crate) fn finish(&self, caller: &Caller, done: Result<Response, Refusal>) -> Response {
        done.unwrap_or_else(|refusal| self.refuse(&refusal, &caller.request_id))
    }

    /// A refusal in the platform's words.
    pub(crate) fn refuse(&self, refusal: &Refusal, request_id: &str) -> Response {
        if let Refusal::Broken(reason) = refusal {
            tracing::error!(request_id, reason, "a request failed");
        }
        let (status, body) = (self.dialect.refuse)(refusal, request_id);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(body)).into_response()
    }
}

impl FromRequestParts<App> for Id {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        // A segment that is not text names nothing that exists.
        match Path::<String>::from_request_parts(parts, app).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(app.refuse(&Refusal::NoRoute, "")),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use tower::ServiceExt;

    use crate::schemes::{SCHEMES, find};
    use crate::store::Payments;

    #[tokio::test]
    async fn without_a_guard_in_front_every_request_is_refused() {
        for name in SCHEMES {
            let payments = Payments::open(None).expect("memory can be opened");
            let scheme = find(name).expect("a scheme");
            for path in ["/v1/payments", "/balance", "/mfi/invoices", "/api/v1/account", "/none"] {
                let request = http::Request::get(path).body(axum::body::Body::empty());
                let api = super::router(scheme, payments.clone());
                let answer = api.oneshot(request.expect("a request")).await.expect("an answer");
                assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{name} {path}");
            }
        }
    }
}
