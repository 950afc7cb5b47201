use crate::support::{Moorline, Site, Watch, all_served, moves};

/// Fifty users, ten requests a second each, and pods that end within three seconds.
async fn rolled_out(moorline: &Moorline, site: &Site) -> (Vec<crate::support::Diary>, Watch) {
    let watch = Watch::start(&site.kubectl, "app.kubernetes.io/name=posts");
    let users = site.users(moorline, 50).await;
    site.kubectl.run(&["rollout", "restart", "statefulset/posts"]);
    site.ready();
    (users.go_home().await, watch)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_out_logs_nobody_out_of_their_pod() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "rolled", &[]).await;
    let (diaries, watch) = rolled_out(&moorline, &site).await;
    all_served(&diaries);
    assert_eq!(moves(&diaries), 0, "everybody is back on their pod");
    watch.nobody_waits_in_vain(&diaries);
    for pod in ["posts-0", "posts-1", "posts-2"] {
        assert!(watch.came_back(pod) > 0, "{pod} has been replaced");
    }
    for diary in &diaries {
        assert_eq!(diary.forgotten(), 1, "each pod's memory was lost once: {:?}", diary.homes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_hold_a_roll_out_moves_each_session_when_its_pod_goes_and_never_else() {
    let moorline = Moorline::shared().await;
    let site = Site::deploy(&moorline, "not-held", &[("moorline.dev/hold", "0s")]).await;
    let (diaries, _watch) = rolled_out(&moorline, &site).await;
    all_served(&diaries);
    // The pods go in this order, so nobody comes back to one that they have left for want of it, but by the next one's end.
    for diary in &diaries {
        let homes = diary.homes();
        let gone = ["posts-2", "posts-1", "posts-0"];
        let mut expected = gone.iter();
        for left in &homes[..homes.len() - 1] {
            assert!(expected.any(|pod| pod == left), "{homes:?}: {left} was left out of turn");
        }
        assert!(homes.len() > 1, "every pod has gone once: {homes:?}");
        assert_eq!(diary.forgotten(), homes.len() - 1, "logged in again once at each of {homes:?}");
    }
}
