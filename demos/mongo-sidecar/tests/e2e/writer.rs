//! Writes one document after the other into a replica set, as an application does, and then counts: what was acknowledged
//! must be there, once. It listens on port 7000 as soon as it has written something, so that it is ready then, and leaves what it
//! found as its termination message. Both are kept by the API server; a log is the node's, which may throw it away.
//!
//!     writer URI SECONDS

use std::{collections::HashMap, time::Duration};

use anyhow::Context;
use mongodb::{
    Client, Collection,
    bson::{Document, doc},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let uri = args.next().context("a URI")?;
    let seconds = args.next().and_then(|seconds| seconds.parse().ok()).context("seconds")?;
    let client = Client::with_uri_str(uri).await?;
    let run = mongodb::bson::oid::ObjectId::new().to_hex();
    let documents = client.database("e2e").collection::<Document>(&run);
    documents.insert_one(doc! { "n": 0_i64 }).await.context("the first write")?;
    let _is_ready = TcpListener::bind(("0.0.0.0", 7000)).await?;
    let written = write(&documents, Duration::from_secs(seconds)).await;
    let mut report = count(&documents, &written).await?;
    report["elected_ms"] = elected(client.clone()).await?.into();
    client.shutdown().await;
    std::fs::write("/dev/termination-log", report.to_string()).context("the report")
}

struct Written {
    acknowledged: Vec<i64>,
    failed: u64,
    /// The longest time between two acknowledgements.
    gap: Duration,
}

async fn write(documents: &Collection<Document>, time: Duration) -> Written {
    let mut written = Written { acknowledged: vec![0], failed: 0, gap: Duration::ZERO };
    let started = Instant::now();
    let mut last = started;
    for n in 1_i64.. {
        if started.elapsed() > time {
            break;
        }
        let documents = documents.clone();
        match within(async move { documents.insert_one(doc! { "n": n }).await }).await {
            Ok(_) => {
                written.gap = written.gap.max(last.elapsed());
                last = Instant::now();
                written.acknowledged.push(n);
            }
            Err(error) => {
                written.failed += 1;
                say(&json!({ "failed": error.to_string() }));
            }
        }
        sleep(PAUSE).await;
    }
    written
}

async fn count(documents: &Collection<Document>, written: &Written) -> anyhow::Result<Value> {
    let found = loop {
        match within(find(documents.clone())).await {
            Ok(found) => break found,
            Err(error) => say(&json!({ "not counted": error.to_string() })),
        }
        sleep(PAUSE).await;
    };
    let lost = written.acknowledged.iter().filter(|n| !found.contains_key(n)).count();
    let doubled = found.values().filter(|times| **times > 1).count();
    Ok(json!({
        "acknowledged": written.acknowledged.len(),
        "failed": written.failed,
        "found": found.len(),
        "lost": lost,
        "doubled": doubled,
        "gap_ms": u64::try_from(written.gap.as_millis())?,
    }))
}

/// When the primary that there is now was elected, by its clock.
async fn elected(client: Client) -> anyhow::Result<i64> {
    let asked = within(async move { client.database("admin").run_command(doc! { "replSetGetStatus": 1 }).await });
    let status = asked.await?;
    let election = status.get_document("electionCandidateMetrics").context("its election")?;
    Ok(election.get_datetime("lastElectionDate").context("a time")?.timestamp_millis())
}

/// What is there, and how often.
async fn find(documents: Collection<Document>) -> mongodb::error::Result<HashMap<i64, i64>> {
    let mut found = HashMap::new();
    let mut cursor = documents.find(doc! {}).await?;
    while cursor.advance().await? {
        let n = cursor.current().get_i64("n").map_err(mongodb::error::Error::custom)?;
        *found.entry(n).or_default() += 1;
    }
    Ok(found)
}

/// The driver waits for as long as the system does, and the address of a pod that is gone swallows what is sent there. What is
/// given up goes on by itself: the driver's futures are not dropped half-way.
async fn within<T: Send + 'static>(
    operation: impl Future<Output = mongodb::error::Result<T>> + Send + 'static,
) -> anyhow::Result<T> {
    Ok(timeout(PATIENCE, tokio::spawn(operation)).await.context("no answer")???)
}

#[expect(clippy::print_stdout, reason = "its logs are how the test hears of it")]
fn say(line: &Value) {
    println!("{line}");
}

const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(5);
