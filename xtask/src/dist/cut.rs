//! The client as one module that a page starts with and others that it fetches afterwards.
//!
//! Trunk builds the page around a module that is whole; here the same module is cut at the functions that the client
//! marks (`later!`, feature `split`), made small, and put in its place under names that carry a hash. So are the style
//! sheets, in two: those of what arrives later (`data-later` in `index.html`) arrive with it.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::module::{self, Function};
use super::page::Page;
use super::press::Press;
use super::surface;
use crate::checkout::Checkout;
use crate::group;
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
/// The part without which an open session is not shown.
const SESSION: &str = "session";
/// Where the links wait for what a part needs, and how they are to.
const WAITS: &str = "Promise.all(parallelStuff)";
const WAITS_STYLED: &str = "Promise.all([...parallelStuff, styled()])";
const STYLED: &str = include_str!("styled.js");

/// The client in pieces.
#[derive(Debug)]
pub(super) struct Pieces {
    /// Names of the files that arrive after the page stands, and whether an open session waits for them.
    pub(super) later: Vec<(String, bool)>,
    /// The functions of the module the page starts with.
    pub(super) functions: Vec<Function>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// The page starts with it.
    First,
    /// A session that is opened waits for it.
    Session,
    Later,
}

/// One file on its way to the page.
#[derive(Debug)]
struct Piece {
    /// As the tools call it.
    name: String,
    /// As the page is to fetch it, with `HASH` for the hash.
    public: String,
    content: Vec<u8>,
    when: When,
}

/// Puts the client into `dist`, in pieces, in the place of the one that trunk put there.
pub(super) fn cut(tools: &Tools<'_>, checkout: &Checkout, dist: &Path) -> Result<Pieces> {
    let work = checkout.scratch("dist")?;
    fs::remove_dir_all(&work).with_context(|| format!("emptying {}", work.display()))?;
    let (linked, cut, bound) = (work.join("linked.wasm"), work.join("cut"), work.join("bound"));
    fs::create_dir_all(&cut)?;

    fs::write(&linked, surface::without_uncalled(&read(&checkout.target().join(BUILT))?)?)?;
    let mut command = Command::new(tools.wasm_split()?.join("wasm-split-cli"));
    command.arg(&linked).arg(&cut).args(["--target", "web", "--out-name", "app"]);
    group::run("wasm-split-cli", command, tools.interrupt())?;
    let mut command = Command::new(tools.wasm_bindgen()?.join("wasm-bindgen"));
    command.args(["--target", "web", "--no-typescript", "--no-demangle", "--keep-lld-exports"]);
    command.args(["--out-name", "app", "--out-dir"]).arg(&bound).arg(cut.join("app.wasm"));
    group::run("wasm-bindgen", command, tools.interrupt())?;

    let press = Press::new(tools, &work)?;
    let main = press.module(&bound.join("app_bg.wasm"))?;
    let functions = module::functions(&main)?;
    let (main, script) = surface::shortened(&press.ordered(&main)?, &text(&bound.join("app.js"))?)?;
    let links = text(&cut.join(LINKS))?;
    let (page, first_styles, later_styles) = Page::without_styles(dist)?;

    let piece = |name: &str, public: &str, content: Vec<u8>, when| Piece {
        name: name.to_owned(),
        public: public.to_owned(),
        content,
        when,
    };
    let mut pieces = vec![
        piece("app.js", "portcullis-web-HASH.js", press.script("app.js", &script)?, When::First),
        piece("app_bg.wasm", "portcullis-web-HASH_bg.wasm", main, When::First),
        piece(LINKS, "portcullis-parts-HASH.js", press.script(LINKS, &styled(&links)?)?, When::First),
        piece("first.css", "portcullis-HASH.css", press.styles("first.css", &first_styles)?, When::First),
        piece(
            "later.css",
            "portcullis-later-HASH.css",
            press.styles("later.css", &later_styles)?,
            When::Session,
        ),
    ];
    let session = needed(&links, SESSION)?;
    for file in parts(&cut)? {
        let name = file_name(&file);
        let stem = name.trim_end_matches(".wasm");
        let public = format!("portcullis-{}-HASH.wasm", stem.trim_start_matches("split_").replace('_', "-"));
        let when = if session.iter().any(|needed| needed == stem) { When::Session } else { When::Later };
        pieces.push(piece(&name, &public, press.ordered(&press.module(&file)?)?, when));
    }
    for script in ["boot.js", "sw.js"] {
        let small = press.script(script, &text(&dist.join(script))?)?;
        fs::write(dist.join(script), small)?;
    }
    publish(pieces, page, dist).map(|later| Pieces { later, functions })
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("reading {}", file.display()))
}

fn text(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
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

/// The links between the pieces, which wait for the styles as well.
fn styled(links: &str) -> Result<String> {
    ensure!(
        links.matches(WAITS).count() == 1,
        "wasm-split waits for what a part needs in another way than it did"
    );
    Ok(links.replace(WAITS, WAITS_STYLED) + STYLED)
}

/// Names of the modules that a part needs, itself among them, without their ending.
fn needed(links: &str, part: &str) -> Result<Vec<String>> {
    let (_, from) =
        links.split_once(&format!("__wasm_split_load_{part} = ")).context("a part has no loader")?;
    let (loader, _) = from.split_once("export const").unwrap_or((from, ""));
    let (_, list) = loader.rsplit_once('[').context("a loader names nothing that it needs")?;
    let (list, _) = list.split_once(']').context("a loader's list has no end")?;
    let chunks = list.split(',').map(str::trim).filter_map(|name| name.strip_prefix("__"));
    Ok(chunks.map(str::to_owned).chain([format!("split_{part}")]).collect())
}

/// Writes all of them into `dist` under names with a hash over all, and makes them and the page name each other so.
fn publish(mut pieces: Vec<Piece>, mut page: Page, dist: &Path) -> Result<Vec<(String, bool)>> {
    let hash = hash(&pieces);
    let public = |piece: &Piece| piece.public.replace("HASH", &hash);
    let renamed: Vec<(String, String)> =
        pieces.iter().map(|piece| (piece.name.clone(), public(piece))).collect();
    for piece in pieces.iter_mut().filter(|piece| piece.name.ends_with(".js")) {
        let script = String::from_utf8(std::mem::take(&mut piece.content)).context("a script is no text")?;
        piece.content = rename(script, &renamed).into_bytes();
    }
    let mut later = Vec::new();
    for piece in &pieces {
        let name = public(piece);
        match (piece.when, piece.name.as_str()) {
            (When::First, "app.js") => page.rename(&whole(dist, ".js")?, &name)?,
            (When::First, "app_bg.wasm") => page.rename(&whole(dist, "_bg.wasm")?, &name)?,
            (When::First, name_of) if name_of.ends_with(".css") => page.add_styles(&name),
            (When::First, _) => page.add_script(&name),
            (When::Session | When::Later, _) => later.push((name.clone(), piece.when == When::Session)),
        }
        fs::write(dist.join(&name), &piece.content).with_context(|| format!("writing {name}"))?;
    }
    page.add_later(later.iter().map(|(name, _)| name.as_str()));
    page.write()?;
    Ok(later)
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
        for (before, after) in [
            ("from \"./", "\""),
            ("from\"./", "\""),
            ("new URL(\"./", "\""),
            ("new URL(\"", "\""),
            ("new URL('", "'"),
        ] {
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

    const LOADERS: &str = r#"
        await Promise.all(parallelStuff);
        const __chunk_3 = makeLoad(() => { fetch(new URL("./chunk_3.wasm", import.meta.url)); }, []);
        export const __wasm_split_load_rest = wrapAsyncCb(makeLoad(() => {}, []));
        export const __wasm_split_load_session = wrapAsyncCb(makeLoad(() => {}, [__chunk_3, __chunk_5]));
        export const __wasm_split_load_gate = wrapAsyncCb(makeLoad(() => {}, [__chunk_4]));"#;

    #[test]
    fn what_a_part_needs_is_read_from_its_loader() {
        assert_eq!(needed(LOADERS, "session").unwrap(), ["chunk_3", "chunk_5", "split_session"]);
        assert_eq!(needed(LOADERS, "rest").unwrap(), ["split_rest"]);
        assert!(needed(LOADERS, "inbox").is_err());
    }

    #[test]
    fn every_part_waits_for_its_styles() {
        let links = styled(LOADERS).unwrap();
        assert!(links.contains("await Promise.all([...parallelStuff, styled()]);"));
        assert!(links.contains("function styled()"));
        assert!(styled("await Promise.all(others);").is_err());
    }

    #[test]
    fn the_page_and_its_pieces_name_each_other_by_the_same_hash() {
        let folder = tempfile::tempdir().unwrap();
        let dist = folder.path();
        let page = "<head><link rel=\"stylesheet\" href=\"/a-1.css\"/></head><script id=\"boot\" \
                    data-module=\"/portcullis-web-1.js\" data-wasm=\"/portcullis-web-1_bg.wasm\">";
        for (name, content) in [
            ("index.html", page),
            ("a-1.css", ""),
            ("portcullis-web-1.js", "whole"),
            ("portcullis-web-1_bg.wasm", "whole"),
        ] {
            fs::write(dist.join(name), content).unwrap();
        }
        let piece = |name: &str, public: &str, content: &str, when| Piece {
            name: name.into(),
            public: public.into(),
            content: content.into(),
            when,
        };
        let app = r#"import * as a from"./__wasm_split.js"; x = { "./__wasm_split.js": a }; new URL("app_bg.wasm", y)"#;
        let pieces = vec![
            piece("app.js", "portcullis-web-HASH.js", app, When::First),
            piece("app_bg.wasm", "portcullis-web-HASH_bg.wasm", "wasm", When::First),
            piece(
                LINKS,
                "portcullis-parts-HASH.js",
                r#"from "./app.js"; new URL("./split_gate.wasm", y)"#,
                When::First,
            ),
            piece("first.css", "portcullis-HASH.css", "", When::First),
            piece("later.css", "portcullis-later-HASH.css", "", When::Session),
            piece("split_gate.wasm", "portcullis-gate-HASH.wasm", "gate", When::Later),
        ];
        let hash = hash(&pieces);
        let name = |name: &str| name.replace("HASH", &hash);
        let (page, _, _) = Page::without_styles(dist).unwrap();
        let later = publish(pieces, page, dist).unwrap();
        assert_eq!(
            later,
            [(name("portcullis-later-HASH.css"), true), (name("portcullis-gate-HASH.wasm"), false)]
        );
        let read = |public: &str| fs::read_to_string(dist.join(name(public))).unwrap();
        assert_eq!(
            read("portcullis-web-HASH.js"),
            name(
                r#"import * as a from"./portcullis-parts-HASH.js"; x = { "./__wasm_split.js": a }; new URL("portcullis-web-HASH_bg.wasm", y)"#
            )
        );
        assert_eq!(
            read("portcullis-parts-HASH.js"),
            name(r#"from "./portcullis-web-HASH.js"; new URL("./portcullis-gate-HASH.wasm", y)"#)
        );
        let page = read("index.html");
        for named in [
            r#"data-module="/portcullis-web-HASH.js" data-wasm="/portcullis-web-HASH_bg.wasm""#,
            r#"<link rel="modulepreload" href="/portcullis-parts-HASH.js">"#,
            r#"<link rel="stylesheet" href="/portcullis-HASH.css">"#,
            r#"data-later="/portcullis-later-HASH.css /portcullis-gate-HASH.wasm""#,
        ] {
            assert!(page.contains(&name(named)), "{page}");
        }
        assert!(!page.contains("a-1.css") && !dist.join("a-1.css").exists());
        assert!(!dist.join("portcullis-web-1.js").exists());
        assert_eq!(hash.len(), 16);
    }
}
