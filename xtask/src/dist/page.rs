//! The page as trunk wrote it, on its way to name what it is cut into.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// How trunk writes a style sheet.
const SHEET: &str = "<link rel=\"stylesheet\" href=\"/";
/// Marks one of what arrives later.
const LATER: &str = "data-later";
/// Where the page starts its client.
const BOOT: &str = "id=\"boot\"";

/// The text of the page.
#[derive(Debug)]
pub(super) struct Page {
    dist: PathBuf,
    text: String,
}

impl Page {
    /// The page of `dist` without its style sheets, and these: those it starts with, and those of what arrives later.
    pub(super) fn without_styles(dist: &Path) -> Result<(Self, String, String)> {
        let file = dist.join("index.html");
        let mut text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let (mut first, mut later) = (String::new(), String::new());
        while let Some(start) = text.find(SHEET) {
            let tag = &text[start..];
            let tag = &tag[..=tag.find('>').context("a tag of the page has no end")?];
            let name = tag[SHEET.len()..].split('"').next().unwrap_or_default();
            let sheet = dist.join(name);
            let styles =
                fs::read_to_string(&sheet).with_context(|| format!("reading {}", sheet.display()))?;
            if tag.contains(LATER) { &mut later } else { &mut first }.push_str(&styles);
            fs::remove_file(&sheet)?;
            text.replace_range(start..start + tag.len(), "");
        }
        let text =
            text.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("{line}\n")).collect();
        Ok((Self { dist: dist.to_owned(), text }, first, later))
    }

    /// Calls a file by another name from now on. It is gone under the old one.
    pub(super) fn rename(&mut self, old: &str, new: &str) -> Result<()> {
        if !self.text.contains(old) {
            bail!("the page does not name {old}");
        }
        self.text = self.text.replace(old, new);
        fs::remove_file(self.dist.join(old)).with_context(|| format!("removing {old}"))
    }

    pub(super) fn add_styles(&mut self, name: &str) {
        self.add(&format!("<link rel=\"stylesheet\" href=\"/{name}\">"));
    }

    /// A script that another one imports is fetched with it.
    pub(super) fn add_script(&mut self, name: &str) {
        self.add(&format!("<link rel=\"modulepreload\" href=\"/{name}\">"));
    }

    /// Names what arrives later, for the service worker, which keeps it too.
    pub(super) fn add_later<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let names = names.map(|name| format!("/{name}")).collect::<Vec<_>>().join(" ");
        self.text = self.text.replacen(BOOT, &format!("{BOOT} {LATER}=\"{names}\""), 1);
    }

    fn add(&mut self, tag: &str) {
        self.text = self.text.replacen("</head>", &format!("{tag}</head>"), 1);
    }

    pub(super) fn write(&self) -> Result<()> {
        fs::write(self.dist.join("index.html"), &self.text).context("writing the page")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_sheets_are_joined_in_their_order_and_apart_by_when_they_are_needed() {
        let folder = tempfile::tempdir().unwrap();
        let names = [("a", ""), ("b", " data-later"), ("c", ""), ("d", " data-later")];
        let links =
            names.map(|(name, later)| format!("<link rel=\"stylesheet\" href=\"/{name}.css\"{later}/>"));
        fs::write(folder.path().join("index.html"), format!("<head>\n{}\n</head>", links.join("\n")))
            .unwrap();
        for (name, _) in names {
            fs::write(folder.path().join(format!("{name}.css")), name).unwrap();
        }
        let (page, first, later) = Page::without_styles(folder.path()).unwrap();
        assert_eq!((page.text.as_str(), first.as_str(), later.as_str()), ("<head>\n</head>\n", "ac", "bd"));
        assert!(!folder.path().join("a.css").exists());
    }

    #[test]
    fn a_name_that_the_page_does_not_know_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("index.html"), "<head></head>").unwrap();
        let (mut page, _, _) = Page::without_styles(folder.path()).unwrap();
        assert!(page.rename("a.js", "b.js").is_err());
    }
}
