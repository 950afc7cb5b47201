//! A look at a cluster.

use std::collections::BTreeSet;
use std::fmt::Debug;

use futures_util::{StreamExt, stream};
use http::{HeaderName, HeaderValue};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::facts::{Facts, Owner};
use super::permissions::{Answer, Permission, Place, needed};
use super::{Asked, translated};
use crate::control::kubernetes::lenient::Lenient;
use crate::control::kubernetes::objects::{Kind, Name, Object, POD_NAME};
use crate::control::kubernetes::translate::{Secrets, Translator};
use crate::control::kubernetes::watch::SILENCE;
use crate::control::kubernetes::{ControllerError, connect, secrets};
use crate::routing::Return;

/// As many questions are asked at once.
const AT_ONCE: usize = 8;
/// As many objects are asked for at once.
const PAGE: u32 = 500;
/// As many Secrets are read: whoever has more knows what stands in them.
const SECRETS: usize = 1000;

/// Looks at a cluster.
///
/// # Errors
/// If it is not reached. That something is not allowed is none.
pub async fn look(asked: &Asked) -> Result<Facts, ControllerError> {
    let mut config = connect::config(asked.kubeconfig.as_deref(), SILENCE).await?;
    if let Some(user) = &asked.user {
        let user = HeaderValue::from_str(user).map_err(|error| ControllerError::Config(error.to_string()))?;
        config.headers.push((HeaderName::from_static("impersonate-user"), user));
    }
    let namespace = asked.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let url = config.cluster_url.to_string();
    let client = Client::try_from(config).map_err(Box::new)?;
    let mut facts = Facts { namespace, ..Facts::default() };
    match client.apiserver_version().await {
        Ok(info) => {
            facts.version = Some((number(&info.major), number(&info.minor)));
            facts.server = format!("{} at {url}", info.git_version);
        }
        Err(kube::Error::Api(_)) => facts.server = format!("at {url}"),
        Err(error) => return Err(Box::new(error).into()),
    }
    let review = Api::<SelfSubjectReview>::all(client.clone());
    let user = review.create(&PostParams::default(), &SelfSubjectReview::default()).await.ok();
    facts.user = user.and_then(|review| review.status?.user_info?.username);
    permissions(&client, asked, &mut facts).await;
    list_all(&client, asked, &mut facts).await;
    follow(&client, asked, &mut facts).await;
    Ok(facts)
}

/// `29+` is 29.
fn number(text: &str) -> u32 {
    text.trim_end_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap_or_default()
}

/// Does the controller look at classes? Whoever may only look into namespaces takes the class by its name.
fn with_classes(asked: &Asked) -> bool {
    !asked.settings.ownership.by_name || asked.namespaces.is_empty()
}

async fn permissions(client: &Client, asked: &Asked, facts: &mut Facts) {
    let needed = needed(&asked.lease, &asked.keys, with_classes(asked), !asked.namespace_selector.is_empty());
    let answers = stream::iter(needed).map(|permission| ask(client, asked, &facts.namespace, permission));
    facts.permissions = answers.buffered(AT_ONCE).collect().await;
}

/// Asks for one permission: every verb, in every namespace, for every group.
async fn ask(client: &Client, asked: &Asked, own: &str, permission: Permission) -> Answer {
    let watched: Vec<Option<&str>> = match &*asked.namespaces {
        [] => vec![None],
        some => some.iter().map(|namespace| Some(&**namespace)).collect(),
    };
    let places = match permission.place {
        Place::Watched => watched,
        Place::Cluster => vec![None],
        Place::Own => vec![Some(own)],
    };
    let api = Api::<SelfSubjectAccessReview>::all(client.clone());
    let (mut denied, mut unknown) = (Vec::new(), None);
    for verb in permission.verbs {
        for place in &places {
            let mut is_denied = false;
            for group in permission.groups {
                let question = question(&permission, group, verb, *place);
                match api.create(&PostParams::default(), &question).await.map(|answer| answer.status) {
                    Ok(status) => is_denied |= !status.is_some_and(|status| status.allowed),
                    Err(error) => unknown = Some(reason(error)),
                }
            }
            let place = place.filter(|_| places.len() > 1);
            let shown = || place.map_or_else(|| (*verb).to_owned(), |place| format!("{verb} in {place}"));
            denied.extend(is_denied.then(shown));
        }
    }
    Answer { permission, denied, unknown }
}

/// What the API server says, in its words.
fn reason(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message,
        error => error.to_string(),
    }
}

fn question(permission: &Permission, group: &str, verb: &str, namespace: Option<&str>) -> SelfSubjectAccessReview {
    let (resource, sub) =
        permission.resource.split_once('/').map_or((permission.resource, None), |(of, sub)| (of, Some(sub)));
    let attributes = ResourceAttributes {
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: sub.map(str::to_owned),
        verb: Some(verb.to_owned()),
        namespace: namespace.map(str::to_owned),
        name: permission.name.clone(),
        ..Default::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), non_resource_attributes: None };
    SelfSubjectAccessReview { metadata: ObjectMeta::default(), spec, status: None }
}

/// Lists what the controller would watch.
async fn list_all(client: &Client, asked: &Asked, facts: &mut Facts) {
    let namespaces: Vec<Option<&str>> = match &*asked.namespaces {
        [] => vec![None],
        some => some.iter().map(|namespace| Some(&**namespace)).collect(),
    };
    for namespace in namespaces {
        list(Kind::Ingress, namespaced::<Ingress>(client, namespace), "", facts).await;
        list(Kind::Service, namespaced::<Service>(client, namespace), "", facts).await;
        list(Kind::Slice, namespaced::<EndpointSlice>(client, namespace), "", facts).await;
        list(Kind::Set, namespaced::<StatefulSet>(client, namespace), "", facts).await;
        list(Kind::Pod, namespaced::<Pod>(client, namespace), POD_NAME, facts).await;
    }
    if with_classes(asked) {
        list(Kind::Class, Api::<Lenient<IngressClass>>::all(client.clone()), "", facts).await;
    }
    if !asked.namespace_selector.is_empty() {
        let labels = &asked.namespace_selector;
        list(Kind::Namespace, Api::<Lenient<Namespace>>::all(client.clone()), labels, facts).await;
    }
}

fn namespaced<K>(client: &Client, namespace: Option<&str>) -> Api<Lenient<K>>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

async fn list<K>(kind: Kind, api: Api<Lenient<K>>, labels: &str, facts: &mut Facts)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Into<Object>,
{
    let mut page = ListParams::default().limit(PAGE);
    page.label_selector = Some(labels.to_owned()).filter(|labels| !labels.is_empty());
    loop {
        let listed = match api.list(&page).await {
            Ok(listed) => listed,
            Err(error) => return facts.unlisted.push((kind, reason(error))),
        };
        for one in listed.items {
            match one.object {
                Ok(object) => facts.index.apply(object.into()),
                Err(error) => facts.unreadable.push((kind, Name::of(&one.meta), error.to_string())),
            }
        }
        match listed.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => return,
        }
    }
}

/// Looks at what follows from the lists: the Secrets that Ingresses name, and whose the pods are that nobody expects back.
async fn follow(client: &Client, asked: &Asked, facts: &mut Facts) {
    let mut translator = Translator::new(asked.settings.clone());
    translated(&mut translator, &mut facts.index, &Secrets::new());
    let named: Vec<Name> = translator.secrets().into_keys().take(SECRETS).collect();
    let reading = stream::iter(named).map(|name| secrets::read(client, name)).buffer_unordered(AT_ONCE);
    let read: Vec<_> = reading.collect().await;
    facts.secrets = read.into_iter().filter_map(|(name, outcome)| Some((name, outcome.ok()?.1))).collect();
    let served = translator.served(&facts.index);
    let sticky = served.iter().filter(|(_, rules)| {
        let mut sticky = rules.iter().filter(|rule| rule.is_sticky);
        sticky.any(|rule| rule.backend.endpoints().iter().any(|endpoint| endpoint.returns == Return::Never))
    });
    let namespaces: BTreeSet<&str> = sticky.map(|(name, _)| &*name.namespace).collect();
    for namespace in namespaces {
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let mut page = ListParams::default().limit(PAGE);
        while let Ok(listed) = pods.list_metadata(&page).await {
            let owned = listed.items.iter().filter_map(|pod| Some((Name::of(&pod.metadata), owner(&pod.metadata)?)));
            facts.owners.extend(owned);
            match listed.metadata.continue_.filter(|next| !next.is_empty()) {
                Some(next) => page = page.continue_token(&next),
                None => break,
            }
        }
    }
}

fn owner(pod: &ObjectMeta) -> Option<Owner> {
    let owner = pod.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    let labels = pod.labels.as_ref();
    // A Deployment calls its ReplicaSets by its own name and this label.
    let hash = labels.and_then(|labels| labels.get("pod-template-hash"));
    let deployment = hash.and_then(|hash| owner.name.strip_suffix(&format!("-{hash}")));
    let (kind, name) = match deployment.filter(|_| owner.kind == "ReplicaSet") {
        Some(name) => ("Deployment", name),
        None => (&*owner.kind, &*owner.name),
    };
    let label = labels.and_then(|labels| labels.get(POD_NAME)).cloned();
    Some(Owner { kind: kind.to_owned(), name: name.to_owned(), label })
}
