//! One table of scenarios, and every agent that is put through it: the agent inside the binary, and Claude Code as it
//! comes from npm. What an agent cannot do is said in the table, with the reason; where two of them do the same thing
//! in other words, the scenario says so at that place.

mod commands;
mod control;
mod decisions;
mod modes;
mod plain;
mod queue;
mod resume;
mod tasks;
mod trouble;
mod waiting;

/// One test for each scenario and agent. A scenario of one agent alone says why.
macro_rules! scenarios {
    ($($module:ident: $($name:ident $(for $only:ident because $why:literal)?,)*;)*) => {
        mod builtin {
            $($(scenarios!(@one builtin $module $name $($only $why)?);)*)*
        }
        mod claude {
            $($(scenarios!(@one claude $module $name $($only $why)?);)*)*
        }
    };
    (@one builtin $module:ident $name:ident claude $why:literal) => {};
    (@one claude $module:ident $name:ident builtin $why:literal) => {};
    (@one builtin $module:ident $name:ident $($only:ident $why:literal)?) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() -> anyhow::Result<()> {
            super::$module::$name(&portcullis_agents_tests::agent::Agent::builtin()).await
        }
    };
    (@one claude $module:ident $name:ident $($only:ident $why:literal)?) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() -> anyhow::Result<()> {
            super::$module::$name(&portcullis_agents_tests::agent::Agent::claude()?).await
        }
    };
}

scenarios! {
    plain:
        a_prompt_is_answered_and_what_it_cost_is_known,
        an_image_reaches_the_model,
        the_agent_sees_the_environment_of_the_list_and_nothing_else,
    ;
    decisions:
        an_allowed_command_runs_and_a_denied_one_does_not,
        an_edited_input_is_what_runs,
        a_granted_rule_covers_the_next_call,
        a_granted_mode_is_reported_and_holds,
        a_denial_that_interrupts_ends_the_turn,
        a_question_is_answered_by_its_full_text,
        a_plan_is_refused_then_approved,
        calls_of_one_answer_ask_one_after_the_other,
    ;
    control:
        an_agent_introduces_itself_to_whoever_asks,
        an_interrupt_ends_what_is_said,
        an_interrupt_withdraws_what_waits,
        an_interrupt_withdraws_all_that_wait for claude
            because "the built-in agent asks for one thing at a time",
        an_interrupt_ends_a_command,
        a_model_is_chosen,
        a_mode_is_chosen_by_role_and_policy,
        what_is_asked_about_is_answered,
    ;
    modes:
        bypass_asks_nobody_until_the_mode_is_left,
        bypass_is_refused_to_a_session_that_began_without_it,
        a_mode_that_the_policy_does_not_name_is_refused_with_the_reason,
        auto_runs_nothing_that_could_not_be_judged for claude
            because "the built-in agent has no auto: what Claude Code lets pass there is judged by a service that \
                     wants an account, so here only what it does without a verdict can be shown",
        auto_is_refused_and_the_session_goes_on_as_it_was for builtin
            because "Claude Code has it",
    ;
    commands:
        clear_begins_a_new_conversation,
        context_is_shown,
        compact_shortens_the_conversation for claude
            because "the built-in agent does not compact: a conversation that no longer fits ends its turn",
        usage_is_shown for claude
            because "the built-in agent has /cost, and says so in its list of commands",
    ;
    queue:
        prompts_that_came_meanwhile_are_all_answered,
        a_queued_prompt_is_cancelled,
        an_urgent_prompt_goes_first,
        a_late_prompt_waits_for_its_own_turn,
        a_prompt_is_folded_into_a_turn_that_waits_for_a_person,
    ;
    tasks:
        a_sub_agent_asks_and_reports,
        a_command_runs_in_the_background_and_is_stopped for claude
            because "the built-in agent refuses commands in the background",
    ;
    resume:
        a_conversation_goes_on_after_the_bridge_was_killed,
        a_conversation_goes_on_after_its_agent_was_killed,
        a_conversation_that_is_gone_is_replaced_by_a_new_one,
        a_cleared_conversation_stays_cleared,
        what_was_chosen_holds_after_a_restart,
    ;
    trouble:
        an_overloaded_model_is_asked_again,
        an_error_of_the_model_ends_the_turn_and_not_the_session,
        an_agent_that_is_killed_while_it_speaks_is_said_to_be_gone,
        an_agent_that_is_killed_with_a_request_open_leaves_none_behind,
        an_agent_that_is_killed_while_a_command_runs_takes_it_along,
        a_bridge_that_ends_in_order_leaves_no_process,
    ;
}
