//! Three posts instances, a users service and the proxy in front of them, and what can be done to the instances.
//!
//! Whatever is done ends with a configuration file, which is published as `moorline run` publishes a file that has
//! changed. The proxy serves on threads of its own; the instances are tasks of the runtime that [`Stage::open`] is called
//! in.

mod bind;
mod roll;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail};
use moorline::app::Running;
use moorline::control::{Control, keys};
use moorline::drain;
use moorline::file::File;
use moorline::routing::KeyRing;
use moorline::sessions::Sessions;
use moorline_posts::{InstanceName, Observer};

pub(crate) use self::roll::Manner;
use crate::file::{Layout, Policy, Server};
use crate::instance::Instance;
use crate::users::UsersService;

/// The names of the instances.
pub(crate) const NAMES: [&str; 3] = ["posts-0", "posts-1", "posts-2"];

/// How to set the stage.
pub(crate) struct Setup {
    /// The port that clients connect to; 0 takes a free one.
    pub(crate) port: u16,
    /// Is there an admin API?
    pub(crate) admin: bool,
    /// Who gets a request.
    pub(crate) policy: Policy,
    /// Hears of every request that an instance has answered.
    pub(crate) observer: Observer,
    /// Takes the access log, in JSON.
    pub(crate) access_log: Box<dyn Write + Send>,
}

/// The stage, set. All of its methods may be called at any time, from any task.
pub(crate) struct Stage {
    layout: Layout,
    sessions: Arc<Sessions>,
    observer: Observer,
    set: Mutex<Set>,
    /// Ends with the stage.
    _users: UsersService,
}

/// What changes while it runs.
struct Set {
    control: Control,
    keys: Arc<KeyRing>,
    endpoints: Vec<Endpoint>,
}

/// A configured server and, unless it is down, the instance that serves there.
struct Endpoint {
    name: InstanceName,
    address: SocketAddr,
    drains: bool,
    instance: Option<Instance>,
}

/// An endpoint, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) drains: bool,
    /// How many sessions are moored here, according to Moorline.
    pub(crate) moored: u32,
    /// How many sessions its instance has in memory; none: it is down.
    pub(crate) remembered: Option<usize>,
}

impl Stage {
    /// Starts the instances and the proxy. [`end`] ends the proxy; the instances end with the stage.
    pub(crate) async fn open(setup: Setup) -> anyhow::Result<(Self, Running)> {
        let mut endpoints = Vec::new();
        for name in NAMES {
            let name: InstanceName = name.parse()?;
            let instance = Instance::start(name.clone(), Arc::clone(&setup.observer)).await?;
            endpoints.push(Endpoint { name, address: instance.address(), drains: false, instance: Some(instance) });
        }
        let users = UsersService::start().await?;
        let text = |layout: &Layout| layout.text(endpoints.iter().map(Endpoint::server));
        let (bound, control, layout) = bind::bind(&setup, users.address(), text)?;
        let mut set = Set { control, keys: keys::random()?, endpoints };
        set.publish(&layout)?;
        let running = bound.serve(setup.access_log)?;
        let sessions = Arc::clone(running.sessions());
        let stage = Self { layout, sessions, observer: setup.observer, set: Mutex::new(set), _users: users };
        Ok((stage, running))
    }

    /// From now on the endpoint gets no new sessions (or gets them again).
    pub(crate) fn drain(&self, name: &str, drains: bool) -> anyhow::Result<()> {
        self.change(name, |endpoint| {
            endpoint.drains = drains;
            Ok(())
        })
    }

    /// Ends the instance as a crash would. The file does not know of it: Moorline finds out.
    pub(crate) async fn kill(&self, name: &str) -> anyhow::Result<()> {
        let instance = self.set().find(name)?.instance.take();
        instance.with_context(|| format!("{name} is down already"))?.kill().await;
        Ok(())
    }

    /// Starts an instance with an empty memory under the name of one that is down.
    pub(crate) async fn start(&self, name: &str) -> anyhow::Result<SocketAddr> {
        let name: InstanceName = name.parse()?;
        let instance = Instance::start(name.clone(), Arc::clone(&self.observer)).await?;
        let address = instance.address();
        self.change(name.as_str(), |endpoint| {
            if endpoint.instance.is_some() {
                bail!("{name} runs already");
            }
            *endpoint = Endpoint { name: name.clone(), address, drains: false, instance: Some(instance) };
            Ok(())
        })?;
        Ok(address)
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.layout.listener
    }

    /// Where the admin API is.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.layout.admin
    }

    /// Where the users service is.
    pub(crate) fn users_address(&self) -> SocketAddr {
        self.layout.users
    }

    /// All endpoints of posts.
    pub(crate) fn endpoints(&self) -> Vec<Seen> {
        let berths = self.sessions.berths();
        let moored = |name: &str| berths.iter().find(|berth| *berth.name == *name).map_or(0, |berth| berth.sessions());
        let seen = |endpoint: &Endpoint| Seen {
            name: endpoint.name.to_string(),
            address: endpoint.address,
            drains: endpoint.drains,
            moored: moored(endpoint.name.as_str()),
            remembered: endpoint.instance.as_ref().map(Instance::sessions),
        };
        self.set().endpoints.iter().map(seen).collect()
    }

    /// One of them.
    fn endpoint(&self, name: &str) -> Option<Seen> {
        self.endpoints().into_iter().find(|seen| seen.name == name)
    }

    /// The file that is in force.
    pub(crate) fn file(&self) -> String {
        self.set().text(&self.layout)
    }

    /// Changes an endpoint, and publishes the file that says so.
    fn change(&self, name: &str, change: impl FnOnce(&mut Endpoint) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut set = self.set();
        change(set.find(name)?)?;
        set.publish(&self.layout)
    }

    fn set(&self) -> MutexGuard<'_, Set> {
        // Nothing panics while it holds the lock; if something ever did, the stage would still be worth seeing.
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Set {
    fn publish(&mut self, layout: &Layout) -> anyhow::Result<()> {
        let file = parse(&self.text(layout))?;
        self.control.publish(&file, Arc::clone(&self.keys))?;
        Ok(())
    }

    fn find(&mut self, name: &str) -> anyhow::Result<&mut Endpoint> {
        let found = self.endpoints.iter_mut().find(|endpoint| endpoint.name.as_str() == name);
        found.with_context(|| format!("there is no {name}; there are {}", NAMES.join(", ")))
    }

    fn text(&self, layout: &Layout) -> String {
        layout.text(self.endpoints.iter().map(Endpoint::server))
    }
}

impl Endpoint {
    fn server(&self) -> Server<'_> {
        Server { name: self.name.as_str(), address: self.address, drains: self.drains }
    }
}

/// Ends the proxy: requests under way are answered, unless `hurry` is ready first.
pub(crate) async fn end(running: Running, hurry: impl Future<Output = ()>) -> anyhow::Result<()> {
    running.drain();
    let trigger = running.hurry();
    let mut ended = tokio::task::spawn_blocking(move || running.join());
    tokio::select! {
        ended = &mut ended => return Ok(ended?),
        () = hurry => trigger.advance(drain::Stage::Ending),
    }
    Ok(ended.await?)
}

/// The text as Moorline understands it.
fn parse(text: &str) -> anyhow::Result<File> {
    match File::parse(text) {
        Ok((file, _warnings)) => Ok(file),
        Err(problems) => bail!("{}", problems.render("the stage's file", Some(text))),
    }
}

#[cfg(test)]
mod tests;
