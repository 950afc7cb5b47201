//! Where users are kept. Two stores that promise the same: one in memory, and one that lasts.

mod memory;
#[cfg(feature = "mongodb")]
mod mongo;

use std::{error::Error, future::Future};

pub use self::memory::Memory;
#[cfg(feature = "mongodb")]
pub use self::mongo::{Mongo, MongoSettings};
use crate::user::{IdempotencyKey, User, UserId};

/// Keeps users.
///
/// Its futures may be dropped at any time: what has begun is carried out or not, as if the client had vanished.
pub trait Store: Send + Sync + 'static {
    /// Keeps a new user. With a key, the same user sent again under that key is the one that is there already.
    ///
    /// # Errors
    /// If there is no such user now; after [`StoreError::OutcomeUnknown`] there may be.
    fn create(&self, new: NewUser) -> impl Future<Output = Result<Created, CreateError>> + Send;

    /// The user of this id.
    ///
    /// # Errors
    /// If nobody can say.
    fn find(&self, id: UserId) -> impl Future<Output = Result<Option<User>, StoreError>> + Send;

    /// The first `limit` users above `after`, in the order of their ids.
    ///
    /// # Errors
    /// If nobody can say.
    fn list(&self, after: Option<UserId>, limit: u16) -> impl Future<Output = Result<Vec<User>, StoreError>> + Send;

    /// Could users be created now, as far as is known? Costs nothing.
    fn is_ready(&self) -> bool;

    /// Lets go of what it holds. Nothing is asked of it afterwards.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// A user to be kept.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The user, under a fresh id.
    pub user: User,
    /// What its client calls the request.
    pub key: Option<IdempotencyKey>,
}

/// A user that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// Since now.
    Now(User),
    /// Since the first request with this key.
    Before(User),
}

/// Why there is no new user.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Somebody else has the name.
    #[error("the username is taken")]
    UsernameTaken,
    /// The key belongs to a request for another name.
    #[error("the idempotency key was used for another user")]
    KeyReused,
    /// There are as many users as fit.
    #[error("there is no room for another user")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a store cannot do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too much is under way. Nothing was written.
    #[error("too many requests are under way")]
    Busy,
    /// There is nobody to ask. Nothing was written.
    #[error("the store cannot be reached")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// It was asked, and whether it has written nobody can say.
    #[error("whether it was written is not known")]
    OutcomeUnknown(#[source] Box<dyn Error + Send + Sync>),
    /// It refuses, for a reason that waiting does not mend. Nothing was written.
    #[error("the store refuses")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
}
