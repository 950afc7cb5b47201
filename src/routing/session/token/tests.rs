//! The token as others have to read it, byte by byte, and what it takes to be none.

use proptest::prelude::*;

use super::super::super::backend::{BackendId, Endpoint, Incarnation};
use super::super::{CookieName, KeyRing};
use super::*;
use crate::routing::fixture::{ring, scope};

/// Computed from the description alone, by another implementation of HMAC-SHA256 and SipHash-2-4 (Python's
/// `hmac`, and SipHash from its paper). It changes when the format does, and then every session ends.
const KNOWN: &str = "MWtJ0gABI0VniavN74vlZiduedlxtkP9WOOTb5ESvkflGLbMguSHPtM";

fn known_ring() -> KeyRing {
    let mut secret = [0; 32];
    (0u8..).zip(&mut secret).for_each(|(at, byte)| *byte = at);
    KeyRing::new(vec![Key::new(KeyId::new(17).unwrap(), 0, &secret)]).unwrap()
}

fn known_scope() -> Scope {
    Scope::new("shop", "cart", "80", &CookieName::new("moorline").unwrap())
}

fn known_endpoint() -> Endpoint {
    let mut endpoint = Endpoint::new(&BackendId::new("shop/cart"), "cart-0", []);
    endpoint.incarnation = Incarnation::new("8f14e45f-ceea-467f-ab5c-0123456789ab");
    endpoint
}

const KNOWN_CLAIMS: Claims = Claims { session: SessionId(0x0123_4567_89ab_cdef), issued: 1_800_000_000 };

#[test]
fn the_format_is_the_one_that_clients_already_hold() {
    let sealed = known_ring().seal(&known_scope(), KNOWN_CLAIMS, &known_endpoint(), 1_800_000_000);
    assert_eq!(sealed, KNOWN);
    assert_eq!(sealed.len(), ENCODED_LEN);
    let opened = known_ring().open(&known_scope(), KNOWN.as_bytes()).unwrap();
    assert_eq!(opened.claims, KNOWN_CLAIMS);
    assert_eq!(opened.key, KeyId::new(17).unwrap());
}

#[test]
fn every_field_has_its_place() {
    let bytes = URL_SAFE_NO_PAD.decode(KNOWN).unwrap();
    assert_eq!(bytes.len(), LEN);
    assert_eq!(bytes[0], 0b001_10001, "version 1, key 17");
    assert_eq!(bytes[1..5], 1_800_000_000u32.to_be_bytes(), "issued");
    assert_eq!(bytes[5..13], 0x0123_4567_89ab_cdef_u64.to_be_bytes(), "session id");
    assert_eq!(bytes[13..21], 0x8be5_6627_6e79_d971_u64.to_be_bytes(), "endpoint tag");
    assert_eq!(bytes[21..25], 0xb643_fd58_u32.to_be_bytes(), "incarnation tag");
}

#[test]
fn another_endpoint_or_another_life_of_it_has_another_tag() {
    let seal = |endpoint: &Endpoint| {
        let sealed = known_ring().seal(&known_scope(), KNOWN_CLAIMS, endpoint, 0);
        known_ring().open(&known_scope(), sealed.as_bytes()).unwrap()
    };
    let known = seal(&known_endpoint());
    let mut restarted = known_endpoint();
    restarted.incarnation = Incarnation::new("another");
    assert_eq!(seal(&restarted).endpoint, known.endpoint);
    assert_ne!(seal(&restarted).incarnation, known.incarnation);
    assert_ne!(seal(&Endpoint::new(&BackendId::new("shop/cart"), "cart-1", [])).endpoint, known.endpoint);
    assert_ne!(seal(&Endpoint::new(&BackendId::new("shop/other"), "cart-0", [])).endpoint, known.endpoint);
}

#[test]
fn a_flipped_bit_anywhere_refuses_it() {
    let bytes = URL_SAFE_NO_PAD.decode(KNOWN).unwrap();
    for bit in 0..LEN * 8 {
        let mut forged = bytes.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let forged = URL_SAFE_NO_PAD.encode(forged);
        assert_eq!(known_ring().open(&known_scope(), forged.as_bytes()), None, "bit {bit}");
    }
}

#[test]
fn another_letter_anywhere_refuses_it() {
    for at in 0..ENCODED_LEN {
        for byte in (0..=255).filter(|byte| *byte != KNOWN.as_bytes()[at]) {
            let mut forged = KNOWN.as_bytes().to_vec();
            forged[at] = byte;
            assert_eq!(known_ring().open(&known_scope(), &forged), None, "{byte:#x} at {at}");
        }
    }
}

#[test]
fn a_token_has_one_spelling() {
    let refused = |value: &str| assert_eq!(known_ring().open(&known_scope(), value.as_bytes()), None, "{value:?}");
    refused("");
    refused(&KNOWN[..54]);
    refused(&format!("{KNOWN}="));
    refused(&format!("{KNOWN}A"));
    refused(&format!(" {}", &KNOWN[..54]));
    refused(&"A".repeat(ENCODED_LEN));
    refused(&"A".repeat(65_536));
}

#[test]
fn a_token_is_worth_nothing_elsewhere() {
    let cookie = CookieName::new("moorline").unwrap();
    for elsewhere in [
        Scope::new("other", "cart", "80", &cookie),
        Scope::new("shop", "posts", "80", &cookie),
        Scope::new("shop", "cart", "443", &cookie),
        Scope::new("shop", "cart", "80", &CookieName::new("other").unwrap()),
    ] {
        assert_eq!(known_ring().open(&elsewhere, KNOWN.as_bytes()), None);
    }
}

#[test]
fn a_session_is_current_from_its_beginning_to_its_end() {
    let check = |now: u64, expected: bool| {
        assert_eq!(KNOWN_CLAIMS.is_current(now, Duration::from_secs(1000)), expected, "{now}");
    };
    check(1_800_000_000, true);
    check(1_800_000_999, true);
    check(1_800_001_000, false);
    // Replicas' clocks differ, but not by more than five minutes.
    check(1_799_999_700, true);
    check(1_799_999_699, false);
}

#[test]
fn clocks_that_are_far_off_do_no_harm() {
    assert_eq!(Claims::new(SessionId(1), u64::MAX).issued, u32::MAX);
    assert!(!KNOWN_CLAIMS.is_current(0, Duration::MAX));
    assert!(KNOWN_CLAIMS.is_current(1_800_000_000, Duration::MAX));
    assert!(!KNOWN_CLAIMS.is_current(1_800_000_000, Duration::ZERO));
    assert!(!KNOWN_CLAIMS.is_current(u64::MAX, Duration::MAX));
}

#[test]
fn a_session_id_is_shown_as_sixteen_digits() {
    assert_eq!(SessionId(0xabc).to_string(), "0000000000000abc");
}

proptest! {
    #[test]
    fn what_was_sealed_opens_again(session: u64, issued: u32, name in "[a-z0-9-]{1,20}", now in 0u64..200) {
        let keys = ring(&[(0, 0), (7, 50), (31, 100)]);
        let claims = Claims { session: SessionId(session), issued };
        let endpoint = Endpoint::new(&BackendId::new("web"), &name, []);
        let sealed = keys.seal(&scope(), claims, &endpoint, now);
        let opened = keys.open(&scope(), sealed.as_bytes()).unwrap();
        let key = keys.iter().find(|key| key.id() == opened.key).unwrap();
        prop_assert_eq!(opened, Token {
            key: KeyId::new(match now { 0..50 => 0, 50..100 => 7, _ => 31 }).unwrap(),
            claims,
            endpoint: key.endpoint_tag(&endpoint),
            incarnation: key.incarnation_tag(&endpoint),
        });
    }

    #[test]
    fn any_bytes_are_refused(value in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(known_ring().open(&known_scope(), &value), None);
    }

    #[test]
    fn any_bytes_in_a_token_s_clothes_are_refused(value in "[A-Za-z0-9_-]{55}") {
        prop_assert_eq!(known_ring().open(&known_scope(), value.as_bytes()), None);
    }

    #[test]
    fn the_fields_of_a_token_under_another_mac_are_refused(mac in any::<[u8; MAC]>()) {
        let mut bytes = URL_SAFE_NO_PAD.decode(KNOWN).unwrap();
        bytes[FIELDS..].copy_from_slice(&mac);
        prop_assert_eq!(known_ring().open(&known_scope(), URL_SAFE_NO_PAD.encode(bytes).as_bytes()), None);
    }
}
