//! Password links: the mailed links with which users set a password.

use std::net::IpAddr;

use super::credentials::{self, KeysOnReset};
use super::sessions;
use crate::domain::audit::AuditContext;
use crate::domain::password_link::{LinkReason, PasswordLink};
use crate::domain::rate_limit::{
    KeyedLimit, PasswordResetLimits, RateLimitKey, RateLimited, larger_networks,
};
use crate::domain::token::{Keyring, PasswordLinkId, Token};
use crate::domain::user::{Email, User, UserId};
use crate::entropy;
use crate::i18n::Language;
use crate::store::sessions::Session;
use crate::store::{AsyncStore, StoreError, password_links, rate_limits, users};

/// Whether a mail may be sent to an account, whether or not the account exists. Fails if the
/// client address has requested too many. An exhausted limit of the account is no error: the
/// client must not learn about it.
pub(crate) async fn consume_limits(
    store: &AsyncStore,
    limits: PasswordResetLimits,
    email: Option<Email>,
    ip_prefix: Option<IpAddr>,
) -> Result<Result<bool, RateLimited>, StoreError> {
    let mut address: Vec<KeyedLimit> = Vec::new();
    if let Some((ip, limit)) = ip_prefix.zip(limits.address) {
        address.push((RateLimitKey::PasswordResetAddress(ip), limit));
        address.extend(larger_networks(ip).map(|(network, bits, times)| {
            (RateLimitKey::PasswordResetNetwork(network, bits), limit.times(times))
        }));
    }
    let account =
        email.zip(limits.account).map(|(email, limit)| (RateLimitKey::PasswordResetAccount(email), limit));
    let keys: Vec<RateLimitKey> = address.iter().chain(&account).map(|(key, _)| key.clone()).collect();
    if keys.is_empty() {
        return Ok(Ok(true));
    }
    let consumed = rate_limits::update(store, keys, move |limiter, now| {
        limiter.consume(&address, now)?;
        Ok(limiter.consume(account.as_slice(), now).is_ok())
    });
    consumed.await
}

/// Queues a mail with a password link if there is an active account with this address.
/// Returns whether there is.
pub(crate) async fn send(store: &AsyncStore, audit: AuditContext, email: Email) -> Result<bool, StoreError> {
    let queued = store.write(move |conn| {
        let found = users::by_email_with_password(conn, &email)?;
        let Some((user, hash)) = found.filter(|(user, _)| user.active) else { return Ok(false) };
        // The user may have been disabled since.
        if !users::lock_active(conn, user.id)? {
            return Ok(false);
        }
        let reason = if hash.is_some() { LinkReason::ForgottenPassword } else { LinkReason::NewAccount };
        let now = conn.now()?;
        password_links::create(conn, user.id, reason, &audit, now)?;
        Ok(true)
    });
    queued.await
}

/// The usable link with this token, and its user.
pub(crate) async fn find(
    store: &AsyncStore,
    keyring: &Keyring,
    token: Option<&str>,
) -> Result<Option<(PasswordLink, User)>, StoreError> {
    // An invalid token gets a random ID and is looked up too: it takes as long as an unknown one.
    let verified = token.and_then(|token| keyring.verify_password_link_token(token).ok());
    let id = verified.unwrap_or_else(|| PasswordLinkId(entropy::uuid()));
    let found = store.read(move |conn| {
        let now = conn.now()?;
        password_links::find_active(conn, id, now)
    });
    found.await
}

/// A new password that is set with a link.
pub(crate) struct PasswordReset {
    pub user: UserId,
    pub link: PasswordLinkId,
    pub new_hash: String,
    pub keys: KeysOnReset,
    /// The browser's session, which the new one replaces.
    pub replaced: Option<Session>,
    pub language: Option<Language>,
}

/// Sets a password with a link, ends all sessions of the user, and opens a new one in place of the
/// browser's earlier session. `None` if the link is no longer usable.
pub(crate) async fn set_password(
    store: &AsyncStore,
    audit: AuditContext,
    reset: PasswordReset,
) -> Result<Option<Token>, StoreError> {
    let opened = store.write(move |conn| {
        let PasswordReset { user, link, new_hash, keys, replaced, language } = &reset;
        let now = conn.now()?;
        if !password_links::consume(conn, *link, *user, now)? {
            return Ok(None);
        }
        credentials::set_password(conn, *user, new_hash, *keys, &audit)?;
        sessions::close_replaced(conn, replaced.as_ref(), &audit)?;
        sessions::open(conn, *user, &audit, *language).map(Some)
    });
    opened.await
}
