//! A WebAssembly module as far as its weight goes: how long each function is and what it is called, and the same
//! module without names.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail};

pub(super) const HEADER_BYTES: usize = 8;
pub(super) const CUSTOM: u8 = 0;
pub(super) const IMPORTS: u8 = 2;
pub(super) const EXPORTS: u8 = 7;
pub(super) const CODE: u8 = 10;
pub(super) const FUNCTION_NAMES: u8 = 1;
/// What the section of names is called.
pub(super) const NAMES: &str = "name";

/// A function of a module: its name as the compiler wrote it, and its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) bytes: usize,
}

/// Reads bytes from the front.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.0.split_first().context("the module ends too early")?;
        self.0 = rest;
        Ok(*first)
    }

    /// A number of at most 32 bits, in groups of seven.
    pub(super) fn number(&mut self) -> Result<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        bail!("a number of the module is too long")
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("the module ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn text(&mut self) -> Result<&'a str> {
        let count = self.number()?;
        std::str::from_utf8(self.bytes(count)?).context("a name of the module is no text")
    }

    /// The next section or subsection: its kind and its content.
    pub(super) fn section(&mut self) -> Result<(u8, &'a [u8])> {
        let kind = self.byte()?;
        let count = self.number()?;
        Ok((kind, self.bytes(count)?))
    }
}

/// Writes a text as a module holds it.
pub(super) fn text(written: &mut Vec<u8>, text: &str) {
    number(written, text.len());
    written.extend_from_slice(text.as_bytes());
}

/// Writes a number in groups of seven bits, the lowest first.
pub(super) fn number(written: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        written.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    written.push((number & 0x7f) as u8);
}

/// The functions a module defines.
pub(super) fn functions(module: &[u8]) -> Result<Vec<Function>> {
    let mut rest = Reader(module.get(HEADER_BYTES..).context("the module has no header")?);
    let (mut imported, mut lengths, mut names) = (0, Vec::new(), HashMap::new());
    while !rest.0.is_empty() {
        let (kind, content) = rest.section()?;
        match kind {
            IMPORTS => imported = imported_functions(Reader(content))?,
            CODE => lengths = body_lengths(Reader(content))?,
            CUSTOM => names.extend(function_names(Reader(content))?),
            _ => {}
        }
    }
    let name = |index: usize| names.get(&(imported + index)).cloned().unwrap_or_else(|| format!("#{index}"));
    Ok(lengths.into_iter().enumerate().map(|(index, bytes)| Function { name: name(index), bytes }).collect())
}

pub(super) fn imported_functions(mut rest: Reader<'_>) -> Result<usize> {
    let mut functions = 0;
    for _ in 0..rest.number()? {
        rest.text()?;
        rest.text()?;
        functions += usize::from(imported(&mut rest)?[0] == 0);
    }
    Ok(functions)
}

/// What is said of an import behind its two names; it begins with its kind.
pub(super) fn imported<'a>(rest: &mut Reader<'a>) -> Result<&'a [u8]> {
    let before = rest.0;
    match rest.byte()? {
        0 => drop(rest.number()?),
        1 => {
            rest.byte()?;
            limits(rest)?;
        }
        2 => limits(rest)?,
        3 => drop(rest.bytes(2)?),
        4 => {
            rest.byte()?;
            rest.number()?;
        }
        other => bail!("the module imports something of the unknown kind {other}"),
    }
    Ok(&before[..before.len() - rest.0.len()])
}

fn limits(rest: &mut Reader<'_>) -> Result<()> {
    let has_maximum = rest.byte()? & 1 == 1;
    rest.number()?;
    if has_maximum {
        rest.number()?;
    }
    Ok(())
}

fn body_lengths(mut rest: Reader<'_>) -> Result<Vec<usize>> {
    (0..rest.number()?)
        .map(|_| {
            let length = rest.number()?;
            rest.bytes(length)?;
            Ok(length)
        })
        .collect()
}

fn function_names(mut rest: Reader<'_>) -> Result<HashMap<usize, String>> {
    let mut names = HashMap::new();
    if rest.text()? != NAMES {
        return Ok(names);
    }
    while !rest.0.is_empty() {
        let (kind, content) = rest.section()?;
        if kind == FUNCTION_NAMES {
            let mut entries = Reader(content);
            for _ in 0..entries.number()? {
                names.insert(entries.number()?, entries.text()?.to_owned());
            }
        }
    }
    Ok(names)
}

/// The module without its custom sections: a browser has no use for names.
pub(super) fn stripped(module: &[u8]) -> Result<Vec<u8>> {
    let (header, sections) = module.split_at_checked(HEADER_BYTES).context("the module has no header")?;
    let (mut rest, mut stripped) = (Reader(sections), header.to_vec());
    while !rest.0.is_empty() {
        let before = rest.0;
        let (kind, _) = rest.section()?;
        if kind != CUSTOM {
            stripped.extend_from_slice(&before[..before.len() - rest.0.len()]);
        }
    }
    Ok(stripped)
}

/// What takes the room: bytes and number of functions by crate, and of the `most` heaviest functions, all instances of
/// a generic one together.
pub(super) fn room(functions: &[Function], most: usize) -> String {
    let (mut crates, mut generics) = (BTreeMap::new(), BTreeMap::new());
    for function in functions {
        let name = format!("{:#}", rustc_demangle::demangle(&function.name));
        for (map, key) in [(&mut crates, crate_of(&name)), (&mut generics, without_generics(&name))] {
            let (bytes, count) = map.entry(key).or_insert((0, 0));
            *bytes += function.bytes;
            *count += 1;
        }
    }
    let mut said = String::new();
    for (title, rows) in [("crate", crates), ("function", generics)] {
        let mut rows: Vec<(String, (usize, usize))> = rows.into_iter().collect();
        rows.sort_by_key(|(_, (bytes, _))| std::cmp::Reverse(*bytes));
        said += &format!("{:>9}  {:>6}  {title}\n", "bytes", "number");
        for (name, (bytes, count)) in rows.into_iter().take(most) {
            said += &format!("{bytes:>9}  {count:>6}  {name}\n");
        }
    }
    said
}

/// `tachys` of `<&mut tachys::view::X as core::Y>::z`; of an implementation for any type the crate of its trait.
fn crate_of(name: &str) -> String {
    let path = name.trim_start_matches(['<', '&', '*', '[', '(']);
    let path = ["mut ", "const ", "dyn "].iter().fold(path, |path, word| path.trim_start_matches(word));
    let path = match path.split_once(" as ") {
        Some((own, of)) if !own.contains("::") => of.trim_start_matches('<'),
        _ => path,
    };
    path.split("::").next().unwrap_or(path).to_owned()
}

fn without_generics(name: &str) -> String {
    let (mut kept, mut depth) = (String::new(), 0_u32);
    let name = name.replace("->", "");
    // The brackets of `<T as Trait>::function` are no arguments.
    let inner = name.strip_prefix('<').unwrap_or(&name);
    for letter in inner.chars() {
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            letter if depth == 0 => kept.push(letter),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Imports one function, defines two, names one of them, and has another custom section.
    const MODULE: &[u8] = b"\0asm\x01\0\0\0\
        \x01\x04\x01\x60\0\0\
        \x02\x07\x01\x01a\x01b\0\0\
        \x03\x03\x02\0\0\
        \x0a\x08\x02\x02\0\x0b\x03\0\x01\x0b\
        \0\x0b\x04name\x01\x04\x01\x01\x01f\
        \0\x03\x01x!";

    #[test]
    fn functions_have_their_length_and_their_name_behind_what_is_imported() {
        let function = |name: &str, bytes| Function { name: name.into(), bytes };
        assert_eq!(functions(MODULE).unwrap(), [function("f", 2), function("#1", 3)]);
    }

    #[test]
    fn nothing_but_names_is_stripped() {
        let stripped = stripped(MODULE).unwrap();
        assert!(MODULE.starts_with(&stripped));
        let lengths = |module: &[u8]| functions(module).unwrap().iter().map(|f| f.bytes).collect::<Vec<_>>();
        assert_eq!(lengths(&stripped), lengths(MODULE));
        assert_eq!(stripped.len(), MODULE.len() - 13 - 5);
    }

    #[test]
    fn a_module_that_ends_too_early_is_an_error() {
        for length in 0..MODULE.len() {
            let _ = functions(&MODULE[..length]);
            let _ = stripped(&MODULE[..length]);
        }
        assert!(functions(&MODULE[..MODULE.len() - 1]).is_err());
    }

    #[test]
    fn instances_of_a_generic_function_are_counted_together() {
        assert_eq!(without_generics("<a::B<c::D>>::e::<f::G>"), without_generics("<a::B<x::Y<z>>>::e::<u8>"));
        assert_eq!(crate_of("<&mut tachys::view::X as core::Y>::z"), "tachys");
        assert_eq!(crate_of("<_ as tachys::view::Render>::build"), "tachys");
        assert_eq!(crate_of("core::ptr::drop_in_place::<a::B>"), "core");
    }
}
