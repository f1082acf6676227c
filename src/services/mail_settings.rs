//! The kinds of mails that a user has turned off.

use crate::domain::mail_kinds::{MailKinds, Unsubscription};
use crate::domain::user::UserId;
use crate::store::{AsyncStore, StoreError, mail_settings};

/// The kinds that a user has turned off.
pub(crate) async fn muted(store: &AsyncStore, user: UserId) -> Result<MailKinds, StoreError> {
    store.read(move |conn| mail_settings::muted(conn, user)).await
}

/// Replaces the kinds that a user has turned off.
pub(crate) async fn set_muted(store: &AsyncStore, user: UserId, muted: MailKinds) -> Result<(), StoreError> {
    store.write(move |conn| mail_settings::set_muted(conn, user, muted)).await
}

/// Turns off the kinds of a link in a mail.
pub(crate) async fn unsubscribe(store: &AsyncStore, link: Unsubscription) -> Result<(), StoreError> {
    store.write(move |conn| mail_settings::unsubscribe(conn, link)).await
}
