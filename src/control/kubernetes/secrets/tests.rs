use http::{Request, Response};
use kube::client::Body;

use super::budget::SAVED;
use super::*;

/// An API server without any Secret.
fn server() -> Client {
    let answer = |_: Request<Body>| {
        let status = r#"{"kind":"Status","status":"Failure","message":"","reason":"NotFound","code":404}"#;
        let response = Response::builder().status(404).body(Body::from(status.as_bytes().to_vec()));
        std::future::ready(Ok::<_, std::convert::Infallible>(response.expect("a response")))
    };
    Client::new(tower::service_fn(answer), "default")
}

fn many(namespace: &str, number: usize) -> Wanted {
    (0..number).map(|n| (Name::new(namespace, &format!("s{n:05}")), 0)).collect()
}

fn next(due: &mut Due) -> String {
    due.next().map(|name| name.to_string()).unwrap_or_default()
}

/// As many as are told of before there is a pause.
async fn told(states: &mut mpsc::Receiver<(Name, Option<SecretState>)>) -> usize {
    let mut told = 0;
    // Between two of those that are not saved there is more time than this.
    while let Ok(Some((_, state))) = tokio::time::timeout(PERIOD / 2, states.recv()).await {
        told += usize::from(state.is_some());
    }
    told
}

#[tokio::test]
async fn who_starts_reads_all_at_once_and_invented_ones_are_read_no_faster_than_any() {
    let (wanted, wanted_rx) = watch::channel(Wanted::new());
    let (states, mut states_rx) = mpsc::channel(16);
    tokio::spawn(follow(server(), wanted_rx, states));
    let number = 2 * SAVED;
    wanted.send_replace(many("first", number));
    for _ in 0..number {
        states_rx.recv().await.expect("all of them");
    }
    let began = Instant::now();
    wanted.send_replace(many("evil", 3 * SAVED));
    let told = told(&mut states_rx).await;
    let seconds = usize::try_from(began.elapsed().as_secs()).expect("few");
    assert!((SAVED - RATE..=SAVED + RATE * (seconds + 1)).contains(&told), "{told}: what was saved, and no more");
}

#[test]
fn what_was_saved_is_spent_once() {
    let start = Instant::now();
    let mut budget = Budget::new(start);
    assert_eq!(budget.left(start), SAVED);
    budget.take(SAVED);
    let after = |millis| start + Duration::from_millis(millis);
    assert_eq!(budget.left(after(49)), 0);
    assert_eq!(budget.left(after(75)), 1, "of the second there is a half");
    assert_eq!(budget.left(after(100)), 2);
    assert_eq!(budget.left(after(1_000)), RATE);
    assert_eq!(budget.left(after(10_000_000)), SAVED);
}

#[test]
fn whoever_invents_secrets_keeps_nobody_elses_from_being_read() {
    let (mut due, mut known) = (Due::default(), Known::new());
    let mut wanted = many("evil", 1_000);
    due.want(&wanted, &mut known);
    while due.fresh.len() > 500 {
        due.next();
    }
    wanted.insert(Name::new("shop", "new"), 0);
    due.want(&wanted, &mut known);
    assert_eq!([next(&mut due), next(&mut due)].iter().filter(|name| *name == "shop/new").count(), 1);
    // Those that are asked for again, and those whose turn it is, are read between them.
    due.wait(known.keys());
    wanted.insert(Name::new("shop", "new"), 1);
    due.want(&wanted, &mut known);
    assert!([next(&mut due), next(&mut due), next(&mut due)].contains(&"shop/new".to_owned()));
}

#[test]
fn a_round_that_is_not_over_does_not_put_off_the_next() {
    let (mut due, mut known) = (Due::default(), Known::new());
    let mut wanted = many("evil", 1_000);
    wanted.extend(many("shop", 1));
    due.want(&wanted, &mut known);
    while due.next().is_some() {}
    for _ in 0..2 {
        due.wait(known.keys());
        assert!([next(&mut due), next(&mut due)].contains(&"shop/s00000".to_owned()));
    }
}

#[test]
fn what_is_wanted_no_more_is_read_no_more() {
    let (mut due, mut known) = (Due::default(), Known::new());
    due.want(&many("shop", 3), &mut known);
    let gone = due.want(&many("shop", 1), &mut known);
    assert_eq!(gone, [Name::new("shop", "s00001"), Name::new("shop", "s00002")]);
    assert_eq!([next(&mut due), next(&mut due)], ["shop/s00000", ""]);
}
