//! The two headers: the compiler compares the types of the functions, and a program prints the rest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::files::{debian_include, on_path, our_include, our_library, output, scratch};
use super::symbols;

/// The names of the functions.
fn functions() -> Vec<String> {
    symbols(&our_library())
        .iter()
        .map(|symbol| symbol.split(' ').next().unwrap().to_owned())
        .collect()
}

fn compile(language: &str, arguments: &[&str], file: &Path) -> Output {
    let compiler = if language == "c++" { on_path("c++", "g++") } else { on_path("cc", "gcc") };
    Command::new(compiler).args(["-x", language]).args(arguments).arg(file).output().unwrap()
}

fn assert_compiles(language: &str, arguments: &[&str], file: &Path) {
    let done = compile(language, arguments, file);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A header without the definitions of types and macros, which a file can have once only.
fn declarations_only(header: &str) -> String {
    let mut kept = String::new();
    let (mut is_in_definition, mut is_in_macro) = (false, false);
    for line in header.lines() {
        is_in_definition |= line.ends_with('{') && !line.contains('(') && !line.contains("extern");
        is_in_macro |= line.starts_with("#define");
        if !is_in_definition && !is_in_macro {
            kept.push_str(line);
            kept.push('\n');
        }
        is_in_definition &= !line.starts_with('}');
        is_in_macro &= line.ends_with('\\');
    }
    kept
}

/// A file that has the declarations of Debian's header, and then those of another one.
fn both_headers(name: &str, ours: &str) -> PathBuf {
    let file = scratch(name).join("both.c");
    let debians = fs::read_to_string(debian_include().join("team.h")).unwrap();
    fs::write(&file, format!("#include <stddef.h>\n{debians}\n{}", declarations_only(ours)))
        .unwrap();
    file
}

fn our_header() -> String {
    fs::read_to_string(our_include().join("team.h")).unwrap()
}

#[test]
fn every_function_has_debians_type() {
    assert_compiles("c", &["-fsyntax-only"], &both_headers("types", &our_header()));
}

/// The test above can fail, for each function.
#[test]
fn compiler_refuses_another_type_of_any_function() {
    let mut ours = our_header();
    for function in functions() {
        let changed = ours.replace(&format!("{function}("), &format!("{function}(double, "));
        assert_ne!(ours, changed, "{function} is declared");
        ours = changed.replace("(double, void)", "(double)");
    }
    let file = both_headers("refused", &ours);
    let done = compile("c", &["-fsyntax-only", "-fmax-errors=0"], &file);
    let errors = String::from_utf8_lossy(&done.stderr).replace(['‘', '’'], "'");
    for function in functions() {
        assert!(
            errors.contains(&format!("conflicting types for '{function}'")),
            "{function}: {errors}"
        );
    }
}

#[test]
fn header_declares_every_function() {
    let file = scratch("declared").join("declared.c");
    let functions = functions();
    let uses: Vec<String> = functions.iter().map(|name| format!("(any) {name}")).collect();
    let text = format!(
        "#include <team.h>\ntypedef void (*any)(void);\nany all[] = {{ {} }};\n",
        uses.join(", ")
    );
    fs::write(&file, text).unwrap();
    let include = format!("-I{}", our_include().display());
    let arguments = ["-fsyntax-only", "-Werror", "-Wno-deprecated-declarations", &include];
    assert_compiles("c", &arguments, &file);
}

/// Prints the values of the enumerations, and the layout of the structure.
const LAYOUT: &str = r#"
#include <stddef.h>
#include <stdio.h>
#include <team.h>
#define VALUE(name) printf("%s = %lld\n", #name, (long long) (name))
#define SAME(a, b) VALUE(__builtin_types_compatible_p(a, b))
int main(void)
{
    struct team_change_handler handler;
    VALUE(TEAM_OPTION_TYPE_U32); VALUE(TEAM_OPTION_TYPE_STRING); VALUE(TEAM_OPTION_TYPE_BINARY);
    VALUE(TEAM_OPTION_TYPE_BOOL); VALUE(TEAM_OPTION_TYPE_S32);
    VALUE(sizeof(enum team_option_type)); VALUE((enum team_option_type) -1 < 0);
    VALUE(TEAM_PORT_CHANGE); VALUE(TEAM_OPTION_CHANGE); VALUE(TEAM_IFINFO_CHANGE);
    VALUE(TEAM_IFINFO_REFRESH); VALUE(TEAM_ANY_CHANGE);
    VALUE(sizeof(handler)); VALUE(_Alignof(struct team_change_handler));
    VALUE(offsetof(struct team_change_handler, func)); VALUE(sizeof(handler.func));
    VALUE(offsetof(struct team_change_handler, type_mask)); VALUE(sizeof(handler.type_mask));
    SAME(team_change_type_mask_t, unsigned int);
    SAME(__typeof__(handler.type_mask), team_change_type_mask_t);
    SAME(__typeof__(handler.func), int (*)(struct team_handle *, void *, team_change_type_mask_t));
    return 0;
}
"#;

fn layout(name: &str, include: &Path) -> String {
    let directory = scratch(name);
    let (file, program) = (directory.join("layout.c"), directory.join("layout"));
    fs::write(&file, LAYOUT).unwrap();
    let include = format!("-I{}", include.display());
    assert_compiles("c", &[&include, "-o", program.to_str().unwrap()], &file);
    output(&mut Command::new(program))
}

#[test]
fn values_and_layouts_are_debians() {
    let ours = layout("layout_ours", &our_include());
    assert_eq!(ours, layout("layout_debian", &debian_include()));
    assert_eq!(ours.lines().count(), 21);
    assert!(ours.contains("TEAM_OPTION_TYPE_S32 = 4\n"), "{ours}");
}

/// Uses the macros, and passes a format to a function of variable arguments.
const FIRST_INCLUDED: &str = "
#include <team.h>
int use(struct team_handle *th);
int use(struct team_handle *th)
{
    struct team_port *port;
    struct team_ifinfo *ifinfo;
    struct team_option *option;
    const struct team_eventfd *eventfd;
    int count = 0;
    team_for_each_port(port, th) count++;
    team_for_each_ifinfo(ifinfo, th) count++;
    team_for_each_option(option, th) count++;
    team_for_each_event_fd(eventfd, th) count++;
    return count + (team_get_option(th, \"np!\", \"enabled\", (uint32_t) 1) != NULL);
}
";

#[test]
fn header_compiles_as_the_first_included() {
    let file = scratch("first").join("first.c");
    fs::write(&file, FIRST_INCLUDED).unwrap();
    let include = format!("-I{}", our_include().display());
    for (language, standards) in
        [("c", ["c99", "c11", "gnu17"]), ("c++", ["c++98", "c++11", "gnu++17"])]
    {
        for standard in standards {
            let standard = format!("-std={standard}");
            let arguments =
                ["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror", &standard, &include];
            assert_compiles(language, &arguments, &file);
        }
    }
}
