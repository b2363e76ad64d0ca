//! What a person decided, as the event that says so about exactly the bytes that were shown.

use super::input::Choice;
use super::ledger::Entry;
use crate::approval::{Answer, Decision, Kind, Verdict, digest, pick};

const UNREADABLE: &str = "This request cannot be read as a tool's, so it can only be denied.";

/// The decision that says `choice` about exactly what `entry` shows.
pub(super) fn decision(
    entry: &Entry,
    uuid: String,
    decided_at_ms: Option<u64>,
    choice: Choice,
) -> Result<Decision, &'static str> {
    if entry.mismatch && !is_no(entry, &choice) {
        return Err("What is shown is not what the server holds, so it can only be denied.");
    }
    let mut updated_input_digest = None;
    let mut option_id = None;
    let kind = Kind::of(&entry.raw);
    let verdict = match choice {
        Choice::Deny { message, interrupt } => Verdict::no(kind, message, interrupt),
        Choice::Accept { content } => Verdict::Answer(Answer::Accept { content }),
        Choice::Complete { result } => Verdict::Answer(Answer::Completed { result }),
        Choice::Allow => {
            let tool = entry.tool.as_ref().ok_or(UNREADABLE)?;
            Verdict::Allow { updated_input: tool.input.clone(), updated_permissions: vec![] }
        }
        Choice::AllowWith { suggestion } => {
            let tool = entry.tool.as_ref().ok_or(UNREADABLE)?;
            let suggested = tool.permission_suggestions.as_deref().unwrap_or_default().get(suggestion);
            let granted = suggested.ok_or("The agent did not suggest that.")?.clone();
            Verdict::Allow { updated_input: tool.input.clone(), updated_permissions: vec![granted] }
        }
        Choice::Pick { option_id: picked } => {
            let tool = entry.tool.as_ref().ok_or(UNREADABLE)?;
            let allows = allows(entry, &picked).ok_or("The agent offers no such option.")?;
            option_id = Some(picked);
            if allows {
                Verdict::Allow { updated_input: tool.input.clone(), updated_permissions: vec![] }
            } else {
                Verdict::Deny { message: String::new(), interrupt: false }
            }
        }
        Choice::AllowEdited { input } => {
            updated_input_digest = Some(digest(&input));
            Verdict::Allow { updated_input: input, updated_permissions: vec![] }
        }
        Choice::Answer { input } => Verdict::Allow { updated_input: input, updated_permissions: vec![] },
    };
    if verdict.kind() != kind {
        return Err("That is no answer to this kind of request.");
    }
    if let Verdict::Answer(answer) = &verdict
        && answer.check(&entry.raw).is_err()
    {
        return Err("The answer does not fit what was asked. Nothing was sent.");
    }
    if let Some(tool) = &entry.tool {
        let allows = matches!(verdict, Verdict::Allow { .. });
        let picked = pick(tool.permission_options.as_deref(), allows, option_id.as_deref());
        picked.map_err(|_| "None of the agent's options says that. Nothing was sent.")?;
    }
    Ok(Decision {
        uuid,
        request_id: entry.request_id.clone(),
        digest: entry.digest.clone(),
        decided_at_ms,
        edited: updated_input_digest.is_some(),
        base_file: entry.base_file.clone(),
        updated_input_digest,
        option_id,
        verdict,
    })
}

/// Whether `choice` runs nothing.
pub(super) fn is_no(entry: &Entry, choice: &Choice) -> bool {
    match choice {
        Choice::Deny { .. } => true,
        Choice::Pick { option_id } => allows(entry, option_id) == Some(false),
        Choice::Allow
        | Choice::AllowWith { .. }
        | Choice::AllowEdited { .. }
        | Choice::Answer { .. }
        | Choice::Accept { .. }
        | Choice::Complete { .. } => false,
    }
}

fn allows(entry: &Entry, option_id: &str) -> Option<bool> {
    let offered = entry.tool.as_ref()?.permission_options.as_deref()?;
    offered.iter().find(|option| option.option_id == option_id)?.kind.allows()
}
