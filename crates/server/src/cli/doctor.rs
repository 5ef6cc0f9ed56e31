//! `keyway doctor`: looks at everything that can be wrong, and says what to do.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use keyway_domain::time::Time;
use serde_json::{Value, json};
use tokio::net::{TcpListener, UnixStream};

use super::Failure;
use super::client::Client;
use super::data::Data;
use super::output::Output;
use super::serve::MailServer;
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
    #[command(flatten)]
    mail: MailServer,
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
        findings.extend(telling(&args.data).await);
    } else {
        findings.push(Finding { what: "database", found: database(&args.data).await });
        for (what, address) in [("port", args.listen), ("internal port", args.internal_listen)] {
            findings.push(Finding { what, found: port(address).await });
        }
    }
    if let Some(found) = mail_server(&args).await {
        findings.push(Finding { what: "mail server", found });
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
    if !file.exists() && !data.is_there() {
        return Ok("none yet; `keyway serve` makes one".to_owned());
    }
    data.root_key(data.is_there()).map_err(|Failure(what)| what)?;
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
    if !data.is_there() {
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

/// Whether the mail server answers, if one is named.
async fn mail_server(args: &Args) -> Option<Result<String, String>> {
    let post = match args.mail.post(args.data.data.join("mailbox")) {
        Ok(post) => post,
        Err(Failure(what)) => return Some(Err(what)),
    };
    let server = post.server?;
    Some(match server.check().await {
        Ok(()) => Ok(format!("{server:?} answers, and takes our mail")),
        Err(why) => Err(format!("{server:?}: {why}; letters wait, and are tried for three days")),
    })
}

/// How the running server's mail and webhooks go.
async fn telling(data: &Data) -> Vec<Finding> {
    let status = match Client::connect(data).await {
        Ok(client) => client.get("/v1/status").await,
        Err(failure) => Err(failure),
    };
    let status = match status {
        Ok(status) => status,
        Err(Failure(what)) => return vec![Finding { what: "status", found: Err(what) }],
    };
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let mail = &status["mail"];
    let (waiting, refused) = (number(&mail["waiting"]), number(&mail["refused"]));
    let given_up = number(&mail["given_up"]).saturating_sub(refused);
    let to = match mail["to"].as_str() {
        Some("server") => "they go to a mail server (name it with --smtp to try it)",
        Some("folder") => "they are put into a folder (--smtp of `serve` names a server)",
        _ => "nobody takes them (--smtp of `serve` names a server)",
    };
    let said = format!(
        "{waiting} letters wait; in 30 days {given_up} were given up, and {refused} refused for \
         good; {to}"
    );
    // An address that does not exist is one letter's trouble, not the mail's.
    let mail_found = match mail["trouble"].as_str().filter(|_| waiting + given_up > 0) {
        Some(why) => Err(format!("{said}: {why}")),
        None => Ok(said),
    };
    let events = number(&status["events_waiting"]);
    let hooks = &status["webhooks"];
    let (waiting, off) = (number(&hooks["waiting"]), number(&hooks["endpoints_off"]));
    let hooks_found = match hooks["trouble"].as_str() {
        Some(why) => Err(why.to_owned()),
        None => Ok(format!(
            "{waiting} wait; {off} endpoints are switched off because nothing arrived there, or \
             because they are gone"
        )),
    };
    let told = Ok(format!("{events} wait to be told"));
    let store = match status["store_well"].as_bool() {
        Some(false) => Err("the last write did not reach it: is the disk full, or locked?".into()),
        _ => Ok("the last write reached it".to_owned()),
    };
    vec![
        Finding { what: "database", found: store },
        Finding { what: "events", found: told },
        Finding { what: "mail", found: mail_found },
        Finding { what: "webhooks", found: hooks_found },
    ]
}

async fn port(address: SocketAddr) -> Result<String, String> {
    match TcpListener::bind(address).await {
        Ok(_) => Ok(format!("{address} is free")),
        Err(error) => Err(format!("{address}: {error}; choose another with --listen")),
    }
}
