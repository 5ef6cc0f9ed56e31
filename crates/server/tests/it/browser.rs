//! A browser without script: cookies, pages, forms filled in and sent as they stand in the HTML.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use keyway_domain::actor::Role;
use keyway_domain::id::AccountId;
use keyway_domain::member::Email;
use keyway_domain::time::Time;
use keyway_secret::SecretText;
use keyway_server::authenticator;
use keyway_server::commands::newcomers;

use crate::harness::{Answer, Keyway, send_raw};

/// Everybody's password, unless a test says otherwise.
pub(crate) const PASSWORD: &str = "seven copper kettles on a moor";
pub(crate) const WRONG: &str = "seven copper kettles on a boat";

#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) to: SocketAddr,
    pub(crate) cookies: BTreeMap<String, String>,
}

/// A start tag, and the text that follows it.
#[derive(Debug)]
pub(crate) struct Tag<'t> {
    pub(crate) name: &'t str,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Tag<'_> {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The tags of a page: our pages escape `<` and `>` wherever they stand for themselves.
pub(crate) fn tags(html: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    for part in html.split('<').skip(1) {
        let Some((inside, text)) = part.split_once('>') else { continue };
        let name = inside.split([' ', '\n']).next().unwrap_or("");
        let mut attributes = Vec::new();
        let mut rest = inside[name.len()..].trim_start();
        while !rest.is_empty() {
            let end = rest.find(['=', ' ']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            let (value, after) = match after.strip_prefix("=\"") {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => ("", after),
            };
            attributes.push((key.to_owned(), unescaped(value)));
            rest = after.trim_start();
        }
        tags.push(Tag { name, attributes, text: unescaped(text) });
    }
    tags
}

/// The text of the element with this id.
pub(crate) fn text_of(html: &str, id: &str) -> Option<String> {
    let tag = tags(html).into_iter().find(|tag| tag.attribute("id") == Some(id))?;
    Some(tag.text.trim().to_owned())
}

/// A form as a browser would send it: what is filled in beforehand, and what a test types.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    /// The form of a page that is sent to `action`.
    pub(crate) fn find(html: &str, page: &str, action: &str) -> Option<Self> {
        let mut open: Option<Self> = None;
        let mut select: Option<(String, Option<String>, bool)> = None;
        for tag in tags(html) {
            let value = |name: &str| tag.attribute(name).unwrap_or("").to_owned();
            match (tag.name, &mut open) {
                ("form", _) => {
                    let to = tag.attribute("action").unwrap_or(page).to_owned();
                    let ours = tag.attribute("method") == Some("post") && to == action;
                    open = ours.then_some(Self { action: to, fields: Vec::new() });
                }
                ("/form", Some(_)) => return open,
                ("input", Some(form)) => {
                    let ticked = tag.attribute("checked").is_some();
                    let sent = match tag.attribute("type").unwrap_or("text") {
                        "radio" | "checkbox" => ticked,
                        "password" => false,
                        _ => tag.attribute("name") != Some("code"),
                    };
                    if sent && !value("name").is_empty() {
                        form.fields.push((value("name"), value("value")));
                    }
                }
                ("textarea", Some(form)) => form.fields.push((value("name"), tag.text.clone())),
                ("select", Some(_)) => select = Some((value("name"), None, false)),
                ("option", Some(_)) => {
                    if let Some((_, chosen, sure)) = &mut select {
                        let this = tag.attribute("selected").is_some();
                        if this || (chosen.is_none() && !*sure) {
                            *chosen = Some(value("value"));
                            *sure |= this;
                        }
                    }
                }
                ("/select", Some(form)) => {
                    if let Some((name, Some(chosen), _)) = select.take() {
                        form.fields.push((name, chosen));
                    }
                }
                _ => {}
            }
        }
        None
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn body(&self) -> String {
        let pairs: Vec<String> = self
            .fields
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        pairs.join("&")
    }
}

pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

impl Browser {
    /// A browser that has never been here.
    pub(crate) fn new(keyway: &Keyway) -> Self {
        Self { to: keyway.public, cookies: BTreeMap::new() }
    }

    /// The bytes of a request from this browser.
    pub(crate) fn bytes(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Vec<u8> {
        let to = self.to;
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            request.push_str(&format!("host: {to}\r\n"));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request.push_str(&format!("cookie: {}\r\n", pairs.join("; ")));
        }
        if method == "POST" {
            request.push_str("content-type: application/x-www-form-urlencoded\r\n");
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body);
        request.into_bytes()
    }

    /// Sends a request and keeps the cookies of the answer.
    pub(crate) async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let answer = send_raw(self.to, &self.bytes(method, path, headers, body)).await;
        for line in answer.head.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let cookie = value.trim().split(';').next().and_then(|pair| pair.split_once('='));
            if let Some((key, value)) = cookie.filter(|_| name.eq_ignore_ascii_case("set-cookie")) {
                if value.is_empty() {
                    self.cookies.remove(key);
                } else {
                    self.cookies.insert(key.to_owned(), value.to_owned());
                }
            }
        }
        answer
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    /// Opens a page and takes the form on it that is sent to the page itself.
    pub(crate) async fn form(&mut self, path: &str) -> Form {
        let to = path.split('?').next().unwrap_or(path);
        self.form_to(path, to).await
    }

    /// Opens a page and takes the form on it that is sent to `action`.
    pub(crate) async fn form_to(&mut self, path: &str, action: &str) -> Form {
        let page = self.get(path).await.expect(200);
        let to = path.split('?').next().unwrap_or(path);
        Form::find(&page.text, to, action).unwrap_or_else(|| panic!("{path} has no form\n{page:?}"))
    }

    pub(crate) async fn submit(&mut self, form: &Form) -> Answer {
        self.request("POST", &form.action, &[("sec-fetch-site", "same-origin")], &form.body()).await
    }

    /// The bytes of a form that is sent, for a connection in the test's hand.
    pub(crate) fn submission(&self, form: &Form) -> Vec<u8> {
        self.bytes("POST", &form.action, &[("sec-fetch-site", "same-origin")], &form.body())
    }

    /// What every form of this session carries.
    pub(crate) async fn csrf(&mut self) -> String {
        let form = self.form_to("/you", "/sign-out").await;
        form.value("csrf").expect("a mark").to_owned()
    }

    /// A form as a program makes it up, with the session's own mark.
    pub(crate) async fn made_up(&mut self, action: &str) -> Form {
        let csrf = self.csrf().await;
        let form = Form { action: action.to_owned(), fields: Vec::new() };
        form.with("csrf", csrf).with("once", "made-up")
    }

    /// Registers an account and is signed in as its owner.
    pub(crate) async fn sign_up(keyway: &Keyway, email: &str) -> Self {
        let mut browser = Self::new(keyway);
        let form = browser.form("/sign-up").await;
        let form = form.with("company", "Toko Kopi").with("name", "Ada Lovelace");
        let form = form.with("email", email).with("password", PASSWORD);
        let done = browser.submit(&form).await.expect(303);
        assert_eq!(done.header("location"), Some("/live/keys"));
        browser
    }

    /// Joins an account as somebody, by an invitation.
    pub(crate) async fn join(keyway: &Keyway, account: &str, role: Role, email: &str) -> Self {
        let mut browser = Self::new(keyway);
        let path = format!("/join/{}", invite(keyway, account, role, email).await.reveal());
        let form = browser.form(&path).await;
        let form = form.with("name", format!("The {}", role.as_str())).with("password", PASSWORD);
        browser.submit(&form).await.expect(303);
        browser
    }

    /// Gives email and password.
    pub(crate) async fn password(&mut self, email: &str, password: &str) -> Answer {
        let form = self.form("/sign-in").await;
        self.submit(&form.with("email", email).with("password", password)).await
    }

    /// Signs in as somebody without an authenticator, in a browser that is new.
    pub(crate) async fn sign_in(keyway: &Keyway, email: &str) -> Self {
        let mut browser = Self::new(keyway);
        let done = browser.password(email, PASSWORD).await.expect(303);
        assert_eq!(done.header("location"), Some("/live/keys"));
        browser
    }

    /// Gives the code that a sign-in asks for.
    pub(crate) async fn code(&mut self, code: &str) -> Answer {
        let form = self.form("/sign-in/code").await;
        self.submit(&form.with("code", code)).await
    }

    /// Sets up an authenticator whose clock is ahead by so much; its seed and the recovery codes.
    pub(crate) async fn enrol(&mut self, keyway: &Keyway, ahead_ms: i64) -> (Phone, Vec<String>) {
        let page = self.get("/you/authenticator").await.expect(200);
        let seed = text_of(&page.text, "seed-text").expect("a seed is shown").replace(' ', "");
        let phone = Phone { seed: SecretText::new(seed), ahead_ms };
        let path = "/you/authenticator";
        let form = Form::find(&page.text, path, path).expect("a form");
        let form = form.with("password", PASSWORD).with("code", phone.code(keyway.app.now()));
        let done = self.submit(&form).await.expect(303);
        let shown = self.get(done.header("location").expect("a page")).await.expect(200);
        let list = tags(&shown.text).into_iter().skip_while(|t| t.attribute("id") != Some("codes"));
        let codes = list.skip(1).take_while(|tag| tag.name != "/ul").filter(|t| t.name == "li");
        (phone, codes.map(|tag| tag.text.trim().to_owned()).collect())
    }
}

/// An authenticator app.
#[derive(Clone)]
pub(crate) struct Phone {
    pub(crate) seed: SecretText,
    pub(crate) ahead_ms: i64,
}

impl Phone {
    pub(crate) fn code(&self, now: Time) -> String {
        authenticator::code(&self.seed, now.plus_ms(self.ahead_ms)).expect("a code")
    }
}

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).expect("an address")
}

/// A link that lets somebody into an account; its token.
pub(crate) async fn invite(keyway: &Keyway, account: &str, role: Role, to: &str) -> SecretText {
    let moment = keyway.app.own_moment();
    let account = AccountId::parse(account).expect("an account's id");
    let (now, to) = (moment.now, email(to));
    let invited =
        keyway.app.db.write(now, move |tx| newcomers::invite(tx, &moment, account, &to, role));
    invited.await.expect("an invitation").token
}

/// Who signs in with an address.
pub(crate) async fn member(keyway: &Keyway, address: &str) -> keyway_domain::member::Member {
    let (seals, to) = (keyway.app.platform.rules.seals.clone(), email(address));
    let find =
        move |tx: &mut keyway_store::Tx<'_>| keyway_store::members::find_by_email(tx, &seals, &to);
    keyway.app.db.read(find).await.expect("it is read").expect("a member")
}

/// The account of somebody.
pub(crate) async fn account_of(keyway: &Keyway, address: &str) -> String {
    member(keyway, address).await.account.to_string()
}
