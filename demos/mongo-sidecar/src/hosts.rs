//! The names of members: which host belongs to which ordinal, and back. Never an address that a pod happens to have.

use std::{fmt, str::FromStr};

/// The number at the end of a StatefulSet pod's name.
pub type Ordinal = u32;

/// How the hosts of all members are written: `mongo-{ordinal}.mongo.default.svc.cluster.local:27017`.
///
/// A host that does not fit is *foreign*: somebody else put it into the configuration, and it is theirs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostPattern {
    before: String,
    after: String,
}

impl HostPattern {
    /// The names that a headless Service gives to the pods of a StatefulSet.
    #[must_use]
    pub fn of_service(stateful_set: &str, service: &str, namespace: &str, domain: &str, port: u16) -> Self {
        Self {
            before: format!("{stateful_set}-").to_lowercase(),
            after: format!(".{service}.{namespace}.svc.{domain}:{port}").to_lowercase(),
        }
    }

    /// The host of a member, as it stands in the replica set's configuration.
    #[must_use]
    pub fn host(&self, ordinal: Ordinal) -> String {
        format!("{}{ordinal}{}", self.before, self.after)
    }

    /// Whose host this is; `None` if it is foreign. DNS has no upper case, so neither has the comparison.
    #[must_use]
    pub fn ordinal(&self, host: &str) -> Option<Ordinal> {
        let host = host.to_lowercase();
        let digits = host.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        canonical(digits)
    }
}

/// The ordinal in a pod's name: `mongo-2` of `mongo` is 2.
#[must_use]
pub fn ordinal_of_pod(stateful_set: &str, pod: &str) -> Option<Ordinal> {
    canonical(pod.strip_prefix(stateful_set)?.strip_prefix('-')?)
}

/// Digits as Kubernetes writes them: no sign, no leading zero.
fn canonical(digits: &str) -> Option<Ordinal> {
    let ordinal = digits.parse::<Ordinal>().ok()?;
    (ordinal.to_string() == digits).then_some(ordinal)
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(typed: &str) -> Result<Self, HostPatternError> {
        let (before, after) = typed.split_once("{ordinal}").ok_or(HostPatternError)?;
        let port = after.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if after.contains("{ordinal}") || port.is_none() {
            return Err(HostPatternError);
        }
        Ok(Self { before: before.to_lowercase(), after: after.to_lowercase() })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{ordinal}}{}", self.before, self.after)
    }
}

/// What was typed is no pattern of hosts.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "expected {{ordinal}} once and a port at the end, such as mongo-{{ordinal}}.mongo.default.svc.cluster.local:27017"
)]
pub struct HostPatternError;

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern() -> HostPattern {
        HostPattern::of_service("mongo", "db", "shop", "cluster.local", 27017)
    }

    #[test]
    fn a_host_and_its_ordinal_are_one() {
        for ordinal in [0, 1, 9, 10, 255] {
            assert_eq!(pattern().ordinal(&pattern().host(ordinal)), Some(ordinal));
        }
        assert_eq!(pattern().host(2), "mongo-2.db.shop.svc.cluster.local:27017");
        assert_eq!(pattern().ordinal("MONGO-2.db.shop.svc.Cluster.Local:27017"), Some(2));
    }

    #[test]
    fn hosts_that_are_written_otherwise_are_foreign() {
        for foreign in [
            "10.244.1.7:27017",
            "mongo-0:27017",
            "mongo-0.db.shop.svc.cluster.local",
            "mongo-0.db.shop.svc.cluster.local:27018",
            "mongo-0.db.other.svc.cluster.local:27017",
            "mongo-00.db.shop.svc.cluster.local:27017",
            "mongo-+1.db.shop.svc.cluster.local:27017",
            "mongo-.db.shop.svc.cluster.local:27017",
            "mongo-x.db.shop.svc.cluster.local:27017",
            "mongo-99999999999.db.shop.svc.cluster.local:27017",
            "",
        ] {
            assert_eq!(pattern().ordinal(foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn a_pattern_is_read_as_it_is_shown() {
        assert_eq!(pattern().to_string().parse::<HostPattern>().expect("a pattern"), pattern());
        for bad in ["", "mongo-0:27017", "mongo-{ordinal}", "{ordinal}.{ordinal}:27017", "mongo-{ordinal}:99999"] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_pods_ordinal_is_what_follows_the_statefulsets_name() {
        for (pod, expected) in
            [("mongo-0", Some(0)), ("mongo-12", Some(12)), ("mongo-01", None), ("mongo", None), ("mongodb-1", None)]
        {
            assert_eq!(ordinal_of_pod("mongo", pod), expected, "{pod:?}");
        }
        assert_eq!(ordinal_of_pod("mongo-2", "mongo-2-3"), Some(3));
    }
}
