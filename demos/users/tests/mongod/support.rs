mod server;
mod set;

use std::{net::SocketAddr, time::Duration};

use axum::http::StatusCode;
use moorline_service::testing::{Connection, soon};
use moorline_users::{Mongo, MongoSettings, Users};
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};

pub(crate) use self::set::ReplicaSet;

/// A service over a replica set of its own; both gone when it is dropped.
pub(crate) struct Service {
    pub(crate) addr: SocketAddr,
    pub(crate) set: ReplicaSet,
    task: JoinHandle<()>,
}

impl Service {
    /// Over a set of so many members. Ready.
    pub(crate) async fn start(members: usize) -> Self {
        Self::with_deadline(members, Duration::from_secs(30)).await
    }

    pub(crate) async fn with_deadline(members: usize, deadline: Duration) -> Self {
        let set = ReplicaSet::start(members).await;
        let settings = MongoSettings { uri: set.uri(), database: "users".to_owned(), deadline };
        let store = Mongo::start(settings).await.expect("a good connection string");
        let users = Users::new("users-0".parse().expect("a good name"), store);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let task = tokio::spawn(users.serve(listener, std::future::pending()));
        let service = Self { addr, set, task };
        service.readiness(StatusCode::OK).await;
        service
    }

    pub(crate) async fn client(&self) -> Connection {
        Connection::open(self.addr).await.expect("to connect")
    }

    /// Waits until `/readyz` says this.
    pub(crate) async fn readiness(&self, status: StatusCode) {
        let mut client = self.client().await;
        until(async || client.get("/readyz").await.status == status).await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks again and again until it is so. Fails the test rather than wait for ever.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    soon(async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
