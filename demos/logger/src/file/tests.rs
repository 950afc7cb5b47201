use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

fn settings(folder: &TempDir, max_bytes: u64, keep: u8) -> FileSettings {
    FileSettings { path: folder.path().join("app.log"), max_bytes, keep }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).expect("a file")
}

#[test]
fn lines_are_appended_to_what_is_there() {
    let folder = folder();
    for line in ["one", "two"] {
        LogFile::new(settings(&folder, 100, 1)).append(line).expect("room");
    }
    assert_eq!(read(&folder, "app.log"), "one\ntwo\n");
}

#[test]
fn a_line_that_was_left_half_way_is_ended_first() {
    let folder = folder();
    fs::write(folder.path().join("app.log"), "one\nha").expect("room");
    let mut log = LogFile::new(settings(&folder, 100, 1));
    assert_eq!(log.tail(10, 100).expect("readable"), "one\n");
    log.append("two").expect("room");
    assert_eq!(read(&folder, "app.log"), "one\nha\ntwo\n");
}

#[test]
fn it_is_rotated_before_it_gets_too_long_and_only_so_many_are_kept() {
    let folder = folder();
    let mut log = LogFile::new(settings(&folder, 10, 2));
    for number in 0..9 {
        log.append(&format!("line{number}")).expect("room");
    }
    assert_eq!(
        [read(&folder, "app.log"), read(&folder, "app.log.1"), read(&folder, "app.log.2")],
        ["line8\n", "line7\n", "line6\n"]
    );
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3);
    let long = "long".repeat(10);
    log.append(&long).expect("room");
    assert_eq!(read(&folder, "app.log"), format!("{long}\n"), "a line too long for any file has one to itself");
}

#[test]
fn the_size_counts_over_restarts() {
    let folder = folder();
    for _ in 0..3 {
        LogFile::new(settings(&folder, 12, 1)).append("line0").expect("room");
    }
    assert_eq!([read(&folder, "app.log"), read(&folder, "app.log.1")], ["line0\n", "line0\nline0\n"]);
}

#[test]
fn the_tail_goes_back_into_old_files_and_keeps_within_its_bounds() {
    let folder = folder();
    let mut log = LogFile::new(settings(&folder, 12, 3));
    assert_eq!(log.tail(10, 100).expect("no file is no error"), "");
    for number in 0..7 {
        log.append(&format!("line{number}")).expect("room");
    }
    let check = |lines, bytes, expected: &[u8]| {
        let expected: String = expected.iter().map(|number| format!("line{number}\n")).collect();
        assert_eq!(log.tail(lines, bytes).expect("readable"), expected, "{lines} lines, {bytes} bytes");
    };
    check(1, 100, &[6]);
    check(2, 100, &[5, 6]);
    check(3, 100, &[4, 5, 6]);
    check(7, 100, &[0, 1, 2, 3, 4, 5, 6]);
    check(100, 100, &[0, 1, 2, 3, 4, 5, 6]);
    check(100, 42, &[0, 1, 2, 3, 4, 5, 6]);
    check(100, 41, &[1, 2, 3, 4, 5, 6]);
    check(100, 18, &[4, 5, 6]);
    check(100, 17, &[5, 6]);
    check(100, 5, &[]);
    check(100, 0, &[]);
}

/// A log of another program, such as one in Latin-1: each byte that is no UTF-8 takes three as text.
#[test]
fn a_tail_that_becomes_longer_as_text_leaves_no_room_for_old_files() {
    let folder = folder();
    fs::write(folder.path().join("app.log"), b"\xe4\xf6\xfc\n").expect("room");
    fs::write(folder.path().join("app.log.1"), "old\n").expect("room");
    let log = LogFile::new(settings(&folder, 100, 1));
    let replaced = format!("{}\n", "\u{fffd}".repeat(3));
    assert_eq!(log.tail(10, 5).expect("readable"), replaced);
    assert_eq!(log.tail(10, 13).expect("readable"), replaced, "no room");
    assert_eq!(log.tail(10, 14).expect("readable"), format!("old\n{replaced}"));
}

#[test]
fn a_full_disk_fails_the_line_and_the_next_one_has_room_again() {
    let folder = folder();
    let path = folder.path().join("app.log");
    symlink("/dev/full", &path).expect("a link");
    let mut log = LogFile::new(settings(&folder, 100, 1));
    assert_eq!(log.append("one").expect_err("it is full").kind(), ErrorKind::StorageFull);
    fs::remove_file(&path).expect("a link");
    log.append("two").expect("room");
    assert_eq!(read(&folder, "app.log"), "two\n");
}

#[test]
fn a_folder_that_is_gone_fails_the_line_until_it_is_back() {
    let folder = folder();
    let inner = folder.path().join("inner");
    let mut log = LogFile::new(FileSettings::at(inner.join("app.log")));
    assert_eq!(log.append("one").expect_err("no folder").kind(), ErrorKind::NotFound);
    fs::create_dir(&inner).expect("a folder");
    log.append("two").expect("room");
    assert_eq!(log.tail(10, 100).expect("readable"), "two\n");
}

#[test]
fn a_rehearsal_leaves_nothing_behind() {
    let folder = folder();
    let mut log = LogFile::new(settings(&folder, 100, 1));
    log.append("one").expect("room");
    log.rehearse(20).expect("room");
    log.append("two").expect("room");
    assert_eq!(read(&folder, "app.log"), "one\ntwo\n");
    fs::remove_file(folder.path().join("app.log")).expect("a file");
    symlink("/dev/full", folder.path().join("app.log")).expect("a link");
    assert!(LogFile::new(settings(&folder, 100, 1)).rehearse(20).is_err());
}
