//! The session token: what was sealed is read as it was sealed, and nothing else is a token, however little it differs.
//!
//! An input is 12 bytes of claims, then pairs: a place in the token and what is flipped there.

use std::sync::LazyLock;

use moorline::routing::session::{CookieName, Key, KeyId, SECRET_LEN};
use moorline::routing::{BackendId, Claims, Endpoint, KeyRing, Scope, SessionId};

use crate::planted;

struct Fixture {
    ring: KeyRing,
    endpoint: Endpoint,
    scope: Scope,
    other: Scope,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let key = |id: u8, from| Key::new(KeyId::new(id.into()).unwrap(), from, &[id; SECRET_LEN]);
    let name = CookieName::new("moorline").unwrap();
    Fixture {
        ring: KeyRing::new(vec![key(3, 0), key(17, 1000)]).unwrap(),
        endpoint: Endpoint::new(&BackendId::new("web"), "web-0", []),
        scope: Scope::new("", "web", "", &name),
        other: Scope::new("", "web2", "", &name),
    }
});

pub fn check(data: &[u8]) {
    let Fixture { ring, endpoint, scope, other } = &*FIXTURE;
    assert!(planted::open(ring, other, data).is_none(), "nobody has sealed this");
    let Some((claims, changes)) = data.split_first_chunk::<12>() else { return };
    let [a, b, c, d, session @ ..] = *claims;
    let claims = Claims { issued: u32::from_be_bytes([a, b, c, d]), session: SessionId(u64::from_be_bytes(session)) };
    let sealed = ring.seal(scope, claims, endpoint, u64::from(claims.issued % 2000));
    let opened = planted::open(ring, scope, sealed.as_bytes()).expect("it was sealed");
    assert_eq!(opened.claims, claims);
    assert!(planted::open(ring, other, sealed.as_bytes()).is_none(), "it was sealed for another scope");

    let mut changed = sealed.clone().into_bytes();
    for change in changes.chunks_exact(2) {
        match usize::from(change[0]) {
            at if at < changed.len() => changed[at] ^= change[1],
            at if at % 2 == 0 => changed.push(change[1]),
            _ => drop(changed.pop()),
        }
    }
    let opened = planted::open(ring, scope, &changed);
    assert_eq!(opened.is_some(), changed == sealed.as_bytes(), "{}", changed.escape_ascii());
}
