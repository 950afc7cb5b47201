//! Which ports the proxy gets.

use std::net::SocketAddr;

use anyhow::bail;
use moorline::app::{self, Bound};
use moorline::config::Config;
use moorline::control::Control;
use moorline::file::ADMIN;

use super::{Setup, parse};
use crate::file::{Layout, local};

/// Binds the sockets that `setup` asks for, and says where they are. The admin API is where everybody looks for it, or,
/// if another one is there, on a free port: two demos at a time are no reason to fail.
pub(super) fn bind(
    setup: &Setup,
    users: SocketAddr,
    text: impl Fn(&Layout) -> String,
) -> anyhow::Result<(Bound, Control, Layout)> {
    let admin = setup.admin.then_some(ADMIN);
    let mut layout = Layout { listener: local(setup.port), admin, policy: setup.policy, users };
    let (bound, control) = match app::bind(Config::from(&parse(&text(&layout))?)) {
        Err(error) if Some(error.address) == admin => {
            layout.admin = Some(local(0));
            app::bind(Config::from(&parse(&text(&layout))?))?
        }
        Err(error) => bail!("{error}; try cargo demo --port {}, or --port 0 for a free one", other(setup.port)),
        Ok(bound) => bound,
    };
    layout.admin = bound.admin_address();
    layout.listener = bound.addresses().first().copied().unwrap_or(layout.listener);
    Ok((bound, control, layout))
}

/// A port that is probably free when this one is not.
fn other(port: u16) -> u16 {
    port.checked_add(10).unwrap_or(8080)
}
