//! What a module shows to the outside: without what nobody calls, and by names of a letter or two.
//!
//! The names that wasm-bindgen gives to what a module imports stand in the module and in the script, and each ends with
//! a hash that no compression makes smaller.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};

use super::module::{CUSTOM, EXPORTS, HEADER_BYTES, IMPORTS, Reader, imported, number, text};

/// Exports of a library that offers Rust's streams to scripts, which no script of ours asks for. As exports they stay
/// in every module that is linked with it.
const UNCALLED: &str = "intounderlying";
/// Where wasm-bindgen keeps what it has to know of the source.
const DESCRIPTIONS: &str = "__wasm_bindgen_unstable";
/// What the module imports from the script that belongs to it.
const SCRIPT: &str = "./app_bg.js";
/// The same in the module that is sent.
const SCRIPT_SHORT: &str = "a";
/// How names begin that wasm-bindgen exports for that script alone.
const EXPORTED: [&str; 3] = ["__wasm_bindgen", "__wb", "__externref"];

/// The module as it is linked, without the exports that nobody calls. What only they need is left out by the cut.
pub(super) fn without_uncalled(module: &[u8]) -> Result<Vec<u8>> {
    rewritten(module, |kind, content| {
        Ok(Some(match kind {
            EXPORTS => called_exports(Reader(content))?,
            CUSTOM => descriptions(Reader(content))?.unwrap_or_else(|| content.to_vec()),
            _ => return Ok(None),
        }))
    })
}

/// A module and its script, which call each other by short names.
pub(super) fn shortened(module: &[u8], script: &str) -> Result<(Vec<u8>, String)> {
    let (mut keys, mut members) = (Names::default(), Names::default());
    let module = rewritten(module, |kind, content| {
        Ok(match kind {
            IMPORTS => Some(short_imports(Reader(content), &mut keys)?),
            EXPORTS => Some(short_exports(Reader(content), &mut members)?),
            _ => None,
        })
    })?;
    let script = script.replace(&format!("\"{SCRIPT}\""), &format!("\"{SCRIPT_SHORT}\""));
    Ok((module, renamed(&script, &keys, &members)?))
}

/// Short names in the order in which they are asked for.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn short(&mut self, name: &str) -> String {
        let letters = (b'a'..=b'z').chain(b'A'..=b'Z').map(char::from).collect::<Vec<_>>();
        let number = self.0.len();
        let mut short = String::from(letters[number % letters.len()]);
        if let Some(rest) = (number / letters.len()).checked_sub(1) {
            short.push_str(&rest.to_string());
        }
        self.0.insert(name.to_owned(), short.clone());
        short
    }
}

/// The module with those sections replaced that `rewrite` has something else for.
fn rewritten(
    module: &[u8],
    mut rewrite: impl FnMut(u8, &[u8]) -> Result<Option<Vec<u8>>>,
) -> Result<Vec<u8>> {
    let (header, sections) = module.split_at_checked(HEADER_BYTES).context("the module has no header")?;
    let (mut rest, mut written) = (Reader(sections), header.to_vec());
    while !rest.0.is_empty() {
        let (kind, content) = rest.section()?;
        let other = rewrite(kind, content)?;
        let content = other.as_deref().unwrap_or(content);
        written.push(kind);
        number(&mut written, content.len());
        written.extend_from_slice(content);
    }
    Ok(written)
}

fn called_exports(mut rest: Reader<'_>) -> Result<Vec<u8>> {
    let (mut count, mut kept) = (0, Vec::new());
    for _ in 0..rest.number()? {
        let (name, kind, index) = (rest.text()?, rest.byte()?, rest.number()?);
        if !name.contains(UNCALLED) {
            count += 1;
            export(&mut kept, name, kind, index);
        }
    }
    Ok(counted(count, &kept))
}

/// What wasm-bindgen knows, in pairs of a version and a description, without what describes the uncalled. `None` for
/// other custom sections.
fn descriptions(mut rest: Reader<'_>) -> Result<Option<Vec<u8>>> {
    let mut kept = Vec::new();
    let name = rest.text()?;
    if name != DESCRIPTIONS {
        return Ok(None);
    }
    text(&mut kept, name);
    while !rest.0.is_empty() {
        let before = rest.0;
        let mut described = false;
        for _ in 0..2 {
            let length = rest.bytes(size_of::<u32>())?.try_into().context("a length is four bytes")?;
            let part = rest.bytes(u32::from_le_bytes(length) as usize)?;
            described |=
                part.windows(UNCALLED.len()).any(|part| part.eq_ignore_ascii_case(UNCALLED.as_bytes()));
        }
        if !described {
            kept.extend_from_slice(&before[..before.len() - rest.0.len()]);
        }
    }
    Ok(Some(kept))
}

fn short_imports(mut rest: Reader<'_>, keys: &mut Names) -> Result<Vec<u8>> {
    let (count, mut written) = (rest.number()?, Vec::new());
    for _ in 0..count {
        let (from, name) = (rest.text()?, rest.text()?);
        if from == SCRIPT {
            text(&mut written, SCRIPT_SHORT);
            text(&mut written, &keys.short(name));
        } else {
            text(&mut written, from);
            text(&mut written, name);
        }
        written.extend_from_slice(imported(&mut rest)?);
    }
    Ok(counted(count, &written))
}

fn short_exports(mut rest: Reader<'_>, members: &mut Names) -> Result<Vec<u8>> {
    let (count, mut written) = (rest.number()?, Vec::new());
    for _ in 0..count {
        let (name, kind, index) = (rest.text()?, rest.byte()?, rest.number()?);
        if EXPORTED.iter().any(|own| name.starts_with(own)) {
            export(&mut written, &members.short(name), kind, index);
        } else {
            export(&mut written, name, kind, index);
        }
    }
    Ok(counted(count, &written))
}

/// The script with what it offers (`name: function…`) and what it calls (`wasm.name`) under other names.
fn renamed(script: &str, keys: &Names, members: &Names) -> Result<String> {
    let (mut written, mut rest, mut offered) = (String::new(), script, 0);
    let is_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
    while let Some(start) = rest.find(is_word) {
        let (before, from) = rest.split_at(start);
        written.push_str(before);
        let (word, after) = from.split_at(from.find(|letter| !is_word(letter)).unwrap_or(from.len()));
        let short = if written.ends_with("wasm.") {
            members.0.get(word)
        } else {
            keys.0.get(word).filter(|_| after.starts_with(':')).inspect(|_| offered += 1)
        };
        written.push_str(short.map_or(word, String::as_str));
        rest = after;
    }
    if offered != keys.0.len() {
        bail!("the script offers {offered} of the {} functions that the module imports", keys.0.len());
    }
    Ok(written + rest)
}

fn export(written: &mut Vec<u8>, name: &str, kind: u8, index: usize) {
    text(written, name);
    written.push(kind);
    number(written, index);
}

fn counted(count: usize, entries: &[u8]) -> Vec<u8> {
    let mut section = Vec::new();
    number(&mut section, count);
    section.extend_from_slice(entries);
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut section = vec![kind];
        number(&mut section, content.len());
        section.extend_from_slice(content);
        section
    }

    fn module(sections: &[Vec<u8>]) -> Vec<u8> {
        [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
    }

    fn exports(names: &[(&str, usize)]) -> Vec<u8> {
        let mut entries = Vec::new();
        names.iter().for_each(|(name, index)| export(&mut entries, name, 0, *index));
        section(EXPORTS, &counted(names.len(), &entries))
    }

    fn imports(names: &[(&str, &str)]) -> Vec<u8> {
        let mut entries = Vec::new();
        for (from, name) in names {
            text(&mut entries, from);
            text(&mut entries, name);
            entries.extend_from_slice(&[0, 1]);
        }
        section(IMPORTS, &counted(names.len(), &entries))
    }

    fn described(of: &[&str]) -> Vec<u8> {
        let mut content = Vec::new();
        text(&mut content, DESCRIPTIONS);
        for part in of.iter().flat_map(|of| ["{}", of]) {
            content.extend_from_slice(&(part.len() as u32).to_le_bytes());
            content.extend_from_slice(part.as_bytes());
        }
        section(CUSTOM, &content)
    }

    #[test]
    fn what_nobody_calls_is_neither_exported_nor_described() {
        let whole = module(&[
            exports(&[("memory", 0), ("intounderlyingsource_pull", 200), ("main", 201)]),
            described(&["one", "class IntoUnderlyingSource", "two"]),
            section(CUSTOM, b"\x04name"),
        ]);
        let left = module(&[
            exports(&[("memory", 0), ("main", 201)]),
            described(&["one", "two"]),
            section(CUSTOM, b"\x04name"),
        ]);
        assert_eq!(without_uncalled(&whole).unwrap(), left);
    }

    #[test]
    fn a_module_and_its_script_know_each_other_by_short_names() {
        let whole = module(&[
            imports(&[(SCRIPT, "__wbg_a_1f"), ("./links.js", "__wbg_a_1f"), (SCRIPT, "__wbindgen_b")]),
            exports(&[("memory", 0), ("__wbindgen_malloc", 1)]),
        ]);
        let script = r#"{ __wbg_a_1f: function() { __wbg_a_1f; wasm.__wbindgen_malloc(); wasm.memory },
            __wbindgen_b: 1 }; let __wbindgen_malloc; x = { "./app_bg.js": y }"#;
        let (module_short, script) = shortened(&whole, script).unwrap();
        assert_eq!(
            module_short,
            module(&[
                imports(&[("a", "a"), ("./links.js", "__wbg_a_1f"), ("a", "b")]),
                exports(&[("memory", 0), ("a", 1)])
            ])
        );
        assert_eq!(
            script,
            r#"{ a: function() { __wbg_a_1f; wasm.a(); wasm.memory },
            b: 1 }; let __wbindgen_malloc; x = { "a": y }"#
        );
    }

    #[test]
    fn a_script_without_what_the_module_imports_is_an_error() {
        let whole = module(&[imports(&[(SCRIPT, "__wbg_a_1f")])]);
        assert!(shortened(&whole, "{ __wbg_b_2f: 1 }").is_err());
    }

    #[test]
    fn short_names_differ() {
        let mut names = Names::default();
        let short: std::collections::HashSet<String> =
            (0..2_000).map(|number| names.short(&number.to_string())).collect();
        assert_eq!(short.len(), 2_000);
        assert!(short.contains("a") && short.contains("Z") && short.contains("a0"));
    }
}
