//! What the store promises of people, their sessions and their proofs.

use keyway_domain::actor::{Role, StepUp};
use keyway_domain::credential::Credential;
use keyway_domain::id::{
    AccountId, CredentialId, LinkId, MemberId, MessageId, RevealId, SessionId,
};
use keyway_domain::member::{Email, Member};
use keyway_domain::time::Time;
use keyway_domain::totp::Totp;
use keyway_secret::RowSealer;
use keyway_store::links::{Link, Purpose};
use keyway_store::proofs::Proof;
use keyway_store::sessions::{Session, Stage};
use keyway_store::{
    DbError, Tx, account_settings, links, members, messages, owners, proofs, replacements, reveals,
    sessions, tries,
};

use crate::house::{House, NOW, add_account, credential};

const OURS: AccountId = AccountId(1);
const THEIRS: AccountId = AccountId(2);
const ANNA: MemberId = MemberId(1);
const BELA: MemberId = MemberId(2);

fn later(ms: i64) -> Time {
    NOW.plus_ms(ms)
}

impl House {
    /// Two accounts; in each of them one owner: 1 in the first, 2 in the second.
    fn with_people(name: &str) -> Self {
        let house = Self::new(name);
        house.sealed(|tx, seals| {
            add_account(tx, 1)?;
            add_account(tx, 2)?;
            members::insert(tx, seals, &member(1))?;
            members::insert(tx, seals, &Member { account: THEIRS, ..member(2) })
        });
        house
    }

    fn tried<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>, &RowSealer) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let seals = self.rules.seals.clone();
        self.write(move |tx| work(tx, &seals))
    }

    fn sealed<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>, &RowSealer) -> Result<T, DbError> + Send + 'static,
    ) -> T {
        self.tried(work).unwrap()
    }
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

/// An owner with a value in every column.
fn member(number: u128) -> Member {
    Member {
        id: MemberId(number),
        account: OURS,
        email: email(&format!("m{number}@example.com")),
        name: format!("Member {number}"),
        role: Role::Owner,
        password: "$argon2id$hash".to_owned(),
        totp: Some(Totp {
            sealed: vec![7; 40],
            drift: 1,
            last_step: 59,
            near_miss: Some((61, 2)),
            added_at: later(1),
        }),
        created_at: NOW,
        last_active_at: Some(later(2)),
        removed_at: None,
    }
}

fn session(number: u128) -> Session {
    Session {
        id: SessionId(number),
        member: ANNA,
        account: OURS,
        stage: Stage::Whole,
        device: "ab12".to_owned(),
        created_at: NOW,
        seen_at: NOW,
        ended_at: None,
        address: Some("192.0.2.1".to_owned()),
        client: Some("Firefox".to_owned()),
    }
}

fn invitation(number: u128) -> Link {
    Link {
        id: LinkId(number),
        purpose: Purpose::Invitation,
        account: Some(OURS),
        member: None,
        email: Some(email("new@example.com")),
        role: Some(Role::Viewer),
        created_at: NOW,
        expires_at: later(1_000),
        used_at: None,
    }
}

fn reset(number: u128) -> Link {
    Link {
        purpose: Purpose::Password,
        member: Some(ANNA),
        email: None,
        role: None,
        ..invitation(number)
    }
}

fn proof(method: StepUp, at: Time) -> Proof {
    let (act, subject) = ("rotate".to_owned(), "cred_1".to_owned());
    Proof { session: SessionId(1), act, subject, method, at }
}

// Members.

#[test]
fn a_member_comes_back_as_they_were_kept() {
    let house = House::with_people("member");
    let find = |id| house.sealed(move |tx, seals| members::find(tx, seals, OURS, id)).unwrap();
    assert_eq!(find(ANNA), member(1));
    let changed = Member {
        email: email("other@example.com"),
        name: "Anna".to_owned(),
        role: Role::Viewer,
        password: "another".to_owned(),
        totp: None,
        removed_at: Some(later(9)),
        last_active_at: Some(later(3)),
        ..member(1)
    };
    let saved = changed.clone();
    house.sealed(move |tx, seals| members::save(tx, seals, &saved));
    // When they were last active has a function of its own, so that a save takes nothing back.
    assert_eq!(find(ANNA), Member { last_active_at: member(1).last_active_at, ..changed });
    let totp = Totp { near_miss: None, ..member(1).totp.unwrap() };
    let third = Member { id: MemberId(3), totp: Some(totp), last_active_at: None, ..member(1) };
    let kept = third.clone();
    house.sealed(move |tx, seals| members::insert(tx, seals, &kept));
    assert_eq!(find(MemberId(3)), third);
    house.done(|tx| members::set_active(tx, MemberId(3), later(5)));
    house.done(|tx| members::set_active(tx, MemberId(3), later(4)));
    assert_eq!(find(MemberId(3)).last_active_at, Some(later(5)), "it never goes back");
}

#[test]
fn an_address_signs_in_to_one_account_until_its_member_is_removed() {
    let house = House::with_people("address");
    let again = || Member { id: MemberId(3), account: THEIRS, ..member(1) };
    let taken = house.tried(move |tx, seals| members::insert(tx, seals, &again()));
    assert!(taken.unwrap_err().is_duplicate(), "in another account too");
    let renamed = Member { email: member(1).email, account: THEIRS, ..member(2) };
    let taken = house.tried(move |tx, seals| members::save(tx, seals, &renamed));
    assert!(taken.unwrap_err().is_duplicate(), "by a change of address too");
    let by_email =
        || house.sealed(|tx, seals| members::find_by_email(tx, seals, &email("M1@example.com")));
    assert_eq!(by_email().unwrap().id, ANNA);
    let removed = Member { removed_at: Some(NOW), ..member(1) };
    house.sealed(move |tx, seals| members::save(tx, seals, &removed));
    assert_eq!(by_email(), None, "who was removed does not sign in");
    house.sealed(move |tx, seals| members::insert(tx, seals, &again()));
    assert_eq!(by_email().unwrap().account, THEIRS, "but may come back elsewhere");
    let old = house.sealed(|tx, seals| members::find(tx, seals, OURS, ANNA));
    assert!(old.unwrap().removed_at.is_some(), "and their row stays");
}

#[test]
fn members_are_counted_and_listed_within_their_account() {
    let house = House::new("list");
    assert!(!house.read(members::any).unwrap());
    house.sealed(|tx, seals| {
        add_account(tx, 1)?;
        add_account(tx, 2)?;
        let people = [
            (1, OURS, "Zoe", Role::Owner, None),
            (2, OURS, "Carl", Role::Viewer, None),
            (3, OURS, "Bea", Role::Admin, None),
            (4, OURS, "Abe", Role::Owner, Some(NOW)),
            (5, OURS, "Yan", Role::Owner, None),
            (6, THEIRS, "Dan", Role::Owner, None),
        ];
        people.into_iter().try_for_each(|(number, account, name, role, removed_at)| {
            let name = name.to_owned();
            let member = Member { account, name, role, removed_at, ..member(number) };
            members::insert(tx, seals, &member)
        })
    });
    let list = house.sealed(|tx, seals| members::list(tx, seals, OURS));
    let names: Vec<&str> = list.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["Yan", "Zoe", "Bea", "Carl"]);
    assert_eq!(house.read(|tx| members::count(tx, OURS)).unwrap(), 4);
    assert_eq!(house.done(|tx| members::owners(tx, OURS)), 2);
    assert_eq!(house.done(|tx| members::count(tx, THEIRS)), 1);
    assert!(house.read(members::any).unwrap());
    let foreign = house.sealed(|tx, seals| {
        let found = members::find(tx, seals, THEIRS, ANNA)?;
        Ok((found, members::lock(tx, seals, THEIRS, ANNA)?))
    });
    assert_eq!(foreign, (None, None), "another account's member looks like none");
    let own = house.sealed(|tx, seals| {
        Ok((members::lock(tx, seals, OURS, ANNA)?, members::find_by_id(tx, seals, ANNA)?))
    });
    assert_eq!(own.0.unwrap().id, ANNA);
    assert_eq!(own.1.unwrap().id, ANNA);
    house.sealed(|tx, seals| members::save(tx, seals, &Member { account: THEIRS, ..member(3) }));
    let kept = house.sealed(|tx, seals| members::find(tx, seals, OURS, MemberId(3)));
    assert_eq!(kept.unwrap().name, "Bea", "nobody is saved into another account");
}

#[test]
fn a_recovery_code_is_good_exactly_once() {
    let house = House::with_people("codes");
    let hashes = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let (first, second) = (hashes(&["a", "b", "c"]), hashes(&["d", "e"]));
    house.done(move |tx| members::save_codes(tx, ANNA, &first));
    let codes = |id| house.done(move |tx| members::codes(tx, id));
    let used = |id, hash: &'static str| house.done(move |tx| members::use_code(tx, id, hash, NOW));
    assert!(!used(BELA, "b"), "somebody else's");
    assert!(!used(ANNA, "x"), "one that is none");
    assert_eq!([used(ANNA, "b"), used(ANNA, "b"), used(ANNA, "b")], [true, false, false]);
    assert_eq!(codes(ANNA), ["a", "c"]);
    house.done(move |tx| members::save_codes(tx, ANNA, &second));
    assert!(!used(ANNA, "a"), "new ones replace the old");
    assert_eq!(codes(ANNA), ["d", "e"]);
    house.done(|tx| members::save_codes(tx, BELA, &["d".to_owned()]));
    house.done(|tx| members::forget_codes(tx, ANNA));
    assert_eq!((codes(ANNA).len(), codes(BELA).len()), (0, 1));
}

// Sessions.

#[test]
fn a_session_is_found_until_it_is_pruned() {
    let house = House::with_people("session");
    let half = Session { stage: Stage::Password, address: None, client: None, ..session(2) };
    let kept = half.clone();
    house.sealed(move |tx, seals| {
        sessions::insert(tx, seals, &[1], &session(1))?;
        sessions::insert(tx, seals, &[2], &kept)
    });
    let find = |digest| house.sealed(move |tx, seals| sessions::find(tx, seals, &[digest]));
    assert_eq!((find(1), find(2), find(3)), (Some(session(1)), Some(half), None));
    for at in [30, 20] {
        house.done(move |tx| sessions::seen(tx, SessionId(1), later(at)));
    }
    assert_eq!(find(1).unwrap().seen_at, later(30), "it never goes back");
    let end = |whose, at| house.done(move |tx| sessions::end(tx, whose, SessionId(1), later(at)));
    assert_eq!([end(BELA, 40), end(ANNA, 50), end(ANNA, 60)], [false, true, false]);
    house.done(|tx| sessions::seen(tx, SessionId(1), later(70)));
    let ended = Session { seen_at: later(30), ended_at: Some(later(50)), ..session(1) };
    assert_eq!(find(1), Some(ended), "an ended one is found, and stays as it was");
    assert_eq!(house.done(|tx| sessions::prune(tx, NOW, NOW)), 0);
    assert_eq!(house.done(|tx| sessions::prune(tx, later(1), NOW)), 2);
    assert_eq!(find(1), None);
}

#[test]
fn a_member_lists_their_own_whole_sessions_and_ends_all_but_one() {
    let house = House::with_people("sessions");
    house.sealed(|tx, seals| {
        let begun = |number, at| Session { created_at: later(at), ..session(number) };
        let all = [
            begun(1, -1),
            begun(2, 0),
            begun(3, 5),
            Session { ended_at: Some(NOW), ..begun(4, 6) },
            Session { stage: Stage::Password, ..begun(5, 7) },
            Session { member: BELA, account: THEIRS, ..begun(6, 8) },
            begun(7, 9),
        ];
        (0..)
            .zip(all)
            .try_for_each(|(digest, session)| sessions::insert(tx, seals, &[digest], &session))
    });
    let listed = |whose| {
        let list = house.sealed(move |tx, seals| sessions::list(tx, seals, whose, NOW));
        list.into_iter().map(|session| session.id.0).collect::<Vec<_>>()
    };
    assert_eq!(listed(ANNA), [7, 3, 2]);
    let ended = house.done(|tx| sessions::end_all(tx, ANNA, Some(SessionId(3)), NOW));
    assert_eq!(ended, 4, "the half-way one and the old one too");
    assert_eq!((listed(ANNA), listed(BELA)), (vec![3], vec![6]));
    assert_eq!(house.done(|tx| sessions::end_all(tx, ANNA, None, NOW)), 1);
    assert_eq!((listed(ANNA), listed(BELA)), (vec![], vec![6]));
}

#[test]
fn a_browser_is_known_to_who_signed_in_from_it() {
    let house = House::with_people("devices");
    let know = |digest, whose, at| {
        house.done(move |tx| sessions::know(tx, &[digest], whose, later(at)));
    };
    let knows = |digest, whose, since| {
        house.done(move |tx| sessions::knows(tx, &[digest], whose, later(since)))
    };
    know(1, ANNA, 10);
    assert!(knows(1, ANNA, 10));
    assert!(!knows(1, ANNA, 11), "too long ago");
    assert!(!knows(1, BELA, 0), "to somebody else");
    assert!(!knows(2, ANNA, 0), "another browser");
    know(1, ANNA, 20);
    know(1, ANNA, 15);
    know(1, BELA, 5);
    assert!(knows(1, ANNA, 20) && knows(1, BELA, 5));
    assert_eq!(house.done(|tx| sessions::prune(tx, NOW, later(20))), 1);
    assert!(knows(1, ANNA, 20) && !knows(1, BELA, 5));
    know(1, BELA, 30);
    house.done(|tx| sessions::forget_devices(tx, ANNA));
    assert!(!knows(1, ANNA, 0) && knows(1, BELA, 0));
}

// Tries and proofs.

#[test]
fn tries_are_counted_each_even_in_the_same_millisecond() {
    let house = House::new("tries");
    let note = |subject, lane, at| {
        house.done(move |tx| tries::note(tx, &[subject], &[lane], later(at)));
    };
    let count = |subject, lane, since| {
        house.done(move |tx| tries::count(tx, &[subject], &[lane], later(since)))
    };
    let oldest = |since| house.done(move |tx| tries::oldest(tx, &[1], &[1], later(since)));
    assert_eq!((count(1, 1, 0), oldest(0)), (0, None));
    for (subject, lane, at) in [(1, 1, 0), (1, 1, 0), (1, 1, 0), (1, 1, 5), (1, 2, 0), (2, 1, 0)] {
        note(subject, lane, at);
    }
    assert_eq!((count(1, 1, 0), count(1, 2, 0), count(2, 1, 0)), (4, 1, 1));
    assert_eq!((count(1, 1, 1), oldest(0), oldest(1)), (1, Some(NOW), Some(later(5))));
    assert_eq!(house.done(|tx| tries::prune(tx, later(5))), 5);
    assert_eq!((count(1, 1, 0), count(1, 2, 0)), (1, 0));
    note(1, 2, 6);
    house.done(|tx| tries::forget(tx, &[1], &[1]));
    assert_eq!((count(1, 1, 0), count(1, 2, 0)), (0, 1), "the other lane stays");
}

#[test]
fn a_proof_is_taken_once_for_its_own_act_while_it_is_fresh() {
    let house = House::new("proofs");
    let save = |proof: Proof| house.sealed(move |tx, seals| proofs::save(tx, seals, &proof));
    let take = |session, act: &'static str, subject: &'static str, since| {
        house.sealed(move |tx, seals| {
            let (session, since) = (SessionId(session), later(since));
            let found = proofs::find(tx, seals, session, act, subject, since)?;
            let taken = proofs::take(tx, seals, session, act, subject, since)?;
            assert_eq!(found, taken, "what is found is what is taken");
            Ok(taken)
        })
    };
    save(proof(StepUp::Password, NOW));
    assert_eq!(take(2, "rotate", "cred_1", 0), None, "another session");
    assert_eq!(take(1, "revoke", "cred_1", 0), None, "another act");
    assert_eq!(take(1, "rotate", "cred_2", 0), None, "another subject");
    assert_eq!(take(1, "rotate", "cred_1", 0), Some(StepUp::Password));
    assert_eq!(take(1, "rotate", "cred_1", 0), None, "once");
    save(proof(StepUp::Password, NOW));
    assert_eq!(take(1, "rotate", "cred_1", 1), None, "too old");
    assert_eq!(take(1, "rotate", "cred_1", 0), None, "and gone");
    save(proof(StepUp::Password, NOW));
    save(proof(StepUp::Password, later(9)));
    save(proof(StepUp::Otp, later(10)));
    assert_eq!(take(1, "rotate", "cred_1", 0), Some(StepUp::Otp), "the newest");
    assert_eq!(take(1, "rotate", "cred_1", 0), None, "and the other went with it");
    save(proof(StepUp::Password, later(5)));
    save(proof(StepUp::Otp, later(4)));
    assert_eq!(house.done(|tx| proofs::prune(tx, later(5))), 1);
    assert_eq!(take(1, "rotate", "cred_1", 0), Some(StepUp::Password));
}

// Links and reveals.

#[test]
fn a_link_is_spent_exactly_once_while_it_is_good() {
    let house = House::with_people("links");
    let set_up =
        Link { purpose: Purpose::SetUp, account: None, email: None, role: None, ..invitation(3) };
    let kept = [invitation(1), reset(2), set_up];
    let all = kept.clone();
    house.sealed(move |tx, seals| {
        (1..).zip(&all).try_for_each(|(digest, link)| links::insert(tx, seals, &[digest], link))
    });
    let find = |digest| house.sealed(move |tx, seals| links::find(tx, seals, &[digest]));
    for (digest, link) in (1..).zip(&kept) {
        assert_eq!(find(digest).as_ref(), Some(link));
    }
    assert_eq!(find(9), None);
    let spend = |digest, at| house.done(move |tx| links::spend(tx, &[digest], later(at)));
    assert!(!spend(1, 1_000), "at the instant of its end it is good no longer");
    assert_eq!([spend(1, 999), spend(1, 999), spend(9, 0)], [true, false, false]);
    assert_eq!(find(1).unwrap().used_at, Some(later(999)));
    assert_eq!(house.done(|tx| links::prune(tx, later(1_000))), 0);
    assert_eq!(house.done(|tx| links::prune(tx, later(1_001))), 3);
    assert_eq!(find(2), None);
}

#[test]
fn open_invitations_are_the_accounts_own_and_can_be_withdrawn_once() {
    let house = House::with_people("invitations");
    house.sealed(|tx, seals| {
        let made = |number: u8, at| Link { created_at: later(at), ..invitation(number.into()) };
        let all = [
            made(1, 1),
            made(2, 2),
            Link { used_at: Some(NOW), ..made(3, 3) },
            Link { expires_at: NOW, ..made(4, -9) },
            Link { account: Some(THEIRS), ..made(5, 5) },
            reset(6),
        ];
        (1..).zip(all).try_for_each(|(digest, link)| links::insert(tx, seals, &[digest], &link))
    });
    let open = |account| {
        let open = house.sealed(move |tx, seals| links::open_invitations(tx, seals, account, NOW));
        open.into_iter().map(|link| link.id.0).collect::<Vec<_>>()
    };
    assert_eq!((open(OURS), open(THEIRS)), (vec![2, 1], vec![5]));
    let withdraw =
        |account, id| house.done(move |tx| links::withdraw(tx, account, LinkId(id), NOW));
    for (account, id) in [(OURS, 3), (OURS, 4), (OURS, 5), (OURS, 6), (THEIRS, 1)] {
        assert!(!withdraw(account, id), "{id}");
    }
    assert_eq!([withdraw(OURS, 1), withdraw(OURS, 1)], [true, false]);
    assert_eq!((open(OURS), open(THEIRS)), (vec![2], vec![5]));
    assert!(!house.done(|tx| links::spend(tx, &[1], NOW)), "withdrawn is spent");
}

#[test]
fn a_new_password_link_ends_the_older_ones_of_its_member() {
    let house = House::with_people("resets");
    house.sealed(|tx, seals| {
        links::insert(tx, seals, &[1], &reset(1))?;
        links::insert(tx, seals, &[2], &reset(2))?;
        links::insert(tx, seals, &[3], &Link { member: Some(BELA), ..reset(3) })?;
        links::insert(tx, seals, &[4], &Link { member: Some(ANNA), ..invitation(4) })
    });
    assert_eq!(house.done(|tx| links::spend_all(tx, ANNA, Purpose::Password, NOW)), 2);
    let spent: Vec<bool> =
        (1..=4).map(|digest| house.done(move |tx| links::spend(tx, &[digest], NOW))).collect();
    assert_eq!(spent, [false, false, true, true]);
}

#[test]
fn a_new_secret_is_shown_to_its_session_until_it_expires() {
    let house = House::new("reveals");
    house.done(|tx| {
        for (number, session) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
            let expires_at = later(100 * i64::from(number));
            let (id, session) = (RevealId(u128::from(number)), SessionId(session));
            reveals::insert(tx, id, session, &[7, number], expires_at)?;
        }
        Ok(())
    });
    let find = |id, session, at| {
        house.done(move |tx| reveals::find(tx, RevealId(id), SessionId(session), later(at)))
    };
    assert_eq!(find(1, 1, 99), Some((vec![7, 1], later(100))));
    assert_eq!(find(1, 1, 100), None, "expired");
    assert_eq!(find(1, 2, 0), None, "another session");
    let forget =
        |id, session| house.done(move |tx| reveals::forget(tx, RevealId(id), SessionId(session)));
    assert_eq!([forget(2, 2), forget(2, 1), forget(2, 1)], [false, true, false]);
    assert_eq!(house.done(|tx| reveals::prune(tx, later(300))), 2);
    assert_eq!((find(3, 2, 0), find(4, 2, 0).is_some()), (None, true));
    assert_eq!(house.done(|tx| reveals::forget_session(tx, SessionId(1))), 0);
    assert_eq!(house.done(|tx| reveals::forget_session(tx, SessionId(2))), 1);
    assert_eq!(find(4, 2, 0), None);
}

// The care of credentials.

#[test]
fn credentials_are_in_the_care_of_one_member_and_are_handed_over() {
    let house = House::with_people("owners");
    for number in 1..=3 {
        house.keep(&credential(number, "restricted")).unwrap();
    }
    house.keep(&Credential { account: THEIRS, ..credential(4, "restricted") }).unwrap();
    house.sealed(|tx, seals| members::insert(tx, seals, &member(3)));
    let carl = MemberId(3);
    house.done(move |tx| {
        owners::set(tx, CredentialId(1), ANNA)?;
        owners::set(tx, CredentialId(2), carl)?;
        owners::set(tx, CredentialId(2), ANNA)?;
        owners::set(tx, CredentialId(4), BELA)
    });
    let of = |id| house.done(move |tx| owners::of(tx, CredentialId(id)));
    assert_eq!((of(1), of(2), of(3)), (Some(ANNA), Some(ANNA), None));
    let of_member = |id| house.done(move |tx| owners::of_member(tx, id));
    assert_eq!(of_member(ANNA), [CredentialId(1), CredentialId(2)]);
    assert_eq!(house.done(move |tx| owners::hand_over(tx, ANNA, carl)), 2);
    assert_eq!((of_member(ANNA).len(), of_member(carl).len(), of(4)), (0, 2, Some(BELA)));
    let all = house.done(|tx| owners::all(tx, OURS));
    assert_eq!(all, [(CredentialId(1), carl), (CredentialId(2), carl)].into());
}

// Whoever writes to the database directly.

/// One row at least in every table of people.
fn full_house(name: &str) -> House {
    let house = House::with_people(name);
    house.keep(&credential(1, "restricted")).unwrap();
    house.keep(&credential(2, "restricted")).unwrap();
    house.keep(&credential(3, "restricted")).unwrap();
    house.sealed(|tx, seals| {
        members::save_codes(tx, ANNA, &["a".to_owned()])?;
        sessions::insert(tx, seals, &[1], &session(1))?;
        sessions::insert(tx, seals, &[2], &session(2))?;
        sessions::know(tx, &[1], ANNA, NOW)?;
        tries::note(tx, &[1], &[1], NOW)?;
        proofs::save(tx, seals, &proof(StepUp::Password, NOW))?;
        links::insert(tx, seals, &[1], &invitation(1))?;
        links::insert(tx, seals, &[2], &reset(2))?;
        reveals::insert(tx, RevealId(1), SessionId(1), &[1], NOW)?;
        owners::set(tx, CredentialId(1), ANNA)?;
        replacements::add(tx, CredentialId(1), CredentialId(2), NOW)?;
        replacements::add(tx, CredentialId(2), CredentialId(3), NOW)?;
        account_settings::save(tx, OURS, "name", "value")?;
        messages::insert(tx, MessageId(1), None, &[1], (NOW, NOW))
    });
    house
}

const ATTACKS: [&str; 42] = [
    // A second row under one key.
    "INSERT INTO members SELECT * FROM members",
    "INSERT INTO recovery_codes SELECT * FROM recovery_codes",
    "INSERT INTO sessions SELECT * FROM sessions",
    "INSERT INTO devices SELECT * FROM devices",
    "INSERT INTO tries SELECT * FROM tries",
    "INSERT INTO proofs SELECT * FROM proofs",
    "INSERT INTO links SELECT * FROM links",
    "INSERT INTO reveals SELECT * FROM reveals",
    "INSERT INTO credential_owners SELECT * FROM credential_owners",
    "INSERT INTO replacements SELECT * FROM replacements",
    "INSERT INTO account_settings SELECT * FROM account_settings",
    "INSERT INTO messages SELECT * FROM messages",
    // Two where there is one.
    "UPDATE members SET email = 'same@example.com'",
    "UPDATE sessions SET id = 'same'",
    "UPDATE links SET id = 'same'",
    "UPDATE replacements SET by_id = (SELECT MAX(id) FROM credentials)",
    // Words that are none.
    "UPDATE members SET role = 'root'",
    "UPDATE sessions SET stage = 'half'",
    "UPDATE proofs SET method = 'promise'",
    "UPDATE links SET purpose = 'entry'",
    // What is not there.
    "UPDATE members SET account_id = 'nobody'",
    "UPDATE recovery_codes SET member_id = 'nobody'",
    "UPDATE sessions SET member_id = 'nobody'",
    "UPDATE sessions SET account_id = 'nobody'",
    "UPDATE devices SET member_id = 'nobody'",
    "UPDATE credential_owners SET member_id = 'nobody'",
    "UPDATE credential_owners SET credential_id = 'nobody'",
    "UPDATE replacements SET credential_id = by_id || 'x'",
    "UPDATE replacements SET by_id = credential_id || 'x'",
    "UPDATE account_settings SET account_id = 'nobody'",
    // What is still named.
    "DELETE FROM members",
    // Nothing, and other types.
    "UPDATE members SET seal = NULL",
    "UPDATE members SET password = NULL",
    "UPDATE members SET created_at = 'soon'",
    "UPDATE members SET totp_sealed = 1",
    "UPDATE sessions SET seal = NULL",
    "UPDATE sessions SET ended_at = 'soon'",
    "UPDATE proofs SET seal = NULL",
    "UPDATE links SET seal = NULL",
    "UPDATE links SET expires_at = NULL",
    "UPDATE reveals SET sealed = NULL",
    "UPDATE messages SET sealed = 1",
];

#[test]
fn no_constraint_of_the_tables_of_people_can_be_broken() {
    let house = full_house("attacks");
    for attack in ATTACKS {
        house.refuses(attack);
    }
}

/// Runs an edit in a house of its own; whether `read` still reads what it names.
fn reads_after<T: Send + 'static>(
    edit: &str,
    read: impl Fn(&mut Tx<'_>, &RowSealer) -> Result<Option<T>, DbError> + Send + 'static,
) -> Result<Option<T>, DbError> {
    let house = House::with_people("edits");
    house.sealed(|tx, seals| {
        // Nothing names this one, so that the edits of their row meet no other rule.
        members::insert(tx, seals, &member(3))?;
        sessions::insert(tx, seals, &[1], &session(1))?;
        links::insert(tx, seals, &[1], &Link { member: Some(ANNA), ..invitation(1) })?;
        proofs::save(tx, seals, &proof(StepUp::Password, NOW))
    });
    assert_eq!(house.editor().must(&format!("UPDATE {edit}")), 1, "{edit}");
    house.tried(read)
}

fn assert_refused<T>(read: Result<Option<T>, DbError>, edit: &str) {
    let error = read.map(|found| found.is_some()).expect_err(edit);
    assert!(error.to_string().contains("changed outside Keyway"), "{edit}: {error}");
}

#[test]
fn a_member_who_was_edited_is_refused_wherever_they_are_read() {
    let edits = [
        "role = 'admin'",
        "password = 'other'",
        "email = 'other@example.com'",
        "account_id = (SELECT MAX(id) FROM accounts)",
        "removed_at = 1",
        "totp_sealed = NULL",
        "totp_sealed = zeroblob(40)",
        "totp_drift = 0",
        "totp_last_step = 0",
        "seal = zeroblob(32)",
        "seal = zeroblob(31)",
        "seal = (SELECT seal FROM members WHERE email = 'm1@example.com')",
    ];
    for edit in edits {
        let sql = format!("members SET {edit} WHERE email = 'm3@example.com'");
        let id = MemberId(3);
        let read = reads_after(&sql, move |tx, seals| members::find_by_id(tx, seals, id));
        assert_refused(read, edit);
        let account = if edit.contains("account_id") { THEIRS } else { OURS };
        let read = reads_after(&sql, move |tx, seals| members::find(tx, seals, account, id));
        assert_refused(read, edit);
        let read = reads_after(&sql, move |tx, seals| members::lock(tx, seals, account, id));
        assert_refused(read, edit);
        // Who was removed by an edit does not sign in, and is on no list; nothing is to refuse.
        if !edit.contains("removed_at") {
            let list = move |tx: &mut Tx<'_>, seals: &RowSealer| {
                members::list(tx, seals, account).map(Some)
            };
            assert_refused(reads_after(&sql, list), edit);
            let address =
                if edit.contains("other@") { "other@example.com" } else { "m3@example.com" };
            let address = email(address);
            let read =
                reads_after(&sql, move |tx, seals| members::find_by_email(tx, seals, &address));
            assert_refused(read, edit);
        }
    }
    // An address in another spelling is no address, so that the seal can't fit it.
    let sql = "members SET email = 'M3@example.com' WHERE email = 'm3@example.com'";
    let read = reads_after(sql, |tx, seals| members::find_by_id(tx, seals, MemberId(3)));
    assert!(read.unwrap_err().to_string().contains("an email address"));
    // The complete list of columns that the seal leaves out: whoever adds one decides here.
    let sql = "members SET name = 'x', totp_near_step = 9, totp_near_drift = 9, totp_added_at = 9,
               created_at = 9, last_active_at = 9 WHERE email = 'm3@example.com'";
    let read = reads_after(sql, |tx, seals| members::find(tx, seals, OURS, MemberId(3)));
    assert!(read.unwrap().is_some());
}

#[test]
fn a_session_that_was_edited_is_refused() {
    let edits = [
        "id = 'sess_00000000000000000000000009'",
        "member_id = (SELECT id FROM members WHERE email = 'm2@example.com')",
        "account_id = (SELECT MAX(id) FROM accounts)",
        "stage = 'password'",
        "device = 'other'",
        "created_at = created_at + 1",
        "digest = x'02'",
        "seal = zeroblob(32)",
    ];
    for edit in edits {
        let digest = if edit.contains("digest") { 2 } else { 1 };
        let sql = format!("sessions SET {edit}");
        assert_refused(reads_after(&sql, move |tx, s| sessions::find(tx, s, &[digest])), edit);
    }
    let list =
        |tx: &mut Tx<'_>, seals: &RowSealer| sessions::list(tx, seals, ANNA, Time(0)).map(Some);
    assert_refused(reads_after("sessions SET device = 'other'", list), "the list");
    let sql = "sessions SET seen_at = 9, ended_at = 9, address = 'x', client = 'x'";
    assert!(reads_after(sql, |tx, s| sessions::find(tx, s, &[1])).unwrap().is_some());
}

#[test]
fn a_link_that_was_edited_is_refused() {
    let edits = [
        "id = 'link_00000000000000000000000009'",
        "purpose = 'set-up'",
        "account_id = (SELECT MAX(id) FROM accounts)",
        "account_id = NULL",
        "member_id = (SELECT id FROM members WHERE email = 'm2@example.com')",
        "member_id = NULL",
        "email = 'other@example.com'",
        "email = NULL",
        "role = 'owner'",
        "role = NULL",
        "created_at = created_at + 1",
        "expires_at = expires_at + 1",
        "digest = x'02'",
        "seal = zeroblob(32)",
    ];
    for edit in edits {
        let digest = if edit.contains("digest") { 2 } else { 1 };
        let sql = format!("links SET {edit}");
        assert_refused(reads_after(&sql, move |tx, s| links::find(tx, s, &[digest])), edit);
    }
    let open = |tx: &mut Tx<'_>, seals: &RowSealer| {
        links::open_invitations(tx, seals, OURS, NOW).map(Some)
    };
    assert_refused(reads_after("links SET role = 'owner'", open), "the list");
    let sql = "links SET used_at = 9";
    assert!(reads_after(sql, |tx, s| links::find(tx, s, &[1])).unwrap().is_some());
}

#[test]
fn a_proof_that_was_edited_counts_as_none() {
    let take = |act: &'static str, session| {
        move |tx: &mut Tx<'_>, seals: &RowSealer| {
            let found = proofs::find(tx, seals, SessionId(session), act, "cred_1", NOW)?;
            Ok(found.or(proofs::take(tx, seals, SessionId(session), act, "cred_1", NOW)?))
        }
    };
    let same = reads_after("proofs SET at = at", take("rotate", 1));
    assert_eq!(same.unwrap(), Some(StepUp::Password));
    let edits = [
        ("at = at + 1", "rotate", 1),
        ("method = 'otp'", "rotate", 1),
        ("seal = zeroblob(32)", "rotate", 1),
        ("act = 'revoke'", "revoke", 1),
        ("session_id = 'sess_00000000000000000000000009'", "rotate", 9),
    ];
    for (edit, act, session) in edits {
        let read = reads_after(&format!("proofs SET {edit}"), take(act, session));
        assert_eq!(read.unwrap(), None, "{edit}");
    }
    let other = |tx: &mut Tx<'_>, seals: &RowSealer| {
        proofs::take(tx, seals, SessionId(1), "rotate", "cred_2", NOW)
    };
    assert_eq!(reads_after("proofs SET subject = 'cred_2'", other).unwrap(), None);
}
