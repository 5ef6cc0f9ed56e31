//! Every bound in the product, each with its reason.

/// Characters of a name: fits a table cell and every label seen in the field.
pub const NAME_CHARS_MAX: usize = 100;
/// Live credentials of one account: beyond it something is creating keys in a loop.
pub const CREDENTIALS_PER_ACCOUNT_MAX: u64 = 10_000;
/// Address ranges of one credential: a firewall, not a routing table.
pub const ADDRESSES_MAX: usize = 64;
/// Resources of a scheme: a grant is two bits each in one 128-bit word.
pub const RESOURCES_MAX: usize = 60;
/// Routes of a scheme.
pub const ROUTES_MAX: usize = 1_000;
/// Kinds of a scheme: an index record has one byte for it, and nobody explains more to merchants.
pub const KINDS_MAX: usize = 16;
/// Bytes of a scheme file.
pub const SCHEME_BYTES_MAX: usize = 256 * 1024;
/// A presented credential or header longer than this is refused unread.
pub const CREDENTIAL_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a request target that verification looks at.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a management request.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a batch (import, batch verification): a thousand entries with room.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Entries of a batch.
pub const BATCH_MAX: usize = 1_000;
/// Nesting of a JSON body; nothing we accept needs more than five.
pub const JSON_DEPTH_MAX: usize = 32;
/// Entries of a page, and how many a caller gets who does not say.
pub const PAGE_MAX: u32 = 200;
/// Default size of a page.
pub const PAGE_DEFAULT: u32 = 50;
/// Live secrets of one credential.
pub const LIVE_SECRETS_MAX: usize = 2;
/// Ended secrets that a credential remembers, newest first.
pub const ENDED_SECRETS_KEPT: usize = 20;
/// No expiry lies further away than this: "never" is said by leaving it out.
pub const LIFETIME_DAYS_MAX: i64 = 3_660;
/// Ended secrets stay in the index this long, so that a refusal can say why.
pub const ENDED_REMEMBERED_DAYS: i64 = 90;
/// An idempotency key is remembered this long.
pub const IDEMPOTENCY_HOURS: i64 = 24;
/// Visible ASCII characters of an idempotency key.
pub const IDEMPOTENCY_KEY_MAX: usize = 255;
/// Requests a window that a rate limit may name.
pub const RATE_REQUESTS_MAX: u32 = 1_000_000;
/// Requests a period that a quota may name: its state fits the numbers that JSON programs have.
pub const QUOTA_REQUESTS_MAX: u64 = 1_000_000_000_000;
/// Requests of a quota that a node reserves at once. A node that is killed takes them along.
pub const QUOTA_BLOCK_MAX: u64 = 4_096;
/// A session ends when nothing was asked in it for so long (PCI DSS 8.2.8).
pub const SESSION_IDLE_MS: i64 = 15 * 60_000;
/// A session ends so long after its sign-in, whatever is done in it.
pub const SESSION_MS: i64 = 12 * 3_600_000;
/// A proof that it is really the member counts for its act for so long.
pub const PROOF_MS: i64 = 5 * 60_000;
/// Wrong passwords and codes that are looked at within [`TRIES_WINDOW_MS`], for one person from one
/// known browser, or from all unknown ones together.
pub const TRIES_MAX: u32 = 10;
/// Wrong passwords and codes that are looked at within the window from one address, whoever they
/// are meant for: an office behind one address, not a list of stolen passwords.
pub const TRIES_PER_ADDRESS_MAX: u32 = 100;
/// The time in which tries are counted.
pub const TRIES_WINDOW_MS: i64 = 30 * 60_000;
/// A browser that somebody signed in from is known to them for so long.
pub const DEVICE_MS: i64 = 180 * 24 * 3_600_000;
/// Characters of a password for a person with an authenticator (NIST SP 800-63B-4 §3.1.1.2).
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Characters of a password that is the only proof.
pub const PASSWORD_ALONE_CHARS_MIN: usize = 15;
/// Bytes of a password: hashing is bounded work.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Recovery codes of a person.
pub const RECOVERY_CODES: usize = 8;
/// People of an account, those invited included.
pub const MEMBERS_PER_ACCOUNT_MAX: u64 = 500;
/// An invitation is good for so long.
pub const INVITATION_MS: i64 = 7 * 24 * 3_600_000;
/// A link to set a new password is good for so long.
pub const RESET_MS: i64 = 3_600_000;
/// A link to the operator's pages is good for so long.
pub const OPERATOR_LINK_MS: i64 = 5 * 60_000;
/// The operator's session ends so long after its link was used, whatever is done in it.
pub const OPERATOR_SESSION_MS: i64 = 30 * 60_000;
/// What was asked for waits so long for a second person; what was approved, for who asked.
pub const APPROVAL_MS: i64 = 7 * 24 * 3_600_000;
/// Things of an account that may wait for a second person at once.
pub const APPROVALS_OPEN_MAX: u64 = 100;
/// Characters of why something was declined, or an account suspended.
pub const WHY_CHARS_MAX: usize = 500;
/// A new secret can be looked at again for so long, in the browser it was made with.
pub const REVEAL_MS: i64 = 10 * 60_000;
/// Places that usage remembers of each secret; the ones longest unseen are forgotten first.
pub const PLACES_PER_SECRET_MAX: u32 = 50;
/// A call of a merchant's URL ends after so long, whatever the other side does: longer than an
/// honest endpoint takes to note an event, short enough that hung ones do not fill the workers.
pub const OUTBOUND_MS: i64 = 15_000;
/// Its look-up, connection and TLS handshake end after so long together: who is not there within
/// some round trips is not there.
pub const OUTBOUND_CONNECT_MS: i64 = 5_000;
/// Bytes of a URL that a merchant may type: what browsers and proxies agree on.
pub const OUTBOUND_URL_BYTES_MAX: usize = 2_048;
/// Bytes of the status line and headers of an answer: four times what servers send at most.
pub const OUTBOUND_HEAD_BYTES_MAX: usize = 32 * 1024;
/// Headers of an answer.
pub const OUTBOUND_HEADERS_MAX: usize = 100;
/// Bytes of an answer's body that are read and kept: enough of an error page to see what is wrong.
pub const OUTBOUND_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Bytes that are read from a connection at all: the head and body above, and as much again for
/// the TLS handshake, its framing, chunk sizes and interim answers.
pub const OUTBOUND_READ_BYTES_MAX: usize = 192 * 1024;
/// Bytes of an answer's headers that a delivery log shows.
pub const OUTBOUND_SHOWN_BYTES_MAX: usize = 4 * 1024;
/// Addresses of a name that are tried in one call; the time to connect is shared by them.
pub const OUTBOUND_TRIES_MAX: usize = 4;
/// Name look-ups at one time. Each holds a thread until the system gives up, so that a name server
/// which never answers could otherwise take them all.
pub const OUTBOUND_LOOKUPS_MAX: usize = 32;
/// An endpoint can ask for a pause of at most so long.
pub const RETRY_AFTER_MS_MAX: i64 = 24 * 3_600_000;
/// A credential that stops by itself is announced to programs so many days before (E13).
pub const EXPIRING_DAYS: i64 = 7;
/// People are reminded of it so many days before, beside that.
pub const EXPIRY_REMINDER_DAYS: [i64; 2] = [30, 1];
/// Endpoints of one account, removed ones not counted.
pub const ENDPOINTS_PER_ACCOUNT_MAX: usize = 20;
/// How long a delivery waits before each attempt: the first goes at once, the last about 27 hours
/// later, so that a weekend's outage costs nobody an event.
pub const RETRY_WAITS_MS: [i64; 8] =
    [0, 5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000];
/// A wait is up to so much longer.
pub const RETRY_JITTER_PERCENT: i64 = 10;
/// An endpoint at which nothing arrived for so long is switched off.
pub const ENDPOINT_FAILING_MS: i64 = 5 * 24 * 3_600_000;
/// The previous secret of an endpoint signs along for so long at most.
pub const ENDPOINT_OVERLAP_MS_MAX: i64 = 7 * 24 * 3_600_000;
/// Messages that are under way to one endpoint at once, from all processes together.
pub const DELIVERIES_PER_ENDPOINT_AT_ONCE: u32 = 4;
/// Messages that are under way to one account's endpoints at once, from all processes together: an
/// eighth of what one deliverer sends, so that an account whose endpoints all hang leaves room.
pub const DELIVERIES_PER_ACCOUNT_AT_ONCE: u32 = 8;
/// A delivery whose row cannot be read is looked at again after so long, in case it was repaired.
pub const BROKEN_DELIVERY_MS: i64 = 3_600_000;
/// Messages that one deliverer has under way at once, to all endpoints.
pub const DELIVERIES_AT_ONCE: usize = 64;
/// A claim on a delivery or a letter lapses after so long: longer than any attempt may take.
pub const CLAIM_MS: i64 = 60_000;
/// Attempts that a delivery remembers, newest first: two whole plans, and some by hand.
pub const ATTEMPTS_KEPT: u32 = 20;
/// Bytes that are kept of the answer to an attempt that is not the newest: its headers, and enough
/// of an error to tell it from the next.
pub const EARLIER_ANSWER_BYTES_MAX: usize = 4 * 1024;
/// Deliveries that one transaction sends again: some twenty milliseconds of the only writer.
pub const REPLAYED_AT_ONCE_MAX: u32 = 500;
/// Deliveries that one form of the dashboard sends again, in as many transactions as that takes.
pub const REPLAYED_BY_FORM_MAX: u64 = 10_000;
/// Deliveries and their attempts are kept so long.
pub const DELIVERIES_KEPT_DAYS: i64 = 30;
/// A letter that could not be sent for so long is given up.
pub const LETTER_TRIED_MS: i64 = 3 * 24 * 3_600_000;
/// Letters that were sent are forgotten after so long.
pub const LETTERS_KEPT_DAYS: i64 = 30;
/// An event that could not be told for so long, because no version that knows it ran, is not told
/// any more: it would be no news. Until then the audit log can't forget it.
pub const HELD_KEPT_DAYS: i64 = 30;
/// What comes again and again is told once in so long, with its count.
pub const REPEATS_WINDOW_MS: i64 = 10 * 60_000;
/// Use to the minute is kept so long.
pub const USAGE_MINUTES_KEPT_MS: i64 = 3 * 3_600_000;
/// Use to the hour is kept so long, then only to the day.
pub const USAGE_HOURS_KEPT_DAYS: i64 = 100;
/// Use to the day is kept so long.
pub const USAGE_DAYS_KEPT: i64 = 800;
/// Use to the day and scope is kept so long: what an edit would have refused is told of 30 days.
pub const USAGE_NEEDS_KEPT_DAYS: i64 = 35;
/// Networks that are remembered of each credential; the ones longest unseen are forgotten first.
pub const NETWORKS_PER_CREDENTIAL_MAX: u32 = 200;
/// A credential that nothing used for so long is called idle, where the scheme says nothing else.
pub const IDLE_DAYS: u32 = 90;
/// No scheme keeps the audit log for less (PCI DSS 10.5.1: a year).
pub const AUDIT_KEPT_DAYS_MIN: u32 = 365;
/// A scope that was not used for so long is one to take away.
pub const SCOPE_UNUSED_DAYS: i64 = 90;
/// How long an access token lives at least, in milliseconds.
pub const TOKEN_MS_MIN: i64 = 60_000;
/// And at most.
pub const TOKEN_MS_MAX: i64 = 24 * 3_600_000;
