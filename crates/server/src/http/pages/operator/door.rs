//! The way in and out: opening a link does nothing, its button spends it.

use http::StatusCode;
use keyway_domain::limits::OPERATOR_SESSION_MS;
use keyway_store::Tx;
use maud::html;

use super::HOME;
use crate::commands::operators;
use crate::commands::{Error, Moment};
use crate::http::pages::problems::Stop;
use crate::http::pages::reply::{self, redirect, with_cookie};
use crate::http::pages::visit::{Cookie, Visit};
use crate::http::pages::{Answer, layout};

fn gone() -> Stop {
    let why = "The link was used, or is more than five minutes old. Make another one: keyway operator link";
    Stop::Gone(why.to_owned())
}

/// A moment among the operator's own things.
fn moment(visit: &Visit) -> Moment {
    Moment { realm: visit.app().operator.clone(), ..visit.moment() }
}

pub(crate) async fn enter_form(visit: Visit) -> Answer {
    let (moment, text) = (moment(&visit), visit.param("token").to_owned());
    let read = visit.app().db.read(move |tx| operators::find_link(tx, &moment, &text));
    read.await?.ok_or_else(gone)?;
    let body = html! {
        form.box action=(visit.call.uri.path()) method="post" {
            (layout::marks(&visit))
            div.stack.tight {
                h1 { "The operator’s pages" }
                p.muted { "They show every merchant of " (visit.scheme().title) ". This browser gets in for half an hour, once; each account that you open is told." }
            }
            button.btn.primary.wide { "Open them" }
        }
    };
    Ok(reply::html(StatusCode::OK, &layout::door(&visit, "The operator’s pages", &body)))
}

pub(crate) async fn enter(visit: Visit) -> Answer {
    let (moment, text) = (moment(&visit), visit.param("token").to_owned());
    let write = move |tx: &mut Tx<'_>| operators::enter(tx, &moment, &text);
    let token = match visit.app().db.write(visit.now, write).await {
        Ok(token) => token,
        Err(Error::NotFound(_)) => return Err(gone()),
        Err(error) => return Err(error.into()),
    };
    let secure = visit.app().site.is_secure();
    let cookie = Cookie::Operator.set(token.reveal(), OPERATOR_SESSION_MS / 1000, secure);
    Ok(with_cookie(redirect(HOME), &cookie))
}

pub(crate) async fn leave(visit: Visit) -> Answer {
    let (moment, session) = (moment(&visit), visit.operating()?.session.clone());
    let write = move |tx: &mut Tx<'_>| operators::leave(tx, &moment, &session);
    visit.app().db.write(visit.now, write).await?;
    let secure = visit.app().site.is_secure();
    Ok(with_cookie(redirect(HOME), &Cookie::Operator.set("", 0, secure)))
}
