//! The binary as a person meets it: what it says, and with which exit code.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use keyway_secret::{Entropy as _, OsEntropy};
use serde_json::Value;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("keyway-cli-{:032x}", OsEntropy.u128()));
        std::fs::create_dir(&path).expect("the temporary folder is writable");
        Self(path)
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn keyway(data: &Path, arguments: &[&str]) -> Output {
    command(data, arguments).output().expect("the binary runs")
}

fn command(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyway"));
    command.args(arguments).env_clear().env("KEYWAY_DATA", data).env("KEYWAY_LOG", "error");
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// A server on free ports, stopped by the test.
struct Server {
    child: Child,
    facts: Value,
}

impl Server {
    fn start(data: &Path, scheme: &str) -> Self {
        let arguments = [
            "serve",
            "--scheme",
            scheme,
            "--listen",
            "127.0.0.1:0",
            "--internal-listen",
            "127.0.0.1:0",
            "--json",
        ];
        let mut child = command(data, &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary runs");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("its first line");
        Self { child, facts: serde_json::from_str(&line).expect("one JSON object") }
    }

    fn stop(mut self) {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(killed.success());
        assert!(self.child.wait().expect("it ends").success(), "a clean stop is a success");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn commands_work_beside_a_running_server_and_without_one() {
    let folder = Folder::new();
    let data = folder.data();
    let server = Server::start(&data, "enterprise");
    assert!(server.facts["management_url"].as_str().is_some_and(|url| url.starts_with("http://")));
    let made = json(&keyway(&data, &["accounts", "create", "--name", "Toko", "--json"]));
    let account = made["id"].as_str().expect("an id").to_owned();
    let create = [
        "credentials",
        "create",
        "--account",
        &account,
        "--kind",
        "key",
        "--environment",
        "live",
        "--name",
        "Server",
        "--grant",
        "invoices:read",
        "--json",
    ];
    let made = json(&keyway(&data, &create));
    assert!(made["secret"]["key"].as_str().is_some_and(|key| key.starts_with("sk_live_")));
    let id = made["id"].as_str().expect("an id").to_owned();
    server.stop();
    let show = ["credentials", "show", &id, "--account", &account, "--json"];
    assert_eq!(json(&keyway(&data, &show))["status"], "active");
    let revoke = ["credentials", "revoke", &id, "--account", &account, "--json"];
    assert_eq!(json(&keyway(&data, &revoke))["status"], "revoked");
    let list = keyway(&data, &["events", "list", "--account", &account]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains("api_key.revoked") && list.contains("account.created"), "{list}");
}

#[test]
fn a_new_key_goes_straight_into_an_environment_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let data = folder.data();
    Server::start(&data, "xtopay").stop();
    let account = json(&keyway(&data, &["accounts", "create", "--name", "Toko", "--json"]));
    let account = account["id"].as_str().expect("an id").to_owned();
    let file = folder.0.join("app.env");
    let to = format!("env:{}", file.display());
    let create = [
        "credentials",
        "create",
        "--account",
        &account,
        "--kind",
        "client",
        "--environment",
        "test",
        "--name",
        "Billing",
        "--grant",
        "everything",
        "--to",
        &to,
        "--json",
    ];
    let made = keyway(&data, &create);
    assert_eq!(json(&made)["secret"], Value::Null, "the terminal does not see it");
    let text = std::fs::read_to_string(&file).expect("the file was written");
    let names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(names, ["XTOPAY_CLIENT_ID", "XTOPAY_CLIENT_SECRET"]);
    let mode = std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn everything_in_the_data_folder_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let server = Server::start(&folder.data(), "xendit");
    for entry in std::fs::read_dir(folder.data()).expect("the folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("its mode").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", entry.path().display());
    }
    server.stop();
}

#[test]
fn another_root_key_or_none_is_refused_with_what_to_do() {
    let folder = Folder::new();
    let data = folder.data();
    Server::start(&data, "xendit").stop();
    let key = data.join("root.key");
    let kept = std::fs::read(&key).expect("the key was made");
    std::fs::remove_file(&key).expect("it can be removed");
    let refused = keyway(&data, &["accounts", "list"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("put the key file back"), "{}", said(&refused));
    assert!(!key.exists(), "no new key is made over an old database");
    let other = format!("kwroot_{}", "ab".repeat(32));
    let refused = command(&data, &["accounts", "list"]).env("KEYWAY_ROOT_KEY", &other).output();
    let refused = refused.expect("the binary runs");
    assert!(said(&refused).contains("belongs to another root key"), "{}", said(&refused));
    let garbage = command(&data, &["accounts", "list"]).env("KEYWAY_ROOT_KEY", "hunter2").output();
    let garbage = said(&garbage.expect("the binary runs"));
    assert!(garbage.contains("kwroot_") && !garbage.contains("hunter2"), "{garbage}");
    std::fs::write(&key, kept).expect("it can be written");
    let open = said(&keyway(&data, &["accounts", "list"]));
    assert!(open.contains("chmod 600"), "a key that others can read is refused: {open}");
}

#[test]
fn another_scheme_a_second_server_and_a_damaged_file_are_refused_with_what_to_do() {
    let folder = Folder::new();
    let data = folder.data();
    let server = Server::start(&data, "xendit");
    let ports = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
    let second = keyway(&data, &[&["serve", "--scheme", "xendit"], &ports[..]].concat());
    assert!(said(&second).contains("another keyway process runs"), "{}", said(&second));
    server.stop();
    let other = keyway(&data, &[&["serve", "--scheme", "rapyd"], &ports[..]].concat());
    assert!(said(&other).contains("serves the scheme `xendit`"), "{}", said(&other));
    for file in ["keyway.db-wal", "keyway.db-shm"] {
        let _ = std::fs::remove_file(data.join(file));
    }
    std::fs::write(data.join("keyway.db"), "this is not a database, it is a sentence")
        .expect("it can be written");
    let damaged = keyway(&data, &["accounts", "list"]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(said(&damaged).contains("restore a backup"), "{}", said(&damaged));
    let doctor = keyway(&data, &["doctor", "--json"]);
    assert_eq!(doctor.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&doctor.stdout).expect("one JSON object");
    assert_eq!(found["ok"], false);
}

#[test]
fn schemes_are_listed_checked_and_explained() {
    let folder = Folder::new();
    let data = folder.data();
    let list = json(&keyway(&data, &["scheme", "list", "--json"]));
    assert_eq!(list["data"].as_array().map(Vec::len), Some(5));
    for scheme in list["data"].as_array().expect("a list") {
        let name = scheme["name"].as_str().expect("a name");
        assert!(keyway(&data, &["scheme", "check", name]).status.success());
        assert!(keyway(&data, &["scheme", "explain", name]).stdout.len() > 500);
    }
    let printed = keyway(&data, &["scheme", "print", "enterprise"]);
    let text =
        String::from_utf8_lossy(&printed.stdout).replace("confirm = true", "confirm = maybe");
    let file = folder.0.join("own.toml");
    std::fs::write(&file, text).expect("it can be written");
    let bad = keyway(&data, &["scheme", "check", &file.display().to_string()]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(said(&bad).contains("own.toml: line "), "{}", said(&bad));
    let missing = said(&keyway(&data, &["scheme", "check", "nope"]));
    assert!(missing.contains("neither a built-in scheme"), "{missing}");
}

#[test]
fn wrong_arguments_are_two_and_help_teaches() {
    let folder = Folder::new();
    let data = folder.data();
    assert_eq!(keyway(&data, &["accounts", "creat"]).status.code(), Some(2));
    assert_eq!(keyway(&data, &["credentials", "create"]).status.code(), Some(2));
    let commands = [
        "serve",
        "demo",
        "scheme",
        "accounts",
        "credentials",
        "tokens",
        "events",
        "import",
        "doctor",
    ];
    for command in commands {
        let help = keyway(&data, &[command, "--help"]);
        assert!(help.status.success());
        assert!(String::from_utf8_lossy(&help.stdout).contains("--json"), "{command}");
    }
    let nothing = keyway(&data, &["accounts", "list"]);
    assert!(said(&nothing).contains("keyway serve"), "{}", said(&nothing));
}

#[test]
fn an_import_says_how_far_it_came() {
    let folder = Folder::new();
    let data = folder.data();
    Server::start(&data, "enterprise").stop();
    let account = json(&keyway(&data, &["accounts", "create", "--name", "Toko", "--json"]));
    let account = account["id"].as_str().expect("an id").to_owned();
    let line = |number: u32| {
        format!(
            "{{\"kind\":\"key\",\"environment\":\"live\",\"name\":\"Old {number}\",\
             \"algorithm\":\"sha256\",\"hash\":\"{number:064x}\",\"grant\":\"everything\"}}\n"
        )
    };
    let file = folder.0.join("keys.jsonl");
    let path = file.display().to_string();
    std::fs::write(&file, (0..2_500).map(line).collect::<String>()).expect("it can be written");
    let dry =
        json(&keyway(&data, &["import", &path, "--account", &account, "--dry-run", "--json"]));
    assert_eq!((dry["lines"].as_u64(), dry["imported"].as_u64()), (Some(2_500), Some(0)));
    let done = keyway(&data, &["import", &path, "--account", &account, "--json"]);
    assert_eq!(json(&done)["imported"], 2_500);
    assert!(said(&done).contains("2000 of 2500"), "{}", said(&done));
    let again = keyway(&data, &["import", &path, "--account", &account]);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("0 imported"), "{}", said(&again));
    std::fs::write(&file, line(9_999) + "{not json\n").expect("it can be written");
    let bad = said(&keyway(&data, &["import", &path, "--account", &account]));
    assert!(bad.contains("line 2: not JSON"), "{bad}");
}

#[test]
fn the_demo_gives_everything_as_one_object_and_cleans_up() {
    let folder = Folder::new();
    let mut child = command(&folder.data(), &["demo", "--scheme", "rapyd", "--json"])
        .env("TMPDIR", &folder.0)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut line = String::new();
    let out = child.stdout.take().expect("its output");
    BufReader::new(out).read_line(&mut line).expect("its first line");
    let facts: Value = serde_json::from_str(&line).expect("one JSON object");
    for name in ["management_url", "verify_url", "sample_api_url", "operator_token", "account"] {
        assert!(facts[name].is_string(), "{name}");
    }
    for credential in facts["credentials"].as_array().expect("a list") {
        assert!(credential["access_key"].is_string() && credential["secret_key"].is_string());
        let curl = credential["curl"].as_array().expect("arguments");
        assert_eq!(curl[0], "curl");
    }
    let temporary = || std::fs::read_dir(&folder.0).expect("the folder").count();
    assert_eq!(temporary(), 1);
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    assert!(child.wait().expect("it ends").success());
    assert_eq!(temporary(), 0, "its data is gone");
}
