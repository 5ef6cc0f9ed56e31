//! Proofs: each act that asks for one is done with a fresh one that was given for it, here, once.

use keyway_domain::actor::StepUp;
use keyway_domain::id::SessionId;
use keyway_domain::scheme::{Act, Kind, StepUpRule};
use keyway_server::commands::proofs::{self, Purpose};
use keyway_server::commands::sessions::session_digest;
use keyway_store::{DbError, sessions};

use crate::acts::{self, leads_to, listed};
use crate::browser::{Browser, Form, PASSWORD, Phone, WRONG, account_of};
use crate::harness::{Keyway, MINUTE};

const OWNER: &str = "ada@example.com";

/// An account whose owner can give either proof.
struct Stage {
    keyway: Keyway,
    account: String,
    here: Browser,
    elsewhere: Browser,
    phone: Option<Phone>,
}

impl Stage {
    async fn new(scheme: &str) -> Self {
        let keyway = Keyway::start(scheme).await;
        let mut here = Browser::sign_up(&keyway, OWNER).await;
        let account = account_of(&keyway, OWNER).await;
        let mut elsewhere = Browser::new(&keyway);
        let mut phone = None;
        let asks_code = |kind: &Kind| kind.acts().any(|(_, rule)| rule.step_up == StepUpRule::Otp);
        if acts::kinds(&keyway).iter().any(asks_code) {
            let (enrolled, _) = here.enrol(&keyway, 0).await;
            keyway.clock.advance_ms(30_000);
            elsewhere.password(OWNER, PASSWORD).await.expect(303);
            elsewhere.code(&enrolled.code(keyway.app.now())).await.expect(303);
            phone = Some(enrolled);
        } else {
            elsewhere.password(OWNER, PASSWORD).await.expect(303);
        }
        Self { keyway, account, here, elsewhere, phone }
    }

    /// A right proof that was never given before.
    fn proven(&self, rule: StepUpRule, form: Form) -> Form {
        match rule {
            StepUpRule::None => form,
            StepUpRule::Password | StepUpRule::Either => form.with("password", PASSWORD),
            StepUpRule::Otp => {
                self.keyway.clock.advance_ms(30_000);
                let phone = self.phone.as_ref().expect("a phone");
                form.with("code", phone.code(self.keyway.app.now()))
            }
        }
    }

    fn wrong(&self, rule: StepUpRule, form: Form) -> Form {
        match rule {
            StepUpRule::Otp => {
                let phone = self.phone.as_ref().expect("a phone");
                // Right for another day.
                form.with("code", phone.code(self.keyway.app.now().plus_ms(-100 * MINUTE)))
            }
            _ => form.with("password", WRONG),
        }
    }

    async fn session(&self, browser: &Browser) -> SessionId {
        let token = browser.cookies.get("keyway").expect("a session");
        let digest = session_digest(&self.keyway.app.keys.browsers, token);
        let seals = self.keyway.app.platform.rules.seals.clone();
        let found = self.keyway.app.db.read(move |tx| sessions::find(tx, &seals, &digest)).await;
        found.expect("it is read").expect("a session").id
    }

    /// Keeps a proof, as a form does whose act then fails.
    async fn keep(&self, browser: &Browser, act: Act, subject: &str, rule: StepUpRule) {
        let session = self.session(browser).await;
        let purpose = Purpose::new(act.verb(), subject);
        let method = if rule == StepUpRule::Otp { StepUp::Otp } else { StepUp::Password };
        let moment = self.keyway.app.own_moment();
        let keep = self
            .keyway
            .app
            .db
            .write(moment.now, move |tx| proofs::keep(tx, &moment, session, &purpose, method));
        let kept: Result<(), DbError> = keep.await;
        kept.expect("it is kept");
    }

    fn kept_proofs(&self) -> i64 {
        self.keyway.database.editor().number("SELECT COUNT(*) FROM proofs")
    }

    fn forget_proofs(&self) {
        self.keyway.database.editor().must("DELETE FROM proofs");
    }

    async fn form(&mut self, kind: &Kind, id: &str, act: Act) -> Form {
        let scheme = self.keyway.app.platform.rules.scheme.clone();
        acts::form(&mut self.here, &scheme, kind, id, act).await
    }

    /// Sends a form that must be refused for want of a proof.
    async fn is_refused(&mut self, form: &Form, why: &str) {
        let before = listed(&self.keyway, &self.account).await;
        let refused = self.here.submit(form).await;
        assert_eq!(refused.status, 401, "{} with {why}:\n{}", form.action, refused.text);
        assert!(refused.text.contains("name=\"once\""), "the form is there again: {why}");
        let after = listed(&self.keyway, &self.account).await;
        assert_eq!(before, after, "{} with {why} changed something", form.action);
    }
}

fn subject(kind: &Kind, id: &str, act: Act) -> String {
    if act == Act::Create { format!("test/{}", kind.name) } else { id.to_owned() }
}

/// Drives one act through every way in which its proof can be wanting, then does it.
async fn one_act(stage: &mut Stage, kind: &Kind, act: Act, rule: StepUpRule) {
    let account = stage.account.clone();
    let id = acts::make(&stage.keyway, &account, kind).await;
    acts::prepare(&stage.keyway, &account, &id, act).await;
    let about = subject(kind, &id, act);
    let form = stage.form(kind, &id, act).await;
    stage.is_refused(&form, "no proof").await;
    let wrong = stage.wrong(rule, form.clone());
    stage.is_refused(&wrong, "a wrong one").await;
    let other = if act == Act::Rename { Act::Edit } else { Act::Rename };
    stage.keep(&stage.here, other, &about, rule).await;
    stage.is_refused(&form, "one for another act").await;
    stage.keep(&stage.here, act, "cred_00000000000000000000000001", rule).await;
    stage.is_refused(&form, "one for another credential").await;
    stage.keep(&stage.elsewhere, act, &about, rule).await;
    stage.is_refused(&form, "one of another session").await;
    stage.forget_proofs();
    stage.keep(&stage.here, act, &about, rule).await;
    stage.keyway.clock.advance_ms(5 * MINUTE + 1);
    stage.here.get("/you").await.expect(200);
    stage.elsewhere.get("/you").await.expect(200);
    stage.is_refused(&form, "a stale one").await;
    stage.forget_proofs();
    // A kept one that is fresh passes, and is gone.
    stage.keep(&stage.here, act, &about, rule).await;
    stage.keyway.clock.advance_ms(5 * MINUTE);
    let before = listed(&stage.keyway, &account).await;
    let done = stage.here.submit(&form).await;
    leads_to(&done);
    assert_ne!(before, listed(&stage.keyway, &account).await, "{} did nothing", form.action);
    assert_eq!(stage.kept_proofs(), 0, "{} left its proof behind", form.action);
    // One that comes with the form passes, once.
    let id = acts::make(&stage.keyway, &account, kind).await;
    acts::prepare(&stage.keyway, &account, &id, act).await;
    let single_is_there = kind.single && act == Act::Create;
    if single_is_there {
        return;
    }
    let form = stage.form(kind, &id, act).await;
    let proven = stage.proven(rule, form);
    leads_to(&stage.here.submit(&proven).await);
    assert_eq!(stage.kept_proofs(), 0, "{} left its proof behind", proven.action);
    let goes_on = matches!(act, Act::Create | Act::Duplicate | Act::Regenerate | Act::Rename);
    if goes_on || act == Act::Rotate {
        let again = stage.form(kind, &id, act).await;
        stage.is_refused(&again, "one that was used").await;
    }
    if rule == StepUpRule::Otp && goes_on {
        let code = proven.value("code").expect("a code").to_owned();
        let again = stage.form(kind, &id, act).await.with("code", code);
        stage.is_refused(&again, "a code that was used").await;
    }
}

async fn every_act(scheme: &str, rule: StepUpRule, at_least: usize) {
    let mut stage = Stage::new(scheme).await;
    let mut acts_done = 0;
    for kind in acts::kinds(&stage.keyway) {
        for (act, declared) in kind.acts() {
            if declared.step_up == rule && !declared.by.is_empty() {
                one_act(&mut stage, &kind, act, rule).await;
                acts_done += 1;
            }
        }
    }
    assert!(acts_done >= at_least, "only {acts_done} acts were tried");
}

#[tokio::test]
async fn xendits_acts_take_only_a_fresh_password_of_this_session_for_this_act_once() {
    every_act("xendit", StepUpRule::Password, 7).await;
}

#[tokio::test]
async fn airwallexs_acts_take_only_a_fresh_password_of_this_session_for_this_act_once() {
    every_act("airwallex", StepUpRule::Password, 10).await;
}

#[tokio::test]
async fn rapyds_acts_take_only_a_fresh_code_of_this_session_for_this_act_once() {
    every_act("rapyd", StepUpRule::Otp, 6).await;
}

#[tokio::test]
async fn a_proof_outlives_a_form_that_failed_for_another_reason_but_not_five_minutes() {
    let mut stage = Stage::new("xendit").await;
    let kind = acts::kinds(&stage.keyway).remove(0);
    for (wait, status) in [(5 * MINUTE, 303), (5 * MINUTE + 1, 401)] {
        let form = stage.form(&kind, "", Act::Create).await;
        let failed = form.with("name", "x".repeat(101)).with("password", PASSWORD);
        stage.here.submit(&failed).await.expect(422);
        stage.keyway.clock.advance_ms(wait);
        let form = stage.form(&kind, "", Act::Create).await;
        stage.here.submit(&form).await.expect(status);
    }
}

#[tokio::test]
async fn a_code_is_no_proof_where_the_password_is_asked_and_neither_the_other_way_round() {
    let mut stage = Stage::new("rapyd").await;
    let kind = acts::kinds(&stage.keyway).remove(0);
    let account = stage.account.clone();
    let id = acts::make(&stage.keyway, &account, &kind).await;
    let form = stage.form(&kind, &id, Act::Rotate).await.with("password", PASSWORD);
    stage.is_refused(&form, "the password").await;
    let mut stage = Stage::new("airwallex").await;
    let (phone, _) = stage.here.enrol(&stage.keyway, 0).await;
    stage.keyway.clock.advance_ms(30_000);
    let kind = acts::kinds(&stage.keyway).remove(1);
    let form = stage.form(&kind, "", Act::Create).await;
    let coded = form.clone().with("code", phone.code(stage.keyway.app.now()));
    stage.is_refused(&coded, "a code").await;
    leads_to(&stage.here.submit(&form.with("password", PASSWORD)).await);
    // What no scheme speaks of asks for the most that they can give.
    let invite = stage.here.form("/team/invite").await.with("email", "new@example.com");
    stage.here.submit(&invite.clone().with("password", PASSWORD)).await.expect(401);
    let coded = invite.with("code", phone.code(stage.keyway.app.now()));
    leads_to(&stage.here.submit(&coded).await);
}

/// The same form again: what it leads to, and that nothing more happened. Tells what is wrong.
async fn twice(stage: &mut Stage, kind: &Kind, act: Act, rule: StepUpRule) -> Option<String> {
    let account = stage.account.clone();
    let id = acts::make(&stage.keyway, &account, kind).await;
    acts::prepare(&stage.keyway, &account, &id, act).await;
    let form = stage.form(kind, &id, act).await;
    let form = stage.proven(rule, form);
    let first = stage.here.submit(&form).await;
    let to = leads_to(&first).to_owned();
    let after_one = listed(&stage.keyway, &account).await;
    let events = stage.keyway.events(&account).await.len();
    let second = stage.here.submit(&form).await;
    let what = format!("{}: {}", kind.name, act.verb());
    assert_eq!(after_one, listed(&stage.keyway, &account).await, "{what} was done twice");
    assert_eq!(events, stage.keyway.events(&account).await.len(), "{what} was told twice");
    if second.status == 303 && leads_to(&second) == to {
        return None;
    }
    Some(format!("{what} led to {to}, then to {} {:?}", second.status, second.header("location")))
}

#[tokio::test]
async fn the_same_form_twice_acts_once_and_leads_to_the_same_place() {
    let mut wrong = Vec::new();
    for scheme in ["airwallex", "enterprise", "rapyd"] {
        let mut stage = Stage::new(scheme).await;
        for kind in acts::kinds(&stage.keyway) {
            for (act, rule) in kind.acts().filter(|(_, rule)| !rule.by.is_empty()) {
                let found = twice(&mut stage, &kind, act, rule.step_up).await;
                wrong.extend(found.map(|found| format!("{scheme} {found}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_same_form_from_two_clicks_at_once_acts_once() {
    let mut stage = Stage::new("airwallex").await;
    let kind = acts::kinds(&stage.keyway).remove(1);
    let account = stage.account.clone();
    let id = acts::make(&stage.keyway, &account, &kind).await;
    for act in [Act::Create, Act::Duplicate, Act::Regenerate, Act::Rename] {
        let form = stage.form(&kind, &id, act).await.with("password", PASSWORD);
        let events = stage.keyway.events(&account).await.len();
        let (mut one, mut two) = (stage.here.clone(), stage.here.clone());
        let (first, second) = tokio::join!(one.submit(&form), two.submit(&form));
        assert_eq!(leads_to(&first), leads_to(&second), "{}", act.verb());
        assert_eq!(stage.keyway.events(&account).await.len(), events + 1, "{}", act.verb());
    }
}
