//! The people of an account: who they are, what they may do, who comes and who goes.

use http::StatusCode;
use keyway_domain::actor::Role;
use keyway_domain::id::{LinkId, MemberId};
use keyway_domain::member::{Email, Member, may_give};
use keyway_domain::scheme::{Act, Scheme};
use keyway_store::links::Link;
use keyway_store::{DbError, credentials, links, members, owners};
use maud::{Markup, html};

use super::dialog::Dialog;
use super::new_key::forget_roster;
use super::problems::{Problems, Stop, Trouble};
use super::step_up::{Asked, Next, Wanted, again, asked};
use super::ui::{self, Field};
use super::visit::{Signed, Visit};
use super::{Answer, icons, layout, reply, said};
use crate::commands::{newcomers, team as commands};
use crate::http::Reply;
use crate::mail::Letter;

/// Who is there, and who is asked in.
struct Team {
    people: Vec<Member>,
    invited: Vec<Link>,
}

async fn load(visit: &Visit) -> Result<Team, Stop> {
    let (account, now) = (visit.signed()?.account.id, visit.now);
    let seals = visit.app().platform.rules.seals.clone();
    let read = visit.app().db.read(move |tx| {
        Ok::<_, DbError>(Team {
            people: members::list(tx, &seals, account)?,
            invited: links::open_invitations(tx, &seals, account, now)?,
        })
    });
    Ok(read.await?)
}

fn manages(signed: &Signed, scheme: &Scheme) -> bool {
    scheme.people.manage.contains(&signed.member.role)
}

pub(crate) async fn page(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let (team, signed) = (load(&visit).await?, visit.signed()?);
    let manages = manages(signed, &scheme);
    let count = i64::try_from(team.people.len()).unwrap_or(0);
    let without = team.people.iter().filter(|member| member.totp.is_none()).count();
    let body = html! {
        div.head {
            div {
                h1 { "Team and roles" }
                p.lede { (ui::count(count, "person", "people")) " can sign in to " bdi { (signed.account.name) } ". Services use credentials, never a person’s sign-in." }
            }
            @if manages { div.row { a.btn.primary href="/team/invite" { (icons::PLUS) "Invite" } } }
        }
        (said::done(&visit))
        @if without > 0 {
            (ui::note("warn", icons::WARN, &html! {
                b { (ui::count(i64::try_from(without).unwrap_or(0), "person has", "people have")) " no second factor." }
                " A stolen password alone signs in as them. Everyone can add an authenticator app under Sign-in security."
            }))
        }
        (people(&visit, &team, signed, manages))
        @if !team.invited.is_empty() { (invitations(&visit, &team, manages)) }
        (matrix(&scheme))
    };
    Ok(reply::html(
        StatusCode::OK,
        &layout::page(&visit, "Team and roles", Some(layout::Nav::Team), &body),
    ))
}

fn people(visit: &Visit, team: &Team, signed: &Signed, manages: bool) -> Markup {
    let now = visit.now;
    let in_reach = |member: &Member| may_give(signed.member.role, member.role).is_ok();
    html! {
        section.card aria-labelledby="pp" {
            header { h2 id="pp" { "People" } }
            table.flip role="table" aria-labelledby="pp" {
                thead role="rowgroup" { tr role="row" {
                    th role="columnheader" scope="col" { "Name" }
                    th role="columnheader" scope="col" { "Role" }
                    th role="columnheader" scope="col" { "Second factor" }
                    th role="columnheader" scope="col" { "Last active" }
                    th role="columnheader" scope="col" { span.vh { "Actions" } }
                } }
                tbody role="rowgroup" {
                    @for member in &team.people {
                        tr role="row" {
                            td.full role="cell" {
                                div.row {
                                    span.avatar.sm aria-hidden="true" { (ui::initials(&member.name)) }
                                    div { b { bdi { (member.name) } @if member.id == signed.member.id { " (you)" } } small { (member.email) } }
                                }
                            }
                            td role="cell" data-l="Role" { (ui::badge("plain", ui::role_word(member.role))) }
                            td role="cell" data-l="Second factor" {
                                @if member.totp.is_some() { (ui::badge("ok", "App")) } @else { (ui::badge("warn", "None yet")) }
                            }
                            td.muted role="cell" data-l="Last active" {
                                @match member.last_active_at { Some(at) => { (ui::ago(at, now)) } None => { "never" } }
                            }
                            td.act role="cell" {
                                @if manages && in_reach(member) {
                                    div.row {
                                        a.btn.sm href={ "/team/" (member.id) "/role" } aria-label={ "Change the role of " (member.name) } { "Role" }
                                        a.btn.sm.danger-quiet href={ "/team/" (member.id) "/remove" } aria-label={ "Remove " (member.name) } { "Remove" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn invitations(visit: &Visit, team: &Team, manages: bool) -> Markup {
    html! {
        section.card aria-labelledby="inv" {
            header { h2 id="inv" { "Invitations" } span.muted.small { "good for seven days" } }
            table.flip role="table" aria-labelledby="inv" {
                thead role="rowgroup" { tr role="row" {
                    th role="columnheader" scope="col" { "Email" }
                    th role="columnheader" scope="col" { "Role" }
                    th role="columnheader" scope="col" { "Ends" }
                    th role="columnheader" scope="col" { span.vh { "Actions" } }
                } }
                tbody role="rowgroup" {
                    @for link in &team.invited {
                        @let email = link.email.as_ref().map_or("", Email::as_str);
                        tr role="row" {
                            td.full role="cell" { (email) }
                            td role="cell" data-l="Role" { (link.role.map_or("", ui::role_word)) }
                            td role="cell" data-l="Ends" { (ui::minute(link.expires_at)) }
                            td.act role="cell" {
                                @if manages {
                                    form method="post" action={ "/team/invitations/" (link.id) "/withdraw" } {
                                        (layout::marks(visit))
                                        button.btn.sm aria-label={ "Withdraw the invitation of " (email) } { "Withdraw" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What each role may do: read from the scheme, kind by kind.
fn matrix(scheme: &Scheme) -> Markup {
    let yes = |may: bool| {
        html! {
            @if may { span.yes { (icons::CHECK) span.vh { "Yes" } } }
            @else { span.no aria-hidden="true" { "–" } span.vh { "No" } }
        }
    };
    let row = |label: &str, roles: &[Role]| {
        html! {
            tr { th scope="row" { (label) } @for role in Role::ALL { td { (yes(roles.contains(&role))) } } }
        }
    };
    html! {
        section.card aria-labelledby="mx" {
            header { h2 id="mx" { "What each role may do" } span.muted.small { "set by " (scheme.title) } }
            div.scroll tabindex="0" role="region" aria-label="Role table" {
                table.matrix {
                    thead { tr { th scope="col" { "May" } @for role in Role::ALL { th scope="col" { (ui::role_word(role)) } } } }
                    tbody {
                        (row(&format!("See {}, their use and history", scheme.words.credentials), &Role::ALL))
                        @for kind in &scheme.kinds {
                            @for (act, rule) in kind.acts() {
                                (row(&act_row(act, &kind.label, scheme.kinds.len() > 1), &rule.by))
                            }
                        }
                        (row("Read the audit log", &scheme.people.audit))
                        (row("Change the settings", &scheme.people.settings))
                        (row("Invite people, change roles, remove people", &scheme.people.manage))
                    }
                }
            }
            footer { span { "Only an owner makes or removes an owner. What asks for a password or a code says so when it is done." } }
        }
    }
}

fn act_row(act: Act, label: &str, several: bool) -> String {
    let act = match act {
        Act::Finish => "End a rotation early",
        Act::Extend => "Extend a rotation",
        Act::Rollback => "Roll a rotation back",
        Act::Rotate => "Rotate",
        act => layout::act_label(act),
    };
    if several { format!("{act}: {label}") } else { act.to_owned() }
}

/// The choice of a role, of those that this member may give.
fn role_field(signed: &Signed, chosen: Role) -> Markup {
    html! {
        div.field {
            label for="role" { "Role" }
            select id="role" name="role" {
                @for role in Role::ALL.into_iter().filter(|role| may_give(signed.member.role, *role).is_ok()) {
                    option value=(role.as_str()) selected[role == chosen] { (ui::role_word(role)) }
                }
            }
        }
    }
}

fn page_of(visit: &Visit, title: &str, dialog: &Markup) -> Markup {
    let body = html! {
        div.head { div { p.crumbs { a href="/team" { "Team and roles" } " " span aria-hidden="true" { "/" } " " (title) } } }
        (dialog)
    };
    layout::page(visit, title, Some(layout::Nav::Team), &body)
}

fn invite_wanted(signed: &Signed) -> Wanted {
    Wanted::strongest("invite", signed.account.id.to_string(), &signed.member)
}

fn invite_view(visit: &Visit, asked: &Asked, problems: &Problems) -> Result<Markup, Stop> {
    let signed = visit.signed()?;
    let role = Role::parse(visit.fields.text("role")).unwrap_or(Role::Developer);
    let dialog = Dialog {
        title: "Invite a person".to_owned(),
        about: html! { "to " bdi { (signed.account.name) } },
        back: "/team".to_owned(),
        body: html! {
            (Field::new("email", "Email", visit.fields.text("email")).kind("email", "off").hint("They get a link, good for seven days, once.").show(problems))
            (role_field(signed, role))
            (asked.show(problems))
        },
        keep: "Cancel",
        button: html! { (icons::MAIL) "Invite" },
        class: "primary",
    };
    Ok(page_of(visit, "Invite", &dialog.show(visit, problems)))
}

pub(crate) async fn invite_form(visit: Visit) -> Answer {
    let asked = asked(&visit, &invite_wanted(visit.signed()?)).await?;
    Ok(reply::html(StatusCode::OK, &invite_view(&visit, &asked, &Problems::none())?))
}

pub(crate) async fn invite(visit: Visit) -> Answer {
    let asked = asked(&visit, &invite_wanted(visit.signed()?)).await?;
    match inviting(&visit).await {
        Ok(reply) => Ok(reply),
        Err(Trouble::Stop(stop)) => Err(stop),
        Err(Trouble::Form(problems)) => {
            Ok(reply::html(problems.status, &invite_view(&visit, &asked, &problems)?))
        }
    }
}

async fn inviting(visit: &Visit) -> Result<Reply, Trouble> {
    let signed = visit.signed()?.clone();
    let email = Email::parse(visit.fields.text("email"));
    let email = email.ok_or_else(|| {
        Problems::field("email", "Enter an email address, such as ada@example.com.")
    })?;
    let role = Role::parse(visit.fields.text("role"));
    let role = role.ok_or_else(|| Problems::field("role", "Choose a role."))?;
    let base = visit.public_url();
    visit
        .act(Some(invite_wanted(&signed)), move |tx, moment| {
            may_give(signed.member.role, role)?;
            let account = &signed.account;
            let new = newcomers::invite(tx, moment, account.id, &email, role)?;
            let url = format!("{base}/join/{}", new.token.reveal());
            let letter = Letter::invitation(&email, &account.name, &signed.member.name, &url);
            letter.post(tx, moment, Some(account.id))?;
            Ok(Next::to("/team?done=invited"))
        })
        .await
}

pub(crate) async fn withdraw(visit: Visit) -> Answer {
    let account = visit.signed()?.account.id;
    let id = LinkId::parse(visit.param("link")).ok_or(Stop::NotFound)?;
    let done = visit
        .act(None, move |tx, moment| {
            newcomers::withdraw(tx, moment, account, id)?;
            Ok(Next::to("/team?done=withdrawn"))
        })
        .await;
    or_stop(done)
}

/// A button without a form of its own: what goes wrong is a page.
fn or_stop(done: Result<Reply, Trouble>) -> Answer {
    match done {
        Ok(reply) => Ok(reply),
        Err(Trouble::Stop(stop)) => Err(stop),
        Err(Trouble::Form(problems)) => {
            Err(Stop::Ours(problems.of("").unwrap_or("It could not be done.").to_owned()))
        }
    }
}

/// A member that is to be changed, with what they have care of.
struct Case {
    member: Member,
    people: Vec<Member>,
    kept: Vec<(String, String)>,
    asked: Asked,
    wanted: Wanted,
}

async fn open(visit: &Visit, act: &str) -> Result<Case, Stop> {
    let signed = visit.signed()?;
    let id = MemberId::parse(visit.param("member")).ok_or(Stop::NotFound)?;
    let (account, rules) = (signed.account.id, visit.app().platform.rules.clone());
    let read = visit.app().db.read(move |tx| {
        let people = members::list(tx, &rules.seals, account)?;
        let mut kept = Vec::new();
        for credential in owners::of_member(tx, id)? {
            let Some(found) = credentials::find(tx, &rules, account, credential)? else { continue };
            if found.status == keyway_domain::credential::Status::Live {
                let path = format!("/{}/keys/{}", found.environment.as_str(), found.id);
                kept.push((found.name, path));
            }
        }
        Ok::<_, DbError>((people, kept))
    });
    let (people, kept) = read.await?;
    let member = people.iter().find(|member| member.id == id).cloned().ok_or(Stop::NotFound)?;
    if let Err(refusal) = may_give(signed.member.role, member.role) {
        return Err(Stop::Forbidden(ui::sentence_text(&refusal.to_string())));
    }
    let wanted = Wanted::strongest(act, id.to_string(), &signed.member);
    let asked = asked(visit, &wanted).await?;
    Ok(Case { member, people, kept, asked, wanted })
}

fn role_view(visit: &Visit, case: &Case, problems: &Problems) -> Result<Markup, Stop> {
    let signed = visit.signed()?;
    let typed = Role::parse(visit.fields.text("role")).unwrap_or(case.member.role);
    let dialog = Dialog {
        title: "Change the role".to_owned(),
        about: html! { bdi { (case.member.name) } " · " (case.member.email) },
        back: "/team".to_owned(),
        body: html! {
            (role_field(signed, typed))
            p.small.muted { "What they may do changes from the answer on, in every browser they are signed in from." }
            (case.asked.show(problems))
        },
        keep: "Cancel",
        button: html! { "Change the role" },
        class: "primary",
    };
    Ok(page_of(visit, "Change the role", &dialog.show(visit, problems)))
}

pub(crate) async fn role_form(visit: Visit) -> Answer {
    let case = open(&visit, "role").await?;
    Ok(reply::html(StatusCode::OK, &role_view(&visit, &case, &Problems::none())?))
}

pub(crate) async fn role(visit: Visit) -> Answer {
    let case = open(&visit, "role").await?;
    match changing_role(&visit, &case).await {
        Ok(reply) => Ok(reply),
        Err(Trouble::Stop(stop)) => Err(stop),
        Err(Trouble::Form(problems)) => {
            Ok(reply::html(problems.status, &role_view(&visit, &case, &problems)?))
        }
    }
}

async fn changing_role(visit: &Visit, case: &Case) -> Result<Reply, Trouble> {
    let role = Role::parse(visit.fields.text("role"));
    let role = role.ok_or_else(|| Problems::field("role", "Choose a role."))?;
    let signed = visit.signed()?;
    let (account, id, by) = (signed.account.id, case.member.id, signed.member.role);
    visit
        .act(Some(case.wanted.clone()), move |tx, moment| {
            commands::change_role(tx, moment, account, id, role, by)?;
            Ok(Next::to("/team?done=role"))
        })
        .await
}

fn remove_view(visit: &Visit, case: &Case, problems: &Problems) -> Markup {
    let others: Vec<&Member> =
        case.people.iter().filter(|other| other.id != case.member.id).collect();
    let count = i64::try_from(case.kept.len()).unwrap_or(0);
    let dialog = Dialog {
        title: format!("Remove {}?", case.member.name),
        about: html! { (case.member.email) },
        back: "/team".to_owned(),
        body: html! {
            p { "Their sessions end at once. What is in their care lives on, with somebody else." }
            @if !case.kept.is_empty() {
                details open {
                    summary { (ui::count(count, "credential is", "credentials are")) " in their care" }
                    ul.uses.small { @for (name, path) in case.kept.iter().take(20) { li { a href=(path) { bdi { (name) } } } } }
                }
                div.field {
                    label for="owner" { "Who takes over" }
                    select id="owner" name="owner" required {
                        @for other in others { option value=(other.id) { (other.name) } }
                    }
                    (ui::below("owner", "", problems.of("owner")))
                }
            }
            (case.asked.show(problems))
        },
        keep: "Keep them",
        button: html! { "Remove" },
        class: "danger",
    };
    page_of(visit, "Remove", &dialog.show(visit, problems))
}

pub(crate) async fn remove_form(visit: Visit) -> Answer {
    let case = open(&visit, "remove").await?;
    Ok(reply::html(StatusCode::OK, &remove_view(&visit, &case, &Problems::none())))
}

pub(crate) async fn remove(visit: Visit) -> Answer {
    let case = open(&visit, "remove").await?;
    match removing(&visit, &case).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| remove_view(&visit, &case, problems)),
    }
}

async fn removing(visit: &Visit, case: &Case) -> Result<Reply, Trouble> {
    let signed = visit.signed()?;
    let (account, id, by) = (signed.account.id, case.member.id, signed.member.role);
    let heir = MemberId::parse(visit.fields.text("owner"));
    visit
        .act(Some(case.wanted.clone()), move |tx, moment| {
            commands::remove(tx, moment, account, id, heir, by)?;
            Ok(Next::to("/team?done=removed"))
        })
        .await
        .inspect(|_| forget_roster(visit))
}
