//! The picture of the last days: what was asked for and approved above the line, what came
//! to nothing below it. Where everything lies is computed here, in the units of the
//! drawing, which a browser makes as wide as there is room.

use serde::Serialize;

use crate::store::days::{Day, Days};
use crate::words::Language;

/// What a day has of the width.
const DAY: i64 = 20;
/// What a bar has of it: each day has two beside each other.
const BAR: i64 = 8;
/// The most height above the line, and below it.
const HEIGHTS: (i64, i64) = (120, 40);
/// The height of what is so little that nobody would see it.
const LEAST: i64 = 2;

/// The picture.
#[derive(Debug, Serialize)]
pub struct Chart {
    width: i64,
    height: i64,
    /// Where the line is, from above.
    line: i64,
    days: Vec<Column>,
    /// The most that one bar stands for.
    most: i64,
    /// For how many requests each stood that was counted.
    each: i64,
    /// All days together.
    total: Numbers,
}

/// A day.
#[derive(Debug, Serialize)]
struct Column {
    /// Where it begins, from the left.
    x: i64,
    /// Its date, in words.
    date: String,
    numbers: Numbers,
    bars: Vec<Bar>,
}

/// What is told of a day, or of all.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Numbers {
    asked: i64,
    redeemed: i64,
    declined: i64,
    expired: i64,
    dead: i64,
}

/// A bar.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Bar {
    /// What it stands for, as the style sheet calls it.
    kind: &'static str,
    x: i64,
    y: i64,
    width: i64,
    height: i64,
}

impl Numbers {
    fn of(day: &Day) -> Self {
        let Day { begins: _, asked, redeemed, declined, expired, dead } = *day;
        Self { asked, redeemed, declined, expired, dead }
    }

    fn and(self, more: Self) -> Self {
        Self {
            asked: self.asked + more.asked,
            redeemed: self.redeemed + more.redeemed,
            declined: self.declined + more.declined,
            expired: self.expired + more.expired,
            dead: self.dead + more.dead,
        }
    }

    /// The highest bar above the line, and the deepest below it.
    fn most(self) -> (i64, i64) {
        (self.asked.max(self.redeemed), (self.declined + self.expired).max(self.dead))
    }
}

impl Chart {
    /// Of these days.
    pub fn of(days: &Days, language: Language) -> Self {
        let numbers = || days.days.iter().map(Numbers::of);
        let up = numbers().map(|day| day.most().0).max().unwrap_or(0);
        let down = numbers().map(|day| day.most().1).max().unwrap_or(0);
        let (above, below) = HEIGHTS;
        // One scale for both, in which each has room: so much height for so many.
        let (height, count) =
            if above * down.max(1) <= below * up.max(1) { (above, up.max(1)) } else { (below, down.max(1)) };
        let scaled = |many: i64| match many {
            0 => 0,
            many => (many.saturating_mul(height) / count).max(LEAST),
        };
        let column = |(nth, day): (i64, &Day)| {
            let (x, numbers) = (nth * DAY, Numbers::of(day));
            let left = x + (DAY - 2 * BAR) / 2;
            let bar = |kind, x, y, height| Bar { kind, x, y, width: BAR, height };
            let rises = |kind, x, many| bar(kind, x, above - scaled(many), scaled(many));
            let falls = |kind, x, many| bar(kind, x, above, scaled(many));
            let bars = vec![
                rises("asked", left, numbers.asked),
                rises("redeemed", left + BAR, numbers.redeemed),
                falls("unmet", left, numbers.declined + numbers.expired),
                falls("dead", left + BAR, numbers.dead),
            ];
            let bars = bars.into_iter().filter(|bar| bar.height > 0).collect();
            Column { x, date: date(day, language), numbers, bars }
        };
        Self {
            width: days.days.len() as i64 * DAY,
            height: above + below,
            line: above,
            days: (0..).zip(&days.days).map(column).collect(),
            most: up.max(down),
            each: days.each,
            total: numbers().fold(Numbers::default(), Numbers::and),
        }
    }
}

/// A day's date, in words.
fn date(day: &Day, language: Language) -> String {
    let month = language.say(&format!("month-{}", day.begins.format("%-m")));
    language.say_of("staff-date", &[("day", &day.begins.format("%-d")), ("month", &month)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;

    fn chart(days: &[[i64; 5]]) -> Chart {
        let day = |(nth, [asked, redeemed, declined, expired, dead]): (i64, &[i64; 5])| Day {
            begins: Timestamp::from_micros(0).plus_seconds(nth * 86_400),
            asked: *asked,
            redeemed: *redeemed,
            declined: *declined,
            expired: *expired,
            dead: *dead,
        };
        let days = Days { days: (0..).zip(days).map(day).collect(), each: 1 };
        Chart::of(&days, Language::English)
    }

    #[test]
    fn every_bar_has_room_and_none_is_lost() {
        for days in [
            vec![[0; 5]],
            vec![[5, 3, 1, 1, 0], [0, 0, 0, 0, 7]],
            vec![[1, 0, 0, 0, 0], [i64::MAX / 1_000, 1, 0, 0, 1]],
            vec![[0, 0, 900, 900, 0]],
        ] {
            let chart = chart(&days);
            assert_eq!((chart.days.len(), chart.line), (days.len(), 120));
            for (column, numbers) in chart.days.iter().zip(&days) {
                let there = [numbers[0], numbers[1], numbers[2] + numbers[3], numbers[4]];
                assert_eq!(column.bars.len(), there.iter().filter(|many| **many > 0).count(), "{days:?}");
                for bar in &column.bars {
                    assert!(bar.y >= 0 && bar.height >= LEAST, "{bar:?}");
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
        let bar = |kind, x, y, height| Bar { kind, x, y, width: BAR, height };
        assert_eq!(chart.days[0].bars, [bar("asked", 2, 0, 120), bar("redeemed", 10, 60, 60)]);
        assert_eq!(chart.days[1].bars, [bar("unmet", 22, 120, 12)]);
        assert_eq!((chart.most, chart.days[1].date.as_str()), (10, "2 January"));
    }
}
