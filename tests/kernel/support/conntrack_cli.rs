//! Connection tracking as Debian's conntrack and the example `conntrack` show it.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::support::programs::{Outcome, example, on_path, run};

/// Runs Debian's conntrack and returns what it prints; panics if it fails.
#[track_caller]
pub(crate) fn run_conntrack(words: &str) -> String {
    let mut command = Command::new(on_path("conntrack", "conntrack"));
    command.args(words.split_whitespace());
    let outcome = run(command);
    assert!(outcome.status.success(), "conntrack {words}: {}", outcome.stderr);
    outcome.stdout
}

/// Inserts entries, given as for `conntrack -I`, by Debian's conntrack.
pub(crate) fn insert(entries: &[&str]) {
    let lines: String = entries.iter().flat_map(|entry| ["-I ", entry, "\n"]).collect();
    let mut command = Command::new(on_path("conntrack", "conntrack"));
    let mut conntrack = command.args(["-R", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    conntrack.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(conntrack.wait().unwrap().success(), "conntrack -R:\n{lines}");
}

/// Runs the example.
pub(crate) fn run_example(words: &str) -> Outcome {
    let mut command = Command::new(example("conntrack"));
    command.args(words.split_whitespace());
    run(command)
}

/// Returns what the example prints.
#[track_caller]
pub(crate) fn printed_by_example(words: &str) -> String {
    let outcome = run_example(words);
    assert_eq!((outcome.status.code(), &*outcome.stderr), (Some(0), ""), "{words}");
    outcome.stdout
}

/// Returns what Debian's conntrack lists with a filter, in the example's JSON form.
#[track_caller]
pub(crate) fn listed_by_conntrack(filter: &str) -> Vec<Value> {
    run_conntrack(&format!("-L {filter} -o extended,id")).lines().map(parse).collect()
}

/// Returns what the example lists with a filter.
#[track_caller]
pub(crate) fn listed_by_example(filter: &str) -> Vec<Value> {
    serde_json::from_str(&printed_by_example(&format!("list --json {filter}")))
        .expect("a JSON list")
}

/// Returns the ids of entries, in order.
pub(crate) fn ids(entries: &[Value]) -> Vec<u64> {
    let mut ids: Vec<u64> = entries.iter().map(|entry| entry["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// Panics unless the example lists the entries that Debian's conntrack lists; returns them.
#[track_caller]
pub(crate) fn assert_listed() -> Vec<Value> {
    // The kernel changes entries at any time. If two listings by conntrack are equal, the one by
    // the example between them has to be equal too.
    let (before, between) = loop {
        let (before, between, after) =
            (listed_by_conntrack(""), listed_by_example(""), listed_by_conntrack(""));
        if without_timeouts(&before) == without_timeouts(&after) {
            break (before, between);
        }
    };
    assert_eq!(ids(&between), ids(&before));
    for (own, entry) in without_timeouts(&between).iter().zip(&without_timeouts(&before)) {
        assert_eq!(own, entry);
    }
    for entry in &before {
        let own = between.iter().find(|own| own["id"] == entry["id"]).unwrap();
        match (entry["timeout"].as_u64(), own["timeout"].as_u64()) {
            (Some(seconds), Some(own)) => {
                assert!(seconds.abs_diff(own) < 20, "timeouts differ: {seconds} s, {own} s");
            }
            timeouts => assert_eq!(timeouts, (None, None)),
        }
    }
    before
}

fn without_timeouts(entries: &[Value]) -> Vec<Value> {
    let mut entries = entries.to_vec();
    for entry in &mut entries {
        entry.as_object_mut().unwrap().remove("timeout");
        // Debian's conntrack shows only one of these two words.
        let status = entry["status"].as_array_mut().unwrap();
        if status.contains(&"offload".into()) {
            status.retain(|word| word != "assured");
        }
    }
    entries.sort_by_key(|entry| entry["id"].as_u64());
    entries
}

/// Reads a line such as `ipv4 2 tcp 6 99 ESTABLISHED src=1.1.1.1 dst=2.2.2.2 … [UNREPLIED]
/// src=2.2.2.2 … mark=7 use=1 id=5`.
fn parse(line: &str) -> Value {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut entry = json!({ "protocol": words[3].parse::<u8>().unwrap() });
    let (mut tuples, mut status, mut is_behind) =
        (Vec::<Map<String, Value>>::new(), Vec::new(), false);
    for word in &words[4..] {
        if let Some((key, value)) = word.split_once('=') {
            let value = value.parse::<u64>().map_or_else(|_| Value::from(value), Value::from);
            is_behind |= key == "mark";
            match key {
                "packets" | "bytes" | "use" => {}
                _ if is_behind => entry[key] = value,
                "src" => tuples.push(Map::from_iter([(key.to_owned(), value)])),
                _ => drop(tuples.last_mut().unwrap().insert(key.to_owned(), value)),
            }
        } else if let Some(word) = word.strip_prefix('[') {
            status.push(word.trim_end_matches(']').to_lowercase());
        } else if let Ok(seconds) = word.parse::<u64>() {
            entry["timeout"] = seconds.into();
        } else {
            entry["state"] = (*word).into();
        }
    }
    let [original, reply] = tuples.try_into().expect("two tuples");
    entry["original"] = original.into();
    entry["reply"] = reply.into();
    status.sort_by_key(|word| {
        ["unreplied", "assured", "offload"].iter().position(|known| known == word)
    });
    entry["status"] = status.into();
    entry
}
