//! The session of a request: reading its token, and writing the cookie when something has changed.
//!
//! ## Why a connection remembers
//! A browser sends the same cookies with every request of a connection. Comparing them with those of the
//! last request takes a few nanoseconds, verifying a token takes two hundred. What is remembered is the
//! whole `Cookie` field, with everything that follows from it; whether the session's time is over is asked again
//! each time.

mod cookie;
mod same_site;

use http::header::{self, HeaderMap, HeaderValue};

pub(super) use self::cookie::{Recipient, expire_cookie, set_cookie};
use crate::routing::session::{self, ENCODED_LEN, Predecessor, Remembered};
use crate::routing::{KeyRing, Persistence, SessionId, Token};

/// How many cookies of our name are verified, when a client sends several: each costs a hash.
pub(super) const CANDIDATES: usize = 8;
/// Longer `Cookie` fields are verified each time rather than kept.
pub(super) const REMEMBERED: usize = 4096;

/// What the cookies of a request say.
#[derive(Clone, Debug, Default)]
pub(super) struct Presented {
    /// The token, if one was right and its time is not over.
    pub(super) token: Option<Token>,
    /// Did the client send a cookie of our name, whatever was in it?
    pub(super) cookie: bool,
    /// The session's id as a header value, if it was at hand.
    pub(super) id: Option<HeaderValue>,
    /// What a cookie of ingress-nginx's says, if there was no token. Anybody can write one: it says where a new session
    /// begins, and nothing else.
    pub(super) legacy: Option<Predecessor>,
    /// Does the client misread `SameSite=None`, which the policy would have kept from it then?
    pub(super) shuns_none: bool,
}

/// The last `Cookie` field of a connection that had a token in it.
#[derive(Debug, Default)]
pub(super) struct Memory(Option<Last>);

#[derive(Debug)]
struct Last {
    token: Remembered,
    /// The field without our cookie; `None` if nothing else was in it.
    stripped: Option<HeaderValue>,
    id: HeaderValue,
}

impl Memory {
    /// Reads the token, and takes our cookie out of the request if the policy says so.
    pub(super) fn read(
        &mut self,
        persistence: &Persistence,
        keys: &KeyRing,
        headers: &mut HeaderMap,
        unix: u64,
    ) -> Presented {
        let shuns_none =
            persistence.policy.cookie.conditional_none && same_site::shuns_none(headers.get(header::USER_AGENT));
        let Some(field) = headers.get(header::COOKIE) else { return Presented { shuns_none, ..Presented::default() } };
        let current = |token: &Token| token.claims.is_current(unix, persistence.policy.absolute);
        let recalled = self.0.as_ref().and_then(|last| {
            let token = last.token.recall(field.as_bytes(), &persistence.scope, keys)?;
            Some((last, token)).filter(|_| current(&token))
        });
        let (presented, stripped) = match recalled {
            Some((last, token)) if headers.get_all(header::COOKIE).iter().nth(1).is_none() => {
                let id = Some(last.id.clone());
                let presented = Presented { token: Some(token), cookie: true, id, ..Presented::default() };
                (presented, Some(last.stripped.clone()))
            }
            _ => (self.verify(persistence, keys, headers, current), None),
        };
        let legacy = if presented.token.is_none() { legacy(persistence, keys, headers, unix) } else { None };
        if persistence.policy.strip_cookie && presented.cookie {
            match stripped {
                Some(Some(rest)) => drop(headers.insert(header::COOKIE, rest)),
                Some(None) => drop(headers.remove(header::COOKIE)),
                None => strip(headers, persistence.policy.cookie.name.as_str()),
            }
        }
        Presented { legacy, shuns_none, ..presented }
    }

    /// Looks for a token that is right and whose time is not over, the first of several (RFC 6265 §5.4 sends longer
    /// paths first).
    fn verify(
        &mut self,
        persistence: &Persistence,
        keys: &KeyRing,
        headers: &HeaderMap,
        current: impl Fn(&Token) -> bool,
    ) -> Presented {
        let name = persistence.policy.cookie.name.as_str();
        let fields = headers.get_all(header::COOKIE);
        let mut cookie = false;
        let mut candidates = 0;
        for field in &fields {
            for value in session::values(field.as_bytes(), name) {
                cookie = true;
                if value.len() != ENCODED_LEN || candidates == CANDIDATES {
                    continue;
                }
                candidates += 1;
                let Some(token) = keys.open(&persistence.scope, value).filter(&current) else { continue };
                let id = id_value(token.claims.session);
                if fields.iter().nth(1).is_none() {
                    self.remember(persistence, keys, field, token, &id);
                }
                return Presented { token: Some(token), cookie, id: Some(id), ..Presented::default() };
            }
        }
        Presented { cookie, ..Presented::default() }
    }

    fn remember(
        &mut self,
        persistence: &Persistence,
        keys: &KeyRing,
        field: &HeaderValue,
        token: Token,
        id: &HeaderValue,
    ) {
        if field.len() > REMEMBERED {
            return;
        }
        let rest = session::without(field.as_bytes(), persistence.policy.cookie.name.as_str());
        self.0 = Some(Last {
            token: Remembered::new(field.as_bytes(), persistence.scope, keys, token),
            // A part of a header value is one.
            stripped: rest.and_then(|rest| HeaderValue::from_bytes(&rest).ok()),
            id: id.clone(),
        });
    }
}

/// What a cookie of ingress-nginx's says, while such cookies are honoured: of several, the first that names an endpoint.
fn legacy(persistence: &Persistence, keys: &KeyRing, headers: &HeaderMap, unix: u64) -> Option<Predecessor> {
    let legacy = persistence.legacy.as_ref().filter(|legacy| unix < legacy.until)?;
    let name = persistence.policy.cookie.name.as_str();
    let fields = || headers.get_all(header::COOKIE).into_iter().map(HeaderValue::as_bytes);
    let values = || fields().flat_map(|field| session::values(field, name)).take(CANDIDATES);
    let at_home = values().find_map(|value| Some((value, Some(legacy.home(value)?))));
    let (value, home) = at_home.or_else(|| Some((values().find(|value| session::is_legacy(value))?, None)))?;
    let is_unique = session::is_legacy_and_unique(value);
    // One that everybody on an endpoint has does not tell them apart, and all of them would go to one other endpoint. What
    // the client has beside it does.
    let seed = if is_unique {
        keys.seed(&persistence.scope, std::iter::once(value), unix)
    } else {
        keys.seed(&persistence.scope, fields(), unix)
    };
    Some(Predecessor { home: home.cloned(), seed, is_unique })
}

/// Takes our cookie out of every `Cookie` field.
fn strip(headers: &mut HeaderMap, name: &str) {
    let rest: Vec<HeaderValue> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|field| HeaderValue::from_bytes(&session::without(field.as_bytes(), name)?).ok())
        .collect();
    headers.remove(header::COOKIE);
    for field in rest {
        headers.append(header::COOKIE, field);
    }
}

/// A session's id as the application sees it.
pub(super) fn id_value(id: SessionId) -> HeaderValue {
    // Sixteen hexadecimal digits are a header value.
    HeaderValue::try_from(id.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::session::{Key, KeyId, LegacyKey};
    use crate::routing::{BackendId, Claims, Endpoint, Scope, SessionPolicy};

    struct Fixture {
        keys: KeyRing,
        persistence: Persistence,
        endpoint: Endpoint,
        memory: Memory,
    }

    fn fixture() -> Fixture {
        let policy = SessionPolicy::default();
        Fixture {
            keys: KeyRing::new(vec![Key::new(KeyId::new(0).unwrap(), 0, &[1; 32])]).unwrap(),
            persistence: Persistence { scope: Scope::new("", "posts", "", &policy.cookie.name), policy, legacy: None },
            endpoint: Endpoint::new(&BackendId::new("posts"), "posts-0", []),
            memory: Memory::default(),
        }
    }

    impl Fixture {
        fn cookie(&self, session: u64, issued: u64) -> String {
            let claims = Claims::new(SessionId(session), issued);
            format!("moorline={}", self.keys.seal(&self.persistence.scope, claims, &self.endpoint, issued))
        }

        /// The session that is found at this time, and the cookies that are left.
        fn read(&mut self, cookies: &str, unix: u64) -> (Option<u64>, Option<String>) {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(cookies).unwrap());
            let presented = self.memory.read(&self.persistence, &self.keys, &mut headers, unix);
            let rest = headers.get(header::COOKIE).map(|rest| rest.to_str().unwrap().to_owned());
            (presented.token.map(|token| token.claims.session.0), rest)
        }
    }

    const DAY: u64 = 24 * 60 * 60;

    #[test]
    fn a_session_whose_time_is_over_is_none_and_hides_no_other() {
        let mut fixture = fixture();
        let (old, new) = (fixture.cookie(1, 0), fixture.cookie(2, 40 * DAY));
        assert_eq!(fixture.read(&old, DAY), (Some(1), None));
        assert_eq!(fixture.read(&format!("{old}; {new}; x=1"), 41 * DAY), (Some(2), Some("x=1".to_owned())));
        assert_eq!(fixture.read(&old, 41 * DAY), (None, None), "remembered or not");
    }

    #[test]
    fn what_a_connection_remembers_is_asked_for_its_time_again() {
        let mut fixture = fixture();
        let cookies = format!("{}; x=1", fixture.cookie(1, 0));
        for (unix, session) in [(1, Some(1)), (2, Some(1)), (29 * DAY, Some(1)), (30 * DAY, None), (DAY, Some(1))] {
            assert_eq!(fixture.read(&cookies, unix), (session, Some("x=1".to_owned())), "{unix}");
        }
    }

    #[test]
    fn a_cookie_of_ingress_nginx_is_honoured_until_its_day_and_a_token_counts_for_more() {
        let mut fixture = fixture();
        let key = LegacyKey::of("default-posts-80", "192.0.2.1:80".parse().unwrap());
        let old = "moorline=e2a8f6a6d3f3c41a0c2ab26a9b1d2a5c";
        let home = format!("moorline={}", hex(&md5("default-posts-80192.0.2.1:80")));
        let homes = Some(std::sync::Arc::new([(key, fixture.endpoint.id.clone())].into()));
        fixture.persistence.legacy = Some(Box::new(session::Legacy { until: 100, homes }));
        let mut read = |cookies: &str, unix| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(cookies).unwrap());
            let presented = fixture.memory.read(&fixture.persistence, &fixture.keys, &mut headers, unix);
            (presented.token.is_some(), presented.legacy.and_then(|legacy| Some(legacy.home?.as_str().to_owned())))
        };
        let posts = || Some("posts/posts-0".to_owned());
        assert_eq!(read(&home, 99), (false, posts()));
        assert_eq!(read(&format!("{home}|0123456789abcdef"), 99), (false, posts()));
        assert_eq!(read(&home, 100), (false, None), "its day has come");
        assert_eq!(read(old, 99), (false, None), "of nobody here");
        assert_eq!(read(&format!("x=1; {old}; {home}"), 99), (false, posts()));
        let token = self::fixture().cookie(1, 0);
        assert_eq!(read(&format!("{home}; {token}"), 99), (true, None));
        assert_eq!(read(&format!("{}{home}", format!("{old}; ").repeat(CANDIDATES)), 99), (false, None), "too many");
    }

    #[test]
    fn what_an_old_cookie_says_is_the_same_for_all_requests_and_replicas() {
        let read = |cookies: &[&str], secret: u8| {
            let mut fixture = fixture();
            fixture.keys = KeyRing::new(vec![Key::new(KeyId::new(0).unwrap(), 0, &[secret; 32])]).unwrap();
            fixture.persistence.legacy = Some(Box::new(session::Legacy { until: 100, homes: None }));
            let mut headers = HeaderMap::new();
            for field in cookies {
                headers.append(header::COOKIE, HeaderValue::from_str(field).unwrap());
            }
            let presented = fixture.memory.read(&fixture.persistence, &fixture.keys, &mut headers, 99);
            presented.legacy.map(|legacy| (legacy.seed, legacy.is_unique))
        };
        let balanced = "moorline=1700000000.123.42.17|e2a8f6a6d3f3c41a0c2ab26a9b1d2a5c";
        let (seed, is_unique) = read(&[balanced], 1).unwrap();
        assert!(is_unique, "nobody else has it");
        assert_eq!(read(&["x=1", balanced], 1), Some((seed, true)));
        assert_ne!(read(&[balanced], 2), Some((seed, true)), "whoever has no key cannot tell");
        assert_ne!(read(&["moorline=1700000000.124.42.17"], 1), Some((seed, true)));
        let persistent = "moorline=e2a8f6a6d3f3c41a0c2ab26a9b1d2a5c";
        let one = read(&[persistent, "login=1"], 1);
        assert_eq!(read(&[&format!("{persistent}; login=1")], 1), one);
        assert!(one.is_some_and(|(_, is_unique)| !is_unique) && read(&[persistent, "login=2"], 1) != one);
        assert_eq!(read(&["moorline=somebody-elses"], 1), None);
    }

    fn md5(text: &str) -> [u8; 16] {
        use md5::Digest as _;
        md5::Md5::digest(text).into()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn another_field_or_another_scope_is_not_what_is_remembered() {
        let mut fixture = fixture();
        let (one, two) = (fixture.cookie(1, 0), fixture.cookie(2, 0));
        assert_eq!(fixture.read(&one, 1).0, Some(1));
        assert_eq!(fixture.read(&two, 1).0, Some(2));
        fixture.persistence.scope = Scope::new("", "carts", "", &fixture.persistence.policy.cookie.name);
        assert_eq!(fixture.read(&two, 1), (None, None));
    }
}
