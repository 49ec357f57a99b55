use std::{collections::BTreeMap, fs, io::Write as _, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tempfile::TempDir;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

/// A zip with these entries; a name that ends in `/` is a directory.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, data) in entries {
        match name.ends_with('/') {
            true => zip.add_directory(*name, SimpleFileOptions::default()).unwrap(),
            false => {
                zip.start_file(*name, SimpleFileOptions::default()).unwrap();
                zip.write_all(data).unwrap();
            }
        }
    }
    zip.finish().unwrap().into_inner()
}

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn target(&self) -> PathBuf {
        self.0.path().join("code")
    }

    fn unpack(&self, package: &[u8]) -> Result<Tree, PackageError> {
        unpack(package, &self.target(), &PackageLimits::default())
    }

    /// What is in the directory besides what a complete package left.
    fn remains(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// The error for a package, which must leave nothing behind.
fn refused(package: &[u8]) -> String {
    let place = Place::new();
    let error = place.unpack(package).unwrap_err();
    assert!(error.is_senders(), "{error}");
    assert_eq!(place.remains(), Vec::<String>::new());
    error.to_string()
}

/// A zip whose one entry has another name than the writer would take; both are of one length.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    replaced(&zip(&[(from, b"text")]), from.as_bytes(), to.as_bytes())
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> =
        (0..bytes.len().saturating_sub(from.len())).filter(|&at| bytes[at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn a_package_becomes_its_files_and_nothing_else() {
    let place = Place::new();
    let package = zip(&[("index.js", b"one"), ("lib/", b""), ("lib/deep/a.js", b"three"), ("./b.js", b"")]);
    let tree = place.unpack(&package).unwrap();
    let sizes = BTreeMap::from([("index.js".into(), 3), ("lib/deep/a.js".into(), 5), ("b.js".into(), 0)]);
    assert_eq!((&tree.files, &tree.directory), (&sizes, &place.target()));
    assert_eq!(fs::read(tree.path("lib/deep/a.js")).unwrap(), b"three");
    assert_eq!(Tree::read(&place.target()).unwrap(), tree);
    assert_eq!(place.remains(), ["code"]);
}

#[test]
fn a_component_needs_no_zip() {
    let place = Place::new();
    let tree = place.unpack(b"\0asm\x0d\0\x01\0").unwrap();
    assert_eq!(tree.contents("", "custom").unwrap(), Contents::Component { path: "component.wasm".to_owned() });
}

#[test]
fn entries_that_lead_elsewhere_are_refused_by_name() {
    assert_eq!(refused(&renamed("xx/a", "../a")), "entry '../a' of the code package leads out of the package by `..`");
    assert!(refused(&renamed("b/xx/a", "b/../a")).contains("'b/../a'"));
    assert!(refused(&renamed("xetc/a", "/etc/a")).contains("'/etc/a' of the code package has an absolute path"));
    assert!(refused(&renamed("a_b", "a\\b")).contains("has a `\\` in its name"));
    assert!(refused(&renamed("a_b", "a\0b")).contains("'a\\0b' of the code package has a zero byte"));
    assert!(refused(&zip(&[(&"x".repeat(256), b"")])).contains("too long"));
}

#[test]
fn links_and_devices_are_refused_by_name() {
    let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
    writer.add_symlink("lib/link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let package = writer.finish().unwrap().into_inner();
    assert!(refused(&package).contains("'lib/link' of the code package is a symbolic link; pack the file"));
    // The mode of the link in the directory of the zip, turned into that of a character device.
    let device = replaced(&package, &(0o120_777_u32 << 16).to_le_bytes(), &(0o020_666_u32 << 16).to_le_bytes());
    assert!(refused(&device).contains("is neither a file nor a directory"));
}

#[test]
fn a_name_that_comes_twice_is_refused() {
    let package = replaced(&zip(&[("a.js", b"1"), ("b.js", b"2")]), b"b.js", b"a.js");
    assert!(refused(&package).contains("'a.js' of the code package is there twice"), "{}", refused(&package));
    assert!(refused(&zip(&[("a.js", b"1"), ("./a.js", b"2")])).contains("is there twice"));
    assert!(refused(&zip(&[("a", b"1"), ("a/b", b"2")])).contains("'a/b' of the code package is both a file and a"));
    // A directory may stand before and after its files.
    Place::new().unpack(&zip(&[("a/b", b"2"), ("a/", b""), ("a/c", b"")])).unwrap();
}

#[test]
fn an_encrypted_entry_is_refused_by_name() {
    let mut package = zip(&[("secret.js", b"text")]);
    // The general purpose flags: 6 bytes into a local header, 8 bytes into one of the directory.
    for (magic, offset) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = (0..package.len()).find(|&at| package[at..].starts_with(magic)).unwrap();
        package[at + offset] |= 1;
    }
    assert!(refused(&package).contains("'secret.js' of the code package is encrypted"));
}

#[test]
fn a_damaged_entry_is_refused_by_name() {
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
    writer.start_file("a.js", stored).unwrap();
    writer.write_all(b"original").unwrap();
    let package = replaced(&writer.finish().unwrap().into_inner(), b"original", b"tampered");
    assert!(refused(&package).contains("'a.js' of the code package is damaged"), "{}", refused(&package));
}

#[test]
fn what_is_no_zip_is_refused() {
    assert!(refused(b"hello").contains("no zip file and no WebAssembly component"));
    let package = zip(&[("a.js", b"text")]);
    assert!(refused(&package[..package.len() - 10]).contains("no zip file"));
}

#[test]
fn a_bomb_is_refused_before_it_fills_the_disk() {
    let bomb = zip(&[("small", b""), ("zeros", &vec![0; 32 << 20])]);
    assert!(bomb.len() < 64 << 10);
    assert_eq!(
        refused(&bomb),
        format!(
            "the code package unpacks to more than {} bytes, at entry 'zeros': it is too large, or compressed in bad faith",
            16 << 20
        )
    );
}

#[test]
fn the_sum_of_the_files_counts_whatever_the_zip_says() {
    let limits = PackageLimits { unpacked: 100, ..PackageLimits::default() };
    let package = zip(&[("a", &[1; 60]), ("b", &[2; 60])]);
    let place = Place::new();
    let error = unpack(&package, &place.target(), &limits).unwrap_err();
    assert!(error.to_string().contains("more than 100 bytes, at entry 'b'"), "{error}");
    // The sizes in the headers, 60, become 1: the zip lies, the count does not.
    let lying = replaced(&package, &60_u32.to_le_bytes(), &1_u32.to_le_bytes());
    assert!(unpack(&lying, &place.target(), &limits).is_err());
    assert_eq!(place.remains(), Vec::<String>::new());
}

#[test]
fn many_entries_and_deep_directories_are_counted() {
    let limits = PackageLimits { entries: 3, ..PackageLimits::default() };
    let place = Place::new();
    let unpack = |package: &[u8]| unpack(package, &place.target(), &limits).map(|_| ());
    let many = zip(&[("a", b""), ("b", b""), ("c", b""), ("d", b"")]);
    assert!(unpack(&many).unwrap_err().to_string().contains("has 4 entries; 3 is the most"));
    assert!(unpack(&zip(&[("a/b/c/d", b"")])).unwrap_err().to_string().contains("3 is the most"));
    unpack(&zip(&[("a/b/c", b"")])).unwrap();
}

#[test]
fn entries_that_share_bytes_are_refused() {
    let package = zip(&[("a.js", b"text"), ("b.js", b"text")]);
    let directory: Vec<usize> = (0..package.len()).filter(|&at| package[at..].starts_with(b"PK\x01\x02")).collect();
    let mut overlapping = package.clone();
    // Where the second entry's local header is: 42 bytes into its entry in the directory.
    overlapping[directory[1] + 42..directory[1] + 46].copy_from_slice(&0_u32.to_le_bytes());
    assert!(refused(&overlapping).contains("overlap"), "{}", refused(&overlapping));
}

#[test]
fn base64_is_decoded_up_to_the_limit() {
    let limits = PackageLimits { package: 8, ..PackageLimits::default() };
    assert_eq!(decode(&BASE64_STANDARD.encode(b"12345678"), &limits).unwrap(), b"12345678");
    assert!(matches!(decode(&BASE64_STANDARD.encode(b"123456789"), &limits), Err(PackageError::TooLarge { limit: 8 })));
    assert!(matches!(decode(&"A".repeat(1000), &limits), Err(PackageError::TooLarge { limit: 8 })));
    assert!(decode("not base64!", &PackageLimits::default()).unwrap_err().to_string().contains("is not base64"));
}

/// What a package with these files is served as.
fn contents(files: &[(&str, &[u8])], handler: &str, runtime: &str) -> Result<Contents, String> {
    let tree = Place::new();
    let unpacked = tree.unpack(&zip(files)).unwrap();
    unpacked.contents(handler, runtime).map_err(|error| error.to_string())
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

#[test]
fn a_component_at_the_top_goes_before_sources() {
    let component = |path: &str| Ok(Contents::Component { path: path.to_owned() });
    assert_eq!(contents(&[("f.wasm", COMPONENT), ("index.js", b"")], "index.handler", "nodejs20"), component("f.wasm"));
    assert_eq!(contents(&[("bin/f.wasm", COMPONENT), ("README", b"")], "", "custom"), component("bin/f.wasm"));
    let two = [("a.wasm", COMPONENT), ("b.wasm", COMPONENT)];
    assert_eq!(contents(&two, "b.handler", ""), component("b.wasm"));
    assert!(contents(&two, "index.handler", "").unwrap_err().contains("several components, a.wasm, b.wasm"));
    assert!(contents(&[("f.wasm", b"text")], "", "").unwrap_err().contains("'f.wasm' of the code package is no Web"));
}

#[test]
fn sources_are_those_that_the_handler_names() {
    let javascript = |module: &str| Ok(Contents::JavaScript { module: module.to_owned() });
    let python = |module: &str| Ok(Contents::Python { module: module.to_owned() });
    assert_eq!(contents(&[("src/app.js", b"")], "src/app.handler", "nodejs14"), javascript("src/app.js"));
    assert_eq!(contents(&[("app.mjs", b""), ("index.js", b"")], "app.handler", "nodejs20"), javascript("app.mjs"));
    assert_eq!(contents(&[("main.py", b""), ("index.js", b"")], "main.handler", "python3"), python("main.py"));
    assert_eq!(contents(&[("main.py", b"")], "main.handler", ""), python("main.py"));
    assert_eq!(contents(&[("index.js", b"")], "", ""), javascript("index.js"));
    let nested = [("index.js", &b""[..]), ("node_modules/x/y.wasm", COMPONENT)];
    assert_eq!(contents(&nested, "index.handler", "nodejs20"), javascript("index.js"));
}

#[test]
fn what_cannot_be_served_is_told_with_what_there_is() {
    let wrong = |files: &[(&str, &[u8])], handler: &str, runtime: &str| contents(files, handler, runtime).unwrap_err();
    assert_eq!(
        wrong(&[("app.js", b"")], "index.handler", "nodejs20"),
        "the handler 'index.handler' needs 'index.js' in the code package, but there is app.js"
    );
    assert!(wrong(&[("code/index.js", b"")], "index.handler", "nodejs20").contains("but it is in 'code'; pack the"));
    assert!(
        wrong(&[("bootstrap", b"")], "index.handler", "custom").contains("'bootstrap', which is a program for Linux")
    );
    assert!(wrong(&[("a.jar", b"")], "x::y", "java11").contains("'java11' is none that wisp has"));
    assert!(wrong(&[], "index.handler", "").contains("there is nothing"));
    let many: Vec<String> = (0..12).map(|number| format!("{number:02}.txt")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert!(wrong(&many, "index.handler", "python3").ends_with("08.txt, 09.txt and 2 more files"));
}

fn write(root: &Path, path: &str, text: &str) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

#[test]
fn a_directory_is_packed_without_what_is_ignored_and_always_alike() {
    let source = tempfile::tempdir().unwrap();
    for path in
        ["index.js", "lib/a.js", "lib/a.log", "node_modules/x/i.js", ".git/HEAD", "tests/t.js", "sub/tests/t.js"]
    {
        write(source.path(), path, path);
    }
    write(source.path(), IGNORE_FILE, "*.log\n/tests\n# not this\n!keep.log\n");
    write(source.path(), "keep.log", "kept");
    let packed = pack(source.path(), &PackageLimits::default()).unwrap();
    assert_eq!(packed, pack(source.path(), &PackageLimits::default()).unwrap());
    let place = Place::new();
    let tree = place.unpack(&packed.bytes).unwrap();
    let paths: Vec<&str> = tree.files.keys().map(String::as_str).collect();
    assert_eq!(paths, ["index.js", "keep.log", "lib/a.js", "node_modules/x/i.js", "sub/tests/t.js"]);
    assert_eq!(packed.files, 5);
    assert_eq!(fs::read_to_string(tree.path("lib/a.js")).unwrap(), "lib/a.js");
}

#[test]
fn links_are_packed_as_what_they_lead_to_unless_they_lead_out() {
    use std::os::unix::fs::symlink;
    let source = tempfile::tempdir().unwrap();
    write(source.path(), "lib/a.js", "a");
    symlink("lib/a.js", source.path().join("b.js")).unwrap();
    let place = Place::new();
    let tree = place.unpack(&pack(source.path(), &PackageLimits::default()).unwrap().bytes).unwrap();
    assert_eq!(fs::read_to_string(tree.path("b.js")).unwrap(), "a");
    symlink("/etc/hostname", source.path().join("out")).unwrap();
    let error = pack(source.path(), &PackageLimits::default()).unwrap_err().to_string();
    assert!(error.contains("entry 'out' of the code package leads out of the package"), "{error}");
    fs::remove_file(source.path().join("out")).unwrap();
    symlink("..", source.path().join("lib/up")).unwrap();
    let error = pack(source.path(), &PackageLimits::default()).unwrap_err().to_string();
    assert!(error.contains("'lib/up' of the code package is a link to a directory that it is in"), "{error}");
}

#[test]
fn whether_a_file_can_be_executed_survives() {
    use std::os::unix::fs::PermissionsExt as _;
    let source = tempfile::tempdir().unwrap();
    write(source.path(), "run.sh", "#!/bin/sh");
    fs::set_permissions(source.path().join("run.sh"), fs::Permissions::from_mode(0o4755)).unwrap();
    let place = Place::new();
    let tree = place.unpack(&pack(source.path(), &PackageLimits::default()).unwrap().bytes).unwrap();
    let mode = fs::metadata(tree.path("run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7111, 0o111);
}

#[test]
fn a_package_goes_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("f.zip");
    let package = zip(&[("index.js", b"")]);
    fs::write(&file, &package).unwrap();
    assert_eq!(pack(&file, &PackageLimits::default()).unwrap(), Packed { bytes: package, files: 0 });
    fs::write(&file, "text").unwrap();
    assert!(pack(&file, &PackageLimits::default()).unwrap_err().to_string().contains("is neither a directory"));
}
