//! When a change is answered: once it is true where it must be.

use http::StatusCode;
use keyway_domain::time::Time;
use keyway_store::{Position, changes};
use serde_json::{Value, json};

use super::{Answered, Call, Reply};
use crate::app::App;
use crate::clock::boot;
use crate::coherence::{Effect, Reach};
use crate::http::problem::Problem;

/// What a caller wants to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until the change is true everywhere.
    Everywhere,
    /// Until it is kept; the answer says by when it is true everywhere.
    Commit,
}

/// How far a change came, and how long that took.
pub(crate) struct Reached {
    pub(crate) effect: Effect,
    pub(crate) took_ms: u64,
}

impl App {
    /// Waits until a change has come as far as it must. `None` stands for whatever the database has
    /// by now: who repeats an act is told what is true of the first one.
    pub(crate) async fn reach(
        &self,
        position: Option<Position>,
        reach: Reach,
    ) -> Result<Reached, keyway_store::DbError> {
        let began = boot();
        let Some(node) = self.coherence.get() else {
            // This process is alone, and its index was changed before anyone was answered; whoever
            // verifies after it was told then.
            self.followers.settled().await;
            let took = boot().since(began).as_millis();
            let took_ms = u64::try_from(took).unwrap_or(u64::MAX);
            return Ok(Reached { effect: Effect::Everywhere { nodes: 1 }, took_ms });
        };
        let position = match position {
            Some(position) => position,
            None => self.db.read(changes::head).await?,
        };
        let effect = node.reach(position, reach, self.now()).await;
        let took = boot().since(began).as_millis();
        Ok(Reached { effect, took_ms: u64::try_from(took).unwrap_or(u64::MAX) })
    }

    /// By when a change that was kept now is true everywhere.
    fn effective_by(&self) -> Time {
        let (now, wait) = (self.now(), self.followers.patience());
        let alone = now.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        self.coherence.get().map_or(alone, |node| node.effective_by(now))
    }
}

impl Call {
    /// What the caller wants to wait for, of a route that takes something away.
    pub(super) fn wait(&self) -> Result<Wait, Problem> {
        if !self.takes_away {
            return Ok(Wait::Everywhere);
        }
        match self.query(&["wait"])?.get("wait").map(String::as_str) {
            None | Some("everywhere") => Ok(Wait::Everywhere),
            Some("commit") => Ok(Wait::Commit),
            Some(_) => {
                let detail = "it is `everywhere` or `commit`";
                Err(Problem {
                    field: Some("wait".to_owned()),
                    ..Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail)
                })
            }
        }
    }

    /// Answers a change once it is true where it must be, and says where it is.
    pub(super) async fn reached(
        &self,
        mut answered: Answered,
        position: Option<Position>,
        wait: Wait,
    ) -> Result<Reply, Problem> {
        if !self.takes_away && position.is_none() {
            return Ok(answered.reply());
        }
        let said = if wait == Wait::Commit {
            answered.status = StatusCode::ACCEPTED;
            json!({ "effective": "pending", "effective_by": self.app.effective_by() })
        } else {
            let reach = if self.takes_away { Reach::Everywhere } else { Reach::Soon };
            let reached = self.app.reach(position, reach).await?;
            match reached.effect {
                Effect::Everywhere { nodes } => json!({
                    "effective": "everywhere", "nodes": nodes, "effective_ms": reached.took_ms,
                }),
                Effect::Pending { reached, nodes, by } => {
                    if self.takes_away {
                        answered.status = StatusCode::ACCEPTED;
                    }
                    json!({
                        "effective": "pending", "nodes": nodes, "nodes_reached": reached,
                        "effective_by": by,
                    })
                }
                Effect::Lost => return Err(lost()),
            }
        };
        add(&mut answered.body, said);
        Ok(answered.reply())
    }
}

fn add(body: &mut Value, said: Value) {
    if let (Some(object), Value::Object(said)) = (body.as_object_mut(), said) {
        object.extend(said);
    }
}

fn lost() -> Problem {
    let detail = "the database lost this change after it was kept, as after a fail-over to a \
        server that was behind; do it again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "change_lost", detail)
}
