use crate::support::{Moorline, page};

/// In the namespace `default`, as the page says.
#[tokio::test(flavor = "multi_thread")]
async fn the_lesson_can_be_played_through_as_its_page_says() {
    let _moorline = Moorline::shared().await;
    let steps = ["posts", "restart", "logger", "mongo", "after"].map(|block| page(block, "kubectl "));
    assert_eq!(steps, [11, 7, 9, 13, 7]);
}
