"""Sessions of the public Python SDK, a client that nobody here wrote, with the built-in agent.

Run by `cargo xtask test python`, which installs the pinned SDK into a folder of its own and names the agent's program
in PORTCULLIS_BIN. Each test is a coroutine whose name is the behaviour; the last line counts them as libtest does.
"""

import asyncio
import os
import stat
import sys
import tempfile
import traceback
from pathlib import Path

# Our version says nothing about the program whose version the SDK would like to know.
os.environ["CLAUDE_AGENT_SDK_SKIP_VERSION_CHECK"] = "1"

from claude_agent_sdk import (  # noqa: E402
    AgentDefinition,
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    HookMatcher,
    PermissionResultAllow,
    PermissionResultDeny,
    PermissionUpdate,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TextBlock,
    ToolResultBlock,
    UserMessage,
    query,
)
from claude_agent_sdk.types import PermissionRuleValue  # noqa: E402

PATIENCE_S = 60


class Place:
    """A throwaway project and home, and a program that the SDK takes for the agent it knows."""

    def __init__(self, folder: Path):
        self.project = folder / "project"
        self.project.mkdir()
        (folder / "home").mkdir()
        self.cli = folder / "agent"
        self.cli.write_text(f'#!/bin/sh\nexec "{os.environ["PORTCULLIS_BIN"]}" agent "$@"\n')
        self.cli.chmod(self.cli.stat().st_mode | stat.S_IXUSR)
        self.env = {"HOME": str(folder / "home"), "XDG_DATA_HOME": str(folder / "home")}
        self.stderr: list[str] = []

    def options(self, **more) -> ClaudeAgentOptions:
        given = {"model": "scripted", "cwd": self.project, "cli_path": self.cli, "env": self.env}
        return ClaudeAgentOptions(stderr=self.stderr.append, **{**given, **more})

    def has(self, name: str) -> bool:
        return (self.project / name).exists()


def texts(messages) -> list[str]:
    blocks = [block for message in messages if isinstance(message, AssistantMessage) for block in message.content]
    return [block.text for block in blocks if isinstance(block, TextBlock)]


def tool_results(messages) -> list[ToolResultBlock]:
    users = [message for message in messages if isinstance(message, UserMessage) and isinstance(message.content, list)]
    return [block for message in users for block in message.content if isinstance(block, ToolResultBlock)]


async def turn(client: ClaudeSDKClient, prompt: str):
    """One prompt, and everything up to its result."""
    await client.query(prompt)
    return [message async for message in client.receive_response()]


def result_of(messages) -> ResultMessage:
    assert isinstance(messages[-1], ResultMessage), messages
    return messages[-1]


async def a_single_question_is_answered(place: Place):
    messages = [message async for message in query(prompt="@say Hello there", options=place.options())]
    assert texts(messages) == ["Hello there"], messages
    result = result_of(messages)
    assert result.subtype == "success" and not result.is_error and result.result == "Hello there"
    assert isinstance(messages[0], SystemMessage) and messages[0].subtype == "init"


async def prompts_that_are_streamed_in_are_all_answered(place: Place):
    async def prompts():
        for text in ["@say one", "@say two"]:
            yield {"type": "user", "message": {"role": "user", "content": text}, "parent_tool_use_id": None}

    messages = [message async for message in query(prompt=prompts(), options=place.options())]
    assert texts(messages) == ["one", "two"], messages


async def a_session_of_several_turns_keeps_its_id(place: Place):
    async with ClaudeSDKClient(place.options()) as client:
        info = await client.get_server_info()
        assert {"commands", "models", "agents"} <= set(info), info
        first, second = await turn(client, "@say one"), await turn(client, "@say two")
    assert (texts(first), texts(second)) == (["one"], ["two"])
    assert result_of(first).session_id == result_of(second).session_id


async def partial_messages_come_when_they_are_asked_for(place: Place):
    async with ClaudeSDKClient(place.options(include_partial_messages=True)) as client:
        messages = await turn(client, "@say some words in a row")
    kinds = [message.event["type"] for message in messages if isinstance(message, StreamEvent)]
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop", kinds


async def a_permission_callback_allows_denies_and_edits(place: Place):
    asked = []

    async def decide(tool, given, context):
        asked.append((tool, given["command"], context.tool_use_id is not None))
        if "denied" in given["command"]:
            return PermissionResultDeny(message="Not that one.")
        if "edited" in given["command"]:
            return PermissionResultAllow(updated_input={**given, "command": "touch changed"})
        return PermissionResultAllow()

    async with ClaudeSDKClient(place.options(can_use_tool=decide)) as client:
        messages = await turn(client, "@bash touch allowed\n@bash touch denied\n@bash touch edited")
    assert [command for _, command, _ in asked] == ["touch allowed", "touch denied", "touch edited"]
    assert all(tool == "Bash" and has_id for tool, _, has_id in asked)
    assert [place.has(name) for name in ["allowed", "denied", "edited", "changed"]] == [True, False, False, True]
    results = tool_results(messages)
    assert results[1].content == "Not that one." and results[1].is_error
    assert result_of(messages).permission_denials[0]["tool_name"] == "Bash"


async def a_denial_with_interrupt_ends_the_turn(place: Place):
    async def decide(tool, given, context):
        return PermissionResultDeny(message="Stop.", interrupt=True)

    async with ClaudeSDKClient(place.options(can_use_tool=decide)) as client:
        messages = await turn(client, "@bash touch never\n@say not said")
        after = await turn(client, "@say still here")
    assert result_of(messages).subtype == "error_during_execution" and texts(messages) == []
    assert texts(after) == ["still here"] and not place.has("never")


async def a_rule_granted_with_an_answer_is_not_asked_about_again(place: Place):
    asked = []

    async def decide(tool, given, context):
        asked.append(context.suggestions)
        rule = PermissionRuleValue(tool_name="Bash", rule_content="touch:*")
        update = PermissionUpdate(type="addRules", rules=[rule], behavior="allow", destination="session")
        return PermissionResultAllow(updated_permissions=[update])

    async with ClaudeSDKClient(place.options(can_use_tool=decide)) as client:
        await turn(client, "@bash touch a\n@bash touch b\n@bash touch c")
    assert len(asked) == 1 and asked[0][0].type == "addRules", asked
    assert all(place.has(name) for name in "abc")


async def questions_are_answered_through_the_callback(place: Place):
    async def decide(tool, given, context):
        question = given["questions"][0]["question"]
        return PermissionResultAllow(updated_input={**given, "answers": {question: "Blue"}})

    async with ClaudeSDKClient(place.options(can_use_tool=decide)) as client:
        messages = await turn(client, "@ask Which colour? | Red | Blue")
    assert '"Which colour?"="Blue"' in tool_results(messages)[0].content


async def allowed_and_disallowed_tools_need_no_callback(place: Place):
    options = place.options(allowed_tools=["Bash(touch:*)"], disallowed_tools=["Write"])
    async with ClaudeSDKClient(options) as client:
        messages = await turn(client, "@bash touch a\n@write b text")
    assert place.has("a") and not place.has("b")
    assert tool_results(messages)[1].is_error


async def hooks_deny_change_and_hear_of_tool_calls(place: Place):
    heard = []

    async def before(given, tool_use_id, context):
        heard.append((given["hook_event_name"], given["tool_input"]["command"], given["tool_use_id"] == tool_use_id))
        answer = {"hookEventName": "PreToolUse", "permissionDecision": "allow"}
        if "denied" in given["tool_input"]["command"]:
            answer = {**answer, "permissionDecision": "deny", "permissionDecisionReason": "A hook said no."}
        if "edited" in given["tool_input"]["command"]:
            answer = {**answer, "updatedInput": {"command": "touch changed"}}
        return {"hookSpecificOutput": answer}

    async def after(given, tool_use_id, context):
        heard.append((given["hook_event_name"], given["tool_input"]["command"], given["tool_response"]["stdout"]))
        return {}

    hooks = {"PreToolUse": [HookMatcher(matcher="Bash", hooks=[before])], "PostToolUse": [HookMatcher(hooks=[after])]}
    async with ClaudeSDKClient(place.options(hooks=hooks)) as client:
        messages = await turn(client, "@bash echo hi\n@bash touch denied\n@bash touch edited")
    assert [place.has(name) for name in ["denied", "edited", "changed"]] == [False, False, True]
    assert tool_results(messages)[1].content == "A hook said no."
    assert ("PreToolUse", "echo hi", True) in heard and ("PostToolUse", "echo hi", "hi") in heard, heard
    assert ("PostToolUse", "touch changed", "") in heard, heard


async def hooks_block_a_prompt_and_send_the_agent_back_to_work(place: Place):
    stops = []

    async def prompt(given, tool_use_id, context):
        return {"decision": "block", "reason": "Not today."} if "forbidden" in given["prompt"] else {}

    async def stop(given, tool_use_id, context):
        stops.append(given["stop_hook_active"])
        return {} if given["stop_hook_active"] else {"decision": "block", "reason": "@say one more thing"}

    hooks = {"UserPromptSubmit": [HookMatcher(hooks=[prompt])], "Stop": [HookMatcher(hooks=[stop])]}
    async with ClaudeSDKClient(place.options(hooks=hooks)) as client:
        blocked = await turn(client, "@say forbidden")
        sent_back = await turn(client, "@say done")
    assert texts(blocked) == [] and result_of(blocked).result == "Not today."
    assert texts(sent_back) == ["done", "one more thing"] and stops == [False, True]


async def a_hook_that_must_not_fail_blocks_when_it_does(place: Place):
    async def before(given, tool_use_id, context):
        raise RuntimeError("broken")

    hooks = {"PreToolUse": [HookMatcher(matcher="Bash", hooks=[before], on_failure="block")]}
    async with ClaudeSDKClient(place.options(hooks=hooks, permission_mode="bypassPermissions")) as client:
        await turn(client, "@bash touch never")
    assert not place.has("never")


async def an_interrupt_stops_the_stream_and_the_session_goes_on(place: Place):
    async with ClaudeSDKClient(place.options(include_partial_messages=True)) as client:
        await client.query("@storm 100000 20")
        messages = []
        async for message in client.receive_response():
            first = isinstance(message, StreamEvent) and not any(isinstance(seen, StreamEvent) for seen in messages)
            messages.append(message)
            if first:
                await client.interrupt()
        after = await turn(client, "@say after")
    assert result_of(messages).subtype == "error_during_execution"
    assert texts(after) == ["after"]


async def an_interrupt_ends_a_running_command_with_all_it_started(place: Place):
    async with ClaudeSDKClient(place.options(allowed_tools=["Bash"])) as client:
        await client.query("@bash echo $$ > pid; sleep 600 & sleep 600")
        while not (place.has("pid") and (place.project / "pid").read_text().strip()):
            await asyncio.sleep(0.02)
        await client.interrupt()
        messages = [message async for message in client.receive_response()]
    assert result_of(messages).subtype == "error_during_execution"
    pid = (place.project / "pid").read_text().strip()
    status = Path(f"/proc/{pid}/stat")
    while status.exists() and ") Z " not in status.read_text():
        await asyncio.sleep(0.02)


async def the_model_changes_between_turns(place: Place):
    async with ClaudeSDKClient(place.options()) as client:
        before = await turn(client, "@say one")
        await client.set_model("scripted-2")
        after = await turn(client, "@say two")
    models = [message.data["model"] for message in before + after if getattr(message, "subtype", "") == "init"]
    assert models == ["scripted", "scripted-2"], models


async def the_permission_mode_changes_between_turns(place: Place):
    asked = []

    async def decide(tool, given, context):
        asked.append(tool)
        return PermissionResultDeny(message="no")

    async with ClaudeSDKClient(place.options(can_use_tool=decide)) as client:
        await turn(client, "@write before.txt x")
        await client.set_permission_mode("acceptEdits")
        await turn(client, "@write after.txt x")
        await client.set_permission_mode("plan")
        await turn(client, "@write planned.txt x")
    assert asked == ["Write", "Write"], asked
    assert [place.has(f"{name}.txt") for name in ["before", "after", "planned"]] == [False, True, False]


async def agents_of_the_host_work_below_the_call(place: Place):
    agents = {"helper": AgentDefinition(description="Helps", prompt="You help.", tools=["Read"])}
    call = '@tool Agent {"description": "Help", "prompt": "@say helped", "subagent_type": "helper"}'
    async with ClaudeSDKClient(place.options(agents=agents)) as client:
        messages = await turn(client, call)
    assert tool_results(messages)[-1].content[0]["text"] == "helped", messages


async def an_answer_has_the_form_the_host_asked_for(place: Place):
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    options = place.options(output_format={"type": "json_schema", "schema": schema})
    async with ClaudeSDKClient(options) as client:
        messages = await turn(client, '@tool StructuredOutput {"n": 7}')
    assert result_of(messages).structured_output == {"n": 7}


async def a_session_is_resumed_by_another_process(place: Place):
    async with ClaudeSDKClient(place.options()) as client:
        first = result_of(await turn(client, "@say one"))
    async with ClaudeSDKClient(place.options(resume=first.session_id)) as client:
        second = result_of(await turn(client, "@say two"))
    async with ClaudeSDKClient(place.options(resume=first.session_id, fork_session=True)) as client:
        third = result_of(await turn(client, "@say three"))
    assert second.session_id == first.session_id != third.session_id
    assert first.total_cost_usd < second.total_cost_usd < third.total_cost_usd, "the totals go on"


async def what_the_host_asks_about_is_answered(place: Place):
    async with ClaudeSDKClient(place.options()) as client:
        await turn(client, "@say hi")
        assert (await client.get_mcp_status())["mcpServers"] == []
        assert (await client.get_context_usage())["totalTokens"] > 0


async def run(test) -> bool:
    name = test.__name__
    with tempfile.TemporaryDirectory(prefix="portcullis-sdk-") as folder:
        place = Place(Path(folder))
        try:
            await asyncio.wait_for(test(place), PATIENCE_S)
        except Exception:
            print(f"test {name} ... FAILED\n{traceback.format_exc()}", flush=True)
            print("".join(f"agent: {line}\n" for line in place.stderr), flush=True)
            return False
    print(f"test {name} ... ok", flush=True)
    return True


async def main() -> int:
    own = {name: value for name, value in globals().items() if asyncio.iscoroutinefunction(value)}
    helpers = {"turn", "run", "main"}
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    tests = [test for name, test in own.items() if name not in helpers and wanted in name and test.__module__ == __name__]
    failed = [test.__name__ for test in tests if not await run(test)]
    verdict = "FAILED" if failed else "ok"
    passed = len(tests) - len(failed)
    print(f"test result: {verdict}. {passed} passed; {len(failed)} failed; 0 ignored")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
