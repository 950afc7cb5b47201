//! The configuration file of the stage, as an operator would write it.

use std::fmt::{self, Display};
use std::net::{Ipv4Addr, SocketAddr};

use crate::users;

/// Everything that stands in the file.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Where clients connect.
    pub(crate) listener: SocketAddr,
    /// Where the admin API listens; none: it is switched off.
    pub(crate) admin: Option<SocketAddr>,
    /// Who gets a request.
    pub(crate) policy: Policy,
    /// Where the users service is.
    pub(crate) users: SocketAddr,
}

/// Who gets a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Whoever's turn it is.
    RoundRobin,
    /// The instance that the session is moored to, all defaults.
    Sticky,
}

/// A configured server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: SocketAddr,
    pub(crate) drains: bool,
}

impl Layout {
    /// The file's text.
    pub(crate) fn text<'a>(&self, servers: impl Iterator<Item = Server<'a>>) -> String {
        let mut text = format!("listeners: [{{ address: {} }}]\n", self.listener);
        text += &match self.admin {
            Some(address) => format!("admin: {{ address: {address} }}\n"),
            None => "admin: { enabled: false }\n".to_owned(),
        };
        text += "access_log: { format: json }\nbackends:\n  posts:\n    endpoints:\n";
        for server in servers {
            text += &format!("      - {server}\n");
        }
        text += &format!("  users: {{ endpoints: [{{ name: {}, address: {} }}] }}\n", users::NAME, self.users);
        let hosts = HOSTS.join(", ");
        text += &format!("routes:\n  - hosts: [{hosts}]\n    rules: [{{ backend: posts, {} }}]\n", self.policy);
        text + &format!("  - hosts: [{USERS_HOST}]\n    rules: [{{ backend: users }}]\n")
    }
}

impl Display for Server<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drain = if self.drains { ", drain: true" } else { "" };
        write!(f, "{{ name: {}, address: {}{drain} }}", self.name, self.address)
    }
}

impl Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RoundRobin => "balance: round_robin",
            Self::Sticky => "session: {}",
        })
    }
}

/// A port on this machine.
pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The lesson's host, and what browsers on this machine can reach without `/etc/hosts`.
const HOSTS: [&str; 3] = [HOST, "localhost", "127.0.0.1"];

/// The lesson's host.
pub(crate) const HOST: &str = "session-affinity.com";

/// The host of the users service.
pub(crate) const USERS_HOST: &str = "users.session-affinity.com";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_one_that_moorline_takes_without_a_warning() {
        for (policy, admin) in [(Policy::RoundRobin, None), (Policy::Sticky, Some(local(9901)))] {
            let layout = Layout { listener: local(8080), admin, policy, users: local(9011) };
            let servers = [("posts-0", 9001, false), ("posts-1", 9002, true)];
            let servers = servers.map(|(name, port, drains)| Server { name, address: local(port), drains });
            let text = layout.text(servers.into_iter());
            let (file, problems) = moorline::file::File::parse(&text).expect("a good file");
            assert_eq!((file.admin, file.keeps_sessions()), (admin, policy == Policy::Sticky));
            assert_eq!(problems.count(moorline::file::Severity::Warning), 0, "{text}");
            assert!(text.contains("{ name: posts-1, address: 127.0.0.1:9002, drain: true }"), "{text}");
        }
    }
}
