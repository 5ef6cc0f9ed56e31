//! Every race of a credential's life as a script, and who may do what under which proof.

use expect_test::{Expect, expect};
use keyway_domain::Environment;
use keyway_domain::actor::{Actor, NotPermitted, Permit, Role, StepUp, admit};
use keyway_domain::credential::{
    AddressMode, Credential, EndedBecause, Secret, SecretState, Status,
};
use keyway_domain::grant::Grant;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::lifecycle::{Changed, Edit, Refusal};
use keyway_domain::limits::{ENDED_SECRETS_KEPT, LIVE_SECRETS_MAX};
use keyway_domain::scheme::{Act, Scheme};
use keyway_domain::time::{Time, parse_duration};
use keyway_secret::Digest;

const SCHEMES: [&str; 5] = ["xendit", "xtopay", "enterprise", "rapyd", "airwallex"];

fn file(name: &str) -> String {
    let path = format!("{}/../../schemes/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the scheme file is in the repository")
}

/// A scheme of which the first kind has every act, with a proof asked for its expiry.
fn scheme() -> Scheme {
    let acts = r#"rotate = { by = ["owner"], overlap = { from = "0s", to = "7d", default = "1d" } }
regenerate = { by = ["owner"] }
rollback = { by = ["owner"] }
finish = { by = ["owner"] }
extend = { by = ["owner"], up_to = "30d" }
delete = { by = ["owner"] }
"#;
    let text = file("enterprise");
    let text = text.replacen("[kinds.acts]\n", &format!("[kinds.acts]\n{acts}"), 1);
    // Without a rule of its own, an act is not confirmed by being asked for.
    let text = text.replace(r#", step_up = "password" }"#, " }");
    Scheme::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn owner() -> Actor {
    Actor::Member { member: "someone".to_owned(), role: Role::Owner, id: None, token: None }
}

fn permit(scheme: &Scheme, act: Act, step_up: Option<StepUp>) -> Permit {
    admit(&scheme.kinds[0], act, &owner(), step_up).expect("the owner may")
}

fn start() -> Time {
    Time::parse("2026-03-01T12:00:00Z").expect("an instant")
}

fn secret(number: u32, now: Time) -> Secret {
    Secret {
        number,
        digest: Digest([u8::try_from(number).unwrap_or(u8::MAX); 32]),
        public_id: None,
        sealed: None,
        hint: String::new(),
        created_at: now,
        state: SecretState::Current,
    }
}

fn new_credential() -> Credential {
    let now = start();
    Credential {
        id: CredentialId(1),
        account: AccountId(1),
        environment: Environment::Test,
        kind: "key".to_owned(),
        name: "First".to_owned(),
        grant: Grant::Everything,
        addresses: Vec::new(),
        address_mode: AddressMode::Enforce,
        rate: None,
        client_id: None,
        expires_at: None,
        status: Status::Live,
        created_at: now,
        version: 1,
        secrets: vec![secret(1, now)],
    }
}

/// Does what one step of a script says.
fn step(scheme: &Scheme, it: Credential, step: &str, now: Time) -> Result<Changed, Refusal> {
    let mut words = step.split(' ');
    let verb = words.next().unwrap_or_default();
    let span = |word: Option<&str>| word.and_then(parse_duration);
    let first = words.next();
    let proof = step.ends_with("confirmed").then_some(StepUp::Password);
    let act = |act| permit(scheme, act, proof);
    match verb {
        "rotate" => {
            let next = secret(it.next_number(), now);
            it.rotate(&act(Act::Rotate), next, span(first).expect("an overlap"), now)
        }
        "regenerate" => {
            let next = secret(it.next_number(), now);
            it.rotate(&act(Act::Regenerate), next, 0, now)
        }
        "finish" => it.finish(&act(Act::Finish), now),
        "extend" => {
            let until = now.plus_ms(span(first).expect("a time from now"));
            let up_to = scheme.kinds[0].act(Act::Extend).and_then(|rule| rule.up_to_ms);
            it.extend(&act(Act::Extend), until, up_to.expect("the scheme says"), now)
        }
        "rollback" => it.roll_back(&act(Act::Rollback), now),
        "expire" => it.set_expiry(&act(Act::Expire), span(first).map(|ms| now.plus_ms(ms)), now),
        "rename" => it.rename(&act(Act::Rename), "Second".to_owned(), now),
        "edit" => it.edit(&act(Act::Edit), Edit::default(), scheme, now),
        "revoke" => it.revoke(&act(Act::Revoke), now),
        "delete" => it.delete(&act(Act::Delete), now),
        other => panic!("`{other}` is no step"),
    }
}

/// Plays a script and shows what each step led to, then the credential as it is.
fn play(mut credential: Credential, script: &str) -> (String, Credential) {
    let scheme = scheme();
    let mut now = start();
    let mut told = String::new();
    for one in script.split("; ") {
        if let Some(span) = one.strip_prefix("wait ") {
            now = now.plus_ms(parse_duration(span).expect("a span of time"));
            continue;
        }
        let before = credential.clone();
        let outcome = match step(&scheme, credential, one, now) {
            Ok((changed, happened)) => {
                assert_eq!(changed.version, before.version + 1, "a change is a new version");
                credential = changed;
                format!("{} {} to {}", happened.kind.as_str(), happened.before, happened.after)
            }
            Err(refusal) => {
                credential = before;
                refusal.to_string()
            }
        };
        told.push_str(&format!("{} {one} -> {outcome}\n", clock(now)));
    }
    told.push_str(&state(&credential, now));
    (told, credential)
}

fn clock(now: Time) -> String {
    let text = now.to_string();
    text.trim_start_matches("2026-03-01T").trim_end_matches('Z').to_owned()
}

fn state(credential: &Credential, now: Time) -> String {
    let mut told = match credential.status {
        Status::Live if credential.has_expired(now) => "expired".to_owned(),
        Status::Live => "live".to_owned(),
        Status::Revoked { at } => format!("revoked {}", clock(at)),
        Status::Deleted { at } => format!("deleted {}", clock(at)),
    };
    for secret in &credential.secrets {
        let state = match secret.state_at(now) {
            SecretState::Current => "current".to_owned(),
            SecretState::Retiring { until } => format!("retiring until {}", clock(until)),
            SecretState::Ended { at, why } => {
                let why = match why {
                    EndedBecause::Replaced => "replaced",
                    EndedBecause::RolledBack => "rolled back",
                    EndedBecause::Revoked => "revoked",
                };
                format!("{why} {}", clock(at))
            }
        };
        told.push_str(&format!("; {} {state}", secret.number));
    }
    told + "\n"
}

fn check(script: &str, expect: &Expect) {
    expect.assert_eq(&play(new_credential(), script).0);
}

#[test]
fn both_secrets_are_accepted_during_the_overlap_and_only_the_new_one_after() {
    check(
        "rotate 15m; wait 14m; rename",
        &expect![[r#"
        12:00:00 rotate 15m -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T12:15:00Z"}
        12:14:00 rename -> api_key.updated {"name":"First"} to {"name":"Second"}
        live; 2 current; 1 retiring until 12:15:00
    "#]],
    );
    check(
        "rotate 15m; wait 15m; rename",
        &expect![[r#"
        12:00:00 rotate 15m -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T12:15:00Z"}
        12:15:00 rename -> api_key.updated {"name":"First"} to {"name":"Second"}
        live; 2 current; 1 replaced 12:15:00
    "#]],
    );
}

#[test]
fn rotating_while_an_overlap_runs_is_refused_unless_it_is_now() {
    check(
        "rotate 15m; wait 1m; rotate 15m",
        &expect![[r#"
        12:00:00 rotate 15m -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T12:15:00Z"}
        12:01:00 rotate 15m -> the previous secret is still accepted until 2026-03-01T12:15:00Z; finish or roll back that rotation first, or rotate with no overlap, which ends both older secrets
        live; 2 current; 1 retiring until 12:15:00
    "#]],
    );
    check(
        "rotate 15m; wait 1m; rotate 0s",
        &expect![[r#"
        12:00:00 rotate 15m -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T12:15:00Z"}
        12:01:00 rotate 0s -> api_key.rotated {"secret":2} to {"secret":3,"previous_accepted_until":null}
        live; 3 current; 2 replaced 12:01:00; 1 replaced 12:01:00
    "#]],
    );
    check(
        "rotate 15m; wait 1m; regenerate",
        &expect![[r#"
        12:00:00 rotate 15m -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T12:15:00Z"}
        12:01:00 regenerate -> api_key.regenerated {"secret":2} to {"secret":3,"previous_accepted_until":null}
        live; 3 current; 2 replaced 12:01:00; 1 replaced 12:01:00
    "#]],
    );
    check(
        "rotate 15m; wait 15m; rotate 15m",
        &expect![[r#"
        12:00:00 rotate 15m -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T12:15:00Z"}
        12:15:00 rotate 15m -> api_key.rotated {"secret":2} to {"secret":3,"previous_accepted_until":"2026-03-01T12:30:00Z"}
        live; 3 current; 2 retiring until 12:30:00; 1 replaced 12:15:00
    "#]],
    );
}

#[test]
fn a_rotation_is_rolled_back_only_while_the_old_secret_lives() {
    check(
        "rotate 15m; wait 14m; rollback",
        &expect![[r#"
        12:00:00 rotate 15m -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T12:15:00Z"}
        12:14:00 rollback -> api_key.rolled_back {"secret":2} to {"secret":1}
        live; 2 rolled back 12:14:00; 1 current
    "#]],
    );
    check(
        "rotate 15m; wait 15m; rollback",
        &expect![[r#"
        12:00:00 rotate 15m -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T12:15:00Z"}
        12:15:00 rollback -> there is no previous secret that is still accepted
        live; 2 current; 1 replaced 12:15:00
    "#]],
    );
    check(
        "rotate 15m; finish; rollback",
        &expect![[r#"
        12:00:00 rotate 15m -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T12:15:00Z"}
        12:00:00 finish -> api_key.rotation_finished {"secret":1,"accepted_until":"2026-03-01T12:15:00Z"} to {"secret":1,"accepted_until":"2026-03-01T12:00:00Z"}
        12:00:00 rollback -> there is no previous secret that is still accepted
        live; 2 current; 1 replaced 12:00:00
    "#]],
    );
    check(
        "rotate 0s; rollback",
        &expect![[r#"
        12:00:00 rotate 0s -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":null}
        12:00:00 rollback -> there is no previous secret that is still accepted
        live; 2 current; 1 replaced 12:00:00
    "#]],
    );
    check(
        "rollback",
        &expect![[r"
        12:00:00 rollback -> there is no previous secret that is still accepted
        live; 1 current
    "]],
    );
    check(
        "rotate 1h; rollback; rollback; rotate 1h",
        &expect![[r#"
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        12:00:00 rollback -> api_key.rolled_back {"secret":2} to {"secret":1}
        12:00:00 rollback -> there is no previous secret that is still accepted
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":3,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        live; 3 current; 2 rolled back 12:00:00; 1 retiring until 13:00:00
    "#]],
    );
}

#[test]
fn a_rotation_is_finished_once_and_only_while_it_runs() {
    check(
        "rotate 1h; wait 5m; finish; finish",
        &expect![[r#"
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        12:05:00 finish -> api_key.rotation_finished {"secret":1,"accepted_until":"2026-03-01T13:00:00Z"} to {"secret":1,"accepted_until":"2026-03-01T12:05:00Z"}
        12:05:00 finish -> there is no previous secret that is still accepted
        live; 2 current; 1 replaced 12:05:00
    "#]],
    );
    check(
        "rotate 1h; wait 1h; finish",
        &expect![[r#"
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        13:00:00 finish -> there is no previous secret that is still accepted
        live; 2 current; 1 replaced 13:00:00
    "#]],
    );
    check(
        "finish",
        &expect![[r"
        12:00:00 finish -> there is no previous secret that is still accepted
        live; 1 current
    "]],
    );
}

#[test]
fn more_time_is_later_than_before_and_not_beyond_the_limit() {
    check(
        "rotate 1h; extend 2h",
        &expect![[r#"
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        12:00:00 extend 2h -> api_key.overlap_extended {"secret":1,"accepted_until":"2026-03-01T13:00:00Z"} to {"secret":1,"accepted_until":"2026-03-01T14:00:00Z"}
        live; 2 current; 1 retiring until 14:00:00
    "#]],
    );
    check(
        "rotate 1h; extend 30m",
        &expect![[r#"
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        12:00:00 extend 30m -> the previous secret is accepted until 2026-03-01T13:00:00Z already; choose a later time
        live; 2 current; 1 retiring until 13:00:00
    "#]],
    );
    check(
        "rotate 1h; extend 1h",
        &expect![[r#"
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        12:00:00 extend 1h -> the previous secret is accepted until 2026-03-01T13:00:00Z already; choose a later time
        live; 2 current; 1 retiring until 13:00:00
    "#]],
    );
    check(
        "rotate 1h; extend 30d; extend 31d",
        &expect![[r#"
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        12:00:00 extend 30d -> api_key.overlap_extended {"secret":1,"accepted_until":"2026-03-01T13:00:00Z"} to {"secret":1,"accepted_until":"2026-03-31T12:00:00Z"}
        12:00:00 extend 31d -> the previous secret can be kept until 2026-03-31T12:00:00Z at most
        live; 2 current; 1 retiring until 2026-03-31T12:00:00
    "#]],
    );
    check(
        "rotate 1h; wait 1h; extend 2h",
        &expect![[r#"
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        13:00:00 extend 2h -> there is no previous secret that is still accepted
        live; 2 current; 1 replaced 13:00:00
    "#]],
    );
    check(
        "rotate 7d; wait 6d; extend 24d; extend 25d",
        &expect![[r#"
        12:00:00 rotate 7d -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-08T12:00:00Z"}
        2026-03-07T12:00:00 extend 24d -> api_key.overlap_extended {"secret":1,"accepted_until":"2026-03-08T12:00:00Z"} to {"secret":1,"accepted_until":"2026-03-31T12:00:00Z"}
        2026-03-07T12:00:00 extend 25d -> the previous secret can be kept until 2026-03-31T12:00:00Z at most
        live; 2 current; 1 retiring until 2026-03-31T12:00:00
    "#]],
    );
}

#[test]
fn revoking_wins_every_race() {
    check(
        "rotate 1h; revoke; rollback; finish; extend 2h; rotate 0s; regenerate",
        &expect![[r#"
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        12:00:00 revoke -> api_key.revoked {"status":"active"} to {"status":"revoked"}
        12:00:00 rollback -> this credential was revoked; nothing brings it back
        12:00:00 finish -> this credential was revoked; nothing brings it back
        12:00:00 extend 2h -> this credential was revoked; nothing brings it back
        12:00:00 rotate 0s -> this credential was revoked; nothing brings it back
        12:00:00 regenerate -> this credential was revoked; nothing brings it back
        revoked 12:00:00; 2 revoked 12:00:00; 1 revoked 12:00:00
    "#]],
    );
    check(
        "revoke; revoke; rename; edit; expire 1d confirmed; expire",
        &expect![[r#"
        12:00:00 revoke -> api_key.revoked {"status":"active"} to {"status":"revoked"}
        12:00:00 revoke -> this credential was revoked; nothing brings it back
        12:00:00 rename -> this credential was revoked; nothing brings it back
        12:00:00 edit -> this credential was revoked; nothing brings it back
        12:00:00 expire 1d confirmed -> this credential was revoked; nothing brings it back
        12:00:00 expire -> this credential was revoked; nothing brings it back
        revoked 12:00:00; 1 revoked 12:00:00
    "#]],
    );
    check(
        "expire 1h; wait 2h; revoke; expire 1d confirmed; rotate 0s",
        &expect![[r#"
        12:00:00 expire 1h -> api_key.updated {"expires_at":null} to {"expires_at":"2026-03-01T13:00:00Z"}
        14:00:00 revoke -> api_key.revoked {"status":"active"} to {"status":"revoked"}
        14:00:00 expire 1d confirmed -> this credential was revoked; nothing brings it back
        14:00:00 rotate 0s -> this credential was revoked; nothing brings it back
        revoked 14:00:00; 1 revoked 14:00:00
    "#]],
    );
}

#[test]
fn what_has_expired_comes_back_only_by_a_confirmed_act() {
    check(
        "expire 1h; wait 59m; expire 2h",
        &expect![[r#"
        12:00:00 expire 1h -> api_key.updated {"expires_at":null} to {"expires_at":"2026-03-01T13:00:00Z"}
        12:59:00 expire 2h -> api_key.updated {"expires_at":"2026-03-01T13:00:00Z"} to {"expires_at":"2026-03-01T14:59:00Z"}
        live; 1 current
    "#]],
    );
    check(
        "expire 1h; wait 1h; expire 2h; expire; rotate 1h; regenerate",
        &expect![[r#"
        12:00:00 expire 1h -> api_key.updated {"expires_at":null} to {"expires_at":"2026-03-01T13:00:00Z"}
        13:00:00 expire 2h -> this credential expired at 2026-03-01T13:00:00Z; give it a later expiry first, or create a new one
        13:00:00 expire -> this credential expired at 2026-03-01T13:00:00Z; give it a later expiry first, or create a new one
        13:00:00 rotate 1h -> this credential expired at 2026-03-01T13:00:00Z; give it a later expiry first, or create a new one
        13:00:00 regenerate -> this credential expired at 2026-03-01T13:00:00Z; give it a later expiry first, or create a new one
        expired; 1 current
    "#]],
    );
    check(
        "expire 1h; wait 1h; expire 2h confirmed; rotate 15m",
        &expect![[r#"
        12:00:00 expire 1h -> api_key.updated {"expires_at":null} to {"expires_at":"2026-03-01T13:00:00Z"}
        13:00:00 expire 2h confirmed -> api_key.updated {"expires_at":"2026-03-01T13:00:00Z"} to {"expires_at":"2026-03-01T15:00:00Z"}
        13:00:00 rotate 15m -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:15:00Z"}
        live; 2 current; 1 retiring until 13:15:00
    "#]],
    );
    check(
        "rotate 15m; expire 5m; wait 6m; rollback; finish",
        &expect![[r#"
        12:00:00 rotate 15m -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T12:15:00Z"}
        12:00:00 expire 5m -> api_key.updated {"expires_at":null} to {"expires_at":"2026-03-01T12:05:00Z"}
        12:06:00 rollback -> this credential expired at 2026-03-01T12:05:00Z; give it a later expiry first, or create a new one
        12:06:00 finish -> api_key.rotation_finished {"secret":1,"accepted_until":"2026-03-01T12:15:00Z"} to {"secret":1,"accepted_until":"2026-03-01T12:06:00Z"}
        expired; 2 current; 1 replaced 12:06:00
    "#]],
    );
    check(
        "rotate 1h; expire 5m; wait 2h; expire 1d confirmed; rollback",
        &expect![[r#"
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        12:00:00 expire 5m -> api_key.updated {"expires_at":null} to {"expires_at":"2026-03-01T12:05:00Z"}
        14:00:00 expire 1d confirmed -> api_key.updated {"expires_at":"2026-03-01T12:05:00Z"} to {"expires_at":"2026-03-02T14:00:00Z"}
        14:00:00 rollback -> there is no previous secret that is still accepted
        live; 2 current; 1 replaced 13:00:00
    "#]],
    );
}

#[test]
fn deleting_ends_what_lives_and_keeps_how_the_rest_ended() {
    check(
        "rotate 1h; wait 5m; delete; delete; revoke; rename",
        &expect![[r#"
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        12:05:00 delete -> api_key.deleted {"status":"active"} to {"status":"deleted"}
        12:05:00 delete -> this credential was deleted
        12:05:00 revoke -> this credential was deleted
        12:05:00 rename -> this credential was deleted
        deleted 12:05:00; 2 revoked 12:05:00; 1 revoked 12:05:00
    "#]],
    );
    check(
        "rotate 1h; wait 5m; revoke; wait 5m; delete; revoke",
        &expect![[r#"
        12:00:00 rotate 1h -> api_key.rotated {"secret":1} to {"secret":2,"previous_accepted_until":"2026-03-01T13:00:00Z"}
        12:05:00 revoke -> api_key.revoked {"status":"active"} to {"status":"revoked"}
        12:10:00 delete -> api_key.deleted {"status":"revoked"} to {"status":"deleted"}
        12:10:00 revoke -> this credential was deleted
        deleted 12:10:00; 2 revoked 12:05:00; 1 revoked 12:05:00
    "#]],
    );
}

#[test]
fn a_refused_step_changes_nothing() {
    let script = "rotate 15m; wait 1m";
    let (_, before) = play(new_credential(), script);
    for refused in ["rotate 15m", "extend 5m", "extend 31d"] {
        let (_, after) = play(new_credential(), &format!("{script}; {refused}"));
        assert_eq!(after, before, "{refused}");
    }
}

#[test]
fn a_living_secret_is_never_forgotten_however_often_a_rotation_is_rolled_back() {
    let mut credential = new_credential();
    let times = LIVE_SECRETS_MAX + ENDED_SECRETS_KEPT + 3;
    for time in 1..=times {
        let now = start().plus_ms(i64::try_from(time).expect("few") * 60_000);
        credential = play(credential, &format!("wait {time}m; rotate 1h")).1;
        let living: Vec<u32> = credential
            .secrets
            .iter()
            .filter(|secret| secret.is_live(now))
            .map(|secret| secret.number)
            .collect();
        // A secret that leaves the list while it lives can never be ended again.
        assert_eq!(living.len(), 2, "after {time} rotations these live: {living:?}");
        credential = play(credential, &format!("wait {time}m; rollback")).1;
        assert_eq!(credential.current().map(|secret| secret.number), Some(1));
    }
    assert!(credential.secrets.len() <= LIVE_SECRETS_MAX + ENDED_SECRETS_KEPT);
}

#[test]
fn a_secret_that_ends_is_still_told_of_however_old_it_is() {
    for rolled_back in 0..=LIVE_SECRETS_MAX + ENDED_SECRETS_KEPT {
        let wavered = "rotate 1h; wait 1s; rollback; wait 1s; ".repeat(rolled_back);
        let script = format!("{wavered}rotate 1h; wait 1m; rotate 0s");
        let (told, credential) = play(new_credential(), &script);
        let first = credential.secrets.iter().find(|secret| secret.number == 1);
        // Whoever follows the changes learns of the end from the credential, and from nowhere else.
        let ended = first.is_some_and(|first| matches!(first.state, SecretState::Ended { .. }));
        assert!(ended, "after {rolled_back} rotations rolled back: {told}");
    }
}

#[test]
fn a_secret_number_is_never_used_twice() {
    let mut credential = new_credential();
    let mut last = credential.next_number();
    for _ in 0..2 * (LIVE_SECRETS_MAX + ENDED_SECRETS_KEPT) {
        credential = play(credential, "rotate 0s").1;
        assert!(credential.next_number() > last, "{} again", credential.next_number());
        last = credential.next_number();
    }
}

const PROOFS: [Option<StepUp>; 3] = [None, Some(StepUp::Password), Some(StepUp::Otp)];

/// What a scheme file says about an act, read without the scheme parser.
fn declared<'f>(kind: &'f toml::Table, verb: &str) -> Option<&'f toml::Table> {
    kind["acts"].as_table()?.get(verb)?.as_table()
}

/// Whether the file lets the role do the act with the proof.
fn may(rule: &toml::Table, role: Role, proof: Option<StepUp>) -> bool {
    let by = rule["by"].as_array().expect("a list of roles");
    let proven = match rule.get("step_up").and_then(toml::Value::as_str) {
        None | Some("none") => true,
        Some("password") => proof == Some(StepUp::Password),
        Some("otp") => proof == Some(StepUp::Otp),
        Some("either") => proof.is_some(),
        Some(other) => panic!("`{other}` is no proof"),
    };
    proven && by.iter().any(|word| word.as_str() == Some(role.as_str()))
}

#[test]
fn every_role_may_do_exactly_what_each_scheme_file_says_with_the_proof_it_asks_for() {
    let mut judged = 0;
    for name in SCHEMES {
        let scheme = Scheme::parse(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let raw: toml::Table = file(name).parse().expect("TOML");
        let kinds = raw["kinds"].as_array().expect("a list of kinds");
        assert_eq!(kinds.len(), scheme.kinds.len());
        for (kind, raw) in scheme.kinds.iter().zip(kinds) {
            let raw = raw.as_table().expect("a kind is a table");
            for (act, verb, _) in Act::ALL {
                for role in Role::ALL {
                    for proof in PROOFS {
                        let actor =
                            Actor::Member { member: "m".to_owned(), role, id: None, token: None };
                        let permit = admit(kind, act, &actor, proof);
                        let expected =
                            declared(raw, verb).is_some_and(|rule| may(rule, role, proof));
                        let told = format!("{name} {} {verb} {role:?} {proof:?}", kind.name);
                        assert_eq!(permit.is_ok(), expected, "{told}");
                        if let Ok(permit) = permit {
                            assert_eq!((permit.act(), permit.actor()), (act, &actor), "{told}");
                            assert_eq!(permit.is_confirmed(), proof.is_some(), "{told}");
                        }
                        judged += 1;
                    }
                }
            }
        }
    }
    assert_eq!(judged, 7 * 13 * 4 * 3, "kinds × acts × roles × proofs");
}

#[test]
fn the_platform_may_do_whatever_the_scheme_has_and_nothing_else() {
    let operator = Actor::Operator { token: "local".to_owned() };
    for name in SCHEMES {
        let scheme = Scheme::parse(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        for kind in &scheme.kinds {
            for (act, verb, _) in Act::ALL {
                for actor in [&operator, &Actor::System] {
                    let permit = admit(kind, act, actor, None);
                    assert_eq!(permit.is_ok(), kind.act(act).is_some(), "{name} {verb}");
                    assert!(
                        permit.is_ok_and(|permit| permit.is_confirmed()) || kind.act(act).is_none()
                    );
                }
            }
        }
    }
}

#[test]
fn a_refusal_says_who_may_and_with_which_proof() {
    let scheme = Scheme::parse(&file("rapyd")).expect("a good file");
    let said = |act, role, proof| {
        let actor = Actor::Member { member: "m".to_owned(), role, id: None, token: None };
        match admit(&scheme.kinds[0], act, &actor, proof) {
            Ok(_) => panic!("it was permitted"),
            Err(refusal @ NotPermitted::NotInScheme { .. }) => format!("absent: {refusal}\n"),
            Err(refusal @ NotPermitted::Role { .. }) => format!("role: {refusal}\n"),
            Err(refusal @ NotPermitted::StepUp { .. }) => format!("step-up: {refusal}\n"),
        }
    };
    let all = [
        said(Act::Delete, Role::Owner, Some(StepUp::Otp)),
        said(Act::Rotate, Role::Admin, Some(StepUp::Otp)),
        said(Act::Rotate, Role::Owner, None),
        said(Act::Rotate, Role::Owner, Some(StepUp::Password)),
        said(Act::Extend, Role::Owner, Some(StepUp::Otp)),
        said(Act::Rename, Role::Viewer, None),
    ];
    expect![[r"
        absent: deletion is not something a API keys can have done to it
        role: a member with the role admin may not rotate a API keys; owner may
        step-up: to rotate a API keys, a code of the authenticator app is needed
        step-up: to rotate a API keys, a code of the authenticator app is needed
        role: a member with the role owner may not extend a API keys; only the platform may
        role: a member with the role viewer may not rename a API keys; owner or admin may
    "]]
    .assert_eq(&all.concat());
}
