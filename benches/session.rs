//! Whose request: the token sealed and opened, its cookie found, the decision that follows, and what hostile cookies
//! cost.

mod fixture;

use std::hint::black_box;

use aws_lc_rs::hmac;
use criterion::{Criterion, criterion_group, criterion_main};
use moorline::routing::session::{ENCODED_LEN, Key, KeyId, Remembered, SECRET_LEN, values};
use moorline::routing::{Attempt, Claims, KeyRing, Scope, SessionId, Strategy, Token, decide};

use self::fixture::{Cycle, Idle, NOW, backend, ring, scope, sealed, sticky, token};

const NAME: &str = "moorline";
/// As many candidates as the proxy verifies.
const CANDIDATES: usize = 8;
const SESSIONS: u64 = 64;

/// What a browser sends along to many sites, with our cookie in the middle.
fn browser_cookies(ours: &str) -> String {
    let before = "_ga=GA1.2.1411187459.1694774391; consent=%7B%22ads%22%3Afalse%2C%22stats%22%3Atrue%7D; theme=dark";
    let after = "JSESSIONID=59F2A1C0D9B84E7F8E3D0A6C5B7F1E22; cart=eyJpdGVtcyI6WzE3LDQyXX0; lang=de-AT";
    format!("{before}; {NAME}={ours}; {after}")
}

/// The first right token of a `Cookie` field, as the proxy looks for it.
fn read(keys: &KeyRing, scope: &Scope, field: &[u8]) -> Option<Token> {
    let candidates = values(field, NAME).filter(|value| value.len() == ENCODED_LEN).take(CANDIDATES);
    candidates.filter_map(|value| keys.open(scope, value)).next()
}

fn tokens(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    let (keys, scope) = (ring(2), scope("shop/web"));
    let backend = backend("shop/web", 3, &keys);
    let endpoint = &backend.endpoints()[0];
    let claims = Claims::new(SessionId(0x0123_4567_89ab_cdef), NOW.unix);
    group.bench_function("seal", |bencher| {
        bencher.iter(|| black_box(keys.seal(black_box(&scope), black_box(claims), endpoint, NOW.unix)));
    });
    let hmac_key = hmac::Key::new(hmac::HMAC_SHA256, &[1; SECRET_LEN]);
    group.bench_function("hmac", |bencher| {
        bencher.iter(|| black_box(hmac::sign(&hmac_key, black_box(&[7; 55]))));
    });
    let mut sealed = Cycle::shuffled((0..SESSIONS).map(|session| sealed(&keys, session, &backend, endpoint)));
    group.bench_function("open", |bencher| {
        bencher.iter(|| {
            let opened = keys.open(black_box(&scope), black_box(sealed.step()).as_bytes());
            black_box(opened.expect("a right token"))
        });
    });
    let field = browser_cookies(sealed.step());
    let token = read(&keys, &scope, field.as_bytes()).expect("a right token");
    let remembered = Remembered::new(field.as_bytes(), scope, &keys, token);
    group.bench_function("remembered", |bencher| {
        bencher.iter(|| black_box(remembered.recall(black_box(field.as_bytes()), &scope, &keys)));
    });
    group.finish();
}

fn cookies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    let (keys, scope) = (ring(2), scope("shop/web"));
    let backend = backend("shop/web", 3, &keys);
    let field = browser_cookies(&sealed(&keys, 1, &backend, &backend.endpoints()[0]));
    group.bench_function("values", |bencher| {
        bencher.iter(|| black_box(values(black_box(field.as_bytes()), NAME).next()));
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| black_box(read(&keys, &scope, black_box(field.as_bytes())).expect("a right token")));
    });
    let absent = browser_cookies("").replace(NAME, "unmoored");
    group.bench_function("read_absent", |bencher| {
        bencher.iter(|| black_box(read(&keys, &scope, black_box(absent.as_bytes()))));
    });
    group.finish();
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    let (keys, load) = (ring(2), Idle::default());
    let backend = backend("shop/web", 100, &keys);
    let endpoints = (0..).zip(backend.endpoints());
    let mut tokens = Cycle::shuffled(endpoints.map(|(session, endpoint)| token(&keys, session, &backend, endpoint)));
    let rule = sticky(backend.clone(), Strategy::LeastSessions);
    let mut rng = fastrand::Rng::with_seed(1);
    group.bench_function("decide_kept", |bencher| {
        bencher.iter(|| {
            let attempt = Attempt { token: Some(black_box(tokens.step())), ..Attempt::default() };
            black_box(decide(black_box(&rule), &attempt, &load, &mut rng, NOW))
        });
    });
    group.finish();
}

fn forger() -> Key {
    Key::new(KeyId::new(0).expect("a key id"), 0, &[0xff; SECRET_LEN])
}

fn hostile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    let (keys, scope) = (ring(2), scope("shop/web"));
    let refused = |field: &[u8]| assert!(read(&keys, &scope, field).is_none(), "nothing here is a token");
    let backend = backend("shop/web", 1, &keys);
    // Right up to the MAC: key ids can be guessed, secrets cannot.
    let forged = sealed(&KeyRing::new(vec![forger()]).expect("one key"), 1, &backend, &backend.endpoints()[0]);
    let inputs = [
        ("hostile_forged", format!("{NAME}={forged}")),
        ("hostile_64k_value", format!("{NAME}={}", "A".repeat(65_536))),
        ("hostile_64k_semicolons", ";".repeat(65_536)),
        ("hostile_1000_pairs", vec![format!("{NAME}={forged}"); 1000].join("; ")),
    ];
    for (name, field) in inputs {
        group.bench_function(name, |bencher| bencher.iter(|| refused(black_box(field.as_bytes()))));
    }
    group.finish();
}

criterion_group!(benches, tokens, cookies, decisions, hostile);
criterion_main!(benches);
