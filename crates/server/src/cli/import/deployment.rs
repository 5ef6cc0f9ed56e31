//! A whole deployment, from a file to a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyway_store::Target;
use keyway_store::transfer::{Progress, transfer};
use serde_json::{Value, json};

use crate::cli::data::lock;
use crate::cli::output::Output;
use crate::cli::{Failure, secret_file};

pub(super) fn run(
    from: &str,
    to: &str,
    password_file: Option<&Path>,
    output: &Output,
) -> Result<(), Failure> {
    let place = from.strip_prefix("sqlite:").ok_or_else(|| {
        Failure("--from: write sqlite: and the data folder, such as sqlite:keyway-data".to_owned())
    })?;
    let (folder, file) = folder_and_file(Path::new(place));
    if !file.is_file() {
        return Err(Failure(format!("--from: there is no {}", file.display())));
    }
    // Whoever runs on the folder would write on while it is read.
    let _lock = lock(&folder)?;
    let password = password_file.map(secret_file).transpose()?;
    let target = Target::parse(to, password.as_ref(), None);
    let target = Arc::new(target.map_err(|error| Failure(format!("--to: {error}")))?);
    let moved = transfer(&file, &target, |Progress { table, done, of }| {
        output.progress(&format!("{table}: {done} of {of}"));
    })?;
    let rows: u64 = moved.iter().map(|table| table.rows).sum();
    let tables: Vec<Value> = moved
        .iter()
        .map(|table| {
            let digest: String = table.digest.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "table": table.table, "rows": table.rows, "sha256": digest })
        })
        .collect();
    output.value(&json!({ "to": target.named(), "rows": rows, "tables": tables }));
    output.line(format!(
        "{rows} rows in {} tables are on {}, the same as in the file.",
        moved.len(),
        target.named()
    ));
    output.line(format!(
        "Start nodes with --database and the root key of {}; keep the folder until they run.",
        folder.display()
    ));
    Ok(())
}

fn folder_and_file(place: &Path) -> (PathBuf, PathBuf) {
    if place.is_dir() {
        return (place.to_owned(), place.join("keyway.db"));
    }
    let folder = place.parent().map_or_else(PathBuf::new, Path::to_owned);
    (folder, place.to_owned())
}
