//! The values of the templates of the daily mail.

use minijinja::{Value, context};

use super::message::{person_context, sanitize_for_mail};
use crate::domain::daily_mail::{DailyMail, DailyRequest, EndingExport, EndingPermission};
use crate::i18n::Language;

/// Items in each list of a mail.
const MAX_ITEMS: usize = 20;

/// The values, without those that all mails have. `links` are those of the pending requests.
pub(super) fn values(mail: &DailyMail, links: &[String], language: Language) -> Value {
    let request = |item: &DailyRequest| {
        let until = language.weekday_date_time(item.request.expires_at);
        context! { bundle => sanitize_for_mail(&item.bundle.display_name()), until, ..person_context(&item.other) }
    };
    let export = |item: &EndingExport| {
        let until = language.weekday_date_time(item.ends_at);
        let [hub, node] = [item.hub.as_str(), item.node.as_str()].map(sanitize_for_mail);
        context! { hub, node, until }
    };
    let pending: Vec<Value> = mail
        .pending
        .iter()
        .zip(links)
        .take(MAX_ITEMS)
        .map(|(item, link)| context! { link, ..request(item) })
        .collect();
    let permission = |item: &EndingPermission| {
        let until = language.weekday_date_time(item.ends_at);
        context! { bundle => sanitize_for_mail(&item.bundle.display_name()), until, ..person_context(&item.other) }
    };
    let [granted, received] = [&mail.granted, &mail.received]
        .map(|items| items.iter().take(MAX_ITEMS).map(permission).collect::<Vec<Value>>());
    let exports: Vec<Value> = mail.exports.iter().take(MAX_ITEMS).map(export).collect();
    let expired: Vec<Value> = mail.expired.iter().take(MAX_ITEMS).map(request).collect();
    let lists = [&pending, &granted, &received, &exports, &expired];
    let count = mail.pending.len()
        + mail.granted.len()
        + mail.received.len()
        + mail.exports.len()
        + mail.expired.len();
    let more = count - lists.into_iter().map(Vec::len).sum::<usize>();
    context! { count, more, pending, granted, received, exports, expired }
}
