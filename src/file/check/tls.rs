//! TLS of listeners, and where requests without it are sent.

use std::path::PathBuf;

use super::super::problem::{Place, Problem, Problems};
use super::super::typed::{At, Keyed};
use super::super::{CertificatePair, Listener, Tls, TlsVersion, schema};
use super::{number, parsed};

/// Where clients expect TLS.
const HTTPS: u16 = 443;

pub(super) fn check(typed: &Keyed<schema::Tls>, problems: &mut Problems) -> Tls {
    let place = typed.place();
    let Some(typed) = typed.open(problems) else {
        return Tls { certificates: Vec::new(), min_version: TlsVersion::default() };
    };
    if typed.certificates.is_empty() {
        let message = "without certificates it makes its own, which no browser trusts";
        let hint = "tls: { certificates: [{ cert: cert.pem, key: key.pem }] }";
        problems.push(Problem::warning(place, message).hint(hint.to_owned()));
    }
    let certificates = typed.certificates.iter().filter_map(|typed| pair(typed, problems)).collect();
    let min_version = typed.min_version.as_ref().and_then(|version| version.open(problems));
    let min_version = min_version.map_or_else(TlsVersion::default, |version| match version.value {
        schema::TlsVersion::V1_2 => TlsVersion::V1_2,
        schema::TlsVersion::V1_3 => TlsVersion::V1_3,
    });
    Tls { certificates, min_version }
}

fn pair(typed: &Keyed<schema::CertificatePair>, problems: &mut Problems) -> Option<CertificatePair> {
    let typed = typed.open(problems)?;
    let mut path = |text: &At<String>, empty: &'static str| {
        parsed(text, |text| if text.is_empty() { Err(empty) } else { Ok(PathBuf::from(text)) }, problems)
    };
    let cert = path(&typed.cert, "the name of the certificate file is empty");
    let key = path(&typed.key, "the name of the key file is empty");
    Some(CertificatePair { cert: cert?, key: key? })
}

/// The port to which requests without TLS are sent.
pub(super) fn redirect(typed: &schema::Redirect, listeners: &[Listener], problems: &mut Problems) -> Option<u16> {
    match typed {
        schema::Redirect::Switch(At { value: false, .. }) => None,
        schema::Redirect::Switch(At { value: true, place }) => derived(*place, listeners, problems),
        schema::Redirect::Port(typed) => {
            let port = number(&typed.open(problems)?.port, 1..=u64::from(u16::MAX), problems)?;
            u16::try_from(port).ok()
        }
    }
}

/// The port of the TLS listener. Where there is none, a proxy in front has to be the one.
fn derived(place: Place, listeners: &[Listener], problems: &mut Problems) -> Option<u16> {
    let hint = || "redirect_to_https: { port: 443 }, as clients see it".to_owned();
    let mut ports: Vec<u16> =
        listeners.iter().filter(|listener| listener.tls.is_some()).map(|listener| listener.address.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    match *ports.as_slice() {
        [] => {
            if listeners.iter().all(|listener| listener.trusted_proxies.is_empty()) {
                let message = "no listener has tls, and there is no trusted proxy that could have it";
                problems.push(Problem::warning(place, message).hint(hint()));
            }
            Some(HTTPS)
        }
        [0] => {
            problems
                .push(Problem::error(place, "the port of the TLS listener is not known before it runs").hint(hint()));
            None
        }
        [port] => Some(port),
        _ if ports.contains(&HTTPS) => Some(HTTPS),
        _ => {
            problems.push(Problem::error(place, "there are several TLS listeners, and none has port 443").hint(hint()));
            None
        }
    }
}
