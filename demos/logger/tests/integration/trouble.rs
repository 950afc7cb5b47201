use std::{fs, os::unix::fs::symlink};

use axum::http::StatusCode;
use moorline_logger::FileSettings;

use crate::support::{Service, say};

const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

#[tokio::test]
async fn a_full_disk_makes_it_unready_and_room_makes_it_ready_again() {
    let service = Service::with(|path| {
        symlink("/dev/full", path.join("app.log")).expect("a link");
        FileSettings::at(path.join("app.log"))
    })
    .await;
    let mut client = service.client().await;
    let refused = say(&mut client, "hello").await;
    assert_eq!((refused.status, refused.header("retry-after")), (UNAVAILABLE, "5"), "{}", refused.body);
    assert!(refused.body.contains("cannot use its log: No space left"), "{}", refused.body);
    assert_eq!(client.get("/readyz").await.status, UNAVAILABLE);
    assert_eq!(client.get("/healthz").await.status, StatusCode::OK);

    fs::remove_file(service.path("app.log")).expect("a link");
    assert_eq!(client.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(say(&mut client, "hello again").await.status, StatusCode::CREATED);
    let log = service.file();
    let words: Vec<_> = log.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(words, ["recovered", "message", "request"], "{log}");
}

#[tokio::test]
async fn without_its_disk_it_starts_and_waits_for_it() {
    let service = Service::with(|path| FileSettings::at(path.join("disk/app.log"))).await;
    let mut client = service.client().await;
    assert_eq!(client.get("/readyz").await.status, UNAVAILABLE);
    assert_eq!(say(&mut client, "hello").await.status, UNAVAILABLE);
    assert_eq!(client.get("/log").await.body, "", "there is no log yet");
    fs::create_dir(service.path("disk")).expect("a folder");
    assert_eq!(say(&mut client, "hello").await.status, StatusCode::CREATED);
    assert_eq!(client.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_log_that_is_a_folder_is_said_and_crashes_nothing() {
    let service = Service::with(|path| FileSettings::at(path.as_path())).await;
    let mut client = service.client().await;
    for _ in 0..2 {
        assert_eq!(say(&mut client, "hello").await.status, UNAVAILABLE);
        assert_eq!(client.get("/log").await.status, UNAVAILABLE);
        assert_eq!(client.get("/readyz").await.status, UNAVAILABLE);
        assert_eq!(client.get("/healthz").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn being_told_to_end_shows_in_readiness_and_nowhere_else() {
    let service = Service::start().await;
    let mut client = service.client().await;
    assert_eq!(client.get("/readyz").await.status, StatusCode::OK);
    service.logger.stop_being_ready();
    assert_eq!(client.get("/readyz").await.status, UNAVAILABLE);
    assert_eq!(client.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(say(&mut client, "hello").await.status, StatusCode::CREATED);
}
