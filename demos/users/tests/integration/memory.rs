use axum::http::StatusCode;
use moorline_users::Memory;

use crate::{
    laws::{create, laws},
    support::{Service, service},
};

laws! { service }

#[tokio::test]
async fn a_full_memory_refuses_new_users_and_knows_the_old_ones() {
    let service = Service::start(Memory::with_room_for(2)).await;
    let mut client = service.client().await;
    for name in ["ada", "walker"] {
        assert_eq!(create(&mut client, name, Some(name)).await.status, StatusCode::CREATED);
    }
    let answer = create(&mut client, "late", None).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"));
    assert_eq!(create(&mut client, "ada", Some("ada")).await.status, StatusCode::CREATED);
    assert_eq!(create(&mut client, "ada", None).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn being_told_to_end_shows_in_readiness_and_nowhere_else() {
    let service = service().await;
    let mut client = service.client().await;
    assert_eq!(client.get("/readyz").await.status, StatusCode::OK);
    service.users.stop_being_ready();
    assert_eq!(client.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(create(&mut client, "walker", None).await.status, StatusCode::CREATED);
}
