use mongodb::bson::{Bson, Document, doc};

use super::{server::Server, until};

/// A replica set whose elections are quick.
#[derive(Debug)]
pub(crate) struct ReplicaSet {
    members: Vec<Server>,
}

impl ReplicaSet {
    /// One of so many members: a primary, and the others follow it.
    pub(crate) async fn start(members: usize) -> Self {
        let mut set = Self { members: Vec::new() };
        for _ in 0..members {
            set.members.push(Server::start().await);
        }
        let hosts = set.members.iter().zip(0..);
        let hosts = hosts.map(|(member, id)| Bson::from(doc! { "_id": id, "host": member.host() })).collect::<Vec<_>>();
        let settings = doc! { "electionTimeoutMillis": 1500, "heartbeatIntervalMillis": 300 };
        let config = doc! { "_id": "rs0", "members": hosts, "settings": settings };
        set.members[0].admin(doc! { "replSetInitiate": config }).await.expect("a set");
        set.whole().await;
        set
    }

    pub(crate) fn uri(&self) -> String {
        let hosts: Vec<_> = self.members.iter().map(Server::host).collect();
        format!("mongodb://{}/?replicaSet=rs0&heartbeatFrequencyMS=500", hosts.join(","))
    }

    /// Waits until all members are there: one primary, and secondaries.
    pub(crate) async fn whole(&self) {
        until(async || {
            let mut primaries = 0;
            for member in &self.members {
                let Ok(hello) = member.admin(doc! { "hello": 1 }).await else { return false };
                let is = |what| hello.get_bool(what).unwrap_or(false);
                if !is("isWritablePrimary") && !is("secondary") {
                    return false;
                }
                primaries += usize::from(is("isWritablePrimary"));
            }
            primaries == 1
        })
        .await;
    }

    /// Where the primary is.
    async fn primary(&self) -> usize {
        let mut found = None;
        until(async || {
            for (at, member) in self.members.iter().enumerate().filter(|(_, member)| member.runs()) {
                let hello = member.admin(doc! { "hello": 1 }).await;
                if hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)) {
                    found = Some(at);
                }
            }
            found.is_some()
        })
        .await;
        found.expect("just found")
    }

    /// Sends a command to the primary.
    pub(crate) async fn command(&self, command: Document) {
        let primary = self.primary().await;
        self.members[primary].admin(command).await.expect("it does that");
    }

    /// Lets commands of the users service fail on the primary: so many times, in such a way.
    pub(crate) async fn fail(&self, times: i32, mut how: Document) {
        how.insert("appName", "moorline-users");
        self.command(doc! { "configureFailPoint": "failCommand", "mode": { "times": times }, "data": how }).await;
    }

    /// How many such commands of the users service are under way on the primary.
    pub(crate) async fn current(&self, command: &str) -> usize {
        let primary = self.primary().await;
        let filter =
            doc! { "currentOp": 1, "appName": "moorline-users", format!("command.{command}"): { "$exists": true } };
        let answer = self.members[primary].admin(filter).await.expect("it does that");
        answer.get_array("inprog").expect("a list").len()
    }

    /// The primary gives up its office.
    pub(crate) async fn step_down(&self) {
        self.command(doc! { "replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 4 }).await;
    }

    /// Kills the primary.
    pub(crate) async fn kill_primary(&mut self) {
        let primary = self.primary().await;
        self.members[primary].kill();
    }

    /// Kills all but one, who may be the primary: without a majority it does not stay it.
    pub(crate) fn kill_all_but_one(&mut self) {
        self.members[1..].iter_mut().for_each(Server::kill);
    }

    /// Kills all of them.
    pub(crate) fn kill(&mut self) {
        self.members.iter_mut().for_each(Server::kill);
    }

    /// Starts whoever was killed.
    pub(crate) async fn start_again(&mut self) {
        for member in self.members.iter_mut().filter(|member| !member.runs()) {
            member.run().await;
        }
        self.whole().await;
    }
}
