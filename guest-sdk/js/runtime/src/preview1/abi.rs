//! The functions that take the place of preview 1's imports: arguments as C passes them, results as error numbers.
//!
//! Pointers come from the C library in the same module, which passes valid ones.
#![allow(unsafe_code, clippy::missing_safety_doc, clippy::too_many_arguments)]

use std::slice;

use wasip2::filesystem::types::{DescriptorFlags, NewTimestamp, OpenFlags};

use super::{
    errno::{BADF, Errno, INVAL, NOSYS, PERM, ROFS, SUCCESS},
    host::path_flags,
    table::{self, Entry, ROOT, Status},
};
use crate::files;

#[repr(C)]
struct Buffer {
    start: *mut u8,
    length: usize,
}

fn number(result: Result<(), Errno>) -> i32 {
    result.map_or_else(|errno| errno.0, |()| SUCCESS.0)
}

unsafe fn text<'a>(start: *const u8, length: usize) -> Result<&'a str, Errno> {
    std::str::from_utf8(unsafe { slice::from_raw_parts(start, length) }).map_err(|_| INVAL)
}

unsafe fn put<T>(out: *mut u8, offset: usize, value: T) {
    unsafe { out.add(offset).cast::<T>().write_unaligned(value) }
}

unsafe fn put_status(out: *mut u8, status: &Status) {
    unsafe {
        put(out, 0, 1u64);
        put(out, 8, status.inode);
        put(out, 16, status.kind);
        put(out, 24, status.links);
        put(out, 32, status.size);
        put(out, 40, status.times[0]);
        put(out, 48, status.times[1]);
        put(out, 56, status.times[2]);
    }
}

macro_rules! preview1 {
    ($($name:literal => fn $function:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => {
        $(#[unsafe(export_name = concat!("preview1_", $name))]
        unsafe extern "C" fn $function($($argument: $type),*) -> i32 {
            #[allow(unused_unsafe, clippy::redundant_closure_call)]
            number((|| -> Result<(), Errno> { $body })())
        })*
    };
}

preview1! {
    "args_get" => fn args_get(_argv: *mut u8, _buffer: *mut u8) { Ok(()) }
    "args_sizes_get" => fn args_sizes_get(count: *mut u8, size: *mut u8) {
        unsafe { put(count, 0, 0usize); put(size, 0, 0usize); }
        Ok(())
    }
    // The C library would keep the variables across a snapshot; `process.env` asks the host itself.
    "environ_get" => fn environ_get(_environ: *mut u8, _buffer: *mut u8) { Ok(()) }
    "environ_sizes_get" => fn environ_sizes_get(count: *mut u8, size: *mut u8) {
        unsafe { put(count, 0, 0usize); put(size, 0, 0usize); }
        Ok(())
    }
    "clock_res_get" => fn clock_res_get(_clock: u32, out: *mut u8) {
        unsafe { put(out, 0, 1u64) };
        Ok(())
    }
    "clock_time_get" => fn clock_time_get(clock: u32, _precision: u64, out: *mut u8) {
        let now = if clock == 0 {
            let now = wasip2::clocks::wall_clock::now();
            now.seconds * 1_000_000_000 + u64::from(now.nanoseconds)
        } else {
            wasip2::clocks::monotonic_clock::now()
        };
        unsafe { put(out, 0, now) };
        Ok(())
    }
    "random_get" => fn random_get(start: *mut u8, length: usize) {
        let bytes = wasip2::random::random::get_random_bytes(length as u64);
        unsafe { slice::from_raw_parts_mut(start, length) }.copy_from_slice(&bytes);
        Ok(())
    }
    "sched_yield" => fn sched_yield() { Ok(()) }
    "proc_exit" => fn proc_exit(code: u32) {
        wasip2::cli::exit::exit(if code == 0 { Ok(()) } else { Err(()) });
        Ok(())
    }
    "poll_oneoff" => fn poll_oneoff(subscriptions: *const u8, events: *mut u8, count: usize, out: *mut u8) {
        // `sleep` of the C library: one subscription to a clock. Nothing else here waits in preview 1.
        if count != 1 || unsafe { subscriptions.add(8).read() } != 0 {
            return Err(NOSYS);
        }
        let (user, duration) =
            unsafe { (subscriptions.cast::<u64>().read_unaligned(), subscriptions.add(24).cast::<u64>().read_unaligned()) };
        wasip2::clocks::monotonic_clock::subscribe_duration(duration).block();
        unsafe {
            put(events, 0, user);
            put(events, 8, 0u16);
            put(events, 10, 0u8);
            put(out, 0, 1usize);
        }
        Ok(())
    }
    "fd_advise" => fn fd_advise(_fd: u32, _offset: u64, _length: u64, _advice: u32) { Ok(()) }
    "fd_allocate" => fn fd_allocate(_fd: u32, _offset: u64, _length: u64) { Err(NOSYS) }
    "fd_close" => fn fd_close(fd: u32) { table::with(|table| table.close(fd)) }
    "fd_datasync" => fn fd_datasync(fd: u32) { sync(fd) }
    "fd_sync" => fn fd_sync(fd: u32) { sync(fd) }
    "fd_renumber" => fn fd_renumber(from: u32, to: u32) { table::with(|table| table.renumber(from, to)) }
    "fd_fdstat_get" => fn fd_fdstat_get(fd: u32, out: *mut u8) {
        let (kind, flags) = table::with(|table| Ok::<_, Errno>(match table.get(fd)? {
            Entry::Stdin | Entry::Stdout | Entry::Stderr => (2u8, 0u16),
            Entry::Directory { .. } => (3, 0),
            Entry::Memory { .. } => (4, 0),
            Entry::File { append, .. } => (4, u16::from(*append)),
        }))?;
        unsafe { put(out, 0, kind); put(out, 2, flags); put(out, 8, u64::MAX); put(out, 16, u64::MAX); }
        Ok(())
    }
    "fd_fdstat_set_flags" => fn fd_fdstat_set_flags(fd: u32, flags: u32) {
        table::with(|table| {
            if let Entry::File { append, .. } = table.get(fd)? {
                *append = flags & 1 != 0;
            }
            Ok(())
        })
    }
    "fd_filestat_get" => fn fd_filestat_get(fd: u32, out: *mut u8) {
        let status = table::with(|table| table.status_of(fd))?;
        unsafe { put_status(out, &status) };
        Ok(())
    }
    "fd_filestat_set_size" => fn fd_filestat_set_size(fd: u32, size: u64) {
        table::with(|table| Ok(table.file(fd)?.set_size(size)?))
    }
    "fd_filestat_set_times" => fn fd_filestat_set_times(fd: u32, access: u64, modification: u64, flags: u32) {
        let [access, modification] = times(access, modification, flags);
        table::with(|table| Ok(table.file(fd)?.set_times(access, modification)?))
    }
    "fd_read" => fn fd_read(fd: u32, buffers: *const Buffer, count: usize, out: *mut u8) {
        unsafe { read(fd, buffers, count, None, out) }
    }
    "fd_pread" => fn fd_pread(fd: u32, buffers: *const Buffer, count: usize, at: u64, out: *mut u8) {
        unsafe { read(fd, buffers, count, Some(at), out) }
    }
    "fd_write" => fn fd_write(fd: u32, buffers: *const Buffer, count: usize, out: *mut u8) {
        unsafe { write(fd, buffers, count, None, out) }
    }
    "fd_pwrite" => fn fd_pwrite(fd: u32, buffers: *const Buffer, count: usize, at: u64, out: *mut u8) {
        unsafe { write(fd, buffers, count, Some(at), out) }
    }
    "fd_seek" => fn fd_seek(fd: u32, offset: i64, from: u32, out: *mut u8) {
        let position = table::with(|table| table.seek(fd, offset, from))?;
        unsafe { put(out, 0, position) };
        Ok(())
    }
    "fd_tell" => fn fd_tell(fd: u32, out: *mut u8) {
        let position = table::with(|table| table.seek(fd, 0, 1))?;
        unsafe { put(out, 0, position) };
        Ok(())
    }
    "fd_prestat_get" => fn fd_prestat_get(fd: u32, out: *mut u8) {
        if fd != ROOT {
            return Err(BADF);
        }
        unsafe { put(out, 0, 0u32); put(out, 4, 1usize); }
        Ok(())
    }
    "fd_prestat_dir_name" => fn fd_prestat_dir_name(fd: u32, name: *mut u8, length: usize) {
        if fd != ROOT || length == 0 {
            return Err(BADF);
        }
        unsafe { name.write(b'/') };
        Ok(())
    }
    "fd_readdir" => fn fd_readdir(fd: u32, buffer: *mut u8, length: usize, cookie: u64, out: *mut u8) {
        let listing = table::with(|table| table.listing(fd))?;
        let target = unsafe { slice::from_raw_parts_mut(buffer, length) };
        let mut used = 0;
        let first = usize::try_from(cookie).map_err(|_| INVAL)?;
        for (index, (name, kind)) in listing.iter().enumerate().skip(first) {
            let entry = directory_entry(index as u64 + 1, name, *kind);
            let part = entry.len().min(length - used);
            target[used..used + part].copy_from_slice(&entry[..part]);
            used += part;
            if used == length {
                break;
            }
        }
        unsafe { put(out, 0, used) };
        Ok(())
    }
    "path_create_directory" => fn path_create_directory(fd: u32, path: *const u8, length: usize) {
        unsafe { at_path(fd, path, length, |directory, rest| Ok(directory.create_directory_at(rest)?)) }
    }
    "path_filestat_get" => fn path_filestat_get(fd: u32, flags: u32, path: *const u8, length: usize, out: *mut u8) {
        let path = unsafe { text(path, length)? };
        let status = table::with(|table| {
            let path = table.absolute(fd, path)?;
            table.status(&path, flags & 1 != 0)
        })?;
        unsafe { put_status(out, &status) };
        Ok(())
    }
    "path_filestat_set_times" => fn path_filestat_set_times(
        fd: u32, flags: u32, path: *const u8, length: usize, access: u64, modification: u64, which: u32,
    ) {
        let [access, modification] = times(access, modification, which);
        unsafe {
            at_path(fd, path, length, |directory, rest| {
                Ok(directory.set_times_at(path_flags(flags & 1 != 0), rest, access, modification)?)
            })
        }
    }
    "path_link" => fn path_link(
        _old: u32, _flags: u32, _old_path: *const u8, _old_length: usize, _new: u32, _new_path: *const u8, _new_length: usize,
    ) { Err(PERM) }
    "path_open" => fn path_open(
        fd: u32, lookup: u32, path: *const u8, length: usize, open: u32, rights: u64, _inherited: u64, flags: u32, out: *mut u8,
    ) {
        let path = unsafe { text(path, length)? };
        let open = OpenFlags::from_bits_truncate(u8::try_from(open & 15).map_err(|_| INVAL)?);
        let opened = table::with(|table| {
            let path = table.absolute(fd, path)?;
            table.open(path, lookup & 1 != 0, open, descriptor_flags(rights, open), flags & 1 != 0)
        })?;
        unsafe { put(out, 0, opened) };
        Ok(())
    }
    "path_readlink" => fn path_readlink(fd: u32, path: *const u8, length: usize, buffer: *mut u8, size: usize, out: *mut u8) {
        let path = unsafe { text(path, length)? };
        let target = table::with(|table| {
            let path = table.absolute(fd, path)?;
            if let Some(target) = files::link(&path) {
                return Ok(target);
            }
            if files::find(&path).is_some() {
                return Err(INVAL);
            }
            let (directory, rest) = table.preopens().locate(&path)?;
            Ok(directory.readlink_at(rest)?)
        })?;
        let used = target.len().min(size);
        unsafe {
            slice::from_raw_parts_mut(buffer, used).copy_from_slice(&target.as_bytes()[..used]);
            put(out, 0, used);
        }
        Ok(())
    }
    "path_remove_directory" => fn path_remove_directory(fd: u32, path: *const u8, length: usize) {
        unsafe { at_path(fd, path, length, |directory, rest| Ok(directory.remove_directory_at(rest)?)) }
    }
    "path_unlink_file" => fn path_unlink_file(fd: u32, path: *const u8, length: usize) {
        unsafe { at_path(fd, path, length, |directory, rest| Ok(directory.unlink_file_at(rest)?)) }
    }
    "path_rename" => fn path_rename(
        old: u32, old_path: *const u8, old_length: usize, new: u32, new_path: *const u8, new_length: usize,
    ) {
        let (from, to) = unsafe { (text(old_path, old_length)?, text(new_path, new_length)?) };
        table::with(|table| {
            let (from, to) = (table.absolute(old, from)?, table.absolute(new, to)?);
            if files::find(&from).is_some() || files::find(&to).is_some() {
                return Err(ROFS);
            }
            let preopens = table.preopens();
            let ((from_directory, from), (to_directory, to)) = (preopens.locate(&from)?, preopens.locate(&to)?);
            Ok(from_directory.rename_at(from, to_directory, to)?)
        })
    }
    "path_symlink" => fn path_symlink(target: *const u8, target_length: usize, fd: u32, path: *const u8, length: usize) {
        let target = unsafe { text(target, target_length)? };
        unsafe { at_path(fd, path, length, |directory, rest| Ok(directory.symlink_at(target, rest)?)) }
    }
    "sock_accept" => fn sock_accept(_fd: u32, _flags: u32, _out: *mut u8) { Err(NOSYS) }
    "sock_recv" => fn sock_recv(_fd: u32, _b: *const Buffer, _n: usize, _flags: u32, _out: *mut u8, _out_flags: *mut u8) { Err(NOSYS) }
    "sock_send" => fn sock_send(_fd: u32, _b: *const Buffer, _n: usize, _flags: u32, _out: *mut u8) { Err(NOSYS) }
    "sock_shutdown" => fn sock_shutdown(_fd: u32, _how: u32) { Err(NOSYS) }
}

fn sync(fd: u32) -> Result<(), Errno> {
    table::with(|table| match table.get(fd)? {
        Entry::File { descriptor, .. } => Ok(descriptor.sync()?),
        _ => Ok(()),
    })
}

/// What may be done with the file, from preview 1's rights: reading, and writing in one of its forms.
fn descriptor_flags(rights: u64, open: OpenFlags) -> DescriptorFlags {
    const READ: u64 = 1 << 1 | 1 << 14;
    const WRITE: u64 = 1 << 6 | 1 << 8 | 1 << 22;
    let mut flags = DescriptorFlags::empty();
    flags.set(DescriptorFlags::READ, rights & READ != 0 || open.contains(OpenFlags::DIRECTORY));
    flags.set(DescriptorFlags::WRITE, rights & WRITE != 0 && !open.contains(OpenFlags::DIRECTORY));
    flags
}

fn times(access: u64, modification: u64, which: u32) -> [NewTimestamp; 2] {
    let time = |nanoseconds: u64, set: u32, now: u32| {
        if which & now != 0 {
            NewTimestamp::Now
        } else if which & set != 0 {
            #[allow(clippy::cast_possible_truncation)]
            NewTimestamp::Timestamp(wasip2::clocks::wall_clock::Datetime {
                seconds: nanoseconds / 1_000_000_000,
                nanoseconds: (nanoseconds % 1_000_000_000) as u32,
            })
        } else {
            NewTimestamp::NoChange
        }
    };
    [time(access, 1, 2), time(modification, 4, 8)]
}

/// Changes something in a directory of the host; the sources in memory stay as they are.
unsafe fn at_path(
    fd: u32,
    path: *const u8,
    length: usize,
    change: impl FnOnce(&wasip2::filesystem::types::Descriptor, &str) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let path = unsafe { text(path, length)? };
    table::with(|table| {
        let path = table.absolute(fd, path)?;
        if matches!(files::find(&path), Some(files::Node::File(_))) {
            return Err(ROFS);
        }
        let (directory, rest) = table.preopens().locate(&path)?;
        change(directory, rest)
    })
}

fn directory_entry(next: u64, name: &str, kind: u8) -> Vec<u8> {
    let mut entry = vec![0; 24];
    entry[..8].copy_from_slice(&next.to_le_bytes());
    #[allow(clippy::cast_possible_truncation)]
    entry[16..20].copy_from_slice(&(name.len() as u32).to_le_bytes());
    entry[20] = kind;
    entry.extend_from_slice(name.as_bytes());
    entry
}

unsafe fn read(fd: u32, buffers: *const Buffer, count: usize, at: Option<u64>, out: *mut u8) -> Result<(), Errno> {
    let mut total = 0;
    for buffer in unsafe { slice::from_raw_parts(buffers, count) } {
        if buffer.length == 0 {
            continue;
        }
        let bytes = table::with(|table| table.read(fd, buffer.length, at.map(|at| at + total as u64)))?;
        unsafe { slice::from_raw_parts_mut(buffer.start, bytes.len()) }.copy_from_slice(&bytes);
        total += bytes.len();
        if bytes.len() < buffer.length {
            break;
        }
    }
    unsafe { put(out, 0, total) };
    Ok(())
}

unsafe fn write(fd: u32, buffers: *const Buffer, count: usize, at: Option<u64>, out: *mut u8) -> Result<(), Errno> {
    let mut total = 0;
    for buffer in unsafe { slice::from_raw_parts(buffers, count) } {
        if buffer.length == 0 {
            continue;
        }
        let bytes = unsafe { slice::from_raw_parts(buffer.start, buffer.length) };
        let written = table::with(|table| table.write(fd, bytes, at.map(|at| at + total as u64)))?;
        total += written;
        if written < buffer.length {
            break;
        }
    }
    unsafe { put(out, 0, total) };
    Ok(())
}
