//! What stands behind the listeners: a Keyway, once it is there, and until then why it is not.
//!
//! The listeners are bound before the database is reached: who looks after the process sees that it
//! lives and what it waits for, and nobody takes silence for an answer.

use std::sync::{Arc, OnceLock};

use http::{Method, Request, StatusCode};

use super::problem::Problem;
use super::{Door, Reply, json, text};
use crate::app::App;
use crate::app::starting::Starting;
use crate::codes::Code;

/// What stands behind the listeners.
#[derive(Clone, Default)]
pub struct Gate(Arc<Behind>);

#[derive(Default)]
struct Behind {
    app: OnceLock<Arc<App>>,
    starting: Arc<Starting>,
}

impl From<Arc<App>> for Gate {
    fn from(app: Arc<App>) -> Self {
        let gate = Self::default();
        gate.open(app);
        gate
    }
}

impl Gate {
    /// Lets requests through to a Keyway from now on.
    pub fn open(&self, app: Arc<App>) {
        // A gate opens once.
        let _ = self.0.app.set(app);
    }

    /// How far it is until then.
    pub fn starting(&self) -> &Arc<Starting> {
        &self.0.starting
    }

    pub(super) fn app(&self) -> Option<&Arc<App>> {
        self.0.app.get()
    }

    /// Answers while there is nothing behind it.
    pub(super) fn not_yet<B>(&self, door: Door, request: &Request<B>) -> Reply {
        let starting = self.starting();
        let is_internal = matches!(door, Door::Internal { .. });
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/healthz") => return text(StatusCode::OK, "ok\n"),
            (&Method::GET, "/readyz") if is_internal => {
                return json(StatusCode::SERVICE_UNAVAILABLE, starting.to_json().to_string());
            }
            _ => {}
        }
        let (state, reason) = starting.state();
        // Strangers need not know what the database said.
        let detail = match door {
            Door::Local => format!("the server is not ready ({state}): {reason}"),
            Door::Internal { .. } | Door::Public => "the server is not ready yet".to_owned(),
        };
        Problem::new(Code::Unavailable, detail).reply("")
    }
}
