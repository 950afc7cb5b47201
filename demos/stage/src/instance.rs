//! One posts instance on a port of its own: started, stopped, killed. It never comes back; another one does, under its
//! name.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use moorline_posts::{InstanceName, Observer, Posts};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A posts instance that serves; killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    posts: Posts,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: Server,
}

/// The task that serves. Its end closes every socket of the instance.
#[derive(Debug)]
pub(crate) struct Server(JoinHandle<()>);

impl Instance {
    /// A new one without sessions, on a free port.
    pub(crate) async fn start(name: InstanceName, observer: Observer) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let posts = Posts::with_observer(name, observer);
        let (stop, stopped) = oneshot::channel();
        // An error would mean that nobody can stop it any more, which is a reason to stop as well.
        let server = Server::spawn(posts.clone().serve(listener, async { drop(stopped.await) }));
        Ok(Self { posts, address, stop, server })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many sessions its memory holds.
    pub(crate) fn sessions(&self) -> usize {
        self.posts.sessions()
    }

    /// Ends it as SIGTERM would once it has waited long enough: requests in progress are answered, what was in its
    /// memory is gone.
    pub(crate) async fn stop(mut self) {
        self.posts.stop_being_ready();
        // It may have ended already.
        let _ = self.stop.send(());
        let _ = (&mut self.server.0).await;
    }

    /// Ends it as a crash would: in the middle of whatever it does.
    pub(crate) async fn kill(mut self) {
        self.server.0.abort();
        // Aborted, which is an error and what was wanted.
        let _ = (&mut self.server.0).await;
    }
}

impl Server {
    /// Serves until the future ends, or this is dropped.
    pub(crate) fn spawn(serve: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(serve))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}
