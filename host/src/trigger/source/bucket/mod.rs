//! A directory as a bucket. What is known of each file is noted in the same commit as its event, so that what changes while
//! wisp is down is found at the next start, and nothing is told twice.
//!
//! The system's notices only say when to look: a scan decides what has changed. So no notice that is lost, doubled or
//! early does harm.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use notify::{
    Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::{sync::Notify, task::spawn_blocking};

use self::scan::{Differences, DirectoryId, Found, differences, look, scan, size_of};
use super::{Sink, Source, SourceError, Stopped};
use crate::{
    config::BucketConfig,
    delivery::Note,
    trigger::payload::{ObjectChange, Occurrence},
};

mod scan;

/// The mark that says that the files of the start are noted. No key is like it.
const BASELINE: &str = "/";

/// Notices that come in this time are looked at together.
const QUIET: Duration = Duration::from_millis(50);

/// How often a directory is looked at that the system gives no notices of.
const WITHOUT_NOTICES: Duration = Duration::from_secs(2);

/// Bytes of a file whose MD5 is its ETag. Larger ones would hold up the others; OSS has another ETag for them as well.
const LARGEST_MD5: u64 = 256 << 20;

pub(super) struct Bucket(BucketConfig);

/// What a run knows.
struct Watched<'a> {
    config: &'a BucketConfig,
    sink: &'a Sink,
    /// The directory that notices come from.
    directory: Option<DirectoryId>,
    /// Marks by keys.
    known: BTreeMap<String, String>,
    /// Marks of files that may not be complete, and since when they are so.
    unsettled: HashMap<String, (String, Instant)>,
}

impl Bucket {
    pub(super) fn new(config: BucketConfig) -> Self {
        Self(config)
    }

    async fn watch(&self, sink: &Sink) -> Result<(), SourceError> {
        let config = &self.0;
        let notices = Arc::new(Notify::new());
        // Before the first look, so that nothing falls between.
        let watcher = watcher(&config.path, notices.clone());
        let rescan = match &watcher {
            Ok(_) => config.rescan,
            Err(_) if !config.path.is_dir() => config.rescan,
            Err(error) => {
                tracing::warn!(trigger = %sink.id(), %error, "the system gives no notices of a bucket; it is looked at every 2 s");
                config.rescan.min(WITHOUT_NOTICES)
            }
        };
        let mut known = sink.delivery().marks(&sink.id()).await?;
        let has_baseline = known.remove(BASELINE).is_some();
        let mut watched = Watched { config, sink, directory: None, known, unsettled: HashMap::new() };
        if !has_baseline {
            watched.begin().await?;
        }
        loop {
            let began = Instant::now();
            let found = watched.scan().await?;
            // A large directory is not looked at all the time. What follows the look does not count.
            let rest = QUIET.max(began.elapsed());
            sink.connected();
            if watched.deliver(&found).await.is_err() {
                return Ok(());
            }
            let most = if watched.unsettled.is_empty() { rescan } else { config.settle.min(rescan) };
            tokio::select! {
                () = notices.notified() => {
                    if sink.pause(rest).await.is_err() {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep(most) => {}
                () = sink.stopped() => return Ok(()),
            }
        }
    }
}

impl Source for Bucket {
    fn run<'a>(&'a self, sink: &'a Sink) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.watch(sink))
    }
}

impl Watched<'_> {
    /// Notes what is there already, unless it is to be told.
    async fn begin(&mut self) -> Result<(), SourceError> {
        if !self.config.deliver_existing {
            self.known = self.scan().await?.into_iter().map(|(key, found)| (key, found.mark())).collect();
        }
        let mut notes: Vec<Note> =
            self.known.iter().map(|(key, mark)| self.mark(key.clone(), Some(mark.clone()))).collect();
        notes.push(self.mark(BASELINE.to_owned(), Some("yes".to_owned())));
        Ok(self.sink.delivery().note(notes).await?)
    }

    async fn scan(&mut self) -> Result<BTreeMap<String, Found>, SourceError> {
        let path = self.config.path.clone();
        let shown = path.display().to_string();
        let scanned = spawn_blocking(move || scan(&path)).await.map_err(|error| SourceError(error.to_string()))?;
        let (directory, files) = scanned.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                SourceError(format!("there is no directory {shown}; make it, or correct `path` of the bucket"))
            }
            _ => SourceError(format!("the directory {shown} cannot be read: {error}")),
        })?;
        if self.directory.replace(directory).is_some_and(|before| before != directory) {
            return Err(SourceError(format!("the directory {shown} is another one now; it is watched anew")));
        }
        Ok(files)
    }

    async fn deliver(&mut self, found: &BTreeMap<String, Found>) -> Result<(), Stopped> {
        let Differences { removed, put } = differences(&self.known, found);
        self.unsettled.retain(|key, _| found.contains_key(key));
        self.sink.waiting((removed.len() + put.len()) as u64);
        for key in removed {
            self.removed(key).await?;
        }
        for key in put {
            if let Some(found) = found.get(&key) {
                self.put(key, found).await?;
            }
        }
        self.sink.waiting(self.unsettled.len() as u64);
        Ok(())
    }

    async fn removed(&mut self, key: String) -> Result<(), Stopped> {
        let size = self.known.get(&key).map_or(0, |mark| size_of(mark));
        let change = self.change("ObjectRemoved:DeleteObject", &key, Timestamp::now());
        let change = ObjectChange { delta: -signed(size), ..change };
        self.sink.deliver(&Occurrence::Object(change), vec![self.mark(key.clone(), None)]).await?;
        self.known.remove(&key);
        Ok(())
    }

    /// A file that is new or has other contents; if it may not be complete, another look decides.
    async fn put(&mut self, key: String, found: &Found) -> Result<(), Stopped> {
        if !self.is_settled(&key, found) {
            return Ok(());
        }
        let path = self.config.path.join(&key);
        let size = found.size;
        let digest = spawn_blocking(move || {
            let etag = etag(&path, size).ok()?;
            // Read while somebody wrote, it is not complete.
            Some((etag, look(&path)?))
        });
        let etag = match digest.await {
            Ok(Some((etag, after))) if after.mark() == found.mark() => etag,
            _ => {
                self.unsettled.insert(key, (found.mark(), Instant::now()));
                return Ok(());
            }
        };
        let before = self.known.get(&key).map_or(0, |mark| size_of(mark));
        let time = Timestamp::from_nanosecond(found.modified).unwrap_or_else(|_| Timestamp::now());
        let change = self.change("ObjectCreated:PutObject", &key, time);
        let mime_type = mime_guess::from_path(&key).first_raw().unwrap_or("application/octet-stream");
        let change = ObjectChange {
            size,
            delta: signed(size) - signed(before),
            etag,
            mime_type: Some(mime_type.to_owned()),
            ..change
        };
        let mark = self.mark(key.clone(), Some(found.mark()));
        self.sink.deliver(&Occurrence::Object(change), vec![mark]).await?;
        self.unsettled.remove(&key);
        self.known.insert(key, found.mark());
        Ok(())
    }

    /// By the file's own times, or, where its clock is another one, by looks that found it the same.
    fn is_settled(&mut self, key: &str, found: &Found) -> bool {
        if found.is_settled(self.config.settle, SystemTime::now()) {
            return true;
        }
        let mark = found.mark();
        match self.unsettled.get(key) {
            Some((same, since)) if *same == mark => since.elapsed() >= self.config.settle,
            _ => {
                self.unsettled.insert(key.to_owned(), (mark, Instant::now()));
                false
            }
        }
    }

    fn change(&self, event: &str, key: &str, time: Timestamp) -> ObjectChange {
        ObjectChange {
            event: event.to_owned(),
            bucket: self.sink.bound().trigger.source.as_deref().unwrap_or_default().to_owned(),
            key: key.to_owned(),
            size: 0,
            delta: 0,
            etag: String::new(),
            mime_type: None,
            time,
            source_ip: "127.0.0.1".to_owned(),
            request_id: format!("{:024X}", fastrand::u128(..) >> 32),
        }
    }

    fn mark(&self, key: String, value: Option<String>) -> Note {
        Note::Mark { owner: self.sink.id(), name: key, value }
    }
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// MD5 in hex, in capitals, as of objects that were put in one request; of a large file, something else that is its own.
fn etag(path: &Path, size: u64) -> io::Result<String> {
    let mut digest = Md5::new();
    let large = size > LARGEST_MD5;
    if large {
        digest.update(format!("{} {size}", path.display()));
    } else {
        io::copy(&mut File::open(path)?, &mut Writer(&mut digest))?;
    }
    let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02X}")).collect();
    Ok(if large { format!("{hex}-1") } else { hex })
}

struct Writer<'a>(&'a mut Md5);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells of whatever may have changed below a directory, for as long as it is kept.
fn watcher(path: &Path, notices: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let tell = move |event: notify::Result<Event>| {
        // Our own reading is no change.
        let is_reading = event.is_ok_and(|event| match event.kind {
            EventKind::Access(kind) => kind != AccessKind::Close(AccessMode::Write),
            _ => false,
        });
        if !is_reading {
            notices.notify_one();
        }
    };
    let mut watcher = RecommendedWatcher::new(tell, Config::default().with_follow_symlinks(false))?;
    watcher.watch(path, RecursiveMode::Recursive)?;
    Ok(watcher)
}
