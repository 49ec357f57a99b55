//! What every backend does. A new backend adds itself to `on_every_backend`.

use std::path::Path;

use super::*;
use crate::delivery::event::DestinationStatus;

struct Backend {
    storage: Box<dyn EventStorage>,
    reader: Box<dyn EventReader>,
}

fn sqlite(directory: &Path) -> Backend {
    let storage = SqliteEvents::open(directory).unwrap();
    let reader = Box::new(storage.reader().unwrap());
    Backend { storage: Box::new(storage), reader }
}

/// Runs a case on fresh events of every backend; the second argument opens them once more.
fn on_every_backend(case: impl Fn(Backend, &dyn Fn() -> Backend)) {
    let backends: [fn(&Path) -> Backend; 1] = [sqlite];
    for open in backends {
        let directory = tempfile::tempdir().unwrap();
        case(open(directory.path()), &|| open(directory.path()));
    }
}

fn submission(function: &str, id: Option<&str>) -> Submission {
    Submission {
        request_id: format!("request-{}", fastrand::u64(..)),
        service: "s".into(),
        function: function.into(),
        qualifier: "LATEST".into(),
        invocation_id: id.map(str::to_owned),
        trace_parent: None,
        received: 1_000,
        depth: 3,
        trigger: Some("t".into()),
        payload: Bytes::from_static(b"\x00payload\xff"),
    }
}

impl Backend {
    fn insert(&mut self, submission: Submission) -> Applied {
        let progress = Progress::new(2_000);
        self.storage.commit(&[Change::Insert(Box::new((submission, progress)))]).unwrap().remove(0)
    }

    fn inserted(&mut self, submission: Submission) -> u64 {
        match self.insert(submission) {
            Applied::Inserted(seq) => seq,
            other => panic!("{other:?}"),
        }
    }

    fn update(&mut self, seq: u64, change: impl FnOnce(&mut Progress)) {
        let filter = Filter { after: Some(seq - 1), limit: 1, payloads: true, ..Filter::default() };
        let mut progress = self.reader.list(&filter).unwrap().remove(0).progress;
        change(&mut progress);
        self.storage.commit(&[Change::Update(seq, Box::new(progress))]).unwrap();
    }

    fn listed(&self, filter: Filter) -> Vec<u64> {
        self.reader.list(&filter).unwrap().iter().map(|event| event.seq).collect()
    }
}

#[test]
fn what_is_inserted_is_read_back_whole() {
    on_every_backend(|mut backend, _| {
        let new = submission("f", Some("id"));
        let seq = backend.inserted(new.clone());
        let expected = Event { seq, submission: new.clone(), progress: Progress::new(2_000) };
        let key = EventKey::Invocation { service: "s", function: "f", id: "id" };
        assert_eq!(backend.reader.event(key).unwrap().as_ref(), Some(&expected));
        assert_eq!(backend.reader.event(EventKey::RequestId(&new.request_id)).unwrap(), Some(expected));
        assert_eq!(backend.reader.event(EventKey::RequestId("another")).unwrap(), None);
    });
}

#[test]
fn numbers_grow_and_are_never_given_twice() {
    on_every_backend(|mut backend, _| {
        let first = backend.inserted(submission("f", None));
        let second = backend.inserted(submission("f", None));
        backend.storage.commit(&[Change::Remove(second)]).unwrap();
        let third = backend.inserted(submission("f", None));
        assert!(first < second && second < third, "{first} {second} {third}");
    });
}

#[test]
fn an_invocation_id_is_taken_once_a_function() {
    on_every_backend(|mut backend, _| {
        backend.inserted(submission("f", Some("id")));
        assert_eq!(backend.insert(submission("f", Some("id"))), Applied::Duplicate);
        backend.inserted(submission("g", Some("id")));
        backend.inserted(submission("f", None));
        backend.inserted(submission("f", None));
        assert_eq!(backend.listed(Filter::default()).len(), 4);
    });
}

#[test]
fn the_progress_of_an_event_is_replaced_and_its_payload_stays() {
    on_every_backend(|mut backend, _| {
        let seq = backend.inserted(submission("f", Some("id")));
        backend.update(seq, |progress| {
            progress.status = Status::Succeeded;
            progress.response = Bytes::from_static(b"\xffresult");
            progress.error = Some("why".into());
        });
        let event = backend.reader.list(&Filter { payloads: true, ..Filter::default() }).unwrap().remove(0);
        assert_eq!((event.status(), event.progress.error.as_deref()), (Status::Succeeded, Some("why")));
        assert_eq!(event.progress.response, backend.reader.response(seq).unwrap());
        assert_eq!(backend.reader.payload(seq).unwrap().unwrap(), b"\x00payload\xff".as_slice());
        // An event that is gone is not made again.
        backend.storage.commit(&[Change::Remove(seq), Change::Update(seq, Box::new(Progress::new(0)))]).unwrap();
        assert_eq!(backend.reader.payload(seq).unwrap(), None);
        assert!(backend.listed(Filter::default()).is_empty());
    });
}

#[test]
fn what_is_open_is_found_again_page_by_page() {
    on_every_backend(|mut backend, reopen| {
        let seqs: Vec<_> = (0..5).map(|_| backend.inserted(submission("f", None))).collect();
        backend.update(seqs[1], |progress| progress.status = Status::Failed);
        backend.update(seqs[2], |progress| {
            progress.status = Status::Failed;
            progress.destination_status = Some(DestinationStatus::Pending);
        });
        drop(backend);
        let backend = reopen();
        let page = |after, limit| {
            let events = backend.reader.open(after, limit).unwrap();
            assert!(events.iter().all(|(_, length)| *length == 9));
            events.iter().map(|(event, _)| event.seq).collect::<Vec<_>>()
        };
        assert_eq!(page(0, 3), [seqs[0], seqs[2], seqs[3]]);
        assert_eq!(page(seqs[3], 3), [seqs[4]]);
    });
}

#[test]
fn a_batch_is_numbered_in_its_order() {
    on_every_backend(|mut backend, _| {
        let insert = || Change::Insert(Box::new((submission("f", None), Progress::new(0))));
        let applied = backend.storage.commit(&[insert(), insert(), Change::Remove(99), insert()]).unwrap();
        let numbers: Vec<_> = applied.iter().filter(|applied| matches!(applied, Applied::Inserted(_))).collect();
        assert!(
            matches!(numbers[..], [Applied::Inserted(a), Applied::Inserted(b), Applied::Inserted(c)] if a < b && b < c)
        );
        assert_eq!(applied[2], Applied::Done(0));
    });
}

#[test]
fn a_filter_means_what_it_names() {
    on_every_backend(|mut backend, _| {
        let a = backend.inserted(submission("f", Some("a_1")));
        let b = backend.inserted(submission("f", Some("b%1")));
        let c = backend.inserted(submission("g", None));
        backend.update(a, |progress| (progress.status, progress.started) = (Status::Failed, Some(10)));
        backend.update(b, |progress| (progress.dead, progress.started) = (true, Some(20)));
        let all = Filter::default;
        assert_eq!(backend.listed(Filter { function: Some("f".into()), ..all() }), [a, b]);
        assert_eq!(backend.listed(Filter { service: Some("t".into()), ..all() }), [0; 0]);
        assert_eq!(backend.listed(Filter { status: Some(Status::Failed), ..all() }), [a]);
        assert_eq!(backend.listed(Filter { dead: true, ..all() }), [b]);
        assert_eq!(backend.listed(Filter { stateful: true, newest_first: true, ..all() }), [b, a]);
        assert_eq!(backend.listed(Filter { id_prefix: Some("b%".into()), ..all() }), [b]);
        assert_eq!(backend.listed(Filter { started_begin: Some(10), started_end: Some(19), ..all() }), [a]);
        assert_eq!(backend.listed(Filter { after: Some(b), newest_first: true, ..all() }), [a]);
        assert_eq!(backend.listed(Filter { after: Some(a), limit: 1, ..all() }), [b]);
        assert_eq!(backend.listed(all()), [a, b, c]);
        assert_eq!(backend.reader.dead().unwrap(), 1);
        let functions = backend.reader.stateful_functions().unwrap();
        assert_eq!(functions, [("s".to_owned(), "f".to_owned(), "LATEST".to_owned())]);
    });
}

#[test]
fn pruning_spares_what_is_open_young_or_dead() {
    on_every_backend(|mut backend, _| {
        let seqs: Vec<_> = (0..6).map(|_| backend.inserted(submission("f", None))).collect();
        let settled = |ended, dead| {
            move |progress: &mut Progress| {
                (progress.status, progress.ended, progress.dead) = (Status::Failed, Some(ended), dead);
            }
        };
        backend.update(seqs[0], settled(10, false));
        backend.update(seqs[1], settled(20, false));
        for dead in &seqs[2..5] {
            backend.update(*dead, settled(10, true));
        }
        let applied = backend.storage.commit(&[Change::Prune { ended_before: 20, dead_kept: 2 }]).unwrap();
        assert_eq!(applied, [Applied::Done(2)]);
        assert_eq!(backend.listed(Filter::default()), [seqs[1], seqs[3], seqs[4], seqs[5]]);
    });
}

#[test]
fn one_process_alone_has_the_events() {
    let directory = tempfile::tempdir().unwrap();
    let _open = SqliteEvents::open(directory.path()).unwrap();
    let error = SqliteEvents::open(directory.path()).err().unwrap();
    assert!(error.to_string().contains("another wisp uses the data directory"), "{error}");
}
