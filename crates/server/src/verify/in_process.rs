//! The guard's verifier without a network: the engine in the same process.

use std::sync::Arc;

use http::HeaderMap;
use keyway_domain::Environment;
use keyway_guard::{Decision, Question, Verifier};

use super::{Answered, Asked};
use crate::app::App;

/// Asks the engine of this process.
#[derive(Clone)]
pub struct InProcess(pub Arc<App>);

impl Verifier for InProcess {
    async fn verify(&self, question: Question<'_>) -> Decision {
        let engine = &self.0.platform.engine;
        let target = question.uri.path_and_query().map_or("/", |target| target.as_str());
        let asked = Asked {
            method: question.method.as_str(),
            target,
            environment: question.environment.and_then(Environment::parse),
            address: question.client_address,
            account: question.account,
            body: question.body.map(AsRef::as_ref),
            ..Asked::default()
        };
        let judged = self.0.verify(question.headers, &asked).await;
        self.0.count(judged.verdict);
        match engine.answer(&judged, question.headers) {
            Answered::Passed(passed) => Decision::Allowed(passed),
            Answered::Refused(_, answer) | Answered::LoggedIn(answer) => Decision::Answered(answer),
        }
    }

    fn wants_body(&self, headers: &HeaderMap) -> bool {
        let signature = self.0.platform.rules.scheme.signature.as_ref();
        signature.is_some_and(|rules| headers.contains_key(rules.headers.signature.as_str()))
    }
}
