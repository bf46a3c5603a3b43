//! Calendar days and months in the operator's time zone. Windows are keys, not resets (R6): a request carries the
//! two it was admitted in, and is charged to them whenever it ends.

use std::fmt;

use chrono::{DateTime, Datelike, Days, LocalResult, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::clock::Timestamp;

/// A calendar day, as `YYYYMMDD`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

/// A calendar month, as `YYYYMM`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i64);

/// The day and the month a request belongs to.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Windows {
    /// The day of its admission.
    pub day: Day,
    /// The month of its admission.
    pub month: Month,
}

/// The time zone in which days begin.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Zone(pub Tz);

impl Zone {
    /// The day and month of `at`. Times outside the years 0–9999 count as the nearest of them.
    pub fn windows(self, at: Timestamp) -> Windows {
        let day = Day::of_date(self.date(at));
        Windows { day, month: day.month() }
    }

    fn date(self, at: Timestamp) -> NaiveDate {
        let utc = DateTime::<Utc>::from_timestamp_millis(at.millis()).unwrap_or_default();
        utc.with_timezone(&self.0).date_naive()
    }

    /// When the day after `day` begins.
    pub fn day_end(self, day: Day) -> Timestamp {
        let next = day.date().checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX);
        self.start_of(next)
    }

    /// When the month after `month` begins.
    pub fn month_end(self, month: Month) -> Timestamp {
        let next = month.first_day().date().checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX);
        self.start_of(next)
    }

    /// The first moment of `date` here. Where the clocks jump over midnight, the first moment after the jump; where
    /// midnight comes twice, the first.
    fn start_of(self, date: NaiveDate) -> Timestamp {
        let mut local = date.and_time(NaiveTime::MIN);
        // No zone has ever jumped by more than a day.
        for _ in 0..96 {
            match self.0.from_local_datetime(&local) {
                LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => {
                    return Timestamp::from_millis(at.timestamp_millis());
                }
                LocalResult::None => match local.checked_add_signed(TimeDelta::minutes(15)) {
                    Some(later) => local = later,
                    None => break,
                },
            }
        }
        Timestamp::from_millis(local.and_utc().timestamp_millis())
    }
}

impl Day {
    fn of_date(date: NaiveDate) -> Self {
        let year = i64::from(date.year().clamp(0, 9999));
        let of_year = year.saturating_mul(10_000);
        let of_month = i64::from(date.month()).saturating_mul(100);
        Self(of_year.saturating_add(of_month).saturating_add(i64::from(date.day())))
    }

    fn date(self) -> NaiveDate {
        let part = |number: i64| u32::try_from(number).unwrap_or(1);
        let year = i32::try_from(self.0.div_euclid(10_000)).unwrap_or(9999);
        let month = part(self.0.div_euclid(100).rem_euclid(100));
        NaiveDate::from_ymd_opt(year, month, part(self.0.rem_euclid(100))).unwrap_or_default()
    }

    /// From a stored `YYYYMMDD`.
    pub const fn from_key(key: i64) -> Self {
        Self(key)
    }

    /// `YYYYMMDD`, for the store.
    pub const fn key(self) -> i64 {
        self.0
    }

    /// The month it lies in.
    pub fn month(self) -> Month {
        Month(self.0.div_euclid(100))
    }

    /// The day `days` earlier.
    #[must_use]
    pub fn earlier(self, days: u64) -> Self {
        Self::of_date(self.date().checked_sub_days(Days::new(days)).unwrap_or_default())
    }

    /// The day after.
    #[must_use]
    pub fn next(self) -> Self {
        Self::of_date(self.date().checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX))
    }
}

impl Month {
    /// From a stored `YYYYMM`.
    pub const fn from_key(key: i64) -> Self {
        Self(key)
    }

    /// `YYYYMM`.
    pub const fn key(self) -> i64 {
        self.0
    }

    /// The month after.
    #[must_use]
    pub fn next(self) -> Self {
        let first = self.first_day().date().checked_add_months(Months::new(1));
        Day::of_date(first.unwrap_or(NaiveDate::MAX)).month()
    }

    /// Its first day.
    pub fn first_day(self) -> Day {
        Day(self.0.saturating_mul(100).saturating_add(1))
    }
}

impl fmt::Display for Day {
    /// `2026-11-24`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone(name.parse().unwrap())
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<DateTime<Utc>>().unwrap().timestamp_millis())
    }

    /// QL-11: calendar days and months, on both sides of a month's end, a leap day's and a year's.
    #[test]
    fn days_and_months_are_those_of_the_zone() {
        for (tz, time, day, month) in [
            ("UTC", "2026-11-24T23:59:59.999Z", 20_261_124, 202_611),
            ("UTC", "2026-12-31T23:59:59Z", 20_261_231, 202_612),
            ("UTC", "2027-01-01T00:00:00Z", 20_270_101, 202_701),
            ("UTC", "2027-01-31T23:59:59.999Z", 20_270_131, 202_701),
            ("UTC", "2027-02-01T00:00:00Z", 20_270_201, 202_702),
            ("UTC", "2027-03-01T00:00:00Z", 20_270_301, 202_703),
            ("UTC", "2028-02-28T23:59:59.999Z", 20_280_228, 202_802),
            ("UTC", "2028-02-29T00:00:00Z", 20_280_229, 202_802),
            ("UTC", "2028-02-29T23:59:59.999Z", 20_280_229, 202_802),
            ("UTC", "2028-03-01T00:00:00Z", 20_280_301, 202_803),
            ("Europe/Berlin", "2026-12-31T23:00:00Z", 20_270_101, 202_701),
            ("Europe/Berlin", "2026-03-29T00:59:59Z", 20_260_329, 202_603),
            ("Europe/Berlin", "2026-10-25T23:30:00Z", 20_261_026, 202_610),
            ("Asia/Kathmandu", "2026-01-31T18:15:00Z", 20_260_201, 202_602),
            ("UTC", "1970-01-01T00:00:00Z", 19_700_101, 197_001),
        ] {
            let windows = zone(tz).windows(at(time));
            assert_eq!((windows.day.key(), windows.month.key()), (day, month), "{tz} {time}");
        }
    }

    #[test]
    fn a_window_ends_where_the_next_begins() {
        for (tz, time, day_end, month_end) in [
            ("UTC", "2026-11-30T12:00:00Z", "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-29T22:00:00Z", "2026-03-31T22:00:00Z"),
            ("Europe/Berlin", "2026-10-24T22:30:00Z", "2026-10-25T23:00:00Z", "2026-10-31T23:00:00Z"),
            // Midnight of 6 September 2026 does not exist in Santiago: the clocks jump to one o'clock.
            ("America/Santiago", "2026-09-05T12:00:00Z", "2026-09-06T04:00:00Z", "2026-10-01T03:00:00Z"),
        ] {
            let zone = zone(tz);
            let windows = zone.windows(at(time));
            assert_eq!(zone.day_end(windows.day), at(day_end), "{tz} {time}");
            assert_eq!(zone.month_end(windows.month), at(month_end), "{tz} {time}");
            assert_ne!(zone.windows(at(day_end)).day, windows.day);
        }
    }

    /// Every day of four years, a leap day and eight changes of the clocks among them: each begins where the one before
    /// ends, to the millisecond, and lasts 24 hours but for one of 23 and one of 25 a year.
    #[test]
    fn days_and_months_are_without_gap_or_overlap() {
        let zone = zone("Europe/Berlin");
        let mut now = at("2025-12-31T23:00:00Z");
        let (mut hours, mut months) = (std::collections::BTreeMap::new(), 0);
        while now < at("2029-12-31T23:00:00Z") {
            let windows = zone.windows(now);
            let end = zone.day_end(windows.day);
            let before = Timestamp::from_millis(now.millis() - 1);
            let last = Timestamp::from_millis(end.millis() - 1);
            assert_eq!((zone.windows(before).day.next(), zone.windows(last)), (windows.day, windows));
            assert_eq!(zone.day_end(zone.windows(before).day), now);
            let month_begins = zone.month_end(zone.windows(before).month) == now;
            assert_eq!(month_begins, zone.windows(before).month != windows.month);
            months += i32::from(month_begins);
            // Each quarter of an hour.
            for step in (now.millis()..end.millis()).step_by(15 * 60 * 1000) {
                assert_eq!(zone.windows(Timestamp::from_millis(step)), windows);
            }
            *hours.entry((end.millis() - now.millis()) / 3_600_000).or_insert(0) += 1;
            now = end;
        }
        assert_eq!(hours, [(23, 4), (24, 1_453), (25, 4)].into());
        assert_eq!(months, 48);
    }

    #[test]
    fn days_step_over_month_and_year_ends() {
        assert_eq!(Day::from_key(20_260_301).earlier(1), Day::from_key(20_260_228));
        assert_eq!(Day::from_key(20_271_231).next(), Day::from_key(20_280_101));
        assert_eq!(Day::from_key(20_261_124).to_string(), "2026-11-24");
    }
}
