//! Recovery codes: drawn, shown once, kept as hashes.

use http::StatusCode;
use keyway_domain::id::{MemberId, RevealId};
use keyway_domain::limits::RECOVERY_CODES;
use keyway_secret::{Entropy as _, OsEntropy, SecretText};
use keyway_store::{DbError, Tx};
use maud::{Markup, html};

use super::dialog::Dialog;
use super::me::{factor_wanted, page_of, you};
use super::problems::{Problems, Stop, Trouble};
use super::reply::{self, redirect};
use super::step_up::{Asked, Next, Wanted, again, asked};
use super::visit::{Signed, Visit};
use super::{Answer, icons, layout, shown_once};
use crate::commands::me as commands;
use crate::http::Reply;

/// What a recovery code is hashed with: its owner, so that a row moved to another person fits
/// nobody. Dashes, spaces and capitals don't matter.
pub(crate) fn recovery_input(member: MemberId, code: &str) -> SecretText {
    let plain: String =
        code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SecretText::new(format!("{member}:{plain}"))
}

/// Letters of recovery codes: none that look alike.
const LETTERS: &[u8; 32] = b"23456789abcdefghjkmnpqrstuvwxyz7";

/// Draws the codes of a person: ten letters each, fifty bits.
fn new_codes_text() -> Vec<String> {
    let code = || {
        let mut bits = OsEntropy.u128();
        let mut text = String::with_capacity(11);
        for place in 0..10 {
            if place == 5 {
                text.push('-');
            }
            text.push(char::from(LETTERS[usize::try_from(bits & 31).expect("five bits fit")]));
            bits >>= 5;
        }
        text
    };
    std::iter::repeat_with(code).take(RECOVERY_CODES).collect()
}

/// Draws codes, with their hashes.
pub(super) async fn draw_codes(
    visit: &Visit,
    id: MemberId,
) -> Result<(Vec<String>, Vec<String>), Trouble> {
    let codes = new_codes_text();
    let inputs = codes.iter().map(|code| recovery_input(id, code)).collect();
    let hashes = visit.app().passwords.hash_all(inputs).await?;
    Ok((codes, hashes))
}

/// What their texts are sealed as.
const SORT: &str = "codes";

/// Keeps the codes for their page, as new secrets are kept; where that is.
pub(super) fn keep_shown(
    tx: &mut Tx<'_>,
    moment: &crate::commands::Moment,
    signed: &Signed,
    codes: &[String],
) -> Result<String, DbError> {
    let text = SecretText::new(codes.join("\n"));
    let id = shown_once::keep(tx, moment, signed, (SORT, &text))?;
    Ok(format!("/you/codes/{id}"))
}

async fn shown_codes(visit: &Visit) -> Result<(RevealId, Vec<String>), Stop> {
    let gone = || {
        Stop::Gone("The codes were saved, or ten minutes have passed. New ones can be made under Sign-in security.".to_owned())
    };
    let (id, text, _) = shown_once::open(visit, SORT).await?.ok_or_else(gone)?;
    Ok((id, text.reveal().lines().map(str::to_owned).collect()))
}

pub(crate) async fn page(visit: Visit) -> Answer {
    let (_, codes) = shown_codes(&visit).await?;
    let body = html! {
        div.head.narrow { div { p.crumbs { a href="/you" { "Sign-in security" } } h1 { "Keep these recovery codes" } p.lede { "Each works once, in place of a code, if you lose the phone. They are shown only now." } } }
        div.cert.narrow {
            div.body.stack {
                ul.codes id="codes" { @for code in &codes { li { (code) } } }
                div.row { button.btn.sm type="button" data-copy=(codes.join(" ")) data-js hidden { (icons::COPY) span { "Copy all" } } }
            }
            form.gate method="post" data-gate {
                (layout::marks(&visit))
                label.check { input type="checkbox" name="saved" value="1" required; span { b { "I have saved the codes" } br; span.muted.small { "in a password manager, or on paper; not on the phone itself" } } }
                button.btn.primary { "Finish" }
            }
        }
    };
    Ok(reply::html(StatusCode::OK, &layout::page(&visit, "Recovery codes", None, &body)))
}

pub(crate) async fn saved(visit: Visit) -> Answer {
    let (id, _) = shown_codes(&visit).await?;
    if visit.fields.text("saved") != "1" {
        return Ok(redirect(&format!("/you/codes/{id}")));
    }
    shown_once::forget(&visit, id).await?;
    Ok(redirect(&you("factor")))
}

fn view(visit: &Visit, asked: &Asked, problems: &Problems) -> Markup {
    let dialog = Dialog {
        title: "New recovery codes".to_owned(),
        about: html! { "The present ones are good no longer." },
        back: "/you".to_owned(),
        body: asked.show(problems),
        keep: "Cancel",
        button: html! { "Make new codes" },
        class: "primary",
    };
    page_of(visit, "New recovery codes", &dialog, problems)
}

pub(crate) async fn new_form(visit: Visit) -> Answer {
    let asked = asked(&visit, &factor_wanted(visit.signed()?, "new-codes")).await?;
    Ok(reply::html(StatusCode::OK, &view(&visit, &asked, &Problems::none())))
}

pub(crate) async fn renew(visit: Visit) -> Answer {
    let signed = visit.signed()?.clone();
    let wanted = factor_wanted(&signed, "new-codes");
    let asked = asked(&visit, &wanted).await?;
    match making_codes(&visit, signed, wanted).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| view(&visit, &asked, problems)),
    }
}

async fn making_codes(visit: &Visit, signed: Signed, wanted: Wanted) -> Result<Reply, Trouble> {
    let drawn = draw_codes(visit, signed.member.id);
    visit
        .act_after(Some(wanted), drawn, move |tx, moment, (codes, hashes)| {
            commands::keep_codes(tx, moment, &signed.member, hashes)?;
            Ok(Next::to(keep_shown(tx, moment, &signed, codes)?))
        })
        .await
}
