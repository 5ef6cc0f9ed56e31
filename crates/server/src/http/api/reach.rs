//! When a change is answered: once it is true where it must be.

use http::StatusCode;
use keyway_domain::time::Time;
use keyway_store::{Position, changes};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Answered, Call, Reply, value};
use crate::app::App;
use crate::clock::boot;
use crate::codes::Code;
use crate::coherence::{Effect, Reach};
use crate::http::openapi::shapes as shape;
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
        let known = |text: &str| match text {
            "everywhere" => Some(Wait::Everywhere),
            "commit" => Some(Wait::Commit),
            _ => None,
        };
        let wait = self.parameter("wait", "it is `everywhere` or `commit`", known)?;
        Ok(wait.unwrap_or(Wait::Everywhere))
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
            Effective::pending(self.app.effective_by())
        } else {
            let reach = if self.takes_away { Reach::Everywhere } else { Reach::Soon };
            let reached = self.app.reach(position, reach).await?;
            match reached.effect {
                Effect::Everywhere { nodes } => Effective {
                    nodes: Some(nodes),
                    effective_ms: Some(reached.took_ms),
                    ..Effective::EVERYWHERE
                },
                Effect::Pending { reached, nodes, by } => {
                    if self.takes_away {
                        answered.status = StatusCode::ACCEPTED;
                    }
                    Effective {
                        nodes: Some(nodes),
                        nodes_reached: Some(reached),
                        ..Effective::pending(by)
                    }
                }
                Effect::Lost => return Err(lost()),
            }
        };
        add(&mut answered.body, &said);
        Ok(answered.reply())
    }
}

/// Where a change is true, beside the thing that changed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Effective {
    /// `everywhere`: no node acts on what was before. `pending`: some may, until `effective_by`.
    #[schemars(with = "shape::Effect")]
    effective: &'static str,
    /// The nodes that there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 3)]
    nodes: Option<usize>,
    /// Those of them that have acknowledged, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes_reached: Option<usize>,
    /// How long it took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 12)]
    effective_ms: Option<u64>,
    /// By when it is true everywhere, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shape::Instant>")]
    effective_by: Option<Time>,
}

impl Effective {
    /// Every node has it.
    const EVERYWHERE: Self = Self {
        effective: "everywhere",
        nodes: None,
        nodes_reached: None,
        effective_ms: None,
        effective_by: None,
    };

    /// It is kept, and true by an instant.
    fn pending(by: Time) -> Self {
        Self { effective: "pending", effective_by: Some(by), ..Self::EVERYWHERE }
    }
}

/// A thing that was changed, and where the change is true.
#[derive(JsonSchema)]
#[schemars(rename = "Changed{T}")]
#[expect(dead_code, reason = "the two are put together as JSON")]
pub(crate) struct Changed<T> {
    #[serde(flatten)]
    thing: T,
    #[serde(flatten)]
    effect: Option<Effective>,
}

fn add(body: &mut Value, said: &Effective) {
    if let (Some(object), Value::Object(said)) = (body.as_object_mut(), value(said)) {
        object.extend(said);
    }
}

fn lost() -> Problem {
    let detail = "the database lost this change after it was kept, as after a fail-over to a \
        server that was behind; do it again";
    Problem::new(Code::ChangeLost, detail)
}
