//! Hours of the last weeks that were far busier than usual, for what comes once a month.
//!
//! A week says nothing of the last day of a month. So the busiest hours are kept with their day,
//! and in the same days of the next month they are usual.

/// Hours that are kept: two turns of a month, with some attacks among them.
pub(super) const HOURS_KEPT: usize = 24;
/// Hours that a monthly run may come earlier or later.
const HOURS_AROUND: i64 = 1;
/// Days before and after the turn of a month that are looked at. Other days would make usual what
/// was an attack a month ago, more often than they have a batch.
const DAYS_OF_TURN: i8 = 2;

/// A day of a month, from both of its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    from_start: i8,
    from_end: i8,
}

/// One hour that was far busier than usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Peak {
    /// Hours from 1970.
    hour: i64,
    place: Place,
    /// Its requests.
    level: f32,
}

/// The busiest of the unusual hours.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Monthly(Vec<Peak>);

impl Monthly {
    /// Keeps the busiest of what is offered, each as hours from 1970 and requests.
    pub(super) fn of(mut hours: Vec<(i64, f32)>) -> Self {
        hours.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
        let peaks = hours.into_iter().filter_map(|(hour, level)| {
            let place = Place::of(hour)?;
            place.resembles(place).then_some(Peak { hour, place, level })
        });
        Self(peaks.take(HOURS_KEPT).collect())
    }

    /// The busiest that was kept for about this hour in another month; 0 for none.
    pub(super) fn at(&self, hour: i64) -> f32 {
        let near = |peak: &&Peak| {
            let apart = (hour.saturating_sub(peak.hour)).rem_euclid(24);
            apart.min(24 - apart) <= HOURS_AROUND
        };
        let mut near = self.0.iter().filter(near).peekable();
        if near.peek().is_none() {
            return 0.0;
        }
        let Some(place) = Place::of(hour) else { return 0.0 };
        near.filter(|peak| peak.place.resembles(place)).map(|peak| peak.level).fold(0.0, f32::max)
    }
}

impl Place {
    fn of(hour: i64) -> Option<Self> {
        let instant = jiff::Timestamp::from_second(hour.checked_mul(3_600)?).ok()?;
        let date = jiff::tz::Offset::UTC.to_datetime(instant).date();
        Some(Self { from_start: date.day(), from_end: date.days_in_month() - date.day() })
    }

    /// Whether both are the same day at the end of their months, or at the start.
    fn resembles(self, other: Self) -> bool {
        let at_end = self.from_end < DAYS_OF_TURN && self.from_end == other.from_end;
        at_end || (self.from_start <= DAYS_OF_TURN && self.from_start == other.from_start)
    }
}
