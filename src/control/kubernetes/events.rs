//! Events: what has become of an Ingress, where whoever made it looks (`kubectl describe`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::objects::Name;
use super::problem::{Problem, Reason};
use super::turns::Turns;

/// As many a second, at most: ten thousand broken objects are no reason to bring the API server down.
const RATE: u32 = 20;
/// As many wait until we lead; more would be about what nobody remembers.
const WAITING: usize = 4096;
/// The longest note that the API server takes.
const NOTE: usize = 1024;

/// What is to be said about an Ingress.
#[derive(Debug)]
pub struct Said {
    /// Which one.
    pub ingress: Name,
    /// Which one of this name.
    pub uid: Arc<str>,
    /// What is wrong with it; nothing: all is well.
    pub problems: Vec<Problem>,
}

/// Says everything that is new, as long as we lead; what comes earlier is said once we do. Never returns before the sender
/// is gone.
pub async fn follow(
    client: Client,
    instance: String,
    mut said: mpsc::Receiver<Said>,
    mut leader: watch::Receiver<bool>,
) {
    let reporter = Reporter { controller: "moorline.dev/ingress-controller".into(), instance: Some(instance) };
    let recorder = Recorder::new(client, reporter);
    let mut waiting = Turns::default();
    let mut pace = tokio::time::interval(Duration::from_secs(1) / RATE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let leads = *leader.borrow_and_update();
        tokio::select! {
            next = said.recv() => match next {
                Some(next) => {
                    waiting.push(next.ingress.clone(), next);
                    if waiting.len() > WAITING {
                        waiting.drop_one();
                    }
                }
                None => return,
            },
            changed = leader.changed(), if !leads => if changed.is_err() { return },
            _ = pace.tick(), if leads && !waiting.is_empty() => {
                let Some((_, next)) = waiting.pop() else { continue };
                publish(&recorder, &next).await;
            }
        }
    }
}

async fn publish(recorder: &Recorder, said: &Said) {
    let reference = ObjectReference {
        api_version: Some("networking.k8s.io/v1".to_owned()),
        kind: Some("Ingress".to_owned()),
        name: Some(said.ingress.name.to_string()),
        namespace: Some(said.ingress.namespace.to_string()),
        uid: Some(said.uid.to_string()),
        ..ObjectReference::default()
    };
    let mut by_reason: BTreeMap<Reason, Vec<&str>> = BTreeMap::new();
    for problem in &said.problems {
        by_reason.entry(problem.reason).or_default().push(&problem.text);
    }
    if by_reason.is_empty() {
        by_reason.insert(Reason::Synced, vec!["served as it says"]);
    }
    for (reason, texts) in by_reason {
        let mut note = texts.join("; ");
        let cut = (0..=NOTE.min(note.len())).rev().find(|at| note.is_char_boundary(*at)).unwrap_or_default();
        note.truncate(cut);
        let type_ = if reason == Reason::Synced { EventType::Normal } else { EventType::Warning };
        let event = Event {
            type_,
            reason: reason.as_str().to_owned(),
            // What the recorder takes for the same Event has the same action: another text is another Event.
            action: format!("Translate-{:08x}", fingerprint(&note)),
            note: Some(note),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, &reference).await {
            tracing::debug!(ingress = %said.ingress, %error, "an Event could not be written");
        }
    }
}

fn fingerprint(text: &str) -> u32 {
    use std::hash::Hasher;
    let mut hasher = siphasher::sip::SipHasher13::new();
    hasher.write(text.as_bytes());
    u32::try_from(hasher.finish() & u64::from(u32::MAX)).unwrap_or_default()
}
