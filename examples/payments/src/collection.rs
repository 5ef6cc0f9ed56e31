//! A collection of objects as data: its paths, its fields, its effect on the balance.

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{delete, get, patch, post};
use http::Uri;
use serde_json::{Map, Value};

use crate::caller::Caller;
use crate::fields::Field;
use crate::handlers::{self, App, Id};
use crate::objects::Object;
use crate::page::Listed;

/// Everything there is to say about one kind of object.
#[derive(Debug)]
pub(crate) struct Collection {
    /// The resource's name in the store.
    pub(crate) resource: &'static str,
    /// What one of them is called in an error.
    pub(crate) noun: &'static str,
    /// What its ids begin with.
    pub(crate) prefix: &'static str,
    pub(crate) routes: &'static [Route],
    pub(crate) fields: &'static [Field],
    /// What a new object has if the client did not say: its first status among them.
    pub(crate) defaults: &'static [(&'static str, &'static str)],
    /// The status of the answer to a creation.
    pub(crate) created: u16,
    pub(crate) money: Option<Money>,
    pub(crate) refers: Option<Reference>,
    /// Fields by which a list can be narrowed.
    pub(crate) filters: &'static [&'static str],
    pub(crate) view: fn(&Object, &Caller) -> Map<String, Value>,
    pub(crate) many: fn(&Listed, &Caller) -> Value,
}

/// One thing that can be done with a collection, and where.
#[derive(Debug)]
pub(crate) enum Route {
    Create(&'static str),
    /// Creates under another object: the path's id goes into this field.
    CreateUnder(&'static str, &'static str),
    List(&'static str),
    Find(&'static str),
    Change(&'static str),
    Remove(&'static str),
    /// Ends an open object, which takes back what it moved.
    End(http::Method, &'static str, Ending),
}

/// From which status to which.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

/// What an object does to the balance, and the fields that say how much.
#[derive(Debug)]
pub(crate) struct Money {
    pub(crate) direction: Direction,
    pub(crate) amount: &'static str,
    pub(crate) currency: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

/// A field that names another object, which must exist.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) field: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) noun: &'static str,
}

/// Money that comes in, in the usual fields.
pub(crate) const MONEY_IN: Option<Money> =
    Some(Money { direction: Direction::In, amount: "amount", currency: "currency" });
/// Money that goes out, in the usual fields.
pub(crate) const MONEY_OUT: Option<Money> =
    Some(Money { direction: Direction::Out, amount: "amount", currency: "currency" });

impl Collection {
    /// Adds the collection's routes to a router.
    pub(crate) fn mount(&'static self, router: Router<App>) -> Router<App> {
        self.routes.iter().fold(router, |router, route| self.mount_one(router, route))
    }

    fn mount_one(&'static self, router: Router<App>, route: &'static Route) -> Router<App> {
        match route {
            Route::Create(path) => router.route(
                path,
                post(move |State(app): State<App>, caller: Caller, request: Request| async move {
                    let done = handlers::create(&app, &caller, self, None, request).await;
                    app.finish(&caller, done)
                }),
            ),
            Route::CreateUnder(path, field) => {
                let create = move |State(app): State<App>,
                                   caller: Caller,
                                   Id(id): Id,
                                   request: Request| async move {
                    let under = Some((*field, id));
                    let done = handlers::create(&app, &caller, self, under, request).await;
                    app.finish(&caller, done)
                };
                router.route(path, post(create))
            }
            Route::List(path) => router.route(
                path,
                get(move |State(app): State<App>, caller: Caller, uri: Uri| async move {
                    let done = handlers::list(&app, &caller, self, &uri).await;
                    app.finish(&caller, done)
                }),
            ),
            Route::Find(path) => router.route(
                path,
                get(move |State(app): State<App>, caller: Caller, Id(id): Id| async move {
                    let done = handlers::find(&app, &caller, self, id).await;
                    app.finish(&caller, done)
                }),
            ),
            Route::Change(path) => router.route(
                path,
                patch(
                    move |State(app): State<App>, caller: Caller, Id(id): Id, request| async move {
                        let done = handlers::change(&app, &caller, self, id, request).await;
                        app.finish(&caller, done)
                    },
                ),
            ),
            Route::Remove(path) => router.route(
                path,
                delete(move |State(app): State<App>, caller: Caller, Id(id): Id| async move {
                    let done = handlers::remove(&app, &caller, self, id).await;
                    app.finish(&caller, done)
                }),
            ),
            Route::End(method, path, ending) => {
                let end = move |State(app): State<App>, caller: Caller, Id(id): Id| async move {
                    let done = handlers::end(&app, &caller, self, id, *ending).await;
                    app.finish(&caller, done)
                };
                let by_delete = *method == http::Method::DELETE;
                router.route(path, if by_delete { delete(end) } else { post(end) })
            }
        }
    }
}
