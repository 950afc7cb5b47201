//! Certificates from Secrets, read by name: never listed and never watched, so that nobody has to let us see all Secrets
//! of a cluster. The price is that a renewed certificate is noticed when it is read again: every 30 s, and whenever an Ingress
//! that names it changes.
//!
//! ## How fast they are read
//! What is asked of the API server does not depend on what stands in Ingresses, which anybody may write: there are so many
//! reads a second, whatever for. Only a replica that starts reads each Secret once as fast as it can, so that nobody is shown
//! the default certificate meanwhile; and reads that nobody has needed are saved up to a bound, so that a new Ingress has its own.

mod budget;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use self::budget::{Budget, PERIOD, RATE};
use super::objects::Name;
use super::translate::SecretState;
use super::turns::Turns;
use crate::control::tls;

/// How often all of them are read again, unless they are so many that this would be more than `RATE`.
const EVERY: Duration = Duration::from_secs(30);
/// When what is new could not be read, it is tried again after this.
const AGAIN: Duration = Duration::from_secs(2);
/// As many are read at once when they are new.
const AT_ONCE: usize = 16;

/// The Secrets that are wanted, each with a number that is another one when it is to be read again.
pub type Wanted = BTreeMap<Name, u64>;

type Known = BTreeMap<Name, Seen>;

/// What is known of a Secret.
#[derive(Debug, Default)]
struct Seen {
    /// The version of it that was told; none yet.
    version: Option<Option<String>>,
    /// By which number it had been asked for.
    asked: u64,
}

/// Those that are to be read: of three kinds, which take turns.
#[derive(Debug, Default)]
struct Due {
    /// Those that have never been read.
    fresh: Turns<()>,
    /// Those that somebody asks for again. Whoever asks all the time keeps nobody else from being read.
    again: Turns<()>,
    /// Those that have waited long enough.
    all: Turns<()>,
    turn: usize,
}

/// Reads the Secrets that are wanted, again and again, and tells what each of them is when that changes, and that one is
/// not looked at any more. Never returns.
pub async fn follow(
    client: Client,
    mut wanted: watch::Receiver<Wanted>,
    states: mpsc::Sender<(Name, Option<SecretState>)>,
) {
    let (mut known, mut due) = (Known::new(), Due::default());
    let (mut round, mut retry) = (Instant::now(), Instant::now() + AGAIN);
    let mut budget = Budget::new(Instant::now());
    let mut pace = tokio::time::interval(PERIOD);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut is_changed, mut is_first) = (true, true);
    loop {
        if is_changed {
            let names = wanted.borrow_and_update().clone();
            for name in due.want(&names, &mut known) {
                let _ = states.send((name, None)).await;
            }
            if !names.is_empty() && std::mem::take(&mut is_first) {
                budget.lend(names.len());
            }
        }
        // Those that nobody has asked for yet are asked for at once, as long as there is more than is needed for the others.
        let most = budget.left(Instant::now()).saturating_sub(RATE).min(AT_ONCE);
        let fresh: Vec<Name> = std::iter::from_fn(|| due.fresh.pop()).take(most).map(|(name, ())| name).collect();
        if !fresh.is_empty() {
            budget.take(fresh.len());
            let mut reading = stream::iter(fresh).map(|name| read(&client, name)).buffer_unordered(AT_ONCE);
            while let Some((name, outcome)) = reading.next().await {
                tell(&mut known, name, outcome, &states).await;
            }
            // What has just been tried is not tried at once.
            retry = Instant::now() + AGAIN;
            let Ok(is_new) = wanted.has_changed() else { return };
            is_changed = is_new;
            continue;
        }
        is_changed = false;
        tokio::select! {
            changed = wanted.changed() => match changed {
                Ok(()) => is_changed = true,
                Err(_) => return,
            },
            _ = pace.tick(), if !due.is_empty() => {
                if budget.left(Instant::now()) == 0 {
                    continue;
                }
                let Some(name) = due.next() else { continue };
                budget.take(1);
                let (name, outcome) = read(&client, name).await;
                tell(&mut known, name, outcome, &states).await;
            }
            // Whoever waits still is not behind those who come once more.
            () = tokio::time::sleep_until(round + EVERY) => {
                round = Instant::now();
                due.wait(known.keys());
            }
            () = tokio::time::sleep_until(retry) => {
                retry = Instant::now() + AGAIN;
                due.wait(known.iter().filter(|(_, seen)| seen.version.is_none()).map(|(name, _)| name));
            }
        }
    }
}

impl Due {
    /// These are wanted now. Returns those that are not any more.
    fn want(&mut self, names: &Wanted, known: &mut Known) -> Vec<Name> {
        let gone: Vec<Name> = known.keys().filter(|name| !names.contains_key(*name)).cloned().collect();
        for name in &gone {
            known.remove(name);
        }
        if !gone.is_empty() {
            self.fresh.retain(|name| names.contains_key(name));
            self.again.retain(|name| names.contains_key(name));
            self.all.retain(|name| names.contains_key(name));
        }
        for (name, asked) in names {
            match known.get_mut(name) {
                None => {
                    known.insert(name.clone(), Seen { version: None, asked: *asked });
                    self.fresh.push(name.clone(), ());
                }
                Some(seen) => {
                    if std::mem::replace(&mut seen.asked, *asked) != *asked && !self.fresh.contains(name) {
                        self.again.push(name.clone(), ());
                    }
                }
            }
        }
        gone
    }

    /// These have waited long enough, unless they are about to be read in any case.
    fn wait<'n>(&mut self, names: impl Iterator<Item = &'n Name>) {
        for name in names {
            if !self.fresh.contains(name) && !self.again.contains(name) {
                self.all.push(name.clone(), ());
            }
        }
    }

    fn next(&mut self) -> Option<Name> {
        let kinds = 3;
        (0..kinds).find_map(|_| {
            self.turn = (self.turn + 1) % kinds;
            let next = match self.turn {
                0 => self.fresh.pop(),
                1 => self.again.pop(),
                // Somebody who has asked for it again meanwhile has it read when that has its turn.
                _ => std::iter::from_fn(|| self.all.pop()).find(|(name, ())| !self.again.contains(name)),
            };
            next.map(|(name, ())| name)
        })
    }

    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.again.is_empty() && self.all.is_empty()
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
    let seen = known.entry(name.clone()).or_default();
    match outcome {
        Ok((version, state)) => {
            if seen.version.replace(version.clone()) != Some(version) {
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

#[cfg(test)]
mod tests;
