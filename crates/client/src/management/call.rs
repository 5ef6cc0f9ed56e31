//! One call: its key, its retries, its answer.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use keyway_guard::{Node, NodeError};
use keyway_secret::{Entropy as _, OsEntropy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::error::{ManagementError, Problem};

const TIMEOUT: Duration = Duration::from_secs(10);
const RETRIES: u32 = 2;
/// Before the first retry; twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A page of two hundred credentials is below this.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Clone)]
pub(super) struct Caller {
    node: Node,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pub(super) key: Option<String>,
}

pub(super) fn body(value: &impl Serialize) -> Result<Bytes, ManagementError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(ManagementError::NotJson)
}

impl Caller {
    pub(super) fn new(node: Node) -> Self {
        Self { node, timeout: TIMEOUT, retries: RETRIES, key: None }
    }

    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<T, ManagementError> {
        let own = || format!("{:032x}", OsEntropy.u128());
        let key = body.is_some().then(|| self.key.clone().unwrap_or_else(own));
        let mut pause = FIRST_PAUSE;
        for tried in 0.. {
            let called = keyway_guard::Call {
                method: method.clone(),
                path,
                key: key.as_deref(),
                body: body.clone().unwrap_or_default(),
            };
            match self.node.call(called, ANSWER_BYTES_MAX, self.timeout).await {
                Ok(answer) => {
                    return serde_json::from_slice(&answer)
                        .map_err(|error| NodeError::from(error).into());
                }
                Err(error) if tried < self.retries && may_be_asked_again(&error) => {
                    tracing::debug!(%error, path, "the call is sent again");
                }
                Err(NodeError::Refused { status, body }) => {
                    return Err(ManagementError::Refused(Box::new(Problem::read(status, &body))));
                }
                Err(error) => return Err(error.into()),
            }
            sleep(pause).await;
            pause *= 2;
        }
        unreachable!("the loop ends with its last try")
    }
}

/// Whether another try may come to something else. The first may still be under way.
fn may_be_asked_again(error: &NodeError) -> bool {
    match error {
        NodeError::Away(_) | NodeError::Slow(_) => true,
        NodeError::Refused { status, .. } => matches!(
            *status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        ),
        _ => false,
    }
}
