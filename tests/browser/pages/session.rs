//! A session with one of everything an agent does, each opened.

use anyhow::Result;
use portcullis_tests::axe::Judge;
use portcullis_tests::page::mark;
use portcullis_tests::walk::walk;
use serde_json::json;

use crate::{ESCAPE, click};

/// Opens whatever is folded.
const OPEN_ALL: &str = "document.querySelectorAll('[data-testid=transcript] [aria-expanded=false]').forEach((line) => line.click());
    document.querySelectorAll('[data-testid=transcript] details').forEach((details) => { details.open = true; });";

#[tokio::test]
async fn axe_finds_nothing_in_a_session_that_has_one_of_everything() -> Result<()> {
    let mut judge = Judge::new()?;
    walk("axe-session", async |walk| {
        walk.open_session().await?;
        let page = walk.page().clone();
        judge.look(walk.browser(), "a session without a word").await?;
        page.prompt("Show me around").await?;
        for _ in ["the edit", "the command"] {
            page.see(mark::GATE_EXACT).await?;
            page.allow_and_go_on().await?;
        }
        page.see_gone(mark::STOP).await?;
        walk.browser().run(OPEN_ALL).await?;
        judge.look(walk.browser(), "the tour").await?;

        let colours = json!({ "command": "printf '\\033[31mred \\033[32mgreen \\033[33myellow \\033[34mblue \\033[35mpink \\033[36mteal \\033[2mdim\\033[0m\\n'; exit 3" });
        let notebook = json!({ "notebook_path": "a.ipynb", "new_source": "1" });
        let grep = json!({ "pattern": "main", "output_mode": "content", "-n": true });
        let search = json!({ "type": "user", "uuid": "axe-1", "message": { "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": "nobody", "content": "nothing" } ] } });
        let prompt = format!(
            "@think Which way?\n@say A [link](https://example.org/), `code`, ~~struck~~, and a note.\n@agent Look around\n  @read README.md\n  @say Looked.\n\
             @parallel\n  @read README.md\n  @read notes.md\n@tool Grep {grep}\n@tool Glob {{\"pattern\":\"**/*.rs\"}}\n@todo One | Two | Three\n\
             @fail 529\n@raw {search}\n@tool NotebookEdit {notebook}\n@tool Bash {colours}"
        );
        page.prompt(&prompt).await?;
        page.see(mark::GATE_EXACT).await?;
        page.press(mark::DENY).await?;
        page.press(mark::DENY_SEND).await?;
        page.read(mark::GATE_EXACT, "printf").await?;
        page.press(mark::ALLOW).await?;
        page.see_gone(mark::GATE_EXACT).await?;
        page.see_gone(mark::STOP).await?;
        walk.browser().run(OPEN_ALL).await?;
        walk.browser().run(OPEN_ALL).await?;
        walk.picture("everything").await?;
        judge.look(walk.browser(), "one of everything").await?;

        page.prompt("@sleep 60000").await?;
        page.see(mark::STOP).await?;
        page.prompt("@say Later.").await?;
        page.see(mark::QUEUED).await?;
        judge.look(walk.browser(), "a message in the queue").await?;
        page.type_into(mark::COMPOSER, "/").await?;
        page.see("[data-testid=fit]").await?;
        judge.look(walk.browser(), "commands to choose from").await?;
        page.type_into(mark::COMPOSER, ESCAPE).await?;
        click(walk.browser(), "[data-testid=search-open]").await?;
        page.type_into("[data-testid=find]", "tour").await?;
        page.read("[data-testid=find-said]", " of ").await?;
        judge.look(walk.browser(), "a search").await?;
        walk.browser().keys(ESCAPE).await?;
        page.press("[data-testid=session-menu]").await?;
        judge.look(walk.browser(), "the session's menu").await?;
        walk.browser().keys(ESCAPE).await?;
        page.press(mark::STOP).await?;
        page.see_gone(mark::STOP).await
    })
    .await?;
    judge.verdict()
}
