//! What mongod's replies mean to decisions. Pure; a field that is missing or of another type is a field that says nothing.

use mongodb::bson::{Bson, Document};

use super::CommandError;
use crate::{
    edit::whole,
    observed::{Config, Hello, Member, MemberStatus, Peer, Status, StatusReply},
};

pub(super) fn hello(reply: &Document) -> Hello {
    Hello {
        // The latter as long as it has no configuration.
        replica_set_mode: reply.contains_key("setName") || flag(reply, "isreplicaset"),
        primary: reply.contains_key("setName") && flag(reply, "isWritablePrimary"),
        secondary: flag(reply, "secondary"),
        wire_version: number(reply, "maxWireVersion").and_then(|version| i32::try_from(version).ok()).unwrap_or(0),
    }
}

/// What a peer is by its `hello` and its `replSetGetConfig`. To `hello`, one that was removed is as good as new, and one that
/// is in a set does not say in which. A configuration that is not answered in any way that we know of is no answer at all:
/// whoever is taken for empty is taken in.
pub(super) fn peer(hello: &Document, found: Result<Document, CommandError>) -> Peer {
    let in_set = hello.contains_key("setName");
    if !in_set && !flag(hello, "isreplicaset") {
        return Peer::NotReplicaSetMode;
    }
    let replica_set_id = match found.map(|reply| config(&reply)).map_err(|error| no_status(&error)) {
        Ok(Some((config, _))) if in_set => Some(config.replica_set_id),
        Ok(Some((config, _))) => return Peer::Outside { replica_set_id: config.replica_set_id },
        Err(StatusReply::Unauthorized) if in_set => None,
        // A new one knows nobody yet.
        Err(StatusReply::NotInitialized | StatusReply::Unauthorized) if !in_set => return Peer::Free,
        _ => return Peer::Unreachable,
    };
    let lists = ["hosts", "passives", "arbiters"];
    let hosts = lists.iter().filter_map(|list| hello.get_array(list).ok()).flatten();
    let hosts = hosts.filter_map(Bson::as_str).map(str::to_owned).collect();
    Peer::InSet { me: text(hello, "me"), hosts, replica_set_id }
}

pub(super) fn status(reply: &Document) -> StatusReply {
    let members: Vec<_> = documents(reply, "members").map(member_status).collect();
    let voting = number(reply, "votingMembersCount").and_then(|count| usize::try_from(count).ok());
    let term = number(reply, "term").unwrap_or(0);
    // A version that does not count the votes does not withhold any.
    StatusReply::Member(Status { term, voting_members: voting.unwrap_or(usize::MAX), members })
}

pub(super) fn no_status(error: &CommandError) -> StatusReply {
    match error.code {
        Some(94) => StatusReply::NotInitialized,
        Some(93) => StatusReply::InvalidConfig,
        Some(13 | 18) => StatusReply::Unauthorized,
        _ => StatusReply::Failed(error.to_string()),
    }
}

fn member_status(member: &Document) -> MemberStatus {
    let health = member.get("health").and_then(whole) == Some(1);
    let state = number(member, "state");
    // An arbiter has no data, but it votes.
    let serves = matches!(state, Some(PRIMARY | SECONDARY | ARBITER));
    MemberStatus { host: text(member, "name"), healthy: health && serves }
}

pub(super) fn config(reply: &Document) -> Option<(Config, Document)> {
    let config = reply.get_document("config").ok()?;
    let settings = config.get_document("settings").ok();
    let seen = Config {
        replica_set_id: settings.and_then(|settings| settings.get_object_id("replicaSetId").ok())?.to_hex(),
        committed: reply.get_bool("commitmentStatus").unwrap_or(false),
        members: documents(config, "members").map(member).collect(),
    };
    Some((seen, config.clone()))
}

fn member(member: &Document) -> Member {
    let special = flag(member, "hidden")
        || flag(member, "arbiterOnly")
        || matches!(member.get("buildIndexes"), Some(Bson::Boolean(false)))
        || ["secondaryDelaySecs", "slaveDelay"].iter().any(|delay| number(member, delay).unwrap_or(0) != 0);
    Member {
        id: number(member, "_id").unwrap_or(-1),
        host: text(member, "host"),
        votes: number(member, "votes").unwrap_or(1) != 0,
        special,
    }
}

fn documents<'a>(from: &'a Document, key: &str) -> impl Iterator<Item = &'a Document> + use<'a> {
    from.get_array(key).ok().into_iter().flatten().filter_map(Bson::as_document)
}

fn flag(from: &Document, key: &str) -> bool {
    from.get_bool(key).unwrap_or(false)
}

fn number(from: &Document, key: &str) -> Option<i64> {
    from.get(key).and_then(whole)
}

fn text(from: &Document, key: &str) -> String {
    from.get_str(key).unwrap_or_default().to_owned()
}

const PRIMARY: i64 = 1;
const SECONDARY: i64 = 2;
const ARBITER: i64 = 7;

#[cfg(test)]
mod tests {
    use mongodb::bson::{doc, oid::ObjectId};

    use super::*;

    #[test]
    fn hello_tells_a_new_mongod_from_a_member_and_from_one_that_stands_alone() {
        let new = doc! { "isWritablePrimary": false, "secondary": false, "isreplicaset": true, "maxWireVersion": 17 };
        assert_eq!(hello(&new), Hello { replica_set_mode: true, wire_version: 17, ..Hello::default() });
        let alone = doc! { "isWritablePrimary": true, "maxWireVersion": 17 };
        assert_eq!(hello(&alone), Hello { wire_version: 17, ..Hello::default() });
        let primary =
            doc! { "isWritablePrimary": true, "secondary": false, "setName": "rs0", "maxWireVersion": 21_i64 };
        assert_eq!(
            hello(&primary),
            Hello { replica_set_mode: true, primary: true, secondary: false, wire_version: 21 }
        );
    }

    #[test]
    fn a_peer_is_told_by_what_it_is_in_and_by_whose_data_it_has() {
        let id = ObjectId::from_bytes([7; 12]);
        let config = || Ok(doc! { "config": { "members": [], "settings": { "replicaSetId": id } } });
        let error = |code| Err(CommandError { code, message: "no".into() });
        let without = doc! { "isreplicaset": true };
        assert_eq!(peer(&without, error(Some(94))), Peer::Free, "new");
        assert_eq!(peer(&without, config()), Peer::Outside { replica_set_id: id.to_hex() }, "removed");
        let member = doc! { "setName": "rs0", "me": "a:1", "hosts": ["a:1", "b:1"], "passives": ["c:1"] };
        let in_set = |replica_set_id| {
            let hosts = ["a:1", "b:1", "c:1"].map(str::to_owned).to_vec();
            Peer::InSet { me: "a:1".into(), hosts, replica_set_id }
        };
        assert_eq!(peer(&member, config()), in_set(Some(id.to_hex())));
        for unknown_user in [Some(13), Some(18)] {
            assert_eq!(peer(&without, error(unknown_user)), Peer::Free);
            assert_eq!(peer(&member, error(unknown_user)), in_set(None));
        }
        for hello in [&without, &member] {
            for silent in [None, Some(1)] {
                assert_eq!(peer(hello, error(silent)), Peer::Unreachable);
            }
            assert_eq!(peer(hello, Ok(doc! {})), Peer::Unreachable);
        }
        assert_eq!(peer(&member, error(Some(94))), Peer::Unreachable, "it has become a member between the two");
        assert_eq!(peer(&doc! { "isWritablePrimary": true }, error(Some(76))), Peer::NotReplicaSetMode);
    }

    #[test]
    fn the_codes_of_a_missing_status_are_told_apart() {
        let reply = |code| no_status(&CommandError { code, message: "no".into() });
        assert_eq!(reply(Some(94)), StatusReply::NotInitialized);
        assert_eq!(reply(Some(93)), StatusReply::InvalidConfig);
        assert_eq!(reply(Some(13)), StatusReply::Unauthorized);
        assert_eq!(reply(Some(18)), StatusReply::Unauthorized);
        assert_eq!(reply(Some(1)), StatusReply::Failed("no".into()));
        assert_eq!(reply(None), StatusReply::Failed("no".into()));
    }

    #[test]
    fn a_member_is_healthy_if_it_answers_and_serves() {
        let member = |state: i32, health: f64| doc! { "name": "a:1", "state": state, "health": health };
        for (state, health, healthy) in [
            (1, 1.0, true),
            (2, 1.0, true),
            (7, 1.0, true),
            (5, 1.0, false),
            (3, 1.0, false),
            (8, 0.0, false),
            (2, 0.0, false),
        ] {
            assert_eq!(member_status(&member(state, health)), MemberStatus { host: "a:1".into(), healthy }, "{state}");
        }
    }

    #[test]
    fn a_configuration_is_read_and_kept_as_it_is() {
        let id = ObjectId::from_bytes([7; 12]);
        let document = doc! { "_id": "rs0", "version": 3, "members": [
            { "_id": 0, "host": "a:1" },
            { "_id": 1_i64, "host": "b:1", "votes": 0.0, "hidden": true },
        ], "settings": { "replicaSetId": id } };
        let (seen, kept) =
            config(&doc! { "config": document.clone(), "commitmentStatus": true }).expect("a configuration");
        assert_eq!(kept, document);
        let member = |id, host: &str, votes| Member { id, host: host.into(), votes, special: !votes };
        let members = vec![member(0, "a:1", true), member(1, "b:1", false)];
        assert_eq!(seen, Config { replica_set_id: id.to_hex(), committed: true, members });
        for broken in [doc! {}, doc! { "config": {} }, doc! { "config": { "settings": { "replicaSetId": "x" } } }] {
            assert_eq!(config(&broken), None);
        }
    }
}
