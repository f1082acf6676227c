//! Sample values, with which the templates are rendered when they are loaded.

use minijinja::{Value, context};

use crate::domain::notice::Notice;

/// Sample values for all kinds.
fn sample_common(link: &str) -> Value {
    context! {
        to => context! { name => "Ada Lovelace", email => "ada@example.org" },
        link => link,
        expires => "Tuesday, 1 January 2030, 00:00 UTC",
        server_url => "https://example.org",
    }
}

pub(super) fn sample_request(with_description: bool) -> Value {
    context! {
        requester => context! { name => "Grace Hopper", email => "grace@example.org" },
        bundle => context! {
            name => "Research",
            description => if with_description { "A <b>" } else { "" },
            rights => vec!["view your data", "download your data"],
        },
        purpose => with_description.then_some("A study"),
        duration => with_description.then_some("90 days"),
        ..sample_common("https://example.org/redeem?token=abc")
    }
}

pub(super) fn sample_notice(notice: Notice) -> Value {
    let permission = notice.has_permission().then(|| {
        context! {
            target => context! { name => "Ada Lovelace", email => "ada@example.org" },
            grantee => context! { name => "Grace Hopper", email => "grace@example.org" },
            ..sample_request(true)
        }
    });
    context! { notice => notice.name(), permission, ..sample_common("https://example.org/account") }
}

/// A mail about requests that are approved or not.
pub(super) fn sample_decisions(approvals: &[bool]) -> Value {
    let decision = |approved: &bool| {
        context! {
            approved,
            target => context! { name => "Ada Lovelace", email => "ada@example.org" },
            bundle => context! { name => "Heart rate", description => "", rights => ["view the data"] },
            until => approved.then_some("Tuesday, 1 January 2030, 00:00 UTC"),
            reason => (!approved).then_some("Not this year."),
        }
    };
    context! {
        decisions => approvals.iter().map(decision).collect::<Vec<_>>(),
        count => approvals.len() * 2 - 1,
        more => approvals.len() - 1,
        unsubscribe => "https://example.org/unsubscribe?token=abc",
        ..sample_request(true)
    }
}

/// A section of the daily mail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DailyItem {
    Pending,
    Granted,
    Received,
    Export,
    Expired,
}

impl DailyItem {
    pub(super) const ALL: [Self; 5] =
        [Self::Pending, Self::Granted, Self::Received, Self::Export, Self::Expired];
}

pub(super) fn sample_daily(items: &[DailyItem]) -> Value {
    let list = |of: DailyItem| -> Vec<Value> {
        let item = context! {
            name => "Grace Hopper",
            email => "grace@example.org",
            bundle => "Research",
            hub => "sleeplab",
            node => "night-17",
            until => "Tuesday, 1 January 2030, 00:00 UTC",
            link => "https://example.org/redeem?token=abc",
        };
        items.iter().filter(|item| **item == of).map(|_| item.clone()).collect()
    };
    context! {
        count => items.len(),
        more => items.len() - 1,
        pending => list(DailyItem::Pending),
        granted => list(DailyItem::Granted),
        received => list(DailyItem::Received),
        exports => list(DailyItem::Export),
        expired => list(DailyItem::Expired),
        unsubscribe => "https://example.org/unsubscribe?token=abc",
        ..sample_common("https://example.org/")
    }
}

pub(super) fn sample_password(new_account: bool) -> Value {
    context! { new_account, ..sample_common("https://example.org/set-password?token=abc") }
}
