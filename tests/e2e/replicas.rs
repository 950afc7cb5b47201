use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use moorline_service::testing::Processes;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::{Moorline, Site, all_served, api_stopped, can_stop, moves, until};

#[tokio::test(flavor = "multi_thread")]
async fn moorline_is_rolled_out_and_nobody_notices() {
    let moorline = Moorline::alone().await;
    let site = Site::deploy(&moorline, "own-roll", &[]).await;
    let users = site.users(&moorline, 50).await;
    moorline.kubectl().run(&["rollout", "restart", "deployment/moorline"]);
    moorline.ready();
    until("the old replicas are gone", async || {
        let pods = moorline.kubectl().get(&["pods", "-l", "app.kubernetes.io/name=moorline"]);
        (pods["items"].as_array()?.len() == 2).then_some(())
    })
    .await;
    let diaries = users.go_home().await;
    all_served(&diaries);
    assert_eq!(diaries.iter().map(|diary| diary.resent).sum::<usize>(), 0, "who leaves says so before");
    assert_eq!(moves(&diaries), 0);
    assert_eq!(diaries.iter().map(|diary| diary.forgotten()).sum::<usize>(), 0);
}

/// Connections to a replica that is killed break. Whoever reloads is served by another one, which knows where they belong.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_killed_takes_no_session_with_it() {
    let moorline = Moorline::alone().await;
    let site = Site::deploy(&moorline, "own-kill", &[]).await;
    let users = site.users_who_reload(&moorline, 20).await;
    for pod in moorline.pods() {
        let uid = pod["metadata"]["uid"].as_str().expect("a UID");
        let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
        let before = restarts(&pod).expect("a number");
        Processes::of(uid).kill("moorline");
        until("it is ready again", async || {
            let name = pod["metadata"]["name"].as_str()?;
            let pod = moorline.kubectl().get(&["pod", name]);
            let is_ready = pod["status"]["containerStatuses"][0]["ready"] == true;
            (restarts(&pod)? > before && is_ready).then_some(())
        })
        .await;
    }
    let diaries = users.go_home().await;
    all_served(&diaries);
    assert_eq!(moves(&diaries), 0);
}

/// Whoever takes it from one that has vanished waits for as long as that one had said.
#[tokio::test(flavor = "multi_thread")]
async fn the_replica_that_leads_hands_the_lease_over_when_it_is_told_to_end() {
    let moorline = Moorline::alone().await;
    let lease = || moorline.kubectl().get(&["lease", "moorline-ingress-leader"])["spec"].take();
    let time = |text: &Value| text.as_str().and_then(|text| text.parse::<Timestamp>().ok()).expect("a time");
    let (leader, promised) = until("somebody leads", async || {
        let (pods, spec) = (moorline.pods(), lease());
        let mut names = pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str());
        let leader = names.find(|name| spec["holderIdentity"].as_str().is_some_and(|holder| holder.contains(name)))?;
        Some((leader.to_owned(), SignedDuration::from_secs(spec["leaseDurationSeconds"].as_i64()?)))
    })
    .await;
    moorline.kubectl().run(&["delete", "pod", &leader, "--wait=false"]);
    let mut renewed = Timestamp::now();
    let acquired = until("another one leads", async || {
        let spec = lease();
        let holder = spec["holderIdentity"].as_str().filter(|holder| !holder.is_empty())?;
        if holder.contains(&leader) {
            renewed = time(&spec["renewTime"]);
            return None;
        }
        Some(time(&spec["acquireTime"]))
    })
    .await;
    assert!(acquired.duration_since(renewed) < promised, "{acquired} is long after {renewed}");
    moorline.ready();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_api_server_for_a_minute_all_goes_on() {
    if !can_stop() {
        return;
    }
    let moorline = Moorline::alone().await;
    let site = Site::deploy(&moorline, "no-api", &[]).await;
    let users = site.users(&moorline, 20).await;
    let outage = api_stopped();
    // For as long as it was said to be.
    sleep(Duration::from_secs(60)).await;
    let newcomer = site.client(&moorline).get("/login?username=late").await;
    assert_eq!(newcomer.status, 200);
    drop(outage);
    let back = Instant::now();
    until("the API server answers", async || site.kubectl.attempt(&["get", "pods"]).ok()).await;
    // And it has not lost touch: the next change is served.
    site.scale(4);
    site.user_on(&moorline, "posts-3").await;
    eprintln!("a change was served {:?} after the API server was started", back.elapsed());
    site.is_known(&moorline, "after.no-api.e2e.test").await;
    let diaries = users.go_home().await;
    all_served(&diaries);
    assert_eq!(moves(&diaries), 0);
}
