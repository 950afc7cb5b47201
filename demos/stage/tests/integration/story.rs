use std::time::Duration;

use moorline_stage::story::{Scale, tell};
use tokio::time::timeout;

#[tokio::test]
async fn with_drains_nobody_loses_anything() {
    let mut table = Vec::new();
    let scale = Scale { users: 16, requests: 6 };
    let told = timeout(Duration::from_secs(120), tell(&scale, &mut table)).await.expect("it ends").expect("it is told");
    let table = String::from_utf8(table).expect("text");
    assert!(told.is_clean(), "{table}");
    let [round_robin, sticky, drained] = &told.rows[..] else { panic!("three rows:\n{table}") };
    assert!(round_robin.tally.lost > 0, "without stickiness sessions are lost:\n{table}");
    assert_eq!((sticky.tally.moved, drained.tally.moved), (0, 0), "{table}");
    assert_eq!((drained.tally.lost, drained.tally.requests), (0, 16 * 8), "{table}");
    assert!(table.contains("sticky, with drains            128              0       0       0"), "{table}");
}
