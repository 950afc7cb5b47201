use std::net::SocketAddr;

use axum::http::StatusCode;
use moorline_service::testing::soon;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    laws::{all, client, create, names},
    support::{Service, until},
};

/// Somebody who writes one user after the other, and repeats what may not have been written, under its key. Whoever is
/// acknowledged is in the list that comes back.
struct Writer {
    acknowledged: watch::Receiver<Vec<String>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Writer {
    fn start(addr: SocketAddr) -> Self {
        let (tell, acknowledged) = watch::channel(Vec::new());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut client = client(addr).await;
            let mut number = 0;
            while !*stopped.borrow() {
                let name = format!("user-{number}");
                // Until it is known: who is left out in the end must not be there by chance.
                loop {
                    let answer = create(&mut client, &name, Some(&name)).await;
                    match answer.status {
                        StatusCode::CREATED => break,
                        StatusCode::SERVICE_UNAVAILABLE => {}
                        other => panic!("{other}: {}", answer.body),
                    }
                }
                tell.send_modify(|names| names.push(name));
                number += 1;
            }
        });
        Self { acknowledged, stop, task }
    }

    /// Waits until so many more are acknowledged.
    async fn more(&mut self, number: usize) {
        let wanted = self.acknowledged.borrow().len() + number;
        soon(self.acknowledged.wait_for(|names| names.len() >= wanted)).await.expect("it writes");
    }

    /// Who was acknowledged, in all.
    async fn end(self) -> Vec<String> {
        self.stop.send_replace(true);
        soon(self.task).await.expect("it ends in peace");
        self.acknowledged.borrow().clone()
    }
}

/// Nothing that was acknowledged is lost, and nothing is there twice.
async fn nothing_is_lost_or_doubled(service: &Service, writer: Writer) {
    let acknowledged = writer.end().await;
    assert_eq!(names(&all(&mut service.client().await, 1000).await), acknowledged);
}

#[tokio::test]
async fn writes_go_on_when_the_primary_steps_down() {
    let service = Service::start(3).await;
    let mut writer = Writer::start(service.addr);
    writer.more(20).await;
    service.set.step_down().await;
    writer.more(20).await;
    assert_eq!(service.client().await.get("/readyz").await.status, StatusCode::OK);
    nothing_is_lost_or_doubled(&service, writer).await;
}

#[tokio::test]
async fn writes_go_on_when_the_primary_is_killed_and_when_it_comes_back() {
    let mut service = Service::start(3).await;
    let mut writer = Writer::start(service.addr);
    writer.more(20).await;
    service.set.kill_primary().await;
    writer.more(20).await;
    service.set.start_again().await;
    writer.more(20).await;
    nothing_is_lost_or_doubled(&service, writer).await;
}

#[tokio::test]
async fn without_a_majority_it_reads_and_is_not_ready_and_does_not_write() {
    let mut service = Service::start(3).await;
    let mut client = service.client().await;
    assert_eq!(create(&mut client, "walker", None).await.status, StatusCode::CREATED);
    service.set.kill_all_but_one();
    service.readiness(StatusCode::SERVICE_UNAVAILABLE).await;
    let refused = create(&mut client, "ada", None).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"));
    assert!(refused.body.contains("nothing was written"), "{}", refused.body);
    assert_eq!(client.get("/healthz").await.status, StatusCode::OK);
    // A majority has had it; who is left learns of that from the next primary at the latest.
    assert_eq!(client.get("/user").await.status, StatusCode::OK);

    service.set.start_again().await;
    service.readiness(StatusCode::OK).await;
    assert_eq!(create(&mut client, "ada", None).await.status, StatusCode::CREATED);
    assert_eq!(names(&all(&mut client, 10).await), ["walker", "ada"]);
}

#[tokio::test]
async fn when_mongodb_restarts_it_lives_and_knows_everybody_again() {
    let mut service = Service::start(1).await;
    let mut client = service.client().await;
    let made = create(&mut client, "walker", Some("key")).await;
    service.set.kill();
    service.readiness(StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(client.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(client.get("/user").await.status, StatusCode::SERVICE_UNAVAILABLE);
    service.set.start_again().await;
    service.readiness(StatusCode::OK).await;
    until(async || client.get("/user").await.status == StatusCode::OK).await;
    assert_eq!(create(&mut client, "walker", Some("key")).await.body, made.body);
    assert_eq!(create(&mut client, "walker", None).await.status, StatusCode::CONFLICT);
}
