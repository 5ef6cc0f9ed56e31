//! What an endpoint answered, cut to what a delivery log keeps.

use std::error::Error;
use std::io;
use std::time::UNIX_EPOCH;

use http::header::{CONTENT_LENGTH, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use keyway_domain::limits::{
    OUTBOUND_ANSWER_BYTES_MAX, OUTBOUND_SHOWN_BYTES_MAX, RETRY_AFTER_MS_MAX,
};
use keyway_domain::time::Time;

use super::trouble::Trouble;

/// An answer, whatever its status: a redirect is an answer too, and is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The pause that the endpoint asks for, from 0 to [`RETRY_AFTER_MS_MAX`].
    pub retry_after_ms: Option<i64>,
    /// Headers to show, without those that hold credentials.
    pub headers: Vec<(String, String)>,
    /// The body as text, in which nothing is invisible. What was compressed stays so.
    pub body: String,
    /// Whether the body was longer than what is kept of it.
    pub truncated: bool,
}

impl Answer {
    /// Reads the answer's body, as much as is kept of it.
    pub(super) async fn read(response: Response<Incoming>, now: Time) -> Result<Self, Trouble> {
        let (head, body) = response.into_parts();
        let ends_with_connection = !head.headers.contains_key(CONTENT_LENGTH)
            && !head.headers.contains_key(TRANSFER_ENCODING);
        let (bytes, cut) = read_body(body, ends_with_connection).await?;
        let mut body = visible(&String::from_utf8_lossy(&bytes));
        let fits = body.floor_char_boundary(OUTBOUND_ANSWER_BYTES_MAX);
        let truncated = cut || fits < body.len();
        body.truncate(fits);
        let retry_after = head.headers.get(RETRY_AFTER);
        Ok(Self {
            status: head.status.as_u16(),
            retry_after_ms: retry_after.and_then(|value| retry_after_ms(value, now)),
            headers: shown(&head.headers),
            body,
            truncated,
        })
    }
}

/// The bytes that are kept, and whether there were more.
async fn read_body(
    mut body: Incoming,
    ends_with_connection: bool,
) -> Result<(Vec<u8>, bool), Trouble> {
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            // Many a server just hangs up where TLS wants a farewell. If nothing else could tell
            // us the length, then what came may be all, and the status says what matters.
            Err(error) if ends_with_connection && hung_up(&error) => return Ok((kept, true)),
            Err(error) => match Trouble::of_exchange(&error) {
                // Too much of what is not body, such as chunks of one byte: read no further.
                Trouble::TooLarge => return Ok((kept, true)),
                trouble => return Err(trouble),
            },
        };
        let Some(data) = frame.data_ref() else { continue };
        let room = OUTBOUND_ANSWER_BYTES_MAX - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((kept, true));
        }
    }
    Ok((kept, false))
}

fn hung_up(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

/// `Retry-After` in seconds or as a date; what is neither is ignored.
fn retry_after_ms(value: &HeaderValue, now: Time) -> Option<i64> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit are a very long pause.
        let seconds = text.parse::<i64>().unwrap_or(i64::MAX);
        return Some(seconds.saturating_mul(1_000).min(RETRY_AFTER_MS_MAX));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Some(at_ms.saturating_sub(now.0).clamp(0, RETRY_AFTER_MS_MAX))
}

/// Headers for a delivery log: no credentials, and no more than [`OUTBOUND_SHOWN_BYTES_MAX`].
fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut left = OUTBOUND_SHOWN_BYTES_MAX;
    let mut shown = Vec::new();
    for (name, value) in headers {
        if holds_credentials(name, value) {
            continue;
        }
        let text = visible(&String::from_utf8_lossy(value.as_bytes()));
        let bytes = name.as_str().len() + text.len();
        // The rest may still fit: one long header does not hide those behind it.
        if let Some(less) = left.checked_sub(bytes) {
            left = less;
            shown.push((name.as_str().to_owned(), text));
        }
    }
    shown
}

fn holds_credentials(name: &HeaderName, value: &HeaderValue) -> bool {
    const NAMES: [&str; 9] =
        ["cookie", "auth", "token", "secret", "api-key", "apikey", "password", "session", "csrf"];
    const SCHEMES: [&[u8]; 3] = [b"bearer ", b"basic ", b"digest "];
    let starts = |scheme: &&[u8]| {
        value.as_bytes().get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    NAMES.iter().any(|word| name.as_str().contains(word)) || SCHEMES.iter().any(starts)
}

/// The text with every control character made visible, and without those that turn the direction
/// of writing: what is read in a log is what was sent.
fn visible(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            // Unicode has a picture for each.
            '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
            '\x7f' => '\u{2421}',
            '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(text: &str) -> Option<i64> {
        // 1994-11-06T08:49:37Z
        retry_after_ms(&HeaderValue::from_str(text).unwrap(), Time(784_111_777_000))
    }

    #[test]
    fn a_pause_is_read_in_seconds_and_as_a_date_and_is_bounded() {
        assert_eq!(pause("120"), Some(120_000));
        assert_eq!(pause(" 0 "), Some(0));
        assert_eq!(pause("999999999"), Some(RETRY_AFTER_MS_MAX));
        assert_eq!(pause("99999999999999999999999999"), Some(RETRY_AFTER_MS_MAX));
        assert_eq!(pause("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60_000));
        assert_eq!(pause("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60_000));
        assert_eq!(pause("Sun Nov  6 08:50:37 1994"), Some(60_000));
        assert_eq!(pause("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(pause("Fri, 31 Dec 9999 23:59:59 GMT"), Some(RETRY_AFTER_MS_MAX));
        for ignored in ["", "-5", "1.5", "soon", "1e9", "+3", "0x10", "Sun, 99 Nov 1994 08:49:37"] {
            assert_eq!(pause(ignored), None, "{ignored}");
        }
    }

    #[test]
    fn nothing_is_invisible() {
        assert_eq!(visible("a\r\nb\tc\0d\u{1b}[31m\re\u{7f}"), "a\nb\tc␀d␛[31m␍e␡");
        assert_eq!(visible("x\u{202e}y\u{9b}z\u{feff}é漢"), "x\u{fffd}y\u{fffd}z\u{fffd}é漢");
    }

    #[test]
    fn shown_headers_hold_no_credentials_and_are_bounded() {
        let mut headers = HeaderMap::new();
        let mut add = |name: &'static str, value: &str| {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        };
        for (name, value) in [
            ("set-cookie", "sid=1"),
            ("set-cookie2", "sid=1"),
            ("www-authenticate", "Basic"),
            ("authorization", "x"),
            ("proxy-authorization", "x"),
            ("x-csrf-token", "x"),
            ("x-api-key", "x"),
            ("x-echo", "bEaReR abc"),
            ("x-echo", "Basic YTpi"),
        ] {
            add(name, value);
        }
        add("x-long", &"a".repeat(OUTBOUND_SHOWN_BYTES_MAX));
        add("content-type", "text/plain");
        add("x-two", "1");
        add("x-two", "2");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [pair("content-type", "text/plain"), pair("x-two", "1"), pair("x-two", "2")];
        assert_eq!(shown(&headers), expected);
    }
}
