//! What the driver's errors mean for who asked.

use scylla::errors::{DbError, ExecutionError, NewSessionError, PrepareError, RequestAttemptError};

use crate::{breaker::Ended, error::Error};

/// A statement that failed.
pub(crate) fn execution(error: &ExecutionError) -> Error {
    let reason = error.to_string();
    match error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(fault, _)) => match fault {
            DbError::Overloaded | DbError::RateLimitReached { .. } => Error::Busy,
            DbError::Unavailable { .. }
            | DbError::IsBootstrapping
            | DbError::ReadTimeout { .. }
            | DbError::WriteTimeout { .. }
            | DbError::ReadFailure { .. }
            | DbError::WriteFailure { .. }
            // Among others what a server answers about a table that it has not heard of yet.
            | DbError::ServerError => Error::Unreachable(reason),
            DbError::Unauthorized => Error::ReadOnly(reason),
            _ => Error::Other(reason),
        },
        ExecutionError::LastAttemptError(RequestAttemptError::UnableToAllocStreamId) => Error::Busy,
        ExecutionError::LastAttemptError(RequestAttemptError::BrokenConnectionError(_))
        | ExecutionError::ConnectionPoolError(_)
        | ExecutionError::EmptyPlan
        | ExecutionError::RequestTimeout(_)
        | ExecutionError::SchemaAgreementError(_)
        | ExecutionError::MetadataError(_) => Error::Unreachable(reason),
        _ => Error::Other(reason),
    }
}

/// Whether a conditional statement that failed so may have been carried out all the same. All but what a server or the
/// driver refuses beforehand.
pub(crate) fn leaves_it_open(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::RequestTimeout(_) => true,
        ExecutionError::LastAttemptError(attempt) => match attempt {
            RequestAttemptError::DbError(fault, _) => !matches!(
                fault,
                DbError::Unavailable { .. }
                    | DbError::IsBootstrapping
                    | DbError::Overloaded
                    | DbError::RateLimitReached { .. }
                    | DbError::SyntaxError
                    | DbError::Invalid
                    | DbError::Unauthorized
                    | DbError::Unprepared { .. }
            ),
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_)
            | RequestAttemptError::UnableToAllocStreamId => false,
            _ => true,
        },
        _ => false,
    }
}

/// What the end of a statement tells of the cluster. One that a server refused was answered.
pub(crate) fn ended<T>(answer: &Result<T, ExecutionError>) -> Ended {
    match answer {
        Err(ExecutionError::RequestTimeout(_)) => Ended::Hung,
        // One server of several went away, and whoever waited for it hears so at once. If it is all of them, the next
        // statement finds no connection.
        Err(ExecutionError::LastAttemptError(RequestAttemptError::BrokenConnectionError(_))) => Ended::Abandoned,
        Err(error) if matches!(execution(error), Error::Busy | Error::Unreachable(_)) => Ended::Outage,
        _ => Ended::Answered,
    }
}

/// A statement that a server did not prepare.
pub(crate) fn prepare(error: &PrepareError) -> Error {
    match error {
        PrepareError::ConnectionPoolError(_) => Error::Unreachable(error.to_string()),
        _ => Error::Other(error.to_string()),
    }
}

/// A connection that was not made.
pub(crate) fn connection(error: &NewSessionError) -> Error {
    Error::Unreachable(error.to_string())
}

/// An answer of another shape than its statement's.
pub(crate) fn odd(error: impl std::error::Error) -> Error {
    Error::Other(error.to_string())
}
