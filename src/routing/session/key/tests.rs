//! Who signs, who verifies, and what happens to tokens when that changes.

use super::super::super::backend::BackendId;
use super::super::SessionId;
use super::*;
use crate::routing::fixture::{key, ring, scope};

fn endpoint() -> Endpoint {
    Endpoint::new(&BackendId::new("web"), "web-0", [])
}

fn seal(keys: &KeyRing, now: u64) -> String {
    keys.seal(&scope(), Claims::new(SessionId(1), now), &endpoint(), now)
}

/// The id of the key that signs at this time.
#[track_caller]
fn check_signer(keys: &[(u8, u64)], now: u64, expected: u8) {
    let signed = seal(&ring(keys), now);
    assert_eq!(ring(keys).open(&scope(), signed.as_bytes()).unwrap().key.get(), expected, "{keys:?} at {now}");
}

#[test]
fn the_newest_key_whose_time_has_come_signs() {
    check_signer(&[(0, 0)], 0, 0);
    check_signer(&[(0, 0), (1, 100)], 99, 0);
    check_signer(&[(0, 0), (1, 100)], 100, 1);
    check_signer(&[(1, 100), (0, 0)], 100, 1);
    check_signer(&[(5, 100), (9, 50), (2, 200)], 150, 5);
    check_signer(&[(5, 100), (9, 50), (2, 200)], 60, 9);
    check_signer(&[(5, 100), (9, 50), (2, 200)], u64::MAX, 2);
}

#[test]
fn before_any_time_has_come_the_first_key_signs() {
    check_signer(&[(3, 100), (4, 200)], 0, 3);
    check_signer(&[(3, u64::MAX)], 0, 3);
}

#[test]
fn keys_of_one_time_sign_in_the_order_of_their_ids() {
    check_signer(&[(3, 100), (4, 100)], 100, 4);
    check_signer(&[(4, 100), (3, 100)], 100, 4);
}

#[test]
fn a_rotation_ends_no_session() {
    let (before, during, after) = (ring(&[(0, 0)]), ring(&[(0, 0), (1, 100)]), ring(&[(1, 100)]));
    let old = seal(&before, 10);
    for keys in [&before, &during] {
        assert!(keys.open(&scope(), old.as_bytes()).is_some());
    }
    // Whoever has not heard of the new key reads what the others sign before its time.
    assert!(before.open(&scope(), seal(&during, 99).as_bytes()).is_some());
    assert!(before.open(&scope(), seal(&during, 100).as_bytes()).is_none());
    assert!(after.open(&scope(), seal(&during, 100).as_bytes()).is_some());
    assert!(after.open(&scope(), old.as_bytes()).is_none());
}

#[test]
fn a_key_is_its_secret_and_its_id() {
    let ring_of =
        |id: u32, secret: u8| KeyRing::new(vec![Key::new(KeyId::new(id).unwrap(), 0, &[secret; SECRET_LEN])]).unwrap();
    let sealed = seal(&ring_of(0, 1), 0);
    assert!(ring_of(0, 1).open(&scope(), sealed.as_bytes()).is_some());
    assert!(ring_of(0, 2).open(&scope(), sealed.as_bytes()).is_none());
    assert!(ring_of(1, 1).open(&scope(), sealed.as_bytes()).is_none());
}

#[test]
fn a_ring_has_one_to_thirty_two_keys_of_different_ids() {
    assert_eq!(KeyRing::new(Vec::new()).unwrap_err(), KeyRingError::Empty);
    let twice = KeyRing::new(vec![key(4, 0), key(3, 0), key(4, 9)]);
    assert_eq!(twice.unwrap_err(), KeyRingError::DuplicateId(KeyId::new(4).unwrap()));
    let all: Vec<_> = (0..32).map(|id| (id, u64::from(id) * 10)).collect();
    for second in 0..320 {
        check_signer(&all, second, u8::try_from(second / 10).unwrap());
    }
}

#[test]
fn ids_have_five_bits() {
    assert_eq!(KeyId::new(31).map(KeyId::get), Ok(31));
    assert_eq!(KeyId::new(32), Err(KeyRingError::Id(32)));
    assert_eq!(KeyId::new(256), Err(KeyRingError::Id(256)));
}

#[test]
fn the_fingerprint_tells_rings_with_other_secrets_apart() {
    let base = ring(&[(0, 0), (1, 0)]).fingerprint();
    assert_eq!(base, ring(&[(1, 0), (0, 0)]).fingerprint());
    assert_eq!(base, ring(&[(0, 0), (1, 50)]).fingerprint(), "when a key signs changes nothing that was verified");
    assert_ne!(base, ring(&[(0, 0)]).fingerprint());
    assert_ne!(base, ring(&[(0, 0), (1, 0), (2, 0)]).fingerprint());
    let other_secret = Key::new(KeyId::new(1).unwrap(), 0, &[9; SECRET_LEN]);
    assert_ne!(base, KeyRing::new(vec![key(0, 0), other_secret]).unwrap().fingerprint());
    let swapped = |a: u8, b: u8| {
        let of = |id: u32, secret: u8| Key::new(KeyId::new(id).unwrap(), 0, &[secret; SECRET_LEN]);
        KeyRing::new(vec![of(0, a), of(1, b)]).unwrap().fingerprint()
    };
    assert_ne!(swapped(0, 1), swapped(1, 0));
}

#[test]
fn tags_of_different_keys_have_nothing_in_common() {
    let (a, b) = (key(0, 0), key(1, 0));
    assert_ne!(a.endpoint_tag(&endpoint()), b.endpoint_tag(&endpoint()));
    assert_ne!(a.incarnation_tag(&endpoint()), b.incarnation_tag(&endpoint()));
}

#[test]
fn what_is_spoken_to_an_endpoint_makes_no_difference_to_its_sessions() {
    let web = BackendId::new("web");
    let [plain, secure] = [web.clone(), web.speaking("https")].map(|id| Endpoint::new(&id, "web-0", []));
    assert_ne!(plain.id, secure.id, "their connections are others");
    let key = key(0, 0);
    assert_eq!(key.endpoint_tag(&plain), key.endpoint_tag(&secure));
    assert_eq!(key.incarnation_tag(&plain), key.incarnation_tag(&secure));
    assert_eq!(plain.score(7), secure.score(7));
    assert_ne!(key.endpoint_tag(&plain), key.endpoint_tag(&Endpoint::new(&web, "web-1", [])));
}

#[test]
fn seeds_are_those_of_the_key_that_signs_and_of_the_scope() {
    let seed = |keys: &[(u8, u64)], now| ring(keys).seed(&scope(), [&b"x"[..]].into_iter(), now);
    assert_eq!(seed(&[(0, 0)], 1), seed(&[(0, 0), (1, 100)], 99));
    assert_ne!(seed(&[(0, 0)], 1), seed(&[(0, 0), (1, 100)], 100));
    let other = Scope::new("shop", "other", "80", &crate::routing::session::CookieName::new("x").unwrap());
    assert_ne!(seed(&[(0, 0)], 1), ring(&[(0, 0)]).seed(&other, [&b"x"[..]].into_iter(), 1));
}

#[test]
fn nobody_reads_a_secret_in_a_log() {
    let shown = format!("{:?}", ring(&[(7, 5)]));
    assert!(shown.contains("KeyId(7)") && shown.contains("signs_from: 5"), "{shown}");
    assert!(!shown.contains("7, 7, 7") && !shown.contains("mac") && !shown.contains("tags"), "{shown}");
}
