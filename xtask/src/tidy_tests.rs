//! The repository is tidy, and each check catches what it is for.
//!
//! What a check looks for as text is written here in pieces, so that the check passes this file.

use std::fmt::Write;

use expect_test::{Expect, expect};

use crate::tidy::{CHECKS, Check};
use crate::tree::Tree;

fn check_named(name: &str) -> &'static Check {
    CHECKS.iter().find(|check| check.name == name).expect("the test names a check of the table")
}

fn report(name: &str, tree: &Tree) -> String {
    (check_named(name).run)(tree).iter().fold(String::new(), |mut report, problem| {
        writeln!(report, "{problem}").expect("a String can always be written to");
        report
    })
}

#[track_caller]
fn holds_here(name: &str) {
    let tree = Tree::of_this_repository().expect("the files of the repository can be read");
    let report = report(name, &tree);
    assert!(report.is_empty(), "{}:\n{report}", check_named(name).holds);
}

fn report_on(name: &str, files: &[(&str, &str)]) -> String {
    let owned = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    report(name, &Tree::new(owned.collect()))
}

#[track_caller]
fn catches(name: &str, files: &[(&str, &str)], expected: &Expect) {
    expected.assert_eq(&report_on(name, files));
}

#[test]
fn crates_use_only_the_crates_below_them() {
    holds_here("layers");
}

#[test]
fn secret_and_domain_have_no_clock_and_no_io() {
    holds_here("purity");
}

#[test]
fn sql_is_only_in_the_store() {
    holds_here("sql");
}

#[test]
fn no_scheme_is_named_in_code() {
    holds_here("scheme-names");
}

#[test]
fn every_rust_file_says_what_lives_in_it() {
    holds_here("front-page");
}

#[test]
fn functions_and_files_stay_short() {
    holds_here("lengths");
}

#[test]
fn no_name_would_fit_anything() {
    holds_here("names");
}

#[test]
fn no_note_to_self_is_left_in_code() {
    holds_here("leftovers");
}

#[test]
fn no_test_sleeps_or_is_ignored() {
    holds_here("waits");
}

#[test]
fn released_migrations_are_unchanged() {
    holds_here("migrations");
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    holds_here("places");
}

#[test]
fn locked_packages_stay_under_the_ceiling() {
    holds_here("packages");
}

#[test]
fn links_in_documents_lead_somewhere() {
    holds_here("links");
}

#[test]
fn an_arrow_upward_is_caught_in_code_macros_and_manifests() {
    catches(
        "layers",
        &[
            ("crates/domain/src/a.rs", "use keyway_store::Db;\nuse keyway_secret::Secret;\n"),
            ("crates/guard/src/a.rs", "fn f() {\n    println!(\"{}\", keyway_domain::X);\n}\n"),
            ("crates/guard/Cargo.toml", "[dependencies]\nkeyway-secret.workspace = true\n"),
            ("crates/store/Cargo.toml", "[dev-dependencies]\nkeyway-server.workspace = true\n"),
            ("crates/store/tests/it/main.rs", "use keyway_server::App;\n"),
            ("crates/server/src/a.rs", "use {keyway_domain::A, keyway_guard::B};\n"),
        ],
        &expect![[r"
            crates/domain/src/a.rs:1: crates/domain/ uses keyway_store; it may use only keyway_secret
            crates/guard/Cargo.toml:2: crates/guard/ uses keyway_secret; it may use no other crate of the workspace
            crates/guard/src/a.rs:2: crates/guard/ uses keyway_domain; it may use no other crate of the workspace
        "]],
    );
}

#[test]
fn a_clock_or_a_file_in_the_domain_is_caught_and_an_address_is_not() {
    catches(
        "purity",
        &[
            (
                "crates/domain/src/a.rs",
                "use std::net::{IpAddr, TcpStream};\nuse std::time::{Duration, SystemTime};\n\
                 fn f() { std::fs::read(x); }\nuse tokio::sync::mpsc;\nuse std::fmt::Write;\n",
            ),
            ("crates/domain/src/a_tests.rs", "use std::fs;\n"),
            ("crates/server/src/a.rs", "use std::fs;\n"),
        ],
        &expect![[r"
            crates/domain/src/a.rs:1: `std::net::TcpStream` in a crate without clock and I/O; take the value as an argument and read it in crates/server
            crates/domain/src/a.rs:2: `std::time::SystemTime` in a crate without clock and I/O; take the value as an argument and read it in crates/server
            crates/domain/src/a.rs:3: `std::fs::read` in a crate without clock and I/O; take the value as an argument and read it in crates/server
            crates/domain/src/a.rs:4: `tokio::sync::mpsc` in a crate without clock and I/O; take the value as an argument and read it in crates/server
        "]],
    );
}

#[test]
fn sql_outside_the_store_is_caught_and_a_method_is_not() {
    let sql = "/// SELECT x\nfn f() {\n    run(vec![\"SELECT 1\"]);\n    run(\"\\n  UPDATE a\\n SET b\");\n    \
               route(\"DELETE /v1/credentials\");\n    log(\"CREATE a key\");\n}\n";
    catches(
        "sql",
        &[
            ("crates/server/src/a.rs", sql),
            ("crates/store/src/a.rs", sql),
            ("crates/server/tests/it/main.rs", sql),
            ("examples/payments/src/a.rs", sql),
        ],
        &expect![[r#"
            crates/server/src/a.rs:3: SQL outside the store: "SELECT 1"; write a function in crates/store and call it
            crates/server/src/a.rs:4: SQL outside the store: "UPDATE a SET b"; write a function in crates/store and call it
        "#]],
    );
}

#[test]
fn a_scheme_in_code_is_caught_but_where_it_is_embedded() {
    let text = "//! a\nconst A: &str = \"Rapyd\";\n";
    catches(
        "scheme-names",
        &[
            ("crates/domain/src/a.rs", text),
            ("crates/server/src/schemes.rs", text),
            ("crates/server/src/a_tests.rs", text),
        ],
        &expect![[r"
            crates/domain/src/a.rs:2: the scheme `rapyd` is named in code; say what it needs in schemes/*.toml, with a new word if there is none
        "]],
    );
}

#[test]
fn a_file_without_a_front_page_is_caught() {
    catches(
        "front-page",
        &[("a.rs", "//! An idea.\n"), ("b.rs", "use a;\n"), ("c.sql", "")],
        &expect![[r"
            b.rs:1: the file does not start with `//!`; say in one to five `//!` sentences what lives here
        "]],
    );
}

#[test]
fn a_long_function_and_a_long_file_are_caught() {
    let function =
        format!("impl A {{\n    fn long() {{\n{}    }}\n}}\n", "        x();\n".repeat(79));
    let file = "//! a\n".repeat(501);
    catches(
        "lengths",
        &[("a.rs", &function), ("b.rs", &file), ("b_tests.rs", &file)],
        &expect![[r"
            a.rs:2: fn long has 81 lines; at most 80: split it by idea, or write an exception with its reason in lengths.rs
            b.rs:1: the file has 501 lines; at most 500: split it by idea, or write an exception with its reason in lengths.rs
        "]],
    );
}

#[test]
fn names_that_fit_anything_are_caught() {
    catches(
        "names",
        &[
            (
                "a.rs",
                "mod utils;\nstruct KeyManager;\nstruct Utility;\nfn get_key() {}\n#[test]\nfn do_it() {}\n\
                 impl A {\n    fn do_it() {}\n}\nimpl B for A {\n    fn get_ref() {}\n}\n",
            ),
            ("tests/it/helpers.rs", "//! a\n"),
        ],
        &expect![[r"
            a.rs:1: the name `utils`; name it after the idea that lives in it
            a.rs:2: the name `KeyManager`; name it after the idea that lives in it
            a.rs:4: the name `get_key`; say what comes back, without `get_`
            a.rs:8: the name `do_it`; say what it does, without `do_`
            tests/it/helpers.rs:1: a file with a name for anything; name it after the idea that lives in it
        "]],
    );
}

#[test]
fn a_note_to_self_is_caught_and_a_placeholder_key_is_not() {
    let note = concat!("// FIX", "ME later\nlet key = \"sk_live_XXXX\";\n");
    let problems = concat!(
        "a.rs:1: `FIX",
        "ME` is left in the file; do it now, or open an issue\n",
        "scripts/run:1: `FIX",
        "ME` is left in the file; do it now, or open an issue\n",
    );
    assert_eq!(
        report_on("leftovers", &[("a.rs", note), ("scripts/run", note), ("README.md", note)]),
        problems
    );
}

#[test]
fn a_sleeping_or_ignored_test_is_caught() {
    let test = concat!(
        "#[test]\n#[ign",
        "ore = \"slow\"]\nfn a() {\n    std::thread::sleep(x);\n}\nuse tokio::time::{sleep, timeout};\n"
    );
    let problems = concat!(
        "src/a_tests.rs:2: a test is switched off: `#[ign",
        "ore = \"slow\"]`; repair the test or delete it\n",
        "src/a_tests.rs:4: a test waits with `std::thread::sleep`; wait for the fact itself, or move the test's clock\n",
        "src/a_tests.rs:6: a test waits with `tokio::time::sleep`; wait for the fact itself, or move the test's clock\n",
    );
    assert_eq!(
        report_on(
            "waits",
            &[("src/a_tests.rs", test), ("src/worker.rs", "use tokio::time::sleep;\n")]
        ),
        problems
    );
}

#[test]
fn an_edited_a_lost_and_an_unlisted_migration_are_caught() {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let hashes = format!("{abc}  0001_a.sql\n{abc}  0002_b.sql\n{abc}  0003_c.sql\n");
    catches(
        "migrations",
        &[
            ("crates/store/migrations/HASHES", &hashes),
            ("crates/store/migrations/0001_a.sql", "abc"),
            ("crates/store/migrations/0002_b.sql", "edited"),
            ("crates/store/migrations/0004_d.sql", "abc"),
        ],
        &expect![[r"
            crates/store/migrations/HASHES:3: the migration 0003_c.sql is gone; bring it back: databases ran it
            crates/store/migrations/0002_b.sql:1: a released migration was edited; undo the edit and write a new migration
            crates/store/migrations/HASHES:1: 0004_d.sql is not listed; add this line: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  0004_d.sql
        "]],
    );
    catches("migrations", &[("crates/store/migrations/0001_a.sql", "abc")], &expect![[""]]);
}

#[test]
fn a_path_of_one_machine_and_a_registry_host_are_caught() {
    let paths = concat!("cd /wo", "rk/main\ncd ~/wo", "rk/main\nthe frame/wo", "rk/here\n");
    let host = concat!("source = \"https://github.com/rust-lang/crates", ".io-index\"\n");
    let problems = concat!(
        "a.sh:1: a path of one machine: `/wo",
        "rk/`; use a path from the repository's root, or a temporary folder\n",
        "deny.toml:1: a package registry's host: `crates",
        ".io`; leave it to the package manager's own settings\n",
    );
    let files = [("a.sh", paths), ("Cargo.lock", host), ("deny.toml", host)];
    assert_eq!(report_on("places", &files), problems);
}

#[test]
fn too_many_packages_are_caught() {
    catches(
        "packages",
        &[("Cargo.lock", &"[[package]]\nname = \"a\"\n".repeat(366))],
        &expect![[r"
            Cargo.lock:1: 366 packages are locked; at most 365: drop a dependency or a feature (`cargo tree -d` helps)
        "]],
    );
}

#[test]
fn a_dead_link_is_caught_and_code_is_not_read() {
    let text = "[a](b.md#part) and [`c`](../crates/a.rs \"title\"), [gone](gone.md)\n\
                [web](https://example.invalid/x), [here](#part), `[x](y.md)`, [crates](../crates/)\n\
                ```\n[x](y.md)\n```\n[name]: ../../outside.md\n[root]: /README.md\n";
    catches(
        "links",
        &[("docs/a.md", text), ("docs/b.md", ""), ("crates/a.rs", ""), ("README.md", "")],
        &expect![[r"
            docs/a.md:1: the link `gone.md` leads nowhere; link a file of the repository
            docs/a.md:6: the link `../../outside.md` leads nowhere; link a file of the repository
        "]],
    );
}
