//! What a browser may look at again for some minutes: sealed with the token in its cookie and our
//! own key, so that neither the database nor the cookie alone opens it.

use keyway_domain::id::RevealId;
use keyway_domain::limits::REVEAL_MS;
use keyway_domain::time::Time;
use keyway_secret::{OsEntropy, SecretText};
use keyway_store::{DbError, Tx, reveals};

use super::problems::Stop;
use super::visit::{Signed, Visit};
use crate::commands::Moment;

/// Keeps a text for this browser, in the transaction that made it. The sort tells texts for one
/// page from those for another.
pub(super) fn keep(
    tx: &mut Tx<'_>,
    moment: &Moment,
    signed: &Signed,
    (sort, text): (&str, &SecretText),
) -> Result<RevealId, DbError> {
    let id = RevealId::new(moment.now, &mut OsEntropy);
    let sealer = moment.keys.reveal(signed.token.reveal().as_bytes());
    let sealed = sealer.seal(text, &format!("{sort}/{id}"), &mut OsEntropy);
    reveals::insert(tx, id, signed.session.id, &sealed, moment.now.plus_ms(REVEAL_MS))?;
    Ok(id)
}

/// The text that the path names, and until when it is shown; `None` if it is no longer.
pub(super) async fn open(
    visit: &Visit,
    sort: &str,
) -> Result<Option<(RevealId, SecretText, Time)>, Stop> {
    let id = RevealId::parse(visit.param("reveal")).ok_or(Stop::NotFound)?;
    let (signed, now) = (visit.signed()?, visit.now);
    let session = signed.session.id;
    let found = visit.app().db.read(move |tx| reveals::find(tx, id, session, now)).await?;
    let Some((sealed, until)) = found else { return Ok(None) };
    let sealer = visit.app().keys.reveal(signed.token.reveal().as_bytes());
    let opened = sealer.unseal(&sealed, &format!("{sort}/{id}")).ok();
    Ok(opened.map(|text| (id, text, until)))
}

/// Forgets a text: it was saved.
pub(super) async fn forget(visit: &Visit, id: RevealId) -> Result<(), Stop> {
    let session = visit.signed()?.session.id;
    visit.app().db.write(visit.now, move |tx| reveals::forget(tx, id, session)).await?;
    Ok(())
}
