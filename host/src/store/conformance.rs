//! What every backend does. A new backend adds itself to `backends`.

use super::*;

/// Runs a case on a fresh store of every backend.
fn on_every_backend(case: impl Fn(&dyn Storage)) {
    let directory = tempfile::tempdir().unwrap();
    let backends: [Box<dyn Storage>; 1] = [Box::new(SqliteStorage::open(directory.path()).unwrap())];
    for backend in backends {
        case(&*backend);
    }
}

fn key(scope: &str, name: &str) -> Key {
    Key::new(Kind::Function, scope, name)
}

fn put(key: Key, document: &str, expect: Expect) -> Write {
    Write::Put { key, document: document.into(), expect }
}

fn names(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.key.name.as_str()).collect()
}

#[test]
fn what_is_put_is_read_back_with_the_number_of_its_commit() {
    on_every_backend(|store| {
        assert_eq!(store.get(&key("s", "f")).unwrap(), None);
        let number = store.commit(&[put(key("s", "f"), "{\"a\":1}", Expect::Absent)]).unwrap();
        let record = store.get(&key("s", "f")).unwrap().unwrap();
        assert_eq!(record, Record { key: key("s", "f"), revision: number, document: "{\"a\":1}".into() });
    });
}

#[test]
fn numbers_of_commits_grow_over_all_records() {
    on_every_backend(|store| {
        let first = store.commit(&[put(key("s", "a"), "{}", Expect::Anything)]).unwrap();
        let second = store.commit(&[put(key("t", "b"), "{}", Expect::Anything)]).unwrap();
        store.commit(&[Write::Delete(key("s", "a"))]).unwrap();
        let again = store.commit(&[put(key("s", "a"), "{}", Expect::Absent)]).unwrap();
        assert!(first < second && second < again);
    });
}

#[test]
fn lists_are_in_the_order_of_the_bytes_of_scope_and_name() {
    on_every_backend(|store| {
        for (scope, name) in [("t", "a"), ("s", "b"), ("s", "B"), ("s", "a-1"), ("s", "a")] {
            store.commit(&[put(key(scope, name), "{}", Expect::Absent)]).unwrap();
        }
        store.commit(&[put(Key::new(Kind::Alias, "s", "other"), "{}", Expect::Absent)]).unwrap();
        assert_eq!(names(&store.list(Kind::Function, Some("s")).unwrap()), ["B", "a", "a-1", "b"]);
        assert_eq!(names(&store.list(Kind::Function, None).unwrap()), ["B", "a", "a-1", "b", "a"]);
        assert!(store.list(Kind::Function, Some("nowhere")).unwrap().is_empty());
    });
}

#[test]
fn a_batch_holds_as_a_whole_or_not_at_all() {
    on_every_backend(|store| {
        store.commit(&[put(key("s", "there"), "{}", Expect::Absent)]).unwrap();
        let batch = [
            put(key("s", "new"), "{}", Expect::Absent),
            Write::Delete(key("s", "there")),
            put(key("s", "other"), "{}", Expect::Revision(99)),
        ];
        assert_eq!(store.commit(&batch), Err(StoreError::Conflict(key("s", "other"))));
        assert_eq!(names(&store.list(Kind::Function, None).unwrap()), ["there"]);
    });
}

#[test]
fn writes_of_a_batch_see_those_before_them() {
    on_every_backend(|store| {
        let batch = [
            put(key("s", "f"), "1", Expect::Absent),
            Write::Delete(key("s", "f")),
            put(key("s", "f"), "2", Expect::Absent),
        ];
        store.commit(&batch).unwrap();
        assert_eq!(store.get(&key("s", "f")).unwrap().unwrap().document, "2");
    });
}

#[test]
fn a_put_that_expects_another_state_is_a_conflict() {
    on_every_backend(|store| {
        let number = store.commit(&[put(key("s", "f"), "1", Expect::Absent)]).unwrap();
        let conflict = Err(StoreError::Conflict(key("s", "f")));
        assert_eq!(store.commit(&[put(key("s", "f"), "2", Expect::Absent)]), conflict);
        assert_eq!(store.commit(&[put(key("s", "f"), "2", Expect::Revision(number + 1))]), conflict);
        assert_eq!(store.get(&key("s", "f")).unwrap().unwrap().document, "1");
        store.commit(&[put(key("s", "f"), "2", Expect::Revision(number))]).unwrap();
    });
}

#[test]
fn deleting_what_is_not_there_is_no_error_and_delete_all_spares_other_scopes_and_kinds() {
    on_every_backend(|store| {
        store.commit(&[Write::Delete(key("s", "nothing"))]).unwrap();
        let alias = Key::new(Kind::Alias, "s", "a");
        for kept in [key("s", "f"), key("s", "g"), key("s2", "f"), alias.clone()] {
            store.commit(&[put(kept, "{}", Expect::Absent)]).unwrap();
        }
        store.commit(&[Write::DeleteAll(Kind::Function, "s".into())]).unwrap();
        assert_eq!(store.list(Kind::Function, None).unwrap().len(), 1);
        assert!(store.get(&alias).unwrap().is_some());
    });
}
