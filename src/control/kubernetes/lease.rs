//! Who writes status and Events: the replica that holds a Lease. Every replica serves.
//!
//! As client-go does it: what others wrote is judged by how long *we* have seen it unchanged, so that clocks need not
//! agree.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use super::objects::Name;

/// How long a holder that is not heard of holds on.
const DURATION: Duration = Duration::from_secs(15);
/// How long a holder that cannot renew believes in itself. It looks after each attempt, so another `RETRY` and `ATTEMPT` may
/// pass before it notices: in all it is less than `DURATION`.
const RENEW: Duration = Duration::from_secs(8);
/// How long it is tried: a server that hangs must not keep us believing in ourselves longer than others do.
const ATTEMPT: Duration = Duration::from_secs(4);
/// How often it is tried.
const RETRY: Duration = Duration::from_secs(2);

/// One candidate.
#[derive(Debug)]
pub struct Candidate {
    api: Api<Lease>,
    name: Name,
    identity: String,
    /// What was seen last, and since when.
    seen: Option<(Option<MicroTime>, Option<String>, Instant)>,
    renewed: Option<Instant>,
}

impl Candidate {
    /// A candidate of this name, for this Lease.
    #[must_use]
    pub fn new(client: Client, name: Name, identity: String) -> Self {
        Self { api: Api::namespaced(client, &name.namespace), name, identity, seen: None, renewed: None }
    }

    /// Tries to hold the Lease, and says whether it does. Never returns; cancel safe.
    pub async fn run(&mut self, leader: &watch::Sender<bool>) {
        loop {
            // What was written counts from when it was begun.
            let now = Instant::now();
            match tokio::time::timeout(ATTEMPT, self.attempt()).await {
                Ok(Ok(true)) => self.renewed = Some(now),
                Ok(Ok(false)) => self.renewed = None,
                Ok(Err(error)) => tracing::debug!(lease = %self.name, %error, "the Lease cannot be had"),
                Err(_) => tracing::debug!(lease = %self.name, "nobody says whether the Lease can be had"),
            }
            let holds = self.renewed.is_some_and(|renewed| Instant::now().saturating_duration_since(renewed) < RENEW);
            leader.send_if_modified(|was| std::mem::replace(was, holds) != holds);
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Lets go, so that another replica need not wait.
    pub async fn release(&mut self) {
        if self.renewed.take().is_some() && tokio::time::timeout(ATTEMPT, self.give_back()).await.is_err() {
            tracing::debug!(lease = %self.name, "the Lease was not released in time");
        }
    }

    async fn give_back(&self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name.name).await else { return };
        let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_ref() == Some(&self.identity))
        else {
            return;
        };
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        if let Err(error) = self.api.replace(&self.name.name, &PostParams::default(), &lease).await {
            tracing::debug!(lease = %self.name, %error, "the Lease was not released");
        }
    }

    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let now = MicroTime(Timestamp::now());
        let Some(mut lease) = self.api.get_opt(&self.name.name).await? else {
            let metadata = ObjectMeta { name: Some(self.name.name.to_string()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(None, now)) };
            return unless_conflict(self.api.create(&PostParams::default(), &lease).await);
        };
        let spec = lease.spec.take().unwrap_or_default();
        let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty());
        let is_ours = holder.as_ref() == Some(&self.identity);
        if !is_ours && holder.is_some() && !self.is_stale(&spec) {
            return Ok(false);
        }
        lease.spec = Some(self.spec(Some(&spec).filter(|_| is_ours), now));
        unless_conflict(self.api.replace(&self.name.name, &PostParams::default(), &lease).await)
    }

    /// Has nothing moved for as long as the holder said that it would take at most?
    fn is_stale(&mut self, spec: &LeaseSpec) -> bool {
        let now = Instant::now();
        let (renewed, holder) = (spec.renew_time.clone(), spec.holder_identity.clone());
        let since = match &self.seen {
            Some((time, by, since)) if *time == renewed && *by == holder => *since,
            _ => {
                self.seen = Some((renewed, holder, now));
                now
            }
        };
        let said = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        now.saturating_duration_since(since) > said.map_or(DURATION, Duration::from_secs)
    }

    fn spec(&self, before: Option<&LeaseSpec>, now: MicroTime) -> LeaseSpec {
        let acquired = before.and_then(|spec| spec.acquire_time.clone()).unwrap_or_else(|| now.clone());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(acquired),
            renew_time: Some(now),
            lease_transitions: before.and_then(|spec| spec.lease_transitions),
            ..LeaseSpec::default()
        }
    }
}

/// That somebody else was faster is no error.
fn unless_conflict<T>(written: Result<T, kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}
