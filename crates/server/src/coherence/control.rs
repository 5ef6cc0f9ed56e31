//! The protocol with a part left out, to see that the history checker finds what goes wrong then.
//! Only in a binary that is built for that: without the feature there is nothing to switch.

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    /// Nothing.
    Faithful,
    /// Changes are answered when they are committed.
    #[cfg(feature = "unsafe-coherence")]
    NoWait,
    /// Nodes look at the log every ten seconds, and answer without a lease.
    #[cfg(feature = "unsafe-coherence")]
    TtlCache,
    /// Nodes follow notices, answer without a lease, and nobody waits for them.
    #[cfg(feature = "unsafe-coherence")]
    NotifyOnly,
}

impl Control {
    #[cfg(not(feature = "unsafe-coherence"))]
    pub(super) fn chosen() -> Self {
        Self::Faithful
    }

    #[cfg(feature = "unsafe-coherence")]
    #[expect(clippy::disallowed_methods, reason = "no setting of the product")]
    pub(super) fn chosen() -> Self {
        let chosen = match std::env::var("KEYWAY_UNSAFE_COHERENCE").as_deref() {
            Ok("no-wait") => Self::NoWait,
            Ok("ttl-cache") => Self::TtlCache,
            Ok("notify-only") => Self::NotifyOnly,
            _ => return Self::Faithful,
        };
        tracing::error!(?chosen, "THIS NODE ACCEPTS REVOKED CREDENTIALS: it is for a test only");
        chosen
    }

    /// Whether a change is waited for.
    pub(super) fn waits(self) -> bool {
        self == Self::Faithful
    }

    /// Whether a lease is needed to answer.
    pub(super) fn needs_lease(self) -> bool {
        match self {
            Self::Faithful => true,
            #[cfg(feature = "unsafe-coherence")]
            other => other == Self::NoWait,
        }
    }

    /// Whether the log is looked at every ten seconds only.
    pub(super) fn is_slow(self) -> bool {
        match self {
            Self::Faithful => false,
            #[cfg(feature = "unsafe-coherence")]
            other => other == Self::TtlCache,
        }
    }
}
