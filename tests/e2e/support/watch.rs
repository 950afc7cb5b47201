//! When pods were ready and when they were not, as the API server says.

use std::io::BufReader;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use moorline_service::testing::Kubectl;
use serde_json::Value;
use tokio::time::Instant;

use super::Diary;

/// Follows the pods of a StatefulSet, until it is dropped.
pub(crate) struct Watch {
    kubectl: Child,
    seen: Arc<Mutex<Vec<Seen>>>,
}

struct Seen {
    at: Instant,
    pod: String,
    uid: String,
    is_ready: bool,
}

impl Watch {
    pub(crate) fn start(kubectl: &Kubectl, labels: &str) -> Self {
        let mut command = kubectl.command(&["get", "pods", "-l", labels, "--watch", "-o", "json"]);
        let mut kubectl = command.stdout(Stdio::piped()).spawn().expect("kubectl");
        let output = BufReader::new(kubectl.stdout.take().expect("a pipe"));
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let list = Arc::clone(&seen);
        std::thread::spawn(move || {
            for pod in serde_json::Deserializer::from_reader(output).into_iter::<Value>().map_while(Result::ok) {
                list.lock().expect("nobody panics").push(seen_now(&pod));
            }
        });
        Self { kubectl, seen }
    }

    /// How often a pod became ready.
    pub(crate) fn came_back(&self, pod: &str) -> usize {
        self.back(pod).len()
    }

    /// When it became ready.
    fn back(&self, pod: &str) -> Vec<Instant> {
        let seen = self.seen.lock().expect("nobody panics");
        let of_pod: Vec<_> = seen.iter().filter(|seen| seen.pod == pod).collect();
        let is_back = |pair: &&[&Seen]| pair[1].is_ready && (!pair[0].is_ready || pair[0].uid != pair[1].uid);
        of_pod.windows(2).filter(is_back).map(|pair| pair[1].at).collect()
    }

    /// Nobody waits longer than a second and a half once the pod is back that serves it in the end.
    #[track_caller]
    pub(crate) fn nobody_waits_in_vain(&self, diaries: &[Diary]) {
        for entry in diaries.iter().flat_map(|diary| &diary.entries) {
            let since = self.back(entry.by()).into_iter().rfind(|back| *back <= entry.ended);
            let waited = entry.ended - since.unwrap_or(entry.began).max(entry.began);
            // A pod that is back is known to Moorline before this watch has said so.
            let is_back = self
                .back(entry.by())
                .iter()
                .any(|back| back.checked_duration_since(entry.ended).is_some_and(|lag| lag < SLACK));
            assert!(waited <= SLACK || is_back, "{} was waited for, for {waited:?}: {entry:?}", entry.by());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // `timeout` passes it on to kubectl only if it is asked to end in order; the pipe is closed in any case.
        let _ = std::process::Command::new("kill").arg(self.kubectl.id().to_string()).status();
        let _ = self.kubectl.wait();
    }
}

fn seen_now(pod: &Value) -> Seen {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let is_ready =
        conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    Seen { at: Instant::now(), pod: text(&pod["metadata"]["name"]), uid: text(&pod["metadata"]["uid"]), is_ready }
}

const SLACK: Duration = Duration::from_millis(1500);
