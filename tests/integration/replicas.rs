//! What the replicas of the ingress controller share: the keys of the cookies, in a Secret, and who of them writes, by a Lease.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use moorline::file::keys::KeyFile;
use serde_json::{Value, json};

use crate::support::{Client, Cluster, cluster, eventually, ingress, lease, origin, service, slice, until};

/// The Secret of the keys.
fn keys(text: &str) -> Value {
    json!({
        "metadata": { "name": "keys", "namespace": "moorline" },
        "data": { "keys.yaml": STANDARD.encode(text) },
    })
}

/// Not random, and not obviously so.
fn secret(first: u8) -> [u8; 32] {
    std::array::from_fn(|at| first.wrapping_add(u8::try_from(at).unwrap()))
}

/// What is in it now.
fn kept(cluster: &Cluster) -> Option<String> {
    let object = cluster.api.object("secrets", "moorline", "keys")?;
    let bytes = STANDARD.decode(object["data"]["keys.yaml"].as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

/// Puts other keys there, and waits until they are served by.
async fn change_keys(cluster: &Cluster, text: &str) {
    let generation = async || cluster.proxy.metric("moorline_config_generation").await;
    let before = generation().await;
    cluster.api.put("secrets", keys(text));
    until("the keys are served by", async || generation().await != before).await;
}

/// Keeps sessions at `site`, which has two endpoints.
async fn make_sticky(cluster: &Cluster) -> crate::support::Origin {
    let other = origin("other").run().await;
    let mut second = slice("posts", &other);
    second["metadata"]["name"] = json!("posts-2");
    cluster.api.put("endpointslices", second);
    let mut site = ingress("site", "posts");
    site["metadata"]["annotations"] = json!({ "moorline.dev/session": "true" });
    cluster.api.put("ingresses", site);
    // Both changes: one that was published later would be taken for that of the keys.
    let mut homes = BTreeSet::new();
    let are_at_both = async || {
        let (home, has_session) = get(&mut Client::connect(cluster.proxy.address).await).await;
        if has_session {
            homes.insert(home);
        }
        ["other", "posts"].iter().all(|name| homes.contains(*name))
    };
    until("there are sessions at both endpoints", are_at_both).await;
    other
}

/// Who serves a client, and whether it has a session.
async fn get(client: &mut Client) -> (String, bool) {
    let response = client.request("GET / HTTP/1.1\r\nHost: site\r\n", "").await.expect(200);
    (response.served_by().to_owned(), client.cookie.is_some())
}

#[tokio::test]
async fn keys_are_made_where_there_are_none_and_made_again_as_they_were() {
    let cluster = cluster().run().await;
    let first = kept(&cluster).expect("the Secret is there");
    assert_eq!(KeyFile::parse(&first).expect("a key file").count(), 1);
    cluster.api.is_watched("secrets").await;
    cluster.api.delete("secrets", "moorline", "keys");
    eventually("it is there again", || kept(&cluster).is_some()).await;
    assert!(kept(&cluster) == Some(first), "a new ring would end every session");
}

#[tokio::test]
async fn keys_are_rotated_without_moving_a_session_and_a_ring_of_another_length_is_refused() {
    let cluster = cluster().run().await;
    cluster.api.is_watched("secrets").await;
    let ago = |minutes| Timestamp::now() - SignedDuration::from_mins(minutes);
    let mut ring = KeyFile::new(ago(60), secret(1));
    change_keys(&cluster, &ring.to_yaml()).await;
    let _other = make_sticky(&cluster).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = Client::connect(cluster.proxy.address).await;
        let home = get(&mut client).await.0;
        clients.push((client, home));
    }
    let stay = async |clients: &mut Vec<(Client, String)>| {
        for (client, home) in clients {
            assert_eq!(get(client).await, (home.clone(), true), "the session has moved");
        }
    };
    // Its key signs already: what is new is signed by that one.
    ring.rotate(ago(30), Duration::from_secs(86_400), secret(2)).expect("room");
    change_keys(&cluster, &ring.to_yaml()).await;
    stay(&mut clients).await;
    let short = STANDARD.encode([9; 31]).replace(['+', '/', '='], "");
    cluster
        .api
        .put("secrets", keys(&format!("keys:\n  - {{ id: 7, signs_from: 2020-01-01T00:00:00Z, secret: {short} }}\n")));
    stay(&mut clients).await;
    // What was put before this has been looked at when this is served by.
    ring.rotate(ago(15), Duration::from_secs(86_400), secret(3)).expect("room");
    change_keys(&cluster, &ring.to_yaml()).await;
    stay(&mut clients).await;
}

#[tokio::test]
async fn whoever_does_not_lead_writes_no_status() {
    let cluster = cluster().publishing("default", "front").led_by("another").run().await;
    let mut front = service("front");
    front["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.7" }] } });
    cluster.api.put("services", front);
    let asked = || cluster.api.asked("leases").len();
    eventually("it has tried to lead twice", || asked() >= 2).await;
    cluster.learns("new").await;
    let written = |host: &str| {
        let object = cluster.api.object("ingresses", "default", host).expect("it is there");
        object["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.7"
    };
    assert!(!written("site") && !written("new"), "the other one leads");
    cluster.api.put("leases", lease(""));
    eventually("it leads, and writes", || written("site") && written("new")).await;
}

#[tokio::test]
async fn at_its_end_the_leader_lets_the_lease_go() {
    let mut cluster = cluster().run().await;
    let holder = |cluster: &Cluster| {
        let lease = cluster.api.object("leases", "moorline", "leader")?;
        lease["spec"]["holderIdentity"].as_str().map(ToOwned::to_owned)
    };
    eventually("it leads", || holder(&cluster).as_deref() == Some("this")).await;
    cluster.end().await;
    assert_eq!(holder(&cluster).as_deref(), Some(""));
}
