//! How endpoints are spoken to, and whom they are believed to be.

use std::path::PathBuf;

use super::super::problem::{Place, Problem, Problems};
use super::super::typed::{At, Keyed};
use super::super::{UpstreamTls, scalar, schema};
use super::parsed;
use crate::routing::Protocol;

/// The protocol of a backend, and TLS with its endpoints.
pub(super) fn check(backend: &schema::Backend, problems: &mut Problems) -> (Protocol, UpstreamTls) {
    let typed = backend.protocol.as_ref();
    let protocol =
        typed.and_then(|protocol| protocol.open(problems)).map_or_else(Protocol::default, |typed| match typed.value {
            schema::Protocol::Http => Protocol::Http,
            schema::Protocol::Https => Protocol::Https,
            schema::Protocol::H2c => Protocol::H2c,
            schema::Protocol::H2 => Protocol::H2,
        });
    let Some(tls) = &backend.tls else { return (protocol, UpstreamTls::default()) };
    // A word that is no protocol has been reported; what was meant may well be one with TLS.
    if !protocol.is_tls() && typed.is_none_or(|typed| typed.open(&mut Problems::default()).is_some()) {
        let message = format!("protocol {} is spoken without TLS", protocol.as_str());
        problems.push(Problem::error(tls.place(), message).hint(hint(protocol)));
    }
    (protocol, self::tls(tls, problems))
}

fn hint(protocol: Protocol) -> String {
    let meant = if protocol.is_http2() { Protocol::H2 } else { Protocol::Https };
    format!("protocol: {} beside it", meant.as_str())
}

fn tls(typed: &Keyed<schema::UpstreamTls>, problems: &mut Problems) -> UpstreamTls {
    let place = typed.place();
    let Some(typed) = typed.open(problems) else { return UpstreamTls::default() };
    let ca = typed.ca.as_ref().and_then(|ca| parsed(ca, file, problems));
    let server_name = typed.server_name.as_ref().and_then(|name| parsed(name, scalar::server_name, problems));
    if !typed.verify {
        unverified(place, typed.ca.as_ref(), problems);
    }
    UpstreamTls { verify: typed.verify, ca, server_name: server_name.map(Into::into) }
}

fn unverified(place: Place, ca: Option<&At<String>>, problems: &mut Problems) {
    let message = "verify: false takes whoever answers for the endpoint: TLS protects from nobody who can get between";
    let hint = "ca: ca.pem names the authority that signs the certificates, server_name: what they cover";
    problems.push(Problem::warning(place, message).hint(hint.to_owned()));
    if let Some(ca) = ca {
        problems.push(Problem::warning(ca.place, "this file is not looked at: verify is false"));
    }
}

fn file(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() { Err("the name of the file is empty") } else { Ok(PathBuf::from(text)) }
}
