//! The crate's source files, for tests that read them.

#![allow(clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// Paths that are public only for the fuzz targets.
const INNER: [&str; 1] = ["src/testing/fuzz"];

/// A source file that may have public items.
pub(crate) struct Source {
    /// The path relative to the crate's root.
    #[allow(dead_code, reason = "only some of the tests print the path")]
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Returns all such files.
pub(crate) fn public() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for file in files(&root.join("src")) {
        let path = file.strip_prefix(root).expect("a path in the crate").to_owned();
        let is_inner =
            INNER.iter().any(|inner| path.starts_with(inner)) || path.ends_with("tests.rs");
        if path.extension().is_some_and(|extension| extension == "rs") && !is_inner {
            sources.push(Source {
                path,
                text: join_attributes(&fs::read_to_string(&file).expect("a readable source file")),
            });
        }
    }
    sources
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files
        .into_iter()
        .chain(directories.iter().flat_map(|directory| self::files(directory)))
        .collect()
}

/// Joins each attribute that spans several lines into one line.
fn join_attributes(source: &str) -> String {
    let (mut joined, mut is_inside) = (String::new(), false);
    for line in source.lines() {
        joined.push_str(if is_inside { line.trim() } else { line });
        let starts = line.trim_start().starts_with("#[") && !line.trim_end().ends_with(']');
        is_inside = (is_inside || starts) && line.trim() != ")]";
        if !is_inside {
            joined.push('\n');
        }
    }
    joined
}
