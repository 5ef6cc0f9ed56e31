//! The server does what the tests above it build on.

use std::process::{Command, Stdio};

use keyway_testbed::{Options, Postgres};

#[test]
fn what_was_committed_outlives_crashes_and_stops() {
    let server = Postgres::start();
    server.create_database("a");
    server.psql("a", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)");
    server.crash_restart();
    assert_eq!(server.psql("a", "SELECT x FROM t"), "1");
    server.stop();
    server.start_again();
    assert_eq!(
        server.psql("a", "SELECT x, x FROM t; SHOW fsync; SHOW max_connections"),
        "1|1\non\n300"
    );
    server.drop_database("a");
    server.drop_database("a");
}

#[test]
fn a_paused_server_answers_after_it_was_resumed() {
    let server = Postgres::start_with(Options::default());
    server.pause();
    let mut waiting = Command::new("psql")
        .args(["-X", "-A", "-t", "-q", "-c", "SELECT 1", "-d", &server.url("postgres")])
        .stdout(Stdio::piped())
        .spawn()
        .expect("psql is installed");
    assert!(waiting.try_wait().expect("a child can be asked").is_none());
    server.resume();
    let answered = waiting.wait_with_output().expect("a child can be waited for");
    assert_eq!(String::from_utf8_lossy(&answered.stdout).trim(), "1");
}

#[test]
fn the_role_of_a_running_server_changes_rows_and_no_tables() {
    let server = Postgres::start_with(Options::default());
    server.create_database("a");
    server.psql("a", "CREATE TABLE t (x int)");
    let run = |sql: &str| {
        let ran = Command::new("psql")
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, "-d", &server.run_url("a")])
            .output();
        ran.expect("psql is installed").status.success()
    };
    assert!(run("INSERT INTO t VALUES (1)"));
    assert!(!run("CREATE TABLE u (x int)"));
    assert!(!run("ALTER TABLE t ADD COLUMN y int"));
    assert!(!run("TRUNCATE t"));
}

#[test]
fn a_dropped_server_leaves_nothing() {
    let server = Postgres::start_with(Options::default());
    let folder = server.folder().to_owned();
    server.pause();
    drop(server);
    assert!(!folder.exists());
}
