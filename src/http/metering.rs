//! Meters, changed by whoever handles a request.

use crate::domain::clock::Timestamp;
use crate::domain::limit::{Meter, Meters};
use crate::store::{Directory, QueryError, StoreError, meters};

/// How often to try anew when somebody else was first to use a meter.
const TRIES: usize = 3;

/// Changes meters, in a transaction; what the change came to.
pub async fn change<T: Send + 'static>(
    directory: &Directory,
    wanted: Vec<Meter>,
    change: impl Fn(&mut Meters, Timestamp) -> T + Clone + Send + 'static,
) -> Result<T, StoreError> {
    let mut more = 1..TRIES;
    loop {
        let (wanted, change) = (wanted.clone(), change.clone());
        let changed = directory.write(move |conn| {
            let mut meters = meters::lock(conn, &wanted)?;
            let now = conn.now()?;
            let changed = change(&mut meters, now);
            meters::write(conn, &meters)?;
            Ok(changed)
        });
        match changed.await {
            Err(StoreError::Refused(QueryError::RollbackTransaction)) if more.next().is_some() => {}
            done => return done,
        }
    }
}
