//! Public enums, and structs with public fields, are `#[non_exhaustive]` unless this test lists
//! them.

mod sources;

/// Types that cannot get more fields: an instruction is the kernel's `struct sock_filter`, and an
/// option is identified by three values.
const COMPLETE: [&str; 2] = ["pub struct BpfInstruction {", "pub struct OptionId {"];

/// Returns the definitions of a file that lack the attribute.
fn unmarked(source: &str) -> Vec<&str> {
    let lines: Vec<&str> = source.lines().collect();
    let may_grow = |number: usize, line: &str| {
        line.starts_with("pub enum ")
            || line.starts_with("pub struct ") && has_public_field(&lines, number)
    };
    let candidates = lines.iter().enumerate().filter(|(number, line)| may_grow(*number, line));
    candidates
        .filter(|(number, line)| !is_marked(&lines, *number) && !COMPLETE.contains(line))
        .map(|(_, line)| *line)
        .collect()
}

fn has_public_field(lines: &[&str], number: usize) -> bool {
    let has_body = lines.get(number).is_some_and(|line| line.ends_with(" {"));
    has_body
        && lines
            .iter()
            .skip(number + 1)
            .take_while(|line| **line != "}")
            .any(|line| line.starts_with("    pub "))
}

/// Returns whether one of the preceding attributes is `#[non_exhaustive]`.
fn is_marked(lines: &[&str], number: usize) -> bool {
    let above = lines.iter().take(number).rev().map(|line| line.trim_start());
    above
        .take_while(|line| !line.is_empty() && *line != "}")
        .any(|line| line == "#[non_exhaustive]")
}

#[test]
fn growing_types_are_non_exhaustive() {
    let mut definitions = 0;
    for source in sources::public() {
        definitions += source.text.lines().filter(|line| *line == "#[non_exhaustive]").count();
        assert_eq!(unmarked(&source.text), [""; 0], "{}", source.path.display());
    }
    assert!(definitions > 10, "found only {definitions} definitions");
}

#[test]
fn missing_non_exhaustive_is_found() {
    let plain = "pub enum A {\n    B,\n}\n\npub struct C {\n    pub d: u8,\n}\n\npub struct E {\n    f: u8,\n}\n";
    assert_eq!(unmarked(plain), ["pub enum A {", "pub struct C {"]);
    let marked = plain
        .replace("pub enum", "#[non_exhaustive]\npub enum")
        .replace("pub struct", "#[non_exhaustive]\npub struct");
    assert_eq!(unmarked(&marked), [""; 0]);
}
