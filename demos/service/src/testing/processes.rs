//! The processes of a pod, where the nodes of a cluster run on this machine.

use std::{fs, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

/// The processes of a pod, found by its UID in their control groups.
#[derive(Debug)]
pub struct Processes {
    pids: Vec<(i32, String)>,
}

impl Processes {
    /// Those that run now.
    ///
    /// # Panics
    /// Where there is no `/proc`.
    pub fn of(uid: &str) -> Self {
        // With dashes or, by the other driver of control groups, with underscores.
        let names = [uid.to_owned(), uid.replace('-', "_")];
        let entries =
            fs::read_dir("/proc").expect("Linux").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let pids = entries.filter_map(|name| name.parse::<i32>().ok());
        let in_pod = pids.filter(|pid| {
            let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            names.iter().any(|name| groups.contains(name))
        });
        let named = in_pod.map(|pid| (pid, fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()));
        Self { pids: named.map(|(pid, name)| (pid, name.trim().to_owned())).collect() }
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// If there is no process of that name.
    pub fn kill(&self, name: &str) {
        let pid = Pid::from_raw(self.named(name)).expect("a pid");
        kill_process(pid, Signal::KILL).expect("it may be killed");
    }

    /// What one has in memory (in KiB), and how much of a core it uses.
    ///
    /// # Panics
    /// If there is no process of that name, or it ends meanwhile.
    pub async fn usage(&self, name: &str) -> (u64, f64) {
        let pid = self.named(name);
        let before = ticks(pid);
        sleep(MEASURED).await;
        // A tick is a hundredth of a second.
        let busy = (ticks(pid) - before) as f64 / 100.0;
        (resident(pid), busy / MEASURED.as_secs_f64())
    }

    fn named(&self, name: &str) -> i32 {
        let found = self.pids.iter().find(|(_, other)| other == name);
        found.unwrap_or_else(|| panic!("no {name} among the processes of this machine: {:?}", self.pids)).0
    }
}

fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, after_name) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<_> = after_name.split_whitespace().collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
}

fn resident(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
    line.split_whitespace().nth(1).and_then(|size| size.parse().ok()).expect("a number")
}

/// Long enough for a few cycles of whoever has some.
const MEASURED: Duration = Duration::from_secs(30);
