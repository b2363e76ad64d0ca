//! Presents a plan. That it was approved is known by the time this runs; the mode is the engine's affair.

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::ToolOutcome;

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    plan: Option<String>,
}

/// `original` is what the model proposed, before the approver's edits.
pub(super) fn run(input: Input, original: &RawValue) -> ToolOutcome {
    let proposed = serde_json::from_str::<Input>(original.get()).ok().and_then(|input| input.plan);
    let edited = input.plan != proposed;
    let mut structured = json!({"plan": input.plan, "isAgent": false});
    if edited {
        structured["planWasEdited"] = json!(true);
    }
    let content = match (input.plan, edited) {
        (Some(plan), true) => format!("User has approved your plan with changes. The plan is now:\n{plan}"),
        (Some(_), false) | (None, _) => {
            "User has approved exiting plan mode. You can now proceed.".to_owned()
        }
    };
    ToolOutcome::ok(content, structured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_a_plan_that_the_approver_changed() {
        let original = RawValue::from_string(r#"{"plan":"a"}"#.to_owned()).unwrap();
        let approve = |plan: &str| run(Input { plan: Some(plan.to_owned()) }, &original).structured;
        assert_eq!(approve("a"), json!({"plan": "a", "isAgent": false}));
        assert_eq!(approve("b")["planWasEdited"], true);
    }
}
