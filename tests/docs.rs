//! The required sections in the docs of public items: examples for every type and every method that
//! does something, errors for every item that may fail. The doctests check that the examples work,
//! rustdoc that links resolve.

mod sources;

/// The results of methods that open sockets.
const OPENED: [&str; 5] = ["TeamHandle", "RtnlSocket", "LinkEvents", "NetlinkConnection", "Self"];

/// Returns the missing sections, each with the line of its item.
fn missing(source: &str) -> Vec<String> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let items = lines.iter().enumerate().filter(|(_, line)| is_public(line));
    items
        .flat_map(|(number, line)| {
            lacks(&lines, number).map(move |section| format!("{line}: {section}"))
        })
        .collect()
}

// Items of a macro have their docs in its invocation.
fn is_public(line: &str) -> bool {
    line.starts_with("pub ") && !line.contains('$')
}

fn lacks<'a>(lines: &[&'a str], number: usize) -> impl Iterator<Item = &'static str> + use<'a> {
    let (above, below) = lines.split_at(number);
    let docs: Vec<&str> = above.iter().rev().take_while(|line| is_doc(line)).copied().collect();
    let item = item(below);
    let wanted =
        [("# Errors", may_fail(&item)), ("# Examples", is_type(&item) || does_something(&item))];
    let lacks =
        move |section: &str| !docs.iter().any(|line| line.strip_prefix("/// ") == Some(section));
    wanted
        .into_iter()
        .filter(move |(section, is_wanted)| *is_wanted && lacks(section))
        .map(|(section, _)| section)
}

fn is_doc(line: &str) -> bool {
    line.starts_with("///") || line.starts_with("#[")
}

/// Returns an item without its body, and a function without its bounds.
fn item(lines: &[&str]) -> String {
    let mut item = String::new();
    for line in lines {
        let (head, _) = line.split_once('{').unwrap_or((line, ""));
        if *line == "where" {
            break;
        }
        item.push_str(head.split(';').next().unwrap_or_default());
        if line.contains(['{', ';']) {
            break;
        }
    }
    item
}

fn is_type(item: &str) -> bool {
    ["pub struct ", "pub enum ", "pub trait "].iter().any(|kind| item.starts_with(kind))
}

/// Returns whether an item is a function that changes something or opens sockets.
fn does_something(item: &str) -> bool {
    let opens =
        || OPENED.iter().any(|opened| item.trim_end().ends_with(&format!(" -> Result<{opened}>")));
    item.contains("fn ") && (item.contains("&mut self") || opens())
}

fn may_fail(item: &str) -> bool {
    item.contains("fn ")
        && item.rsplit_once(") -> ").is_some_and(|(_, answer)| answer.contains("Result<"))
}

#[test]
fn public_items_have_their_sections() {
    let mut types = 0;
    for source in sources::public() {
        types += source.text.lines().filter(|line| is_type(line.trim())).count();
        assert_eq!(missing(&source.text), [""; 0], "{}", source.path.display());
    }
    assert!(types > 40, "found only {types} public types");
}

#[test]
fn missing_section_is_found() {
    let plain = "
        /// A.
        #[derive(Debug)]
        pub struct A(u8);
        /// B.
        pub fn b(
            &mut self,
        ) -> Result<(), E>
        where
            T: Copy,
        {}
        /// C.
        pub fn c<F: Fn() -> Result<()>>(&self, f: F) -> u8 {}
        /// D.
        pub const fn d(self) -> Option<Self> { Some(self) }
        /// E.
        pub fn e(&self) -> Result<TeamHandle> {}
    ";
    let lacks = [
        "pub struct A(u8);: # Examples",
        "pub fn b(: # Errors",
        "pub fn b(: # Examples",
        "pub fn e(&self) -> Result<TeamHandle> {}: # Errors",
        "pub fn e(&self) -> Result<TeamHandle> {}: # Examples",
    ];
    assert_eq!(missing(plain), lacks);
    let whole = ["/// B.", "/// E."]
        .iter()
        .fold(plain.replace("/// A.", "/// # Examples"), |text, summary| {
            text.replace(summary, "/// # Errors\n/// # Examples")
        });
    assert_eq!(missing(&whole), [""; 0]);
}
