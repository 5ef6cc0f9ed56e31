//! Pages: how long the server takes for one in a full account, and whether the time of a refused
//! sign-in tells who is there.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt as _;
use keyway_coherence::Terms;
use keyway_domain::credential::Status;
use keyway_domain::limits::CREDENTIALS_PER_ACCOUNT_MAX;
use keyway_domain::time::Time;
use keyway_server::app::{App, Opening, SignUp, Site};
use keyway_server::clock::{Clock as _, SystemClock};
use keyway_server::http::{Call, pages};
use keyway_store::{Db, DbError, Options, credentials, members, tries};

use crate::fill::{Maker, Temporary};
use crate::report::{Report, Row};
use crate::stats::{count, median, nanoseconds, say_nanoseconds};
use crate::{Failure, Plan};

const PASSWORD: &str = "seventeen-brown-otters-nap";
const EMAIL: &str = "ada%40bench.example";
/// Requests of each page in a round.
const REQUESTS: usize = 100;

/// A browser that needs no socket: what is measured is the page.
struct Browser {
    app: Arc<App>,
    cookies: String,
}

impl Browser {
    async fn send(&mut self, method: Method, target: &str, body: &str) -> (u16, Bytes) {
        let mut headers = HeaderMap::new();
        if let Ok(cookies) = HeaderValue::try_from(self.cookies.as_str()) {
            headers.insert("cookie", cookies);
        }
        let call = Call {
            app: Arc::clone(&self.app),
            method,
            uri: target.parse().unwrap_or_default(),
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
            address: Some([127, 0, 0, 1].into()),
            params: HashMap::new(),
            takes_away: false,
            query: HashMap::new(),
            made_under: None,
            request_id: "req_bench".to_owned(),
        };
        let reply = pages::serve(call).await;
        for cookie in reply.headers().get_all("set-cookie") {
            let text = cookie.to_str().unwrap_or_default();
            let pair = text.split(';').next().unwrap_or_default();
            self.cookies = format!("{}{pair}; ", self.cookies);
        }
        let status = reply.status().as_u16();
        let body = reply.into_body().collect().await.map(http_body_util::Collected::to_bytes);
        (status, body.unwrap_or_default())
    }
}

pub(crate) fn measure(plan: &Plan, report: &mut Report) -> Result<(), Failure> {
    let folder = Temporary::new("pages")?;
    let mut maker = Maker::new("xendit")?;
    let opening = Opening {
        scheme: (*maker.scheme).clone(),
        root: maker.root.clone(),
        clock: Arc::new(SystemClock),
        terms: Terms::default(),
        node_name: String::new(),
        site: Site { sign_up: SignUp::Open, ..Site::default() },
        starting: Arc::default(),
    };
    crate::runtime()?.block_on(async {
        let options = Options { readers: 2, durable: false, ..Options::default() };
        let db = Db::open(&folder.0.join("keyway.db"), &options)?;
        let app = App::open(db, opening).await?;
        let mut browser = Browser { app: Arc::clone(&app), cookies: String::new() };
        let form = format!("company=Bench&name=Ada&email={EMAIL}&password={PASSWORD}&once=1");
        let (status, _) = browser.send(Method::POST, "/sign-up", &form).await;
        if status != 303 {
            return Err(format!("signing up answered {status}").into());
        }
        let last = fill(&app, &mut maker).await?;
        render(plan, report, &mut browser, &last).await?;
        sign_in(plan, report, &app).await
    })
}

/// Fills the account up; the path of one of its credentials.
async fn fill(app: &Arc<App>, maker: &mut Maker) -> Result<String, Failure> {
    let seals = app.platform.rules.seals.clone();
    let email = keyway_domain::member::Email::parse("ada@bench.example").ok_or("an address")?;
    let owner = app.db.read(move |tx| members::find_by_email(tx, &seals, &email)).await?;
    let account = owner.ok_or("the owner is there")?.account;
    let room = usize::try_from(CREDENTIALS_PER_ACCOUNT_MAX)?;
    let made: Vec<_> =
        (0..room).map(|place| maker.make(place, account, Status::Live).credential).collect();
    let path = made.last().map(|last| format!("/live/keys/{}", last.id)).unwrap_or_default();
    let rules = app.platform.rules.clone();
    let write = app.db.write(SystemClock.now(), move |tx| {
        made.iter().try_for_each(|credential| credentials::insert(tx, &rules, credential))?;
        Ok::<_, DbError>(())
    });
    write.await?;
    Ok(path)
}

async fn render(
    plan: &Plan,
    report: &mut Report,
    browser: &mut Browser,
    one: &str,
) -> Result<(), Failure> {
    let edit = format!("{one}/edit");
    let targets = [
        ("the list", "/live/keys"),
        ("the list, searched", "/live/keys?q=key+77"),
        ("the list, by name", "/live/keys?sort=name"),
        ("one credential", one),
        ("its access, to edit", &edit),
        ("creating one", "/live/keys/new?kind=secret"),
        ("the audit log", "/audit"),
        ("the team", "/team"),
        ("sign-in security", "/you"),
        ("the list, once more", "/live/keys"),
    ];
    for (what, target) in targets {
        let first = Instant::now();
        let (status, page) = browser.send(Method::GET, target, "").await;
        let first = nanoseconds(first.elapsed());
        if status != 200 {
            return Err(format!("{target} answered {status}").into());
        }
        let mut rounds = Vec::new();
        for _ in 0..plan.rounds() {
            let started = Instant::now();
            for _ in 0..REQUESTS {
                black_box(browser.send(Method::GET, target, "").await);
            }
            rounds.push(count(usize::try_from(nanoseconds(started.elapsed()))?) / count(REQUESTS));
        }
        report.add(Row {
            section: "pages",
            what: format!("{what}, 10,000 credentials in the account"),
            figure: say_nanoseconds(median(rounds)),
            note: format!(
                "{} bytes; the first time {}",
                page.len(),
                say_nanoseconds(count(usize::try_from(first)?))
            ),
            ..Row::default()
        });
    }
    Ok(())
}

/// Refused sign-ins of somebody who is there and of somebody who is not, by turns.
async fn sign_in(plan: &Plan, report: &mut Report, app: &Arc<App>) -> Result<(), Failure> {
    let pairs = if plan.quick { 60 } else { 300 };
    let mut times = [Vec::new(), Vec::new()];
    for pair in 0..pairs {
        let mut turns = [(0, EMAIL), (1, "eve%40bench.example")];
        // Who comes second finds the caches warm: each is second as often.
        turns.rotate_left(pair % 2);
        for (place, email) in turns {
            let mut stranger = Browser { app: Arc::clone(app), cookies: String::new() };
            let form = format!("email={email}&password=not-the-one-that-it-is");
            let started = Instant::now();
            let (status, _) = stranger.send(Method::POST, "/sign-in", &form).await;
            times[place].push(count(usize::try_from(nanoseconds(started.elapsed()))?));
            if status != 401 {
                return Err(format!("a wrong password answered {status}").into());
            }
        }
        // Else the eleventh would be told to wait.
        app.db.write(SystemClock.now(), |tx| tries::prune(tx, Time::NEVER).map(drop)).await?;
    }
    let [known, unknown] = times.map(median);
    report.add(Row {
        section: "pages",
        what: "a refused sign-in of somebody who is there, and of nobody".to_owned(),
        figure: format!("{} and {}", say_nanoseconds(known), say_nanoseconds(unknown)),
        note: format!(
            "medians of {pairs} each, by turns: {:+.2} %",
            (known - unknown) * 100.0 / unknown
        ),
        ..Row::default()
    });
    Ok(())
}
