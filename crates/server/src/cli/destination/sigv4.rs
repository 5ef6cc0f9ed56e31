//! AWS Signature Version 4 for the one shape of request that the JSON protocol has: `POST /`.
//!
//! Source: AWS General Reference, "Signature Version 4 signing process"; its published test suite is
//! in the tests.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use keyway_domain::time::Time;
use keyway_secret::SecretText;

use crate::commands::sessions::hex;

/// Who signs.
pub(super) struct Access {
    pub(super) id: String,
    pub(super) secret: SecretText,
    /// For access that was lent for some hours.
    pub(super) session: Option<SecretText>,
}

/// Where the signature is good.
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// An instant as the header `X-Amz-Date` has it.
pub(super) fn stamp(at: Time) -> String {
    // From 2015-08-30T12:36:00Z.
    let whole = Time(at.0 - at.0 % 1_000).to_string();
    whole.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The header `Authorization` of a request with this body.
///
/// `headers` is all that is signed, in alphabetical order, with lower-case names and trimmed values;
/// among them `host` and `x-amz-date`, which has the `stamp`.
pub(super) fn authorization(
    access: &Access,
    scope: &Scope<'_>,
    stamp: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", sha256(body));
    let day = &stamp[..8];
    let place = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{place}\n{}", sha256(canonical.as_bytes()));
    let start = zeroize::Zeroizing::new(format!("AWS4{}", access.secret.reveal()));
    let steps = [day, scope.region, scope.service, "aws4_request", &to_sign];
    let signature = steps.iter().fold(start.as_bytes().to_vec(), |key, step| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &zeroize::Zeroizing::new(key));
        hmac::sign(&key, step.as_bytes()).as_ref().to_vec()
    });
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{place}, SignedHeaders={names}, Signature={}",
        access.id,
        hex(&signature)
    )
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A case of the published suite: the signature of `POST /` at 2015-08-30T12:36:00Z.
    #[track_caller]
    fn check(more: &[(&str, &str)], body: &str, names: &str, signature: &str) {
        let access = Access {
            id: "AKIDEXAMPLE".to_owned(),
            secret: SecretText::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session: None,
        };
        let stamp = stamp(Time::parse("2015-08-30T12:36:00Z").unwrap());
        assert_eq!(stamp, "20150830T123600Z");
        let mut headers = vec![("host", "example.amazonaws.com"), ("x-amz-date", &*stamp)];
        headers.extend(more);
        headers.sort_unstable();
        let scope = Scope { region: "us-east-1", service: "service" };
        let signed = authorization(&access, &scope, &stamp, &headers, body.as_bytes());
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={names}, Signature={signature}"
        );
        assert_eq!(signed, expected);
    }

    #[test]
    fn signatures_are_those_of_the_published_suite() {
        // post-vanilla
        check(
            &[],
            "",
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        );
        // post-x-www-form-urlencoded
        check(
            &[("content-type", "application/x-www-form-urlencoded")],
            "Param1=value1",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        );
        // post-sts-header-before
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqw\
            AeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampK\
            sburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPP\
            kUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        check(
            &[("x-amz-security-token", token)],
            "",
            "host;x-amz-date;x-amz-security-token",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        );
    }
}
