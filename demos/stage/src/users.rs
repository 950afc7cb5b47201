//! The users service: one instance, over memory, for as long as the stage stands. Nothing is done to it, since whoever is
//! asked for a user answers the same.

use std::net::{Ipv4Addr, SocketAddr};

use moorline_users::{Memory, Users};
use tokio::net::TcpListener;

use crate::instance::Server;

/// A users service that serves; gone when this is dropped.
#[derive(Debug)]
pub(crate) struct UsersService {
    address: SocketAddr,
    _server: Server,
}

impl UsersService {
    /// One without users, on a free port.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let users = Users::new(NAME.parse()?, Memory::default());
        Ok(Self { address, _server: Server::spawn(users.serve(listener, std::future::pending())) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What it is called.
pub(crate) const NAME: &str = "users-0";
