//! What axe-core says about a page: every rule it has, in both themes, at the width of a desk and of a phone.
//!
//! What does not depend on colours is asked once per width; in the other theme only the rules about colours are.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::system::given;

/// Rules that are off, and why.
const OFF: [&str; 2] = [
    // It takes a box that scrolls for a landmark or for a widget. A box of code is neither: as a landmark each would
    // stand in the list of places of the page. That it can be reached by key is another rule, which is on.
    "focus-order-semantics",
    // Seven to one is for the gate and for who wants more contrast; they are asked for it apart.
    "color-contrast-enhanced",
];
/// Rules that judge colours, and so each theme.
const OF_COLOURS: [&str; 2] = ["color-contrast", "link-in-text-block"];
/// A desk and a phone.
const SIZES: [(u32, u32); 2] = [(1440, 900), (390, 844)];

/// What runs in the page: which rules, on what, in how much time, and what they found.
const RUN: &str = "
    const [context, wanted, off, done] = arguments;
    const rules = Object.fromEntries(axe.getRules().map(({ ruleId }) => [ruleId, { enabled: !off.includes(ruleId) }]));
    const options = wanted.length
        ? { runOnly: { type: 'rule', values: wanted } }
        : { rules };
    const told = ({ id, help, nodes }) => ({ rule: id, help, nodes: nodes.map((node) => ({
        at: node.target.flat().join(' '), html: node.html.slice(0, 200),
        why: (node.any[0] ?? node.all[0] ?? node.none[0])?.message ?? '',
    })) });
    // Two frames: what was just changed is drawn.
    requestAnimationFrame(() => requestAnimationFrame(() =>
        axe.run(context ?? document, { ...options, resultTypes: ['violations'] })
            .then(({ violations }) => done({ violations: violations.map(told) }), (error) => done({ error: `${error}` }))));
";

/// Buttons that cannot be pressed are no matter to axe; who wants more contrast wants to read them.
const DISABLED: &str = "
    axe.setup();
    const { getBackgroundColor, getForegroundColor, getContrast } = axe.commons.color;
    const faint = [...document.querySelectorAll('button:disabled')].filter((button) => button.checkVisibility()).map((button) => {
        const back = getBackgroundColor(button);
        return [button.textContent, getContrast(back, getForegroundColor(button, false, back))];
    }).filter(([, contrast]) => contrast < 4.5).map(([text, contrast]) => `${text}: ${contrast.toFixed(2)}`);
    axe.teardown();
    return faint;
";

#[derive(Deserialize)]
struct Violation {
    rule: String,
    help: String,
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    at: String,
    html: String,
    why: String,
}

/// Somebody who looks at pages and writes down what is wrong with them.
#[derive(Debug)]
pub struct Judge {
    source: String,
    looks: u32,
    found: String,
}

impl Judge {
    /// Takes the script that the command which runs the tests has fetched.
    pub fn new() -> Result<Self> {
        let file = given("PORTCULLIS_AXE")?;
        let source = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        Ok(Self { source, looks: 0, found: String::new() })
    }

    /// Looks at the whole page as it is now.
    pub async fn look(&mut self, browser: &Browser, what: &str) -> Result<()> {
        self.enter(browser).await?;
        for (width, height) in SIZES {
            browser.view_as(width, height).await?;
            browser.prefer_calm("light").await?;
            self.ask(browser, &format!("{what}, {width} px"), &Value::Null, &[]).await?;
            browser.prefer_calm("dark").await?;
            self.ask(browser, &format!("{what}, {width} px, dark"), &Value::Null, &OF_COLOURS).await?;
        }
        self.leave(browser).await
    }

    /// Looks at the gate, which has to be read more easily than anything else, in all themes.
    pub async fn look_at_gate(&mut self, browser: &Browser, what: &str) -> Result<()> {
        self.look(browser, what).await?;
        let gate = json!({ "include": [["[data-testid=gate]"]] });
        let enhanced = ["color-contrast-enhanced"];
        for scheme in ["light", "dark"] {
            browser.prefer_calm(scheme).await?;
            self.ask(browser, &format!("{what}, the gate, {scheme}"), &gate, &enhanced).await?;
            browser.run("document.documentElement.dataset.theme = 'contrast'").await?;
            let what = format!("{what}, high contrast, {scheme}");
            self.ask(browser, &what, &Value::Null, &["color-contrast", "color-contrast-enhanced"]).await?;
            let faint = browser.run(DISABLED).await?;
            for button in faint.as_array().into_iter().flatten() {
                writeln!(
                    self.found,
                    "{what}: a button that cannot be pressed cannot be read either: {button}"
                )?;
            }
            browser.run("delete document.documentElement.dataset.theme").await?;
        }
        self.leave(browser).await
    }

    /// Fails if anything was found.
    pub fn verdict(self) -> Result<()> {
        ensure!(self.looks > 0, "nothing was looked at");
        ensure!(self.found.is_empty(), "axe found, in {} looks:\n{}", self.looks, self.found);
        Ok(())
    }

    async fn enter(&self, browser: &Browser) -> Result<()> {
        if browser.run("return !!window.axe").await? != true {
            browser.run(&self.source).await?;
        }
        Ok(())
    }

    async fn leave(&self, browser: &Browser) -> Result<()> {
        let (width, height) = SIZES[0];
        browser.view_as(width, height).await?;
        browser.prefer_calm("light").await
    }

    async fn ask(&mut self, browser: &Browser, what: &str, context: &Value, rules: &[&str]) -> Result<()> {
        self.looks += 1;
        let arguments = vec![context.clone(), json!(rules), json!(OFF)];
        let mut answer = browser.client().execute_async(RUN, arguments).await.context("running axe")?;
        if let Some(error) = answer["error"].as_str() {
            bail!("axe cannot look at {what}: {error}");
        }
        let violations: Vec<Violation> = serde_json::from_value(answer["violations"].take())?;
        for Violation { rule, help, nodes } in violations {
            writeln!(self.found, "{what}: {rule}: {help}")?;
            for Node { at, html, why } in nodes {
                writeln!(self.found, "    {at}\n        {why}\n        {html}")?;
            }
        }
        Ok(())
    }
}
