//! House rules that no linter knows, read off the sources: floors, lengths, heads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Lines of a file before its tests.
const FILE_LINES: usize = 400;
/// Lines of a function's body.
const FUNCTION_LINES: usize = 60;

struct Source {
    path: PathBuf,
    /// The top-level module it belongs to.
    room: String,
    /// What stands before the tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(source(&root, path));
            }
        }
    }
    assert!(found.len() > 10, "the sources are there");
    found
}

fn source(root: &Path, path: PathBuf) -> Source {
    let relative = path.strip_prefix(root).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    let room = first.trim_end_matches(".rs").to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    let is_test = relative.with_extension("").components().any(|part| part.as_os_str() == "tests");
    let code = if is_test {
        String::new()
    } else {
        text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned()
    };
    Source { path, room, code }
}

/// Lines with a number, without comments.
fn lines(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Room → floor, lowest first: the `mod` list of `main.rs`, whose blank lines separate floors.
fn floors() -> BTreeMap<String, usize> {
    let main = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).unwrap();
    let (mut floors, mut floor, mut is_between) = (BTreeMap::new(), 0, false);
    for line in main.lines() {
        let room =
            line.trim_start_matches("pub ").strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
        match room {
            Some(room) => {
                floor += usize::from(is_between && !floors.is_empty());
                is_between = false;
                floors.insert(room.to_owned(), floor);
            }
            None => is_between |= line.trim().is_empty(),
        }
    }
    floors
}

/// A room uses only rooms of lower floors, and itself.
#[test]
fn no_arrow_goes_up_or_sideways() {
    let floors = floors();
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.room != "main") {
        let own = floors.get(&source.room).unwrap_or_else(|| panic!("{} is no room of main.rs", source.room));
        for (number, line) in lines(&source.code) {
            for (start, _) in line.match_indices("crate::") {
                let used: String =
                    line[start + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let is_fine = used == source.room || floors.get(&used).is_some_and(|floor| floor < own);
                if !is_fine {
                    wrong.push(format!("{}:{number}: {}", source.path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "arrows up or sideways (or a `crate::{{…}}` group):\n{}", wrong.join("\n"));
}

/// `super` must not be a way out of a room either.
#[test]
fn no_arrow_leaves_by_super() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for source in sources() {
        let module = source.path.strip_prefix(&root).unwrap().with_extension("");
        let depth = module.components().filter(|part| part.as_os_str() != "mod").count();
        let way_out = "super::".repeat(depth);
        let found = lines(&source.code).find(|(_, line)| line.contains(&way_out));
        assert!(found.is_none(), "{}: {found:?}", source.path.display());
    }
}

/// Every file says what its room is, and is short enough to be read.
#[test]
fn files_have_a_head_and_an_end() {
    let mut wrong = Vec::new();
    for source in sources() {
        let whole = std::fs::read_to_string(&source.path).unwrap();
        if !whole.starts_with("//!") {
            wrong.push(format!("{}: does not open with //!", source.path.display()));
        }
        let count = source.code.lines().count();
        if count > FILE_LINES {
            wrong.push(format!("{}: {count} lines", source.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The length of the body of the function that begins at `lines[0]`, if one does. Relies on rustfmt.
fn function_length(lines: &[&str]) -> Option<usize> {
    let first = lines.first()?;
    let text = first.trim_start();
    let words: Vec<_> = text.split_whitespace().take(5).collect();
    let is_function = words.contains(&"fn")
        && words
            .iter()
            .take_while(|word| **word != "fn")
            .all(|word| ["pub", "async", "const", "unsafe"].contains(word) || word.starts_with("pub("));
    if !is_function || text.ends_with('}') || text.ends_with(';') {
        return None;
    }
    let indent = &first[..first.len() - text.len()];
    let opening = lines.iter().position(|line| line.ends_with('{') || line.ends_with(';'))?;
    let end = lines.iter().position(|line| line.strip_prefix(indent) == Some("}"))?;
    Some(end.saturating_sub(opening + 1))
}

#[test]
fn functions_are_short() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines: Vec<_> = source.code.lines().collect();
        for number in 0..lines.len() {
            if let Some(length) = function_length(&lines[number..]).filter(|length| *length > FUNCTION_LINES)
            {
                wrong.push(format!("{}:{}: {length} lines", source.path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Words that have no place in finished code. (Put together here, so that this file has none of them.)
#[test]
fn no_loose_ends() {
    let banned = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X"],
        ["todo", "!("],
        ["unimplemented", "!("],
        [".unwrap", "()"],
        ["#[al", "low("],
        ["#![al", "low("],
    ];
    let mut wrong = Vec::new();
    for source in sources() {
        for (number, line) in source.code.lines().enumerate() {
            if banned.iter().any(|word| line.contains(&word.concat()))
                && !line.trim_start().starts_with("///")
            {
                wrong.push(format!("{}:{}: {}", source.path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each foreign language is spoken in one room only.
#[test]
fn languages_have_their_room() {
    for (word, homes) in [
        ("rusqlite", &["src/store"][..]),
        ("r2d2", &["src/store"]),
        // A command reaches a running server through its socket.
        ("hyper::", &["src/channels", "src/cli/remote.rs"]),
        ("tokio_rustls", &["src/channels"]),
    ] {
        let at_home = |path: &Path| homes.iter().any(|home| path.to_str().unwrap().contains(home));
        for source in sources().iter().filter(|source| !at_home(&source.path)) {
            let found = lines(&source.code).find(|(_, line)| line.contains(word));
            assert!(found.is_none(), "{} names {word}: {found:?}", source.path.display());
        }
    }
}
