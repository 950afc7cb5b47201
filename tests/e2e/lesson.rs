use crate::support::{Moorline, page};

/// In the namespace `default`, as the page says.
#[tokio::test(flavor = "multi_thread")]
async fn the_lesson_can_be_played_through_as_its_page_says() {
    let _moorline = Moorline::shared().await;
    // Those of the lesson's own manifest are taken away again; its volumes are there for what comes next.
    let sessions_and_disks = ["posts", "restart", "logger", "logger-nodeport"];
    assert_eq!(sessions_and_disks.map(page), [11, 7, 9, 4]);
    let quorum = ["lesson", "after-lesson", "mongo", "api", "after"];
    assert_eq!(quorum.map(page), [1, 1, 13, 3, 7]);
}
