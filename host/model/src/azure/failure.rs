//! What becomes of a write that ARM refused. In: status and code. Out: a class, and how long to wait.
//!
//! The table is that of the Azure Service Operator (`genericarmclient/error_classification.go`), with the codes that the
//! documentation of Microsoft.Sql lists.

use crate::snapshot::FailureClass;

/// Codes that end by themselves, or when something else that we do is done.
const TRANSIENT: &[&str] = &[
    "AllocationFailed",
    "AnotherOperationInProgress",
    "Conflict",
    "InvalidResourceReference",
    "NotFound",
    "OperationTimedOut",
    "ParentResourceNotFound",
    "PrincipalNotFound",
    "ResourceNotFound",
    "SubscriptionTooManyCreateUpdateRequests",
    "TooManyRequests",
];

/// Codes that end when somebody else does something.
const BLOCKED: &[&str] = &[
    "AuthorizationFailed",
    "Forbidden",
    "LinkedAuthorizationFailed",
    "MissingSubscriptionRegistration",
    "NoRegisteredProviderFound",
    "QuotaExceeded",
    "ResourceGroupNotFound",
    "ResourceQuotaExceeded",
    "ScopeLocked",
    "ServerDisabled",
    "ServerQuotaExceeded",
    "SubscriptionDisabled",
    "SubscriptionNotRegistered",
];

/// Codes that stay as long as the same is asked for.
const FINAL: &[&str] = &[
    "InvalidLocation",
    "InvalidLoginName",
    "InvalidMinimalTlsVersion",
    "InvalidRequestContent",
    "InvalidResourceGroupLocation",
    "InvalidResourceLocation",
    "InvalidResourceType",
    "InvalidServerName",
    "InvalidUsername",
    "LocationNotAvailableForResourceType",
    "LocationRequired",
    "MethodNotAllowed",
    "MissingRequiredParameter",
    "NameAlreadyExists",
    "PasswordNotComplex",
    "PasswordTooLong",
    "PasswordTooShort",
    "PropertyChangeNotAllowed",
    "ProvisioningDisabled",
    "RegionDoesNotAllowProvisioning",
    "RegionIsOfferRestricted",
    "RequestDisallowedByPolicy",
    "ReservedResourceName",
    "ServerAlreadyExists",
    "SkuNotAvailable",
    "SubscriptionNotFound",
];

/// What becomes of a write that was refused with this status and code. `status` is none where an operation failed. A code
/// that is not in the table is final with 400, and else tried again.
pub fn class_of(status: Option<u16>, code: &str) -> FailureClass {
    let is = |table: &[&str]| table.iter().any(|known| known.eq_ignore_ascii_case(code));
    let begins = |start: &str| code.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    if is(TRANSIENT) || is_in_progress(code) {
        FailureClass::Transient
    } else if is(BLOCKED) {
        FailureClass::Blocked
    } else if is(FINAL) || begins("BadRequest") || begins("InvalidParameter") || begins("FirewallRule") {
        FailureClass::Final
    } else {
        match status {
            Some(400) => FailureClass::Final,
            Some(401 | 403) => FailureClass::Blocked,
            _ => FailureClass::Transient,
        }
    }
}

/// The write was not taken because another one is being worked on, perhaps an earlier one of ours.
pub fn is_in_progress(code: &str) -> bool {
    const CODES: [&str; 4] = [
        "AnotherOperationInProgress",
        "ConflictingServerOperation",
        "DropLogicalServerAlreadyInProgress",
        "UpsertLogicalServerRequestAlreadyInProgress",
    ];
    CODES.iter().any(|known| known.eq_ignore_ascii_case(code))
}

/// Milliseconds until a failed write is tried again; `attempts` have failed so far. Growing for what ends by itself, some
/// minutes for what others must end, an hour for what stays as it is: even such an end may come (a policy is changed).
pub fn pause(class: FailureClass, attempts: u32) -> u64 {
    let grown = |first: u64, most: u64| first.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(most);
    match class {
        FailureClass::Transient => grown(2_000, 300_000),
        FailureClass::Blocked => grown(30_000, 600_000),
        FailureClass::Final => 3_600_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_table_has_its_class_and_unknown_ones_go_by_status() {
        assert_eq!(class_of(Some(409), "ScopeLocked"), FailureClass::Blocked);
        assert_eq!(class_of(Some(400), "InvalidParameterValue"), FailureClass::Final);
        assert_eq!(class_of(None, "nameAlreadyExists"), FailureClass::Final);
        assert_eq!(class_of(Some(404), "ParentResourceNotFound"), FailureClass::Transient);
        assert_eq!(class_of(Some(400), "Unheard"), FailureClass::Final);
        assert_eq!(class_of(Some(409), "Unheard"), FailureClass::Transient);
        assert_eq!(class_of(None, ""), FailureClass::Transient);
        for table in [TRANSIENT, BLOCKED, FINAL] {
            assert!(table.is_sorted(), "{table:?}");
        }
    }

    #[test]
    fn pauses_grow_and_have_an_end_and_what_is_final_is_looked_at_once_an_hour() {
        assert_eq!(pause(FailureClass::Transient, 1), 2_000);
        assert_eq!(pause(FailureClass::Transient, 3), 8_000);
        assert_eq!(pause(FailureClass::Transient, 99), 300_000);
        assert_eq!(pause(FailureClass::Final, 1), 3_600_000);
    }
}
