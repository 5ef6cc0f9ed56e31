//! A file of `NAME=value` lines, as shells and dotenv libraries read it.
//!
//! It is replaced as a whole, or not at all; lines of other names, comments and blank lines stay.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use keyway_secret::{Entropy as _, OsEntropy, SecretText};
use zeroize::Zeroizing;

use super::{Tried, Trouble};

/// A larger file is no environment file.
const BYTES_MAX: u64 = 1024 * 1024;

/// A file that was looked at.
pub(super) struct File {
    path: PathBuf,
    folder: PathBuf,
    names: Vec<String>,
}

/// What a file holds.
#[derive(Default)]
struct Content {
    text: Zeroizing<String>,
    /// Its user and group, if there is a file.
    owner: Option<(u32, u32)>,
}

/// Looks at the file, and whether its folder can be written.
pub(super) fn open(path: &Path, names: Vec<String>) -> Result<File, Trouble> {
    if path.file_name().is_none() {
        return Err(Trouble::lasting("name a file"));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let file = File { path: path.to_owned(), folder, names };
    file.read()?;
    let probe = file.beside();
    let made = new_file(&probe);
    let removed = fs::remove_file(&probe);
    made.map(drop).and(removed).map_err(|why| {
        Trouble::lasting(format!("nothing can be written in {}: {why}", file.folder.display()))
    })?;
    Ok(file)
}

impl File {
    /// What is under each name now.
    pub(super) fn held(&self) -> Result<Vec<Option<SecretText>>, Trouble> {
        let now = self.read()?;
        let chunks = chunks(&now.text);
        let value = |name: &String| {
            let found = chunks.iter().rev().find(|chunk| chunk.name == Some(name))?;
            let (_, value) = found.text.split_once('=')?;
            Some(SecretText::new(unquoted(value.trim())))
        };
        Ok(self.names.iter().map(value).collect())
    }

    /// Puts each text under its name.
    pub(super) fn write(&self, texts: &[SecretText]) -> Result<Tried, Trouble> {
        // Two of us at once would each put back the lines of before the other.
        let folder = fs::File::open(&self.folder).map_err(Trouble::lasting)?;
        folder.lock().map_err(Trouble::lasting)?;
        let before = self.read()?;
        let after = with(&before.text, &self.names, texts);
        let next = self.beside();
        let replaced = new_file(&next).and_then(|mut file| {
            if let Some((user, group)) = before.owner {
                fchown(&file, Some(user), Some(group))?;
            }
            file.write_all(after.as_bytes())?;
            file.sync_all()?;
            fs::rename(&next, &self.path)?;
            folder.sync_all()
        });
        if let Err(why) = replaced {
            let _ = fs::remove_file(&next);
            return Err(Trouble::lasting(format!("it can't be replaced: {why}")));
        }
        Ok(Tried::Written)
    }

    /// A name beside it that nothing has.
    fn beside(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.folder.join(format!(".{name}.{:016x}", OsEntropy.u128() >> 64))
    }

    /// Reads it; nothing if there is no file yet.
    fn read(&self) -> Result<Content, Trouble> {
        let about = match fs::symlink_metadata(&self.path) {
            Ok(about) => about,
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Content::default()),
            Err(why) => return Err(Trouble::lasting(why)),
        };
        if about.is_symlink() {
            return Err(Trouble::lasting("it is a link; name the file that it leads to"));
        }
        if !about.is_file() {
            return Err(Trouble::lasting("it is not a file"));
        }
        let mode = about.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = self.path.display();
            return Err(Trouble::lasting(format!(
                "others may read or write it (mode {mode:o}); run: chmod 600 {path}"
            )));
        }
        if about.len() > BYTES_MAX {
            return Err(Trouble::lasting(format!("it has more than {BYTES_MAX} bytes")));
        }
        let mut text = Zeroizing::new(String::new());
        let file = fs::File::open(&self.path).map_err(Trouble::lasting)?;
        file.take(BYTES_MAX).read_to_string(&mut text).map_err(Trouble::lasting)?;
        Ok(Content { text, owner: Some((about.uid(), about.gid())) })
    }
}

fn new_file(path: &Path) -> std::io::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// An assignment with its name, or a line of anything else. A quoted value may go over many lines.
struct Chunk<'a> {
    name: Option<&'a str>,
    text: &'a str,
}

fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line = rest.split_inclusive('\n').next().unwrap_or(rest);
        let name = assigned(line);
        let end = match name {
            Some(_) => assignment_end(rest, line.len()),
            None => line.len(),
        };
        let (chunk, after) = rest.split_at(end);
        chunks.push(Chunk { name, text: chunk });
        rest = after;
    }
    chunks
}

/// The name that a line gives a value to.
fn assigned(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    let name = name.trim_start();
    let name = name.strip_prefix("export ").map_or(name, str::trim_start);
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then_some(name)
}

/// Where an assignment ends that begins `text`, whose first line has `line` bytes.
fn assignment_end(text: &str, line: usize) -> usize {
    let start = text.find('=').map_or(line, |at| at + 1);
    let value = text[start..].trim_start_matches([' ', '\t']);
    let start = text.len() - value.len();
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return line };
    let mut escaped = false;
    for (at, c) in value.char_indices().skip(1) {
        if c == quote && !escaped {
            let closed = start + at;
            return text[closed..].find('\n').map_or(text.len(), |end| closed + end + 1);
        }
        escaped = quote == '"' && c == '\\' && !escaped;
    }
    // A quote that nobody closes is a character like others.
    line
}

/// The text with each name's value replaced where it stands, or added at the end.
fn with(text: &str, names: &[String], values: &[SecretText]) -> Zeroizing<String> {
    let mut after = Zeroizing::new(String::with_capacity(text.len() + 4_096));
    let mut left: Vec<_> = names.iter().zip(values).collect();
    for chunk in chunks(text) {
        let ours = chunk.name.is_some_and(|name| names.iter().any(|ours| ours == name));
        if !ours {
            after.push_str(chunk.text);
            continue;
        }
        // A second line of the name would win over the first.
        let place = left.iter().position(|(name, _)| chunk.name == Some(name));
        let Some((name, value)) = place.map(|place| left.remove(place)) else { continue };
        let export = chunk.text.trim_start().starts_with("export ");
        let export = if export { "export " } else { "" };
        let _ = writeln!(after, "{export}{name}={}", &*quoted(value.reveal()));
    }
    if !left.is_empty() && !after.is_empty() && !after.ends_with('\n') {
        after.push('\n');
    }
    for (name, value) in left {
        let _ = writeln!(after, "{name}={}", &*quoted(value.reveal()));
    }
    after
}

/// A value as both shells and dotenv libraries read it back.
fn quoted(value: &str) -> Zeroizing<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return Zeroizing::new(value.to_owned());
    }
    if !value.contains('\'') {
        return Zeroizing::new(format!("'{value}'"));
    }
    let mut text = Zeroizing::new(String::from('"'));
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

/// A value as it was before it was quoted.
fn unquoted(value: &str) -> String {
    if let Some(inside) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return inside.to_owned();
    }
    let Some(inside) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(before: &str) -> String {
        let names = ["ID".to_owned(), "SECRET".to_owned()];
        let values = ["i1", "s1"].map(|text| SecretText::new(text.to_owned()));
        with(before, &names, &values).to_string()
    }

    #[test]
    fn values_are_replaced_where_they_stand_and_nothing_else_changes() {
        assert_eq!(put(""), "ID=i1\nSECRET=s1\n");
        let before = "# mine\n\nexport SECRET = old\nOTHER=\"a b\" # why\n  ID='x'\n#ID=no\n";
        let after =
            "# mine\n\nexport SECRET = old\nOTHER=\"a b\" # why\nID=i1\n#ID=no\nSECRET=s1\n";
        assert_eq!(put(before), after, "with a blank before the = it is no assignment to a shell");
        assert_eq!(put("export SECRET=old\nX=1"), "export SECRET=s1\nX=1\nID=i1\n");
        assert_eq!(put("ID=1\nID=2\nSECRET=3\n"), "ID=i1\nSECRET=s1\n");
        assert_eq!(put("X=1\r\nID=2\r\n"), "X=1\r\nID=i1\nSECRET=s1\n");
    }

    #[test]
    fn a_value_of_many_lines_is_one_value() {
        let kept = "PEM=\"-----\nID=inside\n\\\"SECRET=inside\n-----\"\n";
        assert_eq!(put(kept), format!("{kept}ID=i1\nSECRET=s1\n"));
        assert_eq!(put("ID='a\nb'\nX=1\n"), "ID=i1\nX=1\nSECRET=s1\n");
        assert_eq!(put("X=it's\nID='open\nY=1\n"), "X=it's\nID=i1\nY=1\nSECRET=s1\n");
    }

    #[test]
    fn what_is_quoted_is_read_back() {
        for value in ["", "plain_1", "a b", "$x`y`", "it's", "it's \"$\\`", "é"] {
            assert_eq!(unquoted(&quoted(value)), value);
        }
        assert_eq!(&*quoted("sk_live_a1"), "sk_live_a1");
        assert_eq!(&*quoted("a$b"), "'a$b'");
        assert_eq!(&*quoted("a'$b"), "\"a'\\$b\"");
    }
}
