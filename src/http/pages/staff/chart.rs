//! The picture of the last days: what was asked for and approved above the line, what came
//! to nothing below it. Where everything lies is computed here, in the units of the
//! drawing, which a browser makes as wide as there is room.

use serde::Serialize;

use crate::i18n::Language;
use crate::store::daily_stats::{DailyStats, DayStats};

/// What a day has of the width.
const DAY_WIDTH: i64 = 20;
/// What a bar has of it: each day has two beside each other.
const BAR_WIDTH: i64 = 8;
/// The most height above the line, and below it.
const MAX_HEIGHTS: (i64, i64) = (120, 40);
/// The height of what is so little that nobody would see it.
const MIN_BAR_HEIGHT: i64 = 2;

/// The picture.
#[derive(Debug, Serialize)]
pub struct Chart {
    width: i64,
    height: i64,
    /// Where the line is, from above.
    baseline: i64,
    days: Vec<ChartDay>,
    /// The most that one bar stands for.
    max_count: i64,
    /// For how many requests each stood that was counted.
    sample_weight: i64,
    /// All days together.
    total: DayCounts,
}

/// A day.
#[derive(Debug, Serialize)]
struct ChartDay {
    /// Where it begins, from the left.
    x: i64,
    /// Its date, in words.
    date: String,
    counts: DayCounts,
    bars: Vec<ChartBar>,
}

/// What is told of a day, or of all.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct DayCounts {
    requested: i64,
    approved: i64,
    declined: i64,
    expired: i64,
    mail_failed: i64,
}

/// A bar.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ChartBar {
    /// What it stands for, as the style sheet calls it.
    kind: &'static str,
    x: i64,
    y: i64,
    width: i64,
    height: i64,
}

impl DayCounts {
    fn from_day(day: &DayStats) -> Self {
        let DayStats {
            starts_at: _,
            created: requested,
            approved,
            declined,
            expired,
            failed_mails: mail_failed,
        } = *day;
        Self { requested, approved, declined, expired, mail_failed }
    }

    fn add(self, more: Self) -> Self {
        Self {
            requested: self.requested + more.requested,
            approved: self.approved + more.approved,
            declined: self.declined + more.declined,
            expired: self.expired + more.expired,
            mail_failed: self.mail_failed + more.mail_failed,
        }
    }

    /// The highest bar above the line, and the deepest below it.
    fn max_heights(self) -> (i64, i64) {
        (self.requested.max(self.approved), (self.declined + self.expired).max(self.mail_failed))
    }
}

impl Chart {
    /// Of these days.
    pub fn new(days: &DailyStats, language: Language) -> Self {
        let numbers = || days.days.iter().map(DayCounts::from_day);
        let up = numbers().map(|day| day.max_heights().0).max().unwrap_or(0);
        let down = numbers().map(|day| day.max_heights().1).max().unwrap_or(0);
        let (above, below) = MAX_HEIGHTS;
        // One scale for both, in which each has room: so much height for so many.
        let (height, count) =
            if above * down.max(1) <= below * up.max(1) { (above, up.max(1)) } else { (below, down.max(1)) };
        let scaled = |many: i64| match many {
            0 => 0,
            many => (many.saturating_mul(height) / count).max(MIN_BAR_HEIGHT),
        };
        let column = |(nth, day): (i64, &DayStats)| {
            let (x, numbers) = (nth * DAY_WIDTH, DayCounts::from_day(day));
            let left = x + (DAY_WIDTH - 2 * BAR_WIDTH) / 2;
            let bar = |kind, x, y, height| ChartBar { kind, x, y, width: BAR_WIDTH, height };
            let rises = |kind, x, many| bar(kind, x, above - scaled(many), scaled(many));
            let falls = |kind, x, many| bar(kind, x, above, scaled(many));
            let bars = vec![
                rises("requested", left, numbers.requested),
                rises("approved", left + BAR_WIDTH, numbers.approved),
                falls("not-granted", left, numbers.declined + numbers.expired),
                falls("mail-failed", left + BAR_WIDTH, numbers.mail_failed),
            ];
            let bars = bars.into_iter().filter(|bar| bar.height > 0).collect();
            ChartDay { x, date: format_date(day, language), counts: numbers, bars }
        };
        Self {
            width: days.days.len() as i64 * DAY_WIDTH,
            height: above + below,
            baseline: above,
            days: (0..).zip(&days.days).map(column).collect(),
            max_count: up.max(down),
            sample_weight: days.sample_weight,
            total: numbers().fold(DayCounts::default(), DayCounts::add),
        }
    }
}

/// A day's date, in words.
fn format_date(day: &DayStats, language: Language) -> String {
    let month = language.t(&format!("month-{}", day.starts_at.format("%-m")));
    language.t_args("staff-date", &[("day", &day.starts_at.format("%-d")), ("month", &month)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timestamp::Timestamp;

    fn chart(days: &[[i64; 5]]) -> Chart {
        let day = |(nth, [asked, approved, declined, expired, failed]): (i64, &[i64; 5])| DayStats {
            starts_at: Timestamp::from_micros(0).plus_seconds(nth * 86_400),
            created: *asked,
            approved: *approved,
            declined: *declined,
            expired: *expired,
            failed_mails: *failed,
        };
        let days = DailyStats { days: (0..).zip(days).map(day).collect(), sample_weight: 1 };
        Chart::new(&days, Language::English)
    }

    #[test]
    fn every_bar_fits_and_no_nonzero_bar_is_omitted() {
        for days in [
            vec![[0; 5]],
            vec![[5, 3, 1, 1, 0], [0, 0, 0, 0, 7]],
            vec![[1, 0, 0, 0, 0], [i64::MAX / 1_000, 1, 0, 0, 1]],
            vec![[0, 0, 900, 900, 0]],
        ] {
            let chart = chart(&days);
            assert_eq!((chart.days.len(), chart.baseline), (days.len(), 120));
            for (column, numbers) in chart.days.iter().zip(&days) {
                let there = [numbers[0], numbers[1], numbers[2] + numbers[3], numbers[4]];
                assert_eq!(column.bars.len(), there.iter().filter(|many| **many > 0).count(), "{days:?}");
                for bar in &column.bars {
                    assert!(bar.y >= 0 && bar.height >= MIN_BAR_HEIGHT, "{bar:?}");
                    assert!(
                        bar.y + bar.height <= chart.height && bar.x + bar.width <= chart.width,
                        "{bar:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_highest_bar_takes_all_the_height() {
        let chart = chart(&[[10, 5, 0, 0, 0], [0, 0, 1, 0, 0]]);
        let bar = |kind, x, y, height| ChartBar { kind, x, y, width: BAR_WIDTH, height };
        assert_eq!(chart.days[0].bars, [bar("requested", 2, 0, 120), bar("approved", 10, 60, 60)]);
        assert_eq!(chart.days[1].bars, [bar("not-granted", 22, 120, 12)]);
        assert_eq!((chart.max_count, chart.days[1].date.as_str()), (10, "2 January"));
    }
}
