use std::fs;

use crate::file::File;

use super::*;

/// A certificate in PEM, and its key.
fn made(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (pem("CERTIFICATE", made.cert.der()), pem("PRIVATE KEY", made.signing_key.serialized_der()))
}

fn pem(what: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", base64::prelude::BASE64_STANDARD.encode(der))
}

fn file(tls: &str) -> File {
    let text = format!(
        "listeners: [{{ address: 127.0.0.1:8443, tls: {tls} }}]\nbackends: {{ b: {{ endpoints: [127.0.0.1:1] }} }}\n\
         routes: [{{ rules: [{{ backend: b }}] }}]\n"
    );
    File::parse(&text).unwrap().0
}

const ONE: &str = "{ certificates: [{ cert: cert.pem, key: key.pem }] }";

fn put(folder: &Path, (cert, key): &(String, String)) {
    fs::write(folder.join("cert.pem"), cert).unwrap();
    fs::write(folder.join("key.pem"), key).unwrap();
}

fn read(folder: &Path) -> Result<Store, String> {
    Store::default().read(&file(ONE), folder).map(|(store, _)| store).map_err(|error| error.to_string())
}

#[test]
fn a_pair_that_is_broken_now_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (made("a.example"), made("b.example"));
    put(folder.path(), &a);
    let good = read(folder.path()).unwrap();
    assert!(good.certificates()[0].covers("a.example"));
    put(folder.path(), &(b.0.clone(), a.1));
    let (kept, broken) = good.read(&file(ONE), folder.path()).unwrap();
    assert!(kept == good && matches!(broken[..], [CertificateError::Mismatch { .. }]), "{broken:?}");
    put(folder.path(), &b);
    let (new, broken) = kept.read(&file(ONE), folder.path()).unwrap();
    assert!(new != good && broken.is_empty());
    assert!(new.certificates()[0].covers("b.example"));
    let (same, _) = new.read(&file(ONE), folder.path()).unwrap();
    assert!(same == new && Arc::ptr_eq(same.certificates()[0], new.certificates()[0]), "nothing is read twice");
}

#[test]
fn what_is_wrong_with_a_pair_is_said_without_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (made("a.example"), made("b.example"));
    let wrong = |cert: &str, key: &str| {
        put(folder.path(), &(cert.to_owned(), key.to_owned()));
        read(folder.path()).unwrap_err().replace(&*folder.path().to_string_lossy(), "")
    };
    assert!(read(folder.path()).unwrap_err().contains("cert.pem: No such file"));
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_eq!(wrong("", &a.1), "/cert.pem has no certificate in PEM in it");
    assert_eq!(wrong(&a.1, &a.0), "/cert.pem has no certificate in PEM in it");
    assert_eq!(
        wrong(&a.0, encrypted),
        "/key.pem has no private key in PEM in it, or an encrypted one, which is not read"
    );
    assert_eq!(wrong(&a.0, &b.1), "the key /key.pem does not fit the certificate /cert.pem");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(!wrong(nonsense, &a.1).is_empty());
}

fn backend(fields: &str) -> File {
    let text = format!(
        "listeners: [{{ address: 127.0.0.1:8080 }}]\nbackends: {{ b: {{ endpoints: [127.0.0.1:1], {fields} }} }}\n\
         routes: [{{ rules: [{{ backend: b }}] }}]\n"
    );
    File::parse(&text).unwrap().0
}

#[test]
fn a_file_of_authorities_that_is_broken_now_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = backend("protocol: https, tls: { ca: ca.pem }");
    let read = |store: &Store| store.read(&file, folder.path());
    let put = |text: &str| fs::write(folder.path().join("ca.pem"), text).unwrap();
    assert!(matches!(read(&Store::default()), Err(CertificateError::Read { .. })));
    put("nonsense");
    let error = read(&Store::default()).unwrap_err().to_string();
    assert!(error.ends_with("ca.pem has no certificate in PEM in it"), "{error}");
    put(&made("a.example").0);
    let (good, broken) = read(&Store::default()).unwrap();
    assert!(broken.is_empty() && !good.is_empty());
    put("nonsense");
    let (kept, broken) = read(&good).unwrap();
    assert!(kept == good && matches!(broken[..], [CertificateError::NoCertificate(_)]), "{broken:?}");
    put(&format!("{}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", made("b.example").0));
    let (kept, broken) = read(&kept).unwrap();
    assert!(kept == good && matches!(broken[..], [CertificateError::Authority { .. }]), "{broken:?}");
    put(&made("b.example").0);
    let (new, broken) = read(&kept).unwrap();
    assert!(new != good && broken.is_empty());
    let (same, _) = read(&new).unwrap();
    assert!(same == new && Arc::ptr_eq(same.connectors(), new.connectors()), "nothing is made twice");
}

#[test]
fn a_connector_is_made_anew_when_it_would_be_another() {
    let unverified = backend("protocol: https, tls: { verify: false }");
    let (store, _) = Store::default().read(&unverified, Path::new("")).unwrap();
    let (again, _) = store.read(&unverified, Path::new("")).unwrap();
    assert!(Arc::ptr_eq(store.connectors(), again.connectors()));
    for other in ["protocol: h2, tls: { verify: false }", "protocol: https, tls: { verify: false, server_name: a }"] {
        let (next, _) = store.read(&backend(other), Path::new("")).unwrap();
        assert!(next != store, "{other}");
    }
    let (none, _) = store.read(&backend("protocol: http"), Path::new("")).unwrap();
    assert!(none.is_empty() && none != store);
}

#[test]
fn a_listener_without_certificates_shows_one_of_its_own_and_keeps_it() {
    let nowhere = Path::new("");
    let (store, _) = Store::default().read(&file("{}"), nowhere).unwrap();
    let [own] = store.certificates()[..] else { panic!("one certificate") };
    assert!(!own.covers("localhost") && untimely(own, crate::clock::unix_seconds()).is_none());
    let (again, _) = store.read(&file("{}"), nowhere).unwrap();
    assert!(Arc::ptr_eq(own, again.certificates()[0]));
    let mut certificates = Certificates::default();
    again.install(&file("{}"), &mut certificates);
    let set = certificates.of("127.0.0.1:8443".parse().unwrap()).unwrap();
    assert_eq!(&*set.find(Some("localhost")).0.name, "self-made");
}

#[test]
fn certificates_out_of_their_time_are_told() {
    let (store, _) = Store::default().read(&file("{}"), Path::new("")).unwrap();
    let own = store.certificates()[0];
    let at = |unix: i64| untimely(own, unix.try_into().unwrap());
    assert!(at(own.not_after + 1).unwrap().starts_with("the certificate expired 20"));
    assert!(at(own.not_before - 1).unwrap().starts_with("the certificate is not valid before 20"));
    assert_eq!((at(own.not_before), at(own.not_after)), (None, None));
}
