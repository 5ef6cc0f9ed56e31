//! The files of the repository as git sees them: committed, or new and not ignored.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::TokenStream;

/// Folders that are never part of the repository, for a copy that git does not know.
const OUTSIDE: [&str; 4] = [".git", "target", "node_modules", ".venv"];

/// Every file of the repository, by its path from the root.
pub(crate) struct Tree {
    sources: Vec<Source>,
    /// Files that are not text, such as pictures: they have no lines to judge.
    others: Vec<String>,
}

/// One text file.
pub(crate) struct Source {
    /// The path from the root of the repository, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
    syntax: OnceCell<Option<syn::File>>,
}

impl Tree {
    pub(crate) fn of_this_repository() -> io::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or_else(|| io::Error::other("xtask lies in a folder of the repository"))?;
        let paths = match tracked(root) {
            Some(paths) => paths,
            None => walk(root)?,
        };
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for path in paths {
            match fs::read(root.join(&path)).map(String::from_utf8) {
                Ok(Ok(text)) => files.push((path, text)),
                Ok(Err(_)) => others.push(path),
                // Deleted in the work tree and still in the index, or a link to a folder.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { others, ..Self::new(files) })
    }

    pub(crate) fn new(files: Vec<(String, String)>) -> Self {
        let files: BTreeMap<String, String> = files.into_iter().collect();
        let sources = files
            .into_iter()
            .map(|(path, text)| Source { path, text, syntax: OnceCell::new() })
            .collect();
        Self { sources, others: Vec::new() }
    }

    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.has_extension("rs"))
    }

    pub(crate) fn source(&self, path: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.path == path)
    }

    /// Whether `path` is a file of the repository or a folder with one in it.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        let texts = self.sources.iter().map(|source| source.path.as_str());
        let mut known = texts.chain(self.others.iter().map(String::as_str));
        known.any(|known| known == path || known.starts_with(&folder))
    }
}

impl Source {
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// Tests are files under a `tests` folder and files named `*_tests.rs`.
    pub(crate) fn is_test(&self) -> bool {
        format!("/{}", self.path).contains("/tests/") || self.path.ends_with("_tests.rs")
    }

    /// The lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().zip(1..).map(|(line, number)| (number, line))
    }

    /// The syntax of a Rust file; nothing while it does not parse, which the compiler says better.
    pub(crate) fn syntax(&self) -> Option<&syn::File> {
        self.syntax.get_or_init(|| syn::parse_file(&self.text).ok()).as_ref()
    }

    pub(crate) fn tokens(&self) -> TokenStream {
        self.text.parse().unwrap_or_default()
    }
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success() && !output.stdout.is_empty())?;
    let names = String::from_utf8(listed.stdout).ok()?;
    Some(names.split_terminator('\0').map(str::to_owned).collect())
}

fn walk(root: &Path) -> io::Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && !OUTSIDE.iter().any(|name| entry.file_name() == *name) {
                folders.push(entry.path());
            } else if kind.is_file()
                && let Ok(inside) = entry.path().strip_prefix(root)
            {
                paths.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    Ok(paths)
}
