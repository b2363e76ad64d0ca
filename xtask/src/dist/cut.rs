//! The client as one module that a page starts with and others that it fetches afterwards.
//!
//! Trunk builds the page around a module that is whole; here the same module is cut at the functions that the client
//! marks (`later!`, feature `split`), made small, and put in its place under names that carry a hash.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::module::{self, Function};
use crate::checkout::Checkout;
use crate::group::{self, Interrupt};
use crate::tools::Tools;

/// What cutting needs of the compiler: relocations to cut at, names that tell what they are an instance of, and views
/// of one type, as `.cargo/config.toml` asks for in every build (these flags replace those).
pub(super) const RUSTFLAGS: &str =
    "-C symbol-mangling-version=v0 --cfg erase_components -C link-args=--emit-relocs";
/// The feature of the client that leaves calls to be cut. A module with it cannot be linked as a whole.
pub(super) const FEATURE: &str = "split";

const CLIENT: &str = "portcullis-web";
const LINKS: &str = "__wasm_split.js";
/// Where cargo puts the client.
const BUILT: &str = "wasm32-unknown-unknown/wasm-release/portcullis-web.wasm";

/// The client in pieces.
#[derive(Debug)]
pub(super) struct Pieces {
    /// Names of the files that arrive after the page stands.
    pub(super) later: Vec<String>,
    /// The functions of the module the page starts with.
    pub(super) functions: Vec<Function>,
}

/// One file on its way to the page.
struct Piece {
    /// As the tools call it.
    name: String,
    /// As the page is to fetch it, with `HASH` for the hash.
    public: String,
    content: Vec<u8>,
}

/// Puts the client into `dist`, in pieces, in the place of the one that trunk put there.
pub(super) fn cut(tools: &Tools<'_>, checkout: &Checkout, dist: &Path) -> Result<Pieces> {
    let work = checkout.scratch("dist")?;
    fs::remove_dir_all(&work).with_context(|| format!("emptying {}", work.display()))?;
    let (cut, bound) = (work.join("cut"), work.join("bound"));
    fs::create_dir_all(&cut)?;

    let mut command = Command::new(tools.wasm_split()?.join("wasm-split-cli"));
    command.arg(checkout.target().join(BUILT)).arg(&cut).args(["--target", "web", "--out-name", "app"]);
    group::run("wasm-split-cli", command, tools.interrupt())?;
    let mut command = Command::new(tools.wasm_bindgen()?.join("wasm-bindgen"));
    command.args(["--target", "web", "--no-typescript", "--no-demangle", "--keep-lld-exports"]);
    command.args(["--out-name", "app", "--out-dir"]).arg(&bound).arg(cut.join("app.wasm"));
    group::run("wasm-bindgen", command, tools.interrupt())?;

    let wasm_opt = tools.wasm_opt()?.map(|programs| programs.join("wasm-opt"));
    if wasm_opt.is_none() {
        println!("npm is missing, so wasm-opt is too: these are the sizes without it");
    }
    let small = |file: &Path| small(wasm_opt.as_deref(), file, tools.interrupt());

    let main = small(&bound.join("app_bg.wasm"))?;
    let functions = module::functions(&main)?;
    let text = |file: &Path| fs::read(file).with_context(|| format!("reading {}", file.display()));
    let piece = |name: &str, public: String, content| Piece { name: name.to_owned(), public, content };
    let mut pieces = vec![
        piece("app.js", format!("{CLIENT}-HASH.js"), text(&bound.join("app.js"))?),
        piece("app_bg.wasm", format!("{CLIENT}-HASH_bg.wasm"), module::stripped(&main)?),
        piece(LINKS, "portcullis-parts-HASH.js".into(), text(&cut.join(LINKS))?),
    ];
    let first = pieces.len();
    for file in parts(&cut)? {
        let name = file_name(&file);
        let stem = name.trim_end_matches(".wasm").trim_start_matches("split_").replace('_', "-");
        pieces.push(piece(&name, format!("portcullis-{stem}-HASH.wasm"), module::stripped(&small(&file)?)?));
    }
    let later = publish(&mut pieces, dist)?.split_off(first);
    Ok(Pieces { later, functions })
}

/// What the cut left beside the module that the page starts with.
fn parts(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = file_name(&path);
        if name.ends_with(".wasm") && name != "app.wasm" {
            parts.push(path);
        }
    }
    parts.sort();
    Ok(parts)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A module as small as it gets, with its names.
fn small(wasm_opt: Option<&Path>, file: &Path, interrupt: &Interrupt) -> Result<Vec<u8>> {
    let Some(wasm_opt) = wasm_opt else { return Ok(fs::read(file)?) };
    let smaller = file.with_extension("small");
    let mut command = Command::new(wasm_opt);
    command.args(["-Oz", "--converge", "-g"]).arg(file).arg("--output").arg(&smaller);
    group::run("wasm-opt", command, interrupt)?;
    fs::read(&smaller).with_context(|| format!("reading {}", smaller.display()))
}

/// Writes all of them into `dist` under names with a hash over all, and makes them and the page name each other so.
fn publish(pieces: &mut [Piece], dist: &Path) -> Result<Vec<String>> {
    let hash = hash(pieces);
    let names: Vec<String> = pieces.iter().map(|piece| piece.public.replace("HASH", &hash)).collect();
    let renamed: Vec<(String, String)> =
        pieces.iter().zip(&names).map(|(piece, name)| (piece.name.clone(), name.clone())).collect();
    for piece in pieces.iter_mut().filter(|piece| piece.name.ends_with(".js")) {
        let script = String::from_utf8(std::mem::take(&mut piece.content)).context("a script is no text")?;
        piece.content = rename(script, &renamed).into_bytes();
    }
    let page = dist.join("index.html");
    let mut text = fs::read_to_string(&page).with_context(|| format!("reading {}", page.display()))?;
    for (ending, name) in [(".js", &names[0]), ("_bg.wasm", &names[1])] {
        let old = whole(dist, ending)?;
        text = text.replace(&old, name);
        fs::remove_file(dist.join(&old))?;
    }
    let preload = format!("<link rel=\"modulepreload\" href=\"/{}\">", names[2]);
    fs::write(&page, text.replacen("</head>", &format!("{preload}</head>"), 1))?;
    for (piece, name) in pieces.iter().zip(&names) {
        fs::write(dist.join(name), &piece.content).with_context(|| format!("writing {name}"))?;
    }
    Ok(names)
}

/// Sixteen hexadecimal digits over everything.
fn hash(pieces: &[Piece]) -> String {
    let mut hasher = DefaultHasher::new();
    for piece in pieces {
        hasher.write(piece.name.as_bytes());
        hasher.write(&piece.content);
    }
    format!("{:016x}", hasher.finish())
}

/// A script that imports and fetches by the new names. What it gives a module keeps the name the module knows.
fn rename(mut script: String, renamed: &[(String, String)]) -> String {
    for (old, new) in renamed {
        for (before, after) in [("from \"./", "\""), ("new URL(\"./", "\""), ("new URL('", "'")] {
            let with = |name: &str| format!("{before}{name}{after}");
            script = script.replace(&with(old), &with(new));
        }
    }
    script
}

/// The client's file with that ending as trunk named it.
fn whole(dist: &Path, ending: &str) -> Result<String> {
    for entry in fs::read_dir(dist).with_context(|| format!("reading {}", dist.display()))? {
        let name = file_name(&entry?.path());
        if name.starts_with(CLIENT) && name.ends_with(ending) {
            return Ok(name);
        }
    }
    bail!("trunk left no {CLIENT}-*{ending} in {}", dist.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_its_pieces_name_each_other_by_the_same_hash() {
        let folder = tempfile::tempdir().unwrap();
        let dist = folder.path();
        let page = "<head></head><script data-module=\"/portcullis-web-1.js\" data-wasm=\"/portcullis-web-1_bg.wasm\">";
        for (name, content) in
            [("index.html", page), ("portcullis-web-1.js", "whole"), ("portcullis-web-1_bg.wasm", "whole")]
        {
            fs::write(dist.join(name), content).unwrap();
        }
        let piece = |name: &str, public: &str, content: &str| Piece {
            name: name.into(),
            public: public.into(),
            content: content.into(),
        };
        let app = r#"import * as a from "./__wasm_split.js"; x = { "./__wasm_split.js": a }; new URL('app_bg.wasm', y)"#;
        let mut pieces = [
            piece("app.js", "portcullis-web-HASH.js", app),
            piece("app_bg.wasm", "portcullis-web-HASH_bg.wasm", "wasm"),
            piece(LINKS, "portcullis-parts-HASH.js", r#"from "./app.js"; new URL("./split_gate.wasm", y)"#),
            piece("split_gate.wasm", "portcullis-gate-HASH.wasm", "gate"),
        ];
        let names = publish(&mut pieces, dist).unwrap();
        let read = |name: &str| fs::read_to_string(dist.join(name)).unwrap();
        let [web, wasm, parts, gate] = &names[..] else { panic!("{names:?}") };
        assert_eq!(
            read(web),
            format!(
                r#"import * as a from "./{parts}"; x = {{ "./__wasm_split.js": a }}; new URL('{wasm}', y)"#
            )
        );
        assert_eq!(read(parts), format!(r#"from "./{web}"; new URL("./{gate}", y)"#));
        assert!(read("index.html").contains(&format!("data-module=\"/{web}\" data-wasm=\"/{wasm}\"")));
        assert!(read("index.html").contains(&format!("href=\"/{parts}\"")));
        assert!(!dist.join("portcullis-web-1.js").exists());
        assert_eq!(gate.len(), "portcullis-gate-0123456789abcdef.wasm".len());
    }
}
