//! A turn that ends badly.

use super::caught;

#[tokio::test]
async fn a_turn_that_panics_ends_nothing_but_itself() {
    let broken = async {
        tokio::task::yield_now().await;
        std::panic::panic_any("damaged");
    };
    assert_eq!(caught(broken).await, None::<()>);
    assert_eq!(caught(async { 7 }).await, Some(7));
}
