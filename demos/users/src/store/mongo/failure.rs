//! What an error of the driver means to whoever asked: is something written, and may waiting help?
//!
//! When in doubt, the outcome is unknown. Only one error proves that nothing was written: that no server could be selected.
//! The driver reports it only if it comes first; after an attempt that failed, it reports that attempt.

use mongodb::error::{Error, ErrorKind, WriteFailure};

use super::calls::CallError;
use crate::store::StoreError;

/// Does a unique index have such an entry already?
pub(super) fn is_duplicate(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == DUPLICATE_KEY)
}

/// The failure of a call that reads.
pub(super) fn of_read(error: CallError) -> StoreError {
    match error {
        CallError::Busy => StoreError::Busy,
        CallError::Driver(error) if is_refusal(&error) => StoreError::Refused(error.into()),
        error => StoreError::Unavailable(error.into()),
    }
}

/// The failure of a call that writes.
pub(super) fn of_write(error: CallError) -> StoreError {
    match error {
        CallError::Busy => StoreError::Busy,
        CallError::Driver(error) if is_refusal(&error) => StoreError::Refused(error.into()),
        CallError::Driver(error) if matches!(*error.kind, ErrorKind::ServerSelection { .. }) => {
            StoreError::Unavailable(error.into())
        }
        error => StoreError::OutcomeUnknown(error.into()),
    }
}

/// Does the server, or the driver, decline for a reason that stays: no right to do it, a bad document, a wrong password?
fn is_refusal(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Command(command) => !PASSING.contains(&command.code),
        ErrorKind::Write(WriteFailure::WriteError(_))
        | ErrorKind::InvalidArgument { .. }
        | ErrorKind::Authentication { .. }
        | ErrorKind::BsonDeserialization(_)
        | ErrorKind::BsonSerialization(_)
        | ErrorKind::Bson(_)
        | ErrorKind::IncompatibleServer { .. }
        | ErrorKind::InvalidTlsConfig { .. } => true,
        _ => false,
    }
}

const DUPLICATE_KEY: i32 = 11_000;

/// What servers say while primaries change, the network fails, or they are slow: `HostUnreachable`, `HostNotFound`,
/// `MaxTimeMSExpired`, `WriteConcernFailed`, `NetworkTimeout`, `ShutdownInProgress`, `ReadConcernMajorityNotAvailableYet`,
/// `PrimarySteppedDown`, `ExceededTimeLimit`, `SocketException`, `NotWritablePrimary`, `InterruptedAtShutdown`, `Interrupted`,
/// `InterruptedDueToReplStateChange`, `NotPrimaryNoSecondaryOk`, `NotPrimaryOrSecondary`.
const PASSING: [i32; 16] = [6, 7, 50, 64, 89, 91, 134, 189, 262, 9001, 10_107, 11_600, 11_601, 11_602, 13_435, 13_436];
