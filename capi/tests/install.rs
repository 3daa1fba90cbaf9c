//! `capi/install`, `capi/uninstall` and `capi/package-deb`, with a directory in place of the root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FILE: &str = "libteam.so.5.7.0";

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
}

/// The `libteam.so` that cargo built beside this test.
fn library() -> PathBuf {
    let library = env::current_exe().unwrap().with_file_name("libteam.so");
    assert!(library.is_file(), "{} is not built", library.display());
    library
}

/// An empty directory.
fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("install_{name}"));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What a command prints; it has to succeed.
fn output(command: &mut Command) -> String {
    let done = run(command);
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The files below a directory with what a link leads to, sorted.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if let Ok(to) = path.read_link() {
                found.push(format!("{name} -> {}", to.display()));
            } else if path.is_dir() {
                directories.push(path);
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

fn install(root: &Path, options: &[&str]) {
    let mut command = script("install");
    output(command.arg("--destdir").arg(root).arg("--library").arg(library()).args(options));
}

fn uninstall(root: &Path, options: &[&str]) {
    output(script("uninstall").arg("--destdir").arg(root).args(options));
}

#[test]
fn install_puts_files_that_uninstall_removes() {
    for (options, prefix, libdir) in [
        (&[][..], "usr/local", "usr/local/lib"),
        (&["--prefix", "/opt/team"], "opt/team", "opt/team/lib"),
        (&["--prefix", "/usr", "--libdir", "/usr/lib/abc"], "usr", "usr/lib/abc"),
    ] {
        let root = scratch("files");
        for _ in 0..2 {
            install(&root, options);
        }
        let mut expected = vec![
            format!("{prefix}/include/team.h"),
            format!("{libdir}/libteam.so -> libteam.so.5"),
            format!("{libdir}/libteam.so.5 -> {FILE}"),
            format!("{libdir}/{FILE}"),
            format!("{libdir}/pkgconfig/libteam.pc"),
        ];
        expected.sort();
        assert_eq!(files(&root), expected);
        let config = fs::read_to_string(root.join(libdir).join("pkgconfig/libteam.pc")).unwrap();
        for line in [
            format!("prefix=/{prefix}"),
            format!("libdir=/{libdir}"),
            format!("includedir=/{prefix}/include"),
            "Version: 1.31".to_owned(),
            "Libs: -L${libdir} -lteam".to_owned(),
        ] {
            assert!(config.lines().any(|found| found == line), "{line:?} in {config}");
        }
        assert!(!config.contains('@'), "{config}");
        uninstall(&root, options);
        assert_eq!(files(&root), Vec::<String>::new());
    }
}

#[test]
fn uninstall_leaves_another_library_alone() {
    let root = scratch("foreign");
    let libdir = root.join("usr/local/lib");
    fs::create_dir_all(libdir.join("pkgconfig")).unwrap();
    fs::create_dir_all(root.join("usr/local/include")).unwrap();
    for file in ["lib/libteam.so.5.6.1", "lib/pkgconfig/libteam.pc", "include/team.h"] {
        fs::write(root.join("usr/local").join(file), "another one's").unwrap();
    }
    for (link, to) in [("libteam.so", "libteam.so.5"), ("libteam.so.5", "libteam.so.5.6.1")] {
        std::os::unix::fs::symlink(to, libdir.join(link)).unwrap();
    }
    let before = files(&root);
    uninstall(&root, &[]);
    assert_eq!(files(&root), before);
}

#[test]
fn program_compiles_and_runs_with_what_is_installed() {
    let root = scratch("program");
    install(&root, &[]);
    let (source, program) = (root.join("program.c"), root.join("program"));
    let text = "#include <team.h>\n#include <stdio.h>\n\
        int main(void) { struct team_handle *th = team_alloc(); if (!th) return 1;\n\
        printf(\"%d %u\", team_get_log_priority(th), team_ifname2ifindex(th, \"lo\")); team_free(th); return 0; }\n";
    fs::write(&source, text).unwrap();
    let prefix = root.join("usr/local");
    output(
        Command::new("cc")
            .arg(format!("-I{}", prefix.join("include").display()))
            .arg("-o")
            .args([&program, &source])
            .arg(format!("-L{}", prefix.join("lib").display()))
            .arg("-lteam"),
    );
    let mut run = Command::new(&program);
    run.env("LD_LIBRARY_PATH", prefix.join("lib")).env_remove("TEAM_LOG");
    assert_eq!(output(&mut run), "3 1", "the default priority, and the index of lo");
}

#[test]
fn wrong_options_are_refused() {
    for (options, reason) in [
        (&["--nonsense", "1"][..], "unknown option --nonsense"),
        (&["--prefix"], "--prefix requires a value"),
        (&["--prefix", "usr"], "invalid prefix usr: expected an absolute path"),
        (&["--library", "/nonexistent"], "/nonexistent does not exist"),
    ] {
        let done = run(script("install").args(options));
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            !done.status.success() && error.starts_with(&format!("install: {reason}")),
            "{error}"
        );
    }
    assert!(output(script("install").arg("--help")).contains("capi/install [--prefix DIRECTORY]"));
}

#[test]
fn package_holds_the_library_and_replaces_debians() {
    let directory = scratch("package");
    let mut command = script("package-deb");
    let printed = output(command.arg("--output").arg(&directory).arg("--library").arg(library()));
    let package = PathBuf::from(printed.trim_end());
    assert_eq!(package.extension(), Some(OsStr::new("deb")));

    let listed = output(Command::new("dpkg-deb").arg("-c").arg(&package));
    let mut names: Vec<_> = listed
        .lines()
        .filter(|line| !line.starts_with('d'))
        .map(|line| line.split_whitespace().skip(5).collect::<Vec<_>>().join(" "))
        .collect();
    names.sort();
    let multiarch = output(Command::new("cc").arg("-print-multiarch"));
    let libdir = format!("./usr/lib/{}", multiarch.trim());
    let expected = [
        format!("{libdir}/libteam.so.5 -> {FILE}"),
        format!("{libdir}/{FILE}"),
        "./usr/share/doc/libteam5/changelog.Debian.gz".to_owned(),
        "./usr/share/doc/libteam5/copyright".to_owned(),
    ];
    assert_eq!(names, expected);
    assert!(listed.lines().all(|line| line.contains("root/root")), "{listed}");

    let field = |name: &str| {
        output(Command::new("dpkg-deb").arg("-f").arg(&package).arg(name)).trim_end().to_owned()
    };
    assert_eq!(field("Package"), "libteam5");
    assert_eq!(field("Provides"), "libteam5 (= 1.31-1)", "libteam-dev depends on that version");
    let depends = field("Depends");
    assert!(depends.starts_with("libc6 (>= 2.") && depends.contains("libgcc-s1"), "{depends}");
    let version = field("Version");
    for debians in ["1.31-1", "1.31-1+b2", "1.32-1", "1.99-1"] {
        output(Command::new("dpkg").args(["--compare-versions", &version, "gt", debians]));
    }
    let unpacked = directory.join("unpacked");
    output(Command::new("dpkg-deb").arg("-R").arg(&package).arg(&unpacked));
    let control = |name: &str| fs::read_to_string(unpacked.join("DEBIAN").join(name)).unwrap();
    assert_eq!(control("shlibs"), "libteam 5 libteam5 (>= 1.31)\n");
    assert_eq!(control("triggers"), "activate-noawait ldconfig\n");
    output(Command::new("md5sum").args(["-c", "--quiet", "DEBIAN/md5sums"]).current_dir(&unpacked));
}
