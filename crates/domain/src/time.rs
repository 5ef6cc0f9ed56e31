//! Instants and durations in milliseconds, as the database keeps them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant: milliseconds since 1970-01-01T00:00:00Z. Printed as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub i64);

/// Milliseconds in a day.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Time {
    /// Later than everything: the end of what has none.
    pub const NEVER: Self = Self(i64::MAX);

    /// The instant `ms` milliseconds later; saturates.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Reads RFC 3339, such as `2026-12-31T00:00:00Z`. The offset is required.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|instant| Self(instant.as_millisecond()))
    }

    /// 00:00:00Z at the start of a date such as `2026-12-31`.
    pub fn parse_date(text: &str) -> Option<Self> {
        let date = text.parse::<jiff::civil::Date>().ok()?;
        // `Date` also reads longer forms; a date is ten characters.
        if text.len() != 10 {
            return None;
        }
        let start = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(start.timestamp().as_millisecond()))
    }

    /// With a numeric offset and no fraction: `2026-12-31T00:00:00+0000`.
    pub fn to_offset_text(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).map_or_else(
            |_| "never".to_owned(),
            |instant| instant.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string(),
        )
    }
}

impl Time {
    fn written(self, format: &str) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .map_or_else(|_| "never".to_owned(), |instant| instant.strftime(format).to_string())
    }

    /// For people: `22 Nov 2026`, in UTC.
    pub fn to_day_text(self) -> String {
        self.written("%-d %b %Y")
    }

    /// For people: `22 Nov 2026, 04:12 UTC`.
    pub fn to_minute_text(self) -> String {
        self.written("%-d %b %Y, %H:%M UTC")
    }

    /// For people who look at single requests: `22 Nov 2026, 04:12:07`, in UTC.
    pub fn to_second_text(self) -> String {
        self.written("%-d %b %Y, %H:%M:%S")
    }

    /// For people, beside a date: `04:12`, in UTC.
    pub fn to_clock_text(self) -> String {
        self.written("%H:%M")
    }

    /// As forms have it: `2026-11-22`, in UTC.
    pub fn to_date(self) -> String {
        self.written("%Y-%m-%d")
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => f.write_str("never"),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("not an instant; write it like 2026-12-31T00:00:00Z")
        })
    }
}

/// Reads `0s`, `15m`, `24h`, `7d`: a whole number and one unit. Milliseconds.
pub fn parse_duration(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
    let factor = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => DAY_MS,
        _ => return None,
    };
    if number < 0 { None } else { number.checked_mul(factor) }
}

/// Writes milliseconds as a person says them: `15 minutes`, `7 days`, `now` for zero.
pub fn say_duration(ms: i64) -> String {
    if ms == 0 {
        return "now".to_owned();
    }
    let (number, unit) =
        [(DAY_MS, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")]
            .into_iter()
            .find(|(size, _)| ms % size == 0)
            .map_or((ms, "millisecond"), |(size, unit)| (ms / size, unit));
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}
