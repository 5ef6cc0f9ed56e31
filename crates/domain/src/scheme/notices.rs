//! Who is told of what where a scheme says nothing: what comes by itself, and what is unusual.

use super::Notice;
use crate::actor::Role;
use crate::event::Kind;

/// Adds what every platform needs to what a scheme declares. What it declares stands: a notice
/// without roles and webhook tells nobody.
pub(super) fn with_defaults(declared: Vec<Notice>) -> Vec<Notice> {
    const RUN_IT: &[Role] = &[Role::Owner, Role::Admin];
    const BUILD_WITH_IT: &[Role] = &[Role::Owner, Role::Admin, Role::Developer];
    let defaults: [(Kind, &[Role], bool); 12] = [
        (Kind::Expiring, RUN_IT, true),
        (Kind::ExpiryReminded, RUN_IT, false),
        (Kind::Expired, RUN_IT, true),
        (Kind::Old, RUN_IT, false),
        (Kind::Idle, RUN_IT, false),
        (Kind::QuotaExhausted, BUILD_WITH_IT, true),
        (Kind::UsageSpike, BUILD_WITH_IT, true),
        (Kind::ErrorBurst, BUILD_WITH_IT, true),
        (Kind::NewNetwork, BUILD_WITH_IT, true),
        (Kind::EndedSecretUsed, BUILD_WITH_IT, true),
        (Kind::WrongEnvironmentUsed, BUILD_WITH_IT, true),
        (Kind::EndpointDisabled, BUILD_WITH_IT, false),
    ];
    let mut notices = declared;
    for (kind, mail, webhook) in defaults {
        if !notices.iter().any(|notice| notice.event == kind.as_str()) {
            let event = kind.as_str().to_owned();
            notices.push(Notice { event, mail: mail.to_vec(), webhook });
        }
    }
    notices
}
