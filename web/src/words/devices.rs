//! What the page says about devices that want in.

use super::words;

words! {
    title: "A device wants in" | "有设备想要接入";
    does_it_show: " wants in. Does it show this code?" | " 想要接入。它显示的是这个代码吗？";
    machine_title: "A machine wants to run agents for you" | "有一台机器想为你运行代理";
    machine_does_it_show: " is a machine that wants to run agents here. Does it show this code?"
        | " 是一台想在这里运行代理的机器。它显示的是这个代码吗？";
    turn_away: "No, turn away" | "不是，拒绝";
    admit: "Yes, admit" | "是，允许接入";
    admit_machine: "Yes, let it run agents" | "是，允许它运行代理";
}
