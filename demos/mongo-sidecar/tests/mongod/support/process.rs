use std::{
    net::Ipv4Addr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// One mongod and its volume.
pub(crate) struct Process {
    child: Option<Child>,
    volume: TempDir,
    address: Ipv4Addr,
    port: u16,
}

impl Process {
    /// With an empty volume, running.
    pub(crate) fn new(ordinal: u32, port: u16) -> Self {
        let mut process = Self::stopped(ordinal, port);
        process.start();
        process
    }

    /// With an empty volume, not running.
    pub(crate) fn stopped(ordinal: u32, port: u16) -> Self {
        let last = u8::try_from(10 + ordinal).expect("few pods");
        let volume = tempfile::tempdir().expect("a folder");
        Self { child: None, volume, address: Ipv4Addr::new(127, 0, 0, last), port }
    }

    pub(crate) fn start(&mut self) {
        let mut command = Command::new(binary());
        command.args(["--replSet", "rs0", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "16"]);
        // Without it each member takes 300 MB of disk for its journal.
        command.args(["--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=4MB)"]);
        command.args(["--setParameter", "diagnosticDataCollectionEnabled=false"]);
        command.args(["--setParameter", "enableTestCommands=1"]);
        command.args(["--bind_ip", &self.address.to_string(), "--port", &self.port.to_string()]);
        command.arg("--dbpath").arg(self.volume.path()).arg("--logpath").arg(self.volume.path().join("log"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("mongod starts"));
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it ends");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn binary() -> PathBuf {
    let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.mongod/fiftyone/db/bin/mongod");
    let binary = std::env::var_os("MONGOD_BIN").map_or(installed, PathBuf::from);
    assert!(binary.exists(), "there is no mongod at {}: `demos/mongod` fetches one", binary.display());
    binary
}
