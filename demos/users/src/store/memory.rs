//! Users in memory: what a demo without a cluster needs, and what tests compare the other store with.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{CreateError, Created, NewUser, Store, StoreError};
use crate::user::{IdempotencyKey, User, UserId, Username};

/// Users in memory, gone with the process.
#[derive(Debug)]
pub struct Memory {
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    users: BTreeMap<UserId, User>,
    names: HashMap<Username, UserId>,
    keys: HashMap<IdempotencyKey, UserId>,
}

impl Memory {
    /// Room for so many users.
    pub fn with_room_for(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it holds the lock; if something ever did, one request is lost rather than all.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_room_for(USERS)
    }
}

impl Store for Memory {
    async fn create(&self, new: NewUser) -> Result<Created, CreateError> {
        self.kept().create(new, self.limit)
    }

    async fn find(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.kept().users.get(&id).cloned())
    }

    async fn list(&self, after: Option<UserId>, limit: u16) -> Result<Vec<User>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let kept = self.kept();
        Ok(kept.users.range((from, Bound::Unbounded)).take(limit.into()).map(|(_, user)| user.clone()).collect())
    }

    fn is_ready(&self) -> bool {
        true
    }

    async fn close(&self) {}
}

impl Kept {
    fn create(&mut self, NewUser { user, key }: NewUser, limit: usize) -> Result<Created, CreateError> {
        if let Some(before) = key.as_ref().and_then(|key| self.keys.get(key)).and_then(|id| self.users.get(id)) {
            let is_same = before.username == user.username;
            return if is_same { Ok(Created::Before(before.clone())) } else { Err(CreateError::KeyReused) };
        }
        if self.names.contains_key(&user.username) {
            return Err(CreateError::UsernameTaken);
        }
        if self.users.len() >= limit {
            return Err(CreateError::Full);
        }
        self.names.insert(user.username.clone(), user.id);
        if let Some(key) = key {
            self.keys.insert(key, user.id);
        }
        self.users.insert(user.id, user.clone());
        Ok(Created::Now(user))
    }
}

/// With the longest names and keys, about 100 MB.
const USERS: usize = 100_000;
