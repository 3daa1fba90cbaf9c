//! The output of `ip xfrm`, which is text only, in the JSON form of the example `ipsec`.

use std::fs;

use serde_json::{Value, json};

use crate::support::netns::{index, ip};

/// Splits the output into the lines of each object.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        match blocks.last_mut() {
            Some(block) if line.starts_with(char::is_whitespace) => block.push(line.trim()),
            _ => blocks.push(vec![line.trim()]),
        }
    }
    blocks
}

/// Returns the states of `ip xfrm state` in the example's form.
pub(crate) fn states() -> Vec<Value> {
    blocks(&ip("xfrm state")).iter().map(|block| state(block)).collect()
}

/// Returns the policies of `ip xfrm policy` in the example's form.
pub(crate) fn policies() -> Vec<Value> {
    blocks(&ip("xfrm policy")).iter().map(|block| policy(block)).collect()
}

/// Sets a key if there is a value.
fn set(json: &mut Value, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        json[key] = value.into();
    }
}

/// Returns the word after a word.
fn after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.split_whitespace().skip_while(|each| *each != word).nth(1)
}

/// Returns all words after a word.
fn all_after<'a>(line: &'a str, word: &str) -> Vec<&'a str> {
    line.split_whitespace().skip_while(|each| *each != word).skip(1).collect()
}

fn number(text: &str) -> u32 {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

fn masked(text: &str) -> Value {
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    json!({ "value": number(value), "mask": number(mask) })
}

/// Returns the name of a protocol. `ip` prints the name in the machine's `/etc/protocols`, or else
/// the number.
fn protocol(printed: &str) -> String {
    let number = printed.parse::<u8>().unwrap_or_else(|_| {
        let file = fs::read_to_string("/etc/protocols").expect("/etc/protocols is readable");
        let line = file.lines().find(|line| line.split_whitespace().next() == Some(printed));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .expect("/etc/protocols has the name that ip printed")
    });
    match number {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        47 => "gre".to_owned(),
        58 => "ipv6-icmp".to_owned(),
        other => other.to_string(),
    }
}

fn selector(line: &str) -> Value {
    let mut json = json!({ "src": after(line, "src"), "dst": after(line, "dst") });
    for key in ["sport", "dport", "type", "code"] {
        set(&mut json, key, after(line, key).map(number));
    }
    set(&mut json, "proto", after(line, "proto").map(protocol));
    // `ip` prints a key that was given as an address as a number.
    set(&mut json, "key", after(line, "key").map(number));
    set(&mut json, "ifindex", after(line, "dev").map(|name| index(name).get()));
    json
}

/// Parses `NAME KEY [BITS]` into the example's form, without the key.
fn algorithm(purpose: &str, line: &str) -> Value {
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    let key_bits = words.get(1).map_or(0, |key| (key.len() - 2) * 4);
    let mut json = json!({ "purpose": purpose, "name": words[0], "key_bits": key_bits });
    set(&mut json, "check_bits", words.get(2).map(|bits| number(bits)));
    json
}

fn state(block: &[&str]) -> Value {
    let mut json = json!({ "src": after(block[0], "src"), "dst": after(block[0], "dst"), "flags": [], "algorithms": [] });
    for line in &block[1..] {
        let second = || line.split_whitespace().nth(1).unwrap();
        match line.split_whitespace().next().unwrap() {
            "proto" => {
                json["proto"] = second().into();
                json["spi"] = after(line, "spi").map_or(0, number).into();
                json["reqid"] = number(after(line, "reqid").unwrap()).into();
                json["mode"] = after(line, "mode").into();
            }
            "replay-window" => {
                json["replay_window"] = number(second()).into();
                json["flags"] = all_after(line, "flag").into();
            }
            "replay_window" => {
                json["replay_window"] = number(second().trim_end_matches(',')).into();
            }
            "mark" => json["mark"] = masked(second()),
            "output-mark" => json["output_mark"] = masked(second()),
            "if_id" => json["if_id"] = number(second()).into(),
            "dir" => json["dir"] = second().into(),
            "coa" => json["coa"] = second().into(),
            "sel" => json["selector"] = selector(line),
            "encap" => {
                let port = |word| number(after(line, word).unwrap());
                json["encap"] = json!({ "type": after(line, "type"), "sport": port("sport"), "dport": port("dport") });
            }
            purpose @ ("auth-trunc" | "enc" | "aead" | "comp") => {
                let purpose = purpose.trim_end_matches("-trunc");
                json["algorithms"].as_array_mut().unwrap().push(algorithm(purpose, line));
            }
            _ => {}
        }
    }
    json
}

fn policy(block: &[&str]) -> Value {
    let mut json = json!({ "selector": selector(block[0]), "flags": [], "templates": [] });
    for line in &block[1..] {
        let second = || line.split_whitespace().nth(1).unwrap();
        match line.split_whitespace().next().unwrap() {
            "dir" => {
                json["dir"] = second().into();
                json["action"] = after(line, "action").unwrap_or("allow").into();
                json["priority"] = number(after(line, "priority").unwrap()).into();
                json["ptype"] = after(line, "ptype").into();
                json["flags"] = all_after(line, "flag").into();
            }
            "mark" => json["mark"] = masked(second()),
            "if_id" => json["if_id"] = number(second()).into(),
            "tmpl" => {
                let template = json!({ "src": after(line, "src"), "dst": after(line, "dst"), "optional": false });
                json["templates"].as_array_mut().unwrap().push(template);
            }
            word => {
                let template = json["templates"].as_array_mut().unwrap().last_mut().unwrap();
                if word == "level" {
                    template["optional"] = (second() == "use").into();
                } else {
                    template["proto"] = second().into();
                    template["reqid"] = number(after(line, "reqid").unwrap()).into();
                    template["mode"] = after(line, "mode").into();
                    set(template, "spi", after(line, "spi").map(number));
                }
            }
        }
    }
    json
}
