//! The inbox of what waits for a second person, and the page of each: what is asked for, by whom,
//! and what can be done about it by who looks at it.

use http::StatusCode;
use keyway_domain::Environment;
use keyway_domain::approval::{Approval, State, Undecidable};
use keyway_domain::credential::{AddressMode, Credential};
use keyway_domain::grant::Grant;
use keyway_domain::id::{ApprovalId, MemberId};
use keyway_domain::member::Member;
use keyway_domain::scheme::{Scheme, StepUpRule};
use keyway_domain::time::{Time, say_duration};
use keyway_store::{DbError, approvals, credentials, members};
use maud::{Markup, html};

use super::acts::said_of_previous;
use super::new_key::{forget_roster, show};
use super::problems::{Problems, Stop, Trouble};
use super::reply;
use super::step_up::{Asked as Proof, Next, Wanted, again, asked};
use super::ui;
use super::visit::{Signed, Visit};
use super::{Answer, grants, icons, layout, said};
use crate::commands::approvals::{self as commands, Asked, What};
use crate::commands::{Error, rules};

/// The newest that the inbox shows.
const SHOWN: u32 = 100;

/// An approval with those whom it is about.
struct Case<'v> {
    visit: &'v Visit,
    signed: &'v Signed,
    approval: Approval,
    asked: Asked,
    people: Vec<Member>,
    credential: Option<Credential>,
    stale: Option<Undecidable>,
}

fn named(people: &[Member], id: MemberId) -> &str {
    let found = people.iter().find(|member| member.id == id);
    found.map_or("somebody who has left", |member| member.name.as_str())
}

fn badge(approval: &Approval, now: Time) -> Markup {
    let (class, text) = match approval.word(now) {
        "waiting" => ("warn", "Waiting"),
        "approved" => ("rot", "Approved, not taken yet"),
        "done" => ("ok", "Approved and done"),
        "declined" => ("bad", "Declined"),
        "withdrawn" => ("off", "Taken back"),
        _ => ("off", "Expired"),
    };
    ui::badge(class, text)
}

pub(crate) async fn list(visit: Visit) -> Answer {
    let signed = visit.signed()?;
    let (account, seals) = (signed.account.id, visit.app().platform.rules.seals.clone());
    let read = visit.app().db.read(move |tx| {
        let all = approvals::list(tx, &seals, account, SHOWN)?;
        Ok::<_, DbError>((all, members::list(tx, &seals, account)?))
    });
    let (all, people) = read.await?;
    let (scheme, me, now) = (visit.scheme(), &signed.member, visit.now);
    let of = |approval| Asked::of(&approval).map(|asked| (approval, asked));
    let all: Vec<(Approval, Asked)> = all.into_iter().filter_map(of).collect();
    let is_mine = |(approval, asked): &&(Approval, Asked)| {
        let is_own = approval.asked_by == me.id;
        match approval.word(now) {
            "waiting" => !is_own && asked.may(scheme, me.role),
            "approved" => is_own,
            _ => false,
        }
    };
    let (yours, others): (Vec<_>, Vec<_>) = all.iter().partition(is_mine);
    let lede = match visit.standing().second_person() {
        Some(by) => format!("A second person is a rule of {}.", whose(&visit, by)),
        None => "No rule asks for a second person now.".to_owned(),
    };
    let body = html! {
        div.head { div { h1 { "Approvals" } p.lede { "What gives out more that moves money waits here for a second person. " (lede) } } }
        (said::done(&visit))
        (table(("h-yo", "For you to act on"), &yours, &people, now))
        (table(("h-al", "Everything else"), &others, &people, now))
    };
    let page = layout::page(&visit, "Approvals", Some(layout::Nav::Approvals), &body);
    Ok(reply::html(StatusCode::OK, &page))
}

fn whose(visit: &Visit, by: keyway_domain::rules::SetBy) -> String {
    match by {
        keyway_domain::rules::SetBy::Platform => visit.scheme().title.clone(),
        keyway_domain::rules::SetBy::Account => "this account".to_owned(),
    }
}

fn table(
    (id, title): (&str, &str),
    rows: &[&(Approval, Asked)],
    people: &[Member],
    now: Time,
) -> Markup {
    html! {
        section.card aria-labelledby=(id) {
            header { h2 id=(id) { (title) } }
            @if rows.is_empty() {
                div.body { p.muted { "Nothing." } }
            } @else {
                table.flip role="table" aria-labelledby=(id) {
                    thead role="rowgroup" { tr role="row" {
                        @for head in ["What", "Asked by", "When", "State"] { th role="columnheader" scope="col" { (head) } }
                    } }
                    tbody role="rowgroup" {
                        @for (approval, asked) in rows {
                            tr role="row" {
                                td.full role="cell" { a.t-name href={ "/approvals/" (approval.id) } { bdi { (asked.say()) } } }
                                td role="cell" data-l="Asked by" { bdi { (named(people, approval.asked_by)) } }
                                td role="cell" data-l="When" { (ui::ago(approval.asked_at, now)) }
                                td role="cell" data-l="State" { (badge(approval, now)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

async fn open(visit: &Visit) -> Result<Case<'_>, Stop> {
    let signed = visit.signed()?;
    let id = ApprovalId::parse(visit.param("approval")).ok_or(Stop::NotFound)?;
    let (account, moment) = (signed.account.id, visit.moment());
    let read = visit.app().db.read(move |tx| {
        let rules = &moment.realm.rules;
        let Some(approval) = approvals::find(tx, &rules.seals, account, id)? else {
            return Ok(None);
        };
        let Some(asked) = Asked::of(&approval) else { return Ok(None) };
        let credential = match approval.credential {
            Some(id) => credentials::find(tx, rules, account, id)?,
            None => None,
        };
        let stale = commands::stale(tx, &moment, &approval, &asked)?;
        let people = members::list(tx, &rules.seals, account)?;
        Ok::<_, Error>(Some((approval, asked, people, credential, stale)))
    });
    let found = read.await.map_err(|error| match Trouble::from(error) {
        Trouble::Stop(stop) => stop,
        Trouble::Form(problems) => Stop::Ours(problems.said()),
    })?;
    let (approval, asked, people, credential, stale) = found.ok_or(Stop::NotFound)?;
    Ok(Case { visit, signed, approval, asked, people, credential, stale })
}

impl Case<'_> {
    fn scheme(&self) -> &Scheme {
        self.visit.scheme()
    }

    fn is_own(&self) -> bool {
        self.approval.asked_by == self.signed.member.id
    }

    fn may(&self) -> bool {
        self.asked.may(self.scheme(), self.signed.member.role)
    }

    /// The proof of either of the two: what the act asks for, and never nothing.
    fn wanted(&self, act: &str) -> Wanted {
        let subject = self.approval.id.to_string();
        match self.asked.step_up(self.scheme()) {
            StepUpRule::None => Wanted::strongest(act, subject, &self.signed.member),
            rule => Wanted::new(act, subject, rule),
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/approvals/{}{rest}", self.approval.id)
    }

    fn grant(&self, text: &str) -> Option<Grant> {
        Grant::from_column(text, |name| self.scheme().resource(name))
    }

    fn access(&self, grant: Option<&String>) -> Markup {
        let after = grant.and_then(|text| self.grant(text));
        match (&self.credential, after) {
            (Some(before), Some(after)) if before.grant != after => {
                grants::diff(before.grant, after, self.scheme())
            }
            (Some(before), _) => grants::words(before.grant, self.scheme()),
            (None, Some(after)) => grants::words(after, self.scheme()),
            (None, None) => html! { "What its type always has." },
        }
    }

    /// What a credential may do, and from where.
    fn reach(&self, grant: Option<&String>, addresses: &[ipnet::IpNet], mode: &str) -> Markup {
        html! {
            dt { "Access" } dd { (self.access(grant)) }
            dt { "Addresses" }
            dd { (listed(addresses)) @if !addresses.is_empty() { ": the list " (mode_word(mode)) } }
        }
    }

    /// The same of what is made like the credential that it starts from.
    fn like_it(&self, grant: Option<&String>) -> Markup {
        html! { @if let Some(on) = &self.credential { (self.reach(grant, &on.addresses, on.address_mode.as_str())) } }
    }

    fn what(&self) -> Markup {
        let kind = self.asked.kind.as_deref().and_then(|kind| self.scheme().kind(kind));
        let end = |at: Option<Time>| at.map_or_else(|| "never".to_owned(), Time::to_minute_text);
        html! {
            dl.kv {
                @if let Some(kind) = kind { dt { "Type" } dd { (kind.label) } }
                @if let Some(on) = &self.credential {
                    dt { (ui::capital(&self.scheme().words.credential)) }
                    dd { a href={ "/" (on.environment.as_str()) "/keys/" (on.id) } { bdi { (on.name) } } " " (ui::environment_badge(self.scheme(), on.environment)) }
                }
                @match &self.asked.what {
                    What::Create { environment, grant, addresses, mode, expires_at, owner, .. } => {
                        @if let Some(at) = Environment::parse(environment) { dt { "Environment" } dd { (ui::environment_badge(self.scheme(), at)) } }
                        (self.reach(grant.as_ref(), addresses, mode))
                        dt { "Expires" } dd { (end(*expires_at)) }
                        dt { "Owner" } dd { bdi { (named(&self.people, *owner)) } }
                    }
                    What::Duplicate { name, grant, owner, .. } => {
                        dt { "Name" } dd { bdi { (name) } }
                        (self.like_it(grant.as_ref()))
                        dt { "Owner" } dd { bdi { (named(&self.people, *owner)) } }
                    }
                    What::Replace { name, .. } => {
                        dt { "Name" } dd { bdi { (name) } }
                        (self.like_it(None))
                    }
                    What::Rotate { overlap_ms, .. } => {
                        dt { "Current secret" }
                        dd { @match overlap_ms { Some(0) => { "stops at once" } Some(ms) => { "works for " (say_duration(*ms)) " more" } None => { "works for as long as usual" } } }
                        (self.like_it(None))
                    }
                    What::Regenerate { .. } => {
                        dt { "Current secret" } dd { "stops at once" }
                        (self.like_it(None))
                    }
                    What::Edit { grant, addresses, mode, .. } => {
                        dt { "Access" } dd { (self.access(grant.as_ref())) }
                        @if let Some(addresses) = addresses {
                            dt { "Addresses" } dd { del { (listed(self.credential.as_ref().map_or(&[], |on| &on.addresses))) } " " ins { (listed(addresses)) } }
                        }
                        @if let Some(mode) = mode { dt { "Address list" } dd { (mode_word(mode)) } }
                    }
                    What::Expire { at, .. } => {
                        dt { "Expires" }
                        dd { del { (end(self.credential.as_ref().and_then(|on| on.expires_at))) } " " ins { (end(*at)) } }
                    }
                    What::Rules { own } => {
                        dt { "Rules" }
                        dd { (said::diff(&rules::said(&self.asked.rules.unwrap_or_default()), &rules::said(own))) }
                    }
                }
                dt { "Asked by" } dd { bdi { (named(&self.people, self.approval.asked_by)) } ", " (instant(self.approval.asked_at)) }
                @if let Some(by) = self.approval.decided_by {
                    dt { "Decided by" } dd { bdi { (named(&self.people, by)) } @if let Some(at) = self.approval.decided_at { ", " (instant(at)) } }
                }
                @if !self.approval.why.is_empty() { dt { "Why" } dd { bdi { (self.approval.why) } } }
                @if self.approval.is_open(self.visit.now) { dt { "Until" } dd { (instant(self.approval.expires_at)) } }
            }
        }
    }

    fn view(&self, proof: &Proof, problems: &Problems) -> Markup {
        let now = self.visit.now;
        let title = self.asked.say();
        let is_open = self.approval.is_open(now);
        let body = html! {
            div.head { div {
                p.crumbs { a href="/approvals" { "Approvals" } }
                h1 { bdi { (title) } }
            } }
            (said::done(self.visit))
            section.card.narrow aria-labelledby="h-wh" {
                header { h2 id="h-wh" { "What is asked for" } (badge(&self.approval, now)) }
                div.body.stack {
                    (problems.summary())
                    (self.what())
                    @if let Some(stale) = self.stale.as_ref().filter(|_| is_open) {
                        (ui::note("warn", icons::WARN, &html! { b { (ui::sentence_text(&stale.to_string())) } }))
                    }
                }
            }
            @if is_open && self.is_own() { (self.own(proof, problems)) }
            @else if is_open && self.may() { (self.decision(proof, problems)) }
            @else if is_open { section.card.narrow { div.body { p.muted { "Your role may not do this, and so not decide on it." } } } }
        };
        layout::page(self.visit, &title, Some(layout::Nav::Approvals), &body)
    }

    /// What who asked can do.
    fn own(&self, proof: &Proof, problems: &Problems) -> Markup {
        let others = self.people.iter().filter(|member| {
            member.id != self.signed.member.id && self.asked.may(self.scheme(), member.role)
        });
        let others: Vec<&str> = others.map(|member| member.name.as_str()).collect();
        html! {
            section.card.narrow aria-labelledby="h-ow" {
                header { h2 id="h-ow" { "You asked for this" } }
                div.body.stack {
                    @if self.approval.state == State::Approved && self.stale.is_none() {
                        form.stack action=(self.path("/take")) method="post" {
                            (layout::marks(self.visit))
                            p { "It is approved. The new secret is made when you take it, and shown once." }
                            (proof.show(problems))
                            @if proof.is_possible() { div.row { button.btn.primary { (icons::KEY) "Do it and show the secret" } } }
                        }
                    } @else if self.stale.is_some() {
                        p { "It can’t be done any more as you asked for it. Take it back, and ask again." }
                    } @else if others.is_empty() {
                        (ui::note("warn", icons::TEAM, &html! { b { "Nobody else here may approve it." } " Invite somebody, or ask an owner to." }))
                    } @else {
                        p { "One of these may approve it, and has a mail about it: " bdi { (others.join(", ")) } "." }
                    }
                    form action=(self.path("/withdraw")) method="post" { (layout::marks(self.visit)) button.btn { "Take it back" } }
                }
            }
        }
    }

    /// What a second person can do.
    fn decision(&self, proof: &Proof, problems: &Problems) -> Markup {
        let problem = problems.of("why");
        html! {
            @if self.approval.state == State::Waiting && self.stale.is_none() {
                form.card.narrow action=(self.path("/approve")) method="post" aria-labelledby="h-ap" {
                    (layout::marks(self.visit))
                    header { h2 id="h-ap" { "Approve" } }
                    div.body.stack {
                        p { @if self.asked.what.makes_secret() { "Who asked can then do it within 7 days. The secret is shown to them." } @else { "It is done as you approve it." } }
                        (proof.show(problems))
                        @if proof.is_possible() { div.row { button.btn.primary { (icons::CHECK) "Approve" } } }
                    }
                }
            }
            form.card.narrow action=(self.path("/decline")) method="post" aria-labelledby="h-de" {
                (layout::marks(self.visit))
                header { h2 id="h-de" { "Decline" } }
                div.body.stack {
                    div.field {
                        label for="why" { "Why" }
                        textarea id="why" name="why" rows="2" maxlength=(keyway_domain::limits::WHY_CHARS_MAX) required
                            aria-invalid=[problem.map(|_| "true")] aria-describedby=[problem.map(|_| "why-e")] { (self.visit.fields.text("why")) }
                        @if let Some(problem) = problem { span.err id="why-e" { (icons::WARN) (problem) } }
                    }
                    div.row { button.btn.danger-quiet { (icons::CLOSE) "Decline" } }
                }
            }
        }
    }

    /// Which proof the one who looks at it gives.
    async fn proof(&self) -> Result<Proof, Stop> {
        asked(self.visit, &self.wanted(if self.is_own() { "take" } else { "approve" })).await
    }

    async fn again(&self, trouble: Trouble) -> Answer {
        let proof = self.proof().await?;
        again(trouble, |problems| self.view(&proof, problems))
    }
}

/// An instant that may break over two lines on a phone.
fn instant(at: Time) -> Markup {
    html! { time.num datetime=(at.to_string()) { (at.to_minute_text()) } }
}

fn mode_word(mode: &str) -> &'static str {
    if mode == AddressMode::Report.as_str() {
        "only reports, and refuses nothing"
    } else {
        "is enforced"
    }
}

fn listed(addresses: &[ipnet::IpNet]) -> Markup {
    html! {
        @if addresses.is_empty() { "from anywhere" }
        @for (place, address) in addresses.iter().enumerate() { @if place > 0 { ", " } code { (address) } }
    }
}

pub(crate) async fn page(visit: Visit) -> Answer {
    let case = open(&visit).await?;
    Ok(reply::html(StatusCode::OK, &case.view(&case.proof().await?, &Problems::none())))
}

pub(crate) async fn approve(visit: Visit) -> Answer {
    let case = open(&visit).await?;
    let (by, id) = (case.signed.member.clone(), case.approval.id);
    let done = visit.act(Some(case.wanted("approve")), move |tx, moment| {
        let done = commands::approve(tx, moment, &by, id)?;
        let word = if done.is_some() { "did" } else { "approved" };
        Ok(Next::to(format!("/approvals/{id}?done={word}")))
    });
    match done.await {
        Ok(reply) => Ok(reply),
        Err(trouble) => case.again(trouble).await,
    }
}

pub(crate) async fn decline(visit: Visit) -> Answer {
    let case = open(&visit).await?;
    let (by, id) = (case.signed.member.clone(), case.approval.id);
    let why = visit.fields.text("why").to_owned();
    let done = visit.act(None, move |tx, moment| {
        commands::decline(tx, moment, &by, id, &why)?;
        Ok(Next::to(format!("/approvals/{id}?done=declined")))
    });
    match done.await {
        Ok(reply) => Ok(reply),
        Err(trouble) => case.again(trouble).await,
    }
}

pub(crate) async fn withdraw(visit: Visit) -> Answer {
    let case = open(&visit).await?;
    let (by, id) = (case.signed.member.clone(), case.approval.id);
    let done = visit.act(None, move |tx, moment| {
        commands::withdraw(tx, moment, &by, id)?;
        Ok(Next::to(format!("/approvals/{id}?done=takenback")))
    });
    match done.await {
        Ok(reply) => Ok(reply),
        Err(trouble) => case.again(trouble).await,
    }
}

pub(crate) async fn take(visit: Visit) -> Answer {
    let case = open(&visit).await?;
    let (signed, id) = (case.signed.clone(), case.approval.id);
    let done = visit.act(Some(case.wanted("take")), move |tx, moment| {
        let done = commands::take(tx, moment, &signed.member, id)?;
        let replaces = case_replaces(&done);
        let note = if replaces { said_of_previous(&done, moment.now) } else { String::new() };
        Ok(Next::to(show(tx, moment, &signed, &done, &note)?))
    });
    match done.await {
        Ok(reply) => {
            forget_roster(&visit);
            Ok(reply)
        }
        Err(trouble) => case.again(trouble).await,
    }
}

/// Whether the credential had a secret before.
fn case_replaces(done: &commands::Done) -> bool {
    matches!(done, commands::Done::Made(credential, _) if credential.secrets.len() > 1)
}
