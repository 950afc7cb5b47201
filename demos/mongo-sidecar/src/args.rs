//! What the operator typed, or put into the environment under the names that mongo-k8s-sidecar's users know. Only the binary
//! sees it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Parser;
use mongodb::bson::{Document, doc};
use moorline_mongo_sidecar::{
    cycle,
    hosts::HostPattern,
    kubernetes,
    mongod::{Access, Tls},
};

/// Forms a MongoDB replica set out of a StatefulSet, keeps its members, and labels who is primary
#[derive(Debug, Parser)]
#[command(name = "moorline-mongo-sidecar", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// This pod: the StatefulSet's name, a dash, an ordinal
    #[arg(long, value_name = "NAME", env = "HOSTNAME")]
    pub(crate) pod: String,

    /// This pod's UID [default: asked of Kubernetes]
    #[arg(long, value_name = "UID", env = "POD_UID")]
    pub(crate) pod_uid: Option<String>,

    /// The namespace [default: the service account's]
    #[arg(long, env = "KUBE_NAMESPACE")]
    namespace: Option<String>,

    /// Which pods to ask Kubernetes for, as role=mongo,environment=test [default: the StatefulSet's selector]
    #[arg(long, value_name = "LABELS", env = "MONGO_SIDECAR_POD_LABELS")]
    pod_labels: Option<String>,

    /// The headless Service that names the pods [default: the StatefulSet's serviceName]
    #[arg(long, value_name = "NAME", env = "KUBERNETES_MONGO_SERVICE_NAME")]
    service: Option<String>,

    /// The cluster's domain
    #[arg(long, value_name = "DOMAIN", env = "KUBERNETES_CLUSTER_DOMAIN", default_value = "cluster.local")]
    cluster_domain: String,

    /// mongod's port, on every pod
    // A Service called `mongo` makes Kubernetes inject MONGO_PORT=tcp://…
    #[arg(long, env = "MONGO_PORT", default_value = "27017", value_parser = port)]
    port: u16,

    /// How members' hosts are written, if not as the Service names them, with {ordinal} in the pod's place
    #[arg(long, value_name = "PATTERN")]
    member_host: Option<HostPattern>,

    /// Where this pod's mongod listens; with TLS, a name that is in its certificate
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    mongod: String,

    /// The replica set's name, as in mongod's --replSet
    #[arg(long, value_name = "NAME", env = "MONGO_REPLICA_SET", default_value = "rs0")]
    pub(crate) replica_set: String,

    /// How long to wait between cycles: 5s, 500ms
    #[arg(long, value_name = "TIME", env = "MONGO_SIDECAR_SLEEP_SECONDS", default_value = "5s", value_parser = duration)]
    pub(crate) interval: Duration,

    /// The label that says who is primary and who is replica; it must not be in the StatefulSet's selector
    #[arg(long, value_name = "KEY", default_value = "moorline.dev/role")]
    role_label: String,

    /// electionTimeoutMillis of a set that is formed [default: MongoDB's, 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    election_timeout: Option<Duration>,

    /// The set is that of a sharded cluster's config servers
    #[arg(long, env = "CONFIG_SVR", num_args = 0..=1, default_value = "false", default_missing_value = "true")]
    config_server: bool,

    /// A user with the role clusterManager on admin
    #[arg(long, value_name = "NAME", env = "MONGODB_USERNAME", requires = "password")]
    username: Option<String>,

    /// Its password
    #[arg(long, value_name = "PASSWORD", env = "MONGODB_PASSWORD", hide_env_values = true)]
    password: Option<String>,

    /// The database that knows the user
    #[arg(long, value_name = "NAME", env = "MONGODB_DATABASE", default_value = "admin")]
    auth_database: String,

    /// Talk TLS to mongod
    #[arg(long, env = "MONGO_SSL_ENABLED", num_args = 0..=1, default_value = "false", default_missing_value = "true")]
    tls: bool,

    /// Who signs the certificates of mongods [default: the authorities of the web]
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// The sidecar's own certificate and key, in one file
    #[arg(long, value_name = "FILE")]
    tls_certificate_key: Option<PathBuf>,

    /// Believe any certificate
    #[arg(long, env = "MONGO_SSL_ALLOW_INVALID_CERTIFICATES", num_args = 0..=1, default_value = "false", default_missing_value = "true")]
    tls_allow_invalid_certificates: bool,

    /// Where to listen for /healthz, /readyz, /status, /metrics and /prestop
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8090")]
    pub(crate) listen: SocketAddr,

    /// How long /prestop waits at most for this member to be removed; less than the pod's grace period
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub(crate) leave_time: Duration,

    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl Args {
    /// The StatefulSet's name and this pod's ordinal, as they stand in the pod's name.
    pub(crate) fn place(&self) -> anyhow::Result<(String, u32)> {
        let (stateful_set, _) = self.pod.rsplit_once('-').unwrap_or_default();
        let ordinal = moorline_mongo_sidecar::hosts::ordinal_of_pod(stateful_set, &self.pod);
        let ordinal = ordinal.filter(|_| !stateful_set.is_empty());
        let ordinal = ordinal.ok_or_else(|| anyhow::anyhow!("{:?} is no pod of a StatefulSet: --pod", self.pod))?;
        Ok((stateful_set.to_owned(), ordinal))
    }

    pub(crate) fn kubernetes(&self, stateful_set: &str) -> kubernetes::Settings {
        kubernetes::Settings {
            namespace: self.namespace.clone(),
            stateful_set: stateful_set.to_owned(),
            pod: self.pod.clone(),
            pod_labels: self.pod_labels.clone(),
            role_label: self.role_label.clone(),
        }
    }

    pub(crate) fn hosts(&self, stateful_set: &str, service: &str, namespace: &str) -> HostPattern {
        let service = self.service.as_deref().unwrap_or(service);
        let named = || HostPattern::of_service(stateful_set, service, namespace, &self.cluster_domain, self.port);
        self.member_host.clone().unwrap_or_else(named)
    }

    pub(crate) fn mongod(&self) -> String {
        format!("{}:{}", self.mongod, self.port)
    }

    pub(crate) fn settings(&self) -> cycle::Settings {
        cycle::Settings {
            dry_run: self.dry_run,
            config_server: self.config_server,
            initial: self.election_timeout.map(election),
            access: self.access(),
        }
    }

    fn access(&self) -> Access {
        let user = self.username.clone().zip(self.password.clone());
        let tls = Tls {
            ca: self.tls_ca.clone(),
            certificate_key: self.tls_certificate_key.clone(),
            allow_invalid_certificates: self.tls_allow_invalid_certificates,
        };
        Access {
            user: user.map(|(name, password)| (name, password, self.auth_database.clone())),
            tls: self.tls.then_some(tls),
        }
    }
}

fn election(time_out: Duration) -> Document {
    doc! { "electionTimeoutMillis": i64::try_from(time_out.as_millis()).unwrap_or(i64::MAX) }
}

fn port(typed: &str) -> Result<u16, String> {
    if typed.starts_with("tcp://") {
        return Ok(27017);
    }
    typed.parse().map_err(|_| "expected a port, such as 27017".to_owned())
}

fn duration(typed: &str) -> Result<Duration, String> {
    let digits = typed.len() - typed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = typed.split_at(digits);
    let number = number.parse::<u64>().ok().filter(|number| *number > 0);
    let duration = match unit {
        "ms" => number.map(Duration::from_millis),
        "s" | "" => number.map(Duration::from_secs),
        "m" => number.and_then(|minutes| minutes.checked_mul(60)).map(Duration::from_secs),
        _ => None,
    };
    duration.ok_or_else(|| "expected a whole number with ms, s or m, such as 5s".to_owned())
}

const EXAMPLES: &str = "\
Examples:
  moorline-mongo-sidecar                                       in a pod of the StatefulSet, beside mongod
  moorline-mongo-sidecar --pod mongo-0 --namespace db --mongod HOST --dry-run
  curl http://POD:8090/status";

#[cfg(test)]
mod tests {
    use super::*;

    fn args(more: &[&str]) -> Args {
        let pod: &[&str] = if more.iter().any(|word| word.starts_with("--pod")) { &[] } else { &["--pod", "mongo-2"] };
        Args::parse_from(["moorline-mongo-sidecar"].iter().chain(pod).chain(more))
    }

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_pods_name_says_its_place() {
        assert_eq!(args(&[]).place().expect("a place"), ("mongo".to_owned(), 2));
        assert_eq!(args(&["--pod", "my-db-10"]).place().expect("a place"), ("my-db".to_owned(), 10));
        for bad in ["", "mongo", "mongo-", "mongo-x", "-1", "mongo-7d9f8b6c5-x2v9k", "mongo-01"] {
            assert!(args(&[&format!("--pod={bad}")]).place().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hosts_are_named_by_the_service_that_is_typed_or_else_found() {
        let host = |more: &[&str]| args(more).hosts("mongo", "db", "shop").host(2);
        assert_eq!(host(&[]), "mongo-2.db.shop.svc.cluster.local:27017");
        assert_eq!(host(&["--service", "x", "--cluster-domain", "c", "--port", "1"]), "mongo-2.x.shop.svc.c:1");
        assert_eq!(host(&["--member-host", "m{ordinal}.example:5"]), "m2.example:5");
    }

    #[test]
    fn a_port_that_kubernetes_injected_is_none() {
        assert_eq!(port("tcp://10.96.1.2:27017"), Ok(27017));
        assert_eq!(port("27018"), Ok(27018));
        assert!(port("mongo").is_err());
    }

    #[test]
    fn seconds_may_be_a_plain_number_as_they_were_for_the_predecessor() {
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "0", "s", "-1", "1.5s", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }
}
