//! `keyway doctor`: looks at everything that can be wrong, and says what to do.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use keyway_domain::time::Time;
use serde_json::json;
use tokio::net::{TcpListener, UnixStream};

use super::Failure;
use super::data::Data;
use super::output::Output;
use crate::app::Site;
use crate::clock::{Clock as _, SystemClock};
use crate::schemes;

/// Arguments of `keyway doctor`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: Data,
    /// The address that `keyway serve` would listen on.
    #[arg(long, env = "KEYWAY_LISTEN", default_value = "127.0.0.1:7410")]
    listen: SocketAddr,
    /// And its internal one.
    #[arg(long, env = "KEYWAY_INTERNAL_LISTEN", default_value = "127.0.0.1:7411")]
    internal_listen: SocketAddr,
}

struct Finding {
    what: &'static str,
    found: Result<String, String>,
}

pub(crate) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let running = UnixStream::connect(args.data.socket()).await.is_ok();
    let mut findings = vec![
        Finding { what: "scheme", found: scheme(&args.data) },
        Finding { what: "folder", found: folder(&args.data) },
        Finding { what: "root key", found: root_key(&args.data) },
        Finding { what: "clock", found: clock() },
    ];
    if running {
        let found = Ok("a server runs on this folder and answers".to_owned());
        findings.push(Finding { what: "server", found });
    } else {
        findings.push(Finding { what: "database", found: database(&args.data).await });
        for (what, address) in [("port", args.listen), ("internal port", args.internal_listen)] {
            findings.push(Finding { what, found: port(address).await });
        }
    }
    let bad = findings.iter().filter(|finding| finding.found.is_err()).count();
    let rows: Vec<_> = findings
        .iter()
        .map(|finding| {
            let (Ok(text) | Err(text)) = &finding.found;
            json!({ "check": finding.what, "ok": finding.found.is_ok(), "said": text })
        })
        .collect();
    output.value(&json!({ "ok": bad == 0, "checks": rows }));
    for finding in &findings {
        let (mark, text) = match &finding.found {
            Ok(text) => ("ok ", text),
            Err(text) => ("BAD", text),
        };
        output.line(format!("{mark}  {:13}  {text}", finding.what));
    }
    if bad == 0 { Ok(()) } else { Err(Failure(format!("{bad} of {} checks failed", rows.len()))) }
}

fn scheme(data: &Data) -> Result<String, String> {
    let name = data.scheme_name().map_err(|Failure(what)| what)?;
    schemes::load(&name).map(|scheme| format!("{name}: {} kinds", scheme.kinds.len()))
}

fn folder(data: &Data) -> Result<String, String> {
    let path = data.data.display();
    let meta = std::fs::metadata(&data.data)
        .map_err(|error| format!("{path}: {error}; `keyway serve` makes it"))?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("{path} is open to others (mode {mode:o}); run: chmod 700 {path}"));
    }
    Ok(format!("{path}, for its owner only"))
}

fn root_key(data: &Data) -> Result<String, String> {
    let file = data.key_file();
    if !file.exists() && !data.database().exists() {
        return Ok("none yet; `keyway serve` makes one".to_owned());
    }
    data.root_key().map_err(|Failure(what)| what)?;
    Ok(format!("{}; keep a copy of it apart from the database", file.display()))
}

/// No release was made before this instant, so a clock that shows less is wrong.
const RELEASED: &str = "2026-11-01T00:00:00Z";

fn clock() -> Result<String, String> {
    let now = SystemClock.now();
    let wrong = Time::parse(RELEASED).is_none_or(|released| now < released);
    if wrong {
        return Err(format!("it shows {now}, before this program was made; set it (NTP)"));
    }
    Ok(format!("it shows {now}"))
}

async fn database(data: &Data) -> Result<String, String> {
    if !data.database().exists() {
        return Ok("none yet; `keyway serve` makes it".to_owned());
    }
    let (app, _lock) = data.open(Site::default()).await.map_err(|Failure(what)| what)?;
    let checked = app.db.check().await.map_err(|error| error.to_string())?;
    if checked != "ok" {
        return Err(format!("damaged: {checked}; restore a backup"));
    }
    let refused = app.refused_rows.load(std::sync::atomic::Ordering::Relaxed);
    if refused > 0 {
        return Err(format!(
            "{refused} credentials fail their seal and are refused: rows were edited outside \
             Keyway; the log names them"
        ));
    }
    Ok(format!("whole; {} secrets", app.platform.engine.index.len()))
}

async fn port(address: SocketAddr) -> Result<String, String> {
    match TcpListener::bind(address).await {
        Ok(_) => Ok(format!("{address} is free")),
        Err(error) => Err(format!("{address}: {error}; choose another with --listen")),
    }
}
