use super::*;

fn with(limits: Limits) -> Sessions {
    Sessions { limits, ..Sessions::default() }
}

fn user(name: &str) -> Username {
    Username::parse(name).expect("a good name")
}

fn texts(sessions: &Sessions, id: u128) -> Option<Vec<String>> {
    let posts = sessions.posts(SessionId(id))?;
    Some(posts.into_iter().map(|post| post.text).collect())
}

#[test]
fn a_session_id_reads_back_and_nothing_else_does() {
    let id = SessionId::random().expect("the system has randomness");
    assert_eq!(SessionId::parse(&id.to_cookie()), Some(id));
    assert_eq!(SessionId::parse(&SessionId(7).to_cookie()), Some(SessionId(7)));
    let plus = format!("+{}", "0".repeat(31));
    for bad in ["", "7", "g", plus.as_str(), &"0".repeat(33), "ü"] {
        assert_eq!(SessionId::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn a_session_id_does_not_show_itself_in_logs() {
    assert!(!format!("{:?}", SessionId(0xdead_beef)).contains("beef"));
}

#[test]
fn the_least_recently_used_session_goes_first() {
    let mut sessions = with(Limits { sessions: 2, ..Limits::default() });
    sessions.open(SessionId(1), user("ada"), None);
    sessions.open(SessionId(2), user("ben"), None);
    sessions.touch(SessionId(1));
    sessions.open(SessionId(3), user("cleo"), None);
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.touch(SessionId(2)), None);
    assert_eq!(sessions.touch(SessionId(1)), Some(&user("ada")));
    assert_eq!(sessions.touch(SessionId(3)), Some(&user("cleo")));
}

#[test]
fn posts_that_take_too_much_memory_evict_others_and_never_the_writer() {
    let mut sessions = with(Limits { bytes: 10, ..Limits::default() });
    sessions.open(SessionId(1), user("ada"), None);
    sessions.write(SessionId(1), "12345678".to_owned());
    sessions.open(SessionId(2), user("ben"), None);
    sessions.write(SessionId(2), "123".to_owned());
    assert_eq!(texts(&sessions, 1), None);
    assert_eq!(texts(&sessions, 2), Some(vec!["123".to_owned()]));
    assert_eq!(sessions.bytes, 3);
}

#[test]
fn a_session_keeps_its_newest_posts_and_goes_on_counting() {
    let mut sessions = with(Limits { posts_per_session: 2, ..Limits::default() });
    sessions.open(SessionId(1), user("ada"), None);
    for text in ["one", "two", "three"] {
        sessions.write(SessionId(1), text.to_owned());
    }
    let ids = sessions.posts(SessionId(1)).expect("open").iter().map(|post| post.id).collect::<Vec<_>>();
    assert_eq!(ids, [2, 3]);
    assert_eq!(sessions.bytes, "twothree".len());
}

#[test]
fn a_new_login_replaces_the_session_and_only_the_same_user_keeps_the_posts() {
    let mut sessions = Sessions::default();
    sessions.open(SessionId(1), user("ada"), None);
    sessions.write(SessionId(1), "mine".to_owned());
    sessions.open(SessionId(2), user("ada"), Some(SessionId(1)));
    assert_eq!(texts(&sessions, 1), None);
    assert_eq!(texts(&sessions, 2), Some(vec!["mine".to_owned()]));
    sessions.open(SessionId(3), user("ben"), Some(SessionId(2)));
    assert_eq!(texts(&sessions, 3), Some(Vec::new()));
    assert_eq!((sessions.len(), sessions.bytes, sessions.by_use.len()), (1, 0, 1));
}

#[test]
fn an_ended_session_leaves_nothing_behind() {
    let mut sessions = Sessions::default();
    sessions.open(SessionId(1), user("ada"), None);
    sessions.write(SessionId(1), "mine".to_owned());
    sessions.end(SessionId(1));
    sessions.end(SessionId(1));
    assert_eq!(sessions.write(SessionId(1), "late".to_owned()), None);
    assert_eq!((sessions.len(), sessions.bytes, sessions.by_use.len()), (0, 0, 0));
}
