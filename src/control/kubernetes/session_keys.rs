//! The key ring in a Secret that all replicas share: made by whoever comes first, watched by name.
//!
//! A broken ring is refused and the last good one kept; a Secret that was deleted is written again from it, never
//! afresh: a new ring would end every session.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch as channel;

use super::feed::{Feed, Seen};
use super::lenient::Lenient;
use super::objects::Name;
use super::watch;
use crate::file::keys::KeyFile;
use crate::routing::KeyRing;
use crate::routing::session::SECRET_LEN;

/// Where the ring is in the Secret.
const ENTRY: &str = "keys.yaml";

/// Follows the Secret. Never returns.
pub async fn follow(client: Client, name: Name, silence: Duration, rings: channel::Sender<Option<Arc<KeyRing>>>) {
    let api: Api<Secret> = Api::namespaced(client.clone(), &name.namespace);
    let all: Api<Lenient<Secret>> = Api::namespaced(client, &name.namespace);
    let mut feed = Feed::new(all, "", &format!("metadata.name={}", name.name), silence, |secret| secret);
    let mut last_good: Option<String> = None;
    let mut failures = 0;
    loop {
        let seen = feed.next().await;
        if failures > 0 && seen.as_ref().is_ok_and(|seen| !matches!(seen, Seen::All(_))) {
            tracing::info!(secret = %name, failures, "the watch of the session keys goes on");
            failures = 0;
        }
        let secret = match seen {
            Ok(Seen::All(mut all)) => all.pop(),
            Ok(Seen::Applied(secret)) => Some(secret),
            Ok(Seen::Deleted(_)) => None,
            Ok(Seen::Quiet) => continue,
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(secret = %name, %error, "the watch of the session keys failed; the last good ones serve on");
                }
                feed.forget();
                watch::pause(failures, error.is_too_much()).await;
                continue;
            }
        };
        match secret.map(|secret| secret.object) {
            Some(Ok(secret)) => take(&name, &secret, &mut last_good, &rings),
            // Why, might tell what is in it.
            Some(Err(_)) => {
                tracing::error!(secret = %name, "the Secret cannot be read; the last good session keys serve on");
            }
            None => {
                if let Err(error) = create(&api, &name, &mut last_good).await {
                    failures += 1;
                    if failures == 1 {
                        tracing::error!(secret = %name, %error, "the session keys cannot be kept in their Secret");
                    }
                    feed.forget();
                    watch::pause(failures, false).await;
                }
            }
        }
    }
}

/// Makes what is in the Secret the ring that is used, if it is one.
fn take(name: &Name, secret: &Secret, last_good: &mut Option<String>, rings: &channel::Sender<Option<Arc<KeyRing>>>) {
    let text = secret.data.as_ref().and_then(|data| data.get(ENTRY)).and_then(|bytes| str::from_utf8(&bytes.0).ok());
    let Some(text) = text else {
        tracing::error!(secret = %name, "the Secret has no {ENTRY}; the last good session keys serve on");
        return;
    };
    match KeyFile::parse(text) {
        Ok(file) => {
            if last_good.as_deref() != Some(text) {
                *last_good = Some(text.to_owned());
                tracing::info!(secret = %name, keys = file.count(), "session keys");
                rings.send_replace(Some(Arc::new(file.ring())));
            }
        }
        // Nothing of the text stands in the problems.
        Err(problems) => {
            let problems = problems.render(ENTRY, None).to_string();
            tracing::error!(secret = %name, "the session keys are refused, the last good ones serve on\n{problems}");
        }
    }
}

/// Writes the last good ring, or a first one. That somebody else was faster is no error: the watch shows theirs.
async fn create(api: &Api<Secret>, name: &Name, last_good: &mut Option<String>) -> Result<(), kube::Error> {
    let text = match last_good {
        Some(text) => text.clone(),
        None => {
            let mut secret = [0; SECRET_LEN];
            rand::fill(&mut secret).map_err(|_| kube::Error::Service("no randomness".into()))?;
            KeyFile::new(Timestamp::now(), secret).to_yaml()
        }
    };
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.name.to_string()),
            namespace: Some(name.namespace.to_string()),
            labels: Some(BTreeMap::from([("app.kubernetes.io/part-of".to_owned(), "moorline".to_owned())])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(ENTRY.to_owned(), ByteString(text.into_bytes()))])),
        type_: Some("moorline.dev/session-keys".to_owned()),
        ..Secret::default()
    };
    match api.create(&PostParams::default(), &secret).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(error) => Err(error),
    }
}
