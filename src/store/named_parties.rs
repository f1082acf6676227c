//! The users and bundles that a client names.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, SmallInt, Text};

use super::by_keys::ConstantQuery;
use super::connection::{Backend, Conn};
use super::schema::{bundles, users};
use crate::domain::bundle::{Bundle, BundleId, BundleName, Description};
use crate::domain::rights::Mask;
use crate::domain::user::{Email, PersonName, User, UserId};

/// The columns of a user, or those of a bundle.
#[derive(Queryable)]
struct UserOrBundle {
    id: i64,
    email_or_bundle_name: String,
    first_name_or_description: String,
    last_name: String,
    active: bool,
    staff: bool,
    /// `None` for a user.
    bundle_permission: Option<i16>,
}

/// Loads those that exist, in no particular order; on PostgreSQL by one query, because a caller that is alone waits for
/// each round trip.
pub(super) fn load(
    conn: &mut Conn,
    user_ids: &[UserId],
    emails: &[Email],
    bundle_ids: &[BundleId],
) -> QueryResult<(Vec<User>, Vec<Bundle>)> {
    let Backend::Postgres(pg) = &mut conn.backend else {
        let mut found = super::users::by_ids(conn, user_ids)?;
        found.extend(super::users::by_emails(conn, emails)?);
        return Ok((found, super::bundles::by_ids(conn, bundle_ids)?));
    };
    let user_ids: Vec<i64> = user_ids.iter().map(|id| id.0).collect();
    let emails: Vec<&str> = emails.iter().map(Email::as_str).collect();
    let bundle_ids: Vec<i64> = bundle_ids.iter().map(|id| id.0).collect();
    macro_rules! found_users {
        ($is_named:expr) => {
            users::table.filter($is_named).select((
                users::id,
                users::email,
                users::first_name,
                users::last_name,
                users::active,
                users::staff,
                sql::<Nullable<SmallInt>>("NULL::smallint"),
            ))
        };
    }
    let found_bundles = bundles::table.filter(bundles::id.eq_any(&bundle_ids)).select((
        bundles::id,
        bundles::name,
        bundles::description,
        sql::<Text>("''"),
        sql::<Bool>("false"),
        sql::<Bool>("false"),
        bundles::permission.nullable(),
    ));
    struct Id;
    let query = ConstantQuery::<Id, _>::new(
        found_users!(users::id.eq_any(&user_ids))
            .union_all(found_users!(users::email.eq_any(&emails)))
            .union_all(found_bundles),
    );
    let (mut users, mut bundles) = (Vec::new(), Vec::new());
    for row in query.load::<UserOrBundle>(&mut **pg)? {
        match row.bundle_permission {
            None => users.push(User {
                id: UserId(row.id),
                email: Email::from_db(row.email_or_bundle_name),
                first_name: PersonName::from_db(row.first_name_or_description),
                last_name: PersonName::from_db(row.last_name),
                active: row.active,
                staff: row.staff,
            }),
            Some(permission) => bundles.push(Bundle {
                id: BundleId(row.id),
                name: BundleName::from_db(row.email_or_bundle_name),
                description: Description::from_db(row.first_name_or_description),
                permission: Mask::from_db(permission),
            }),
        }
    }
    Ok((users, bundles))
}
