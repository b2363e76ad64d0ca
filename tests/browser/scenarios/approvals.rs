//! Decisions on their way to the agent, past bridges that hang and die. The numbers are reports of what happened to
//! others with other programs.

use anyhow::{Context, Result, ensure};
use portcullis_tests::apart::Apart;
use portcullis_tests::devtools::ORDEAL;
use portcullis_tests::page::mark;
use portcullis_tests::patience::{SOON, all_along, until};
use portcullis_tests::walk::{Walk, walk_apart};

use crate::network_errors;

#[tokio::test]
async fn three_ticks_come_in_order_and_a_late_one_is_warned_of_until_it_comes() -> Result<()> {
    walk_apart("late", async |walk| {
        walk.browser().before_each_page(ORDEAL).await?;
        let session = walk.open_session().await?;
        walk.page().prompt("@bash echo late >> late.txt").await?;
        walk.page().see(mark::GATE_EXACT).await?;
        walk.system().pause_bridge()?;
        walk.page().press(mark::ALLOW).await?;
        walk.page().see(&format!("{}[data-tick=accepted]", mark::GATE_TICKS)).await?;
        walk.page().see(mark::GATE_LATE).await?;
        walk.picture("warned").await?;
        ensure!(walk.system().project_file("late.txt").is_none(), "it ran on a machine that is held still");
        walk.system().resume_bridge()?;
        until("late.txt", SOON, async || Ok(walk.system().project_file("late.txt"))).await?;
        walk.page().see_gone(mark::GATE_LATE).await?;
        until("the last tick", SOON, async || {
            let ticks = walk.browser().run("return ordeal.ticks").await?;
            let ticks: Vec<String> = serde_json::from_value(ticks)?;
            let order = ["accepted", "delivered", "settled"];
            let places: Vec<_> =
                ticks.iter().map(|tick| order.iter().position(|name| name == tick)).collect();
            ensure!(places.is_sorted() && !places.contains(&None), "the ticks came as {ticks:?}");
            Ok((places.last() == Some(&Some(2))).then_some(()))
        })
        .await?;
        walk.page().see_gone(mark::STOP).await?;
        let file = walk.system().project_file("late.txt").context("it was there")?;
        ensure!(std::fs::read_to_string(file)? == "late\n", "it ran more than once");
        ensure!(walk.system().owner().pending(&session).await? == 0);
        walk.picture("settled").await
    })
    .await
}

#[tokio::test]
async fn a_tapped_approval_reaches_the_host_and_an_offline_bridge_is_said_before_the_tap_61177_52084()
-> Result<()> {
    walk_apart("bridge-offline", async |walk| {
        let session = walk.open_session().await?;
        walk.page().prompt("@bash touch reached.txt").await?;
        walk.page().press(mark::ALLOW).await?;
        // An agent that goes on at once passes the second tick between two paints.
        let ticks = ["delivered", "settled"].map(|tick| format!("{}[data-tick={tick}]", mark::GATE_TICKS));
        walk.page().see(&ticks.join(", ")).await?;
        until("reached.txt", SOON, async || Ok(walk.system().project_file("reached.txt"))).await?;

        walk.page().prompt("@bash touch never.txt").await?;
        walk.page().read(mark::GATE_EXACT, "never.txt").await?;
        walk.system_mut().kill_bridge()?;
        walk.page().read(mark::GATE_OFFLINE, "offline").await?;
        walk.picture("said-before").await?;
        // Whoever taps all the same decides about a process that is gone, and is told so once the machine is back.
        walk.page().press_if_there(mark::ALLOW).await?;
        walk.system_mut().start_bridge().await?;
        walk.page().prompt("@say Back on the line.").await?;
        walk.page().read(mark::TEXT, "Back on the line.").await?;
        walk.page().see_gone(mark::GATE_EXACT).await?;
        walk.picture("back").await?;
        ensure!(
            walk.system().project_file("never.txt").is_none(),
            "it ran in another process than the one that asked"
        );
        ensure!(walk.system().owner().pending(&session).await? == 0);
        walk.see_each_once(&session, &["Back on the line."]).await
    })
    .await
}

#[tokio::test]
async fn a_prompt_that_the_agent_had_when_its_machine_died_is_not_sent_again_by_itself() -> Result<()> {
    walk_apart("bridge-killed", async |walk| {
        let session = walk.open_session().await?;
        walk.page().prompt("@sleep 60000").await?;
        walk.page().see(mark::STOP).await?;
        walk.page().prompt("@say Was it said?").await?;
        walk.page().see(&format!("{}[data-state=delivered]", mark::QUEUED)).await?;
        walk.picture("queued").await?;
        walk.system_mut().kill_bridge()?;
        walk.page().read("body", "offline").await?;
        walk.system_mut().start_bridge().await?;
        walk.page().prompt("@say Anew.").await?;
        walk.page().read(mark::TEXT, "Anew.").await?;
        walk.picture("afterwards").await?;
        let unknown = format!("{}[data-state=unknown]", mark::PROMPT);
        walk.page().read(&unknown, "Was it said?").await?;
        walk.page().read(&unknown, "Send again").await?;
        all_along("the prompt is not sent again", async || {
            Ok(walk.system().owner().times_said(&session, "Was it said?").await? == 0)
        })
        .await?;
        let prompts = walk.system().owner().prompts(&session).await?;
        ensure!(
            prompts == ["@say Ready.", "@sleep 60000", "@say Was it said?", "@say Anew."],
            "{prompts:#?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn three_requests_at_once_are_all_shown_and_answered_in_any_order_66366() -> Result<()> {
    walk_apart("three", async |walk| {
        let session = walk.open_session().await?;
        // Sub-agents ask beside one another, commands of one agent one after the other.
        let agents =
            ["one", "two", "three"].map(|name| format!("  @agent {name}\n    @bash touch {name}.txt"));
        walk.page().prompt(&format!("@parallel\n{}", agents.join("\n"))).await?;
        walk.page().read(mark::GATE, "of 3").await?;
        walk.picture("three").await?;
        ensure!(walk.system().owner().pending(&session).await? == 3);
        for (name, rest) in [("three", 2), ("one", 1), ("two", 0)] {
            show(walk, &format!("{name}.txt")).await?;
            walk.page().press(mark::ALLOW).await?;
            until(name, SOON, async || Ok(walk.system().project_file(&format!("{name}.txt")))).await?;
            ensure!(walk.system().owner().pending(&session).await? == rest);
        }
        walk.page().see_gone(mark::GATE_EXACT).await
    })
    .await
}

#[tokio::test]
async fn a_reconnect_opens_exactly_what_is_pending_and_no_request_of_before_30489_71116() -> Result<()> {
    walk_apart("reconnect", async |walk| {
        network_errors(walk);
        let session = walk.open_session().await?;
        for (name, button) in [("allowed", mark::ALLOW), ("denied", mark::DENY)] {
            walk.page().prompt(&format!("@bash touch {name}.txt")).await?;
            walk.page().read(mark::GATE_EXACT, &format!("{name}.txt")).await?;
            walk.page().press(button).await?;
            if button == mark::DENY {
                walk.page().press(mark::DENY_SEND).await?;
            }
            walk.page().see_gone(mark::STOP).await?;
        }
        walk.page().prompt("@bash touch waiting.txt").await?;
        walk.page().read(mark::GATE_EXACT, "waiting.txt").await?;
        for again in ["cut", "reload"] {
            match again {
                "cut" => walk.system().proxy().cut(),
                _ => walk.page().client().refresh().await?,
            }
            walk.page().see(mark::LINK_ONLINE).await?;
            walk.page().read(mark::GATE_EXACT, "waiting.txt").await?;
            all_along("one request waits, and it is the right one", async || {
                let shown = walk.page().raw_texts(mark::GATE_EXACT).await?;
                Ok(shown.len() == 1 && shown[0].contains("waiting.txt"))
            })
            .await?;
        }
        walk.page().press(mark::ALLOW).await?;
        until("waiting.txt", SOON, async || Ok(walk.system().project_file("waiting.txt"))).await?;
        walk.page().see_gone(mark::GATE_EXACT).await?;
        walk.page().client().refresh().await?;
        walk.page().see(mark::LINK_ONLINE).await?;
        all_along("nothing is asked again", async || Ok(walk.page().count(mark::GATE_EXACT).await? == 0))
            .await?;
        ensure!(
            walk.system().owner().asked(&session).await?.len() == 3,
            "one request each, and no second one"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_one_tab_decided_the_other_shows_as_decided_29863() -> Result<()> {
    walk_apart("decided-by", async |walk| {
        let session = walk.open_session().await?;
        walk.page().prompt("@bash touch decided.txt").await?;
        walk.page().see(mark::GATE_EXACT).await?;
        let first = walk.page().client().window().await?;
        let address = walk.page().client().current_url().await?;
        let second = walk.browser().open_tab(address.as_str()).await?;
        walk.page().see(mark::GATE_EXACT).await?;
        // While the bridge stands still a decision stays one that was only just made.
        walk.system().pause_bridge()?;
        walk.browser().look_at(&first).await?;
        walk.page().press(mark::ALLOW).await?;
        walk.page().see_gone(mark::GATE_EXACT).await?;
        walk.browser().look_at(&second).await?;
        walk.page().see_gone(mark::GATE_EXACT).await?;
        walk.page().read(mark::GATE, "Allowed by").await?;
        ensure!(walk.page().count(mark::ALLOW).await? == 0, "it can be allowed again");
        walk.picture("second-tab").await?;
        walk.system().resume_bridge()?;
        until("decided.txt", SOON, async || Ok(walk.system().project_file("decided.txt"))).await?;
        ensure!(walk.system().owner().pending(&session).await? == 0);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn either_side_may_answer_and_the_first_one_wins_55619() -> Result<()> {
    walk_apart("either-side", async |walk| {
        let session = walk.open_session().await?;
        walk.page().prompt("@bash touch elsewhere.txt").await?;
        walk.page().see(mark::GATE_EXACT).await?;
        let asked = walk.system().owner().asked(&session).await?;
        let (request_id, digest) = asked.last().context("nothing was asked")?;
        let uuid = "5f0c9d5e-6f0d-4b86-8a8e-0d1c5d6b7a03";
        walk.system().owner().deny(&session, request_id, digest, uuid).await?;
        walk.page().see_gone(mark::GATE_EXACT).await?;
        walk.page().see(&format!("{}[data-state=denied]", mark::TOOL)).await?;
        walk.page().read(mark::TRANSCRIPT, "not from here").await?;
        ensure!(walk.system().project_file("elsewhere.txt").is_none(), "it ran although it was denied first");

        walk.page().prompt("@bash touch here.txt").await?;
        walk.page().press(mark::ALLOW).await?;
        until("here.txt", SOON, async || Ok(walk.system().project_file("here.txt"))).await?;
        let asked = walk.system().owner().asked(&session).await?;
        let (request_id, digest) = asked.last().context("nothing was asked")?;
        let uuid = "5f0c9d5e-6f0d-4b86-8a8e-0d1c5d6b7a04";
        let late = walk.system().owner().deny(&session, request_id, digest, uuid).await;
        ensure!(late.is_err_and(|error| error.to_string().contains("4")), "the second answer was taken too");
        Ok(())
    })
    .await
}

/// Steps through the requests until the one with this in its text is shown.
async fn show(walk: &Walk<Apart>, part: &str) -> Result<()> {
    until(&format!("the request with {part}"), SOON, async || {
        let shown = walk.page().raw_texts(mark::GATE_EXACT).await?.join("\n");
        if shown.contains(part) {
            return Ok(Some(()));
        }
        walk.page().press_if_there(mark::NEXT_REQUEST).await?;
        Ok(None)
    })
    .await
}
