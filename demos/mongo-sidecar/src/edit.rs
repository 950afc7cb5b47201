//! Changes of a replica set's configuration, on the document itself: what is not understood here stays as it was.

use mongodb::bson::{Bson, Document, doc};

use crate::decision::Change;

/// The configuration with one change, one version on.
///
/// # Errors
///
/// If the document is none of a replica set, or the change makes no sense for it.
pub fn changed(mut config: Document, change: &Change) -> Result<Document, EditError> {
    let version = config.get("version").and_then(whole).ok_or(EditError::NoConfig)?;
    let members = config.get_array_mut("members").map_err(|_| EditError::NoConfig)?;
    match change {
        Change::Add { host, votes } => {
            if position(members, host).is_some() {
                return Err(EditError::AlreadyThere);
            }
            let id = free_id(members).ok_or(EditError::Full)?;
            members.push(member(id, host, *votes).into());
        }
        Change::Remove { host } => {
            let at = position(members, host).ok_or(EditError::NotThere)?;
            members.remove(at);
        }
        Change::GiveVote { host } => {
            let at = position(members, host).ok_or(EditError::NotThere)?;
            let member = members.get_mut(at).and_then(Bson::as_document_mut).ok_or(EditError::NoConfig)?;
            member.insert("votes", 1);
            member.insert("priority", 1);
        }
    }
    config.insert("version", version + 1);
    Ok(config)
}

/// The configuration of a set that has one member.
#[must_use]
pub fn initial(replica_set: &str, host: &str, config_server: bool, settings: Option<&Document>) -> Document {
    let mut config = doc! { "_id": replica_set, "version": 1, "members": [member(0, host, true)] };
    if config_server {
        config.insert("configsvr", true);
    }
    if let Some(settings) = settings {
        config.insert("settings", settings.clone());
    }
    config
}

fn member(id: i32, host: &str, votes: bool) -> Document {
    if votes {
        return doc! { "_id": id, "host": host };
    }
    doc! { "_id": id, "host": host, "votes": 0, "priority": 0 }
}

fn position(members: &[Bson], wanted: &str) -> Option<usize> {
    let host = |member: &Bson| member.as_document().and_then(|member| member.get_str("host").ok()).map(str::to_owned);
    members.iter().position(|member| host(member).is_some_and(|host| host.eq_ignore_ascii_case(wanted)))
}

/// One above the highest, so that an id that was somebody else's does not come back soon; the lowest free one when that
/// is used up.
fn free_id(members: &[Bson]) -> Option<i32> {
    let ids: Vec<i64> =
        members.iter().filter_map(Bson::as_document).filter_map(|member| member.get("_id").and_then(whole)).collect();
    let next = ids.iter().max().map_or(0, |highest| highest + 1);
    let free = if next <= MAX_ID { Some(next) } else { (0..=MAX_ID).find(|id| !ids.contains(id)) };
    free.and_then(|id| i32::try_from(id).ok())
}

/// mongod writes whole numbers as 32 or 64 bits, people also as floating point.
pub(crate) fn whole(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole, and far from the limits")]
        Bson::Double(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(*number as i64),
        _ => None,
    }
}

const MAX_ID: i64 = 255;

/// Why a configuration cannot be changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "each one says what it is in its message")]
pub enum EditError {
    #[error("this is no configuration of a replica set")]
    NoConfig,
    #[error("the host is a member already")]
    AlreadyThere,
    #[error("the host is no member")]
    NotThere,
    #[error("no member id is free")]
    Full,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Document {
        doc! {
            "_id": "rs0", "version": 4_i64, "term": 7_i64, "protocolVersion": 1_i64, "something": { "new": true },
            "members": [
                { "_id": 0, "host": "a:1", "votes": 1, "priority": 2.5, "tags": { "zone": "x" } },
                { "_id": 9_i64, "host": "B:1", "votes": 0, "priority": 0, "horizons": {} },
            ],
            "settings": { "electionTimeoutMillis": 1500 },
        }
    }

    fn hosts(config: &Document) -> Vec<(i64, String)> {
        let members =
            config.get_array("members").expect("members").iter().map(|member| member.as_document().expect("one"));
        members
            .map(|one| {
                (whole(one.get("_id").expect("an id")).expect("whole"), one.get_str("host").expect("a host").to_owned())
            })
            .collect()
    }

    #[test]
    fn a_change_touches_one_member_and_the_version_and_nothing_else() {
        let added = changed(config(), &Change::Add { host: "c:1".into(), votes: true }).expect("a change");
        assert_eq!(hosts(&added), [(0, "a:1".into()), (9, "B:1".into()), (10, "c:1".into())]);
        let mut rest = added.clone();
        rest.insert("version", 4_i64);
        rest.get_array_mut("members").expect("members").pop();
        assert_eq!(rest, config());
        assert_eq!(whole(added.get("version").expect("a version")), Some(5));

        let removed = changed(config(), &Change::Remove { host: "b:1".into() }).expect("a change");
        assert_eq!(hosts(&removed), [(0, "a:1".into())]);

        let raised = changed(config(), &Change::GiveVote { host: "b:1".into() }).expect("a change");
        let member = raised.get_array("members").expect("members")[1].as_document().expect("one");
        assert_eq!(*member, doc! { "_id": 9_i64, "host": "B:1", "votes": 1, "priority": 1, "horizons": {} });
    }

    #[test]
    fn a_member_without_a_vote_cannot_become_primary() {
        let added = changed(config(), &Change::Add { host: "c:1".into(), votes: false }).expect("a change");
        let member = added.get_array("members").expect("members")[2].as_document().expect("one");
        assert_eq!(*member, doc! { "_id": 10, "host": "c:1", "votes": 0, "priority": 0 });
    }

    #[test]
    fn ids_are_used_again_only_when_they_run_out() {
        let mut full = config();
        full.get_array_mut("members").expect("members").push(doc! { "_id": 255, "host": "z:1" }.into());
        let added = changed(full, &Change::Add { host: "c:1".into(), votes: true }).expect("a change");
        assert_eq!(hosts(&added).last(), Some(&(1, "c:1".to_owned())));
    }

    #[test]
    fn changes_that_make_no_sense_are_refused() {
        for (change, error) in [
            (Change::Add { host: "A:1".into(), votes: true }, EditError::AlreadyThere),
            (Change::Remove { host: "c:1".into() }, EditError::NotThere),
            (Change::GiveVote { host: "c:1".into() }, EditError::NotThere),
        ] {
            assert_eq!(changed(config(), &change), Err(error), "{change:?}");
        }
        let any = Change::Remove { host: "a:1".into() };
        for broken in [
            doc! {},
            doc! { "version": 1 },
            doc! { "version": "1", "members": [] },
            doc! { "version": 1.5, "members": [] },
        ] {
            assert_eq!(changed(broken, &any), Err(EditError::NoConfig));
        }
    }

    #[test]
    fn the_first_configuration_has_one_member_by_its_final_name() {
        let expected = doc! { "_id": "rs0", "version": 1, "members": [{ "_id": 0, "host": "a:1" }] };
        assert_eq!(initial("rs0", "a:1", false, None), expected);
        let settings = doc! { "electionTimeoutMillis": 1500 };
        let shard = initial("cfg", "a:1", true, Some(&settings));
        assert_eq!(shard.get("configsvr"), Some(&Bson::Boolean(true)));
        assert_eq!(shard.get("settings"), Some(&Bson::Document(settings)));
    }
}
