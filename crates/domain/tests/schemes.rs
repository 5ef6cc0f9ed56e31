//! The five schemes parse, explain themselves, and bad files are told where they are wrong.

use expect_test::{Expect, expect};
use keyway_domain::scheme::{Scheme, explain};

fn file(name: &str) -> String {
    let path = format!("{}/../../schemes/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the scheme file is in the repository")
}

#[test]
fn every_scheme_parses_and_explains_itself() {
    for name in ["xendit", "xtopay", "enterprise", "rapyd", "airwallex"] {
        let scheme = Scheme::parse(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(scheme.name, name);
        let said = explain(&scheme);
        assert!(said.lines().count() > 10, "{said}");
    }
}

/// Replaces one text of the enterprise scheme and shows the complaint.
fn check(from: &str, to: &str, expect: &Expect) {
    let good = file("enterprise");
    assert!(good.contains(from), "the scheme has {from}");
    let error = Scheme::parse(&good.replacen(from, to, 1)).expect_err("the file is bad now");
    expect.assert_eq(&error.to_string());
}

#[test]
fn a_bad_file_is_told_the_line_and_what_would_be_right() {
    check(
        "sk_{environment}_{random:32}",
        "sk_{environment}_{random:12}",
        &expect!["line 80: `{random:12}` is out of bounds; N is from 28 to 128"],
    );
    check(
        "sk_{environment}_{random:32}",
        "sk_{env}_{random:32}",
        &expect![
            "line 80: `{env}` is not a placeholder; there are `{environment}` and `{random:N}`"
        ],
    );
    check(
        "presented = [\"bearer\"]",
        "presented = [\"header\"]",
        &expect![
            "line 83: `header` is no way to present a credential; use `bearer`, `basic-user`, `basic-pair`, `bearer-pair`, `login`, `signature`"
        ],
    );
    check(
        "presented = [\"bearer\"]",
        "presented = [\"basic-pair\"]",
        &expect!["line 83: a pair needs an id"],
    );
    check("payouts:write\"", "payout:write\"", &expect!["line 21: there is no resource `payout`"]);
    check(
        "kept = \"digest\"",
        "kept = \"plain\"",
        &expect!["line 84: `plain` is no way to keep a secret; use `digest`, `sealed`, `readable`"],
    );
    check(
        "expire = {",
        "expires = {",
        &expect![
            "line 95: `expires` is no act; use `create`, `reveal`, `rotate`, `finish`, `extend`, `rollback`, `regenerate`, `duplicate`, `edit`, `rename`, `expire`, `revoke`, `delete`"
        ],
    );
    check(
        "[\"owner\", \"admin\", \"developer\"] }",
        "[\"boss\"] }",
        &expect!["line 91: `boss` is no role; use `owner`, `admin`, `developer`, `viewer`"],
    );
    check(
        "confirm = true",
        "sure = true",
        &expect![
            "line 96: unknown field `sure`, expected one of `by`, `step_up`, `confirm`, `overlap`, `up_to`"
        ],
    );
    check(
        "optional-date",
        "sometimes",
        &expect![
            "line 87: `sometimes` is no expiry rule; use `never`, `optional-date`, `optional`"
        ],
    );
    check(
        "style = \"scopes\"",
        "style = scopes",
        &expect!["line 43: string values must be quoted, expected literal string"],
    );
    check(
        "window = \"1m\"",
        "window = \"1 minute\"",
        &expect!["line 99: `1 minute` is no duration; write `0s`, `15m`, `24h` or `7d`"],
    );
    check(
        "unknown = {",
        "unheard_of = {",
        &expect![
            "line 110: `unheard_of` is no reason; use `missing`, `malformed`, `unknown`, `revoked`, `expired`, `wrong_environment`, `insufficient_scope`, `resource_not_accessible`, `address_not_allowed`, `rate_limited`, `account_suspended`, `replayed`, `bad_signature`, `clock_skew`, `unavailable`, `quota_exceeded`"
        ],
    );
    check(
        "\"{message}\"",
        "\"{mesage}\"",
        &expect!["line 104: `{mesage}` is not a placeholder of a body"],
    );
}

/// The enterprise scheme with quotas, given as lines of `[[quotas]]` each.
fn with_quotas(quotas: &[&str]) -> Result<Scheme, String> {
    let added: String = quotas.iter().map(|lines| format!("\n[[quotas]]\n{lines}\n")).collect();
    Scheme::parse(&(file("enterprise") + &added)).map_err(|error| error.message)
}

#[test]
fn quotas_are_read_and_explained() {
    let scheme = with_quotas(&[
        "environment = \"live\"\nrequests = 1000\nper = \"month\"\nof = \"account\"",
        "environment = \"test\"\nrequests = 10\nper = \"month\"\nof = \"account\"",
        "requests = 50\nper = \"day\"\nof = \"credential\"",
    ]);
    let scheme = scheme.expect("the file is good");
    let names: Vec<_> = scheme.quotas.iter().map(keyway_domain::quota::Quota::name).collect();
    assert_eq!(names, ["account-month", "account-month", "credential-day"]);
    let said = explain(&scheme);
    let said: Vec<_> = said.lines().filter(|line| line.contains("a calendar")).collect();
    expect![[r#"
        [
            "Each account has 1000 requests of Live a calendar month (UTC), over all nodes.",
            "Each account has 10 requests of Test a calendar month (UTC), over all nodes.",
            "Each credential has 50 requests a calendar day (UTC), over all nodes.",
        ]
    "#]]
    .assert_debug_eq(&said);
}

#[test]
fn a_bad_quota_is_told_what_would_be_right() {
    let check = |quotas: &[&str], expect: &Expect| {
        expect.assert_eq(&with_quotas(quotas).err().unwrap_or_default());
    };
    let good = "requests = 10\nper = \"day\"\nof = \"account\"";
    check(&[good], &expect![""]);
    check(&[&good.replace("10", "0")], &expect!["a quota is 1 to 1000000000000 requests"]);
    check(
        &[&good.replace("10", "1000000000001")],
        &expect!["a quota is 1 to 1000000000000 requests"],
    );
    check(&[&good.replace("10", "-1")], &expect!["invalid value: integer `-1`, expected u64"]);
    check(
        &[&good.replace("day", "week")],
        &expect!["`week` is no period of a quota; use `day`, `month`"],
    );
    check(
        &[&good.replace("account", "member")],
        &expect!["`member` is no subject of a quota; use `credential`, `account`"],
    );
    check(
        &[&format!("{good}\nenvironment = \"prod\"")],
        &expect!["`prod` is no environment; use `test`, `live`"],
    );
    check(
        &[&format!("{good}\nwindow = \"1d\"")],
        &expect!["unknown field `window`, expected one of `environment`, `requests`, `per`, `of`"],
    );
    check(&["requests = 10\nper = \"day\""], &expect!["missing field `of`"]);
    check(
        &[good, &good.replace("10", "20")],
        &expect!["there are two quotas for the same: account and day"],
    );
    check(
        &[good, &format!("{good}\nenvironment = \"live\"")],
        &expect!["there are two quotas for the same: account and day"],
    );
}
