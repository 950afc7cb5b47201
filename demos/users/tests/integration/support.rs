use std::net::SocketAddr;

use moorline_service::testing::Connection;
use moorline_users::{Memory, Users};
use tokio::{net::TcpListener, task::JoinHandle};

/// A service over memory; gone when it is dropped.
pub(crate) struct Service {
    pub(crate) addr: SocketAddr,
    pub(crate) users: Users<Memory>,
    task: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn start(store: Memory) -> Self {
        let users = Users::new("users-0".parse().expect("a good name"), store);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let task = tokio::spawn(users.clone().serve(listener, std::future::pending()));
        Self { addr, users, task }
    }

    pub(crate) async fn client(&self) -> Connection {
        Connection::open(self.addr).await.expect("to connect")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One with room for many users.
pub(crate) async fn service() -> Service {
    Service::start(Memory::default()).await
}
