//! What is said once the system is ready: one JSON line for programs; a link, a QR code and what is missing for
//! people.

use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde::{Deserialize, Serialize};

/// The line for programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) event: String,
    pub(crate) url: String,
    pub(crate) pair_url: String,
    pub(crate) pair_code: String,
    /// The throwaway project of a demo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<String>,
}

impl Ready {
    /// `url` is where the ingress listens, `public` where browsers reach it.
    pub(crate) fn new(url: &str, public: &str, code: String) -> Self {
        let pair_url = format!("{public}/#pair={code}");
        Self { event: "ready".into(), url: url.to_owned(), pair_url, pair_code: code, project: None }
    }

    /// The line on stdout.
    pub(crate) fn print_json(&self) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        serde_json::to_writer(&mut stdout, self)?;
        writeln!(stdout)?;
        stdout.flush()
    }

    /// The same for people.
    pub(crate) fn print_text(&self, has_web_client: bool) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "\nPortcullis is ready at {}\n", self.url)?;
        writeln!(stdout, "Pair this browser, once, within 10 minutes:\n\n    {}\n", self.pair_url)?;
        if stdout.is_terminal()
            && let Some(code) = qr(&self.pair_url)
        {
            writeln!(stdout, "{code}\n")?;
        }
        if let Some(project) = &self.project {
            writeln!(stdout, "The throwaway project is {project}")?;
        }
        if !has_web_client {
            writeln!(
                stdout,
                "The web client is not built, so only the API answers. `cargo xtask dist` builds it."
            )?;
        }
        writeln!(stdout, "Ctrl-C ends everything.")?;
        stdout.flush()
    }
}

fn qr(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

/// Opens a browser on the pairing link, if there is a desktop. The link goes through a file that only we may read:
/// arguments of a program are visible to everybody on the machine.
pub(crate) fn open_browser(ready: &Ready, data_dir: &Path) {
    let has_desktop = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if !std::io::stdout().is_terminal() || !has_desktop {
        return;
    }
    let Some(opener) = crate::folders::on_path("xdg-open") else { return };
    let page = data_dir.join("pair.html");
    if let Err(error) = write_redirect(&page, &ready.pair_url) {
        tracing::debug!(%error, "the browser is not opened");
        return;
    }
    let quiet = Stdio::null;
    let opened = Command::new(opener).arg(&page).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    if let Err(error) = opened {
        tracing::debug!(%error, "the browser is not opened");
    }
}

fn write_redirect(page: &Path, target: &str) -> std::io::Result<()> {
    let _ = std::fs::remove_file(page);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(page)?;
    // The target is made of our own address and a code of id characters.
    write!(file, "<!doctype html><meta http-equiv=\"refresh\" content=\"0; url={target}\">")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_one_line_with_exactly_these_fields() {
        let ready = Ready::new("http://127.0.0.1:7878", "http://127.0.0.1:7878", "abc".into());
        assert_eq!(
            serde_json::to_string(&ready).unwrap(),
            r#"{"event":"ready","url":"http://127.0.0.1:7878","pair_url":"http://127.0.0.1:7878/#pair=abc","pair_code":"abc"}"#
        );
    }

    #[test]
    fn a_pairing_link_fits_a_qr_code() {
        assert!(qr(&Ready::new("", "https://portcullis.example.com", "x".repeat(64)).pair_url).is_some());
    }
}
