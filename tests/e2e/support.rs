mod client;
mod environment;
mod helm;
mod images;
mod moorline;
mod site;
mod users;
mod watch;

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use moorline_service::testing::walk;
use tokio::time::{Instant, sleep};

pub(crate) use client::{Answer, Client};
pub(crate) use environment::{api_stopped, can_cut, can_stop, node_cut};
pub(crate) use helm::Helm;
pub(crate) use moorline::{Moorline, address};
pub(crate) use site::Site;
pub(crate) use users::{Diary, Users, all_served, moves};
pub(crate) use watch::Watch;

/// Until there is something; nobody waits for the time to pass.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Until every replica shows it: one may know of a change a moment before the other. Each look takes a connection of its own, and
/// sees one of them.
pub(crate) async fn everywhere<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    until(what, async || {
        for _ in 1..LOOKS {
            look().await?;
        }
        look().await
    })
    .await
}

/// Runs the commands of a block of `deploy/demo/README.md` as they stand there.
pub(crate) fn page(block: &str) -> usize {
    page_with(block, &[])
}

/// The same with something in the place of what the page has for it.
fn page_with(block: &str, replaced: &[(&str, &str)]) -> usize {
    walk(include_str!("../../deploy/demo/README.md"), block, &page_folder(), replaced)
}

/// The commands leave files behind, which are not for the repository. `deploy` is there, too.
fn page_folder() -> PathBuf {
    let folder = scratch("page");
    let deploy = folder.join("deploy");
    if !deploy.exists() {
        std::os::unix::fs::symlink(root().join("deploy"), deploy).expect("a link");
    }
    folder
}

/// A folder for files of the tests.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e").join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `path` as seen from `folder`: a kustomization takes no absolute ones.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    let shared = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}

const PATIENCE: Duration = Duration::from_secs(180);
/// One of two replicas is missed by all of them once in a million times.
const LOOKS: usize = 20;
