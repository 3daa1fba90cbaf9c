//! The guide's table of C functions is complete, and a search of the docs for a C name finds the
//! item in the table.

#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The number of functions in `team.h` of libteam 1.31.
const C_FUNCTIONS: usize = 109;

/// Returns the rows of the guide's tables: the name of the C function, and the other cell.
fn table() -> Vec<(String, String)> {
    let page = fs::read_to_string(repository("src/guide/c_functions.md")).expect("the page");
    let cells = |line: &str| {
        let (function, item) =
            line.strip_prefix("| `team_")?.strip_suffix(" |")?.split_once("` | ")?;
        Some((format!("team_{function}"), item.trim().to_owned()))
    };
    page.lines().filter_map(cells).collect()
}

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the items of each alias: `Type::item`, or only the name of a type or module.
fn aliases() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for source in sources::public() {
        collect_aliases(&source.text, &mut found);
    }
    found
}

fn collect_aliases(source: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let (mut container, mut waiting) = (String::new(), Vec::new());
    for line in source.lines() {
        let code = line.trim_start();
        if let Some(alias) =
            code.strip_prefix("#[doc(alias = \"").and_then(|rest| rest.strip_suffix("\")]"))
        {
            waiting.push(alias.to_owned());
        } else if let Some(item) = item_name(code) {
            let is_container = ["struct ", "enum ", "mod ", "impl"].iter().any(|keyword| {
                code.trim_start_matches("pub(crate) ")
                    .trim_start_matches("pub ")
                    .starts_with(keyword)
            });
            if is_container {
                container.clone_from(&item);
            }
            let path = if is_container { item } else { format!("{container}::{item}") };
            for alias in waiting.drain(..) {
                found.entry(alias).or_default().insert(path.clone());
            }
        }
    }
}

/// Returns the name of the item whose definition begins on a line.
fn item_name(code: &str) -> Option<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    if code.starts_with(['/', '#']) {
        return None;
    }
    if let Some(implementation) = code.strip_prefix("impl") {
        let target = implementation.strip_suffix(" {")?;
        let target = target.rsplit(" for ").next()?;
        // `impl<T> Change<T>` belongs to every `Change`, `impl Change<Link>` to one.
        return Some(match target.strip_prefix('<') {
            Some(generic) => generic.split_once("> ")?.1.split('<').next()?.to_owned(),
            None => target.trim().to_owned(),
        });
    }
    let words = ["pub(crate) ", "pub ", "const ", "fn ", "struct ", "enum ", "mod "];
    let name = words.iter().fold(code, |code, word| code.strip_prefix(word).unwrap_or(code));
    let name: String = name.chars().take_while(|c| is_name(*c)).collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn table_has_every_function_once_and_no_empty_cell() {
    let table = table();
    let names: BTreeSet<_> = table.iter().map(|(function, _)| function).collect();
    assert_eq!((table.len(), names.len()), (C_FUNCTIONS, C_FUNCTIONS));
    for (function, item) in &table {
        assert!(item.contains('`'), "{function} has no counterpart: {item:?}");
    }
}

#[test]
fn first_item_of_each_row_is_a_link() {
    for (function, cell) in table() {
        let (item, _) = cell
            .strip_prefix("[`")
            .and_then(|cell| cell.split_once("`](crate::"))
            .unwrap_or_else(|| panic!("{function} has no link: {cell}"));
        // A path has no type arguments.
        let path = item.split_once('<').map_or(item.to_owned(), |(start, rest)| {
            let (_, end) = rest.split_once('>').expect("a closing bracket");
            [start, end].concat()
        });
        // rustdoc finds the methods of a trait by their anchors only.
        let links = [path.clone(), path.replacen("::", "#method.", 1)]
            .map(|path| format!("[`{item}`](crate::{path})"));
        assert!(
            links.iter().any(|link| cell.starts_with(link)),
            "{function}: {cell} starts with none of {links:?}"
        );
    }
}

#[test]
fn functions_are_aliases_of_the_table_items() {
    let aliases = aliases();
    for (function, cell) in table() {
        let items =
            aliases.get(&function).unwrap_or_else(|| panic!("{function} is not an alias in src"));
        let named: BTreeSet<_> = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert!(
            !items.is_disjoint(&named),
            "the table has {named:?} for {function}, the alias is on {items:?}"
        );
    }
}

#[test]
fn table_has_every_alias() {
    let known: BTreeSet<_> = table().into_iter().map(|(function, _)| function).collect();
    let types = [
        "team_handle",
        "team_port",
        "team_ifinfo",
        "team_option",
        "team_option_type",
        "team_change_type_mask_t",
    ];
    for alias in aliases().into_keys().filter(|alias| alias.starts_with("team_")) {
        assert!(
            known.contains(&alias) || types.contains(&&*alias),
            "no row of the table has {alias}"
        );
    }
}
