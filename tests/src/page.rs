//! What a person does on the page and sees there, by the marks that the client puts on its elements.

use anyhow::{Context, Result, bail};
use fantoccini::elements::Element;
use fantoccini::{Client, Locator};

use crate::page::key::{ENTER, RELEASE_ALL, SHIFT};
use crate::patience::{SOON, until};

/// The page in the browser's current tab.
#[derive(Clone, Debug)]
pub struct Page {
    client: Client,
}

impl Page {
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone() }
    }

    /// The browser itself, for tabs and addresses.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Waits until something that matches is on the page and can be seen.
    pub async fn see(&self, selector: &str) -> Result<Element> {
        until(&format!("{selector} on the page"), SOON, async || self.visible(selector).await).await
    }

    /// Waits until nothing that matches can be seen any more.
    pub async fn see_gone(&self, selector: &str) -> Result<()> {
        until(&format!("{selector} to be gone"), SOON, async || {
            Ok(self.visible(selector).await?.is_none().then_some(()))
        })
        .await
    }

    /// Waits until what matches shows `text`, and gives all it shows.
    pub async fn read(&self, selector: &str, text: &str) -> Result<String> {
        until(&format!("{text:?} in {selector}"), SOON, async || {
            Ok(self.texts(selector).await?.into_iter().find(|shown| shown.contains(text)))
        })
        .await
    }

    /// What every element that matches shows right now.
    pub async fn texts(&self, selector: &str) -> Result<Vec<String>> {
        const SCRIPT: &str =
            "return Array.from(document.querySelectorAll(arguments[0]), e => e.innerText ?? e.textContent)";
        self.strings(SCRIPT, selector).await
    }

    /// The text of every element that matches exactly as it is in the document, whatever the style makes of it.
    pub async fn raw_texts(&self, selector: &str) -> Result<Vec<String>> {
        const SCRIPT: &str = "return Array.from(document.querySelectorAll(arguments[0]), e => e.textContent)";
        self.strings(SCRIPT, selector).await
    }

    /// Allows what the gate shows, and waits until it shows something else.
    pub async fn allow_and_go_on(&self) -> Result<()> {
        let exact = self.raw_texts(mark::GATE_EXACT).await?;
        self.press(mark::ALLOW).await?;
        until("the gate to go on", SOON, async || {
            Ok((self.raw_texts(mark::GATE_EXACT).await? != exact).then_some(()))
        })
        .await
    }

    /// How many elements match right now.
    pub async fn count(&self, selector: &str) -> Result<usize> {
        Ok(self.raw_texts(selector).await?.len())
    }

    /// Waits until a button can be pressed, and presses it.
    pub async fn press(&self, selector: &str) -> Result<()> {
        until(&format!("{selector} to take a press"), SOON, async || {
            let Some(button) = self.visible(selector).await? else { return Ok(None) };
            if !button.is_enabled().await.unwrap_or(false) {
                return Ok(None);
            }
            // It may be drawn anew, or move, between looking and pressing: then look again.
            Ok(button.click().await.ok())
        })
        .await
    }

    /// Presses a button that may be gone already, because what it asks for happened by itself.
    pub async fn press_if_there(&self, selector: &str) -> Result<()> {
        if let Some(button) = self.visible(selector).await? {
            let _gone_meanwhile = button.click().await;
        }
        Ok(())
    }

    /// Types into a field; new lines are typed as Shift+Enter.
    pub async fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let keys = text.replace('\n', &format!("{SHIFT}{ENTER}{RELEASE_ALL}"));
        self.see(selector).await?.send_keys(&keys).await.with_context(|| format!("typing into {selector}"))
    }

    /// Sends a prompt the way a person does.
    pub async fn prompt(&self, text: &str) -> Result<()> {
        self.type_into(mark::COMPOSER, text).await?;
        self.press(mark::SEND).await
    }

    async fn visible(&self, selector: &str) -> Result<Option<Element>> {
        for element in self.client.find_all(Locator::Css(selector)).await? {
            // An element that went away meanwhile is not visible.
            if element.is_displayed().await.unwrap_or(false) {
                return Ok(Some(element));
            }
        }
        Ok(None)
    }

    async fn strings(&self, script: &str, selector: &str) -> Result<Vec<String>> {
        let found = self.client.execute(script, vec![selector.into()]).await?;
        let Some(found) = found.as_array() else { bail!("the script gave {found}") };
        Ok(found.iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect())
    }
}

/// WebDriver's codes for keys without a character.
pub mod key {
    pub const SHIFT: char = '\u{E008}';
    pub const ENTER: char = '\u{E007}';
    pub const CONTROL: char = '\u{E009}';
    pub const RELEASE_ALL: char = '\u{E000}';
}

/// The marks of the client's elements.
pub mod mark {
    pub const PAIR_STATUS: &str = "[data-testid=pair-status]";
    pub const SESSION_LIST: &str = "[data-testid=session-list]";
    pub const SESSION_ROW: &str = "[data-testid=session-row]";
    pub const NEW_SESSION: &str = "[data-testid=new-session]";
    pub const ENVIRONMENT_ONLINE: &str = "[data-testid=environment][data-online=true]";
    pub const TRANSCRIPT: &str = "[data-testid=transcript][role=log]";
    pub const PROMPT: &str = "[data-testid=item][data-kind=prompt]";
    pub const PROMPT_TEXT: &str = "[data-testid=item][data-kind=prompt] .said";
    pub const TEXT: &str = "[data-testid=item][data-kind=text]";
    pub const THINKING: &str = "[data-testid=item][data-kind=thinking]";
    pub const NOTICE: &str = "[data-testid=item][data-kind=notice]";
    pub const TOOL: &str = "[data-testid=item][data-kind=tool]";
    pub const COMPOSER: &str = "[data-testid=composer-input]";
    pub const SEND: &str = "[data-testid=composer-send]";
    pub const STOP: &str = "[data-testid=stop]";
    pub const GATE: &str = "[data-testid=gate]";
    pub const GATE_EXACT: &str = "[data-testid=gate-exact]";
    pub const ALLOW: &str = "[data-testid=gate-allow]";
    pub const DENY: &str = "[data-testid=gate-deny]";
    pub const DENY_REASON: &str = "[data-testid=gate-deny-reason]";
    pub const DENY_SEND: &str = "[data-testid=gate-deny-send]";
    pub const ACCEPT: &str = "[data-testid=gate-accept]";
    pub const DECLINE: &str = "[data-testid=gate-decline]";
    pub const ELICIT_FIELD: &str = "[data-testid=elicit-field]";
    pub const GATE_UNFOLD: &str = "[data-testid=gate-unfold]";
    pub const GATE_EDIT: &str = "[data-testid=gate-edit]";
    pub const GATE_OFFER: &str = "[data-testid=gate-offer]";
    pub const NEXT_REQUEST: &str = "[aria-label='Next request']";
    pub const GATE_TICKS: &str = "[data-testid=gate-ticks]";
    pub const GATE_OFFLINE: &str = "[data-testid=gate-offline]";
    pub const GATE_LATE: &str = "[data-testid=gate-late]";
    pub const QUEUED: &str = "[data-testid=queued]";
    pub const PROMPT_STATE: &str = "[data-testid=prompt-state]";
    pub const UNSENT: &str = "[data-testid=unsent]";
    pub const GAP: &str = "[data-testid=gap]";
    pub const LINK_STATE: &str = "[data-testid=link-state]";
    pub const LINK_COUNTDOWN: &str = "[data-testid=link-countdown]";
    pub const LINK_NOW: &str = "[data-testid=link-now]";
    pub const LOGOUT: &str = "[data-testid=logout]";
    pub const LOGOUT_ANYWAY: &str = "[data-testid=logout-anyway]";
    pub const LINK_ONLINE: &str = "[data-testid=link-state][data-state=online]";
}
