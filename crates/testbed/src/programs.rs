//! Where PostgreSQL's programs are, and as whom they run: its server refuses to run as root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Users to run as instead of root, the first one that there is.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// A user of this machine.
#[derive(Clone, Copy)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The programs of one installation.
pub(crate) struct Programs {
    folder: PathBuf,
    /// Whom to become; nobody else if we are not root.
    pub(crate) user: Option<User>,
}

impl Programs {
    /// Those of the path, or else the newest of those that Debian installs beside it.
    pub(crate) fn find() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let folder = on_path.into_iter().chain(installed()).find(|folder| {
            ["initdb", "pg_ctl"].iter().all(|program| folder.join(program).is_file())
        });
        let folder = folder.expect(
            "PostgreSQL is installed: initdb and pg_ctl are on the path or below /usr/lib/postgresql",
        );
        let root = rustix::process::geteuid().is_root();
        Self { folder, user: root.then(unprivileged) }
    }

    /// A program of the server, as the user that may run it.
    pub(crate) fn server(&self, program: &str) -> Command {
        let program = self.find_beside(program);
        let mut command = match self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={}", user.uid))
                    .arg(format!("--regid={}", user.gid))
                    .arg("--clear-groups")
                    .arg(program);
                command
            }
        };
        // The locale of whoever tests must not change what the database sorts by.
        command.env("LC_ALL", "C").stdin(Stdio::null()).current_dir("/");
        command
    }

    /// A program of this installation. The path may lead to some of them only, by links.
    fn find_beside(&self, program: &str) -> PathBuf {
        let here = self.folder.join(program);
        let real = std::fs::canonicalize(self.folder.join("pg_ctl"));
        let there = real.ok().and_then(|path| Some(path.parent()?.join(program)));
        if here.is_file() { here } else { there.unwrap_or(here) }
    }

    /// The interactive client.
    pub(crate) fn psql(&self) -> Command {
        let own = self.folder.join("psql");
        let mut command =
            if own.is_file() { Command::new(own) } else { Command::new(Path::new("psql")) };
        command.env("LC_ALL", "C").stdin(Stdio::null());
        command
    }
}

/// The folders of Debian's packages, the newest version first.
fn installed() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable();
    versions.into_iter().rev().map(|(_, folder)| folder).collect()
}

fn unprivileged() -> User {
    let users = std::fs::read_to_string("/etc/passwd").expect("the list of users can be read");
    let found = UNPRIVILEGED.iter().find_map(|name| {
        users.lines().find_map(|line| {
            let mut fields = line.strip_prefix(name)?.strip_prefix(':')?.split(':').skip(1);
            Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
        })
    });
    found.expect("root has a user `postgres` or `nobody` to become")
}

/// Runs a program to its end; what it said.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
