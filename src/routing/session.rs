//! Session persistence: the policy of a rule, the scope its tokens are worth something in, and the
//! cookie that carries them.
//!
//! The token is the whole state: any replica with the key ring reads it, and none has to remember it.

pub mod attribute;
mod cookies;
mod key;
mod legacy;
mod memory;
mod token;

use std::time::Duration;

use aws_lc_rs::digest;

pub use self::cookies::{Pairs, values, without};
pub use self::key::{Key, KeyId, KeyRing, KeyRingError, SECRET_LEN};
pub use self::legacy::{Homes, Legacy, LegacyKey, Predecessor, is_legacy, is_legacy_and_unique};
pub use self::memory::Remembered;
pub use self::token::{Claims, ENCODED_LEN, SessionId, Token};
use super::balance::Strategy;

/// Everything that an operator can say about sessions, whichever place it is said in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    /// The cookie that carries the token.
    pub cookie: CookiePolicy,
    /// Who gets a new session.
    pub strategy: Strategy,
    /// How long requests wait for an endpoint that is expected back, counted from the moment it went.
    pub hold: Duration,
    /// What happens to a session whose endpoint is lost.
    pub on_lost: OnLost,
    /// What happens to a session whose endpoint came back without its memory.
    pub on_restart: OnRestart,
    /// How long an endpoint that was told to drain goes on serving its sessions.
    pub drain_deadline: Duration,
    /// After how long without a request a session no longer counts as live.
    pub idle: Duration,
    /// How long a session lasts at most, counted from its first response.
    pub absolute: Duration,
    /// Is our cookie kept from the application?
    pub strip_cookie: bool,
}

/// The attributes of the session cookie ([RFC 6265bis](https://datatracker.ietf.org/doc/draft-ietf-httpbis-rfc6265bis/)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookiePolicy {
    /// Its name.
    pub name: CookieName,
    /// Below which path the client sends it.
    pub path: String,
    /// To which domain the client sends it; none: to this host only.
    pub domain: Option<String>,
    /// Does the client send it over TLS only?
    pub secure: Secure,
    /// Is it kept from scripts?
    pub http_only: bool,
    /// Does it travel with requests that other sites cause?
    pub same_site: Option<SameSite>,
    /// Does each top-level site get its own (CHIPS)?
    pub partitioned: bool,
    /// How long the client keeps it, in seconds; none: until it is closed. Nothing and less ends it at once.
    pub max_age: Option<i64>,
    /// How many seconds after a response the client forgets it, for clients that know no `Max-Age`.
    pub expires: Option<i64>,
    /// Is `SameSite=None` kept from the browsers that take it for `Strict`?
    pub conditional_none: bool,
}

/// When the cookie carries `Secure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secure {
    /// If the client's connection is TLS, here or at a trusted proxy.
    Auto,
    /// If TLS ended here, whatever a trusted proxy says.
    Here,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The values of `SameSite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// With every request; browsers then want `Secure` too.
    None,
    /// With top-level navigation.
    Lax,
    /// With requests of the site itself.
    Strict,
}

/// What happens to a session whose endpoint is gone, or away for longer than `hold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLost {
    /// It moves to another endpoint, for good.
    Reassign,
    /// Another endpoint serves it until its own is back: the cookie stays as it is.
    Temporary,
    /// It is answered with 503 until its endpoint is back.
    Reject,
}

/// What happens to a session whose endpoint restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRestart {
    /// It stays: the endpoint may have kept something on its volume.
    Keep,
    /// It moves to another endpoint.
    Reassign,
}

/// A cookie's name: a token of RFC 9110 §5.6.2, which no attribute can be smuggled through.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CookieName(Box<str>);

/// Why a text is no cookie name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CookieNameError {
    /// There is nothing.
    #[error("a cookie name is not empty")]
    Empty,
    /// It would end the name, or the header.
    #[error("{0:?} cannot stand in a cookie name")]
    Character(char),
    /// Browsers drop cookies of more than 4 KiB, and this one also carries a token.
    #[error("a cookie name has at most 256 bytes")]
    TooLong,
}

/// Where a token is worth something: namespace, primary Service, port and cookie name.
///
/// Never a policy value, so that editing an annotation logs nobody out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope([u8; SCOPE_LEN]);

/// So many bytes that the fields of a token and its scope fill one block of SHA-256 exactly:
/// 25 + 30 + 9 of padding = 64. One more would make every verification half as fast again.
const SCOPE_LEN: usize = 30;

/// What a sticky rule adds to a plain one.
#[derive(Clone, Debug)]
pub struct Persistence {
    /// What the operator asked for.
    pub policy: SessionPolicy,
    /// Where its tokens are worth something.
    pub scope: Scope,
    /// The cookies of ingress-nginx that are still honoured, if any are.
    pub legacy: Option<Box<Legacy>>,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            cookie: CookiePolicy::default(),
            strategy: Strategy::LeastSessions,
            hold: Duration::from_secs(30),
            on_lost: OnLost::Reassign,
            on_restart: OnRestart::Keep,
            drain_deadline: Duration::from_secs(30 * 60),
            idle: Duration::from_secs(30 * 60),
            absolute: Duration::from_secs(30 * 24 * 60 * 60),
            strip_cookie: true,
        }
    }
}

impl Default for CookiePolicy {
    fn default() -> Self {
        Self {
            name: CookieName("moorline".into()),
            path: "/".into(),
            domain: None,
            secure: Secure::Auto,
            http_only: true,
            same_site: Some(SameSite::Lax),
            partitioned: false,
            max_age: None,
            expires: None,
            conditional_none: false,
        }
    }
}

impl CookieName {
    /// A cookie name.
    ///
    /// # Errors
    /// If it is none.
    pub fn new(name: &str) -> Result<Self, CookieNameError> {
        let separator = |c: char| !c.is_ascii_graphic() || "()<>@,;:\\\"/[]?={}".contains(c);
        match name {
            "" => Err(CookieNameError::Empty),
            _ if name.len() > 256 => Err(CookieNameError::TooLong),
            _ => name
                .chars()
                .find(|c| separator(*c))
                .map_or_else(|| Ok(Self(name.into())), |c| Err(CookieNameError::Character(c))),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scope {
    /// The scope of a backend's sessions under a cookie. Canary and primary share the primary's.
    #[must_use]
    pub fn new(namespace: &str, service: &str, port: &str, cookie: &CookieName) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [namespace, service, port, cookie.as_str()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut scope = [0; SCOPE_LEN];
        scope.copy_from_slice(&context.finish().as_ref()[..SCOPE_LEN]);
        Self(scope)
    }

    fn as_bytes(&self) -> &[u8; SCOPE_LEN] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_differ_in_every_part_and_in_where_a_part_ends() {
        let cookie = CookieName::new("moorline").unwrap();
        let base = Scope::new("shop", "cart", "80", &cookie);
        assert_eq!(base, Scope::new("shop", "cart", "80", &cookie));
        for other in [
            Scope::new("shoq", "cart", "80", &cookie),
            Scope::new("shop", "carts", "80", &cookie),
            Scope::new("shop", "cart", "81", &cookie),
            Scope::new("shop", "cart", "80", &CookieName::new("other").unwrap()),
            Scope::new("shopc", "art", "80", &cookie),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn cookie_names_cannot_carry_attributes() {
        assert!(CookieName::new("INGRESSCOOKIE").is_ok());
        assert!(CookieName::new("__Host-a.b_c").is_ok());
        assert_eq!(CookieName::new(""), Err(CookieNameError::Empty));
        assert_eq!(CookieName::new("a;Domain=x"), Err(CookieNameError::Character(';')));
        assert_eq!(CookieName::new("a b"), Err(CookieNameError::Character(' ')));
        assert_eq!(CookieName::new("a\r\n"), Err(CookieNameError::Character('\r')));
        assert_eq!(CookieName::new(&"a".repeat(257)), Err(CookieNameError::TooLong));
    }
}
