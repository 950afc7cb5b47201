//! The three things that we have to know of a certificate, read from its DER: from when until when it is valid, and for
//! which hosts. Everything else about it is the client's to judge.
//!
//! ## Why by hand
//! They stand at fixed places (RFC 5280 §4.1). A whole parser of certificates would be the larger risk.

use std::net::{IpAddr, Ipv6Addr};

use jiff::civil::DateTime;

use crate::routing::HostPattern;

/// What a certificate says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    /// Its subject alternative names: DNS names, wildcards of one label, and addresses. Others never match a request.
    pub(super) hosts: Vec<HostPattern>,
}

/// Why something is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum X509Error {
    /// The bytes are not those of a certificate.
    #[error("it is no X.509 certificate")]
    Malformed,
    /// A year that nobody can mean.
    #[error("its time of validity cannot be read")]
    Validity,
}

const SEQUENCE: u8 = 0x30;
const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

pub(super) fn read(der: &[u8]) -> Result<Facts, X509Error> {
    let (validity, rest) = fields(der).ok_or(X509Error::Malformed)?;
    let (not_before, not_after) = times(validity).ok_or(X509Error::Validity)?;
    let hosts = extensions(rest).ok_or(X509Error::Malformed)?;
    Ok(Facts { not_before, not_after, hosts })
}

/// The validity, and what stands behind it.
fn fields(der: &[u8]) -> Option<(Der<'_>, Der<'_>)> {
    let mut signed = Der(Der(der).expect(SEQUENCE)?);
    let mut certificate = Der(signed.expect(SEQUENCE)?);
    if certificate.0.first() == Some(&VERSION) {
        certificate.next()?;
    }
    // The serial number, the algorithm of the signature, the issuer.
    (0..3).try_for_each(|_| certificate.next().map(drop))?;
    let validity = certificate.expect(SEQUENCE)?;
    Some((Der(validity), certificate))
}

fn times(mut validity: Der<'_>) -> Option<(i64, i64)> {
    let mut time = || validity.next().and_then(|(tag, text)| unix_seconds(tag, text));
    Some((time()?, time()?))
}

/// RFC 5280 §4.1.2.5: always in UTC, always with seconds.
fn unix_seconds(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let number = |part: &str| part.parse::<i8>().ok();
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = i16::from(number(year)?);
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => text.split_at_checked(4).and_then(|(year, rest)| Some((year.parse().ok()?, rest)))?,
        _ => return None,
    };
    if rest.len() != 10 || !rest.is_ascii() {
        return None;
    }
    let part = |at: usize| number(&rest[at..at + 2]);
    let moment = DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
    Some(moment.duration_since(EPOCH).as_secs())
}

/// The alternative names of the extensions that stand somewhere behind the validity; none if there are none.
fn extensions(mut rest: Der<'_>) -> Option<Vec<HostPattern>> {
    while let Some((tag, value)) = rest.next() {
        if tag != EXTENSIONS {
            continue;
        }
        let mut list = Der(Der(value).expect(SEQUENCE)?);
        while !list.0.is_empty() {
            let mut extension = Der(list.expect(SEQUENCE)?);
            if extension.expect(OBJECT_ID)? != SUBJECT_ALT_NAME {
                continue;
            }
            if extension.0.first() == Some(&BOOLEAN) {
                extension.next()?;
            }
            return alternative_names(Der(Der(extension.expect(OCTETS)?).expect(SEQUENCE)?));
        }
    }
    rest.0.is_empty().then(Vec::new)
}

fn alternative_names(mut names: Der<'_>) -> Option<Vec<HostPattern>> {
    let mut hosts = Vec::new();
    while !names.0.is_empty() {
        let (tag, value) = names.next()?;
        let host = match tag {
            DNS_NAME => std::str::from_utf8(value).ok().and_then(|name| name.parse().ok()),
            IP_ADDRESS => address(value).and_then(|address| address.parse().ok()),
            _ => None,
        };
        hosts.extend(host.filter(|host| *host != HostPattern::Any));
    }
    Some(hosts)
}

/// As it stands in a `Host`.
fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::from(bytes).to_string());
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| format!("[{}]", Ipv6Addr::from(bytes)))).ok()
}

/// What is left of some DER.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value and its tag.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            long @ 0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, value))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(names: &[&str]) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2051, 1, 1);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn validity_and_names_are_read() {
        let facts = read(&made(&["A.example", "*.b.example", "127.0.0.1", "::1"])).unwrap();
        // The years before 2050 are written in another way than those after it.
        assert_eq!((facts.not_before, facts.not_after), (1_767_312_000, 2_556_144_000));
        let hosts: Vec<_> = facts.hosts.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["a.example", "*.b.example", "127.0.0.1", "[::1]"]);
        assert_eq!(read(&made(&[])).unwrap().hosts, []);
    }

    #[test]
    fn times_have_two_forms() {
        assert_eq!(unix_seconds(UTC_TIME, b"700101000001Z"), Some(1));
        assert_eq!(unix_seconds(UTC_TIME, b"491231235959Z"), Some(2_524_607_999));
        assert_eq!(unix_seconds(GENERALIZED_TIME, b"20260101000000Z"), Some(1_767_225_600));
        // RFC 5280 §4.1.2.5: a certificate without an end.
        assert_eq!(unix_seconds(GENERALIZED_TIME, b"99991231235959Z"), Some(253_402_300_799));
        for bad in ["", "Z", "2601010000Z", "261301000000Z", "260101000000+0100", "2601010000000Z"] {
            assert_eq!(unix_seconds(UTC_TIME, bad.as_bytes()), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes);
        }

        #[test]
        fn any_change_of_a_certificate_is_read_or_refused(at in 0usize..400, byte: u8, cut in 0usize..400) {
            let mut der = made(&["a.example"]);
            let at = at.min(der.len() - 1);
            der[at] = byte;
            let _ = read(&der[..cut.min(der.len())]);
            let _ = read(&der);
        }
    }
}
