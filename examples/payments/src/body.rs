//! Reading a body: at most 64 KiB, within ten seconds, a JSON object.

use std::time::Duration;

use axum::body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use crate::refusal::Refusal;

const BODY_BYTES_MAX: usize = 64 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the body to its end. No body at all is an empty object.
pub(crate) async fn read(body: Body) -> Result<Map<String, Value>, Refusal> {
    let whole = Limited::new(body, BODY_BYTES_MAX).collect();
    let Ok(read) = tokio::time::timeout(BODY_TIMEOUT, whole).await else {
        return Err(Refusal::TooSlow);
    };
    let bytes = read.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Refusal::TooLarge(BODY_BYTES_MAX)
        } else {
            Refusal::Malformed("it broke off".to_owned())
        }
    })?;
    let bytes = bytes.to_bytes();
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&bytes).map_err(|error| Refusal::Malformed(error.to_string()))
}
