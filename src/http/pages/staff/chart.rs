//! The bar chart of the last days: requested and approved above the baseline; declined,
//! expired and failed mails below it. Coordinates are in units of the SVG, which the browser
//! scales to the width of the page.

use serde::Serialize;

use crate::i18n::Language;
use crate::store::daily_stats::{DailyStats, DayStats};

const DAY_WIDTH: i64 = 20;
/// Each day has two bars side by side.
const BAR_WIDTH: i64 = 8;
/// The height above the baseline.
const HEIGHT_ABOVE: i64 = 120;
/// The height below the baseline.
const HEIGHT_BELOW: i64 = 40;
/// The height of a bar that would be too low to see.
const MIN_BAR_HEIGHT: i64 = 2;

/// The chart, as the template draws it.
#[derive(Debug, Serialize)]
pub struct Chart {
    width: i64,
    height: i64,
    /// The y coordinate of the baseline, from the top.
    baseline: i64,
    days: Vec<ChartDay>,
    /// The value of the highest bar.
    max_count: i64,
    /// The number of requests that each sampled one stands for.
    sample_weight: i64,
    /// The sums over all days.
    total: DayCounts,
}

/// One day of the chart.
#[derive(Debug, Serialize)]
struct ChartDay {
    /// The x coordinate of its left edge.
    x: i64,
    /// The date, for example `2 January`.
    date: String,
    counts: DayCounts,
    bars: Vec<ChartBar>,
}

/// The numbers of one day, or of all.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct DayCounts {
    requested: i64,
    approved: i64,
    declined: i64,
    expired: i64,
    mail_failed: i64,
}

/// One bar.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ChartBar {
    /// The class in the style sheet.
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

    /// The highest values above and below the baseline.
    fn max_values(self) -> (i64, i64) {
        (self.requested.max(self.approved), (self.declined + self.expired).max(self.mail_failed))
    }
}

impl Chart {
    /// Draws the statistics. Dates are in this language.
    pub fn new(days: &DailyStats, language: Language) -> Self {
        let counts = || days.days.iter().map(DayCounts::from_day);
        let up = counts().map(|day| day.max_values().0).max().unwrap_or(0);
        let down = counts().map(|day| day.max_values().1).max().unwrap_or(0);
        let (above, below) = (HEIGHT_ABOVE, HEIGHT_BELOW);
        // One scale for both sides: the highest value of one side fills its height, and the other
        // side fits.
        let (height, max_value) =
            if above * down.max(1) <= below * up.max(1) { (above, up.max(1)) } else { (below, down.max(1)) };
        let scaled = |value: i64| match value {
            0 => 0,
            value => (value.saturating_mul(height) / max_value).max(MIN_BAR_HEIGHT),
        };
        let column = |(index, day): (i64, &DayStats)| {
            let (x, counts) = (index * DAY_WIDTH, DayCounts::from_day(day));
            let left = x + (DAY_WIDTH - 2 * BAR_WIDTH) / 2;
            let bar = |kind, x, y, height| ChartBar { kind, x, y, width: BAR_WIDTH, height };
            let rising = |kind, x, value| bar(kind, x, above - scaled(value), scaled(value));
            let falling = |kind, x, value| bar(kind, x, above, scaled(value));
            let bars = vec![
                rising("requested", left, counts.requested),
                rising("approved", left + BAR_WIDTH, counts.approved),
                falling("not-granted", left, counts.declined + counts.expired),
                falling("mail-failed", left + BAR_WIDTH, counts.mail_failed),
            ];
            let bars = bars.into_iter().filter(|bar| bar.height > 0).collect();
            ChartDay { x, date: format_date(day, language), counts, bars }
        };
        Self {
            width: days.days.len() as i64 * DAY_WIDTH,
            height: above + below,
            baseline: above,
            days: (0..).zip(&days.days).map(column).collect(),
            max_count: up.max(down),
            sample_weight: days.sample_weight,
            total: counts().fold(DayCounts::default(), DayCounts::add),
        }
    }
}

/// The date of a day, for example `2 January`.
fn format_date(day: &DayStats, language: Language) -> String {
    let month = language.t(&format!("month-{}", day.starts_at.format("%-m")));
    language.t_args("staff-date", &[("day", &day.starts_at.format("%-d")), ("month", &month)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timestamp::Timestamp;

    fn chart(days: &[[i64; 5]]) -> Chart {
        let day = |(index, [requested, approved, declined, expired, failed]): (i64, &[i64; 5])| DayStats {
            starts_at: Timestamp::from_micros(0).plus_seconds(index * 86_400),
            created: *requested,
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
