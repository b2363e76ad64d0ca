//! The order of functions in a module: what is alike compresses better side by side.
//!
//! `wasm-opt` can sort functions by their names, so they are named by how they begin.

use anyhow::{Context, Result};

use super::module::{
    CODE, CUSTOM, FUNCTION_NAMES, HEADER_BYTES, IMPORTS, NAMES, Reader, imported_functions, number, text,
};

const TYPES_OF_FUNCTIONS: u8 = 3;
/// As much of a body as tells it from others of its type: the locals, and what is done first.
const BEGINNING_BYTES: usize = 6;

/// The module with other names: their order is that of likeness.
pub(super) fn named_by_likeness(module: &[u8]) -> Result<Vec<u8>> {
    let (header, sections) = module.split_at_checked(HEADER_BYTES).context("the module has no header")?;
    let (mut rest, mut named) = (Reader(sections), header.to_vec());
    let (mut imported, mut types, mut bodies) = (0, Vec::new(), Vec::new());
    while !rest.0.is_empty() {
        let before = rest.0;
        let (kind, content) = rest.section()?;
        match kind {
            IMPORTS => imported = imported_functions(Reader(content))?,
            TYPES_OF_FUNCTIONS => types = numbers(Reader(content))?,
            CODE => bodies = beginnings(Reader(content))?,
            CUSTOM if Reader(content).text()? == NAMES => continue,
            _ => {}
        }
        named.extend_from_slice(&before[..before.len() - rest.0.len()]);
    }
    let mut order: Vec<(usize, &[u8], usize)> =
        types.into_iter().zip(bodies).enumerate().map(|(index, (kind, body))| (kind, body, index)).collect();
    order.sort_unstable();
    let mut ranks: Vec<(usize, usize)> =
        order.into_iter().enumerate().map(|(rank, (_, _, index))| (imported + index, rank)).collect();
    ranks.sort_unstable();
    let mut entries = Vec::new();
    number(&mut entries, ranks.len());
    for (index, rank) in ranks {
        number(&mut entries, index);
        text(&mut entries, &format!("{rank:06}"));
    }
    let mut names = Vec::new();
    text(&mut names, NAMES);
    names.push(FUNCTION_NAMES);
    number(&mut names, entries.len());
    names.extend(entries);
    named.push(CUSTOM);
    number(&mut named, names.len());
    named.extend(names);
    Ok(named)
}

fn numbers(mut rest: Reader<'_>) -> Result<Vec<usize>> {
    (0..rest.number()?).map(|_| rest.number()).collect()
}

fn beginnings(mut rest: Reader<'_>) -> Result<Vec<&[u8]>> {
    (0..rest.number()?)
        .map(|_| {
            let length = rest.number()?;
            let body = rest.bytes(length)?;
            Ok(&body[..body.len().min(BEGINNING_BYTES)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::module::functions;

    /// Imports one function and defines three: of type 1, of type 0, and of type 0 with another body.
    const MODULE: &[u8] = b"\0asm\x01\0\0\0\
        \x02\x07\x01\x01a\x01b\0\0\
        \x03\x04\x03\x01\0\0\
        \x0a\x0b\x03\x02\0\x0b\x03\0\x02\x0b\x02\0\x0b\
        \0\x0b\x04name\x01\x04\x01\x01\x01f";

    #[test]
    fn functions_are_named_by_their_type_and_how_they_begin() {
        let named = named_by_likeness(MODULE).unwrap();
        let names: Vec<String> = functions(&named).unwrap().into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["000002", "000000", "000001"]);
        let sections = MODULE.len() - 13;
        assert_eq!(named[..sections], MODULE[..sections]);
    }

    #[test]
    fn a_module_that_ends_too_early_is_an_error() {
        for length in HEADER_BYTES + 1..MODULE.len() - 13 {
            let _ = named_by_likeness(&MODULE[..length]);
        }
        assert!(named_by_likeness(&MODULE[..4]).is_err());
    }
}
