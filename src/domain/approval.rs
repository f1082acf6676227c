//! What a requester asks for, and what the target grants of it.

use super::rights::Mask;
use super::timestamp::Timestamp;
use super::validated_text::{sanitize_for_display, text_type};

text_type! {
    /// Why the requester asks.
    Purpose, 500, opaque
}

text_type! {
    /// Why the target declined.
    Reason, 500, opaque
}

impl Purpose {
    /// The text for display.
    pub fn display(&self) -> String {
        sanitize_for_display(self.as_str())
    }
}

impl Reason {
    /// The text for display.
    pub fn display(&self) -> String {
        sanitize_for_display(self.as_str())
    }
}

/// The shortest time for which a permission can be asked.
pub const MIN_PERMISSION_TTL_SECONDS: i64 = 3_600;
/// The longest: 100 years.
pub const MAX_PERMISSION_TTL_SECONDS: i64 = 100 * 365 * 86_400;

/// The rights that a requester asks for, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedPermission {
    pub permission: Mask,
    /// The rights without which the permission is useless to the requester.
    pub minimum: Option<Mask>,
    /// Seconds from the approval; `None`: until revoked.
    pub ttl_seconds: Option<i64>,
}

impl AskedPermission {
    /// All these rights, until revoked.
    pub const fn without_end(permission: Mask) -> Self {
        Self { permission, minimum: None, ttl_seconds: None }
    }

    /// The same for at most this many seconds.
    #[must_use]
    pub fn within(self, max_ttl: Option<i64>) -> Self {
        let ttl_seconds = [self.ttl_seconds, max_ttl].into_iter().flatten().min();
        Self { ttl_seconds, ..self }
    }

    /// When the permission would end if it were approved as asked at this time.
    pub fn expires_at(&self, approved_at: Timestamp) -> Option<Timestamp> {
        self.ttl_seconds.map(|seconds| approved_at.plus_seconds(seconds))
    }
}

/// The rights that a new request asks for, and for how long, before its bundle is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAsk {
    /// `None`: all rights of the bundle.
    pub permission: Option<Mask>,
    pub minimum: Option<Mask>,
    pub ttl_seconds: Option<i64>,
}

/// Why a bundle cannot be asked for like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAsk {
    #[error("the rights exceed those of the bundle: {0}")]
    RightsNotInBundle(Mask),
    #[error("the minimum exceeds the rights that are asked for: {0}")]
    MinimumNotAsked(Mask),
}

impl NewAsk {
    /// The same for a bundle with these rights.
    pub fn of_bundle(self, bundle: Mask) -> Result<AskedPermission, InvalidAsk> {
        let Self { permission, minimum, ttl_seconds } = self;
        let permission = permission.unwrap_or(bundle);
        if !bundle.contains(permission) {
            return Err(InvalidAsk::RightsNotInBundle(bundle));
        }
        if minimum.is_some_and(|minimum| !permission.contains(minimum)) {
            return Err(InvalidAsk::MinimumNotAsked(permission));
        }
        Ok(AskedPermission { permission, minimum, ttl_seconds })
    }
}

/// Where the requester's application gets its user back after the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo {
    pub url: String,
    /// An opaque value of the application.
    pub state: Option<String>,
}

/// What the target grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// `None`: all rights that were asked for.
    pub permission: Option<Mask>,
    pub end: ApprovedEnd,
    /// The longest time in seconds that the configuration allows, whatever was asked.
    pub max_ttl: Option<i64>,
}

/// When the permission ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApprovedEnd {
    #[default]
    AsAsked,
    At(Timestamp),
    /// Seconds after the approval.
    After(i64),
}

/// Why a target cannot grant this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApproval {
    #[error("the rights exceed what was asked")]
    RightsNotAsked,
    #[error("the rights lack the minimum of the requester")]
    RightsBelowMinimum,
    #[error("the end is in the past")]
    EndInPast,
    #[error("the end is later than asked")]
    EndLaterThanAsked,
}

impl Approval {
    /// The request as it is.
    pub const AS_ASKED: Self = Self { permission: None, end: ApprovedEnd::AsAsked, max_ttl: None };

    /// The approval of these rights until this end.
    pub fn of((permission, expires_at): (Mask, Option<Timestamp>)) -> Self {
        let end = expires_at.map_or(ApprovedEnd::AsAsked, ApprovedEnd::At);
        Self { permission: Some(permission), end, max_ttl: None }
    }

    /// The rights and the end that this grants at some time.
    pub fn resolve(&self, asked: &AskedPermission, at: Timestamp) -> (Mask, Option<Timestamp>) {
        let end = match self.end {
            ApprovedEnd::AsAsked => asked.expires_at(at),
            ApprovedEnd::At(end) => Some(end),
            ApprovedEnd::After(seconds) => Some(at.plus_seconds(seconds)),
        };
        (self.permission.unwrap_or(asked.permission), end)
    }

    /// The rights and the end, if the request allows them.
    pub fn check(
        &self,
        asked: &AskedPermission,
        now: Timestamp,
    ) -> Result<(Mask, Option<Timestamp>), InvalidApproval> {
        let (permission, end) = self.resolve(asked, now);
        if !asked.permission.contains(permission) {
            return Err(InvalidApproval::RightsNotAsked);
        }
        if asked.minimum.is_some_and(|minimum| !permission.contains(minimum)) {
            return Err(InvalidApproval::RightsBelowMinimum);
        }
        if end.is_some_and(|end| end <= now) {
            return Err(InvalidApproval::EndInPast);
        }
        if asked.expires_at(now).is_some_and(|latest| end.is_none_or(|end| end > latest)) {
            return Err(InvalidApproval::EndLaterThanAsked);
        }
        Ok((permission, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_micros(1_893_456_000_000_000);

    fn mask(bits: i64) -> Mask {
        Mask::new(bits).unwrap()
    }

    #[test]
    fn an_approval_as_asked_grants_what_was_asked() {
        let asked = AskedPermission { permission: mask(6), minimum: Some(mask(2)), ttl_seconds: Some(60) };
        assert_eq!(Approval::AS_ASKED.check(&asked, NOW), Ok((mask(6), Some(NOW.plus_seconds(60)))));
        assert_eq!(
            Approval::AS_ASKED.check(&AskedPermission::without_end(mask(6)), NOW),
            Ok((mask(6), None))
        );
    }

    #[test]
    fn an_approval_cannot_exceed_what_was_asked() {
        let asked = AskedPermission { permission: mask(6), minimum: Some(mask(2)), ttl_seconds: Some(60) };
        let rights = |bits| Approval { permission: Some(mask(bits)), ..Approval::AS_ASKED };
        let end = |end| Approval { end, ..Approval::AS_ASKED };
        for (approval, error) in [
            (rights(14), InvalidApproval::RightsNotAsked),
            (rights(8), InvalidApproval::RightsNotAsked),
            (rights(4), InvalidApproval::RightsBelowMinimum),
            (end(ApprovedEnd::At(NOW)), InvalidApproval::EndInPast),
            (end(ApprovedEnd::After(0)), InvalidApproval::EndInPast),
            (end(ApprovedEnd::At(NOW.plus_seconds(61))), InvalidApproval::EndLaterThanAsked),
            (end(ApprovedEnd::After(61)), InvalidApproval::EndLaterThanAsked),
        ] {
            assert_eq!(approval.check(&asked, NOW), Err(error), "{approval:?}");
        }
        assert_eq!(rights(2).check(&asked, NOW), Ok((mask(2), Some(NOW.plus_seconds(60)))));
        assert_eq!(end(ApprovedEnd::After(59)).check(&asked, NOW), Ok((mask(6), Some(NOW.plus_seconds(59)))));
    }

    #[test]
    fn a_maximum_limits_what_was_asked() {
        let asked = |ttl_seconds| AskedPermission { ttl_seconds, ..AskedPermission::without_end(mask(6)) };
        for (ttl, max, within) in [
            (None, None, None),
            (None, Some(60), Some(60)),
            (Some(90), Some(60), Some(60)),
            (Some(30), Some(60), Some(30)),
            (Some(30), None, Some(30)),
        ] {
            assert_eq!(asked(ttl).within(max), asked(within));
        }
    }

    #[test]
    fn a_request_asks_for_rights_of_its_bundle() {
        let ask = |permission: Option<i64>, minimum: Option<i64>| {
            let (permission, minimum) = (permission.map(mask), minimum.map(mask));
            let asked = NewAsk { permission, minimum, ttl_seconds: Some(60) }.of_bundle(mask(6));
            asked.map(|asked| (asked.permission, asked.minimum, asked.ttl_seconds))
        };
        assert_eq!(ask(None, None), Ok((mask(6), None, Some(60))));
        assert_eq!(ask(Some(2), Some(2)), Ok((mask(2), Some(mask(2)), Some(60))));
        assert_eq!(ask(Some(14), None), Err(InvalidAsk::RightsNotInBundle(mask(6))));
        assert_eq!(ask(Some(2), Some(4)), Err(InvalidAsk::MinimumNotAsked(mask(2))));
        assert_eq!(ask(None, Some(8)), Err(InvalidAsk::MinimumNotAsked(mask(6))));
    }

    proptest! {
        #[test]
        fn nothing_is_granted_beyond_what_was_asked(
            asked_bits in 1_i64..=63, minimum_bits in 0_i64..=63, ttl in proptest::option::of(1_i64..100),
            bits in proptest::option::of(1_i64..=63), end in -50_i64..150, which in 0..3,
        ) {
            let asked = AskedPermission {
                permission: mask(asked_bits),
                minimum: Mask::new(minimum_bits & asked_bits).ok(),
                ttl_seconds: ttl,
            };
            let end = match which {
                0 => ApprovedEnd::AsAsked,
                1 => ApprovedEnd::At(NOW.plus_seconds(end)),
                _ => ApprovedEnd::After(end),
            };
            let approval = Approval { permission: bits.map(mask), end, max_ttl: None };
            if let Ok((granted, until)) = approval.check(&asked, NOW) {
                prop_assert!(asked.permission.contains(granted));
                prop_assert!(asked.minimum.is_none_or(|minimum| granted.contains(minimum)));
                prop_assert!(until.is_none_or(|until| until > NOW));
                if let Some(latest) = asked.expires_at(NOW) {
                    prop_assert!(until.is_some_and(|until| until <= latest));
                }
            }
        }
    }
}
