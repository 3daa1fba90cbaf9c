//! The table in `examples/README.md` has each example, with a command that runs it. `.ci/examples`
//! runs the commands.

#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a readable file")
}

/// Returns the examples that cargo finds: `NAME.rs`, `NAME/main.rs`, and those of the manifest.
fn examples() -> BTreeSet<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let found = fs::read_dir(directory).expect("a directory").filter_map(|entry| {
        let path = entry.expect("an entry").path();
        let is_example = path.join("main.rs").exists()
            || path.extension().is_some_and(|extension| extension == "rs");
        let name = path.file_stem().expect("a name").to_str().expect("a name in ASCII");
        is_example.then(|| name.to_owned())
    });
    let manifest = read("Cargo.toml");
    let listed = manifest
        .split("[[example]]\nname = \"")
        .skip(1)
        .map(|section| section.split_once('"').expect("a closing quotation mark").0.to_owned());
    found.chain(listed).collect()
}

#[test]
fn readme_table_has_every_example() {
    let readme = read("examples/README.md");
    let mut names = BTreeSet::new();
    for row in readme.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches(['|', ' ']).split(" | ").collect();
        let [name, summary, command] = cells[..] else { panic!("{row}: {} cells", cells.len()) };
        let name = name.trim_matches('`');
        assert!(!summary.is_empty(), "{name} has no summary");
        let command = command.strip_prefix('`').and_then(|command| command.strip_suffix('`'));
        let command = command.unwrap_or_else(|| panic!("{name} has no command"));
        let starts = ["run", "build"].map(|verb| format!("cargo {verb} --example {name}"));
        assert!(
            starts.iter().any(|start| command.starts_with(start)),
            "the command of {name} runs another example: {command}"
        );
        assert!(names.insert(name.to_owned()), "{name} has two rows");
    }
    assert_eq!(names, examples());
}
