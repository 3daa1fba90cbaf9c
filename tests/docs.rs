//! What the docs of a public item have to have: an example of every type and of every method that
//! does something, and the errors of whatever may fail. That the examples work, the doctests say;
//! that links lead somewhere, rustdoc does.

mod sources;

/// What a method answers that opens sockets.
const OPENED: [&str; 5] = ["TeamHandle", "RtnlSocket", "LinkEvents", "NetlinkConnection", "Self"];

/// The sections that are missing, by the line that should have them below its summary.
fn missing(source: &str) -> Vec<String> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let items = lines.iter().enumerate().filter(|(_, line)| is_public(line));
    items
        .flat_map(|(number, line)| {
            lacks(&lines, number).map(move |section| format!("{line}: {section}"))
        })
        .collect()
}

/// A macro's items have their docs where it is called.
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

/// An item without its body, and a function without its bounds.
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

/// Whether it is a function that changes something or opens sockets.
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
fn every_public_item_has_the_sections_that_it_should() {
    let mut types = 0;
    for source in sources::public() {
        types += source.text.lines().filter(|line| is_type(line.trim())).count();
        assert_eq!(missing(&source.text), [""; 0], "{}", source.path.display());
    }
    assert!(types > 40, "the test looks at nothing");
}

#[test]
fn what_lacks_a_section_is_found() {
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
