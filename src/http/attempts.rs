//! Sign-ins that fail, counted before it is known that they do: an attempt takes one
//! of its account's limit and of its address's before its password is looked at, and
//! whoever turns out to be right gets both back. So no more passwords are tried than
//! the limits allow, however many come at once, at however many replicas.
//!
//! Nobody locks others out for good: from where somebody has signed in to an account it
//! is known for thirty days, and has a meter of its own, which strangers' failures do
//! not touch. (A password that a server remembers is not tried again, and an API key
//! has no limit at all.) Accounts that are there and those that are not are alike.

use std::net::IpAddr;

use super::auth::AuthError;
use super::{client, metering};
use crate::domain::clock::Timestamp;
use crate::domain::limit::{Meter, Metered, Meters, SignInLimits};
use crate::domain::user::Email;
use crate::store::{Directory, meters};

/// For how many seconds an account is known at an address.
const ACQUAINTANCE: i64 = 30 * 86_400;

/// Sign-ins, as far as they are limited.
#[derive(Clone)]
pub struct Attempts {
    directory: Directory,
    limits: SignInLimits,
}

/// An attempt to sign in.
#[derive(Clone, Debug)]
pub struct Attempt {
    account: Email,
    /// The whole of what the subscriber has there.
    address: Option<IpAddr>,
    limits: SignInLimits,
}

/// An attempt that has been counted, and what it took.
#[derive(Clone, Debug)]
pub struct Counted {
    attempt: Attempt,
    taken: Vec<Metered>,
}

impl Attempts {
    /// Attempts within these limits.
    pub fn new(directory: Directory, limits: SignInLimits) -> Self {
        Self { directory, limits }
    }

    /// An attempt to sign in to this account from this address, unless there are too
    /// many. Nothing is taken yet.
    pub async fn begin(&self, account: &Email, from: Option<IpAddr>) -> Result<Attempt, AuthError> {
        let address = from.map(client::subscriber);
        let attempt = Attempt { account: account.clone(), address, limits: self.limits };
        if self.limits != SignInLimits::default() {
            let asked = attempt.clone();
            let allowed = self.directory.read(move |conn| {
                let meters = meters::read(conn, &asked.meters())?;
                let now = conn.now()?;
                Ok(meters.allow(&asked.metered(&meters, now), now))
            });
            allowed.await??;
        }
        Ok(attempt)
    }

    /// Counts an attempt, whose password is to be looked at now.
    pub async fn count(&self, attempt: Attempt) -> Result<Counted, AuthError> {
        if self.limits == SignInLimits::default() {
            return Ok(Counted { attempt, taken: Vec::new() });
        }
        let asked = attempt.clone();
        let taken = metering::change(&self.directory, attempt.meters(), move |meters, now| {
            let metered = asked.metered(meters, now);
            meters.take(&metered, now).map(|_| metered)
        });
        Ok(Counted { taken: taken.await??, attempt })
    }

    /// Gives back what an attempt took whose password was right. If that cannot be
    /// done, the limits are a little lower for a while.
    pub async fn succeed(&self, Counted { attempt, taken }: Counted) {
        if taken.is_empty() {
            return;
        }
        let given = metering::change(&self.directory, attempt.meters(), move |meters, now| {
            meters.give_back(&taken);
            if let Some(address) = attempt.address {
                let known = Meter::Known(attempt.account.clone(), address);
                meters.keep_up(&known, now.plus_seconds(ACQUAINTANCE));
            }
        });
        if let Err(error) = given.await {
            tracing::warn!(%error, "login throttle refund failed");
        }
    }
}

impl Attempt {
    /// All the meters that it may have to do with.
    fn meters(&self) -> Vec<Meter> {
        let account = self.account.clone();
        let mut meters = vec![Meter::Account(account.clone())];
        if let Some(address) = self.address {
            meters.push(Meter::Address(address));
            meters.push(Meter::AccountAt(account.clone(), address));
            meters.push(Meter::Known(account, address));
        }
        meters
    }

    /// What it takes one of. Where the account is known it has a meter of its own, on
    /// which there is as much as a stranger has there for all accounts: somebody's other
    /// device may go on with an old password, and all replicas may be new at once.
    fn metered(&self, meters: &Meters, now: Timestamp) -> Vec<Metered> {
        let SignInLimits { account, address } = self.limits;
        let known = |at: &IpAddr| meters.is_up(&Meter::Known(self.account.clone(), *at), now);
        let metered = match self.address {
            Some(at) if known(&at) => {
                [address.map(|limit| (Meter::AccountAt(self.account.clone(), at), limit)), None]
            }
            at => [
                account.map(|limit| (Meter::Account(self.account.clone()), limit)),
                at.zip(address).map(|(at, limit)| (Meter::Address(at), limit)),
            ],
        };
        metered.into_iter().flatten().collect()
    }
}
