use std::time::Duration;

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
