//! Signing up by a mailed link: nobody learns which addresses are known, and nobody takes one that
//! is not theirs. The link carries everything, sealed; until it is confirmed nothing is stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use keyway_domain::member::Email;
use keyway_domain::time::{DAY_MS, Time};
use keyway_secret::{OsEntropy, SecretText};
use keyway_store::sessions::Stage;
use keyway_store::{Tx, members};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::newcomers::look_into_mail;
use super::problems::{Problems, Stop, Trouble};
use super::reply;
use super::step_up::again;
use super::visit::Visit;
use super::{Answer, layout, ui};
use crate::app::SignUp;
use crate::commands::Error;
use crate::commands::newcomers::{self, Newcomer};
use crate::http::Reply;
use crate::mail::Letter;

const PLACE: &str = "sign-up";

/// What a link carries.
#[derive(Serialize, Deserialize)]
struct Asked {
    company: String,
    name: String,
    email: String,
    password: String,
    until: i64,
}

/// Writes the letter, to whoever has the address: a link, or that they are there already.
pub(super) async fn ask(visit: &Visit, company: &str, new: &Newcomer) -> Result<Reply, Trouble> {
    let asked = Asked {
        company: company.to_owned(),
        name: new.name.clone(),
        email: new.email.to_string(),
        password: new.password.clone(),
        until: visit.now.plus_ms(DAY_MS).0,
    };
    let text = serde_json::to_string(&asked).map_err(keyway_store::DbError::broken)?;
    let keys = &visit.app().keys;
    let sealed = keys.pages.seal(&SecretText::new(text), PLACE, &mut OsEntropy);
    let base = visit.public_url();
    let url = format!("{base}/sign-up/{}", URL_SAFE_NO_PAD.encode(sealed));
    let (moment, to) = (visit.moment(), new.email.clone());
    let post = move |tx: &mut Tx<'_>| {
        let known = members::find_by_email(tx, &moment.realm.rules.seals, &to)?;
        let letter = match known {
            Some(_) => Letter::known_already(&to, &base),
            None => Letter::sign_up(&to, &url),
        };
        letter.post(tx, &moment, None)
    };
    visit.app().db.write(visit.now, post).await?;
    let what = html! { "A letter to " b { (new.email) } " is on its way. Open the page that it names to go on; it is good for a day." };
    Ok(look_into_mail(visit, &what))
}

fn open(visit: &Visit) -> Result<Asked, Stop> {
    let gone = || {
        Stop::Gone(
            "The link is not one of ours, or is more than a day old. Sign up again.".to_owned(),
        )
    };
    if visit.app().site.sign_up == SignUp::Closed {
        return Err(Stop::NotFound);
    }
    let sealed = URL_SAFE_NO_PAD.decode(visit.param("token")).map_err(|_| gone())?;
    let text = visit.app().keys.pages.unseal(&sealed, PLACE).map_err(|_| gone())?;
    let asked: Asked = serde_json::from_str(text.reveal()).map_err(|_| gone())?;
    if Time(asked.until) <= visit.now { Err(gone()) } else { Ok(asked) }
}

fn view(visit: &Visit, asked: &Asked, problems: &Problems) -> Markup {
    layout::door(
        visit,
        "Confirm your account",
        &html! {
            form.box action=(visit.call.uri.path()) method="post" {
                (layout::marks(visit))
                div.stack.tight { h1 { "Confirm your account" } p.muted { bdi { (asked.company) } " · " (asked.email) } }
                (problems.summary())
                button.btn.primary.wide { "Create the account" }
            }
        },
    )
}

pub(crate) async fn confirm_form(visit: Visit) -> Answer {
    let asked = open(&visit)?;
    Ok(reply::html(StatusCode::OK, &view(&visit, &asked, &Problems::none())))
}

pub(crate) async fn confirm(visit: Visit) -> Answer {
    let asked = open(&visit)?;
    match create(&visit, &asked).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| view(&visit, &asked, problems)),
    }
}

async fn create(visit: &Visit, asked: &Asked) -> Result<Reply, Trouble> {
    let email = Email::parse(&asked.email).ok_or(Stop::NotFound)?;
    let (name, password) = (asked.name.clone(), asked.password.clone());
    let new = Newcomer { email, name, password };
    let (moment, company) = (visit.moment(), asked.company.clone());
    let write = move |tx: &mut Tx<'_>| newcomers::sign_up(tx, &moment, &company, &new);
    let member = match visit.app().db.write(visit.now, write).await {
        Ok((_, member)) => member,
        Err(Error::Invalid { message, .. }) => {
            let message = ui::sentence_text(&message);
            return Err(Problems::one(StatusCode::CONFLICT, "", message).into());
        }
        Err(error) => return Err(error.into()),
    };
    super::sign_in::begin(visit, &member, Stage::Whole, Vec::new()).await
}
