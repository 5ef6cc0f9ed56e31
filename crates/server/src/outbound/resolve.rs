//! From a name to its addresses.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use keyway_domain::limits::OUTBOUND_LOOKUPS_MAX;
use tokio::sync::Semaphore;

/// The addresses of a name, in time.
pub type Answers<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Looks names up; a trait so that tests can move a name between addresses.
pub trait Resolver: Send + Sync {
    /// All addresses of `name`, in the order in which they are tried.
    fn addresses<'a>(&'a self, name: &'a str) -> Answers<'a>;
}

/// The system's resolver, with a bound on the look-ups at one time.
pub struct SystemResolver {
    places: Arc<Semaphore>,
}

impl SystemResolver {
    /// A resolver with its own [`OUTBOUND_LOOKUPS_MAX`] places.
    pub fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(OUTBOUND_LOOKUPS_MAX)) }
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SystemResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemResolver").finish_non_exhaustive()
    }
}

impl Resolver for SystemResolver {
    fn addresses<'a>(&'a self, name: &'a str) -> Answers<'a> {
        let name = name.to_owned();
        Box::pin(in_a_place(&self.places, async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        }))
    }
}

/// The system's look-up holds a thread and cannot be stopped. So it keeps its place until it ends,
/// also when the caller has long given up; a task of its own sees to that.
async fn in_a_place<T: Send + 'static>(
    places: &Arc<Semaphore>,
    looking: impl Future<Output = io::Result<T>> + Send + 'static,
) -> io::Result<T> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let looked = tokio::spawn(async move {
        let _place = place;
        looking.await
    });
    looked.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn look_ups_that_never_end_do_not_pile_up() {
        let places = Arc::new(Semaphore::new(3));
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let begun = Arc::clone(&begun);
            let looking = in_a_place::<()>(&places, async move {
                begun.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            });
            let given_up = tokio::time::timeout(Duration::from_millis(5), looking).await;
            assert!(given_up.is_err());
        }
        assert_eq!(begun.load(Ordering::SeqCst), 3);
        assert_eq!(places.available_permits(), 0);
    }

    #[tokio::test]
    async fn a_look_up_that_ends_gives_its_place_back() {
        let places = Arc::new(Semaphore::new(1));
        for n in 0..3 {
            assert_eq!(in_a_place(&places, async move { Ok(n) }).await.unwrap(), n);
        }
    }

    #[tokio::test]
    async fn the_system_knows_localhost() {
        let found = SystemResolver::new().addresses("localhost").await.unwrap();
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback));
    }
}
