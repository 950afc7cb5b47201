//! The sessions of one instance: who is logged in, and what they wrote. Gone when the process is gone, which is the whole
//! point of this demo.
//!
//! A plain synchronous structure: no lock, no clock, no randomness. Ids are made outside and handed in.
//!
//! # Posts belong to the session
//!
//! There is no password, so a name proves nothing: if posts belonged to the name, whoever types it could read them.
//!
//! # Bounds
//!
//! A session keeps its newest posts. When there are too many sessions, or their posts take too much memory, the session
//! that was used least recently goes first, so an abandoned one never keeps a newcomer out.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
};

use serde::Serialize;

use crate::username::Username;

/// What the session cookie holds: 128 random bits. Whoever knows them *is* the user, so they are never logged.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(u128);

impl SessionId {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(u128::from_ne_bytes(bytes)))
    }

    /// Reads what `to_cookie` wrote: exactly 32 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let exact = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        exact.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }

    pub(crate) fn to_cookie(self) -> String {
        format!("{:032x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(secret)")
    }
}

/// One post, numbered from 1 within its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Post {
    pub(crate) id: u64,
    pub(crate) text: String,
}

/// How much one instance remembers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) sessions: usize,
    pub(crate) posts_per_session: usize,
    /// Of all posts together. Must hold what one session may write, or a post would evict its own session.
    pub(crate) bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sessions: 10_000, posts_per_session: 100, bytes: 64 << 20 }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    limits: Limits,
    open: HashMap<SessionId, Session>,
    /// Least recently used first.
    by_use: BTreeMap<u64, SessionId>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Session {
    user: Username,
    posts: VecDeque<Post>,
    written: u64,
    last_use: u64,
}

impl Sessions {
    /// Opens session `id`, in place of session `replaced` if there is one. The same user's posts come along: the fresh id
    /// is there for safety, not to lose what was written.
    pub(crate) fn open(&mut self, id: SessionId, user: Username, replaced: Option<SessionId>) {
        let before = replaced.and_then(|old| self.close(old)).filter(|before| before.user == user);
        let (posts, written) = before.map(|session| (session.posts, session.written)).unwrap_or_default();
        self.bytes += posts.iter().map(|post| post.text.len()).sum::<usize>();
        self.open.insert(id, Session { user, posts, written, last_use: 0 });
        self.touch(id);
        self.evict();
    }

    /// Ends the session and forgets its posts.
    pub(crate) fn end(&mut self, id: SessionId) {
        self.close(id);
    }

    /// Whose session this is; counts as a use of it.
    pub(crate) fn touch(&mut self, id: SessionId) -> Option<&Username> {
        let session = self.open.get_mut(&id)?;
        self.uses += 1;
        self.by_use.remove(&session.last_use);
        self.by_use.insert(self.uses, id);
        session.last_use = self.uses;
        Some(&session.user)
    }

    /// Adds a post, at the cost of the session's oldest if it has too many.
    pub(crate) fn write(&mut self, id: SessionId, text: String) -> Option<Post> {
        self.touch(id)?;
        let session = self.open.get_mut(&id)?;
        session.written += 1;
        let post = Post { id: session.written, text };
        self.bytes += post.text.len();
        session.posts.push_back(post.clone());
        if session.posts.len() > self.limits.posts_per_session {
            self.bytes -= session.posts.pop_front().map_or(0, |oldest| oldest.text.len());
        }
        self.evict();
        Some(post)
    }

    pub(crate) fn posts(&self, id: SessionId) -> Option<Vec<Post>> {
        self.open.get(&id).map(|session| session.posts.iter().cloned().collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    fn close(&mut self, id: SessionId) -> Option<Session> {
        let session = self.open.remove(&id)?;
        self.by_use.remove(&session.last_use);
        self.bytes -= session.posts.iter().map(|post| post.text.len()).sum::<usize>();
        Some(session)
    }

    fn evict(&mut self) {
        while self.open.len() > self.limits.sessions || self.bytes > self.limits.bytes {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                return;
            };
            self.close(oldest);
        }
    }
}

#[cfg(test)]
mod tests;
