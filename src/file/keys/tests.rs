use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn secret(seed: u8) -> [u8; SECRET_LEN] {
    std::array::from_fn(|at| seed.wrapping_add(at as u8))
}

fn ids(file: &KeyFile) -> Vec<u8> {
    file.0.iter().map(|entry| entry.id.get()).collect()
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let problems = KeyFile::parse(text).unwrap_err().to_string();
    assert!(problems.contains(expected), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn what_is_written_is_read_back() {
    let mut file = KeyFile::new(at("2026-01-01T00:00:00Z"), secret(1));
    file.rotate(at("2026-02-01T00:00:00Z"), MONTH, secret(2)).unwrap();
    let again = KeyFile::parse(&file.to_yaml()).unwrap();
    assert_eq!(again.to_yaml(), file.to_yaml());
    assert_eq!(again.ring().fingerprint(), file.ring().fingerprint());
    assert!(file.to_yaml().contains("id: 1, signs_from: 2026-02-01T00:06:00Z"));
}

#[test]
fn both_alphabets_of_base64_are_read() {
    let bytes = [0xfb; 31].iter().copied().chain([0xef]).collect::<Vec<_>>();
    for text in [base64::engine::general_purpose::STANDARD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
        let file = KeyFile::parse(&format!("keys: [{{ id: 3, signs_from: 2026-01-01T00:00:00Z, secret: {text} }}]"));
        assert_eq!(file.unwrap().0[0].secret.to_vec(), bytes);
    }
}

#[test]
fn what_is_no_key_file_is_refused_without_quoting_it() {
    let good = "signs_from: 2026-01-01T00:00:00Z, secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    refused("hunter2", "expected a mapping with keys");
    refused("keys: hunter2", "line 1, column 7: expected a list");
    refused("keys: [hunter2", "not the YAML of a key file");
    refused("keys: []", "there is no key");
    refused(&format!("keys: [{{ id: 0, {good}, hunter2: 1 }}]"), "unknown key");
    refused(&format!("keys: [{{ id: hunter2, {good} }}]"), "from 0 to 31");
    refused(&format!("keys: [{{ id: 32, {good} }}]"), "from 0 to 31");
    refused(&format!("keys: [{{ {good} }}]"), "missing key \"id\"");
    refused("keys: [{ id: 0, signs_from: hunter2, secret: hunter2 }]", "32 random bytes");
    refused("keys: [{ id: 0, signs_from: hunter2, secret: hunter2 }]", "signs_from is a time");
    refused(&format!("keys: [{{ id: 0, {good} }}, {{ id: 0, {good} }}]"), "two keys have the id 0");
    refused(&format!("keys: [{{ id: 0, {good} }}, {{ id: 1, {good} }}]"), "the same secret");
    let zeros = "A".repeat(43);
    refused(&format!("keys: [{{ id: 0, signs_from: 2026-01-01T00:00:00Z, secret: {zeros} }}]"), "not random");
}

#[test]
fn secrets_are_in_no_debug_output() {
    let file = KeyFile::new(at("2026-01-01T00:00:00Z"), [0xab; SECRET_LEN]);
    assert!(!format!("{file:?}").contains("171"), "{file:?}");
}

#[test]
fn a_key_goes_when_nothing_it_signed_is_worth_anything() {
    let mut file = KeyFile::new(at("2026-01-01T00:00:00Z"), secret(0));
    file.rotate(at("2026-02-01T00:00:00Z"), MONTH, secret(1)).unwrap();
    file.rotate(at("2026-03-03T00:00:00Z"), MONTH, secret(2)).unwrap();
    assert_eq!(ids(&file), [0, 1, 2], "key 0 signed until 00:01 on 1 February, 30 days before 3 March");
    file.rotate(at("2026-03-04T00:00:00Z"), MONTH, secret(3)).unwrap();
    assert_eq!(ids(&file), [1, 2, 3]);
}

#[test]
fn a_key_that_has_not_signed_yet_is_waited_for() {
    let mut file = KeyFile::new(at("2026-01-01T00:00:00Z"), secret(0));
    file.rotate(at("2026-01-02T00:00:00Z"), DAY, secret(1)).unwrap();
    let error = file.rotate(at("2026-01-02T00:05:59Z"), DAY, secret(2)).unwrap_err();
    assert_eq!(error, RotateError::Pending { id: id(1), from: at("2026-01-02T00:06:00Z") });
    assert_eq!(file.count(), 2);
    file.rotate(at("2026-01-02T00:06:00Z"), DAY, secret(2)).unwrap();
}

#[test]
fn ids_come_back_as_late_as_possible_and_run_out_only_at_32() {
    let mut file = KeyFile::new(at("2026-01-01T00:00:00Z"), secret(0));
    let mut now = at("2026-01-02T00:00:00Z");
    for round in 1..32 {
        file.rotate(now, 400 * DAY, secret(round)).unwrap();
        now += jiff::SignedDuration::from_hours(24);
    }
    assert_eq!(file.rotate(now, 400 * DAY, secret(99)), Err(RotateError::Full));
    file.rotate(now, 5 * DAY, secret(99)).unwrap();
    assert_eq!(ids(&file).last(), Some(&0), "0 is free again, and comes after 31");
}
