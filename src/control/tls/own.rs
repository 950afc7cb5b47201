//! The certificate of a listener that has none: nobody trusts it, and that is all that it promises.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;

use super::CertificateError;
use crate::clock::unix_seconds;
use crate::snapshot::Certificate;

/// What it is called in metrics.
const NAME: &str = "self-made";

/// Makes a certificate that is valid from yesterday on for a year.
pub(super) fn make() -> Result<Certificate, CertificateError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "Moorline self-made certificate");
    let midnight = |date: Date| {
        // Months and days are positive.
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    (params.not_before, params.not_after) = (midnight(day(-1)), midnight(day(364)));
    let certificate = params.self_signed(&key)?;
    let failed = |path: &str, source| CertificateError::Key { path: path.to_owned(), source };
    let secret = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let certified = CertifiedKey::from_der(vec![certificate.der().clone()], secret, &default_provider())
        .map_err(|source| failed(NAME, source))?;
    let certificate = Certificate::new(NAME.into(), Arc::new(certified))
        .map_err(|source| CertificateError::Certificate { path: NAME.to_owned(), source })?;
    Ok(certificate.only_by_default())
}

/// The date so many days from now.
fn day(offset: i64) -> Date {
    let at = i64::try_from(unix_seconds()).unwrap_or_default() + offset * 24 * 60 * 60;
    Timestamp::from_second(at).unwrap_or_default().to_zoned(TimeZone::UTC).date()
}
