//! The last `Cookie` field in which a token was right: the next one is compared with it before it is verified.

use super::{KeyRing, Scope, Token};

/// A `Cookie` field, and the token that was found in it.
#[derive(Clone, Debug)]
pub struct Remembered {
    field: Box<[u8]>,
    scope: Scope,
    keys: u64,
    token: Token,
}

impl Remembered {
    /// `token` was found in `field`, for this scope and with these keys.
    #[must_use]
    pub fn new(field: &[u8], scope: Scope, keys: &KeyRing, token: Token) -> Self {
        Self { field: field.into(), scope, keys: keys.fingerprint(), token }
    }

    /// The token, if this is the same field, to be read for the same scope with the same keys. Whether its session's
    /// time is over is not asked: that changes without any of them changing.
    #[must_use]
    pub fn recall(&self, field: &[u8], scope: &Scope, keys: &KeyRing) -> Option<Token> {
        (*self.field == *field && self.scope == *scope && self.keys == keys.fingerprint()).then_some(self.token)
    }
}
