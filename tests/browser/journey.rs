//! The journey of a person: pair, say something, watch, allow, deny, interrupt, come back.

use anyhow::{Result, ensure};
use portcullis_tests::browser::Browser;
use portcullis_tests::page::{Page, mark};
use portcullis_tests::patience::{SOON, all_along, until};
use portcullis_tests::walk::walk;

#[tokio::test]
async fn pairing_by_the_link_shows_the_environment_and_takes_the_code_out_of_the_address_bar() -> Result<()> {
    walk("pair", async |walk| {
        walk.pair().await?;
        let address = walk.page().client().current_url().await?;
        ensure!(!address.as_str().contains(walk.system().pair_code()), "the code is still in {address}");
        ensure!(address.fragment().is_none_or(|fragment| !fragment.contains("pair")), "{address}");
        walk.picture("paired").await
    })
    .await
}

#[tokio::test]
async fn a_used_code_and_a_wrong_one_are_told_so() -> Result<()> {
    walk("codes", async |walk| {
        walk.pair().await?;
        let stranger = Browser::start().await?;
        let page = Page::new(stranger.client());
        let wrong = format!("{}/#pair=AAAAAAAAAAAAAAAAAAAAAA", walk.system().url());
        for (name, link) in [("used", walk.system().pair_url()), ("wrong", wrong.as_str())] {
            // The fragment alone would not load the page again.
            page.client().goto("about:blank").await?;
            page.client().goto(link).await?;
            let said = page.read(mark::PAIR_STATUS, "code").await?;
            ensure!(!said.trim().is_empty());
            ensure!(page.count(mark::SESSION_ROW).await? == 0, "a {name} code opened the door");
            ensure!(
                !page.client().current_url().await?.as_str().contains("pair="),
                "the {name} code is still there"
            );
        }
        // A refused pairing is an error to the network, and the browser logs it as one.
        let unexpected: Vec<_> = stranger.console_errors().await?;
        ensure!(unexpected.iter().all(|error| error.contains("/v1/auth/pair")), "{unexpected:#?}");
        stranger.end().await
    })
    .await
}

#[tokio::test]
async fn an_answer_streams_in_and_stays() -> Result<()> {
    walk("stream", async |walk| {
        walk.open_session().await?;
        let page = walk.page().clone();
        page.prompt("@storm 150 20").await?;
        page.see(mark::PROMPT).await?;
        let partial = until("the first words", SOON, async || longest(&page).await).await?;
        walk.picture("streaming").await?;
        until("more words", SOON, async || Ok(longest(&page).await?.filter(|now| now.len() > partial.len())))
            .await?;
        page.see_gone(mark::STOP).await?;
        page.prompt("@say The portcullis is up.").await?;
        page.read(mark::TEXT, "The portcullis is up.").await?;
        ensure!(page.count(mark::PROMPT).await? == 2);
        walk.picture("answered").await
    })
    .await
}

#[tokio::test]
async fn the_tour_shows_thinking_markdown_and_tools() -> Result<()> {
    walk("tour", async |walk| {
        walk.open_session().await?;
        let page = walk.page().clone();
        page.prompt("Show me around").await?;
        page.see(mark::THINKING).await?;
        for element in ["h1, h2, h3, h4", "ul, ol", "pre", "table"] {
            let inside: Vec<_> = element.split(", ").map(|name| format!("{} {name}", mark::TEXT)).collect();
            page.see(&inside.join(", ")).await?;
        }
        page.see(mark::TOOL).await?;
        walk.picture("markdown-and-tools").await?;
        // The tour asks before it edits and before it runs a command.
        for question in ["edit", "command"] {
            page.see(mark::GATE_EXACT).await?;
            walk.picture(&format!("gate-{question}")).await?;
            page.allow_and_go_on().await?;
        }
        page.see_gone(mark::STOP).await?;
        walk.picture("done").await
    })
    .await
}

#[tokio::test]
async fn an_allowed_command_is_the_one_that_was_shown_and_really_runs() -> Result<()> {
    walk("allow", async |walk| {
        walk.open_session().await?;
        let page = walk.page().clone();
        let command = "echo hi-from-the-gate > made.txt && cat made.txt";
        page.prompt(&format!("@bash {command}")).await?;
        page.see(mark::GATE).await?;
        let exact = page.raw_texts(mark::GATE_EXACT).await?.join("\n");
        ensure!(exact.contains(command), "the gate shows {exact:?}");
        ensure!(walk.system().project_file("made.txt").is_none(), "it ran before anybody allowed it");
        walk.picture("asked").await?;
        page.press(mark::ALLOW).await?;
        page.read(&format!("{}[data-state=done]", mark::TOOL), "").await?;
        page.see_gone(mark::GATE_EXACT).await?;
        let made = until("made.txt", SOON, async || Ok(walk.system().project_file("made.txt"))).await?;
        ensure!(std::fs::read_to_string(made)? == "hi-from-the-gate\n");
        until("the output on the page", SOON, async || {
            let tools = page.raw_texts(mark::TOOL).await?.join("\n");
            // Once in the command, and once more as what it printed.
            Ok((tools.matches("hi-from-the-gate").count() >= 2).then_some(()))
        })
        .await?;
        walk.picture("ran").await
    })
    .await
}

#[tokio::test]
async fn a_denied_command_does_not_run_and_the_agent_reads_why() -> Result<()> {
    walk("deny", async |walk| {
        walk.open_session().await?;
        let page = walk.page().clone();
        page.prompt("@bash touch denied.txt").await?;
        page.see(mark::GATE).await?;
        page.press(mark::DENY).await?;
        page.type_into(mark::DENY_REASON, "not on a Friday").await?;
        walk.picture("reason").await?;
        page.press(mark::DENY_SEND).await?;
        page.see(&format!("{}[data-state=denied]", mark::TOOL)).await?;
        page.read(mark::TEXT, "not on a Friday").await?;
        page.see_gone(mark::GATE_EXACT).await?;
        ensure!(walk.system().project_file("denied.txt").is_none(), "it ran although it was denied");
        walk.picture("denied").await
    })
    .await
}

#[tokio::test]
async fn a_request_that_the_agent_takes_back_disappears() -> Result<()> {
    walk("cancel", async |walk| {
        walk.open_session().await?;
        let page = walk.page().clone();
        page.prompt("@bash touch cancelled.txt").await?;
        page.see(mark::GATE_EXACT).await?;
        page.press(mark::STOP).await?;
        page.see_gone(mark::GATE_EXACT).await?;
        ensure!(walk.system().project_file("cancelled.txt").is_none(), "it ran although it was cancelled");
        page.prompt("@say Still here.").await?;
        page.read(mark::TEXT, "Still here.").await?;
        walk.picture("cancelled").await
    })
    .await
}

#[tokio::test]
async fn an_interrupt_stops_a_stream() -> Result<()> {
    walk("interrupt", async |walk| {
        walk.open_session().await?;
        let page = walk.page().clone();
        page.prompt("@storm 100000 5").await?;
        until("the first words", SOON, async || longest(&page).await).await?;
        page.press(mark::STOP).await?;
        page.see_gone(mark::STOP).await?;
        let stopped = page.raw_texts(mark::TEXT).await?;
        all_along("what was said, after the interrupt", async || {
            Ok(page.raw_texts(mark::TEXT).await? == stopped)
        })
        .await?;
        page.prompt("@say And on we go.").await?;
        page.read(mark::TEXT, "And on we go.").await?;
        walk.picture("interrupted").await
    })
    .await
}

#[tokio::test]
async fn two_tabs_show_the_same_and_one_decision_closes_both_gates() -> Result<()> {
    walk("tabs", async |walk| {
        walk.open_session().await?;
        let page = walk.page().clone();
        page.prompt("@say Seen twice.").await?;
        page.read(mark::TEXT, "Seen twice.").await?;

        let address = page.client().current_url().await?;
        let first = page.client().window().await?;
        let second = page.client().new_window(true).await?.handle;
        page.client().switch_to_window(second.clone()).await?;
        page.client().goto(address.as_str()).await?;
        open_the_only_session(&page).await?;
        page.read(mark::TEXT, "Seen twice.").await?;
        ensure!(page.count(mark::PROMPT).await? == 1);

        page.prompt("@bash echo both > both.txt").await?;
        page.see(mark::GATE_EXACT).await?;
        walk.picture("second-tab-asked").await?;
        page.client().switch_to_window(first.clone()).await?;
        page.see(mark::GATE_EXACT).await?;
        ensure!(page.count(mark::PROMPT).await? == 2);
        page.press(mark::ALLOW).await?;
        page.see_gone(mark::GATE_EXACT).await?;
        let shown = settled_items(&page).await?;

        page.client().switch_to_window(second).await?;
        page.see_gone(mark::GATE_EXACT).await?;
        until("the same in both tabs", SOON, async || {
            Ok((settled_items(&page).await? == shown).then_some(()))
        })
        .await?;
        walk.picture("second-tab-decided").await
    })
    .await
}

#[tokio::test]
async fn a_reload_in_the_middle_of_a_stream_loses_nothing_and_shows_no_second_prompt() -> Result<()> {
    walk("reload", async |walk| {
        walk.open_session().await?;
        let page = walk.page().clone();
        page.prompt("@storm 300 15").await?;
        until("the first words", SOON, async || longest(&page).await).await?;
        page.client().refresh().await?;
        open_the_only_session(&page).await?;
        until("the stream again", SOON, async || longest(&page).await).await?;
        walk.picture("reloaded-while-streaming").await?;
        page.see_gone(mark::STOP).await?;
        let after_reload = settled_items(&page).await?;
        ensure!(page.count(mark::PROMPT).await? == 1, "{after_reload:#?}");

        // What a reader who comes late gets is the whole truth.
        page.client().refresh().await?;
        open_the_only_session(&page).await?;
        until("the same after the end", SOON, async || {
            Ok((settled_items(&page).await? == after_reload).then_some(()))
        })
        .await?;
        walk.picture("reloaded-afterwards").await
    })
    .await
}

#[tokio::test]
async fn the_client_fits_a_phone_and_a_desk_in_light_and_in_dark() -> Result<()> {
    walk("looks", async |walk| {
        walk.open_session().await?;
        let page = walk.page().clone();
        page.prompt("@think Which way?\n@say Up. It is a **gate**, after all.\n@bash cargo test --workspace")
            .await?;
        page.see(mark::GATE_EXACT).await?;
        for (name, width, height) in [("desk", 1440, 900), ("phone", 390, 844)] {
            for scheme in ["light", "dark"] {
                walk.browser().view_as(width, height).await?;
                walk.browser().prefer_colours(scheme).await?;
                page.see(mark::GATE_EXACT).await?;
                page.see(mark::COMPOSER).await?;
                let script =
                    "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
                let beyond = page.client().execute(script, Vec::new()).await?;
                ensure!(beyond.as_i64() == Some(0), "{name}: the page is {beyond} px wider than the screen");
                walk.picture(&format!("{name}-{scheme}")).await?;
            }
        }
        page.press(mark::ALLOW).await?;
        page.see_gone(mark::GATE_EXACT).await
    })
    .await
}

#[tokio::test]
async fn ending_the_system_ends_its_agents() -> Result<()> {
    walk("end", async |walk| {
        walk.open_session().await?;
        walk.page().prompt("@say Here.").await?;
        walk.page().read(mark::TEXT, "Here.").await?;
        // The end of every walk fails if one of these is left; this one makes sure that there are any.
        let agents = walk.system().descendants();
        ensure!(!agents.is_empty(), "no agent process runs below the demo");
        Ok(())
    })
    .await
}

/// Opens the session there is, if the page does not show it by itself.
async fn open_the_only_session(page: &Page) -> Result<()> {
    page.see(mark::LINK_ONLINE).await?;
    until("the session", SOON, async || {
        if page.count(mark::COMPOSER).await? == 0 && page.count(mark::SESSION_ROW).await? > 0 {
            page.press(mark::SESSION_ROW).await?;
        }
        Ok((page.count(mark::PROMPT).await? > 0).then_some(()))
    })
    .await
}

/// The longest text of the agent, once there is one.
async fn longest(page: &Page) -> Result<Option<String>> {
    let texts = page.raw_texts(mark::TEXT).await?;
    Ok(texts.into_iter().filter(|text| !text.trim().is_empty()).max_by_key(String::len))
}

/// What the session came to: its prompts, texts and tools, once nothing runs.
async fn settled_items(page: &Page) -> Result<Vec<String>> {
    page.see_gone(mark::STOP).await?;
    // Without where each prompt is: that goes on for a moment after the agent stopped.
    let mut items = page.raw_texts(mark::PROMPT_TEXT).await?;
    items.extend(page.raw_texts(mark::TEXT).await?);
    Ok(items)
}
