//! Certificates from Secrets, read by name: never listed and never watched, so that nobody has to let us see all Secrets
//! of a cluster. The price is that a renewed certificate is noticed when it is read again: every 30 s.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::objects::Name;
use super::translate::SecretState;
use crate::control::tls;

/// How often all of them are read again, unless they are so many that this would be more than `RATE`.
const EVERY: Duration = Duration::from_secs(30);
/// When what is new could not be read, it is tried again after this.
const AGAIN: Duration = Duration::from_secs(2);
/// As many are read again each second, at most.
const RATE: usize = 20;
/// As many are read at once when they are new.
const AT_ONCE: usize = 16;

/// What is known of a Secret: the version of it that was told; none yet.
type Known = BTreeMap<Name, Option<Option<String>>>;

/// Reads the Secrets that are wanted, again and again, and tells what each of them is when that changes, and that one is
/// not looked at any more. Never returns.
pub async fn follow(
    client: Client,
    mut wanted: watch::Receiver<BTreeSet<Name>>,
    states: mpsc::Sender<(Name, Option<SecretState>)>,
) {
    let mut known = Known::new();
    let mut due: VecDeque<Name> = VecDeque::new();
    let mut round = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_secs(1) / RATE as u32);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let names = wanted.borrow_and_update().clone();
        let gone: Vec<Name> = known.keys().filter(|name| !names.contains(*name)).cloned().collect();
        for name in gone {
            known.remove(&name);
            let _ = states.send((name, None)).await;
        }
        // Those that nobody has asked for yet are asked for at once, whatever else is due.
        let fresh: Vec<Name> = names.iter().filter(|name| !known.contains_key(*name)).cloned().collect();
        let mut reading = stream::iter(fresh).map(|name| read(&client, name)).buffer_unordered(AT_ONCE);
        while let Some((name, outcome)) = reading.next().await {
            tell(&mut known, name, outcome, &states).await;
        }
        let unread = || known.iter().filter(|(_, version)| version.is_none()).map(|(name, _)| name.clone());
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            _ = pace.tick(), if !due.is_empty() => {
                let Some(name) = due.pop_front().filter(|name| names.contains(name)) else { continue };
                let (name, outcome) = read(&client, name).await;
                tell(&mut known, name, outcome, &states).await;
            }
            () = tokio::time::sleep_until(round + EVERY), if due.is_empty() => {
                round = Instant::now();
                due.extend(names);
            }
            () = tokio::time::sleep(AGAIN), if due.is_empty() && unread().next().is_some() => due.extend(unread()),
        }
    }
}

/// What was found: a version and what it is, or that there is nothing. `Err` says nothing about the Secret.
pub(super) type Outcome = Result<(Option<String>, SecretState), kube::Error>;

pub(super) async fn read(client: &Client, name: Name) -> (Name, Outcome) {
    let api: Api<Secret> = Api::namespaced(client.clone(), &name.namespace);
    let outcome = match api.get_opt(&name.name).await {
        Ok(None) => Ok((None, SecretState::Missing)),
        Ok(Some(secret)) => Ok((secret.metadata.resource_version.clone(), state(&name, &secret))),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            Ok((Some("forbidden".to_owned()), SecretState::Broken("we may not read it".to_owned())))
        }
        Err(error) => Err(error),
    };
    (name, outcome)
}

async fn tell(known: &mut Known, name: Name, outcome: Outcome, states: &mpsc::Sender<(Name, Option<SecretState>)>) {
    let before = known.entry(name.clone()).or_default();
    match outcome {
        Ok((version, state)) => {
            if before.replace(version.clone()) != Some(version) {
                // Whoever does not listen any more is about to end.
                let _ = states.send((name, Some(state))).await;
            }
        }
        Err(error) => tracing::debug!(secret = %name, %error, "a Secret could not be read; what was known holds"),
    }
}

/// What a Secret of type `kubernetes.io/tls` has in it.
pub(super) fn state(name: &Name, secret: &Secret) -> SecretState {
    let data = |key: &str| secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.as_slice());
    let (Some(certificate), Some(key)) = (data("tls.crt"), data("tls.key")) else {
        return SecretState::Broken("it has no tls.crt and tls.key".to_owned());
    };
    match tls::from_pem(&name.to_string(), certificate, key) {
        Ok(certificate) => SecretState::Good(Arc::new(certificate)),
        Err(error) => SecretState::Broken(error.to_string()),
    }
}
