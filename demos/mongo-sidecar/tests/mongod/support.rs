//! A lab: pods whose mongods are real. The pod with ordinal N has the address 127.0.0.1N, all have one port, and ordinals
//! begin at 1, so that the first is 127.0.0.11.

mod kubernetes;
mod process;

use std::{collections::BTreeMap, net::TcpListener, sync::Arc, time::Duration};

use mongodb::{
    Client,
    bson::{Document, doc},
    options::ClientOptions,
};
use moorline_mongo_sidecar::{
    cycle::{Settings, Sidecar},
    hosts::HostPattern,
    mongod::Mongod,
    observed::{Config, Desired, Identity, Marker},
    report::Report,
    run::run,
};
use tokio::{
    sync::{Mutex, MutexGuard, Notify, watch},
    task::JoinHandle,
    time::{Instant, sleep},
};

pub(crate) use kubernetes::{Memory, Write};
use process::Process;

pub(crate) struct Lab {
    pub(crate) kubernetes: Memory,
    port: u16,
    pods: BTreeMap<u32, RunningPod>,
    dry_run: bool,
    /// One lab at a time: three members take 0.4 GB.
    _turn: MutexGuard<'static, ()>,
}

struct RunningPod {
    uid: String,
    process: Process,
    sidecar: Option<RunningSidecar>,
}

struct RunningSidecar {
    task: JoinHandle<()>,
    reports: watch::Receiver<Report>,
    wake: Arc<Notify>,
}

pub(crate) const FIRST: u32 = 1;

impl Lab {
    /// Pods with mongods, empty and running, without sidecars.
    pub(crate) async fn of(replicas: u32) -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        let desired = Desired { start: FIRST, replicas: 0, ordered: false };
        let mut lab = Self {
            kubernetes: Memory::new(desired),
            port: free_port(),
            pods: BTreeMap::new(),
            dry_run: false,
            _turn: turn,
        };
        lab.want(replicas).await;
        lab
    }

    /// As many pods as that with sidecars, in step.
    pub(crate) async fn formed(replicas: u32) -> Self {
        let mut lab = Self::of(replicas).await;
        lab.start_sidecars();
        lab.in_step(replicas).await;
        lab
    }

    pub(crate) fn dry_run(&mut self) {
        self.dry_run = true;
    }

    /// Wants as many pods, and starts those that are missing.
    pub(crate) async fn want(&mut self, replicas: u32) {
        self.kubernetes.desire(replicas);
        let missing = (FIRST..FIRST + replicas).filter(|ordinal| !self.pods.contains_key(ordinal)).collect::<Vec<_>>();
        for ordinal in &missing {
            self.add_pod(*ordinal, Process::new(*ordinal, self.port));
        }
        for ordinal in missing {
            self.answers(ordinal).await;
        }
    }

    /// Wants one pod more, whose mongod does not run.
    pub(crate) fn want_one_that_is_down(&mut self, ordinal: u32) {
        self.add_pod(ordinal, Process::stopped(ordinal, self.port));
        self.kubernetes.desire(ordinal + 1 - FIRST);
    }

    /// Wants one pod more, whose volume has another set on it.
    pub(crate) async fn want_one_of_another_set(&mut self, ordinal: u32) {
        let process = Process::new(ordinal, self.port);
        self.answers(ordinal).await;
        let config = doc! { "_id": "rs0", "members": [{ "_id": 0, "host": self.host(ordinal) }] };
        self.command(ordinal, doc! { "replSetInitiate": config }).await;
        self.add_pod(ordinal, process);
        self.kubernetes.desire(ordinal + 1 - FIRST);
    }

    fn add_pod(&mut self, ordinal: u32, process: Process) {
        let uid = self.kubernetes.add_pod(ordinal);
        self.pods.insert(ordinal, RunningPod { uid, process, sidecar: None });
    }

    async fn answers(&self, ordinal: u32) {
        until(&format!("the mongod of {ordinal} answers"), async || {
            let Ok(mongod) = Mongod::at(&self.host(ordinal), &Default::default(), None) else { return false };
            let answers = mongod.hello().await.is_ok();
            mongod.close().await;
            answers
        })
        .await;
    }

    /// Everything is deleted, and so many pods form another set. Returns the volumes for which there is no pod now.
    pub(crate) async fn begin_anew(&mut self, replicas: u32) -> Vec<Process> {
        let all: Vec<_> = self.pods.keys().copied().collect();
        let mut volumes: Vec<_> = all.into_iter().map(|ordinal| self.remove_pod(ordinal)).collect();
        self.kubernetes.lose_marker();
        self.want(replicas).await;
        self.start_sidecars();
        self.in_step(replicas).await;
        volumes.split_off(volumes.len().min(replicas as usize))
    }

    /// Wants one pod more, which finds this volume.
    pub(crate) async fn want_one_with(&mut self, mut volume: Process) {
        let ordinal = FIRST + u32::try_from(self.pods.len()).expect("few pods");
        volume.start();
        self.answers(ordinal).await;
        self.add_pod(ordinal, volume);
        self.kubernetes.desire(ordinal + 1 - FIRST);
        self.start_sidecar(ordinal);
    }

    /// Scales down as Kubernetes does: all surplus pods are terminating at once, and each mongod is stopped when its
    /// sidecar's `/prestop` would let it. By then it must have left the set. Returns the volumes, which stay.
    pub(crate) async fn scale_down(&mut self, replicas: u32) -> Vec<Process> {
        self.kubernetes.desire(replicas);
        let surplus: Vec<_> = self.pods.keys().copied().filter(|ordinal| *ordinal >= FIRST + replicas).collect();
        for ordinal in &surplus {
            self.kubernetes.terminate(*ordinal);
            self.pods[ordinal].sidecar.as_ref().expect("it runs").wake.notify_one();
        }
        let mut volumes = Vec::new();
        for ordinal in surplus {
            let mut reports = self.pods[&ordinal].sidecar.as_ref().expect("it runs").reports.clone();
            soon("a pod may stop", reports.wait_for(|report| report.may_stop)).await.expect("it runs");
            let config = self.config_of_the_primary().await;
            assert!(!config.has(&self.host(ordinal)), "{ordinal} may stop, and is a member still: {config:?}");
            volumes.push(self.remove_pod(ordinal));
        }
        volumes
    }

    /// What the primary itself says, whatever the sidecars believe.
    async fn config_of_the_primary(&self) -> Config {
        let look = async {
            loop {
                for ordinal in self.pods.keys() {
                    let mongod = Mongod::at(&self.host(*ordinal), &Default::default(), None).expect("an address");
                    let primary = mongod.hello().await.is_ok_and(|hello| hello.primary);
                    let config = mongod.config().await;
                    mongod.close().await;
                    if let (true, Ok((config, _))) = (primary, config) {
                        return config;
                    }
                }
                sleep(POLL).await;
            }
        };
        soon("there is a primary", look).await
    }

    fn remove_pod(&mut self, ordinal: u32) -> Process {
        self.stop_sidecar(ordinal);
        let mut pod = self.pods.remove(&ordinal).expect("a pod");
        pod.process.kill();
        self.kubernetes.remove_pod(ordinal);
        pod.process
    }

    /// A new pod with the same volume, without a sidecar yet.
    pub(crate) async fn replace(&mut self, ordinal: u32) {
        let mut process = self.remove_pod(ordinal);
        process.start();
        self.add_pod(ordinal, process);
        self.answers(ordinal).await;
    }

    /// A new pod with an empty volume, and its sidecar.
    pub(crate) async fn lose_volume(&mut self, ordinal: u32) {
        self.remove_pod(ordinal);
        self.add_pod(ordinal, Process::new(ordinal, self.port));
        self.answers(ordinal).await;
        self.start_sidecar(ordinal);
    }

    /// `kill -9` of mongod.
    pub(crate) fn kill(&mut self, ordinal: u32) {
        self.pods.get_mut(&ordinal).expect("a pod").process.kill();
    }

    pub(crate) fn start(&mut self, ordinal: u32) {
        self.pods.get_mut(&ordinal).expect("a pod").process.start();
    }

    pub(crate) fn start_sidecars(&mut self) {
        for ordinal in self.pods.keys().copied().collect::<Vec<_>>() {
            if self.pods[&ordinal].sidecar.is_none() {
                self.start_sidecar(ordinal);
            }
        }
    }

    pub(crate) fn start_sidecar(&mut self, ordinal: u32) {
        let wake = Arc::new(Notify::new());
        let sidecar = self.sidecar(ordinal, &wake);
        let (sender, reports) = watch::channel(Report::starting("", "", Vec::new()));
        let woken = wake.clone();
        let task = tokio::spawn(async move { run(&sidecar, INTERVAL, woken, &sender, std::future::pending()).await });
        self.pods.get_mut(&ordinal).expect("a pod").sidecar = Some(RunningSidecar { task, reports, wake });
    }

    /// As a crash would.
    pub(crate) fn stop_sidecar(&mut self, ordinal: u32) {
        if let Some(sidecar) = self.pods.get_mut(&ordinal).expect("a pod").sidecar.take() {
            sidecar.task.abort();
        }
    }

    /// A sidecar whose cycles the test runs itself.
    pub(crate) fn sidecar(&self, ordinal: u32, wake: &Arc<Notify>) -> Sidecar<Memory> {
        self.sidecar_that(ordinal, wake, self.dry_run)
    }

    /// One that only says what it would do.
    pub(crate) fn rehearsal(&self, ordinal: u32) -> Sidecar<Memory> {
        self.sidecar_that(ordinal, &Arc::default(), true)
    }

    fn sidecar_that(&self, ordinal: u32, wake: &Arc<Notify>, dry_run: bool) -> Sidecar<Memory> {
        let who = Identity {
            stateful_set: "mongo".into(),
            ordinal,
            uid: self.pods[&ordinal].uid.clone(),
            hosts: self.hosts(),
            replica_set: "rs0".into(),
        };
        let initial = doc! { "electionTimeoutMillis": 1500, "heartbeatIntervalMillis": 300 };
        let settings = Settings { dry_run, initial: Some(initial), ..Settings::default() };
        let mongod = Mongod::at(&self.host(ordinal), &settings.access, Some(wake.clone())).expect("an address");
        Sidecar::new(who, settings, self.kubernetes.clone(), mongod)
    }

    fn hosts(&self) -> HostPattern {
        format!("127.0.0.1{{ordinal}}:{}", self.port).parse().expect("a pattern")
    }

    pub(crate) fn host(&self, ordinal: u32) -> String {
        self.hosts().host(ordinal)
    }

    /// What the sidecar of this pod said last.
    pub(crate) fn report(&self, ordinal: u32) -> Report {
        self.pods[&ordinal].sidecar.as_ref().expect("it runs").reports.borrow().clone()
    }

    /// The sidecar of this pod says so, soon.
    pub(crate) async fn says(&self, ordinal: u32, state: &str) {
        let mut reports = self.pods[&ordinal].sidecar.as_ref().expect("it runs").reports.clone();
        soon(state, reports.wait_for(|report| report.state == state)).await.expect("it runs");
    }

    pub(crate) fn primary(&self) -> Option<u32> {
        let running = self.pods.iter().filter(|(_, pod)| pod.sidecar.is_some()).map(|(ordinal, _)| *ordinal);
        let mut primaries = running.filter(|ordinal| self.report(*ordinal).role == Some("primary"));
        primaries.next()
    }

    /// Everything is as it is wanted: members, votes, labels, marker.
    pub(crate) async fn in_step(&self, replicas: u32) {
        let started = Instant::now();
        let wanted = FIRST..FIRST + replicas;
        let is_in_step = || {
            let reports: Vec<_> = wanted.clone().map(|ordinal| self.report(ordinal)).collect();
            let primaries: Vec<_> = reports.iter().filter(|report| report.role == Some("primary")).collect();
            let labels = self.kubernetes.labels();
            let label_of = |report: &Report| labels.get(&report.pod).cloned().flatten();
            primaries.len() == 1
                && reports.iter().all(|report| report.member && label_of(report).as_deref() == report.role)
                && primaries[0].state == "InStep"
                && primaries[0].voting_members == Some(replicas as usize)
                && primaries[0].members.len() == replicas as usize
                && primaries[0].members.iter().all(|member| member.healthy)
        };
        until("everything is in step", async || {
            let done = is_in_step();
            if !done && started.elapsed() > PATIENCE - Duration::from_secs(2) {
                for ordinal in wanted.clone() {
                    eprintln!("{:?}", self.report(ordinal));
                }
                eprintln!("{:?}", self.kubernetes);
            }
            done
        })
        .await;
    }

    /// The one set that all mongods are in: all of them agree on its id, and so does the marker.
    pub(crate) async fn the_one_set(&self) -> String {
        let mut ids = Vec::new();
        for ordinal in self.pods.keys() {
            let mongod = Mongod::at(&self.host(*ordinal), &Default::default(), None).expect("an address");
            let (config, _) = mongod.config().await.expect("a configuration");
            mongod.close().await;
            ids.push(config.replica_set_id);
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
        let id = ids.remove(0);
        assert_eq!(self.kubernetes.marker(), Some(Marker::Settled { replica_set_id: id.clone() }));
        id
    }

    /// A client of the whole set, as an application has it.
    pub(crate) async fn client(&self) -> Client {
        let hosts: Vec<_> = self.pods.keys().map(|ordinal| self.host(*ordinal)).collect();
        let uri = format!("mongodb://{}/?replicaSet=rs0&w=majority&serverSelectionTimeoutMS=20000", hosts.join(","));
        Client::with_options(ClientOptions::parse(uri).await.expect("a URI")).expect("a client")
    }

    /// One command on one mongod, past all sidecars.
    pub(crate) async fn command(&self, ordinal: u32, command: Document) -> Document {
        let uri = format!("mongodb://{}/?directConnection=true", self.host(ordinal));
        let client = Client::with_uri_str(uri).await.expect("a client");
        client.database("admin").run_command(command).await.expect("it is done")
    }

    /// Has this mongod wait for a while before it carries out the next command of this name, whoever gives it.
    pub(crate) async fn hold_command(&self, ordinal: u32, name: &str) {
        let held = i64::try_from(HELD.as_millis()).expect("it fits");
        let data = doc! { "failCommands": [name], "blockConnection": true, "blockTimeMS": held };
        self.command(ordinal, doc! { "configureFailPoint": "failCommand", "mode": { "times": 1 }, "data": data }).await;
    }

    /// Until that command has come. Of one process, only the first that was held is waited for.
    pub(crate) async fn holds_command(&self, ordinal: u32) {
        let limit = i64::try_from(PATIENCE.as_millis()).expect("it fits");
        let question = doc! { "waitForFailPoint": "failCommand", "timesEntered": 1, "maxTimeMS": limit };
        self.command(ordinal, question).await;
    }
}

/// Until it is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let holds = async {
        while !is_so().await {
            sleep(POLL).await;
        }
    };
    soon(what, holds).await;
}

/// Its outcome, or a failure that says what was waited for in vain.
pub(crate) async fn soon<T>(what: &str, outcome: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, outcome).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// One that is free on all addresses; the ones that have it now are asked for it again in a moment.
fn free_port() -> u16 {
    let free = || {
        let port = TcpListener::bind("127.0.0.11:0").ok()?.local_addr().ok()?.port();
        let others = (1..=9).all(|ordinal| TcpListener::bind((format!("127.0.0.1{ordinal}"), port)).is_ok());
        others.then_some(port)
    };
    (0..100).find_map(|_| free()).expect("a free port")
}

const INTERVAL: Duration = Duration::from_millis(250);
const POLL: Duration = Duration::from_millis(50);
/// Less than the sidecar's patience with a change, and far more than it takes to kill one.
const HELD: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);
