//! How mails are sent to users: the language, and the kinds that are turned off.

use std::collections::HashMap;

use diesel::prelude::*;

use super::connection::{Conn, with_backend};
use super::schema::users;
use super::user_row;
use crate::domain::mail_kinds::{MailKinds, Unsubscription};
use crate::domain::user::UserId;
use crate::i18n::Language;

/// How mails are sent to a user.
#[derive(Clone, Copy, Debug, Default)]
pub struct MailSettings {
    /// `None`: unknown, or not supported.
    pub language: Option<Language>,
    /// The kinds that the user has turned off.
    pub muted: MailKinds,
}

/// The settings of users.
pub fn load(conn: &mut Conn, ids: &[UserId]) -> QueryResult<HashMap<UserId, MailSettings>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<(i64, Option<String>, i16)> = with_backend!(conn, c => users::table
        .filter(users::id.eq_any(&ids))
        .select((users::id, users::language, users::muted))
        .load(c))?;
    let settings = |(id, tag, muted): (_, Option<String>, _)| {
        let language = tag.as_deref().and_then(Language::from_tag);
        (UserId(id), MailSettings { language, muted: MailKinds::from_bits(muted) })
    };
    Ok(rows.into_iter().map(settings).collect())
}

/// The kinds that a user has turned off.
pub fn muted(conn: &mut Conn, id: UserId) -> QueryResult<MailKinds> {
    Ok(load(conn, &[id])?.get(&id).map(|settings| settings.muted).unwrap_or_default())
}

/// Replaces the kinds that a user has turned off.
pub fn set_muted(conn: &mut Conn, id: UserId, muted: MailKinds) -> QueryResult<()> {
    with_backend!(conn, c => diesel::update(users::table.find(id.0))
        .set(users::muted.eq(muted.bits()))
        .execute(c))
    .map(drop)
}

/// Turns off the kinds of a link in a mail. Those that are off already stay off.
pub fn unsubscribe(conn: &mut Conn, link: Unsubscription) -> QueryResult<()> {
    user_row::lock(conn, link.user)?;
    let before = muted(conn, link.user)?;
    let after = before.union(link.kinds);
    if after == before { Ok(()) } else { set_muted(conn, link.user, after) }
}
